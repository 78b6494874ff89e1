/* links.c - links, and waits for several: joinall, wait, iwait */
#include "script.h"

static int tells(struct greenlet *g, void *who)
{
    (void)g;
    say(who, "told");
    return 0;
}

static void link_raw(struct greenlet *g, const char *who)
{
    hub_link(g, HUB_LINK_RAW, tells, (void *)who);
}

SCRIPT(links_are_told_in_order)
{
    struct greenlet *g = spawn_says("g", "ends");

    link_raw(g, "a");
    link_raw(g, "b");
    link_raw(g, "c");
    join(g);
    say("main", "joined");
}

static int says_where(struct greenlet *g, void *arg)
{
    (void)g;
    (void)arg;
    say("link", "runs in the hub: %s",
        yes(greenlet_current() == hub_greenlet(hub_current())));
    return 0;
}

SCRIPT(raw_links_run_in_the_hub)
{
    struct greenlet *g = spawn_says("g", "ends");

    hub_link(g, HUB_LINK_RAW, says_where, NULL);
    hub_link(g, HUB_LINK, says_where, NULL);
    join(g);
    hub_sleep(0);
}

SCRIPT(late_link_is_told_later)
{
    struct greenlet *g = spawn_says("g", "ends");

    join(g);
    link_raw(g, "late");
    say("main", "has linked");
    hub_sleep(0);
    say("main", "back");
}

BODY(joins)
{
    int rc = join(s->object);

    if (rc == 0)
        say(s->who, "joined");
    return rc;
}

SCRIPT(links_and_joiners_in_one_order)
{
    struct greenlet *g = spawn_naps("g", T);

    link_raw(g, "link 1");
    spawn(joins, "joiner", 0, g);
    hub_sleep(0);
    link_raw(g, "link 2");
    join(g);
    say("main", "joined");
}

BODY(returns_value)
{
    *result = "value";
    return 0;
}

SCRIPT(links_for_values_and_failures)
{
    static const char *const names[][3] = {
        { "good, value", "good, failure", "good, both" },
        { "bad, value", "bad, failure", "bad, both" }
    };

    for (int i = 0; i < 2; i++) {
        struct greenlet *g = i == 0 ? spawn(returns_value, "good", 0, NULL)
                                    : spawn_fails("bad");

        hub_link(g, HUB_LINK_VALUE, tells, (void *)names[i][0]);
        hub_link(g, HUB_LINK_EXCEPTION, tells, (void *)names[i][1]);
        hub_link(g, HUB_LINK, tells, (void *)names[i][2]);
        join(g);
        hub_sleep(0);
    }
}

SCRIPT(link_of_a_killed_one_is_for_values)
{
    struct greenlet *g = spawn_naps("g", 10 * HUB_SECOND);

    hub_sleep(0);
    hub_link(g, HUB_LINK_VALUE, tells, "value");
    hub_link(g, HUB_LINK_EXCEPTION, tells, "failure");
    hub_kill_join(g, HUB_FOREVER);
    hub_sleep(0);
}

static char a[] = "a", b[] = "b";

SCRIPT(unlinked_is_not_told)
{
    struct greenlet *g = spawn_says("g", "ends");

    link_raw(g, a);
    link_raw(g, b);
    hub_link_remove(g, tells, a);
    join(g);
    hub_sleep(0);
}

static int unlinks_b(struct greenlet *g, void *arg)
{
    (void)arg;
    say("a", "unlinks b");
    hub_link_remove(g, tells, b);
    return 0;
}

SCRIPT(link_unlinked_by_another)
{
    struct greenlet *g = spawn_says("g", "ends");

    hub_link(g, HUB_LINK_RAW, unlinks_b, NULL);
    link_raw(g, b);
    link_raw(g, "c");
    join(g);
    hub_sleep(0);
}

static int spawns(struct greenlet *g, void *arg)
{
    (void)g;
    (void)arg;
    spawn_says("spawned", "runs");
    return 0;
}

SCRIPT(links_may_spawn)
{
    struct greenlet *g = spawn_says("g", "ends");

    hub_link(g, HUB_LINK_RAW, spawns, NULL);
    link_raw(g, "b");
    join(g);
    say("main", "joined");
    hub_sleep(0);
}

/* ---- joinall ---- */

/* a sleeps longest, b shortest. */
static void spawn_three(struct greenlet *some[3])
{
    some[0] = spawn_naps("a", 3 * T);
    some[1] = spawn_naps("b", T);
    some[2] = spawn_naps("c", 2 * T);
}

static int place(struct greenlet *const *some, const struct greenlet *g)
{
    int i = 0;

    while (some[i] != g)
        i++;
    return i;
}

SCRIPT(joinall_in_finishing_order)
{
    struct greenlet *some[3], *done[3];
    char names[8] = "";
    int count;

    spawn_three(some);
    count = hub_joinall(some, 3, HUB_FOREVER, 0, 0, done);
    for (int i = 0; i < count; i++) {
        names[2 * i] = "abc"[place(some, done[i])];
        names[2 * i + 1] = i + 1 < count ? ' ' : '\0';
    }
    say("main", "finished: %s", names);
}

SCRIPT(joinall_of_ended_ones)
{
    struct greenlet *some[] = { spawn_says("a", "ends"),
                                spawn_says("b", "ends") };

    hub_sleep(0);
    spawn_says("other", "runs");
    say("main", "%d", hub_joinall(some, 2, HUB_FOREVER, 0, 0, NULL));
    say("main", "%d", hub_joinall(NULL, 0, HUB_FOREVER, 0, 0, NULL));
}

SCRIPT(joinall_may_time_out)
{
    struct greenlet *some[] = { spawn_naps("a", T), spawn_naps("b", 5 * T) };

    say("main", "%d", hub_joinall(some, 2, hub_deadline(2 * T), 0, 0, NULL));
    hub_kill_join(some[1], HUB_FOREVER);
}

SCRIPT(joinall_of_so_many)
{
    struct greenlet *some[3];

    spawn_three(some);
    say("main", "%d", hub_joinall(some, 3, HUB_FOREVER, 0, 2, NULL));
    say("main", "%d", hub_joinall(some, 3, HUB_FOREVER, 0, 0, NULL));
}

BODY(fails_later)
{
    hub_sleep(T);
    return fail(s->who);
}

SCRIPT(joinall_raises_the_first_failure)
{
    struct greenlet *some[] = { spawn(fails_later, "a", 0, NULL),
                                spawn_naps("b", 3 * T) };

    attempt("main",
            hub_joinall(some, 2, HUB_FOREVER, HUB_JOIN_RAISE, 0, NULL));
    say("main", "b is dead: %s", yes(hub_dead(some[1])));
    join(some[1]);
}

/* ---- wait, iwait ---- */

BODY(sets_after_a_nap)
{
    hub_sleep(T);
    say(s->who, "sets");
    return hub_event_set(s->object);
}

SCRIPT(wait_in_the_order_of_readiness)
{
    static const char *const names[] = { "greenlet", "event" };
    static struct hub_event e;
    struct hub_object objects[2];
    size_t ready[2];

    hub_event_init(&e);
    objects[0] = hub_greenlet_object(spawn_naps("g", 2 * T));
    objects[1] = hub_event_object(&e);
    spawn(sets_after_a_nap, "setter", 0, &e);
    if (hub_wait(objects, 2, HUB_FOREVER, 0, ready) == 2)
        say("main", "%s %s", names[ready[0]], names[ready[1]]);
    hub_event_destroy(&e);
}

static void objects_of(struct greenlet *const *some, size_t n,
                       struct hub_object *objects)
{
    for (size_t i = 0; i < n; i++)
        objects[i] = hub_greenlet_object(some[i]);
}

SCRIPT(wait_for_one_of_them)
{
    struct greenlet *some[] = { spawn_naps("a", 6 * T), spawn_naps("b", T) };
    struct hub_object objects[2];
    size_t ready[2];

    objects_of(some, 2, objects);
    hub_wait(objects, 2, HUB_FOREVER, 1, ready);
    say("main", "first: %c", "ab"[ready[0]]);
    say("main", "%d", hub_wait(objects, 2, hub_deadline(T / 10), 0, NULL));
    say("main", "%d", hub_wait(objects, 2, HUB_FOREVER, 0, NULL));
}

/* Until they have ended, the deadline comes, or so many were given. */
static void iwait(struct greenlet *const *some, size_t n, int64_t deadline,
                  int most)
{
    struct hub_object objects[3];
    struct hub_iwait *ended;
    size_t index;

    objects_of(some, n, objects);
    ended = hub_iwait_new(objects, n, 0);
    enough(ended != NULL);
    while (most-- > 0 && hub_iwait_next(ended, deadline, &index) == 1)
        say("main", "has %c", "abc"[index]);
    hub_iwait_free(ended);
}

SCRIPT(iwait_yields_them_as_they_end)
{
    struct greenlet *some[] = { spawn_naps("a", 2 * T), spawn_naps("b", T),
                                spawn_naps("c", 3 * T) };

    iwait(some, 3, HUB_FOREVER, 9);
}

SCRIPT(iwait_ends_by_its_timeout)
{
    struct greenlet *some[] = { spawn_naps("a", T), spawn_naps("b", 9 * T) };

    iwait(some, 2, hub_deadline(3 * T), 9);
    say("main", "no more");
    hub_kill_join(some[1], HUB_FOREVER);
}

SCRIPT(iwait_left_in_the_middle)
{
    struct greenlet *some[] = { spawn_naps("a", T), spawn_naps("b", 2 * T) };

    iwait(some, 2, HUB_FOREVER, 1);
    say("main", "has left");
    join(some[1]);
}

SCRIPT(iwait_of_those_that_end_together)
{
    struct greenlet *some[] = { spawn_ticks("a", 2), spawn_ticks("b", 1),
                                spawn_ticks("c", 2) };

    iwait(some, 3, HUB_FOREVER, 9);
}
