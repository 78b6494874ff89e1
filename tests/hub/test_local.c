/* Values that each greenlet has its own of. */
#include "sync.h"

static struct hub_local local;
static int made, destroyed;
static long sum_destroyed;

static int make(void *arg, void **value)
{
    ck_assert_ptr_eq(arg, &made);
    *value = POINTER(100 * __atomic_add_fetch(&made, 1, __ATOMIC_SEQ_CST));
    return 0;
}

static void destroy(void *value, void *arg)
{
    ck_assert_ptr_eq(arg, &made);
    __atomic_add_fetch(&destroyed, 1, __ATOMIC_SEQ_CST);
    __atomic_add_fetch(&sum_destroyed, NUMBER(value), __ATOMIC_SEQ_CST);
}

static void fresh_local(void)
{
    made = destroyed = 0;
    sum_destroyed = 0;
    ck_assert_int_eq(hub_local_init(&local, make, destroy, &made), 0);
}

static void gone(void)
{
    hub_local_destroy(&local);
    ck_assert_int_eq(destroyed, made);
}

static int mine(void)
{
    void *value = NULL;

    ck_assert_int_eq(hub_local_get(&local, &value), 0);
    return NUMBER(value);
}

static void uses(void *arg)
{
    *(int *)arg = mine();
    hub_yield();
    ck_assert_int_eq(*(int *)arg, mine());
}

START_TEST(each_greenlet_has_its_own_made_at_first_use)
{
    int a = 0, b = 0;
    struct greenlet *ga = hub_spawn_raw(uses, &a), *gb = hub_spawn_raw(uses, &b);

    ck_assert_int_eq(mine(), 100);
    ck_assert_int_eq(mine(), 100);
    hub_yield();
    ck_assert_int_eq(a, 200);
    ck_assert_int_eq(b, 300);
    ck_assert_int_eq(hub_local_count(&local), 3);
    finish(ga);
    finish(gb);
    ck_assert_int_eq(destroyed, 2);
    ck_assert_int_eq(sum_destroyed, 500);
    ck_assert_int_eq(hub_local_count(&local), 1);
}
END_TEST

START_TEST(it_is_destroyed_when_its_greenlet_ends_though_that_is_still_known)
{
    int a = 0;
    struct greenlet *g = hub_spawn_raw(uses, &a);

    ck_assert_int_eq(hub_join(g, HUB_FOREVER), 0);
    ck_assert_int_eq(destroyed, 1);
    greenlet_unref(g);
    ck_assert_int_eq(destroyed, 1);
}
END_TEST

static int raw_body(void *arg, void **result)
{
    (void)result;
    *(int *)arg = mine();
    greenlet_switch(greenlet_parent(greenlet_current()), NULL, NULL);
    return 0;
}

START_TEST(raw_greenlets_have_one_too_ended_or_killed)
{
    int value = 0;
    struct greenlet *g = greenlet_new(raw_body, NULL, 0);

    greenlet_switch(g, &value, NULL);
    ck_assert_int_eq(value, 100);
    ck_assert_int_eq(destroyed, 0);
    if (_i == 0)
        greenlet_switch(g, NULL, NULL);
    greenlet_unref(g); /* kills it, if it has not ended */
    ck_assert_int_eq(destroyed, 1);
}
END_TEST

static void looks_again(void *data)
{
    (void)data;
    note((char)('0' + mine() / 100));
}

static void defers_and_uses(void *arg)
{
    (void)arg;
    mine();
    greenlet_defer(looks_again, NULL);
}

static void killed_in_use(void *arg)
{
    mine();
    *(int *)arg = hub_sleep(HUB_SECOND);
}

START_TEST(cleanups_still_see_it)
{
    finish(hub_spawn_raw(defers_and_uses, NULL));
    ck_assert_str_eq(order, "1");
    ck_assert_int_eq(destroyed, 1);
}
END_TEST

START_TEST(a_kill_destroys_it)
{
    int rc = 1;
    struct greenlet *g = hub_spawn_raw(killed_in_use, &rc);

    hub_yield();
    hub_kill(g);
    finish(g);
    ck_assert_int_eq(destroyed, 1);
}
END_TEST

START_TEST(it_goes_with_the_local_from_all_greenlets)
{
    int a = 0, b = 0;
    struct greenlet *ga = hub_spawn_raw(uses, &a), *gb = hub_spawn_raw(uses, &b);

    mine();
    hub_yield();
    hub_local_destroy(&local);
    ck_assert_int_eq(destroyed, 3);
    hub_local_init(&local, make, destroy, &made);
    ck_assert_int_eq(hub_local_count(&local), 0);
    ck_assert_int_eq(mine(), 400); /* the same address is a new local */
    hub_local_set(&local, POINTER(1));
    a = b = 0;
    hub_kill(ga);
    hub_kill(gb);
    made = 0;
    destroyed = 0;
    a = 100;
    b = 200;
    finish(ga); /* they ask again, and are given new ones */
    finish(gb);
    ck_assert_int_eq(destroyed, 2);
    made++;
}
END_TEST

START_TEST(set_replaces_and_clear_ends_it)
{
    ck_assert_int_eq(hub_local_clear(&local), -ENOENT);
    ck_assert_int_eq(hub_local_set(&local, POINTER(5)), 0);
    ck_assert_int_eq(made, 0);
    ck_assert_int_eq(mine(), 5);
    ck_assert_int_eq(hub_local_set(&local, POINTER(6)), 0);
    ck_assert_int_eq(destroyed, 1);
    ck_assert_int_eq(sum_destroyed, 5);
    ck_assert_int_eq(hub_local_clear(&local), 0);
    ck_assert_int_eq(destroyed, 2);
    ck_assert_int_eq(mine(), 100);
    made += 2; /* set here */
}
END_TEST

static int cannot(void *arg, void **value)
{
    (void)arg;
    (void)value;
    return -EACCES;
}

START_TEST(mistakes_are_refused)
{
    struct hub_local other, plain;
    void *value = POINTER(1);

    hub_local_init(&other, cannot, NULL, NULL);
    ck_assert_int_eq(hub_local_get(&other, &value), -EACCES);
    ck_assert_int_eq(hub_local_count(&other), 0);
    hub_local_init(&plain, NULL, NULL, NULL);
    ck_assert_int_eq(hub_local_get(&plain, &value), 0);
    ck_assert_ptr_null(value);
    ck_assert_int_eq(hub_local_get(&plain, NULL), -EINVAL);
    ck_assert_int_eq(hub_local_get(NULL, &value), -EINVAL);
    ck_assert_int_eq(hub_local_set(NULL, NULL), -EINVAL);
    ck_assert_int_eq(hub_local_clear(NULL), -ENOENT);
    ck_assert_int_eq(hub_local_init(NULL, NULL, NULL, NULL), -EINVAL);
    hub_local_destroy(&plain);
    hub_local_destroy(&other);
}
END_TEST

/* ---- threads ---- */

static void *thread_uses(void *arg)
{
    *(int *)arg = mine();
    return NULL;
}

static void *hub_uses(void *arg)
{
    int other = 0;

    finish(hub_spawn_raw(uses, &other));
    ck_assert_int_gt(other, 0);
    *(int *)arg = mine();
    return NULL;
}

START_TEST(threads_and_other_hubs_have_their_own_which_ends_with_them)
{
    int a = 0, b = 0;
    pthread_t one, two;

    mine();
    one = thread(thread_uses, &a);
    two = thread(hub_uses, &b);
    pthread_join(one, NULL);
    pthread_join(two, NULL);
    ck_assert_int_ne(a, b);
    ck_assert_int_eq(made, 4);
    ck_assert_int_eq(destroyed, 3);
}
END_TEST

int main(void)
{
    TCase *tcase = sync_case();

    tcase_add_checked_fixture(tcase, fresh_local, gone);
    tcase_add_test(tcase, each_greenlet_has_its_own_made_at_first_use);
    tcase_add_test(
        tcase, it_is_destroyed_when_its_greenlet_ends_though_that_is_still_known);
    tcase_add_loop_test(tcase, raw_greenlets_have_one_too_ended_or_killed, 0, 2);
    tcase_add_test(tcase, cleanups_still_see_it);
    tcase_add_test(tcase, a_kill_destroys_it);
    tcase_add_test(tcase, it_goes_with_the_local_from_all_greenlets);
    tcase_add_test(tcase, set_replaces_and_clear_ends_it);
    tcase_add_test(tcase, mistakes_are_refused);
    tcase_add_test(tcase,
                   threads_and_other_hubs_have_their_own_which_ends_with_them);
    return unit_run("local", tcase);
}
