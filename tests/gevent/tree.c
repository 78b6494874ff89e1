/* tree.c - scope-bound greenlets, names, ids, who spawned whom */
#include "script.h"

SCRIPT(leaving_a_block_joins)
{
    struct greenlet *g = spawn_naps("g", T);

    say("main", "in the block");
    hub_leave(g, 0);
    say("main", "has left");
}

BODY(sleeps_until_killed)
{
    int rc = hub_sleep(10 * HUB_SECOND);

    say("g", "killed");
    return rc;
}

SCRIPT(failing_in_a_block_kills)
{
    struct greenlet *g = spawn(sleeps_until_killed, "g", 0, NULL);

    hub_sleep(0);
    say("main", "fails");
    attempt("main", hub_leave(g, greenlet_raise(&lost)));
}

BODY(yields)
{
    return hub_sleep(0);
}

SCRIPT(ids_are_the_smallest_free)
{
    struct greenlet *a_ = hub_spawn(yields, step("a", 0, NULL));
    struct greenlet *b_ = spawn(yields, "b", 0, NULL), *c;
    int first, second;

    enough(a_ != NULL);
    first = hub_minimal_ident(a_);
    second = hub_minimal_ident(b_);
    say("main", "they differ by %d", second - first);
    join(a_);
    join(b_);
    greenlet_unref(a_);
    c = spawn(yields, "c", 0, NULL);
    say("main", "the first is used again: %s",
        yes(hub_minimal_ident(c) == first));
    join(c);
}

SCRIPT(names)
{
    struct greenlet *g = spawn(yields, "g", 0, NULL);
    char expected[32];

    snprintf(expected, sizeof expected, "Greenlet-%d", hub_minimal_ident(g));
    say("main", "by default: %s",
        yes(strcmp(hub_greenlet_name(g), expected) == 0));
    greenlet_set_name(g, "Alice");
    join(g);
    say("main", "%s", hub_greenlet_name(g));
}

static bool spawned_by(struct greenlet *g, const struct greenlet *by)
{
    struct greenlet *spawner = hub_spawner(g);
    bool is = spawner != NULL && spawner == by;

    if (spawner != NULL)
        greenlet_unref(spawner);
    return is;
}

BODY(inner)
{
    say("inner", "spawned by outer: %s",
        yes(spawned_by(greenlet_current(), s->object)));
    return 0;
}

BODY(outer)
{
    return join(spawn(inner, "inner", 0, greenlet_current()));
}

SCRIPT(who_spawned_whom)
{
    struct greenlet *g;

    hub_track_spawn_tree(true);
    g = spawn(outer, "outer", 0, NULL);
    join(g);
    say("main", "outer was spawned by main: %s",
        yes(spawned_by(g, greenlet_current())));
}

static void told(struct greenlet *g, void *data)
{
    (void)data;
    say("callback", "it runs already: %s", yes(greenlet_started(g)));
}

SCRIPT(told_of_each_spawn)
{
    struct greenlet *g;

    hub_add_spawn_callback(told, NULL);
    g = spawn_says("g", "runs");
    say("main", "has spawned");
    join(g);
    hub_remove_spawn_callback(told, NULL);
    join(spawn_says("h", "runs"));
}
