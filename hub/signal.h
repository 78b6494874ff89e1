/* signal.h - signals as greenlets
 *
 * A watcher belongs to the hub that it was made in, and its calls are for that
 * thread.  Whichever thread of the process the kernel gives the signal to, the
 * handler runs in a new greenlet of that hub, once for each time it was given;
 * it may wait and do all that a greenlet may.  Several watchers, in several hubs,
 * may be there for one signal.  Watchers do not keep the loop from ending. */
#ifndef VIREO_SIGNAL_H
#define VIREO_SIGNAL_H

#include "hub/hub.h"

#ifdef __cplusplus
extern "C" {
#endif

struct hub_signal;

/* Watch signal `number`: handler(number, arg) is called in a new greenlet; without
 * a handler hub_signal_wait() is told.  From the first watcher on the process has
 * a handler for it (SA_RESTART); what there was before is not called, and comes
 * back with the end of the last.
 *
 * Ownership: *watcher is given (hub_signal_stop()).  arg is kept.
 * Returns 0, -EINVAL for a number that is none, for SIGKILL, SIGSTOP and libc's
 * own, -ENOMEM. */
HUB_API int hub_signal_start(int number, void (*handler)(int number, void *arg),
                             void *arg, struct hub_signal **watcher);

/* The end of a watcher: its handler is not called any more.  Handlers that run go
 * on; who waits for it gets -ECANCELED.
 * Returns 0, -EXDEV. */
HUB_API int hub_signal_stop(struct hub_signal *watcher);

/* Shall it keep the loop from ending?  Not unless set.  Returns 0, -EXDEV. */
HUB_API int hub_signal_set_ref(struct hub_signal *watcher, bool keeps);

/* For a watcher without handler: wait for a signal that nobody has taken yet, also
 * one that came before.  Switches.
 * Returns its number, -EINVAL with a handler, -EXDEV, or why it ended early. */
HUB_API int hub_signal_wait(struct hub_signal *watcher, int64_t deadline_ns);

/* Give the signal its native action again, SIG_DFL or SIG_IGN: watchers of all
 * hubs stay, and hear nothing until one is started again.  Thread-safe.
 * Returns 0, -EINVAL. */
HUB_API int hub_signal_reset(int number, void (*action)(int number));

/* Write the number of each watched signal, a byte, to fd as well: a non-blocking
 * one of the program's, for loops that are not ours; -1: no longer.  Thread-safe.
 * Returns what it was. */
HUB_API int hub_signal_set_wakeup_fd(int fd);

#ifdef __cplusplus
}
#endif
#endif
