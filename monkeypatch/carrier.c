/* carrier.c - the OS threads that run mapped threads: placing, starting, asking */
#include "monkeypatch/carrier.h"
#include "monkeypatch/end_wait.h"
#include "monkeypatch/io_impl.h"
#include "monkeypatch/own_thread.h"
#include "monkeypatch/sys.h"
#include "monkeypatch/thread_impl.h"

#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#define STACK_SIZE ((size_t)256 * 1024) /* of its own; all greenlets have others */
#define GUARD_SIZE ((size_t)64 * 1024) /* pages may be as large */

struct mp__carrier mp__carriers[MP_CARRIERS_MOST];
__thread struct mp__carrier *mp__carrier_here;

/* ---- VIREO_HUBS ---- */

/* Those that this process may run on. */
static unsigned cores(void)
{
    cpu_set_t set;
    long size = SYS_CALL(SYS_sched_getaffinity, 0, sizeof set, &set, 0, 0, 0);
    unsigned count = 0;

    for (long byte = 0; byte < size; byte++)
        count += (unsigned)__builtin_popcount(
            ((const unsigned char *)(const void *)&set)[byte]);
    return count == 0 ? 1 : count < MP_CARRIERS_MOST ? count : MP_CARRIERS_MOST;
}

void mp__carriers_option(const char *value)
{
    unsigned long count;
    char *end;

    if (strcmp(value, "auto") == 0) {
        mp__options.hubs = (uint8_t)cores();
        return;
    }
    errno = 0;
    count = strtoul(value, &end, 10);
    if (errno != 0 || *value < '0' || *value > '9' || *end != '\0' ||
        count < 1 || count > MP_CARRIERS_MOST)
        mp__say(0, "VIREO_HUBS=%s: must be 1 to %d, or `auto`; one hub is used",
                value, MP_CARRIERS_MOST);
    else
        mp__options.hubs = (uint8_t)count;
}

/* ---- asking ---- */

/* In the loop of the carrier.  Those that were made first begin first. */
static void begin_threads(struct mp__carrier *carrier)
{
    struct mp__thread *thread =
        __atomic_exchange_n(&carrier->begin, NULL, __ATOMIC_ACQUIRE);
    struct mp__thread *ordered = NULL, *next;

    for (; thread != NULL; thread = next) {
        next = thread->joining;
        thread->joining = ordered;
        ordered = thread;
    }
    for (; ordered != NULL; ordered = next) {
        next = ordered->joining;
        ordered->joining = NULL;
        mp__signals_thread_arrives(ordered);
        mp__hub->ready(carrier->hub, &ordered->identity->main);
    }
    mp__hub->map_more(carrier->hub);
}

static void answer(void *arg)
{
    struct mp__carrier *carrier = arg;
    uint32_t asked =
        __atomic_exchange_n(&carrier->asked, 0, __ATOMIC_ACQ_REL);

    if (asked & MP_ASK_BEGIN)
        begin_threads(carrier);
    if (asked & MP_ASK_MARKS)
        mp__end_wait_look();
    if (asked & MP_ASK_CLOCK)
        mp__real_time_move();
}

/* While something is asked the call is on its way, and is not touched. */
void mp__carrier_ask(struct mp__carrier *carrier, uint32_t what)
{
    if (__atomic_fetch_or(&carrier->asked, what, __ATOMIC_ACQ_REL) != 0)
        return;
    mp__hub->callback_init(&carrier->answer, carrier->hub, answer, carrier);
    mp__hub->callback_push_remote(&carrier->answer);
}

static bool runs(const struct mp__carrier *carrier)
{
    return __atomic_load_n(&carrier->state, __ATOMIC_ACQUIRE) == CARRIER_RUNS;
}

struct mp__carrier *mp__carrier_next(const struct mp__carrier *carrier)
{
    struct mp__carrier *next =
        carrier == NULL ? mp__carriers : &mp__carriers[carrier - mp__carriers + 1];

    while (next < &mp__carriers[mp__options.hubs] && !runs(next))
        next++;
    return next < &mp__carriers[mp__options.hubs] ? next : NULL;
}

void mp__carriers_ask_others(uint32_t what)
{
    struct mp__carrier *own = mp__carrier_now(), *other = NULL;

    if (likely(!mp__several))
        return;
    while ((other = mp__carrier_next(other)) != NULL)
        if (other != own)
            mp__carrier_ask(other, what);
}

bool mp__carrier_loops(void)
{
    struct mp__thread *self = mp__self;

    if (self == NULL)
        return mp__carrier_here != NULL;
    return self == &mp__main && self->identity->os->hub != NULL &&
           self->identity->current == self->carrier->hub->greenlet;
}

/* ---- starting ---- */

static void reset(struct mp__carrier *carrier)
{
    void *memory = carrier->memory;

    memset(carrier, 0, sizeof *carrier);
    carrier->memory = memory;
    carrier->ticks = carrier->late = -1;
    carrier->turns_left[0] = carrier->turns_left[1] = MP_TURNS;
}

void mp__carriers_start(void)
{
    struct mp__carrier *carrier = mp__carriers;

    reset(carrier);
    carrier->hub = mp__main.identity->os->hub;
    carrier->tid = (pid_t)SYS_CALL(SYS_gettid, 0, 0, 0, 0, 0, 0);
    carrier->threads = 1;
    carrier->state = CARRIER_RUNS;
    mp__main.carrier = carrier;
    mp__main.io_budget = MP_IO_BUDGET;
}

static void set_state(struct mp__carrier *carrier, uint32_t state)
{
    __atomic_store_n(&carrier->state, state, __ATOMIC_RELEASE);
    SYS_CALL(SYS_futex, &carrier->state, FUTEX_WAKE_PRIVATE, INT_MAX, 0, 0, 0);
}

/* All signals are blocked. */
static bool set_up(struct mp__carrier *carrier)
{
    char name[16];

    carrier->tid = (pid_t)SYS_CALL(SYS_gettid, 0, 0, 0, 0, 0, 0);
    snprintf(name, sizeof name, "vireo-hub-%d",
             (int)(carrier - mp__carriers + 1));
    mp__real.prctl(PR_SET_NAME, name);
    free(malloc(24)); /* so that this thread has the words that are shared */
    mp__hub->thread_stays();
    carrier->hub = mp__hub->get();
    if (carrier->hub == NULL || !mp__hub->map_more(carrier->hub))
        return false;
    mp__carrier_here = carrier;
    mp__signal_stack_carrier_starts(carrier);
    mp__preempt_carrier_starts(carrier);
    mp__signal_mask_carrier_starts(carrier);
    return true;
}

/* Its own greenlet waits for ever: the loop has the thread. */
static void *carry(void *arg)
{
    struct mp__carrier *carrier = arg;
    struct hub__waiter waiter;

    if (!set_up(carrier)) {
        mp__hub->thread_leaves();
        set_state(carrier, CARRIER_FAILED);
        return NULL;
    }
    mp__hub->waiter_init(&waiter);
    set_state(carrier, CARRIER_RUNS);
    for (;;)
        mp__hub->park(&waiter, HUB_FOREVER);
}

struct start {
    struct mp__carrier *carrier;
    int rc;
};

/* In the child of a fork() libc takes a stack of its own making for that of a thread
 * that is gone, and gives it to another: who called fork() is a mapped thread to it. */
static bool stack_for(struct mp__carrier *carrier, pthread_attr_t *attr)
{
    size_t size = STACK_SIZE + ((mp__hub->tls->static_size + GUARD_SIZE - 1) &
                                ~(GUARD_SIZE - 1));
    char *memory = carrier->memory;

    if (memory == NULL) {
        memory = mmap(NULL, GUARD_SIZE + size, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (memory == MAP_FAILED)
            return false;
        mprotect(memory, GUARD_SIZE, PROT_NONE);
        carrier->memory = memory;
    }
    return pthread_attr_setstack(attr, memory + GUARD_SIZE, size) == 0;
}

/* With the OS thread's own block: libc copies from it. */
static void make(void *arg)
{
    struct start *start = arg;
    pthread_attr_t attr;

    start->rc = ENOMEM;
    pthread_attr_init(&attr);
    if (stack_for(start->carrier, &attr))
        start->rc = mp__own_thread(carry, start->carrier, 0, &attr);
    pthread_attr_destroy(&attr);
}

static void say_once(void)
{
    static bool said;

    if (!__atomic_exchange_n(&said, true, __ATOMIC_RELAXED))
        mp__say(0, "no descriptor, memory or thread for another hub; going on "
                   "with those there are");
}

/* The caller has made it CARRIER_STARTS. */
static bool start(struct mp__carrier *carrier)
{
    struct start start = { carrier, 0 };

    reset(carrier);
    carrier->state = CARRIER_STARTS;
    mp__several = true;
    *mp__hub->several = true;
    mp__on_os_tcb(make, &start);
    if (start.rc != 0)
        set_state(carrier, CARRIER_FAILED);
    while (__atomic_load_n(&carrier->state, __ATOMIC_ACQUIRE) == CARRIER_STARTS)
        SYS_CALL(SYS_futex, &carrier->state, FUTEX_WAIT_PRIVATE,
                 CARRIER_STARTS, NULL, 0, 0);
    if (runs(carrier))
        return true;
    say_once();
    return false;
}

/* ---- placing ---- */

/* It runs, or can be started by the caller. */
static bool is_there(const struct mp__carrier *carrier)
{
    uint32_t state = __atomic_load_n(&carrier->state, __ATOMIC_ACQUIRE);

    return state == CARRIER_RUNS || state == CARRIER_NONE;
}

/* False: another thread starts it just now, or it cannot be. */
static bool make_run(struct mp__carrier *carrier)
{
    uint32_t none = CARRIER_NONE;

    if (runs(carrier))
        return true;
    return __atomic_compare_exchange_n(&carrier->state, &none, CARRIER_STARTS,
                                       false, __ATOMIC_ACQ_REL,
                                       __ATOMIC_ACQUIRE) &&
           start(carrier);
}

static struct mp__carrier *least_loaded(void)
{
    struct mp__carrier *least = mp__self->carrier;
    uint32_t fewest = UINT32_MAX;

    for (unsigned i = 0; i < mp__options.hubs; i++) {
        uint32_t threads = greenlet__read(mp__carriers[i].threads);

        if (threads < fewest && is_there(&mp__carriers[i])) {
            least = &mp__carriers[i];
            fewest = threads;
        }
    }
    return least;
}

struct mp__carrier *mp__carrier_choose(void)
{
    struct mp__carrier *carrier;

    if (likely(mp__options.hubs == 1))
        return mp__self->carrier;
    carrier = least_loaded();
    return make_run(carrier) && mp__hub->may_map(carrier->hub)
               ? carrier
               : mp__self->carrier;
}

void mp__carrier_begin(struct mp__thread *thread)
{
    struct mp__carrier *carrier = thread->carrier;

    if (likely(carrier == mp__self->carrier)) {
        mp__hub->ready(carrier->hub, &thread->identity->main);
        return;
    }
    thread->joining = __atomic_load_n(&carrier->begin, __ATOMIC_RELAXED);
    while (!__atomic_compare_exchange_n(&carrier->begin, &thread->joining,
                                        thread, true, __ATOMIC_RELEASE,
                                        __ATOMIC_RELAXED))
        ;
    mp__carrier_ask(carrier, MP_ASK_BEGIN);
}

/* ---- the child of a fork() ---- */

/* The OS threads of the others are gone; they are started again when they are
 * needed.  What was placed there is given up with its threads. */
void mp__carriers_forked(struct mp__thread *self)
{
    struct mp__carrier *own = self->carrier;

    mp__several = false;
    *mp__hub->several = false;
    for (unsigned i = 0; i < mp__options.hubs; i++)
        if (&mp__carriers[i] != own)
            reset(&mp__carriers[i]);
    own->tid = (pid_t)SYS_CALL(SYS_gettid, 0, 0, 0, 0, 0, 0);
    own->threads = 1;
    own->begin = NULL;
    own->asked = 0;
    own->writers = NULL;
    mp__main.carrier = own; /* also where main is no more */
}
