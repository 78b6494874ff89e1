/* core.c - the hub, what ends its loop, and what keeps it going */
#include "script.h"

BODY(hub_child)
{
    say("child", "its parent is the hub: %s",
        yes(greenlet_parent(greenlet_current()) == hub_greenlet(hub_current())));
    return 0;
}

SCRIPT(hub_is_the_parent)
{
    join(spawn(hub_child, "child", 0, NULL));
    say("main", "it is the hub's parent: %s",
        yes(greenlet_parent(hub_greenlet(hub_current())) ==
            greenlet_current()));
}

SCRIPT(hub_goes_on_after_an_end)
{
    spawn_says("a", "ends");
    spawn_says("b", "ends");
    spawn_says("c", "ends");
    spawn_ticks("d", 2);
    say("main", "waits");
    hub_sleep(0);
    say("main", "back");
    hub_sleep(0);
    hub_sleep(0);
}

static void tries_sleep(void *arg)
{
    (void)arg;
    attempt("sleep", hub_sleep(T));
}

static void tries_yield(void *arg)
{
    (void)arg;
    attempt("yield", hub_sleep(0));
}

static void tries_join(void *arg)
{
    attempt("join", hub_join(arg, HUB_FOREVER));
}

SCRIPT(blocking_in_a_callback)
{
    hub_call_soon(tries_sleep, NULL);
    hub_call_soon(tries_yield, NULL);
    hub_call_soon(tries_join, nobody());
    call_says("next", "called");
    nap("main", T);
}

SCRIPT(loop_exit_in_main)
{
    struct greenlet *g = nobody();

    attempt("first", join(g));
    attempt("again", join(g));
    nap("sleep", T);
    attempt("later", join(g));
}

BODY(joins_nobody)
{
    int rc = join(s->object);

    if (rc == 0)
        say("stuck", "came back");
    return rc;
}

SCRIPT(loop_exit_is_not_for_the_stuck)
{
    struct greenlet *never = nobody();
    struct greenlet *g = spawn(joins_nobody, "stuck", 0, never);

    attempt("main", join(g));
    say("main", "it is dead: %s", yes(hub_dead(g)));
    hub_start(never);
    join(g);
    say("main", "it is dead: %s", yes(hub_dead(g)));
}

SCRIPT(loop_exit_comes_after_all_timers)
{
    struct greenlet *never = nobody();

    spawn_naps("g2", 2 * T);
    spawn_naps("g1", T);
    attempt("main", join(never));
}

SCRIPT(unreferenced_sleep_alone)
{
    attempt("main", hub_sleep_unreferenced(100 * T));
    nap("main", T);
}

SCRIPT(unreferenced_sleep_beside_another)
{
    spawn_naps("g", 2 * T);
    attempt("first", hub_sleep_unreferenced(T));
    attempt("second", hub_sleep_unreferenced(100 * T));
}

static void calls_b(void *arg)
{
    (void)arg;
    call_says("b", "called");
}

SCRIPT(callbacks_keep_the_loop)
{
    call_says("a", "called");
    hub_call_soon(calls_b, NULL);
    attempt("main", join(nobody()));
}

static void drains(int64_t deadline)
{
    say("main", "dry: %s", yes(hub_drain(deadline) == 0));
}

SCRIPT(drain_waits_for_all)
{
    spawn_naps("a", 2 * T);
    spawn_naps("b", T);
    spawn_ticks("c", 2);
    drains(HUB_FOREVER);
    drains(HUB_FOREVER);
}

SCRIPT(drain_may_time_out)
{
    struct greenlet *g = spawn_naps("a", 4 * T);

    drains(hub_deadline(T));
    drains(hub_deadline(T));
    hub_kill_join(g, HUB_FOREVER);
    drains(hub_deadline(T));
}

BODY(drains_in_a_greenlet)
{
    int rc = hub_drain(HUB_FOREVER);

    say("g", "%s", rc == -EPERM ? "refused" : word(rc));
    return 0;
}

SCRIPT(drain_is_for_main)
{
    join(spawn(drains_in_a_greenlet, "g", 0, NULL));
}

SCRIPT(drain_leaves_the_stuck)
{
    struct greenlet *g = spawn(joins_nobody, "stuck", 0, nobody());

    drains(HUB_FOREVER);
    say("main", "it is dead: %s", yes(hub_dead(g)));
    hub_kill_join(g, HUB_FOREVER);
    say("main", "it is dead: %s", yes(hub_dead(g)));
}
