/* By whom greenlets were spawned, and who is told that they are. */
#include "order.h"

static struct greenlet *child;

static int ends(void *arg, void **result)
{
    *result = arg;
    return 0;
}

static int spawns(void *arg, void **result)
{
    (void)result;
    child = hub_spawn(arg != NULL ? spawns : ends, NULL);
    return 0;
}

START_TEST(nothing_is_noted_unless_it_is_switched_on)
{
    struct greenlet *g = hub_spawn(ends, NULL);
    void *frames[10];

    ck_assert_ptr_null(hub_spawner(g));
    ck_assert_int_eq(hub_spawn_stack(g, frames, 10), 0);
    ck_assert_int_eq(hub_tree_set(g, order, order, NULL), -ENODATA);
    ck_assert_ptr_null(hub_tree_get(g, order));
    hub_join(g, HUB_FOREVER);
    greenlet_unref(g);
}
END_TEST

START_TEST(the_spawner_is_known_and_not_kept)
{
    struct greenlet *g, *spawner;

    ck_assert_int_eq(hub_track_spawn_tree(true), 0);
    g = hub_spawn(spawns, NULL);
    spawner = hub_spawner(g);
    ck_assert_ptr_eq(spawner, greenlet_current());
    greenlet_unref(spawner);
    hub_join(g, HUB_FOREVER);
    spawner = hub_spawner(child);
    ck_assert_ptr_eq(spawner, g);
    greenlet_unref(spawner);
    greenlet_unref(g);
    hub_join(child, HUB_FOREVER);
    ck_assert_ptr_null(hub_spawner(child));
    greenlet_unref(child);
    ck_assert_int_eq(hub_track_spawn_tree(false), 1);
}
END_TEST

static __attribute__((noinline)) struct greenlet *deep(int depth)
{
    struct greenlet *g = depth > 0 ? deep(depth - 1) : hub_spawn(ends, NULL);

    __asm__ volatile("" ::: "memory"); /* no tail call */
    return g;
}

START_TEST(the_stack_of_the_spawner_is_kept)
{
    void *frames[16] = { NULL };
    struct greenlet *g;

    hub_track_spawn_tree(true);
    g = deep(20);
    hub_track_spawn_tree(false);
    ck_assert_int_eq(hub_spawn_stack(g, frames, 16), 10);
    for (int i = 0; i < 10; i++) /* deep() again and again, unrolled or not */
        ck_assert_uint_lt((uintptr_t)frames[i] - (uintptr_t)deep, 1000);
    ck_assert_int_eq(hub_spawn_stack(g, frames, 3), 3);
    hub_join(g, HUB_FOREVER);
    greenlet_unref(g);
}
END_TEST

static int dropped;

static void drop(void *value)
{
    (void)value;
    dropped++;
}

START_TEST(a_tree_shares_values)
{
    struct greenlet *g, *other;

    dropped = 0;
    hub_track_spawn_tree(true);
    g = hub_spawn(spawns, NULL);
    other = hub_spawn(ends, NULL);
    ck_assert_int_eq(hub_tree_set(g, order, "old", drop), 0);
    hub_join(g, HUB_FOREVER);
    hub_join(child, HUB_FOREVER);
    ck_assert_str_eq(hub_tree_get(child, order), "old");
    ck_assert_ptr_null(hub_tree_get(other, order));
    ck_assert_int_eq(hub_tree_set(child, order, "new", drop), 0);
    ck_assert_int_eq(dropped, 1);
    ck_assert_str_eq(hub_tree_get(g, order), "new");
    hub_drain(HUB_FOREVER);
    greenlet_unref(g);
    greenlet_unref(other);
    ck_assert_int_eq(dropped, 1);
    greenlet_unref(child);
    ck_assert_int_eq(dropped, 2);
    hub_track_spawn_tree(false);
}
END_TEST

static int respawns(void *arg, void **result)
{
    int *left = arg;

    (void)result;
    if (--*left > 0)
        greenlet_unref(hub_spawn(respawns, left));
    return 0;
}

START_TEST(a_long_chain_leaves_nothing_behind)
{
    int left = 10000;

    hub_track_spawn_tree(true);
    greenlet_unref(hub_spawn(respawns, &left));
    hub_drain(HUB_FOREVER);
    ck_assert_int_eq(left, 0);
    hub_track_spawn_tree(false);
}
END_TEST

static void spawned(struct greenlet *g, void *data)
{
    ck_assert(!greenlet_dead(g));
    note(*(const char *)data);
}

static void removes_itself(struct greenlet *g, void *data)
{
    (void)g;
    note('r');
    ck_assert_int_eq(hub_remove_spawn_callback(removes_itself, data), 0);
}

START_TEST(functions_are_told_of_each_that_is_started)
{
    struct greenlet *g;

    ck_assert_int_eq(hub_add_spawn_callback(spawned, "a"), 0);
    ck_assert_int_eq(hub_add_spawn_callback(removes_itself, NULL), 0);
    ck_assert_int_eq(hub_add_spawn_callback(spawned, "b"), 0);
    ck_assert_int_eq(hub_add_spawn_callback(spawned, "a"), 0);
    greenlet_unref(hub_spawn(ends, NULL));
    ck_assert_str_eq(order, "arb");
    g = hub_greenlet_new(ends, NULL, 0);
    ck_assert_str_eq(order, "arb"); /* not yet */
    hub_start(g);
    ck_assert_str_eq(order, "arbab");
    hub_start(g);
    greenlet_unref(g);
    g = hub_spawn_later(MS, ends, NULL);
    ck_assert_str_eq(order, "arbabab");
    hub_join(g, HUB_FOREVER);
    greenlet_unref(g);
    ck_assert_int_eq(hub_remove_spawn_callback(spawned, "a"), 0);
    ck_assert_int_eq(hub_remove_spawn_callback(spawned, "a"), -ENOENT);
    ck_assert_int_eq(hub_remove_spawn_callback(spawned, "b"), 0);
    greenlet_unref(hub_spawn(ends, NULL));
    hub_drain(HUB_FOREVER);
    ck_assert_str_eq(order, "arbabab");
    ck_assert_int_eq(hub_add_spawn_callback(NULL, NULL), -EINVAL);
}
END_TEST

int main(void)
{
    TCase *tcase = order_case();

    tcase_add_test(tcase, nothing_is_noted_unless_it_is_switched_on);
    tcase_add_test(tcase, the_spawner_is_known_and_not_kept);
    tcase_add_test(tcase, the_stack_of_the_spawner_is_kept);
    tcase_add_test(tcase, a_tree_shares_values);
    tcase_add_test(tcase, a_long_chain_leaves_nothing_behind);
    tcase_add_test(tcase, functions_are_told_of_each_that_is_started);
    return unit_run("tree", tcase);
}
