/* wrap_uring.h - system calls that wait for what was submitted */
#ifndef WRAP_URING_H
#define WRAP_URING_H

#include "monkeypatch/wrap_syscall.h"

/* io_uring_enter(); io_getevents() or io_pgetevents().  The result, or -errno. */
long mp__uring_enter(const struct mp__arguments *call);
long mp__aio_getevents(const struct mp__arguments *call);

#endif
