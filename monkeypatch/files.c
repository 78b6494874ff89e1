/* files.c - calls on files that would wait for storage run on the hub's pool of
 * helpers, while their greenlet is parked: as VIREO_FILES says
 *
 * Reads are tried with RWF_NOWAIT, which costs nothing where they find what they
 * want in memory.  Writes to a file that was opened with O_DIRECT, O_DSYNC or
 * O_SYNC always wait for the storage.  Of all else nothing tells beforehand: with
 * `pool` the whole call is handed over. */
#include "monkeypatch/files.h"

bool mp__files_in_pool(enum mp__files wanted)
{
    return mp__options.files >= wanted &&
           __atomic_load_n(&mp__live, __ATOMIC_RELAXED) != 1 &&
           mp__may_park();
}

bool mp__writes_in_pool(int fd)
{
    bool stored = (mp__fd_bits(fd) & FD_STORED) != 0;

    return mp__files_in_pool(stored ? MP_FILES_READS : MP_FILES_POOL);
}

struct handed_over {
    mp__io_call *native;
    struct mp__io *io;
    void *call;
    long rc;
};

static void run(void *arg)
{
    struct handed_over *job = arg;

    job->rc = job->native(job->io, job->call);
}

long mp__files_run(struct mp__io *io, mp__io_call *native, void *call)
{
    struct handed_over job = { native, io, call, 0 };
    int before = errno;

    if (mp__offload(run, &job, HUB_OFFLOAD_QUICK) < 0)
        run(&job);
    errno = before;
    return job.rc;
}

void mp__files_run_as(void (*function)(void *), void *arg)
{
    if (mp__offload(function, arg, HUB_OFFLOAD_QUICK) < 0)
        function(arg);
}

/* ---- at a place of the caller's ---- */

static long read_in_memory(int fd, const struct mp__placed *call)
{
    return SYS_CALL(SYS_preadv2, fd, call->vec, call->count, call->at, 0,
                    call->flags | RWF_NOWAIT);
}

/* The file system cannot say what is in memory; or it refuses the flags, which
 * the call itself will tell. */
static bool is_unknown(long rc)
{
    return rc == -EOPNOTSUPP || rc == -ENOSYS;
}

static long placed_plainly(struct mp__io *io, void *arg)
{
    const struct mp__placed *call = arg;

    if (call->flags != 0)
        return SYS_CALL(call->write ? SYS_pwritev2 : SYS_preadv2, io->fd,
                        call->vec, call->count, call->at, 0, call->flags);
    if (call->one)
        return SYS_CALL(call->write ? SYS_pwrite64 : SYS_pread64, io->fd,
                        call->vec->iov_base, call->vec->iov_len, call->at, 0,
                        0);
    return SYS_CALL(call->write ? SYS_pwritev : SYS_preadv, io->fd, call->vec,
                    call->count, call->at, 0, 0);
}

static bool reached_end(int fd, const struct mp__placed *call, long done)
{
    struct stat st;

    if (call->at < 0 || sys_fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return false; /* the next read will tell */
    return call->at + done >= st.st_size;
}

/* What is in memory may end in the middle; the call may not. */
static long read_rest(struct mp__io *io, const struct mp__placed *call,
                      long done)
{
    struct mp__placed rest = {.flags = call->flags};
    struct mp__window window;
    long rc;

    if ((size_t)done >= mp__iov_total(call->vec, call->count) ||
        reached_end(io->fd, call, done))
        return done;
    do {
        mp__window_fill(&window, call->vec, call->count, (size_t)done);
        if (window.count == 0)
            return done;
        rest.vec = window.vec;
        rest.count = window.count;
        rest.at = call->at < 0 ? call->at : call->at + done;
        rc = mp__files_run(io, placed_plainly, &rest);
        done += rc > 0 ? rc : 0;
    } while (rc > 0);
    return done;
}

bool mp__placed_in_pool(int fd, const struct mp__placed *call)
{
    if (call->write && (call->flags & (RWF_DSYNC | RWF_SYNC)) == 0)
        return mp__writes_in_pool(fd);
    return mp__files_in_pool(MP_FILES_READS);
}

/* At -1 a call has flags: it goes on where the file is. */
static bool is_plain(int fd, const struct mp__placed *call)
{
    return !mp__placed_in_pool(fd, call) || call->count < 0 ||
           call->count > IOV_MAX || call->at < (call->flags != 0 ? -1 : 0) ||
           (call->flags & RWF_NOWAIT) != 0 ||
           (mp__fd_bits(fd) & FD_REGULAR) == 0;
}

long mp__placed(int fd, struct mp__placed *call)
{
    struct mp__io io;
    long rc;

    mp__io_begin();
    mp__io_open(&io, fd, call->write ? HUB_WRITE : HUB_READ);
    if (is_plain(fd, call))
        return placed_plainly(&io, call);
    rc = call->write ? -EAGAIN : -EOPNOTSUPP;
    if (!call->write && mp__fd_nowait_works())
        rc = read_in_memory(fd, call);
    if (rc > 0)
        return read_rest(&io, call, rc);
    if (rc == -EAGAIN || (is_unknown(rc) && mp__options.files == MP_FILES_POOL))
        return mp__files_run(&io, placed_plainly, call);
    return is_unknown(rc) ? placed_plainly(&io, call) : rc;
}

/* ---- flags, of what is no file ---- */

static long flagged(struct mp__io *io, void *arg)
{
    long flags = sys_get_flags(io->fd);

    if (flags < 0 || (flags & O_NONBLOCK) != 0)
        return placed_plainly(io, arg);
    io->offload = 1;
    return -EAGAIN;
}

long mp__flagged(int fd, struct mp__placed *call)
{
    mp__io_begin();
    return mp__io_run(fd, call->write ? HUB_WRITE : HUB_READ, flagged,
                      placed_plainly, call);
}
