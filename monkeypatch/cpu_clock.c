/* cpu_clock.c - the CPU time of each mapped thread
 *
 * The kernel counts that of the one thread that runs them all.  From the first
 * question on it is shared out: whenever another thread runs, what has passed is
 * the one's that ran before, with the hub's own work in between.  What was used
 * earlier is main's.  Another carrier shares its own out from the next switch on. */
#include "monkeypatch/carrier.h"
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

void mp__cpu_switch(struct mp__thread *self)
{
    struct mp__carrier *carrier = self->carrier;
    int saved = errno;
    int64_t now;

    if (carrier->cpu_owner == self)
        return;
    now = kernels_time(carrier);
    if (carrier->cpu_owner != NULL)
        carrier->cpu_owner->cpu_ns += now - carrier->cpu_since;
    carrier->cpu_since = now;
    carrier->cpu_owner = self;
    errno = saved;
}

void mp__cpu_forget(const struct mp__thread *thread)
{
    if (thread->carrier->cpu_owner == thread)
        thread->carrier->cpu_owner = NULL;
}

static void begin(void)
{
    struct mp__carrier *first = mp__main.carrier;

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
    mp__cpu_clocks = true;
}

/* In the child it begins with nothing. */
void mp__cpu_forked(struct mp__thread *self)
{
    self->cpu_ns = 0;
    self->carrier->cpu_since = 0;
    self->carrier->cpu_owner = self;
}

static int64_t time_of(const struct mp__thread *thread)
{
    const struct mp__carrier *carrier = thread->carrier;

    begin();
    return thread->cpu_ns + (thread == carrier->cpu_owner
                                 ? kernels_time(carrier) - carrier->cpu_since
                                 : 0);
}

/* ---- clocks ---- */

/* NULL: not a clock of a mapped thread. */
static struct mp__thread *thread_of(clockid_t clock)
{
    uint32_t id = (uint32_t)~(clock >> ID_SHIFT);

    if (mp__self == NULL || mp__in_vfork_child)
        return NULL;
    if (clock == CLOCK_THREAD_CPUTIME_ID)
        return mp__self;
    if (clock >= 0 || (clock & 7) != PER_THREAD)
        return NULL;
    if (id == 0 || id == mp__self->id)
        return mp__self;
    return id == mp__main.id ? &mp__main : mp__thread_by_id((pid_t)id);
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
    struct mp__thread *thread;
    int64_t ns;

    if (unlikely(mp__real.clock_gettime == NULL))
        mp__init();
    if (likely(is_usual(clock)))
        return mp__real.clock_gettime(clock, time);
    thread = thread_of(clock);
    if (thread == NULL || mp__real.clock_gettime(CLOCK_REALTIME, time) < 0)
        return mp__real.clock_gettime(process_clock(clock), time);
    ns = time_of(thread);
    time->tv_sec = ns / 1000000000;
    time->tv_nsec = ns % 1000000000;
    return 0;
}

MP_EXPORT int clock_getres(clockid_t clock, struct timespec *resolution)
{
    if (unlikely(mp__real.clock_getres == NULL))
        mp__init();
    if (!is_usual(clock) && thread_of(clock) != NULL)
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
