/* cpu_clock.c - the CPU time of each mapped thread
 *
 * The kernel counts that of the one thread that runs them all.  From the first
 * question on it is shared out: whenever another thread runs, what has passed is
 * the one's that ran before, with the hub's own work in between.  What was used
 * earlier is main's.  Another carrier shares its own out from the next switch on. */
#include "monkeypatch/end_wait.h"
#include "monkeypatch/per_thread.h"

#include <sys/resource.h>

bool mp__cpu_clocks;

enum { PER_THREAD = 6, ID_SHIFT = 3 }; /* the kernel's: ~tid << 3 | kind */
enum { OF_PROCESS = 2 }; /* kinds up to it */

static clockid_t clock_of(uint32_t id)
{
    return (clockid_t)(~id << ID_SHIFT | PER_THREAD);
}

static int64_t kernels_time(const struct mp__carrier *carrier)
{
    struct timespec now = { 0, 0 };

    mp__real.clock_gettime(carrier == mp__carrier_now()
                               ? CLOCK_THREAD_CPUTIME_ID
                               : clock_of((uint32_t)carrier->tid),
                           &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

/* From now on it is the next one's.  Others may look at any moment, and handlers
 * of signals may stay here: meanwhile it is nobody's, so that nobody is told more
 * than will be counted. */
static void share_out(struct mp__carrier *carrier, struct mp__thread *next)
{
    struct mp__thread *owner = carrier->cpu_owner;
    int64_t now;

    greenlet__write(carrier->cpu_turn, carrier->cpu_turn + 1);
    __atomic_thread_fence(__ATOMIC_RELEASE);
    greenlet__write(carrier->cpu_owner, NULL);
    now = kernels_time(carrier);
    if (owner != NULL)
        greenlet__write(owner->cpu_ns,
                        owner->cpu_ns + now - carrier->cpu_since);
    greenlet__write(carrier->cpu_since, now);
    __atomic_store_n(&carrier->cpu_owner, next, __ATOMIC_RELEASE);
}

void mp__cpu_switch(struct mp__thread *self)
{
    struct mp__carrier *carrier = self->carrier;
    int saved = errno;

    if (carrier->cpu_owner == self)
        return;
    share_out(carrier, self);
    errno = saved;
}

void mp__cpu_forget(const struct mp__thread *thread)
{
    if (thread->carrier->cpu_owner == thread)
        share_out(thread->carrier, NULL);
}

static void begin_now(void)
{
    struct mp__carrier *first = mp__main.carrier;
    MP_ALL_STAY;

    if (mp__cpu_clocks)
        return;
    first->cpu_since = kernels_time(first);
    mp__main.cpu_ns = first->cpu_since;
    if (mp__self != NULL && mp__self->carrier == first) {
        first->cpu_owner = mp__self;
    } else if (mp__self != NULL) {
        mp__self->carrier->cpu_since = kernels_time(mp__self->carrier);
        mp__self->carrier->cpu_owner = mp__self;
    }
    __atomic_store_n(&mp__cpu_clocks, true, __ATOMIC_RELEASE);
}

static inline void begin(void)
{
    if (unlikely(!__atomic_load_n(&mp__cpu_clocks, __ATOMIC_ACQUIRE)))
        begin_now();
}

/* In the child it begins with nothing. */
void mp__cpu_forked(struct mp__thread *self)
{
    self->cpu_ns = self->cpu_told = 0;
    self->carrier->cpu_since = 0;
    self->carrier->cpu_owner = self;
}

/* What another carrier counts may change at any moment.  Its clock is read before,
 * so that it is not more than is counted later. */
static int64_t time_seen(const struct mp__carrier *carrier,
                         const struct mp__thread *thread)
{
    int64_t now = kernels_time(carrier), since, ns;
    const struct mp__thread *owner;
    uint32_t turn;

    do {
        turn = __atomic_load_n(&carrier->cpu_turn, __ATOMIC_ACQUIRE);
        owner = __atomic_load_n(&carrier->cpu_owner, __ATOMIC_ACQUIRE);
        ns = greenlet__read(thread->cpu_ns);
        since = greenlet__read(carrier->cpu_since);
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
    } while (turn != greenlet__read(carrier->cpu_turn));
    return owner == thread && now > since ? ns + now - since : ns;
}

/* While it is shared out what was told before is more. */
static int64_t time_elsewhere(const struct mp__carrier *carrier,
                              struct mp__thread *thread)
{
    int64_t ns = time_seen(carrier, thread);
    int64_t told = greenlet__read(thread->cpu_told);

    while (told < ns &&
           !__atomic_compare_exchange_n(&thread->cpu_told, &told, ns, true,
                                        __ATOMIC_RELAXED, __ATOMIC_RELAXED))
        ;
    return told < ns ? ns : told;
}

/* It cannot end meanwhile. */
static int64_t time_of(struct mp__thread *thread)
{
    const struct mp__carrier *carrier = thread->carrier;

    begin();
    if (carrier != mp__carrier_now())
        return time_elsewhere(carrier, thread);
    return thread->cpu_ns + (carrier->cpu_owner == thread
                                 ? kernels_time(carrier) - carrier->cpu_since
                                 : 0);
}

/* ---- clocks ---- */

/* Of another thread by its id.  False: not a clock of a mapped thread. */
static bool time_by_id(uint32_t id, int64_t *ns)
{
    struct mp__thread *thread;
    MP_ALL_STAY;

    thread = id == mp__main.id ? &mp__main : mp__thread_by_id((pid_t)id);
    if (thread != NULL)
        *ns = time_of(thread);
    return thread != NULL;
}

/* The id in a clock of a thread; 0: the caller's.  False: it is another clock. */
static bool is_of_thread(clockid_t clock, uint32_t *id)
{
    if (mp__self == NULL || mp__in_vfork_child)
        return false;
    *id = clock == CLOCK_THREAD_CPUTIME_ID ? 0 : (uint32_t)~(clock >> ID_SHIFT);
    if (*id == mp__self->id)
        *id = 0;
    return clock == CLOCK_THREAD_CPUTIME_ID ||
           (clock < 0 && (clock & 7) == PER_THREAD);
}

/* False: not a clock of a mapped thread. */
static bool read_clock(clockid_t clock, int64_t *ns)
{
    uint32_t id;

    if (!is_of_thread(clock, &id))
        return false;
    if (id != 0)
        return time_by_id(id, ns);
    *ns = time_of(mp__self);
    return true;
}

static bool is_ours(clockid_t clock)
{
    uint32_t id;

    return is_of_thread(clock, &id) &&
           (id == 0 || id == mp__main.id || mp__is_thread_id((pid_t)id));
}

/* The calling thread's own id names its process to clocks that are read. */
static clockid_t process_clock(clockid_t clock)
{
    if (mp__self != NULL && clock < 0 && (clock & 7) <= OF_PROCESS &&
        (uint32_t)~(clock >> ID_SHIFT) == mp__self->id)
        return (clockid_t)(~0U << ID_SHIFT) | (clock & 7);
    return clock;
}

static inline bool is_usual(clockid_t clock)
{
    return clock >= 0 && clock != CLOCK_THREAD_CPUTIME_ID;
}

MP_EXPORT int clock_gettime(clockid_t clock, struct timespec *time)
{
    int64_t ns;

    if (unlikely(mp__real.clock_gettime == NULL))
        mp__init();
    if (likely(is_usual(clock)))
        return mp__real.clock_gettime(clock, time);
    if (!read_clock(clock, &ns) ||
        mp__real.clock_gettime(CLOCK_REALTIME, time) < 0)
        return mp__real.clock_gettime(process_clock(clock), time);
    time->tv_sec = ns / 1000000000;
    time->tv_nsec = ns % 1000000000;
    return 0;
}

MP_EXPORT int clock_getres(clockid_t clock, struct timespec *resolution)
{
    if (unlikely(mp__real.clock_getres == NULL))
        mp__init();
    if (!is_usual(clock) && is_ours(clock))
        clock = CLOCK_THREAD_CPUTIME_ID;
    return mp__real.clock_getres(clock, resolution);
}

MP_EXPORT int pthread_getcpuclockid(pthread_t handle, clockid_t *clock)
{
    struct mp__thread *thread = mp__thread_of(handle);

    mp__init();
    if (thread == NULL)
        return mp__real.pthread_getcpuclockid(handle, clock);
    if (thread->ended)
        return ESRCH;
    begin();
    *clock = clock_of(thread->id);
    return 0;
}

/* ---- getrusage ---- */

static int64_t ns_of(const struct timeval *time)
{
    return time->tv_sec * INT64_C(1000000000) + time->tv_usec * INT64_C(1000);
}

static struct timeval timeval_of(int64_t ns)
{
    return (struct timeval){ ns / 1000000000, ns % 1000000000 / 1000 };
}

/* Divided between user and system as the kernel thread's is. */
MP_EXPORT int getrusage(__rusage_who_t who, struct rusage *usage)
{
    int64_t user, all, own;
    int rc;

    mp__init();
    rc = mp__real.getrusage(who, usage);
    if (rc < 0 || who != RUSAGE_THREAD || mp__self == NULL ||
        mp__in_vfork_child)
        return rc;
    own = time_of(mp__self);
    user = ns_of(&usage->ru_utime);
    all = user + ns_of(&usage->ru_stime);
    user = all > 0 ? (int64_t)((double)own * ((double)user / (double)all))
                   : own;
    usage->ru_utime = timeval_of(user);
    usage->ru_stime = timeval_of(own - user);
    return rc;
}
