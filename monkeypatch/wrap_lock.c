/* wrap_lock.c - locks of whole files
 *
 * Nothing tells when such a lock is free: after a try that failed, a helper
 * waits for it.  The locks belong to the open file or to the process, never to
 * a thread, so it does not matter who asks. */
#include "monkeypatch/helped.h"
#include "monkeypatch/io_impl.h"

#include <sys/file.h>

struct lock {
    int fd, how; /* flock's operation, or lockf's command */
    off_t length;
};

static long wait_flock(void *arg)
{
    struct lock *lock = arg;

    return mp__real.flock(lock->fd, lock->how) < 0 ? -errno : 0;
}

static long wait_lockf(void *arg)
{
    struct lock *lock = arg;

    return mp__real.lockf(lock->fd, lock->how, lock->length) < 0 ? -errno : 0;
}

/* cancel: MP_CANCEL for what is a cancellation point of libc's, else 0. */
static int on_helper(mp__helped_call *function, struct lock *lock,
                     unsigned cancel)
{
    int saved = errno;
    long rc = mp__helped_wait(function, lock,
                              cancel | MP_INTERRUPTIBLE | MP_RESTARTS);

    errno = saved;
    return rc < 0 ? mp__fail((int)rc) : 0;
}

static bool may_park(void)
{
    return MP_ACTIVE(file) && mp__may_park();
}

MP_EXPORT int flock(int fd, int operation)
{
    int (*original)(int, int) = MP_REAL(flock);
    struct lock lock = {.fd = fd, .how = operation};
    int saved = errno, rc;

    if (!may_park() || (operation & LOCK_NB) != 0)
        return original(fd, operation);
    rc = original(fd, operation | LOCK_NB);
    if (rc == 0 || errno != EWOULDBLOCK)
        return rc;
    errno = saved;
    return on_helper(wait_flock, &lock, 0);
}

MP_EXPORT int lockf(int fd, int command, off_t length)
{
    int (*original)(int, int, off_t) = MP_REAL(lockf);
    struct lock lock = {.fd = fd, .how = command, .length = length};
    int saved = errno, rc;

    if (!may_park() || command != F_LOCK)
        return original(fd, command, length);
    mp__testcancel();
    rc = original(fd, F_TLOCK, length);
    if (rc == 0 || (errno != EACCES && errno != EAGAIN))
        return rc;
    errno = saved;
    return on_helper(wait_lockf, &lock, MP_CANCEL);
}
MP_SPELLING(lockf, lockf64);
