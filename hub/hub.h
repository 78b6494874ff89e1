/* hub.h - a loop per OS thread, and greenlets that wait through it
 *
 * A greenlet that waits is parked; the loop runs when nobody is ready.  The hub
 * of an OS thread is made on first use and closed when the thread ends.
 * Functions return 0 (or a count) or a negative errno.  Deadlines are absolute,
 * in nanoseconds of CLOCK_MONOTONIC; HUB_FOREVER never comes, and one that has
 * passed is looked at with the next turn of the loop.  Durations are in
 * nanoseconds.
 *
 * Every function that is marked `switches` is a cancellation point.  Reasons that
 * end any wait early, the same everywhere: -ETIMEDOUT (its deadline, or that of a
 * hub_timeout around it), -ECANCELED (killed, or its scope was cancelled; or the
 * error it was killed with), -EDEADLK (called in a callback of the loop, or in
 * a signal handler between greenlet_signal_enter() and _leave(), which cannot wait; or nothing is left that could end it: hub_loop_exit_class), -EBADF
 * (fd closed), -EPROTO (somebody switched to the greenlet meanwhile), the error
 * of a record that greenlet_throw() threw into it, -ENOMEM (no hub could be
 * made, or no place for a deadline).  greenlet_caught() has more. */
#ifndef VIREO_HUB_H
#define VIREO_HUB_H

#include "context/greenlet.h"

#ifdef __cplusplus
extern "C" {
#endif

#define HUB_API GREENLET_API
#define HUB_FOREVER INT64_MAX
#define HUB_NOWAIT INT64_C(0) /* for calls on fds: -EAGAIN instead of waiting */
#define HUB_SECOND INT64_C(1000000000)
#define HUB_MILLISECOND INT64_C(1000000)
#define HUB_MICROSECOND INT64_C(1000)

enum { HUB_READ = 1, HUB_WRITE = 2 };

struct hub;

/* ---- records that the hub throws ------------------------------------------- */

/* loop_exit (-EDEADLK): a wait that nothing can end; blocking (-EDEADLK): a wait
 * in a callback of the loop; invalid_switch (-EPROTO): a greenlet was switched to
 * while it waited; invalid_thread (-EXDEV): an object of another hub;
 * concurrent_use (-EBUSY): somebody waits on it already; destroyed (-ECANCELED,
 * below greenlet_exit_class): the hub is going; timeout (-ETIMEDOUT, directly
 * below greenlet_base_class). */
HUB_API extern const struct greenlet_class hub_loop_exit_class;
HUB_API extern const struct greenlet_class hub_blocking_class;
HUB_API extern const struct greenlet_class hub_invalid_switch_class;
HUB_API extern const struct greenlet_class hub_invalid_thread_class;
HUB_API extern const struct greenlet_class hub_concurrent_use_class;
HUB_API extern const struct greenlet_class hub_destroyed_class;
HUB_API extern const struct greenlet_class hub_timeout_class;

/* ---- the clock ---------------------------------------------------------------- */

/* Now, in ns of CLOCK_MONOTONIC.  Thread-safe, async-signal-safe. */
HUB_API int64_t hub_now(void);

/* The deadline that lies `ns` from now: HUB_FOREVER if that is beyond what can be
 * said, now if ns is negative.  Thread-safe, async-signal-safe. */
HUB_API int64_t hub_deadline(int64_t ns);

/* The same from seconds: HUB_FOREVER for NaN, infinity and what is too far;
 * now for what is negative.  Thread-safe. */
HUB_API int64_t hub_deadline_seconds(double seconds);

/* ---- the hub -------------------------------------------------------------------- */

/* The hub of this OS thread, made on first use.  Borrowed; NULL when there was no
 * memory or no descriptor for it. */
HUB_API struct hub *hub_current(void);

/* The greenlet that runs the loop: the parent of all that the hub spawned.
 * Borrowed. */
HUB_API struct greenlet *hub_greenlet(const struct hub *hub);

/* A small number for people, unique in the process.  Thread-safe. */
HUB_API unsigned hub_id(const struct hub *hub);

/* Wait until the loop has nothing left to do: no greenlet that is ready, no
 * timer, fd or job that could make one so.  For the main greenlet of the thread.
 * Switches.
 * Returns 0, -EPERM in another greenlet, -EBUSY when it is being waited for
 * already, or why it ended early. */
HUB_API int hub_drain(int64_t deadline_ns);

/* Kill what this thread spawned and has not ended, let it end, and close the
 * loop.  The next use makes a new one.  For the main greenlet of the thread; the
 * end of a thread does it.  Switches.
 * Returns 0; -EPERM in another greenlet; -EDEADLK in a signal handler; -EBUSY when
 * some of them would not end within a second, in which cleanups may wait (they are
 * left suspended for ever, and what they wait for may still be used). */
HUB_API int hub_destroy(void);

/* In the child of a clone() or a fork() that no handler of pthread_atfork() saw:
 * a new loop for the calling greenlet alone; the others are gone, not run.
 * Returns 0 or a negative errno: then nothing can wait any more. */
HUB_API int hub_reinit(void);

/* Let every other ready greenlet run once.  Switches; not a cancellation point. */
HUB_API void hub_yield(void);

/* Sleep for `ns` nanoseconds; 0 and less let those run that are ready.  Switches.
 * Returns 0, or why it ended early. */
HUB_API int hub_sleep(int64_t ns);

/* Sleep until a deadline.  Switches.  Returns as hub_sleep(). */
HUB_API int hub_sleep_until(int64_t deadline_ns);

/* hub_sleep() that does not keep the loop from ending: with nothing else left it
 * ends with -EDEADLK.  Switches. */
HUB_API int hub_sleep_unreferenced(int64_t ns);

/* Wait until nothing of that priority (-2 ... 2, others are taken for the nearest)
 * or a higher one is left to do.  Switches. */
HUB_API int hub_idle(int priority);

/* How long greenlets and callbacks may keep the loop from looking at fds and
 * deadlines, in ns; 5 ms unless set.  It is looked at after every 50 of them.
 * Returns what it was. */
HUB_API int64_t hub_set_switch_interval(int64_t ns);

/* Park until fd is ready for `events` (HUB_READ | HUB_WRITE).  Several may wait on
 * one fd: the oldest goes first.  Switches.
 * Returns 0, -EINVAL for other events, -EBADF, -EPERM for an fd that cannot be
 * waited for, such as a regular file, or why it ended early. */
HUB_API int hub_wait_fd(int fd, int events, int64_t deadline_ns);

/* The loop looks at fd no more until somebody waits for it again, which costs three
 * system calls: for who hands it to another epoll.  (What nobody waits for it leaves
 * alone by itself, when it was told a few times.)  Of this thread's loop; does not
 * switch.  Returns 0, or -EBUSY: somebody waits for it. */
HUB_API int hub_fd_unwatch(int fd);

/* To be called before fd is closed or replaced while others may wait for it, in
 * this hub or in others: their waits end with -EBADF.  Thread-safe. */
HUB_API void hub_fd_closed(int fd);

/* ---- callbacks -------------------------------------------------------------------- */

/* Call function(arg) in the loop, behind all who are ready now.  It must not
 * wait (-EDEADLK); it may switch.
 *
 * Ownership: borrowed until it has been called; then it is gone.
 * Returns NULL when there is no memory. */
struct hub_callback;
HUB_API struct hub_callback *hub_call_soon(void (*function)(void *arg),
                                           void *arg);

/* It will not be called. */
HUB_API void hub_callback_cancel(struct hub_callback *callback);

/* hub_call_soon() for the hub of another thread, or of this one.  The hub must
 * live until the call returns.  Thread-safe.  Returns 0 or -ENOMEM. */
HUB_API int hub_call_soon_threadsafe(struct hub *hub,
                                     void (*function)(void *arg), void *arg);

/* Call function(arg) on a real thread of a small pool and park until it has
 * returned: what lies on the caller's stack may be used there.  Who is killed
 * meanwhile, or whose timeout fires, waits on, and hears of it by the next wait;
 * but a call that has not begun never does.  Switches.
 * Returns 0: it was called; -EDEADLK in a callback of the loop; -EAGAIN when no
 * thread could be made; -ECANCELED, -ETIMEDOUT: it was not called, the scope had
 * ended before it began; -ECANCELED in the child of a fork() by the rule
 * HUB_FORK_ALL: the call goes on in the parent; or, once the call has returned, the
 * error of what was thrown at the caller meanwhile. */
HUB_API int hub_offload(void (*function)(void *arg), void *arg);

/* The same with an `arg` that is given away for the time of the call, so that the
 * wait can end at once: by a kill, a timeout, the deadline, what is thrown.  The
 * call, if it has begun, then goes on by itself.
 *
 * Ownership: 0: function has returned, and arg is the caller's again.  Otherwise
 * it is dropped: drop(arg) is called when function has returned, by its thread, or
 * at once, by the caller, if it never is called; NULL: nothing is done.  It must
 * not wait, and the thread of the pool has no hub.  In the child of a fork() an arg
 * that function has at that time is not dropped.  Switches.
 * Returns as hub_offload(), -ENOMEM, or why the wait ended early. */
HUB_API int hub_offload_owned(void (*function)(void *arg), void *arg,
                              void (*drop)(void *arg), int64_t deadline_ns);

/* ---- errors that nobody caught ------------------------------------------------------ */

/* What is done with the record that ended a greenlet, a callback or a link of
 * this hub.  `context` is that greenlet, or NULL.  The record is borrowed.  The
 * default prints one line, but none for records of greenlet_exit_class, and throws
 * those of greenlet_system_class into the main greenlet.  It runs where the error
 * happened and must not wait. */
typedef void hub_error_handler(struct hub *hub, const struct greenlet *context,
                               const struct greenlet_exception *exception,
                               void *data);

/* Set the handler of this thread's hub; NULL restores the default.
 * Returns 0 or -ENOMEM. */
HUB_API int hub_set_error_handler(hub_error_handler *handler, void *data);

/* Says what a greenlet that failed was at work on, for the default's line: a text, or
 * nothing.  It must not wait. */
typedef void hub_error_about(const struct greenlet *context, char *text,
                             size_t size);

/* Set that of all hubs of the process; NULL: none.  Thread-safe. */
HUB_API void hub_set_error_about(hub_error_about *about);

/* Where the default prints: an fd, borrowed; -1 prints nothing; 2 unless set.
 * Returns 0 or -ENOMEM. */
HUB_API int hub_set_error_fd(int fd);

#ifdef __cplusplus
}
#endif

#include "hub/config.h"
#include "hub/connpool.h"
#include "hub/console.h"
#include "hub/counters.h"
#include "hub/crew.h"
#include "hub/dump.h"
#include "hub/event.h"
#include "hub/events.h"
#include "hub/file.h"
#include "hub/fork.h"
#include "hub/local.h"
#include "hub/lock.h"
#include "hub/monitor.h"
#include "hub/object.h"
#include "hub/pool.h"
#include "hub/process.h"
#include "hub/queue.h"
#include "hub/resolver.h"
#include "hub/select.h"
#include "hub/semaphore.h"
#include "hub/server.h"
#include "hub/signal.h"
#include "hub/socket.h"
#include "hub/spawn.h"
#include "hub/stream.h"
#include "hub/task.h"
#include "hub/threadpool.h"
#include "hub/timeout.h"
#include "hub/tracer.h"
#include "hub/transport.h"
#include "hub/tree.h"
#include "hub/wait.h"
#include "hub/watcher.h"
#include "hub/workers.h"

#endif
