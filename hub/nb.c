/* nb.c - non-blocking fds that are no sockets: pipes, terminals, eventfds,
 * timerfds */
#include "hub/file.h"
#include "hub/io_impl.h"

#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

struct transfer {
    void *data;
    size_t size;
};

static ssize_t try_read(int fd, void *call)
{
    const struct transfer *t = call;

    return read(fd, t->data, t->size);
}

static ssize_t try_write(int fd, void *call)
{
    const struct transfer *t = call;

    return write(fd, t->data, t->size);
}

static int check(int fd)
{
    struct hub *hub = hub__get();

    return hub != NULL ? hub__fd_check(hub, fd) : -ENOMEM;
}

HUB__SWITCHES ssize_t hub_nb_read(int fd, void *buffer, size_t size,
                                  int64_t deadline_ns)
{
    struct transfer t = {buffer, size};
    int rc = check(fd);

    return rc < 0 ? rc : hub__io(fd, HUB_READ, deadline_ns, try_read, &t);
}

HUB__SWITCHES ssize_t hub_nb_write(int fd, const void *data, size_t size,
                                   int64_t deadline_ns)
{
    struct transfer t = {(void *)(uintptr_t)data, size};
    int rc = check(fd);

    return rc < 0 ? rc : hub__io(fd, HUB_WRITE, deadline_ns, try_write, &t);
}

static int made(int fd, int saved)
{
    int rc = fd < 0 ? -errno : fd;

    errno = saved;
    if (fd >= 0)
        hub__fd_opened(hub__peek(), fd);
    return rc;
}

int hub_eventfd(unsigned initial, bool semaphore)
{
    int saved = errno;

    if (hub__get() == NULL)
        return -ENOMEM;
    return made(eventfd(initial, EFD_CLOEXEC | EFD_NONBLOCK |
                                     (semaphore ? EFD_SEMAPHORE : 0)),
                saved);
}

int hub_eventfd_read(int fd, uint64_t *value, int64_t deadline_ns)
{
    ssize_t got = hub_nb_read(fd, value, sizeof *value, deadline_ns);

    return got < 0 ? (int)got : 0;
}

int hub_eventfd_write(int fd, uint64_t value, int64_t deadline_ns)
{
    ssize_t put = hub_nb_write(fd, &value, sizeof value, deadline_ns);

    return put < 0 ? (int)put : 0;
}

int hub_timerfd(clockid_t clock)
{
    int saved = errno;

    if (hub__get() == NULL)
        return -ENOMEM;
    return made(timerfd_create(clock, TFD_CLOEXEC | TFD_NONBLOCK), saved);
}

static struct timespec timespec_of(int64_t ns)
{
    struct timespec time = {(time_t)(ns / HUB_SECOND), (long)(ns % HUB_SECOND)};

    return time;
}

int hub_timerfd_set(int fd, int64_t first, int64_t interval)
{
    struct itimerspec spec = {timespec_of(interval), timespec_of(first)};
    int saved = errno, rc = 0;

    if (first < 0 || interval < 0)
        return -EINVAL;
    if (timerfd_settime(fd, TFD_TIMER_ABSTIME, &spec, NULL) < 0)
        rc = -errno;
    errno = saved;
    return rc;
}

int hub_timerfd_wait(int fd, uint64_t *expirations, int64_t deadline_ns)
{
    uint64_t count;
    ssize_t got = hub_nb_read(fd, &count, sizeof count, deadline_ns);

    if (got < 0)
        return (int)got;
    if (expirations != NULL)
        *expirations = count;
    return 0;
}
