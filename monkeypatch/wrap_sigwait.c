/* wrap_sigwait.c - waiting for signals
 *
 * The signals that are waited for are blocked, so they stay pending on the
 * kernel thread that all mapped threads share: a signalfd tells when there is
 * one, and libc's own call takes it. */
#include "monkeypatch/io_impl.h"
#include "monkeypatch/per_thread.h"
#include "monkeypatch/private_fd.h"

#include <signal.h>
#include <string.h>

/* One that was sent to this very thread stays with us: signal_thread.c. */
static int take_own(const sigset_t *set, siginfo_t *info)
{
    siginfo_t taken;
    uint64_t due;

    if (mp__self == NULL || likely(mp__self->signals_pending == 0) ||
        !mp__readable(set, sizeof due))
        return 0;
    memcpy(&due, set, sizeof due);
    if (!mp__signal_dequeue(mp__self, due, &taken))
        return 0;
    if (taken.si_code == SI_TKILL)
        taken.si_code = SI_USER; /* as libc has it */
    if (info != NULL)
        *info = taken;
    return taken.si_signo;
}

/* Take a pending signal of the set.  Its number, or -errno. */
static int take(const sigset_t *set, siginfo_t *info)
{
    const struct timespec zero = {0, 0};
    int saved = errno, number = take_own(set, info);

    if (number > 0)
        return number;
    do {
        number = mp__real.sigtimedwait(set, info, &zero);
    } while (number < 0 && errno == EINTR); /* a handler of another signal */
    if (number < 0)
        number = -errno;
    errno = saved;
    return number;
}

static void wants_none(uint64_t *wanted)
{
    (void)wanted;
    if (mp__self != NULL)
        mp__self->signals_wanted = 0;
}

/* Without a descriptor or memory to be had. */
#define LOOK_OFTEN_NS 5000000

static int look_often(const sigset_t *set, siginfo_t *info, int64_t deadline)
{
    for (;;) {
        int64_t slice = mp__now() + LOOK_OFTEN_NS;
        int rc = mp__sleep_until(slice < deadline ? slice : deadline,
                                 MP_CANCEL | MP_INTERRUPTIBLE);
        int number = take(set, info);

        if (number != -EAGAIN)
            return number;
        if (rc != 0 && rc != -ETIMEDOUT)
            return rc;
        if (slice >= deadline)
            return -EAGAIN;
    }
}

static int wait_signal(const sigset_t *set, siginfo_t *info, int64_t deadline)
{
    __attribute__((cleanup(wants_none))) uint64_t wanted = 0;
    MP_PRIVATE_FD fd = {-1, -1};
    int number = take(set, info), rc;

    if (number != -EAGAIN)
        return number;
    memcpy(&wanted, set, sizeof wanted);
    if (mp__self != NULL)
        mp__self->signals_wanted = wanted;
    rc = mp__private_fd(&fd, (int)SYS_CALL(SYS_signalfd4, -1, set,
                                           MP_SIGSET_BYTES,
                                           O_CLOEXEC | O_NONBLOCK, 0, 0));
    while (rc == 0) {
        rc = mp__wait_fd(&fd.now, HUB_READ, deadline,
                         MP_CANCEL | MP_INTERRUPTIBLE);
        number = take(set, info);
        if (number != -EAGAIN)
            return number;
    }
    if (rc == -EMFILE || rc == -ENFILE || rc == -ENOMEM)
        return look_often(set, info, deadline);
    return rc == -ETIMEDOUT ? -EAGAIN : rc;
}

static bool may_park(void)
{
    return MP_ACTIVE(signal) && mp__may_park();
}

/* What is not gets the kernel's answer. */
static bool usable(const struct timespec *timeout)
{
    return mp__readable(timeout, sizeof *timeout) && mp__timespec_ok(timeout);
}

MP_EXPORT int sigwaitinfo(const sigset_t *set, siginfo_t *info)
{
    int (*original)(const sigset_t *, siginfo_t *) = MP_REAL(sigwaitinfo);
    int rc;

    if (!may_park())
        return original(set, info);
    rc = wait_signal(set, info, HUB_FOREVER);
    return rc < 0 ? mp__fail(rc) : rc;
}

MP_EXPORT int sigtimedwait(const sigset_t *set, siginfo_t *info,
                           const struct timespec *timeout)
{
    int (*original)(const sigset_t *, siginfo_t *, const struct timespec *) =
        MP_REAL(sigtimedwait);
    int rc;

    if (!may_park() || (timeout != NULL && !usable(timeout)))
        return original(set, info, timeout);
    rc = wait_signal(set, info,
                     timeout != NULL ? mp__after(timeout) : HUB_FOREVER);
    return rc < 0 ? mp__fail(rc) : rc;
}

/* Returns the error; never EINTR. */
MP_EXPORT int sigwait(const sigset_t *set, int *number)
{
    int (*original)(const sigset_t *, int *) = MP_REAL(sigwait);
    int rc;

    if (!may_park())
        return original(set, number);
    do {
        rc = wait_signal(set, NULL, HUB_FOREVER);
    } while (rc == -EINTR);
    if (rc < 0)
        return -rc;
    *number = rc;
    return 0;
}

/* Ends after a handler has run. */
MP_EXPORT int pause(void)
{
    int (*original)(void) = MP_REAL(pause);

    if (!may_park())
        return original();
    return mp__fail(mp__sleep_until(HUB_FOREVER, MP_CANCEL | MP_INTERRUPTIBLE));
}

/* ---- sigsuspend ---- */

/* A handler that runs before the wait is linked wakes nobody: look again. */
#define LOOK_AGAIN_NS 100000000

static void restore_mask(sigset_t *mask)
{
    pthread_sigmask(SIG_SETMASK, mask, NULL); /* ours: the thread's own */
}

MP_EXPORT int sigsuspend(const sigset_t *mask)
{
    int (*original)(const sigset_t *) = MP_REAL(sigsuspend);
    uint32_t *count = mp__handler_count(false);
    uint32_t seen = __atomic_load_n(count, __ATOMIC_SEQ_CST);

    if (!may_park() || !mp__readable(mask, MP_SIGSET_BYTES))
        return original(mask);
    __attribute__((cleanup(restore_mask))) sigset_t before;
    pthread_sigmask(SIG_SETMASK, mask, &before);
    while (__atomic_load_n(count, __ATOMIC_SEQ_CST) == seen)
        mp__lot_wait(count, seen, mp__now() + LOOK_AGAIN_NS,
                     MP_CANCEL | MP_INTERRUPTIBLE);
    return mp__fail(-EINTR);
}
MP_SPELLING(sigsuspend, __sigsuspend);
