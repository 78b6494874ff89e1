/* wrap_open.c - opening files: a fifo waits for its other end
 *
 * Nothing can be polled before it is open, so such a call runs on a helper; all
 * others are made here, after one look at what the name stands for. */
#include "monkeypatch/files.h"
#include "monkeypatch/helped.h"
#include "monkeypatch/io_impl.h"

#include <linux/openat2.h>
#include <string.h>

int __open_2(const char *path, int flags);
int __open64_2(const char *path, int flags);
int __openat_2(int dir, const char *path, int flags);
int __openat64_2(int dir, const char *path, int flags);

struct opening {
    int dir;
    const char *path;
    int flags;
    mode_t mode;
};

static bool is_fifo(int dir, const char *path)
{
    struct stat st;

    return SYS_CALL(SYS_newfstatat, dir, path, &st, 0, 0, 0) == 0 &&
           S_ISFIFO(st.st_mode);
}

/* O_RDWR of a fifo does not wait. */
static bool waits(int dir, const char *path, int flags)
{
    return (flags & (O_NONBLOCK | O_PATH | O_DIRECTORY)) == 0 &&
           (flags & O_ACCMODE) != O_RDWR && is_fifo(dir, path);
}

static long make(void *arg)
{
    struct opening *call = arg;

    return SYS_CALL(SYS_openat, call->dir, call->path, call->flags, call->mode,
                    0, 0);
}

static long make_there(struct mp__io *io, void *call)
{
    (void)io;
    return make(call);
}

/* If all folders on the way are in memory it is made here. */
static long make_in_pool(struct opening *call)
{
    struct open_how how = { .flags = (uint64_t)(unsigned)call->flags,
                            .resolve = RESOLVE_CACHED };
    long fd = -EAGAIN;

    if ((call->flags & (O_CREAT | O_TRUNC | __O_TMPFILE)) == 0)
        fd = SYS_CALL(SYS_openat2, call->dir, call->path, &how, sizeof how, 0,
                      0);
    return fd >= 0 ? fd : mp__files_run(NULL, make_there, call);
}

static int do_open(int dir, const char *path, int flags, mode_t mode)
{
    struct opening call = {dir, path, flags, mode};
    int before = errno;
    long fd;

    mp__testcancel();
    if (mp__may_park() && waits(dir, path, flags))
        fd = mp__helped_wait(make, &call,
                             MP_CANCEL | MP_INTERRUPTIBLE | MP_RESTARTS);
    else if (mp__files_in_pool(MP_FILES_POOL))
        fd = make_in_pool(&call);
    else
        fd = make(&call);
    errno = before;
    return (int)mp__io_end(fd);
}

/* A name that could be opened can be looked at. */
static int opened(int fd, const char *path, int flags)
{
    if (fd >= 0 && (flags & O_ACCMODE) == O_RDONLY)
        mp__foreign_greenlet(path);
    return fd;
}

/* The mode is read even where none was passed, and ignored then, as by the
 * kernel. */
#define TAKE_MODE(mode)                \
    mode_t mode;                       \
    va_list list;                      \
    va_start(list, flags);             \
    mode = va_arg(list, unsigned int); \
    va_end(list)

MP_EXPORT int open(const char *path, int flags, ...)
{
    TAKE_MODE(mode);
    if (!MP_ACTIVE(file))
        return opened(MP_REAL(open)(path, flags, mode), path, flags);
    return opened(do_open(AT_FDCWD, path, flags, mode), path, flags);
}
MP_SPELLING(open, open64);
MP_SPELLING(open, __open);
MP_SPELLING(open, __open64);

MP_EXPORT int openat(int dir, const char *path, int flags, ...)
{
    TAKE_MODE(mode);
    if (!MP_ACTIVE(file))
        return MP_REAL(openat)(dir, path, flags, mode);
    return do_open(dir, path, flags, mode);
}
MP_SPELLING(openat, openat64);

/* Of fortified programs: without a mode, which libc checks. */
MP_EXPORT int __open_2(const char *path, int flags)
{
    if (!MP_ACTIVE(file) || (flags & (O_CREAT | __O_TMPFILE)) != 0)
        return opened(MP_REAL(__open_2)(path, flags), path, flags);
    return opened(do_open(AT_FDCWD, path, flags, 0), path, flags);
}
MP_SPELLING(__open_2, __open64_2);

MP_EXPORT int __openat_2(int dir, const char *path, int flags)
{
    if (!MP_ACTIVE(file) || (flags & (O_CREAT | __O_TMPFILE)) != 0)
        return MP_REAL(__openat_2)(dir, path, flags);
    return do_open(dir, path, flags, 0);
}
MP_SPELLING(__openat_2, __openat64_2);

MP_EXPORT int creat(const char *path, mode_t mode)
{
    if (!MP_ACTIVE(file))
        return MP_REAL(creat)(path, mode);
    return do_open(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}
MP_SPELLING(creat, creat64);

struct file_opening {
    const char *path, *mode;
    FILE *result;
};

static long make_file(void *arg)
{
    struct file_opening *call = arg;

    call->result = mp__real.fopen(call->path, call->mode);
    return call->result != NULL ? 0 : -errno;
}

MP_EXPORT FILE *fopen(const char *path, const char *mode)
{
    struct file_opening call = {path, mode, NULL};
    int before = errno;
    long rc;

    if (!MP_ACTIVE(stdio))
        return MP_REAL(fopen)(path, mode);
    mp__testcancel();
    if (!mp__may_park() || strchr(mode, '+') != NULL ||
        !is_fifo(AT_FDCWD, path))
        return MP_REAL(fopen)(path, mode);
    rc = mp__helped_wait(make_file, &call,
                         MP_CANCEL | MP_INTERRUPTIBLE | MP_RESTARTS);
    errno = rc < 0 ? (int)-rc : before;
    return call.result;
}
MP_SPELLING(fopen, fopen64);
MP_SPELLING(fopen, _IO_fopen);
