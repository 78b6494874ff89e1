/* wrap_pread.c - reading and writing at a place: files only
 *
 * They never wait for anything but storage.  What took long in place is counted,
 * for the statistics. */
#include "monkeypatch/files.h"

#define BLOCKED_NS 1000000

ssize_t __pread_chk(int fd, void *buf, size_t len, off_t at, size_t room);
ssize_t __pread64_chk(int fd, void *buf, size_t len, off_t at, size_t room);

static ssize_t placed(const char *name, int fd, struct mp__placed call)
{
    int64_t from = mp__now(), took;
    ssize_t rc;

    mp__testcancel();
    rc = mp__io_end(mp__placed(fd, &call));
    took = mp__now() - from;
    if (took >= BLOCKED_NS && !mp__placed_in_pool(fd, &call))
        mp__later(name, took);
    return rc;
}

MP_EXPORT ssize_t pread(int fd, void *buf, size_t len, off_t at)
{
    struct iovec vec = { buf, len };

    if (!MP_ACTIVE(file))
        return MP_REAL(pread)(fd, buf, len, at);
    return placed(
        "pread", fd,
        (struct mp__placed){.vec = &vec, .count = 1, .at = at, .one = true});
}
MP_SPELLING(pread, pread64);
MP_SPELLING(pread, __pread64);

MP_EXPORT ssize_t pwrite(int fd, const void *buf, size_t len, off_t at)
{
    struct iovec vec = { (void *)buf, len };

    if (!MP_ACTIVE(file))
        return MP_REAL(pwrite)(fd, buf, len, at);
    return placed(
        "pwrite", fd,
        (struct mp__placed){
            .vec = &vec, .count = 1, .at = at, .write = true, .one = true});
}
MP_SPELLING(pwrite, pwrite64);
MP_SPELLING(pwrite, __pwrite64);

MP_EXPORT ssize_t preadv(int fd, const struct iovec *vec, int count, off_t at)
{
    if (!MP_ACTIVE(file))
        return MP_REAL(preadv)(fd, vec, count, at);
    return placed("preadv", fd,
                  (struct mp__placed){.vec = vec, .count = count, .at = at});
}
MP_SPELLING(preadv, preadv64);

MP_EXPORT ssize_t pwritev(int fd, const struct iovec *vec, int count, off_t at)
{
    if (!MP_ACTIVE(file))
        return MP_REAL(pwritev)(fd, vec, count, at);
    return placed("pwritev", fd,
                  (struct mp__placed){
                      .vec = vec, .count = count, .at = at, .write = true});
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

/* ---- with flags ---- */

/* At -1 they are readv() and writev(), but for their flags. */
static ssize_t at_its_place(int fd, struct mp__placed *call)
{
    if ((call->flags & ~RWF_HIPRI) == 0)
        return call->write ? writev(fd, call->vec, call->count)
                           : readv(fd, call->vec, call->count);
    mp__testcancel();
    return mp__io_end(mp__flagged(fd, call));
}

static ssize_t with_flags(const char *name, int fd, struct mp__placed call)
{
    bool regular = (mp__fd_bits(fd) & FD_REGULAR) != 0;

    if (call.at == -1 && (call.flags & RWF_NOWAIT) == 0 &&
        (call.flags == 0 || !regular))
        return at_its_place(fd, &call);
    return placed(name, fd, call);
}

MP_EXPORT ssize_t preadv2(int fd, const struct iovec *vec, int count, off_t at,
                          int flags)
{
    if (!MP_ACTIVE(file))
        return MP_REAL(preadv2)(fd, vec, count, at, flags);
    return with_flags(
        "preadv2", fd,
        (struct mp__placed){
            .vec = vec, .count = count, .at = at, .flags = flags});
}
MP_SPELLING(preadv2, preadv64v2);

MP_EXPORT ssize_t pwritev2(int fd, const struct iovec *vec, int count, off_t at,
                           int flags)
{
    if (!MP_ACTIVE(file))
        return MP_REAL(pwritev2)(fd, vec, count, at, flags);
    return with_flags("pwritev2", fd,
                      (struct mp__placed){.vec = vec,
                                          .count = count,
                                          .at = at,
                                          .flags = flags,
                                          .write = true});
}
MP_SPELLING(pwritev2, pwritev64v2);
