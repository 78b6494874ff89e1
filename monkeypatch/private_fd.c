/* private_fd.c - fds of ours that live as long as one wait
 *
 * They lie in the upper part of the table.  A program that closes them all the
 * same (close_range) hurts nobody: waits go on with a copy. */
#include "monkeypatch/private_fd.h"
#include "monkeypatch/sys.h"

#include <sys/resource.h>

#define HIGHEST 65536 /* what is indexed by number stays small */

int mp__private_fd(struct mp__private_fd *fd, int low)
{
    struct rlimit limit;
    long high = -1;

    fd->opened = fd->now = low;
    if (low < 0)
        return low;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        long top = limit.rlim_cur > HIGHEST ? HIGHEST : (long)limit.rlim_cur;

        high = SYS_CALL(SYS_fcntl, low, F_DUPFD_CLOEXEC, top - top / 4, 0, 0,
                        0);
    }
    if (high < 0)
        return 0; /* a full table: better low than not at all */
    sys_close(low);
    fd->opened = fd->now = (int)high;
    return 0;
}

void mp__private_fd_close(struct mp__private_fd *fd)
{
    if (fd->opened < 0)
        return;
    mp__wait_done(fd->opened, fd->now);
    if (fd->now == fd->opened) {
        mp__fd_closing(fd->opened);
        sys_close(fd->opened);
    }
}
