/* pools.c - Group, Pool, map and imap */
#include "script.h"

static struct hub_group *new_pool(size_t size)
{
    struct hub_group *p = hub_pool_new(size);

    enough(p != NULL);
    return p;
}

static struct hub_group *new_group(void)
{
    struct hub_group *group = hub_group_new();

    enough(group != NULL);
    return group;
}

BODY(works)
{
    say(s->who, "begins");
    for (int64_t i = 0; i < s->n; i++)
        hub_sleep(0);
    say(s->who, "ends");
    return 0;
}

static void pool_works(struct hub_group *p, const char *who, int64_t hops)
{
    hub_group_spawn(p, works, step(who, hops, NULL), HUB_FOREVER, NULL);
}

static void pool_join(struct hub_group *p)
{
    hub_group_join(p, HUB_FOREVER, 0);
}

SCRIPT(pool_spawn_waits_while_full)
{
    static const char *const names[] = { "a", "b", "c" };
    struct hub_group *p = new_pool(2);

    for (int i = 0; i < 3; i++) {
        pool_works(p, names[i], 1);
        say("main", "has spawned %s", names[i]);
    }
    pool_join(p);
    say("main", "joined");
    hub_group_free(p);
}

static void says_free(struct hub_group *p)
{
    say("main", "free: %d, full: %s", (int)hub_group_free_count(p),
        yes(hub_group_full(p)));
}

SCRIPT(pool_counts_its_places)
{
    struct hub_group *p = new_pool(2);

    say("main", "free: %d", (int)hub_group_free_count(p));
    pool_works(p, "a", 1);
    says_free(p);
    pool_works(p, "b", 1);
    says_free(p);
    pool_join(p);
    say("main", "free: %d", (int)hub_group_free_count(p));
    hub_group_free(p);
}

static void says_whether_full(int rc)
{
    say("main", "%s", rc == -EAGAIN || rc == -ETIMEDOUT ? "full" : word(rc));
}

SCRIPT(pool_add_may_time_out)
{
    struct hub_group *p = new_pool(1);
    struct greenlet *a, *b = unstarted("b", "runs");

    enough(hub_group_spawn(p, naps, step("a", 3 * T, NULL), HUB_FOREVER, &a) ==
           0);
    keep(a);
    says_whether_full(hub_group_add(p, b, hub_deadline(T)));
    says_whether_full(hub_group_add(p, b, hub_now()));
    join(a);
    hub_group_add(p, b, HUB_FOREVER);
    hub_start(b);
    pool_join(p);
    hub_group_free(p);
}

BODY(asks)
{
    pool_works(s->object, s->who, 1);
    say(s->who, "has a place");
    return 0;
}

SCRIPT(pool_waiters_get_places_in_order)
{
    struct hub_group *p = new_pool(1);

    pool_works(p, "first", 1);
    spawn(asks, "a", 0, p);
    spawn(asks, "b", 0, p);
    spawn(asks, "c", 0, p);
    drain();
    hub_group_free(p);
}

BODY(sleeps_until_killed)
{
    int rc = hub_sleep(10 * HUB_SECOND);

    say(s->who, "killed");
    return rc;
}

static void says_size(struct hub_group *p)
{
    say("main", "size: %d", (int)hub_group_count(p));
}

SCRIPT(pool_kill_ends_all)
{
    struct hub_group *p = new_pool(3);

    for (int i = 0; i < 2; i++)
        hub_group_spawn(p, sleeps_until_killed, step("worker", 0, NULL),
                        HUB_FOREVER, NULL);
    hub_sleep(0);
    pool_works(p, "c", 0);
    hub_group_kill(p, NULL, HUB_FOREVER);
    says_size(p);
    hub_group_free(p);
}

BODY(runs_and_returns)
{
    say(s->who, "runs");
    *result = "value";
    return 0;
}

SCRIPT(pool_apply_waits_for_the_result)
{
    struct hub_group *p = new_pool(1);
    void *value = NULL;

    pool_works(p, "a", 2);
    hub_group_apply(p, runs_and_returns, step("b", 0, NULL), HUB_FOREVER,
                    &value);
    say("main", "%s", (char *)value);
    quiet();
    attempt("main", hub_group_apply(p, fails, step("c", 0, NULL), HUB_FOREVER,
                                    NULL));
    hub_group_free(p);
}

BODY(applies)
{
    void *value = NULL;

    hub_group_apply(s->object, runs_and_returns, step("inner", 0, NULL),
                    HUB_FOREVER, &value);
    say("outer", "got %s", value != NULL ? (char *)value : "nothing");
    return 0;
}

SCRIPT(pool_apply_inside_its_own)
{
    struct hub_group *p = new_pool(1);

    hub_group_spawn(p, applies, step("outer", 0, p), HUB_FOREVER, NULL);
    pool_join(p);
    hub_group_free(p);
}

SCRIPT(group_join_waits_for_all)
{
    struct hub_group *group = new_group();

    hub_group_spawn(group, naps, step("a", 3 * T, NULL), HUB_FOREVER, NULL);
    hub_group_spawn(group, naps, step("b", T, NULL), HUB_FOREVER, NULL);
    hub_group_add(group, spawn_naps("c", 2 * T), HUB_FOREVER);
    says_size(group);
    pool_join(group);
    says_size(group);
    hub_group_free(group);
}

SCRIPT(group_join_may_time_out)
{
    struct hub_group *group = new_group();

    hub_group_spawn(group, naps, step("a", T, NULL), HUB_FOREVER, NULL);
    hub_group_spawn(group, naps, step("b", 10 * HUB_SECOND, NULL), HUB_FOREVER,
                    NULL);
    hub_group_join(group, hub_deadline(3 * T), 0);
    says_size(group);
    hub_group_kill(group, NULL, HUB_FOREVER);
    says_size(group);
    hub_group_free(group);
}

SCRIPT(group_join_raises_a_failure)
{
    struct hub_group *group = new_group();

    hub_group_spawn(group, fails, step("a", 0, NULL), HUB_FOREVER, NULL);
    hub_group_spawn(group, naps, step("b", T, NULL), HUB_FOREVER, NULL);
    attempt("main", hub_group_join(group, HUB_FOREVER, HUB_JOIN_RAISE));
    hub_group_free(group);
}

SCRIPT(group_discard)
{
    struct hub_group *group = new_group();
    struct greenlet *g;

    enough(hub_group_spawn(group, naps, step("a", T, NULL), HUB_FOREVER, &g) ==
           0);
    keep(g);
    hub_group_discard(group, g);
    says_size(group);
    pool_join(group);
    say("main", "joined");
    join(g);
    hub_group_free(group);
}

/* ---- map, imap: items are numbers ---- */

static int squares(void *item, void **result)
{
    intptr_t n = (intptr_t)item;

    say("worker", "takes %d", (int)n);
    for (intptr_t i = 0; i < n; i++)
        hub_sleep(0);
    if (n == 2)
        return greenlet_raise(&lost);
    *result = (void *)(n * n);
    return 0;
}

static int map(const intptr_t *items, size_t n, void **results)
{
    struct hub_group *p = new_pool(2);
    int rc = hub_group_map(p, squares, (void *const *)(const void *)items, n,
                           HUB_FOREVER, results, NULL);

    hub_group_free(p);
    return rc;
}

SCRIPT(pool_map_in_the_order_of_arguments)
{
    static const intptr_t items[] = { 5, 1, 3 };
    void *results[3];

    if (map(items, 3, results) == 0)
        say("main", "%d %d %d", (int)(intptr_t)results[0],
            (int)(intptr_t)results[1], (int)(intptr_t)results[2]);
}

SCRIPT(pool_map_raises)
{
    static const intptr_t items[] = { 1, 2, 3 };
    void *results[3];

    quiet();
    attempt("main", map(items, 3, results));
}

struct source {
    const intptr_t *next;
    size_t left;
    bool fails; /* at its end */
};

static int take_next(void *data, void **item)
{
    struct source *source = data;

    if (source->left > 0) {
        source->left--;
        *item = (void *)*source->next++;
        return 1;
    }
    if (!source->fails)
        return 0;
    for (int i = 0; i < 6; i++)
        hub_sleep(0);
    return fail("source");
}

static struct hub_imap *new_imap(struct hub_group *group,
                                 const struct hub_imap_options *options)
{
    struct hub_imap *results = hub_group_imap(group, options);

    enough(results != NULL);
    return results;
}

static struct hub_imap *imap(struct hub_group *group, struct source *source,
                             bool unordered)
{
    const struct hub_imap_options options = { .run = squares,
                                              .next = take_next,
                                              .data = source,
                                              .unordered = unordered };

    return new_imap(group, &options);
}

static void consume(struct hub_imap *results)
{
    void *result;
    int rc;

    while ((rc = hub_imap_next(results, HUB_FOREVER, &result)) != 0) {
        if (rc == 1)
            say("main", "got %d", (int)(intptr_t)result);
        else
            say("main", "%s", word(rc));
        if (rc < 0 && !hub_imap_failed(results))
            break;
    }
    hub_imap_free(results);
}

static void imap_in_a_pool(size_t places, const intptr_t *items, size_t n,
                           bool unordered)
{
    struct hub_group *p = new_pool(places);
    struct source source = { items, n, false };

    consume(imap(p, &source, unordered));
    hub_group_free(p);
}

SCRIPT(pool_imap_in_the_order_of_arguments)
{
    static const intptr_t items[] = { 5, 1, 3, 0 };

    imap_in_a_pool(2, items, 4, false);
}

SCRIPT(pool_imap_raises_when_reached)
{
    static const intptr_t items[] = { 3, 2, 1 };

    quiet();
    imap_in_a_pool(3, items, 3, false);
}

static int begun;

static int counts(void *item, void **result)
{
    begun++;
    *result = item;
    return 0;
}

SCRIPT(pool_imap_bounds_unread_results)
{
    static const intptr_t items[] = { 5, 4, 3, 1, 0 };
    struct source source = { items, 5, false };
    const struct hub_imap_options options = {
        .run = counts, .next = take_next, .data = &source, .maxsize = 2
    };
    struct hub_group *group = new_group();
    struct hub_imap *results = new_imap(group, &options);

    hub_sleep(T);
    say("main", "have begun: %d", begun);
    consume(results);
    say("main", "have begun: %d", begun);
    hub_group_free(group);
}

SCRIPT(imap_unordered_in_the_order_of_ends)
{
    static const intptr_t items[] = { 15, 1, 5, 0 };

    imap_in_a_pool(3, items, 4, true);
}

SCRIPT(imap_unordered_delivers_failures)
{
    static const intptr_t items[] = { 4, 2, 1 };

    quiet();
    imap_in_a_pool(3, items, 3, true);
}

SCRIPT(imap_unordered_source_fails)
{
    static const intptr_t items[] = { 1 };
    struct source source = { items, 1, true };
    struct hub_group *group = new_group();
    struct hub_imap *results;
    void *result;

    quiet();
    results = imap(group, &source, true);
    if (hub_imap_next(results, HUB_FOREVER, &result) == 1)
        say("main", "got %d", (int)(intptr_t)result);
    attempt("main", hub_imap_next(results, HUB_FOREVER, &result));
    hub_imap_free(results);
    hub_group_free(group);
}
