/* life.c - states, results, get and join */
#include "script.h"

static void state(const char *who, const struct greenlet *g)
{
    const struct {
        const char *name;
        bool value;
    } words[] = {
        { "active", hub_active(g) },
        { "dead", hub_dead(g) },
        { "ready", hub_ready(g) },
        { "successful", hub_successful(g) },
    };
    char text[64] = "";

    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (words[i].value) {
            strcat(text, text[0] != '\0' ? ", " : "");
            strcat(text, words[i].name);
        }
    say(who, "%s", text[0] != '\0' ? text : "nothing yet");
}

BODY(says_its_state)
{
    state("inside", greenlet_current());
    return 0;
}

SCRIPT(states_of_one_that_returns)
{
    struct greenlet *g = keep(hub_greenlet_new(says_its_state, NULL, 0));

    state("made", g);
    hub_start(g);
    join(g);
    state("ended", g);
}

SCRIPT(states_of_one_that_waits)
{
    struct greenlet *g = spawn_naps("g", T);

    hub_sleep(0);
    state("waits", g);
    join(g);
    state("ended", g);
}

SCRIPT(states_of_one_that_fails)
{
    struct greenlet *g = spawn_fails("g");

    join(g);
    state("failed", g);
}

SCRIPT(states_of_one_that_was_killed)
{
    struct greenlet *g = spawn_naps("g", 10 * HUB_SECOND);

    hub_sleep(0);
    hub_kill(g);
    state("killed", g);
    hub_sleep(0);
    state("later", g);
}

SCRIPT(states_of_one_that_never_began)
{
    struct greenlet *g = spawn_says("g", "runs");

    hub_kill(g);
    state("killed", g);
    hub_sleep(0);
    state("later", g);
}

SCRIPT(second_start_is_ignored)
{
    struct greenlet *g = unstarted("g", "runs");

    hub_start(g);
    hub_start(g);
    spawn_says("h", "runs");
    join(g);
    hub_start(g);
    hub_sleep(0);
    say("main", "back");
}

static struct greenlet *spawn_later_says(int64_t ns, const char *who)
{
    struct greenlet *g = unstarted(who, "runs");

    hub_start_later(g, ns);
    return g;
}

SCRIPT(spawned_later_among_sleepers)
{
    spawn_later_says(3 * T, "c");
    spawn_later_says(T, "a");
    spawn_naps("b", 2 * T);
    drain();
}

static int tells(struct greenlet *g, void *who)
{
    (void)g;
    say(who, "told");
    return 0;
}

SCRIPT(spawned_later_and_killed)
{
    struct greenlet *g = spawn_later_says(T, "g");

    hub_link(g, HUB_LINK_RAW, tells, "link");
    hub_kill_join(g, HUB_FOREVER);
    say("main", "it is dead: %s", yes(hub_dead(g)));
    hub_sleep(2 * T);
    say("main", "back");
}

BODY(starts_another)
{
    say("a", "starts it");
    hub_start(s->object);
    say("a", "has started it");
    return 0;
}

SCRIPT(started_by_another)
{
    struct greenlet *g = unstarted("g", "runs");

    spawn(starts_another, "a", 0, g);
    spawn_says("b", "runs");
    join(g);
    say("main", "joined");
}

/* ---- results ---- */

BODY(returns_value)
{
    *result = "value";
    return 0;
}

static int get(const char *who, struct greenlet *g, int64_t deadline)
{
    void *value = NULL;
    int rc = hub_get(g, deadline, &value);

    say(who, "%s", rc == 0 && value != NULL ? (char *)value : word(rc));
    return rc;
}

BODY(asks)
{
    return get(s->who, s->object, HUB_FOREVER);
}

SCRIPT(value_for_all_who_ask)
{
    struct greenlet *g = spawn(returns_value, "g", 0, NULL);

    spawn(asks, "a", 0, g);
    spawn(asks, "b", 0, g);
    get("main", g, HUB_FOREVER);
    get("main", g, HUB_FOREVER);
    hub_sleep(0);
}

SCRIPT(exit_is_a_success)
{
    struct greenlet *g = spawn_naps("g", 10 * HUB_SECOND);
    const struct greenlet_exception *exit;

    hub_sleep(0);
    hub_kill_join(g, HUB_FOREVER);
    say("main", "successful: %s", yes(hub_successful(g)));
    get("main", g, HUB_FOREVER);
    exit = hub_exception(g);
    say("main", "its value is an exit: %s",
        yes(exit != NULL && greenlet_class_is(exit->cls, &greenlet_exit_class)));
}

SCRIPT(failure_is_kept)
{
    struct greenlet *g = spawn_fails("g");
    const struct greenlet_exception *kept;

    get("main", g, HUB_FOREVER);
    say("main", "successful: %s", yes(hub_successful(g)));
    kept = hub_exception(g);
    say("main", "kept: %s", kept != NULL ? word(kept->cls->error) : "nothing");
    get("main", g, HUB_FOREVER);
}

BODY(sleeps_and_returns)
{
    int rc = hub_sleep(3 * T);

    *result = "value";
    return rc;
}

SCRIPT(get_may_time_out)
{
    struct greenlet *g = spawn(sleeps_and_returns, "g", 0, NULL);

    get("main", g, hub_deadline(T));
    say("main", "ready: %s", yes(hub_ready(g)));
    get("main", g, HUB_FOREVER);
}

SCRIPT(get_of_an_ended_one_does_not_switch)
{
    struct greenlet *g = spawn(returns_value, "g", 0, NULL);

    join(g);
    spawn_says("h", "runs");
    get("main", g, hub_now());
    hub_sleep(0);
}

/* ---- join ---- */

/* gevent's join has no result: a deadline that passes says nothing. */
static void join_for(struct greenlet *g, int64_t ns)
{
    int rc = hub_join(g, ns > 0 ? hub_deadline(ns) : HUB_FOREVER);

    attempt("main", rc == -ETIMEDOUT && hub_canceled() == 0 ? 0 : rc);
}

SCRIPT(join_swallows_its_own_timeout)
{
    struct greenlet *g = spawn_naps("g", 3 * T);

    join_for(g, T);
    say("main", "ready: %s", yes(hub_ready(g)));
    join_for(g, 0);
}

SCRIPT(join_raises_a_foreign_timeout)
{
    struct greenlet *g = spawn_naps("g", 4 * T);
    struct hub_timeout timeout;

    enough(hub_timeout_begin(&timeout, hub_deadline(T)) == 0);
    join_for(g, 2 * T);
    hub_timeout_end(&timeout);
    say("main", "ready: %s", yes(hub_ready(g)));
    hub_kill_join(g, HUB_FOREVER);
}

BODY(joins)
{
    int rc = join(s->object);

    if (rc == 0)
        say(s->who, "joined");
    return rc;
}

SCRIPT(joiners_wake_in_order)
{
    struct greenlet *g = unstarted("g", "ends");

    spawn(joins, "a", 0, g);
    spawn(joins, "b", 0, g);
    spawn(joins, "c", 0, g);
    hub_sleep(0);
    hub_start(g);
    spawn_ticks("other", 2);
    join(g);
    say("main", "joined");
}

SCRIPT(join_of_an_ended_one_does_not_switch)
{
    struct greenlet *g = spawn_says("g", "ends");

    join(g);
    spawn_says("h", "runs");
    join(g);
    say("main", "joined");
    hub_sleep(0);
}

BODY(says_how_its_join_ended)
{
    attempt(s->who, join(s->object));
    return 0;
}

SCRIPT(one_joiner_is_killed)
{
    struct greenlet *g = spawn_naps("g", T);
    struct greenlet *a = spawn(says_how_its_join_ended, "a", 0, g);
    struct greenlet *c;

    spawn(says_how_its_join_ended, "b", 0, g);
    c = spawn(says_how_its_join_ended, "c", 0, g);
    hub_sleep(0);
    hub_kill_join(a, HUB_FOREVER);
    say("main", "killed a");
    join(c);
}
