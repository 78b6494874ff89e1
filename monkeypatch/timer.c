/* timer.c - timers whose signal is for one thread: SIGEV_THREAD_ID
 *
 * The kernel does not know our ids; the timer is made for the thread it knows,
 * and the signal goes to whom it was asked for. */
#include "monkeypatch/io_impl.h"
#include "monkeypatch/per_thread.h"
#include "monkeypatch/signal_impl.h"
#include "monkeypatch/wrap_syscall.h"

#include <time.h>

#define TIMERS 256
#define BEING_SET UINT32_MAX

static struct target {
    uint32_t thread; /* atomic: its id; 0: free; BEING_SET: neither yet */
    timer_t timer;
} targets[TIMERS];

/* libc's handle is the kernel's number, where there is no thread of libc's. */
bool mp__timer_target(const siginfo_t *info, struct mp__thread **target)
{
    timer_t timer = (timer_t)(intptr_t)info->si_timerid;

    if (info->si_code != SI_TIMER)
        return false;
    for (int i = 0; i < TIMERS; i++) {
        uint32_t id = __atomic_load_n(&targets[i].thread, __ATOMIC_ACQUIRE);

        if (id == 0 || id == BEING_SET || targets[i].timer != timer)
            continue;
        *target = id == mp__main.id ? &mp__main : mp__thread_by_id((pid_t)id);
        return true;
    }
    return false;
}

/* 0 or EAGAIN. */
static int note_target(timer_t timer, uint32_t id)
{
    for (int i = 0; i < TIMERS; i++) {
        uint32_t nobody = 0;

        if (!__atomic_compare_exchange_n(&targets[i].thread, &nobody,
                                         BEING_SET, false, __ATOMIC_ACQUIRE,
                                         __ATOMIC_RELAXED))
            continue;
        targets[i].timer = timer;
        __atomic_store_n(&targets[i].thread, id, __ATOMIC_RELEASE);
        return 0;
    }
    return EAGAIN;
}

static void forget_target(timer_t timer)
{
    for (int i = 0; i < TIMERS; i++) {
        uint32_t id = __atomic_load_n(&targets[i].thread, __ATOMIC_ACQUIRE);

        if (id != 0 && id != BEING_SET && targets[i].timer == timer)
            __atomic_store_n(&targets[i].thread, 0, __ATOMIC_RELEASE);
    }
}

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

/* The id of whom it is for, and the event that the kernel can have; 0: as it is.
 * A real thread may know a mapped one's id. */
static uint32_t translate(const struct sigevent *event,
                          struct sigevent *translated)
{
    if (event == NULL || !mp__readable(event, sizeof *event) ||
        event->sigev_notify != SIGEV_THREAD_ID ||
        !mp__is_thread_id(event->sigev_notify_thread_id))
        return 0;
    *translated = *event;
    translated->sigev_notify_thread_id =
        mp__self == NULL ? getpid()
                         : (pid_t)SYS_CALL(SYS_gettid, 0, 0, 0, 0, 0, 0);
    return (uint32_t)event->sigev_notify_thread_id;
}

MP_EXPORT int timer_create(clockid_t clock, struct sigevent *event,
                           timer_t *timer)
{
    struct sigevent translated;
    uint32_t id;

    mp__init();
    id = translate(event, &translated);
    if (id == 0)
        return mp__real.timer_create(clock, event, timer);
    if (mp__real.timer_create(clock, &translated, timer) < 0)
        return -1;
    if (note_target(*timer, id) == 0)
        return 0;
    mp__real.timer_delete(*timer);
    return mp__fail(-EAGAIN);
}

MP_EXPORT int timer_delete(timer_t timer)
{
    mp__init();
    forget_target(timer);
    return mp__real.timer_delete(timer);
}

/* ---- by syscall(): the kernel's numbers, which are ints ---- */

static long create(const struct mp__arguments *call)
{
    struct mp__arguments own = *call;
    struct sigevent translated;
    uint32_t id = translate(PTR(1), &translated);
    long rc;

    if (id == 0)
        return mp__raw_syscall(call);
    own.a[1] = (long)&translated;
    rc = mp__raw_syscall(&own);
    if (rc < 0)
        return rc;
    own.a[0] = *(int *)PTR(2);
    if (note_target((timer_t)own.a[0], id) == 0)
        return rc;
    own.n = SYS_timer_delete;
    mp__raw_syscall(&own);
    return mp__fail(-EAGAIN);
}

bool mp__syscall_timers(const struct mp__arguments *call, long *rc)
{
    switch (call->n) {
    case SYS_timer_create:
        *rc = create(call);
        return true;
    case SYS_timer_delete:
        forget_target((timer_t)(intptr_t)INT(0));
        *rc = mp__raw_syscall(call);
        return true;
    default:
        return false;
    }
}
