/* signal_thread.c - signals to one thread
 *
 * The kernel knows one thread for all mapped ones, so what is sent to one of
 * them stays with us: its handler runs when that thread runs next, at once if it
 * waits; or sigwait() takes it.  Signals that have no handler and are not
 * blocked act on the process and go to the kernel. */
#include "monkeypatch/end_wait.h"
#include "monkeypatch/io_impl.h"
#include "monkeypatch/preempt.h"
#include "monkeypatch/signal_impl.h"
#include "monkeypatch/wrap_syscall.h"

#include <gnu/libc-version.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Who runs that thread blocks no more than it does itself; the caller's OS thread may
 * be another one, all of whose threads block it. */
static int send_to_kernel(const struct mp__thread *thread, int number)
{
    long rc = mp__real.syscall(SYS_tgkill, getpid(), thread->carrier->tid,
                               number);

    return rc < 0 ? errno : 0;
}

/* A thread that another OS thread runs, perhaps just now. */
static bool runs_elsewhere(const struct mp__thread *thread)
{
    return unlikely(mp__several) && thread->carrier != mp__carrier_now();
}

/* It is in sigwait() or its like for that one. */
static bool waits_for(const struct mp__thread *thread, int number)
{
    return (thread->signals_wanted & mp__signal_bit(number)) != 0;
}

static bool blocks(const struct mp__thread *thread, int number)
{
    return (thread->signal_mask & mp__signal_bit(number)) != 0;
}

/* Keep it for that thread, and let it look. */
static int leave_to(struct mp__thread *thread, const siginfo_t *info)
{
    int number = info->si_signo, rc = mp__signal_enqueue(thread, info);
    bool restarts;

    if (rc != 0)
        return rc;
    mp__signal_has_handler(number, &restarts);
    if (!blocks(thread, number)) {
        mp__end_wait(thread, restarts ? MP_END_RESTART : MP_END_INTERRUPT);
        if (runs_elsewhere(thread))
            mp__late_poke(thread->carrier);
    } else if (waits_for(thread, number))
        mp__end_wait(thread, MP_END_LOOK);
    return 0;
}

/* ---- signalfds ---- */

/* What any signalfd of the program has ever been told to show. */
static uint64_t shown;

MP_EXPORT int signalfd(int fd, const sigset_t *set, int flags)
{
    mp__init();
    if (mp__readable(set, sizeof(uint64_t)))
        __atomic_or_fetch(&shown, mp__signal_word(set), __ATOMIC_RELAXED);
    return mp__real.signalfd(fd, set, flags);
}

/* A signalfd shows what the kernel has: where all threads block a signal it can
 * wait there as well as here. */
static bool waits_in_kernel(const struct mp__thread *thread, int number)
{
    uint64_t bit = mp__signal_bit(number);

    return mp__self != NULL && unlikely((shown & bit) != 0) &&
           blocks(thread, number) && !waits_for(thread, number) &&
           (thread->carrier->applied & bit) != 0;
}

static int leave_to_kernel(const struct mp__thread *thread,
                           const siginfo_t *info)
{
    pid_t tid = thread->carrier->tid;

    if (info->si_code == SI_TKILL)
        return mp__real.syscall(SYS_tgkill, getpid(), tid, info->si_signo) < 0
                   ? errno
                   : 0;
    return mp__real.syscall(SYS_rt_tgsigqueueinfo, getpid(), tid,
                            info->si_signo, info) < 0
               ? errno
               : 0;
}

/* One of the calling thread's own goes by the kernel, which runs the handler
 * with the state of the processor that it interrupted. */
static int send_to(struct mp__thread *thread, const siginfo_t *info)
{
    int number = info->si_signo;
    bool restarts, handled;

    if (thread->ended)
        return info->si_code == SI_QUEUE ? ESRCH : 0;
    if (number < 0 || number > MP_SIGNALS)
        return EINVAL;
    if (number == 0)
        return 0;
    handled = mp__signal_has_handler(number, &restarts);
    if (number == SIGKILL || number == SIGSTOP ||
        (!blocks(thread, number) && !handled))
        return send_to_kernel(thread, number);
    if (thread == mp__self && !blocks(thread, number) &&
        info->si_code == SI_TKILL)
        return send_to_kernel(thread, number);
    if (mp__self == NULL && thread == &mp__main && info->si_code == SI_TKILL)
        return (int)(mp__real.syscall(SYS_tgkill, getpid(), getpid(),
                                      number) < 0 ? errno : 0);
    if (waits_in_kernel(thread, number))
        return leave_to_kernel(thread, info);
    return leave_to(thread, info) != 0
               ? EAGAIN
               : (thread == mp__self ? (mp__signals_deliver(thread), 0) : 0);
}

static siginfo_t info_of(int number, int code)
{
    siginfo_t info = { .si_signo = number, .si_code = code };

    info.si_pid = getpid();
    info.si_uid = getuid();
    return info;
}

static int send_plain(struct mp__thread *thread, int number)
{
    siginfo_t info = info_of(number, SI_TKILL);

    return send_to(thread, &info);
}

/* ---- signals that the kernel brings ---- */

/* abort() of older ones unblocks its signal before it sends it, where we do not see
 * that (it would send it a second time to who still blocks it); since 2.41 it
 * first takes the handler away. */
static bool abort_unblocks(void)
{
    return strverscmp(gnu_get_libc_version(), "2.41") < 0;
}

/* Faults, and what abort() sends: nobody else's. */
static bool is_forced(int number, const siginfo_t *info)
{
    if (number == SIGABRT)
        return info->si_code == SI_TKILL && info->si_pid == getpid() &&
               abort_unblocks();
    return info->si_code > 0 &&
           (number == SIGSEGV || number == SIGBUS || number == SIGFPE ||
            number == SIGILL || number == SIGTRAP || number == SIGSYS);
}

static bool accepts(const struct mp__thread *thread, int number)
{
    return !thread->ended && !thread->exiting &&
           (!blocks(thread, number) || waits_for(thread, number));
}

static struct mp__thread *who_takes(int number, struct mp__thread *running)
{
    struct mp__thread *thread = &mp__main;
    MP_ALL_STAY;

    if (running != NULL && !running->exiting && !blocks(running, number))
        return running;
    if (accepts(thread, number))
        return thread;
    for (thread = mp__all; thread != NULL; thread = thread->all_next)
        if (accepts(thread, number))
            return thread;
    return &mp__main;
}

/* False: it runs here.  True: it comes again, and is the end. */
static bool hand_over_forced(struct mp__thread *running, int number)
{
    if (running == NULL)
        return false; /* the library's own */
    if (number == SIGABRT && blocks(running, number))
        mp__signal_mask_set(running, running->signal_mask &
                                         ~mp__signal_bit(number));
    if (number == SIGABRT || !blocks(running, number))
        return false;
    mp__signal_forget_handler(number);
    return true;
}

/* In a handler.  False: it is for who runs now, and runs here.  The handler of
 * another thread shall run on that one's stack, which it may leave by
 * siglongjmp(). */
bool mp__signal_hand_over(int number, siginfo_t *info, const void *context)
{
    struct mp__thread *running = mp__self, *thread = NULL;
    bool in_hub = mp__carrier_loops(), restarts;
    bool in_list = mp__all_is_held();

    if (is_forced(number, info))
        return hand_over_forced(running, number);
    MP_ALL_STAY;
    if ((mp__timer_target(info, &thread) ||
         mp__owners(info, &thread, leave_to)) &&
        thread == NULL)
        return true;
    if (thread == NULL)
        thread = who_takes(number, in_hub ? NULL : running);
    if (thread == running && !in_hub && !blocks(thread, number) &&
        !mp__late_keeps(running, context, in_list))
        return false;
    mp__signal_has_handler(number, &restarts);
    leave_to(thread, info);
    if (thread == &mp__main && !blocks(thread, number))
        mp__hub->signal_seen(thread->carrier->hub, restarts);
    return true;
}

/* ---- the thread runs ---- */

bool mp__signals_bring(struct mp__thread *self)
{
    bool brought = false;
    int saved = errno;
    siginfo_t info;

    while (mp__signal_dequeue(self, ~self->signal_mask, &info)) {
        ucontext_t context;
        bool restarts;

        if (!mp__signal_has_handler(info.si_signo, &restarts)) {
            send_to_kernel(self, info.si_signo); /* the end of the process */
            continue;
        }
        mp__real.getcontext(&context);
        mp__signal_on_its_stack(info.si_signo, &info, &context,
                                mp__signal_run);
        brought = true;
    }
    errno = saved;
    return brought;
}

void mp__signals_deliver(struct mp__thread *self)
{
    if (mp__signals_bring(self))
        mp__signal_mask_let_in(self);
}

/* ---- sending ---- */

MP_EXPORT int pthread_kill(pthread_t handle, int number)
{
    struct mp__thread *thread = mp__thread_of(handle);
    int saved = errno, rc;

    mp__init();
    if (thread == NULL)
        return mp__real.pthread_kill(handle, number);
    rc = send_plain(thread, number);
    errno = saved;
    return rc;
}

MP_EXPORT int raise(int number)
{
    int rc;

    mp__init();
    if (mp__self == NULL || mp__in_vfork_child)
        return mp__real.raise(number);
    rc = send_plain(mp__self, number);
    return rc != 0 ? mp__fail(-rc) : 0;
}

MP_EXPORT int pthread_sigqueue(pthread_t handle, int number,
                               const union sigval value)
{
    struct mp__thread *thread = mp__thread_of(handle);
    siginfo_t info;
    int saved = errno, rc;

    mp__init();
    if (thread == NULL)
        return mp__real.pthread_sigqueue(handle, number, value);
    info = info_of(number, SI_QUEUE);
    info.si_value = value;
    rc = send_to(thread, &info);
    errno = saved;
    return rc;
}

static struct mp__thread *by_id(pid_t id)
{
    if (mp__main.identity != NULL && (uint32_t)id == mp__main.id)
        return &mp__main;
    return mp__thread_by_id(id);
}

/* Returns an errno; -1: no mapped thread has that id. */
static int send_to_id(pid_t id, const siginfo_t *info)
{
    struct mp__thread *thread;
    uint64_t before;
    int rc;

    if (mp__self != NULL && !mp__several) {
        thread = by_id(id);
        return thread != NULL ? send_to(thread, info) : -1;
    }
    if (mp__self != NULL && (uint32_t)id == mp__self->id)
        return send_to(mp__self, info);
    before = mp__all_lock_elsewhere();
    thread = by_id(id);
    rc = thread != NULL ? send_to(thread, info) : -1;
    mp__all_unlock_elsewhere(before);
    return rc;
}

MP_EXPORT int tgkill(pid_t group, pid_t id, int number)
{
    siginfo_t info;
    int rc = -1;

    mp__init();
    if (id != 0 && group == getpid()) {
        info = info_of(number, SI_TKILL);
        rc = send_to_id(id, &info);
    }
    if (rc < 0)
        return mp__real.tgkill(group, id, number);
    return rc != 0 ? mp__fail(-rc) : 0;
}

/* What the program says of it is told as it is said. */
bool mp__signal_queue_info(const struct mp__arguments *call, long *rc)
{
    siginfo_t info;
    int sent;

    if (INT(0) != getpid() || INT(1) <= 0 ||
        !mp__readable(PTR(3), sizeof info))
        return false;
    if (!mp__may_queue(INT(1), PTR(3))) {
        *rc = -EPERM;
        return true;
    }
    info = *(const siginfo_t *)PTR(3);
    info.si_signo = INT(2);
    sent = send_to_id(INT(1), &info);
    if (sent >= 0)
        *rc = -sent;
    return sent >= 0;
}

/* ---- to the process, by the id of one of its threads ---- */

MP_EXPORT int kill(pid_t pid, int number)
{
    mp__init();
    return mp__real.kill(mp__process_of(pid), number);
}

MP_EXPORT int sigqueue(pid_t pid, int number, const union sigval value)
{
    mp__init();
    return mp__real.sigqueue(mp__process_of(pid), number, value);
}
