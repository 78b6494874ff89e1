/* wrap_signal_old.c - the older forms of sigaction(), sigprocmask() and
 * sigsuspend()
 *
 * libc's call its own inside, past the tables of signal.c.  By their plain
 * names what they are made of here is ours. */
#include "monkeypatch/io_impl.h"
#include "monkeypatch/per_thread.h"

#include <signal.h>
#include <string.h>

#define OLD_SIGNALS 32 /* in an int */

/* libc has these marked as deprecated, or no longer at all. */
#define OLD(ret, name, params)                             \
    MP_EXPORT ret mp__wrap_##name params __asm__(#name);   \
    MP_EXPORT ret mp__wrap_##name params

static void unpack(sigset_t *set, int mask)
{
    sigemptyset(set);
    for (int number = 1; number <= OLD_SIGNALS; number++)
        if ((unsigned)mask >> (number - 1) & 1)
            sigaddset(set, number);
}

static int pack(const sigset_t *set)
{
    unsigned mask = 0;

    for (int number = 1; number <= OLD_SIGNALS; number++)
        if (sigismember(set, number) == 1)
            mask |= 1u << (number - 1);
    return (int)mask;
}

static int change(int how, int mask)
{
    sigset_t set, old;

    unpack(&set, mask);
    return sigprocmask(how, &set, &old) < 0 ? -1 : pack(&old);
}

OLD(int, sigblock, (int mask))
{
    return change(SIG_BLOCK, mask);
}

OLD(int, sigsetmask, (int mask))
{
    return change(SIG_SETMASK, mask);
}

OLD(int, siggetmask, (void))
{
    return change(SIG_BLOCK, 0);
}

static int change_one(int how, int number)
{
    sigset_t set;

    sigemptyset(&set);
    if (sigaddset(&set, number) < 0)
        return -1;
    return sigprocmask(how, &set, NULL);
}

OLD(int, sighold, (int number))
{
    return change_one(SIG_BLOCK, number);
}

OLD(int, sigrelse, (int number))
{
    return change_one(SIG_UNBLOCK, number);
}

OLD(int, sigignore, (int number))
{
    struct sigaction action = { .sa_handler = SIG_IGN };

    return sigaction(number, &action, NULL);
}

/* Reset at its first signal, and not blocked meanwhile; does not restart. */
OLD(__sighandler_t, sysv_signal, (int number, __sighandler_t handler))
{
    struct sigaction action = { .sa_handler = handler,
                                .sa_flags = (int)SA_ONESHOT | SA_NOMASK |
                                            SA_INTERRUPT };
    struct sigaction old;

    if (handler == SIG_ERR) {
        errno = EINVAL;
        return SIG_ERR;
    }
    return sigaction(number, &action, &old) < 0 ? SIG_ERR : old.sa_handler;
}

extern __typeof__(mp__wrap_sysv_signal) mp__spelling_sysv_signal
    __asm__("__sysv_signal")
    __attribute__((alias("sysv_signal"), visibility("default")));

static uint64_t interrupts; /* for signal(), of signals that are set later */

bool mp__signal_interrupts(int number)
{
    return (interrupts >> (number - 1) & 1) != 0;
}

OLD(int, siginterrupt, (int number, int on))
{
    struct sigaction action;
    int rc = MP_REAL(siginterrupt)(number, on); /* libc's signal() asks too */

    if (rc < 0)
        return rc;
    if (on)
        interrupts |= (uint64_t)1 << (number - 1);
    else
        interrupts &= ~((uint64_t)1 << (number - 1));
    if (!mp__signals_tracked() || sigaction(number, NULL, &action) < 0)
        return 0;
    if (on)
        action.sa_flags &= ~SA_RESTART;
    else
        action.sa_flags |= SA_RESTART;
    return sigaction(number, &action, NULL);
}

OLD(__sighandler_t, sigset, (int number, __sighandler_t handler))
{
    struct sigaction action = { .sa_handler = handler }, old;
    sigset_t set, before;

    if (handler == SIG_ERR || number < 1 || number >= NSIG) {
        errno = EINVAL;
        return SIG_ERR;
    }
    sigemptyset(&set);
    sigaddset(&set, number);
    if (handler == SIG_HOLD) {
        if (sigprocmask(SIG_BLOCK, &set, &before) < 0 ||
            sigaction(number, NULL, &old) < 0)
            return SIG_ERR;
    } else if (sigaction(number, &action, &old) < 0 ||
               sigprocmask(SIG_UNBLOCK, &set, &before) < 0) {
        return SIG_ERR;
    }
    return sigismember(&before, number) == 1 ? SIG_HOLD : old.sa_handler;
}

/* As <signal.h> had it before glibc 2.21. */
struct old_vector {
    __sighandler_t handler;
    int mask, flags; /* 1: own stack, 2: does not restart, 4: once */
};

OLD(int, sigvec, (int number, const void *vector, void *old))
{
    const struct old_vector *wanted = vector;
    struct sigaction action = { 0 }, before;
    struct old_vector *had = old;

    if (wanted != NULL) {
        action.sa_handler = wanted->handler;
        action.sa_flags = (wanted->flags & 1 ? SA_ONSTACK : 0) |
                          (wanted->flags & 2 ? 0 : SA_RESTART) |
                          (wanted->flags & 4 ? (int)SA_RESETHAND : 0);
        unpack(&action.sa_mask, wanted->mask);
    }
    if (sigaction(number, wanted != NULL ? &action : NULL, &before) < 0)
        return -1;
    if (had != NULL) {
        had->handler = before.sa_handler;
        had->mask = pack(&before.sa_mask);
        had->flags = (before.sa_flags & SA_ONSTACK ? 1 : 0) |
                     (before.sa_flags & SA_RESTART ? 0 : 2) |
                     (before.sa_flags & (int)SA_RESETHAND ? 4 : 0);
    }
    return 0;
}

/* ---- sigpause: sigsuspend() by other means ---- */

OLD(int, sigpause, (int mask))
{
    sigset_t set;

    unpack(&set, mask);
    return sigsuspend(&set);
}

OLD(int, __xpg_sigpause, (int number))
{
    sigset_t set;

    if (sigprocmask(SIG_BLOCK, NULL, &set) < 0 || sigdelset(&set, number) < 0)
        return -1;
    return sigsuspend(&set);
}

OLD(int, __sigpause, (int what, int is_signal))
{
    return is_signal ? mp__wrap___xpg_sigpause(what) : mp__wrap_sigpause(what);
}
