/* kill.c - kill, killall: when the exit arrives, and who waits for it */
#include "script.h"

BODY(stays)
{
    int rc = hub_sleep(10 * HUB_SECOND);

    say(s->who, "%s", rc == 0 ? "slept" : word(rc));
    return rc;
}

static struct greenlet *spawn_stays(const char *who)
{
    return spawn(stays, who, 0, NULL);
}

BODY(cleans_up)
{
    int rc = hub_sleep(10 * HUB_SECOND);
    struct hub_shield shield;

    hub_shield_begin(&shield);
    say(s->who, "cleans up");
    for (int64_t i = 0; i < s->n; i++)
        hub_sleep(0);
    say(s->who, "is clean");
    hub_shield_end(&shield);
    return rc;
}

SCRIPT(kill_comes_when_the_killer_waits)
{
    struct greenlet *g = spawn_stays("g");

    hub_sleep(0);
    hub_kill(g);
    say("main", "has killed it");
    hub_sleep(0);
    say("main", "back");
}

SCRIPT(kill_goes_behind_who_is_ready)
{
    struct greenlet *g = spawn_stays("g");

    spawn_ticks("a", 2);
    hub_sleep(0);
    spawn_says("b", "runs");
    hub_kill(g);
    spawn_says("c", "runs");
    hub_sleep(0);
    hub_sleep(0);
}

SCRIPT(kill_waits_for_the_end)
{
    struct greenlet *g = spawn(cleans_up, "g", 3, NULL);

    spawn_ticks("other", 4);
    hub_sleep(0);
    hub_kill_join(g, HUB_FOREVER);
    say("main", "it is dead: %s", yes(hub_dead(g)));
}

static int tells(struct greenlet *g, void *who)
{
    (void)g;
    say(who, "told");
    return 0;
}

SCRIPT(kill_before_it_runs)
{
    struct greenlet *g = spawn_says("g", "runs");

    hub_link(g, HUB_LINK_RAW, tells, "link");
    hub_kill_join(g, HUB_FOREVER);
    say("main", "it is dead: %s", yes(hub_dead(g)));
    hub_sleep(0);
    say("main", "back");
}

SCRIPT(kill_before_it_is_started)
{
    struct greenlet *g = unstarted("g", "runs");

    hub_kill_join(g, HUB_FOREVER);
    say("main", "it is dead: %s", yes(hub_dead(g)));
    hub_start(g);
    hub_sleep(0);
    attempt("main", hub_get(g, HUB_FOREVER, NULL));
}

/* Shielded: the exit does not end what it does. */
BODY(refuses)
{
    int rc = hub_sleep(10 * HUB_SECOND);
    struct hub_shield shield;

    if (rc == -ECANCELED)
        say(s->who, "is told");
    hub_shield_begin(&shield);
    hub_sleep(3 * T);
    hub_shield_end(&shield);
    say(s->who, "ends");
    return 0;
}

SCRIPT(kill_times_out_in_silence)
{
    struct greenlet *g = spawn(refuses, "g", 0, NULL);

    hub_sleep(0);
    attempt("main", hub_kill_join(g, hub_deadline(T)));
    say("main", "it is dead: %s", yes(hub_dead(g)));
    join(g);
    say("main", "it is dead: %s", yes(hub_dead(g)));
}

SCRIPT(kill_with_another_error)
{
    struct greenlet *g = spawn_stays("g");

    hub_sleep(0);
    hub_kill_with(g, &lost);
    join(g);
    say("main", "successful: %s", yes(hub_successful(g)));
    attempt("main", hub_get(g, HUB_FOREVER, NULL));
}

SCRIPT(kill_with_another_error_before_it_runs)
{
    struct greenlet *g = spawn_says("g", "runs");

    hub_kill_with(g, &lost);
    join(g);
    say("main", "successful: %s", yes(hub_successful(g)));
    attempt("main", hub_get(g, HUB_FOREVER, NULL));
}

BODY(joins_and_goes_on)
{
    int rc = join(s->object);

    say(s->who, "%s", rc == 0 ? "goes on" : word(rc));
    return rc;
}

SCRIPT(kill_of_one_whose_wait_is_over)
{
    struct greenlet *first = unstarted("first", "ends");
    struct greenlet *g = spawn(joins_and_goes_on, "g", 0, first);

    hub_sleep(0);
    hub_start(first);
    join(first);
    hub_kill(g);
    say("main", "has killed it");
    join(g);
    say("main", "successful: %s", yes(hub_successful(g)));
}

BODY(yields)
{
    say("g", "yields");
    attempt("g", hub_sleep(0));
    return 0;
}

SCRIPT(kill_of_one_that_yields)
{
    struct greenlet *g = spawn(yields, "g", 0, NULL);

    hub_sleep(0);
    hub_kill(g);
    say("main", "has killed it");
    join(g);
}

BODY(kills_itself)
{
    int rc;

    say("g", "kills itself");
    hub_kill(greenlet_current());
    rc = hub_sleep(0);
    say("g", "%s", rc == 0 ? "goes on" : word(rc));
    return rc;
}

SCRIPT(kill_oneself)
{
    struct greenlet *g = spawn(kills_itself, "g", 0, NULL);

    join(g);
    say("main", "successful: %s", yes(hub_successful(g)));
}

SCRIPT(kill_of_an_ended_one)
{
    struct greenlet *g = spawn_says("g", "ends");

    join(g);
    spawn_says("h", "runs");
    hub_kill_join(g, HUB_FOREVER);
    say("main", "back");
    hub_sleep(0);
}

SCRIPT(kills_arrive_in_order)
{
    struct greenlet *a = spawn_stays("a");
    struct greenlet *b = spawn_stays("b");
    struct greenlet *c = spawn_stays("c");

    hub_sleep(0);
    hub_kill(c);
    hub_kill(a);
    hub_kill(b);
    drain();
}

BODY(says_how_its_join_ended)
{
    attempt(s->who, join(s->object));
    return 0;
}

SCRIPT(killed_joiner_leaves_the_other)
{
    struct greenlet *g = spawn_naps("g", 2 * T);
    struct greenlet *a = spawn(says_how_its_join_ended, "a", 0, g);

    hub_sleep(0);
    hub_kill_join(a, HUB_FOREVER);
    say("main", "a is dead: %s", yes(hub_dead(a)));
    say("main", "g is dead: %s", yes(hub_dead(g)));
    join(g);
}

/* ---- several ---- */

SCRIPT(killall_ends_all)
{
    struct greenlet *some[] = { spawn_stays("a"), spawn_stays("b"),
                                spawn_stays("c") };

    hub_sleep(0);
    hub_killall(some, 3, NULL, HUB_FOREVER);
    say("main", "all dead: %s",
        yes(hub_dead(some[0]) && hub_dead(some[1]) && hub_dead(some[2])));
}

SCRIPT(killall_stops_those_that_have_not_begun)
{
    struct greenlet *both[2];

    both[0] = spawn_stays("a");
    hub_sleep(0);
    both[1] = spawn_says("b", "runs");
    spawn_says("other", "runs");
    hub_killall(both, 2, NULL, HUB_FOREVER);
    say("main", "all dead: %s", yes(hub_dead(both[0]) && hub_dead(both[1])));
}

SCRIPT(killall_without_waiting)
{
    struct greenlet *some[] = { spawn_stays("a"), spawn_stays("b") };

    hub_sleep(0);
    hub_kill(some[0]);
    hub_kill(some[1]);
    say("main", "has killed them");
    hub_sleep(0);
    say("main", "back");
}

SCRIPT(killall_may_time_out)
{
    struct greenlet *some[] = { spawn(refuses, "a", 0, NULL),
                                spawn_stays("b") };

    hub_sleep(0);
    attempt("main", hub_killall(some, 2, NULL, hub_deadline(T)));
    say("main", "a is dead: %s", yes(hub_dead(some[0])));
    join_all(some, 2);
}

SCRIPT(killall_with_another_error)
{
    struct greenlet *some[] = { spawn_stays("a"), spawn_stays("b") };

    hub_sleep(0);
    hub_killall(some, 2, &lost, HUB_FOREVER);
    for (int i = 0; i < 2; i++)
        attempt("main", hub_get(some[i], HUB_FOREVER, NULL));
}
