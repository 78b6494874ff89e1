/* file.c - regular files, by threads of the pool, and any fd by one
 *
 * A call that has begun cannot be stopped, but who waits for it can: what it reads
 * and writes is the job's own memory. */
#include "hub/file.h"
#include "hub/io_impl.h"
#include "hub/socket.h"

#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#define READ_MOST ((size_t)0x7ffff000) /* read(2) does not give more */
#define AT_POSITION ((off_t)-1) /* preadv2() and pwritev2() know it so, too */

/* What a thread needs, from malloc(): the caller may leave before it is done. */
struct job {
    int fd;
    int flags;
    mode_t mode;
    size_t size;
    off_t offset;
    ssize_t result; /* or a negative errno */
    struct stat status;
    char data[];
};

static struct job *make(int fd, const void *data, size_t size, off_t offset)
{
    struct job *job = size <= PTRDIFF_MAX - sizeof *job
                          ? greenlet__malloc(sizeof *job + size)
                          : NULL;

    if (job == NULL)
        return NULL;
    *job = (struct job){ .fd = fd, .size = size, .offset = offset };
    if (data != NULL)
        memcpy(job->data, data, size);
    return job;
}

/* Returns the job's result, with *done what it lies in (free()); or why there is
 * none.  job NULL: no memory. */
static ssize_t offload(const struct hub__owned *how, struct job *job,
                       struct job **done)
{
    int rc = job != NULL
                 ? hub__offload_owned(how, job, job->fd, HUB_FOREVER)
                 : -ENOMEM;
    ssize_t result;

    if (rc < 0)
        return rc;
    result = job->result;
    if (done != NULL)
        *done = job;
    else
        free(job);
    return result;
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
    while (job->result == -EINTR && !hub__offload_fd_gone());
}

static ssize_t write_some(const struct job *job, size_t done)
{
    const char *data = job->data + done;

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
    while (job->result == -EINTR && !hub__offload_fd_gone());
}

static void do_write_all(void *arg)
{
    struct job *job = arg;
    size_t done = 0;
    ssize_t put = 0;

    while (done < job->size && !hub__offload_fd_gone()) {
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

    job->result = outcome(fstat(job->fd, &job->status));
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

/* Of an open() that nobody waits for any more. */
static void drop_opened(void *arg)
{
    struct job *job = arg;

    if (job->result >= 0)
        close((int)job->result);
    free(job);
}

int hub_file_open(const char *path, int flags, mode_t mode)
{
    static const struct hub__owned how = { .function = do_open,
                                           .drop = drop_opened };
    struct job *job = make(-1, path, strlen(path) + 1, 0);
    ssize_t fd;

    if (job != NULL) {
        job->flags = flags;
        job->mode = mode;
        job->result = -1;
    }
    fd = offload(&how, job, NULL);
    if (fd >= 0)
        hub__fd_gone(hub__peek(), (int)fd); /* the number is new */
    return (int)fd;
}

int hub_file_sync(int fd)
{
    static const struct hub__owned how = { .function = do_sync, .drop = free };

    return (int)offload(&how, make(fd, NULL, 0, 0), NULL);
}

int hub_file_stat(int fd, struct stat *status)
{
    static const struct hub__owned how = { .function = do_stat, .drop = free };
    struct job *done = NULL;
    ssize_t rc = offload(&how, make(fd, NULL, 0, 0), &done);

    if (rc == 0)
        *status = done->status;
    free(done);
    return (int)rc;
}

int hub_file_truncate(int fd, off_t size)
{
    static const struct hub__owned how = { .function = do_truncate,
                                           .drop = free };

    return (int)offload(&how, make(fd, NULL, 0, size), NULL);
}

static void drop_closing(void *arg)
{
    struct job *job = arg;

    if (job->result > 0)
        do_close(job);
    free(job);
}

/* Whatever happens to the caller, fd is closed: where no thread can be asked, here;
 * by a job that works on it, if there is one. */
int hub_file_close(int fd)
{
    static const struct hub__owned how = { .function = do_close,
                                           .drop = drop_closing,
                                           .anyway = true };
    struct job *job;
    int rc;

    hub_fd_closed(fd);
    if (hub__offload_closes(fd))
        return 0;
    job = make(fd, NULL, 0, 0);
    if (job == NULL)
        return hub_close(fd);
    job->result = 1; /* not yet called */
    rc = hub__offload_owned(&how, job, -1, HUB_FOREVER);
    if (rc < 0)
        return rc;
    rc = (int)job->result;
    free(job);
    return rc;
}

/* ---- what is in memory at once ---- */

/* Short of what was asked for it is the end, or the rest is on the disk: the
 * next call sees. */
static ssize_t read_cached(int fd, void *buffer, size_t size, off_t offset)
{
    struct iovec part = {buffer, size};
    int saved = errno;
    ssize_t got;

    if (greenlet__masked & FEATURE_RWF_NOWAIT)
        return -EAGAIN;
    got = outcome(preadv2(fd, &part, 1, offset, RWF_NOWAIT));
    errno = saved;
    return got == -EOPNOTSUPP || got == -ENOSYS ? -EAGAIN : got;
}

static ssize_t read_by_thread(const struct hub__owned *how, int fd,
                              void *buffer, size_t size, off_t offset)
{
    struct job *done = NULL;
    ssize_t got = offload(
        how, make(fd, NULL, size < READ_MOST ? size : READ_MOST, offset), &done);

    if (got > 0)
        memcpy(buffer, done->data, (size_t)got);
    free(done);
    return got;
}

static ssize_t read_file(int fd, void *buffer, size_t size, off_t offset)
{
    static const struct hub__owned how = { .function = do_read, .drop = free };
    struct hub *hub = hub__get();
    ssize_t got = hub != NULL ? hub__io_begin(hub, fd) : -ENOMEM;

    if (got < 0 || size == 0)
        return got;
    got = read_cached(fd, buffer, size, offset);
    return got != -EAGAIN ? got
                          : read_by_thread(&how, fd, buffer, size, offset);
}

ssize_t hub_file_read(int fd, void *buffer, size_t size)
{
    return read_file(fd, buffer, size, AT_POSITION);
}

ssize_t hub_file_pread(int fd, void *buffer, size_t size, off_t offset)
{
    return offset < 0 ? -EINVAL : read_file(fd, buffer, size, offset);
}

static const struct hub__owned write_all = { .function = do_write_all,
                                             .drop = free };

ssize_t hub_file_write(int fd, const void *data, size_t size)
{
    return offload(&write_all, make(fd, data, size, AT_POSITION), NULL);
}

ssize_t hub_file_pwrite(int fd, const void *data, size_t size, off_t offset)
{
    return offset < 0 ? -EINVAL
                      : offload(&write_all, make(fd, data, size, offset), NULL);
}

/* ---- fds of any kind: they may wait for the program itself ---- */

ssize_t hub_tp_read(int fd, void *buffer, size_t size)
{
    static const struct hub__owned how = { .function = do_read, .drop = free,
                                           .kind = HUB_OFFLOAD_LONG };

    return read_by_thread(&how, fd, buffer, size, AT_POSITION);
}

ssize_t hub_tp_write(int fd, const void *data, size_t size)
{
    static const struct hub__owned how = { .function = do_write_once,
                                           .drop = free,
                                           .kind = HUB_OFFLOAD_LONG };

    return offload(&how, make(fd, data, size, AT_POSITION), NULL);
}
