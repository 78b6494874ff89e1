/* watcher.h - watchers: callbacks for events of the loop; and waiters
 *
 * A watcher belongs to the hub of the thread that made it.  Started with a
 * callback it calls that in the loop, behind all who are ready, each time its
 * event happens, until it is stopped; or greenlets wait for it.  A callback must
 * not wait (-EDEADLK); it may start, stop and free any watcher. */
#ifndef VIREO_WATCHER_H
#define VIREO_WATCHER_H

#include "hub/hub.h"

#ifdef __cplusplus
extern "C" {
#endif

struct hub_watcher;

/* `events`: what happened: for an fd HUB_READ, HUB_WRITE, or -EBADF when it was
 * closed (the watcher has stopped then); for others 1, or a negative errno. */
typedef void hub_watcher_callback(struct hub_watcher *watcher, int events,
                                  void *arg);

/* ---- making ---- */

/* While fd is ready for `events` (HUB_READ | HUB_WRITE).  fd is borrowed.
 * Ownership, of all kinds: given to the caller (hub_watcher_free()).
 * All return 0, -EINVAL, -ENOMEM; this one -EBADF when fd is not open. */
HUB_API int hub_watcher_io(int fd, int events, struct hub_watcher **watcher);

/* `after` ns after it was started, and then every `repeat` ns (0: once; it is
 * stopped then).  Times below 0 are taken for 0. */
HUB_API int hub_watcher_timer(int64_t after, int64_t repeat,
                              struct hub_watcher **watcher);

/* When somebody calls hub_watcher_send(). */
HUB_API int hub_watcher_async(struct hub_watcher **watcher);

/* When nothing of that priority (-2 ... 2) or a higher one is left to do. */
HUB_API int hub_watcher_idle(int priority, struct hub_watcher **watcher);

/* Stop it.  NULL is allowed.  Greenlets that wait for it get -EBADF. */
HUB_API void hub_watcher_free(struct hub_watcher *watcher);

/* ---- starting and stopping ---- */

/* Call callback(watcher, events, arg) when its event happens.  One that is
 * started gets the new callback.
 * Returns 0, -EBUSY while a greenlet waits for it, -EXDEV in another thread,
 * -EBADF and -EPERM (hub_wait_fd()), -ENOMEM. */
HUB_API int hub_watcher_start(struct hub_watcher *watcher,
                              hub_watcher_callback *callback, void *arg);

/* No more calls, also for what has happened already. */
HUB_API void hub_watcher_stop(struct hub_watcher *watcher);

/* Is it started, or waited for? */
HUB_API bool hub_watcher_active(const struct hub_watcher *watcher);

/* Has its event happened, and the call is yet to come? */
HUB_API bool hub_watcher_pending(const struct hub_watcher *watcher);

/* false: it does not keep the loop from ending (hub_drain(),
 * hub_loop_exit_class).
 * Returns what it was; true unless set.  Takes effect with the next start. */
HUB_API bool hub_watcher_set_ref(struct hub_watcher *watcher, bool ref);

/* Make an async watcher's event happen; several calls may become one.
 * Thread-safe, async-signal-safe.  Returns 0, or -EINVAL for another kind. */
HUB_API int hub_watcher_send(struct hub_watcher *watcher);

/* ---- waiting for one ---- */

/* Wait for the event of a watcher that is not started.  Any number of greenlets
 * may: an event of an fd is for the one that has waited longest, the next one for
 * the next; those of other kinds are for all who wait.  Switches.
 * Returns 0, hub_concurrent_use_class (-EBUSY) when it is started, -EXDEV in
 * another thread, as hub_watcher_start(), what hub_cancel_wait() says, or why it
 * ended early. */
HUB_API int hub_wait_watcher(struct hub_watcher *watcher, int64_t deadline_ns);

/* End the waits for it with `error` (0: -EBADF): not at once, but behind all who
 * are ready, and only those that are waits still.  `close`: then the watcher
 * cannot be started any more (-EBADF).
 * Returns 0, or -EINVAL for an error above 0. */
HUB_API int hub_cancel_wait(struct hub_watcher *watcher, int error, bool close);

/* ---- waiters ---- */

/* A value, or a record, on its way from a callback to one greenlet.  What comes
 * before somebody waits is kept. */
struct hub_waiter;

/* Given to the caller (hub_waiter_free()); NULL: no memory. */
HUB_API struct hub_waiter *hub_waiter_new(void);

/* A greenlet that waits for it gets -EBADF.  NULL is allowed. */
HUB_API void hub_waiter_free(struct hub_waiter *waiter);

/* Give it a value, which passes through.  Who waits runs before all others.
 * Returns 0; -EPERM while somebody waits, when it is not a callback of the loop
 * that calls; -EXDEV in another thread. */
HUB_API int hub_waiter_switch(struct hub_waiter *waiter, void *value);

/* Give it an error: hub_waiter_get() returns that of the record.  Payload and
 * cause are given, also when this fails.
 * Returns as hub_waiter_switch(), and -EINVAL for a record without class. */
HUB_API int hub_waiter_throw(struct hub_waiter *waiter,
                             const struct greenlet_exception *exception);

/* Wait for what is given to it, and take it out: *value (unless NULL).
 * Switches.
 * Returns 0, the error of the record (which greenlet_caught() has then),
 * hub_concurrent_use_class (-EBUSY) when somebody waits already, or why the
 * wait ended early. */
HUB_API int hub_waiter_get(struct hub_waiter *waiter, int64_t deadline_ns,
                           void **value);

/* Was it given something that nobody has taken? */
HUB_API bool hub_waiter_ready(const struct hub_waiter *waiter);

/* ... and is it a value? */
HUB_API bool hub_waiter_successful(const struct hub_waiter *waiter);

/* Forget what it was given. */
HUB_API void hub_waiter_clear(struct hub_waiter *waiter);

#ifdef __cplusplus
}
#endif
#endif
