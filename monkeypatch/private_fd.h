/* private_fd.h - an fd of ours for the time of one wait */
#ifndef PRIVATE_FD_H
#define PRIVATE_FD_H

#include "monkeypatch/monkeypatch_impl.h"

struct mp__private_fd {
    int opened, now; /* now differs once the program has closed the number */
};

/* Takes over `low`, a new fd or -errno: moves it to a number that the program
 * does not get.  Returns 0 or -errno. */
int mp__private_fd(struct mp__private_fd *fd, int low);
void mp__private_fd_close(struct mp__private_fd *fd);
#define MP_PRIVATE_FD \
    __attribute__((cleanup(mp__private_fd_close))) struct mp__private_fd

#endif
