/* fork.h - what becomes of a hub in the child of a fork() */
#ifndef VIREO_FORK_H
#define VIREO_FORK_H

#include "hub/hub.h"

#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Which greenlets a child has.
 *
 * HUB_FORK_ALONE (the default) is the rule of threads: the greenlet that called
 * fork(), and no other; those are gone as if killed: they never run, hub_ready()
 * says that they have ended, hub_get() gives -ECANCELED.  The caller stands for
 * the main greenlet; when it ends with nothing left to do, the process exits with
 * status 0.  Timeouts that it is in go on.
 *
 * HUB_FORK_ALL is gevent's: all greenlets of the calling thread go on in both
 * processes, each with its waits: for fds, for deadlines, for each other.  A wait
 * for a real thread (hub_offload(), a thread pool) ends with -ECANCELED in the
 * child, since the thread is not there; work that had not begun begins. */
enum hub_fork_rule { HUB_FORK_ALONE, HUB_FORK_ALL };

/* Set the rule for the forks of this process that follow: the option `fork`,
 * which VIREO_FORK=caller or VIREO_FORK=all sets, too.  Thread-safe.
 * Returns what it was, or -EINVAL. */
HUB_API int hub_set_fork_rule(int rule);


#ifdef __cplusplus
}
#endif
#endif
