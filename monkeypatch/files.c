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

struct placed {
    const struct iovec *vec;
    int count;
    off_t at;
    bool write;
    bool one; /* pread() or pwrite(): vec is ours */
};

static long read_in_memory(int fd, const struct iovec *vec, int count, off_t at)
{
    return SYS_CALL(SYS_preadv2, fd, vec, count, at, 0, RWF_NOWAIT);
}

/* The file system cannot say what is in memory. */
static bool is_unknown(long rc)
{
    return rc == -EOPNOTSUPP || rc == -ENOSYS;
}

static long placed_plainly(struct mp__io *io, void *arg)
{
    const struct placed *call = arg;

    if (call->one)
        return SYS_CALL(call->write ? SYS_pwrite64 : SYS_pread64, io->fd,
                        call->vec->iov_base, call->vec->iov_len, call->at, 0,
                        0);
    return SYS_CALL(call->write ? SYS_pwritev : SYS_preadv, io->fd, call->vec,
                    call->count, call->at, 0, 0);
}

/* What is in memory may end in the middle; the call may not. */
static long read_rest(struct mp__io *io, const struct placed *call, long done)
{
    struct mp__window window;
    struct stat st;
    long rc;

    if ((size_t)done >= mp__iov_total(call->vec, call->count) ||
        (sys_fstat(io->fd, &st) == 0 && S_ISREG(st.st_mode) &&
         call->at + done >= st.st_size))
        return done;
    do {
        mp__window_fill(&window, call->vec, call->count, (size_t)done);
        if (window.count == 0)
            return done;
        struct placed rest = { window.vec, window.count, call->at + done,
                               false, false };

        rc = mp__files_run(io, placed_plainly, &rest);
        done += rc > 0 ? rc : 0;
    } while (rc > 0);
    return done;
}

long mp__placed(int fd, const struct iovec *vec, int count, off_t at,
                bool write, bool one)
{
    struct placed call = { vec, count, at, write, one };
    struct mp__io io;
    long rc;

    mp__io_begin();
    mp__io_open(&io, fd, write ? HUB_WRITE : HUB_READ);
    if (!(write ? mp__writes_in_pool(fd)
                : mp__files_in_pool(MP_FILES_READS)) ||
        count < 0 || count > IOV_MAX || at < 0 ||
        (mp__fd_bits(fd) & FD_REGULAR) == 0)
        return placed_plainly(&io, &call);
    rc = write ? -EAGAIN : -EOPNOTSUPP;
    if (!write && mp__fd_nowait_works())
        rc = read_in_memory(fd, vec, count, at);
    if (rc > 0)
        return read_rest(&io, &call, rc);
    if (rc == -EAGAIN || (is_unknown(rc) && mp__options.files == MP_FILES_POOL))
        return mp__files_run(&io, placed_plainly, &call);
    return is_unknown(rc) ? placed_plainly(&io, &call) : rc;
}
