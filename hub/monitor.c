/* monitor.c - the thread that watches the hubs
 *
 * It is one that libc does not know (rawthread.c) as long as it only looks, and
 * prints: then all that it runs is `raw`, see sight.h.  Where the program wants
 * functions of its own called, or a tool must know of all threads, it is made by
 * pthread_create().  Idle hubs are looked at every two seconds; the first whose
 * loop wakes up rouses the monitor. */
#include "hub/config_impl.h"
#include "hub/events_impl.h"
#include "hub/monitor.h"
#include "hub/onlooker.h"
#include "hub/sight.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define IDLE_LOOKS 20 /* before it dozes */
#define POLLING_LOOKS 2 /* the same, where all loops wait */
#define DOZE_NS (2 * HUB_SECOND)

enum carrier { CARRIER_NONE, CARRIER_RAW, CARRIER_THREAD };

struct function {
    struct function *next;
    void (*function)(void *data); /* NULL: removed during a call */
    void *data;
    int64_t period, due;
};

uint32_t hub__monitor_dozes;
const struct hub__onlooker *hub__onlooker;
static pthread_mutex_t control = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static uint32_t carrier; /* atomic, enum carrier; changes under `control` */
static bool lost;         /* the parent's, before a fork */
static uint32_t stopping; /* atomic */
static uint32_t word;     /* atomic: changes when it is to look */
static struct hub__rawthread raw;
static pthread_t thread;

static pthread_mutex_t functions_lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static struct function *functions;
static unsigned calling; /* under the lock */

/* ---- functions of the program ---- */

static void sweep(void)
{
    struct function **link = &functions;

    while (*link != NULL) {
        struct function *at = *link;

        if (at->function != NULL) {
            link = &at->next;
            continue;
        }
        *link = at->next;
        free(at);
    }
}

/* Call those that are due; returns when the next one is. */
static int64_t call_functions(int64_t now)
{
    int64_t next = HUB_FOREVER;

    pthread_mutex_lock(&functions_lock);
    calling++;
    for (struct function *at = functions; at != NULL; at = at->next) {
        if (at->function != NULL && at->due <= now) {
            at->due = now + at->period;
            at->function(at->data);
        }
        if (at->function != NULL && at->due < next)
            next = at->due;
    }
    if (--calling == 0)
        sweep();
    pthread_mutex_unlock(&functions_lock);
    return next;
}

static bool has_functions(void)
{
    return __atomic_load_n(&functions, __ATOMIC_RELAXED) != NULL;
}

/* ---- its turns ---- */

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t after(int64_t now, int64_t span)
{
    return span == HUB_FOREVER ? HUB_FOREVER : now + span;
}

/* Returns when that was to end. */
static int64_t sleep_until(uint32_t seen, int64_t until, bool doze)
{
    int64_t now = hub_now();

    if (doze) {
        until = least(until, now + DOZE_NS);
        __atomic_store_n(&hub__monitor_dozes, 1, __ATOMIC_SEQ_CST);
    }
    if (until > now)
        hub__raw_wait(&word, seen, until - now);
    __atomic_store_n(&hub__monitor_dozes, 0, __ATOMIC_RELAXED);
    return until;
}

/* What it opens must not take the numbers that a program expects to get which
 * knows nothing of it.  Functions of one that does may use its descriptors. */
static bool leave_files(bool real)
{
    if (hub__lenient)
        return hub__apart_begin();
    if (!real)
        hub__apart_try();
    return true;
}

/* Who polls cannot get stuck before the loop has woken up, and then rouses. */
static unsigned more_idle(unsigned idle, enum hub__found found)
{
    switch (found) {
    case HUB__FOUND_POLLING:
        return idle + IDLE_LOOKS / POLLING_LOOKS;
    case HUB__FOUND_STILL:
        return idle + 1;
    default:
        return 0;
    }
}

static void run(bool real)
{
    int64_t last = hub_now(), planned = last, now, next;
    unsigned idle = 0;

    if (!leave_files(real))
        return;
    while (!__atomic_load_n(&stopping, __ATOMIC_ACQUIRE)) {
        uint32_t seen = __atomic_load_n(&word, __ATOMIC_ACQUIRE);

        now = hub_now();
        idle = more_idle(idle, hub__blocked_look(now, now - last,
                                                 now - planned));
        hub__memory_look(now);
        next = real ? call_functions(now) : HUB_FOREVER;
        next = least(next, hub__memory_next());
        if (hub__onlooker != NULL)
            next = least(next, hub__onlooker->look(now));
        if (idle < IDLE_LOOKS)
            next = least(next, after(now, hub__blocked_period()));
        last = now;
        planned = sleep_until(seen, next, idle >= IDLE_LOOKS);
        if (__atomic_load_n(&word, __ATOMIC_ACQUIRE) != seen) {
            idle = 0;
            last = hub_now(); /* it slept because nothing was to be seen */
        }
    }
}

static int raw_main(void *unused)
{
    (void)unused;
    syscall(SYS_prctl, PR_SET_NAME, "vireo-monitor");
    run(false);
    return 0;
}

static void *thread_main(void *unused)
{
    struct hub_notice event = { .kind = HUB_NOTICE_MONITOR_STARTED };

    prctl(PR_SET_NAME, "vireo-monitor");
    if (hub__has_subscribers())
        hub__tell(&event);
    run(true);
    return unused;
}

void hub__monitor_rouse(void)
{
    __atomic_store_n(&hub__monitor_dozes, 0, __ATOMIC_RELAXED);
    __atomic_add_fetch(&word, 1, __ATOMIC_RELEASE);
    hub__raw_wake(&word);
}

/* ---- start and stop; under `control` ---- */

static int make_thread(void)
{
    sigset_t all, before;
    int rc;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = greenlet__libc.pthread_create(&thread, NULL, thread_main, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return -rc;
}

static int start(void)
{
    bool real = has_functions() || hub__has_subscribers() ||
                !hub__rawthread_allowed() ||
                hub__lenient; /* setuid() of the program is to reach it */
    int rc;

    if (__atomic_load_n(&carrier, __ATOMIC_RELAXED) != CARRIER_NONE)
        return 0;
    hub__options_read();
    if (!hub__lenient)
        hub__sample_start();
    __atomic_store_n(&stopping, 0, __ATOMIC_RELEASE);
    rc = real ? make_thread() : hub__rawthread_run(&raw, raw_main, NULL);
    if (rc == 0)
        __atomic_store_n(&carrier, real ? CARRIER_THREAD : CARRIER_RAW,
                         __ATOMIC_RELEASE);
    return rc;
}

static void stop(void)
{
    uint32_t was = __atomic_load_n(&carrier, __ATOMIC_RELAXED);

    __atomic_store_n(&stopping, 1, __ATOMIC_RELEASE);
    hub__monitor_rouse();
    if (was == CARRIER_RAW)
        hub__rawthread_join(&raw);
    else if (was == CARRIER_THREAD)
        greenlet__libc.pthread_join(thread, NULL);
    hub__apart_end();
    __atomic_store_n(&carrier, CARRIER_NONE, __ATOMIC_RELEASE);
}

int hub_monitor_start(void)
{
    int rc;

    pthread_mutex_lock(&control);
    rc = start();
    pthread_mutex_unlock(&control);
    return rc;
}

void hub_monitor_stop(void)
{
    pthread_mutex_lock(&control);
    stop();
    pthread_mutex_unlock(&control);
}

bool hub_monitor_running(void)
{
    return __atomic_load_n(&carrier, __ATOMIC_ACQUIRE) != CARRIER_NONE;
}

int hub__monitor_needs_thread(void)
{
    int rc = 0;

    pthread_mutex_lock(&control);
    if (__atomic_load_n(&carrier, __ATOMIC_RELAXED) == CARRIER_RAW) {
        stop();
        rc = start();
    } else if (hub_monitor_running()) {
        hub__monitor_rouse();
    }
    pthread_mutex_unlock(&control);
    return rc;
}

unsigned hub__monitor_threads(void)
{
    return (hub_monitor_running() ? 1 : 0) + hub__dump_threads();
}

void hub__monitor_hub_begins(struct hub *hub)
{
    if (hub__lenient)
        return;
    if (hub__option(HUB_OPTION_MONITOR) || hub__dump_signal_set())
        hub__sample_thread(hub);
    if (hub__option(HUB_OPTION_MONITOR)) {
        if (hub_monitor_running())
            hub__monitor_rouse();
        else
            hub_monitor_start();
    }
}

/* In the child of a fork it begins when the loop has come round. */
void hub__monitor_loop_wakes(struct hub *hub)
{
    hub__monitor_rouse();
    if (!__atomic_load_n(&lost, __ATOMIC_RELAXED))
        return;
    __atomic_store_n(&lost, false, __ATOMIC_RELAXED);
    hub__monitor_hub_begins(hub);
}

void hub__monitor_forked(void)
{
    static const pthread_mutex_t fresh = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;

    control = fresh;
    functions_lock = fresh;
    calling = 0;
    lost |= carrier != CARRIER_NONE && !hub__lenient;
    carrier = CARRIER_NONE;
    hub__apart_end();
    raw.tid = 0;
    raw.busy = 0;
    hub__monitor_dozes = lost; /* has the loop look here */
    hub__kept_forked();
    hub__dump_forked();
    hub__events_forked();
    hub__config_forked();
}

/* ---- for programs ---- */

int hub_monitor_add(void (*function)(void *data), void *data,
                    int64_t period_ns)
{
    struct function *made;
    int rc;

    if (period_ns < HUB_MILLISECOND)
        return -EINVAL;
    made = greenlet__calloc(1, sizeof *made);
    if (made == NULL)
        return -ENOMEM;
    *made = (struct function){ .function = function,
                               .data = data,
                               .period = period_ns,
                               .due = hub_deadline(period_ns) };
    pthread_mutex_lock(&functions_lock);
    made->next = functions;
    __atomic_store_n(&functions, made, __ATOMIC_RELAXED);
    pthread_mutex_unlock(&functions_lock);
    rc = hub__monitor_needs_thread();
    if (rc < 0)
        hub_monitor_remove(function, data);
    return rc;
}

int hub_monitor_remove(void (*function)(void *data), void *data)
{
    struct function *at;

    pthread_mutex_lock(&functions_lock);
    for (at = functions; at != NULL; at = at->next)
        if (at->function == function && at->data == data)
            break;
    if (at != NULL) {
        at->function = NULL;
        if (calling == 0)
            sweep();
    }
    pthread_mutex_unlock(&functions_lock);
    return at != NULL ? 0 : -ENOENT;
}

bool hub_monitor_ignore(bool ignore)
{
    struct hub__own *own = hub__own(greenlet_current());
    bool before = (own->flags & HUB__UNMONITORED) != 0;

    greenlet__write(own->flags,
                    (uint16_t)(ignore ? own->flags | HUB__UNMONITORED
                                      : own->flags & ~HUB__UNMONITORED));
    return before;
}
