/* stream_fd.c - transports over descriptors: sockets, pipes, files */
#include "hub/file.h"
#include "hub/socket.h"
#include "hub/stream.h"
#include "hub/watch_impl.h"

#include <errno.h>
#include <sys/stat.h>

static int number(const void *self)
{
    return (int)(intptr_t)self;
}

static int close_it(void *self)
{
    return hub_close(number(self));
}

static ssize_t socket_read(void *self, void *buffer, size_t size,
                           int64_t deadline_ns)
{
    return hub_recv(number(self), buffer, size, 0, deadline_ns);
}

static ssize_t socket_write(void *self, const void *data, size_t size,
                            int64_t deadline_ns)
{
    return hub_send(number(self), data, size, 0, deadline_ns);
}

static int socket_shutdown(void *self, int64_t deadline_ns)
{
    (void)deadline_ns; /* the kernel sends what it has */
    return hub_shutdown(number(self), SHUT_WR);
}

static const struct hub_transport over_socket = {
    .read = socket_read,
    .write = socket_write,
    .shutdown = socket_shutdown,
    .close = close_it,
    .fd = number};

static ssize_t pipe_read(void *self, void *buffer, size_t size,
                         int64_t deadline_ns)
{
    return hub_nb_read(number(self), buffer, size, deadline_ns);
}

static ssize_t pipe_write(void *self, const void *data, size_t size,
                          int64_t deadline_ns)
{
    return hub_nb_write(number(self), data, size, deadline_ns);
}

static const struct hub_transport over_pipe = {
    .read = pipe_read, .write = pipe_write, .close = close_it, .fd = number};

static ssize_t file_read(void *self, void *buffer, size_t size,
                         int64_t deadline_ns)
{
    (void)deadline_ns; /* a disk answers */
    return hub_file_read(number(self), buffer, size);
}

static ssize_t file_write(void *self, const void *data, size_t size,
                          int64_t deadline_ns)
{
    (void)deadline_ns;
    return hub_file_write(number(self), data, size);
}

static int file_close(void *self)
{
    return hub_file_close(number(self));
}

static const struct hub_transport over_file = {
    .read = file_read, .write = file_write, .close = file_close, .fd = number};

static const struct hub_transport *transport_for(mode_t mode)
{
    if (S_ISSOCK(mode))
        return &over_socket;
    return S_ISREG(mode) || S_ISBLK(mode) || S_ISDIR(mode) ? &over_file
                                                           : &over_pipe;
}

int hub_stream_of_fd(int fd, struct hub_stream **stream)
{
    const struct hub *hub = hub__peek();
    const struct hub_transport *transport;
    struct stat status;
    int saved = errno, rc = 0;

    if (fstat(fd, &status) < 0) {
        errno = saved;
        return -EBADF;
    }
    transport = transport_for(status.st_mode);
    if (transport != &over_file &&
        (hub == NULL || !hub__fd_is_managed(hub, fd)))
        rc = hub_fd_wrap(fd);
    if (rc < 0)
        return rc;
    *stream = hub_stream_new(transport, (void *)(intptr_t)fd);
    return *stream != NULL ? 0 : -ENOMEM;
}
