/* fd.c - descriptors of the program that the hub knows: made, taken, closed */
#include "hub/file.h"
#include "hub/io_impl.h"
#include "hub/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

void hub__fd_opened(struct hub *hub, int fd)
{
    struct hub__fd *entry = hub__fd_get(hub, fd);

    if (entry == NULL)
        return; /* not managed: slower, but right */
    if (entry->waits != NULL || entry->watched != 0)
        hub__fd_gone(hub, fd);
    entry->closed++; /* perhaps behind our back */
    entry->managed = 1;
    entry->fresh = 1;
    entry->drained = 0;
    entry->edge = 0;
}

int hub__fd_unblock(int fd)
{
    int saved = errno, flags = fcntl(fd, F_GETFL), rc = 0;

    if (flags < 0 ||
        (!(flags & O_NONBLOCK) && fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0))
        rc = -errno;
    errno = saved;
    return rc;
}

int hub__fd_check(struct hub *hub, int fd)
{
    int saved = errno, flags;

    if (hub__fd_is_managed(hub, fd))
        return 0;
    flags = fcntl(fd, F_GETFL);
    errno = saved;
    if (flags < 0)
        return -EBADF;
    return flags & O_NONBLOCK ? 0 : -EINVAL;
}

int hub_fd_wrap(int fd)
{
    struct hub *hub = hub__get();
    int rc;

    if (hub == NULL)
        return -ENOMEM;
    rc = hub__fd_unblock(fd);
    if (rc == 0)
        hub__fd_opened(hub, fd);
    return rc;
}

int hub_dup(int fd)
{
    struct hub *hub = hub__get();
    int saved = errno, copy, rc;

    if (hub == NULL)
        return -ENOMEM;
    copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (copy < 0) {
        rc = -errno;
        errno = saved;
        return rc;
    }
    rc = hub_fd_wrap(copy);
    if (rc == 0)
        return copy;
    close(copy);
    return rc;
}

/* The loop forgets it first: afterwards the number may be another thread's, unless
 * a thread of the pool is using it.  EINTR: Linux has closed it. */
int hub_close(int fd)
{
    int saved = errno, rc = 0;

    hub_fd_closed(fd);
    if (!hub__offload_closes(fd)) {
        if (close(fd) < 0 && errno != EINTR)
            rc = -errno;
        hub__fd_closed_late(hub__peek(), fd);
    }
    errno = saved;
    return rc;
}

int hub_pipe(int ends[2])
{
    struct hub *hub = hub__get();
    int saved = errno, rc;

    if (hub == NULL)
        return -ENOMEM;
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0) {
        rc = -errno;
        errno = saved;
        return rc;
    }
    hub__fd_opened(hub, ends[0]);
    hub__fd_opened(hub, ends[1]);
    return 0;
}
