/* tracer.h - watching the switches of a thread, and asserting that there are some
 *
 * Tracers see every switch of their thread: those of the hub as well as those of
 * greenlet_switch() and its like, which greenlet_settrace() alone sees.  Any
 * number may be active at once, besides that one.  While there is one, a switch
 * costs some ten nanoseconds more (a reading of the clock); otherwise nothing. */
#ifndef VIREO_TRACER_H
#define VIREO_TRACER_H

#include "hub/hub.h"

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Called in `origin`, just before it is left for `target`, which may be the one
 * that runs the loop (hub_greenlet()).  It must not switch, wait, start or stop
 * tracers. */
typedef void hub_trace_function(struct greenlet *origin,
                                struct greenlet *target, void *data);

/* Memory of the caller's, from hub_tracer_start() to hub_tracer_stop(). */
struct hub_tracer {
    struct hub_tracer *next_; /* all fields are the library's */
    hub_trace_function *function_;
    void *data_;
    uint64_t switches_, waits_;
    int64_t last_, longest_;
    const struct greenlet *active_;
    const struct greenlet *culprit_;
};

/* Count the switches of this thread from now on, and call function(..., data) for
 * each unless that is NULL. */
HUB_API void hub_tracer_start(struct hub_tracer *tracer,
                              hub_trace_function *function, void *data);

/* End it: in the same thread; what was counted stays. */
HUB_API void hub_tracer_stop(struct hub_tracer *tracer);

/* How many switches there were; how many of them in a wait, or a yield, for which
 * the hub chose who is next. */
HUB_API uint64_t hub_tracer_switches(const struct hub_tracer *tracer);
HUB_API uint64_t hub_tracer_waits(const struct hub_tracer *tracer);

/* The longest time, in ns, that a greenlet other than the loop's ran between two
 * switches; before the first one, how long it is since the start. */
HUB_API int64_t hub_tracer_longest(const struct hub_tracer *tracer);

/* The greenlet that was switched to last; the caller of hub_tracer_start() before
 * the first.  Borrowed, and only good to be compared: it may have ended. */
HUB_API const struct greenlet *
hub_tracer_active(const struct hub_tracer *tracer);

/* A block of code that is to let others run. */
struct hub_assertion {
    struct hub_tracer tracer_; /* all fields are the library's */
    uint64_t waits_;
    int64_t most_;
    bool hub_only_;
};

/* hub_assertion_class (-ETIME): a block did not switch, or not often enough. */
HUB_API extern const struct greenlet_class hub_assertion_class;

/* The block begins.  max_blocking_ns 0: it must switch at least once, with
 * hub_only by a wait or a yield of the hub.  Otherwise nobody of this thread may
 * run for longer than that between two switches until it ends, and hub_only means
 * nothing. */
HUB_API void hub_assert_switches_begin(struct hub_assertion *assertion,
                                       int64_t max_blocking_ns, bool hub_only);

/* It ends, with the result of the block.
 * Returns rc when that is negative: an error that escapes says enough; else rc,
 * or -ETIME when the block has not done what was asserted, with a record of
 * hub_assertion_class left. */
HUB_API int hub_assert_switches_end(struct hub_assertion *assertion, int rc);

#ifdef __cplusplus
}
#endif
#endif
