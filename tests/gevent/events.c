/* events.c - Event and AsyncResult */
#include "script.h"

static int await(const char *who, struct hub_event *e, int64_t ns)
{
    int rc = hub_event_wait(e, ns < 0 ? HUB_FOREVER : hub_deadline(ns));

    if (rc == 0 || (rc == -ETIMEDOUT && hub_canceled() == 0))
        say(who, "woken: %s", yes(rc == 0));
    return rc;
}

BODY(waits)
{
    int rc = await(s->who, s->object, s->n);

    return rc == -ETIMEDOUT ? 0 : rc;
}

static struct greenlet *spawn_waits(const char *who, struct hub_event *e)
{
    return spawn(waits, who, -1, e);
}

SCRIPT(event_wakes_all_in_order)
{
    static struct hub_event e;

    hub_event_init(&e);
    spawn_waits("a", &e);
    spawn_waits("b", &e);
    spawn_waits("c", &e);
    hub_sleep(0);
    hub_event_set(&e);
    say("main", "has set it");
    spawn_says("other", "runs");
    hub_sleep(0);
    say("main", "back");
}

SCRIPT(event_set_and_cleared_wakes_all)
{
    static struct hub_event e;

    hub_event_init(&e);
    spawn_waits("a", &e);
    spawn_waits("b", &e);
    hub_sleep(0);
    hub_event_set(&e);
    hub_event_clear(&e);
    say("main", "it is set: %s", yes(hub_event_is_set(&e)));
    hub_sleep(0);
    await("main", &e, T);
}

SCRIPT(event_wait_may_time_out)
{
    static struct hub_event e;
    struct greenlet *a, *b;

    hub_event_init(&e);
    a = spawn(waits, "a", T, &e);
    b = spawn_waits("b", &e);
    join(a);
    hub_event_set(&e);
    join(b);
}

SCRIPT(event_that_is_set_does_not_switch)
{
    static struct hub_event e;

    hub_event_init(&e);
    hub_event_set(&e);
    spawn_says("other", "runs");
    await("main", &e, -1);
    await("main", &e, 0);
    hub_sleep(0);
}

SCRIPT(event_newcomer_after_a_set)
{
    static struct hub_event e;

    hub_event_init(&e);
    spawn_waits("a", &e);
    spawn_waits("b", &e);
    hub_sleep(0);
    hub_event_set(&e);
    await("main", &e, -1);
    hub_sleep(0);
    say("main", "back");
}

BODY(waits_twice)
{
    await(s->who, s->object, -1);
    hub_event_clear(s->object);
    await(s->who, s->object, T);
    return 0;
}

SCRIPT(event_waiter_waits_again)
{
    static struct hub_event e;
    struct greenlet *both[2];

    hub_event_init(&e);
    both[0] = spawn(waits_twice, "a", 0, &e);
    both[1] = spawn_waits("b", &e);
    hub_sleep(0);
    hub_event_set(&e);
    join_all(both, 2);
}

SCRIPT(event_waiter_is_killed)
{
    static struct hub_event e;
    struct greenlet *some[3];

    hub_event_init(&e);
    some[0] = spawn_waits("a", &e);
    some[1] = spawn_waits("b", &e);
    some[2] = spawn_waits("c", &e);
    hub_sleep(0);
    hub_kill_join(some[1], HUB_FOREVER);
    hub_event_set(&e);
    join_all(some, 3);
    say("main", "joined");
}

struct pair {
    struct hub_event event;
    struct greenlet *victim;
};

BODY(waits_and_kills)
{
    struct pair *pair = s->object;

    await(s->who, &pair->event, -1);
    return hub_kill(pair->victim);
}

BODY(waits_and_sleeps)
{
    struct pair *pair = s->object;
    int rc = await(s->who, &pair->event, -1);

    if (rc == 0)
        attempt(s->who, hub_sleep(10 * HUB_SECOND));
    return rc;
}

SCRIPT(event_waiter_kills_the_next)
{
    static struct pair pair;

    hub_event_init(&pair.event);
    spawn(waits_and_kills, "a", 0, &pair);
    pair.victim = spawn(waits_and_sleeps, "b", 0, &pair);
    hub_sleep(0);
    hub_event_set(&pair.event);
    join(pair.victim);
}

SCRIPT(event_set_twice)
{
    static struct hub_event e;

    hub_event_init(&e);
    spawn_waits("a", &e);
    hub_sleep(0);
    hub_event_set(&e);
    hub_event_set(&e);
    hub_sleep(0);
    hub_event_clear(&e);
    await("main", &e, T);
}

SCRIPT(event_in_a_foreign_timeout)
{
    static struct hub_event e;
    struct hub_timeout timeout;

    hub_event_init(&e);
    enough(hub_timeout_begin(&timeout, hub_deadline(T)) == 0);
    attempt("main", await("main", &e, 5 * T));
    hub_timeout_end(&timeout);
}

static void told(struct hub_object object, void *who)
{
    (void)object;
    say(who, "told");
}

SCRIPT(event_links_and_waiters)
{
    static struct hub_event e;
    static struct hub_link link;

    hub_event_init(&e);
    hub_rawlink(&link, hub_event_object(&e), told, "link");
    spawn_waits("a", &e);
    hub_sleep(0);
    hub_event_set(&e);
    say("main", "has set it");
    hub_sleep(0);
}

/* ---- AsyncResult ---- */

static int take(const char *who, struct hub_async_result *box, int64_t ns)
{
    void *value = NULL;
    int rc = attempt(who, hub_async_result_get(
                              box, ns < 0 ? HUB_FOREVER : hub_deadline(ns),
                              &value));

    if (rc == 0)
        say(who, "%s", (char *)value);
    return rc;
}

BODY(gets)
{
    take(s->who, s->object, -1);
    return 0;
}

static struct greenlet *spawn_gets(const char *who,
                                   struct hub_async_result *box)
{
    return spawn(gets, who, 0, box);
}

SCRIPT(box_wakes_all_in_order)
{
    static struct hub_async_result box;

    hub_async_result_init(&box);
    spawn_gets("a", &box);
    spawn_gets("b", &box);
    spawn_gets("c", &box);
    hub_sleep(0);
    hub_async_result_set(&box, "value");
    say("main", "has set it");
    hub_sleep(0);
    take("main", &box, -1);
}

SCRIPT(box_with_an_error)
{
    static struct hub_async_result box;

    hub_async_result_init(&box);
    spawn_gets("a", &box);
    hub_sleep(0);
    hub_async_result_set_exception(&box, &lost);
    take("main", &box, -1);
    say("main", "successful: %s", yes(hub_async_result_successful(&box)));
    hub_sleep(0);
}

static void says_whether_waited(struct hub_async_result *box)
{
    say("main", "waited: %s",
        yes(hub_async_result_wait(box, hub_deadline(T)) == 0));
}

SCRIPT(box_get_and_wait_time_out)
{
    static struct hub_async_result box;

    hub_async_result_init(&box);
    take("main", &box, T);
    say("main", "ready: %s", yes(hub_async_result_ready(&box)));
    says_whether_waited(&box);
    hub_async_result_set(&box, "value");
    says_whether_waited(&box);
}

SCRIPT(box_set_twice)
{
    static struct hub_async_result box;

    hub_async_result_init(&box);
    hub_async_result_set(&box, "first");
    take("main", &box, -1);
    hub_async_result_set(&box, "second");
    take("main", &box, -1);
}

SCRIPT(box_error_then_value)
{
    static struct hub_async_result box;

    hub_async_result_init(&box);
    hub_async_result_set_exception(&box, &lost);
    take("main", &box, -1);
    hub_async_result_set(&box, "value");
    take("main", &box, -1);
}

BODY(returns_value)
{
    *result = "value";
    return 0;
}

SCRIPT(box_linked_to_a_greenlet)
{
    static struct hub_async_result good, bad;
    static struct hub_link links[2];

    hub_async_result_init(&good);
    hub_async_result_init(&bad);
    hub_rawlink(&links[0],
                hub_greenlet_object(spawn(returns_value, "good", 0, NULL)),
                hub_async_result_link, &good);
    hub_rawlink(&links[1], hub_greenlet_object(spawn_fails("g")),
                hub_async_result_link, &bad);
    take("main", &good, -1);
    take("main", &bad, -1);
    hub_async_result_destroy(&good);
    hub_async_result_destroy(&bad);
}

SCRIPT(box_that_is_ready_does_not_switch)
{
    static struct hub_async_result box;
    void *value = NULL;

    hub_async_result_init(&box);
    hub_async_result_set(&box, "value");
    spawn_says("other", "runs");
    take("main", &box, -1);
    hub_async_result_try_get(&box, &value);
    say("main", "without waiting: %s", (char *)value);
    hub_sleep(0);
}

SCRIPT(box_getter_is_killed)
{
    static struct hub_async_result box;
    struct greenlet *a, *b;

    hub_async_result_init(&box);
    a = spawn_gets("a", &box);
    b = spawn_gets("b", &box);
    hub_sleep(0);
    hub_kill_join(a, HUB_FOREVER);
    hub_async_result_set(&box, "value");
    join(b);
}
