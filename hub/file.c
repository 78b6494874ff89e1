/* file.c - regular files, by threads of the pool, and any fd by one
 *
 * hub_offload() does not return before the call has: its arguments are on the
 * stack of the greenlet. */
#include "hub/file.h"
#include "hub/io_impl.h"
#include "hub/socket.h"

#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#define NOT_DONE    1
#define AT_POSITION ((off_t)-1) /* preadv2() and pwritev2() know it so, too */

struct job {
    int fd;
    void *data;
    size_t size;
    off_t offset;
    int flags;
    mode_t mode;
    ssize_t result; /* or a negative errno */
};

static ssize_t offload(void (*function)(void *), struct job *job,
                       enum hub__offload_kind kind)
{
    const struct hub *hub = hub__get();
    int rc;

    if (hub == NULL)
        return -ENOMEM;
    if (greenlet__word->current == hub->greenlet || hub__in_handler())
        return hub__fail(&hub_blocking_class,
                         "a callback of the loop, or a signal handler, cannot "
                         "wait");
    rc = hub__offload(function, job, kind);
    return rc < 0 ? rc : job->result;
}

static ssize_t outcome(ssize_t result)
{
    return result < 0 ? -errno : result;
}

static void do_open(void *arg)
{
    struct job *job = arg;

    job->result = outcome(open(job->data, job->flags | O_CLOEXEC, job->mode));
}

static void do_read(void *arg)
{
    struct job *job = arg;

    do
        job->result =
            outcome(job->offset == AT_POSITION
                        ? read(job->fd, job->data, job->size)
                        : pread(job->fd, job->data, job->size, job->offset));
    while (job->result == -EINTR);
}

static ssize_t write_some(const struct job *job, size_t done)
{
    const char *data = (const char *)job->data + done;

    if (job->offset == AT_POSITION)
        return outcome(write(job->fd, data, job->size - done));
    return outcome(
        pwrite(job->fd, data, job->size - done, job->offset + (off_t)done));
}

static void do_write_once(void *arg)
{
    struct job *job = arg;

    do
        job->result = write_some(job, 0);
    while (job->result == -EINTR);
}

static void do_write_all(void *arg)
{
    struct job *job = arg;
    size_t done = 0;
    ssize_t put = 0;

    while (done < job->size) {
        put = write_some(job, done);
        if (put == -EINTR)
            continue;
        if (put <= 0)
            break;
        done += (size_t)put;
    }
    job->result = done > 0 || put >= 0 ? (ssize_t)done : put;
}

static void do_sync(void *arg)
{
    struct job *job = arg;

    job->result = outcome(fsync(job->fd));
}

static void do_stat(void *arg)
{
    struct job *job = arg;

    job->result = outcome(fstat(job->fd, job->data));
}

static void do_truncate(void *arg)
{
    struct job *job = arg;

    job->result = outcome(ftruncate(job->fd, job->offset));
}

static void do_close(void *arg)
{
    struct job *job = arg;

    job->result = outcome(close(job->fd));
    if (job->result == -EINTR)
        job->result = 0;
}

/* ---- by a thread ---- */

int hub_file_open(const char *path, int flags, mode_t mode)
{
    struct job job = {
        .data = (void *)(uintptr_t)path, .flags = flags, .mode = mode};
    ssize_t fd = offload(do_open, &job, HUB_OFFLOAD_QUICK);

    if (fd >= 0)
        hub__fd_gone(hub__peek(), (int)fd); /* the number is new */
    return (int)fd;
}

int hub_file_sync(int fd)
{
    struct job job = {.fd = fd};

    return (int)offload(do_sync, &job, HUB_OFFLOAD_QUICK);
}

int hub_file_stat(int fd, struct stat *status)
{
    struct job job = {.fd = fd, .data = status};

    return (int)offload(do_stat, &job, HUB_OFFLOAD_QUICK);
}

int hub_file_truncate(int fd, off_t size)
{
    struct job job = {.fd = fd, .offset = size};

    return (int)offload(do_truncate, &job, HUB_OFFLOAD_QUICK);
}

/* Where no thread can be made the fd must not leak. */
int hub_file_close(int fd)
{
    struct job job = {.fd = fd, .result = NOT_DONE};
    int rc;

    hub_fd_closed(fd);
    rc = (int)offload(do_close, &job, HUB_OFFLOAD_QUICK);
    return job.result == NOT_DONE ? hub_close(fd) : rc;
}

/* ---- what is in memory at once ---- */

/* Short of what was asked for it is the end, or the rest is on the disk: the
 * next call sees. */
static ssize_t read_cached(const struct job *job)
{
    struct iovec part = {job->data, job->size};
    int saved = errno;
    ssize_t got;

    if (greenlet__masked & FEATURE_RWF_NOWAIT)
        return -EAGAIN;
    got = outcome(preadv2(job->fd, &part, 1, job->offset, RWF_NOWAIT));
    errno = saved;
    return got == -EOPNOTSUPP || got == -ENOSYS ? -EAGAIN : got;
}

static ssize_t read_file(struct job *job)
{
    struct hub *hub = hub__get();
    ssize_t got;

    if (job->size == 0 || job->offset < AT_POSITION)
        return job->size == 0 ? 0 : -EINVAL;
    if (hub != NULL)
        hub__io_spend(hub);
    got = read_cached(job);
    return got != -EAGAIN ? got : offload(do_read, job, HUB_OFFLOAD_QUICK);
}

ssize_t hub_file_read(int fd, void *buffer, size_t size)
{
    struct job job = {fd, buffer, size, AT_POSITION, 0, 0, 0};

    return read_file(&job);
}

ssize_t hub_file_pread(int fd, void *buffer, size_t size, off_t offset)
{
    struct job job = {fd, buffer, size, offset, 0, 0, 0};

    return offset < 0 ? -EINVAL : read_file(&job);
}

ssize_t hub_file_write(int fd, const void *data, size_t size)
{
    struct job job = {fd, (void *)(uintptr_t)data, size, AT_POSITION, 0, 0, 0};

    return offload(do_write_all, &job, HUB_OFFLOAD_QUICK);
}

ssize_t hub_file_pwrite(int fd, const void *data, size_t size, off_t offset)
{
    struct job job = {fd, (void *)(uintptr_t)data, size, offset, 0, 0, 0};

    return offset < 0 ? -EINVAL
                      : offload(do_write_all, &job, HUB_OFFLOAD_QUICK);
}

/* ---- fds of any kind: they may wait for the program itself ---- */

ssize_t hub_tp_read(int fd, void *buffer, size_t size)
{
    struct job job = {fd, buffer, size, AT_POSITION, 0, 0, 0};

    return offload(do_read, &job, HUB_OFFLOAD_LONG);
}

ssize_t hub_tp_write(int fd, const void *data, size_t size)
{
    struct job job = {fd, (void *)(uintptr_t)data, size, AT_POSITION, 0, 0, 0};

    return offload(do_write_once, &job, HUB_OFFLOAD_LONG);
}
