/* event.h - events: a flag that greenlets wait for; and results that come once
 *
 * Both work across hubs, and from threads without one: everything here is
 * thread-safe.  Memory that is all zero is an event that is not set, or a result
 * that is not there. */
#ifndef VIREO_EVENT_H
#define VIREO_EVENT_H

#include "hub/object.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Event ---------------------------------------------------------------------- */

/* The program's, in its place while it is used. */
struct hub_event {
    uint64_t private_[4];
};

/* Not set, nobody waits. */
HUB_API void hub_event_init(struct hub_event *event);

/* Nobody may use it any more.  Returns 0, or -EBUSY with nothing done: somebody
 * waits for it, or was woken and has not run yet.  Thread-safe. */
HUB_API int hub_event_destroy(struct hub_event *event);

/* Set it: whoever waits now will return 0, in the order in which they began, also
 * if it is cleared before they run; their memory may hold the event.
 * Returns 0; -EINVAL for NULL; -EDEADLK in a signal handler that interrupted this
 * library.  Thread-safe. */
HUB_API int hub_event_set(struct hub_event *event);

/* Waits that begin now wait.  Returns as hub_event_set().  Thread-safe. */
HUB_API int hub_event_clear(struct hub_event *event);

/* Thread-safe. */
HUB_API bool hub_event_is_set(const struct hub_event *event);

/* Wait until it is set.  One that finds it set while those who waited before have
 * not run yet goes behind them.  Switches.  Thread-safe.
 * Returns 0, -ETIMEDOUT, -EINVAL for NULL, or why it ended early. */
HUB_API int hub_event_wait(struct hub_event *event, int64_t deadline_ns);

/* For hub_wait() and hub_rawlink(): ready while it is set. */
HUB_API struct hub_object hub_event_object(struct hub_event *event);

/* ---- AsyncResult ---------------------------------------------------------------- */

/* A value, or the record of a failure, that any number of greenlets wait for.  The
 * program's, in its place while it is used. */
struct hub_async_result {
    uint64_t private_[14];
};

/* Nothing is there, nobody waits. */
HUB_API void hub_async_result_init(struct hub_async_result *result);

/* Give up what it holds.  Returns 0, or -EBUSY with nothing done: somebody waits
 * for it.  May switch. */
HUB_API int hub_async_result_destroy(struct hub_async_result *result);

/* Set the value, which passes through.  Whoever waits is woken, in order.  It may be
 * set again: the last value counts, and a value counts before a failure.
 * Returns 0; -EINVAL for NULL; -EDEADLK in a signal handler that interrupted this
 * library.  Thread-safe. */
HUB_API int hub_async_result_set(struct hub_async_result *result, void *value);

/* Set a failure; the last one counts, unless there is a value.
 *
 * Ownership: payload and cause are given, also when this fails; those of the
 * failure that it replaces are destroyed, which may switch.
 * Returns 0, -EINVAL also for a record without class, -EDEADLK.  Thread-safe. */
HUB_API int
hub_async_result_set_exception(struct hub_async_result *result,
                               const struct greenlet_exception *exception);

/* Take over how g has ended, which must be ready (hub_ready()): its result, or
 * what it failed with, for which a reference to g is kept.
 * Returns 0, -EINVAL, -EDEADLK; -EAGAIN when g has not ended.  For g's thread. */
HUB_API int hub_async_result_set_from(struct hub_async_result *result,
                                      struct greenlet *g);

/* The same as the function of a link: hub_rawlink(&link, object of a greenlet,
 * hub_async_result_link, result). */
HUB_API void hub_async_result_link(struct hub_object source, void *result);

/* Take what is there: 0 with the value in *value (unless NULL), or the error of the
 * failure, with a record left for greenlet_caught(): the same class, error and
 * origin, and text and payload unless the result owns them.  Waits until something
 * is there.  Switches.  Thread-safe.
 * Returns also -ETIMEDOUT, -EINVAL for NULL, or why it ended early;
 * hub_async_result_ready() tells them apart. */
HUB_API int hub_async_result_get(struct hub_async_result *result,
                                 int64_t deadline_ns, void **value);

/* The same without waiting: -EAGAIN when nothing is there.  Thread-safe. */
HUB_API int hub_async_result_try_get(struct hub_async_result *result,
                                     void **value);

/* Wait until something is there, whatever it is.  Switches.  Thread-safe.
 * Returns 0, -ETIMEDOUT, -EINVAL for NULL, or why it ended early. */
HUB_API int hub_async_result_wait(struct hub_async_result *result,
                                  int64_t deadline_ns);

/* Something is there; it is a value.  Thread-safe. */
HUB_API bool hub_async_result_ready(const struct hub_async_result *result);
HUB_API bool hub_async_result_successful(const struct hub_async_result *result);

/* The failure; NULL when there is a value, or nothing.  Borrowed until another
 * failure is set, or the result destroyed. */
HUB_API const struct greenlet_exception *
hub_async_result_exception(const struct hub_async_result *result);

/* For hub_wait() and hub_rawlink(). */
HUB_API struct hub_object
hub_async_result_object(struct hub_async_result *result);

#ifdef __cplusplus
}
#endif
#endif
