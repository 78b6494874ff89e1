/* select.h - waiting for many descriptors */
#ifndef VIREO_SELECT_H
#define VIREO_SELECT_H

#include "hub/hub.h"

#include <poll.h>
#include <sys/select.h>

#ifdef __cplusplus
extern "C" {
#endif

/* poll(2): what is ready at once is returned at once; HUB_NOWAIT and a deadline
 * that has passed let the others run once and look again.  A descriptor that is
 * closed meanwhile by hub_close() is reported with POLLNVAL.  Switches.
 * Returns how many have revents, 0 when the deadline came, -EINVAL for a
 * negative deadline or more descriptors than may be open, -ENOMEM, -EMFILE when
 * POLLPRI or POLLRDHUP is asked for and no descriptor is left to wait for it,
 * or why the wait ended early (-ETIMEDOUT: a scope's). */
HUB_API int hub_poll(struct pollfd *fds, nfds_t count, int64_t deadline_ns);

/* select(2), so too; sets may be NULL, and are left as they were when it fails.
 * Switches.
 * Returns how many bits are set, 0 when the deadline came (the sets are empty),
 * -EINVAL for n below 0 or above FD_SETSIZE or a negative deadline, -EBADF for
 * a descriptor that is not open or was closed meanwhile, and as hub_poll(). */
HUB_API int hub_select(int n, fd_set *readable, fd_set *writable,
                       fd_set *exceptional, int64_t deadline_ns);

#ifdef __cplusplus
}
#endif
#endif
