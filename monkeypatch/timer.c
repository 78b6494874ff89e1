/* timer.c - timers whose signal is for one thread: SIGEV_THREAD_ID
 *
 * The kernel does not know our ids; the timer is made for the thread it knows,
 * and the signal goes to whom it was asked for. */
#include "monkeypatch/io_impl.h"
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
struct mp__thread *mp__timer_target(const siginfo_t *info)
{
    timer_t timer = (timer_t)(intptr_t)info->si_timerid;

    if (info->si_code != SI_TIMER)
        return NULL;
    for (int i = 0; i < TIMERS; i++) {
        uint32_t id = __atomic_load_n(&targets[i].thread, __ATOMIC_ACQUIRE);

        if (id != 0 && id != BEING_SET && targets[i].timer == timer)
            return id == mp__main.id ? &mp__main
                                     : mp__thread_by_id((pid_t)id);
    }
    return NULL;
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

/* Whom it is for, and the event that the kernel can have; NULL: as it is. */
static struct mp__thread *translate(const struct sigevent *event,
                                    struct sigevent *translated)
{
    struct mp__thread *thread;

    if (mp__self == NULL || event == NULL ||
        !mp__readable(event, sizeof *event) ||
        event->sigev_notify != SIGEV_THREAD_ID)
        return NULL;
    thread = mp__thread_by_id(event->sigev_notify_thread_id);
    if (thread == NULL)
        return NULL;
    *translated = *event;
    translated->sigev_notify_thread_id =
        (pid_t)SYS_CALL(SYS_gettid, 0, 0, 0, 0, 0, 0);
    return thread;
}

MP_EXPORT int timer_create(clockid_t clock, struct sigevent *event,
                           timer_t *timer)
{
    struct sigevent translated;
    struct mp__thread *thread;

    mp__init();
    thread = translate(event, &translated);
    if (thread == NULL)
        return mp__real.timer_create(clock, event, timer);
    if (mp__real.timer_create(clock, &translated, timer) < 0)
        return -1;
    if (note_target(*timer, thread->id) == 0)
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
    struct mp__thread *thread = translate(PTR(1), &translated);
    long rc;

    if (thread == NULL)
        return mp__raw_syscall(call);
    own.a[1] = (long)&translated;
    rc = mp__raw_syscall(&own);
    if (rc < 0)
        return rc;
    own.a[0] = *(int *)PTR(2);
    if (note_target((timer_t)own.a[0], thread->id) == 0)
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
