/* wrap_terminal.c - requests to terminals that wait until the output is sent
 *
 * Nothing tells when it is: a helper waits.  It may as well get the SIGTTOU of
 * a background process, which is the process's. */
#include "monkeypatch/helped.h"
#include "monkeypatch/io_impl.h"
#include "monkeypatch/wrap_terminal.h"

#include <sys/ioctl.h>
#include <termios.h>

bool mp__ioctl_waits(unsigned long request)
{
    switch (request) {
    case TCSBRK: /* tcdrain(), tcsendbreak() */
    case TCSBRKP:
    case TCSETSW: /* tcsetattr(TCSADRAIN) */
    case TCSETSF:
    case TCSETAW:
    case TCSETAF:
    case TIOCMIWAIT:
        return true;
    default:
        return false;
    }
}

struct request {
    int fd;
    unsigned long request;
    void *arg;
};

static long ask(void *arg)
{
    struct request *call = arg;

    return SYS_CALL(SYS_ioctl, call->fd, call->request, call->arg, 0, 0, 0);
}

long mp__ioctl_helped(int fd, unsigned long request, void *arg)
{
    struct request call = { fd, request, arg };

    return mp__helped_wait(ask, &call, MP_INTERRUPTIBLE | MP_RESTARTS);
}

MP_EXPORT int tcdrain(int fd)
{
    int (*original)(int) = MP_REAL(tcdrain);
    struct request call = { fd, TCSBRK, (void *)1 };

    if (!MP_ACTIVE(file) || !mp__may_park())
        return original(fd);
    mp__io_begin();
    return (int)mp__io_end(mp__helped_wait(
        ask, &call, MP_CANCEL | MP_INTERRUPTIBLE | MP_RESTARTS));
}

struct change {
    int fd, when;
    const struct termios *how;
};

static long set(void *arg)
{
    struct change *call = arg;

    return mp__real.tcsetattr(call->fd, call->when, call->how) < 0 ? -errno : 0;
}

MP_EXPORT int tcsetattr(int fd, int when, const struct termios *how)
{
    int (*original)(int, int, const struct termios *) = MP_REAL(tcsetattr);
    struct change call = { fd, when, how };
    int before = errno;
    long rc;

    if (!MP_ACTIVE(file) || when == TCSANOW || !mp__may_park())
        return original(fd, when, how);
    rc = mp__helped_wait(set, &call, MP_INTERRUPTIBLE | MP_RESTARTS);
    errno = before;
    return rc < 0 ? mp__fail((int)rc) : 0;
}
