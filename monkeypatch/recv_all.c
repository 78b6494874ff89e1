/* recv_all.c - MSG_WAITALL after the first piece of a stream
 *
 * The kernel goes on until all is there, but stops at what must not be glued: fds
 * that came with a piece (unix(7)), the mark of urgent data (tcp(7)).  An error
 * or the end of the stream after the first piece is for the next call to tell. */
#include "monkeypatch/io_impl.h"

#include <sys/ioctl.h>

struct rest {
    struct msghdr *msg;
    size_t room; /* for control data */
    size_t total, done;
    int flags;
    bool over;
};

static bool carries_fds(const struct msghdr *msg)
{
    struct cmsghdr *head;

    if ((msg->msg_flags & MSG_CTRUNC) != 0)
        return true;
    for (head = CMSG_FIRSTHDR(msg); head != NULL;
         head = CMSG_NXTHDR((struct msghdr *)msg, head))
        if (head->cmsg_level == SOL_SOCKET && head->cmsg_type == SCM_RIGHTS)
            return true;
    return false;
}

static bool is_at_mark(int fd)
{
    int marked = 0;

    return SYS_CALL(SYS_ioctl, fd, SIOCATMARK, &marked, 0, 0, 0) == 0 &&
           marked != 0;
}

static long receive_more(struct mp__io *io, struct rest *rest, int flags)
{
    struct mp__window window;
    struct msghdr msg = { .msg_iov = window.vec };
    long rc;

    mp__window_fill(&window, rest->msg->msg_iov, (int)rest->msg->msg_iovlen,
                    rest->done);
    msg.msg_iovlen = (size_t)window.count;
    msg.msg_control = rest->room > 0 ? rest->msg->msg_control : NULL;
    msg.msg_controllen = rest->room;
    rc = sys_recvmsg(io->fd, &msg, flags);
    if (rc <= 0)
        return rc;
    rest->done += (size_t)rc;
    rest->over = carries_fds(&msg);
    rest->msg->msg_flags = msg.msg_flags;
    if (msg.msg_controllen > 0)
        rest->msg->msg_controllen = msg.msg_controllen;
    return rc;
}

static long plain_rest(struct mp__io *io, void *arg)
{
    struct rest *rest = arg;

    return receive_more(io, rest, rest->flags);
}

static long try_rest(struct mp__io *io, void *arg)
{
    struct rest *rest = arg;
    long rc;

    while (!rest->over && rest->done < rest->total) {
        if (is_at_mark(io->fd))
            return 0;
        rc = receive_more(io, rest, rest->flags | MSG_DONTWAIT);
        if (rc <= 0)
            return rc;
        io->stuck = 0;
    }
    return 0;
}

/* `room` for control data was there before the first piece, of `done` bytes.
 * Returns how much there is then. */
long mp__receive_rest(int fd, struct msghdr *msg, size_t room, size_t done,
                      int flags)
{
    struct rest rest = { .msg = msg, .room = room, .done = done,
                         .flags = flags };

    rest.total = mp__iov_total(msg->msg_iov, (int)msg->msg_iovlen);
    if (done < rest.total && !carries_fds(msg) &&
        sys_sockopt(fd, SO_TYPE) == SOCK_STREAM)
        mp__io_run(fd, HUB_READ, try_rest, plain_rest, &rest);
    return (long)rest.done;
}
