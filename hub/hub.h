/* hub.h - a loop per OS thread, and greenlets that wait through it
 *
 * A greenlet that waits is parked; the loop runs when nobody is ready.  The hub
 * of an OS thread is made on first use.  Functions return 0 (or a count) or a
 * negative errno.  Deadlines are absolute, in nanoseconds of CLOCK_MONOTONIC;
 * HUB_FOREVER never comes.  Three reasons end a wait early, the same
 * everywhere: -ETIMEDOUT, -ECANCELED (killed), -EBADF (fd closed). */
#ifndef VIREO_HUB_H
#define VIREO_HUB_H

#include "context/greenlet.h"

#ifdef __cplusplus
extern "C" {
#endif

#define HUB_API GREENLET_API
#define HUB_FOREVER INT64_MAX

enum { HUB_READ = 1, HUB_WRITE = 2 };

/* Now, in ns of CLOCK_MONOTONIC.  Thread-safe, async-signal-safe. */
HUB_API int64_t hub_now(void);

/* Start a greenlet that calls function(arg); it runs when the caller waits.
 *
 * Ownership: the greenlet is given to the caller (greenlet_unref()); it runs on
 * without that reference.  arg is kept until function returns.
 * Returns NULL when no stack could be mapped. */
HUB_API struct greenlet *hub_spawn(void (*function)(void *arg), void *arg);

/* Wait until g, made by hub_spawn() on this thread, has ended.  Switches.
 * Returns 0, -ETIMEDOUT, -ECANCELED, or -EDEADLK when g is the caller. */
HUB_API int hub_join(struct greenlet *g, int64_t deadline_ns);

/* Let every other ready greenlet run once.  Switches. */
HUB_API void hub_yield(void);

/* Sleep for `ns` nanoseconds; 0 yields.  Switches.
 * Returns 0, or -ECANCELED when killed. */
HUB_API int hub_sleep(int64_t ns);

/* Park until fd is ready for `events` (HUB_READ | HUB_WRITE).  Switches.
 * Returns 0, -ETIMEDOUT, -ECANCELED, -EBADF, or -EPERM for an fd that cannot be
 * waited for, such as a regular file, -EDEADLK in the hub itself. */
HUB_API int hub_wait_fd(int fd, int events, int64_t deadline_ns);

/* To be called before fd is closed or replaced while others may wait for it:
 * their waits end with -EBADF. */
HUB_API void hub_fd_closed(int fd);

/* Call function(arg) on a real thread of a small pool and park until it has
 * returned.  Switches.  Returns 0 or -EAGAIN when no thread could be made. */
HUB_API int hub_offload(void (*function)(void *arg), void *arg);

/* End the wait that g is in with -ECANCELED; a g that is not waiting has its
 * next wait end so.  For greenlets of this thread.  Returns 0 or -ESRCH when g
 * has ended. */
HUB_API int hub_kill(struct greenlet *g);

#ifdef __cplusplus
}
#endif
#endif
