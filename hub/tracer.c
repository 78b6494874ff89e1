/* tracer.c - watching the switches of a thread
 *
 * The switch has a slow way for tools that must hear of it (tools.c); tracers
 * take that. */
#include "hub/sight.h"
#include "hub/tracer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct greenlet_class hub_assertion_class = {
    "FailedToSwitch", &greenlet_exception_class, -ETIME
};

static __thread struct hub_tracer *first;

/* Did the hub choose who is next?  It has counted that already. */
static bool is_wait(const struct greenlet *from)
{
    return greenlet__read(from->state) == GREENLET_WAITING;
}

static void end_run(struct hub_tracer *tracer, struct greenlet *from,
                    int64_t now)
{
    const struct hub *hub = hub__peek();

    if ((hub == NULL || from != hub->greenlet) &&
        now - tracer->last_ > tracer->longest_) {
        tracer->longest_ = now - tracer->last_;
        tracer->culprit_ = from;
    }
    tracer->last_ = now;
}

static void see(struct hub_tracer *tracer, struct greenlet *from,
                struct greenlet *to, int64_t now)
{
    end_run(tracer, from, now);
    if (from == to) /* it gave way, and nobody took it: no switch */
        return;
    tracer->switches_++;
    tracer->waits_ += is_wait(from);
    tracer->active_ = to;
    if (tracer->function_ != NULL)
        tracer->function_(from, to, tracer->data_);
}

static void on_switch(struct greenlet *from, struct greenlet *to)
{
    int64_t now = hub_now();

    for (struct hub_tracer *at = first; at != NULL; at = at->next_)
        see(at, from, to, now);
}

void hub_tracer_start(struct hub_tracer *tracer, hub_trace_function *function,
                      void *data)
{
    struct greenlet__thread *self = greenlet__thread_self();

    memset(tracer, 0, sizeof *tracer);
    tracer->function_ = function;
    tracer->data_ = data;
    tracer->last_ = hub_now();
    tracer->active_ = self->current;
    tracer->next_ = first;
    first = tracer;
    greenlet__watch_switch = on_switch;
    self->tools |= TOOL_WATCHED;
}

void hub_tracer_stop(struct hub_tracer *tracer)
{
    struct hub_tracer **link = &first;

    while (*link != NULL && *link != tracer)
        link = &(*link)->next_;
    if (*link != NULL)
        *link = tracer->next_;
    if (first == NULL)
        greenlet__thread_self()->tools &= (uint8_t)~TOOL_WATCHED;
}

uint64_t hub_tracer_switches(const struct hub_tracer *tracer)
{
    return tracer->switches_;
}

uint64_t hub_tracer_waits(const struct hub_tracer *tracer)
{
    return tracer->waits_;
}

int64_t hub_tracer_longest(const struct hub_tracer *tracer)
{
    int64_t since = tracer->switches_ > 0 ? 0 : hub_now() - tracer->last_;

    return since > tracer->longest_ ? since : tracer->longest_;
}

const struct greenlet *hub_tracer_active(const struct hub_tracer *tracer)
{
    return tracer->active_;
}

/* ---- assertions ---- */

/* How often greenlets of this thread let the hub choose who is next, themselves
 * if need be. */
static uint64_t waits_of_thread(void)
{
    const struct hub *hub = hub__peek();

    return hub != NULL ? greenlet__read(hub->switches) : 0;
}

void hub_assert_switches_begin(struct hub_assertion *assertion,
                               int64_t max_blocking_ns, bool hub_only)
{
    assertion->most_ = max_blocking_ns;
    assertion->hub_only_ = hub_only;
    assertion->waits_ = waits_of_thread();
    hub_tracer_start(&assertion->tracer_, NULL, NULL);
}

static int fail(const char *format, int64_t ns, const struct greenlet *culprit)
{
    enum { SIZE = 160 };
    struct greenlet_exception record = {
        .cls = &hub_assertion_class,
        .text = "the block did not let others run",
        .origin = __builtin_return_address(0)
    };
    char *text = greenlet__malloc(SIZE);

    if (text != NULL) {
        snprintf(text, SIZE, format, (double)ns / 1e9, (const void *)culprit);
        record.text = record.payload = text;
        record.destroy = free;
    }
    greenlet__set_caught(greenlet__word->current, &record);
    return -ETIME;
}

int hub_assert_switches_end(struct hub_assertion *assertion, int rc)
{
    const struct hub_tracer *tracer = &assertion->tracer_;
    int64_t longest = hub_tracer_longest(tracer);
    bool switched = assertion->waits_ != waits_of_thread() ||
                    (!assertion->hub_only_ && tracer->switches_ > 0);

    hub_tracer_stop(&assertion->tracer_);
    if (rc < 0)
        return rc;
    if (assertion->most_ > 0 && longest > assertion->most_)
        return fail("%.3f s passed without a switch, in greenlet %p", longest,
                    tracer->switches_ > 0 ? tracer->culprit_
                                          : tracer->active_);
    if (assertion->most_ == 0 && !switched)
        return fail(assertion->hub_only_
                        ? "the block did not wait in %.3f s, in greenlet %p"
                        : "the block did not switch in %.3f s, in greenlet %p",
                    hub_now() - tracer->last_, tracer->active_);
    return rc;
}
