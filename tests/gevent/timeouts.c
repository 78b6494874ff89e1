/* timeouts.c - timeouts: nested, of zero, of several greenlets */
#include "script.h"

#define LONG (10 * HUB_SECOND)

static void begin(struct hub_timeout *timeout, int64_t ns)
{
    enough(hub_timeout_begin(timeout, ns < 0 ? HUB_FOREVER
                                             : hub_deadline(ns)) == 0);
}

SCRIPT(timeout_ends_a_sleep)
{
    struct hub_timeout timeout;

    begin(&timeout, T);
    attempt("main", hub_sleep(LONG));
    hub_timeout_end(&timeout);
    nap("main", T);
}

SCRIPT(timeout_that_does_not_come)
{
    struct hub_timeout timeout;

    begin(&timeout, 5 * T);
    nap("main", T);
    say("main", "pending: %s", yes(hub_timeout_pending(&timeout)));
    hub_timeout_end(&timeout);
    say("main", "pending: %s", yes(hub_timeout_pending(&timeout)));
    nap("main", T);
}

SCRIPT(timeout_of_none_never_fires)
{
    struct hub_timeout timeout;

    begin(&timeout, -1);
    say("main", "pending: %s", yes(hub_timeout_pending(&timeout)));
    nap("main", T);
    attempt("main", join(nobody()));
    hub_timeout_end(&timeout);
}

SCRIPT(timeout_of_zero_and_a_zero_sleep)
{
    struct hub_timeout timeout;

    begin(&timeout, 0);
    attempt("main", hub_sleep(0));
    hub_timeout_end(&timeout);
    say("main", "left");
    begin(&timeout, 0);
    attempt("main", hub_sleep(T));
    hub_timeout_end(&timeout);
}

SCRIPT(timeout_of_zero_lets_others_run)
{
    struct hub_timeout timeout;

    spawn_ticks("g", 2);
    begin(&timeout, 0);
    attempt("main", hub_sleep(LONG));
    hub_timeout_end(&timeout);
}

/* Each block ends at the first error, as by an exception. */
SCRIPT(timeout_that_swallows_its_own)
{
    struct hub_timeout outer, inner;
    int rc;

    begin(&inner, T);
    if (hub_sleep(LONG) == 0)
        say("main", "not reached");
    hub_timeout_end(&inner);
    say("main", "left");
    begin(&outer, T);
    begin(&inner, 5 * T);
    rc = hub_sleep(LONG);
    if (hub_timeout_end(&inner) == -ETIMEDOUT)
        say("main", "not reached");
    hub_timeout_end(&outer);
    say("main", "%s", word(rc));
}

static void says_whose(const struct hub_timeout *outer)
{
    say("main", "it was the %s", hub_timeout_fired(outer) ? "outer" : "inner");
}

static void nested(int64_t outer_time, int64_t inner_time)
{
    struct hub_timeout outer, inner;

    begin(&outer, outer_time);
    begin(&inner, inner_time);
    if (hub_sleep(LONG) == -ETIMEDOUT)
        says_whose(&outer);
    hub_timeout_end(&inner);
    hub_timeout_end(&outer);
}

SCRIPT(nested_outer_is_earlier)
{
    nested(T, 5 * T);
}

SCRIPT(nested_inner_is_earlier)
{
    nested(5 * T, T);
}

SCRIPT(nested_inner_then_outer)
{
    struct hub_timeout outer, inner;

    begin(&outer, 3 * T);
    begin(&inner, T);
    if (hub_sleep(LONG) == -ETIMEDOUT)
        says_whose(&outer);
    hub_timeout_end(&inner);
    if (hub_sleep(LONG) == -ETIMEDOUT)
        says_whose(&outer);
    hub_timeout_end(&outer);
}

SCRIPT(timeout_canceled)
{
    struct hub_timeout timeout;

    begin(&timeout, T);
    hub_timeout_cancel(&timeout);
    say("main", "pending: %s", yes(hub_timeout_pending(&timeout)));
    nap("main", 3 * T);
    hub_timeout_end(&timeout);
}

BODY(sleeps_in_a_timeout)
{
    struct hub_timeout timeout;
    int rc;

    begin(&timeout, s->n);
    rc = hub_sleep(LONG);
    hub_timeout_end(&timeout);
    if (s->who == NULL)
        return rc;
    say(s->who, "%s", word(rc));
    return 0;
}

SCRIPT(timeouts_of_several)
{
    spawn(sleeps_in_a_timeout, "a", 3 * T, NULL);
    spawn(sleeps_in_a_timeout, "b", T, NULL);
    spawn(sleeps_in_a_timeout, "c", 2 * T, NULL);
    drain();
}

SCRIPT(timeout_of_a_greenlet_that_fails_by_it)
{
    struct greenlet *g = spawn(sleeps_in_a_timeout, NULL, T, NULL);

    join(g);
    say("main", "successful: %s", yes(hub_successful(g)));
    attempt("main", hub_get(g, HUB_FOREVER, NULL));
}

BODY(returns_value)
{
    *result = "value";
    return 0;
}

BODY(sleeps_long)
{
    return hub_sleep(LONG);
}

SCRIPT(timeout_of_a_call)
{
    void *value = "late";

    hub_with_timeout(hub_deadline(5 * T), returns_value, NULL, &value);
    say("main", "%s", (char *)value);
    value = "late";
    hub_with_timeout(hub_deadline(T), sleeps_long, NULL, &value);
    say("main", "%s", (char *)value);
    attempt("main",
            hub_with_timeout(hub_deadline(T), sleeps_long, NULL, &value));
}

BODY(sleeps_until_killed)
{
    struct hub_timeout timeout;
    int rc;

    begin(&timeout, 2 * T);
    rc = hub_sleep(LONG);
    say("g", "%s", word(rc));
    hub_timeout_end(&timeout);
    return rc;
}

SCRIPT(timeout_and_kill)
{
    struct greenlet *g = spawn(sleeps_until_killed, "g", 0, NULL);

    hub_sleep(T);
    hub_kill_join(g, HUB_FOREVER);
    say("main", "successful: %s", yes(hub_successful(g)));
    nap("main", 2 * T);
}
