/* signal_thread.c - signals to one thread
 *
 * The kernel knows one thread for all mapped ones, so what is sent to one of
 * them stays with us: its handler runs when that thread runs next, at once if it
 * waits; or sigwait() takes it.  Signals that have no handler and are not
 * blocked act on the process and go to the kernel. */
#include "monkeypatch/per_thread.h"

#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#define SIGNALS 64

static uint64_t bit_of(int number)
{
    return (uint64_t)1 << (number - 1);
}

static int send_to_kernel(int number)
{
    long rc = mp__real.syscall(SYS_tgkill, getpid(),
                               mp__real.syscall(SYS_gettid), number);

    return rc < 0 ? errno : 0;
}

/* The wait that it is in ends: with EINTR where signal(7) says so, else it only
 * looks again and goes on waiting. */
static void end_wait(struct mp__thread *thread, bool restarts)
{
    unsigned flags = thread->parked_flags;
    bool interrupts = (flags & MP_INTERRUPTIBLE) != 0 &&
                      ((flags & MP_RESTARTS) == 0 || !restarts);

    if (thread->parked != NULL)
        mp__hub->wake(thread->parked, interrupts ? -EINTR : 0);
}

static int send_to(struct mp__thread *thread, int number)
{
    bool restarts, handled, blocked;

    if (number < 0 || number > SIGNALS)
        return EINVAL;
    if (thread->ended || number == 0)
        return 0;
    handled = mp__signal_has_handler(number, &restarts);
    blocked = (thread->signal_mask & bit_of(number)) != 0;
    if (thread == mp__self || mp__self == NULL || (!handled && !blocked))
        return send_to_kernel(number);
    thread->signals_pending |= bit_of(number);
    if (!blocked)
        end_wait(thread, restarts);
    else if (thread->parked != NULL &&
             (thread->parked_flags & MP_TAKES_SIGNALS) != 0)
        mp__hub->wake(thread->parked, 0);
    return 0;
}

/* What the kernel said of a signal that was handed over to the main thread. */
static siginfo_t handed_over[SIGNALS];
static uint64_t has_info;

static bool is_fault(int number)
{
    return number == SIGSEGV || number == SIGBUS || number == SIGFPE ||
           number == SIGILL || number == SIGTRAP;
}

/* In a handler that interrupted the hub: the program's handler shall run on the
 * main thread's own stack, as natively, since it may leave it by siglongjmp().
 * False if that thread could not be woken now. */
bool mp__signal_hand_over(int number, const siginfo_t *info, bool restarts)
{
    struct mp__thread *thread = &mp__main;
    const struct hub *hub = thread->identity->os->hub;

    if (mp__self != thread || thread->identity->current != hub->greenlet ||
        thread->parked == NULL || thread->ended || is_fault(number) ||
        (thread->signal_mask & bit_of(number)) != 0)
        return false;
    handed_over[number - 1] = *info;
    has_info |= bit_of(number);
    thread->signals_pending |= bit_of(number);
    end_wait(thread, restarts);
    return true;
}

static void fill_info(int number, siginfo_t *info)
{
    if (mp__self == &mp__main && (has_info & bit_of(number)) != 0) {
        has_info &= ~bit_of(number);
        *info = handed_over[number - 1];
        return;
    }
    memset(info, 0, sizeof *info);
    info->si_signo = number;
    info->si_code = SI_TKILL;
    info->si_pid = getpid();
    info->si_uid = getuid();
}

void mp__signals_deliver(struct mp__thread *self)
{
    int saved = errno;
    uint64_t due;

    while ((due = self->signals_pending & ~self->signal_mask) != 0) {
        int number = __builtin_ctzll(due) + 1;
        siginfo_t info;
        ucontext_t context;
        bool restarts;

        self->signals_pending &= ~bit_of(number);
        if (!mp__signal_has_handler(number, &restarts)) {
            send_to_kernel(number); /* ignored, or the end of the process */
            continue;
        }
        fill_info(number, &info);
        getcontext(&context);
        mp__signal_run(number, &info, &context);
    }
    errno = saved;
}

MP_EXPORT int pthread_kill(pthread_t handle, int number)
{
    struct mp__thread *thread = mp__thread_of(handle);
    int saved = errno, rc;

    mp__init();
    if (thread == NULL)
        return mp__real.pthread_kill(handle, number);
    rc = send_to(thread, number);
    errno = saved;
    return rc;
}

MP_EXPORT int pthread_sigqueue(pthread_t handle, int number,
                               const union sigval value)
{
    struct mp__thread *thread = mp__thread_of(handle);

    mp__init();
    return mp__real.pthread_sigqueue(
        thread != NULL ? mp__main.handle : handle, number, value);
}

MP_EXPORT int tgkill(pid_t group, pid_t id, int number)
{
    struct mp__thread *thread = id != 0 ? mp__thread_by_id(id) : NULL;
    int rc;

    mp__init();
    if (thread == NULL || group != getpid())
        return mp__real.tgkill(group, id, number);
    rc = send_to(thread, number);
    return rc != 0 ? mp__fail(-rc) : 0;
}
