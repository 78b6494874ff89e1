/* wrap_pread.c - reading and writing at a place: files only
 *
 * They never wait for anything but storage.  What took long in place is counted,
 * for the statistics. */
#include "monkeypatch/files.h"

#define BLOCKED_NS 1000000

ssize_t __pread_chk(int fd, void *buf, size_t len, off_t at, size_t room);
ssize_t __pread64_chk(int fd, void *buf, size_t len, off_t at, size_t room);

static bool is_in_place(int fd, bool write)
{
    return write ? !mp__writes_in_pool(fd)
                 : !mp__files_in_pool(MP_FILES_READS);
}

static ssize_t placed(const char *name, int fd, const struct iovec *vec,
                      int count, off_t at, bool write, bool one)
{
    int64_t from = mp__now(), took;
    ssize_t rc;

    mp__testcancel();
    rc = mp__io_end(mp__placed(fd, vec, count, at, write, one));
    took = mp__now() - from;
    if (took >= BLOCKED_NS && is_in_place(fd, write))
        mp__later(name, took);
    return rc;
}

MP_EXPORT ssize_t pread(int fd, void *buf, size_t len, off_t at)
{
    struct iovec vec = { buf, len };

    if (!MP_ACTIVE(file))
        return MP_REAL(pread)(fd, buf, len, at);
    return placed("pread", fd, &vec, 1, at, false, true);
}
MP_SPELLING(pread, pread64);
MP_SPELLING(pread, __pread64);

MP_EXPORT ssize_t pwrite(int fd, const void *buf, size_t len, off_t at)
{
    struct iovec vec = { (void *)buf, len };

    if (!MP_ACTIVE(file))
        return MP_REAL(pwrite)(fd, buf, len, at);
    return placed("pwrite", fd, &vec, 1, at, true, true);
}
MP_SPELLING(pwrite, pwrite64);
MP_SPELLING(pwrite, __pwrite64);

MP_EXPORT ssize_t preadv(int fd, const struct iovec *vec, int count, off_t at)
{
    if (!MP_ACTIVE(file))
        return MP_REAL(preadv)(fd, vec, count, at);
    return placed("preadv", fd, vec, count, at, false, false);
}
MP_SPELLING(preadv, preadv64);

MP_EXPORT ssize_t pwritev(int fd, const struct iovec *vec, int count, off_t at)
{
    if (!MP_ACTIVE(file))
        return MP_REAL(pwritev)(fd, vec, count, at);
    return placed("pwritev", fd, vec, count, at, true, false);
}
MP_SPELLING(pwritev, pwritev64);

MP_EXPORT ssize_t __pread_chk(int fd, void *buf, size_t len, off_t at,
                              size_t room)
{
    if (len > room || !MP_ACTIVE(file))
        return MP_REAL(__pread_chk)(fd, buf, len, at, room);
    return pread(fd, buf, len, at);
}
MP_SPELLING(__pread_chk, __pread64_chk);
