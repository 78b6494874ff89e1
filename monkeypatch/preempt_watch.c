/* preempt_watch.c - a thread that computes is interrupted when something is due
 *
 * A timer that rings, a descriptor that is ready: under the kernel's scheduler
 * whoever waits for it runs soon, whatever the others do.  The slices of preempt.c
 * are too long for that.  So where a thread has been seen to compute, its OS thread
 * gets another one that polls the descriptor of the hub's epoll, in which the next
 * deadline is, too, and sends it a signal.  It goes on sending while the thread is in
 * libc, where it cannot be stopped, and not while it sleeps: a call that the
 * program makes by an instruction of its own would be cut short.
 *
 * Both sides go by the hub's count of switches: `armed` is what it was when the
 * thread that computes began to run. */
#include "monkeypatch/carrier.h"
#include "monkeypatch/preempt.h"
#include "monkeypatch/sys.h"

#include <limits.h>
#include <linux/futex.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>

enum {
    RUN_NS = 100000,    /* once it runs it is left alone for so long */
    FRESH_NS = 1000000, /* the same, if it is not known to compute */
    GRANT_NS = 2000000, /* ... if it has waited for long */
    LOOK_NS = 4000,     /* from one signal to the next: with credit ... */
    LOOK_MOST_NS = 200000,   /* ... and without */
    ASLEEP_NS = 20000, /* does it sleep? */
    SLEEP_MOST_NS = 500000,  /* while it sleeps, or waits for its CPU */
    SLOW_NS = 200000,  /* what no interruption takes, but for a tracer */
    SIGNAL_NS = 2500,  /* what one costs it, more or less, but for our part */
    SHARE = 10,        /* one in so many of its time goes by in looks, ... */
    CREDIT_NS = 500000 /* ... which may be used so much at a time */
};
#define OVERS 3 /* slices that end in libc until one is cut off */
/* Fewer switches than this in a slice: those who run do so for long. */
#define FEW_SWITCHES 60

static uint32_t threads; /* atomic: those that watch */

unsigned mp__watch_threads(void)
{
    return __atomic_load_n(&threads, __ATOMIC_RELAXED);
}

/* ---- the thread that watches one carrier; libc's functions are not for it ---- */

static uint64_t armed(const struct mp__carrier *carrier)
{
    return __atomic_load_n(&carrier->watch.armed, __ATOMIC_SEQ_CST);
}

/* Who began to run then still does. */
static bool runs_since(const struct mp__carrier *carrier, uint64_t then)
{
    return then == greenlet__read(carrier->hub->switches) &&
           then == armed(carrier);
}

static void sleep_for(int64_t ns)
{
    struct timespec time = { 0, (long)ns };

    SYS_CALL(SYS_nanosleep, &time, NULL, 0, 0, 0, 0);
}

static int64_t clock_ns(clockid_t clock)
{
    struct timespec now = { 0, 0 };

    SYS_CALL(SYS_clock_gettime, clock, &now, 0, 0, 0, 0);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

/* Whether its CPU time goes on.  With one CPU it can do so only while this thread
 * sleeps. */
static bool computes(const struct mp__carrier *carrier)
{
    enum { PER_THREAD = 6, ID_SHIFT = 3 };
    clockid_t clock =
        (clockid_t)(~(uint32_t)carrier->tid << ID_SHIFT | PER_THREAD);
    int64_t before = clock_ns(clock);

    if (clock_ns(clock) > before)
        return true;
    sleep_for(ASLEEP_NS);
    return clock_ns(clock) > before + ASLEEP_NS / 4;
}

/* In the table of descriptors of this thread alone: in one that threads share each
 * call on a descriptor costs more (hub/apart.c). */
static int copy_of_epoll(struct mp__carrier *carrier)
{
    struct mp__watch *own = &carrier->watch;
    int number = *mp__hub->epoll(carrier->hub);

    if (own->copied == number && own->epoll >= 0)
        return own->epoll;
    if (own->epoll >= 0)
        SYS_CALL(SYS_close, own->epoll, 0, 0, 0, 0, 0);
    own->copied = number;
    own->epoll = mp__hub->apart_copy(number);
    return own->epoll;
}

/* Something is ready, or becomes so until the poll ends.  Where it cannot poll
 * nothing is. */
static bool polls(struct mp__carrier *carrier, bool waits)
{
    const struct timespec now = { 0, 0 };
    struct pollfd fd = { copy_of_epoll(carrier), POLLIN, 0 };

    if (fd.fd >= 0 &&
        SYS_CALL(SYS_ppoll, &fd, 1, waits ? NULL : &now, NULL, MP_SIGSET_BYTES,
                 0) > 0 && (fd.revents & POLLIN) != 0)
        return true;
    if (waits)
        sleep_for(SLEEP_MOST_NS);
    return false;
}

/* Looks in quick succession, for most of what it does in libc is soon over; as many
 * as it has credit for. */
static int64_t next_pause(struct mp__carrier *carrier, int64_t pause, bool slept)
{
    int64_t cost = __atomic_load_n(&carrier->watch.cost, __ATOMIC_RELAXED);
    int64_t now = clock_ns(CLOCK_MONOTONIC);
    struct mp__watch *own = &carrier->watch;

    own->credit += (now - own->credited) / SHARE;
    own->credited = now;
    if (own->credit > CREDIT_NS)
        own->credit = CREDIT_NS;
    if (slept)
        return pause * 2 < SLEEP_MOST_NS ? pause * 2 : SLEEP_MOST_NS;
    cost += SIGNAL_NS;
    if (own->credit < cost)
        return cost * SHARE > LOOK_MOST_NS ? cost * SHARE : LOOK_MOST_NS;
    own->credit -= cost;
    return LOOK_NS;
}

/* Not for as long as a sleep takes at least. */
static void pause_for(int64_t ns)
{
    int64_t end = clock_ns(CLOCK_MONOTONIC) + ns;

    if (ns > LOOK_NS)
        sleep_for(ns < 999999999 ? ns : 999999999);
    else
        while (clock_ns(CLOCK_MONOTONIC) < end)
            ;
}

/* Until it has let others run, or nothing is due any more. */
static void interrupt(struct mp__carrier *carrier, uint64_t then)
{
    int64_t pause = LOOK_NS;

    while (runs_since(carrier, then)) {
        bool slept = !computes(carrier);

        if (!runs_since(carrier, then) || !polls(carrier, false))
            break;
        if (!slept)
            mp__carrier_send(carrier, &carrier->watch.poked);
        pause = next_pause(carrier, pause, slept);
        pause_for(pause);
    }
}

static void leave_alone(const struct mp__carrier *carrier)
{
    int64_t left = greenlet__read(carrier->watch.until) - clock_ns(CLOCK_MONOTONIC);

    if (left > 0)
        sleep_for(left < 999999999 ? left : 999999999);
}

/* Who ran when it was armed does not any more.  It looks once more after it has
 * said so: it may just be armed. */
static void doze(struct mp__carrier *carrier)
{
    __atomic_store_n(&carrier->watch.awake, 0, __ATOMIC_SEQ_CST);
    if (!runs_since(carrier, armed(carrier)))
        SYS_CALL(SYS_futex, &carrier->watch.awake, FUTEX_WAIT_PRIVATE, 0, NULL,
                 0, 0);
    __atomic_store_n(&carrier->watch.awake, 1, __ATOMIC_SEQ_CST);
}

static void *watch(void *arg)
{
    struct mp__carrier *carrier = arg;
    uint32_t starts = WATCH_STARTS;

    SYS_CALL(SYS_prctl, PR_SET_NAME, "vireo-watch", 0, 0, 0, 0);
    SYS_CALL(SYS_prctl, PR_SET_TIMERSLACK, 1, 0, 0, 0, 0);
    carrier->watch.epoll = -1;
    if (!mp__hub->apart_leave()) { /* slices are all that there is */
        __atomic_store_n(&carrier->watch.state, WATCH_FAILED, __ATOMIC_RELEASE);
        __atomic_sub_fetch(&threads, 1, __ATOMIC_RELAXED);
        return arg;
    }
    __atomic_compare_exchange_n(&carrier->watch.state, &starts, WATCH_RUNS, false,
                                __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
    for (;;) {
        uint64_t then = armed(carrier);

        if (!runs_since(carrier, then)) {
            doze(carrier);
            continue;
        }
        if (!polls(carrier, true) || !runs_since(carrier, then))
            continue;
        leave_alone(carrier);
        interrupt(carrier, then);
    }
    return NULL;
}

/* ---- starting it: by the monitor, which holds nothing of the program's ---- */

static void make(struct mp__carrier *carrier)
{
    sigset_t all, before;
    pthread_attr_t attr;
    pthread_t thread;
    int rc;

    __atomic_add_fetch(&threads, 1, __ATOMIC_RELAXED);
    sigfillset(&all);
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    mp__real.pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = mp__real.pthread_create(&thread, &attr, watch, carrier);
    mp__real.pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    if (rc != 0) {
        __atomic_store_n(&carrier->watch.state, WATCH_FAILED, __ATOMIC_RELEASE);
        __atomic_sub_fetch(&threads, 1, __ATOMIC_RELAXED);
    }
}

static void start_if_asked(struct mp__carrier *carrier)
{
    uint32_t asked = WATCH_ASKED;

    if (__atomic_load_n(&carrier->watch.state, __ATOMIC_RELAXED) != WATCH_ASKED ||
        !mp__fork_keep_out())
        return;
    if (__atomic_compare_exchange_n(&carrier->watch.state, &asked, WATCH_STARTS,
                                    false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
        make(carrier);
    mp__fork_let_in();
}

/* Not while a thread forks, for the child may be in the way of an emulator's lock (qemu's
 * for making threads): it is tried again with the next slice that ends. */
void mp__watch_start_asked(void)
{
    for (unsigned i = 0; i < mp__options.hubs; i++)
        start_if_asked(&mp__carriers[i]);
}

/* ---- the carrier ---- */

static void wake(struct mp__watch *own, uint64_t switches, int64_t span)
{
    greenlet__write(own->until, mp__now() + span);
    __atomic_store_n(&own->armed, switches, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&own->awake, __ATOMIC_SEQ_CST) == 0 &&
        __atomic_exchange_n(&own->awake, 1, __ATOMIC_SEQ_CST) == 0)
        SYS_CALL(SYS_futex, &own->awake, FUTEX_WAKE_PRIVATE, 1, NULL, 0, 0);
}

/* `about`: whoever is first of those that are ready is about to run. */
static void arm(struct mp__carrier *carrier, int64_t span, bool about)
{
    mp__hub->hog_listen(carrier->hub, about);
    wake(&carrier->watch, carrier->hub->switches, span);
}

static bool is_watched(struct mp__carrier *carrier)
{
    uint32_t *state = &carrier->watch.state, none = WATCH_NONE;

    if (__atomic_load_n(state, __ATOMIC_ACQUIRE) == WATCH_RUNS)
        return true;
    if (__atomic_compare_exchange_n(state, &none, WATCH_ASKED, false,
                                    __ATOMIC_ACQ_REL, __ATOMIC_RELAXED) ||
        none == WATCH_ASKED)
        mp__hub->tools.rouse();
    return false;
}

static int64_t span_of(const struct mp__carrier *carrier, int64_t least)
{
    int64_t cost = carrier->watch.cost * SHARE;

    return cost > least ? cost : least;
}

void mp__watch_arm(struct mp__carrier *carrier, bool granted)
{
    if (is_watched(carrier) && carrier->watch.rest == 0)
        arm(carrier, span_of(carrier, granted ? GRANT_NS : RUN_NS),
            false);
}

/* The next interruption ends its slice.  If there is none for some slices more, and
 * others could run, one is made due by a bell that only who watches hears. */
void mp__watch_over(struct mp__carrier *carrier, int64_t since)
{
    struct mp__watch *own = &carrier->watch;
    struct hub *hub = carrier->hub;

    if (!is_watched(carrier) || hub->critical != 0)
        return;
    own->overs = own->over == hub->switches ? own->overs + 1 : 0;
    own->over = hub->switches;
    if (own->rest != 0)
        own->overs = 0; /* each end of a slice is tried: slowly enough */
    else if (own->armed != hub->switches)
        arm(carrier, 0, false);
    else if (own->overs % OVERS == OVERS - 1 &&
             (hub->ready_head != NULL || hub->hogs.head != NULL))
        mp__hub->notify(hub);
    mp__watch_cost(carrier, mp__now() - since);
}

bool mp__watch_is_over(const struct mp__carrier *carrier)
{
    return carrier->watch.over == carrier->hub->switches;
}

bool mp__watch_is_hog(const struct mp__carrier *carrier)
{
    return carrier->watch.armed == carrier->hub->switches;
}

/* The hub's: somebody is about to run, perhaps for long. */
static void somebody_runs(struct hub *hub)
{
    struct mp__carrier *carrier = mp__carrier_now();

    if (carrier != NULL && carrier->hub == hub && carrier->watch.rest == 0)
        arm(carrier, span_of(carrier, FRESH_NS), true);
}

void mp__watch_slice(struct mp__carrier *carrier)
{
    struct mp__watch *own = &carrier->watch;
    uint64_t switches = carrier->hub->switches;
    bool long_runs = switches - own->slice < FEW_SWITCHES;

    own->slice = switches;
    own->few = long_runs;
    if (__atomic_load_n(&own->state, __ATOMIC_ACQUIRE) == WATCH_RUNS &&
        long_runs != own->every) {
        own->every = long_runs;
        mp__hub->hogs_call(carrier->hub, long_runs ? somebody_runs : NULL);
    }
}

bool mp__watch_long_runs(const struct mp__carrier *carrier)
{
    return carrier->watch.few;
}

void mp__watch_never(struct mp__carrier *carrier)
{
    if (__atomic_exchange_n(&carrier->watch.state, WATCH_FAILED,
                            __ATOMIC_ACQ_REL) != WATCH_NONE)
        mp__hub->hogs_call(carrier->hub, NULL);
}

bool mp__watch_is(const siginfo_t *info)
{
    struct mp__carrier *own = mp__carrier_now();

    return own != NULL && mp__carrier_is(&own->watch.poked, info);
}

/* It takes some to believe that they are slow (a tracer steps through them), for one may
 * have waited for its CPU; and more to believe that they are not any more. */
void mp__watch_cost(struct mp__carrier *carrier, int64_t ns)
{
    int64_t cost = carrier->watch.cost, most = 4 * cost + 2000;

    if (ns < cost)
        ns = cost - (cost - ns) / 8;
    else if (ns > most)
        ns = most;
    greenlet__write(carrier->watch.cost, ns);
    carrier->watch.rest = ns > SLOW_NS ? mp__now() + ns * SHARE : 0;
}

void mp__watch_forked(struct mp__carrier *carrier)
{
    memset(&carrier->watch, 0, sizeof carrier->watch);
    threads = 0;
}
