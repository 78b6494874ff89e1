/* Pools of connections: bounded, fair, and no place is ever lost. */
#include "pooled.h"

#include "context/testhook.h"

static struct user a, b;

START_TEST(absurd_options_are_refused)
{
    struct hub_connpool_options good = { .size = 1, .open = open_it,
                                         .close = close_it };
    struct hub_connpool_options bad[7];

    for (int i = 0; i < 7; i++)
        bad[i] = good;
    bad[0].size = 0;
    bad[1].size = HUB_CONNPOOL_MAX + 1;
    bad[2].open = NULL;
    bad[3].close = NULL;
    bad[4].check_after = -1;
    bad[5].max_idle = -1;
    bad[6].max_lifetime = -1;
    for (int i = 0; i < 7; i++)
        ck_assert_int_eq(hub_connpool_new(&bad[i], &pool), -EINVAL);
    ck_assert_int_eq(hub_connpool_new(NULL, &pool), -EINVAL);
    ck_assert_int_eq(hub_connpool_new(&good, NULL), -EINVAL);
    ck_assert_int_eq(hub_connpool_take(NULL, 0, NULL), -EINVAL);
    ck_assert_int_eq(hub_connpool_give(NULL, &bad, false), -EINVAL);
    ck_assert_int_eq(hub_connpool_fill(NULL, 1, 0), -EINVAL);
    ck_assert_int_eq(hub_connpool_sweep(NULL), -EINVAL);
    ck_assert_int_eq(hub_connpool_close(NULL, 0), -EINVAL);
    ck_assert_int_eq(hub_connpool_stats(NULL, NULL), -EINVAL);
    ck_assert_int_eq(hub_connpool_free(NULL), 0);
}
END_TEST

START_TEST(what_came_back_last_is_taken_first)
{
    struct conn *one, *two;

    make_pool(2);
    one = taken();
    two = taken();
    ck_assert_int_eq(stats().taken, 2);
    given(one);
    given(two);
    ck_assert_int_eq(stats().idle, 2);
    ck_assert_ptr_eq(taken(), two);
    ck_assert_ptr_eq(taken(), one);
    given(two);
    given(one);
    ck_assert_int_eq(driver.opens, 2);
    drop_pool();
}
END_TEST

START_TEST(who_waits_is_served_in_order_and_nobody_overtakes)
{
    struct conn *conn;
    void *none = NULL;

    make_pool(1);
    conn = taken();
    enter(&a, 'a');
    enter(&b, 'b');
    a.has_it = b.has_it = 5 * MS;
    hub_yield();
    ck_assert_uint_eq(stats().waiting, 2);
    given(conn); /* a has it, though it has not run */
    ck_assert_uint_eq(stats().idle, 0);
    ck_assert_int_eq(hub_connpool_take(pool, hub_now(), &none), -ETIMEDOUT);
    finish(a.g);
    finish(b.g);
    ck_assert_str_eq(order, "ab");
    ck_assert_int_eq(b.number, 1);
    drop_pool();
}
END_TEST

START_TEST(there_are_never_more_than_its_size)
{
    struct user all[20];

    make_pool(3);
    driver.open_ns = MS;
    for (int i = 0; i < 20; i++) {
        enter(&all[i], 'x');
        all[i].has_it = MS;
    }
    for (int i = 0; i < 20; i++) {
        finish(all[i].g);
        ck_assert_int_eq(all[i].rc, 0);
        ck_assert_int_le(driver.alive, 3);
    }
    ck_assert_int_eq(driver.opens, 3);
    drop_pool();
}
END_TEST

START_TEST(a_wait_ends_at_its_deadline)
{
    struct conn *conn;
    void *none = NULL;

    make_pool(1);
    conn = taken();
    ck_assert_int_eq(hub_connpool_take(pool, hub_deadline(MS), &none),
                     -ETIMEDOUT);
    ck_assert_ptr_null(none);
    ck_assert_uint_eq(stats().timed_out, 1);
    ck_assert_uint_eq(stats().waiting, 0);
    given(conn);
    drop_pool();
}
END_TEST

START_TEST(too_many_may_not_wait)
{
    struct conn *conn;
    void *none;

    options.max_waiting = 1;
    make_pool(1);
    conn = taken();
    enter(&a, 'a');
    hub_yield();
    ck_assert_int_eq(hub_connpool_take(pool, HUB_FOREVER, &none), -EAGAIN);
    given(conn);
    finish(a.g);
    ck_assert_int_eq(a.rc, 0);
    drop_pool();
}
END_TEST

/* ---- opening ---- */

START_TEST(open_that_fails_loses_no_place)
{
    void *conn;

    make_pool(1);
    driver.open_rc = -ECONNREFUSED;
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(hub_connpool_take(pool, HUB_FOREVER, &conn),
                         -ECONNREFUSED);
    driver.open_rc = 0;
    driver.open_null = true;
    ck_assert_int_eq(hub_connpool_take(pool, HUB_FOREVER, &conn), -ENOMEM);
    ck_assert_uint_eq(stats().failed, 4);
    ck_assert_uint_eq(stats().open, 0);
    drop_pool();
}
END_TEST

static int fails_once(void **conn, void *arg)
{
    int rc = driver.open_rc;

    hub_sleep(MS);
    driver.open_rc = 0;
    return rc < 0 ? rc : open_it(conn, arg);
}

START_TEST(open_that_fails_wakes_who_waits)
{
    make_pool(1);
    hub_connpool_free(pool);
    options.open = fails_once;
    ck_assert_int_eq(hub_connpool_new(&options, &pool), 0);
    driver.open_rc = -ECONNREFUSED;
    enter(&a, 'a');
    enter(&b, 'b');
    finish(a.g);
    finish(b.g);
    ck_assert_int_eq(a.rc, -ECONNREFUSED);
    ck_assert_int_eq(b.rc, 0);
    drop_pool();
}
END_TEST

START_TEST(the_deadline_ends_open_and_check)
{
    void *conn;

    make_pool(1);
    driver.open_ns = 20 * HUB_SECOND;
    ck_assert_int_eq(hub_connpool_take(pool, hub_deadline(MS), &conn),
                     -ETIMEDOUT); /* though the driver says -EIO */
    hub_connpool_free(pool);
    driver.open_ns = 0;
    options.check = check_it;
    make_pool(1);
    given(taken());
    driver.check_ns = 20 * HUB_SECOND;
    ck_assert_int_eq(hub_connpool_take(pool, hub_deadline(MS), &conn),
                     -ETIMEDOUT);
    ck_assert_int_eq(driver.closes, 1); /* half an answer may still come */
    drop_pool();
}
END_TEST

START_TEST(filling_opens_as_many_as_asked_for)
{
    struct conn *conn;

    make_pool(4);
    ck_assert_int_eq(hub_connpool_fill(pool, 2, HUB_FOREVER), 0);
    ck_assert_uint_eq(stats().idle, 2);
    conn = taken();
    ck_assert_int_eq(hub_connpool_fill(pool, 2, HUB_FOREVER), 0);
    ck_assert_int_eq(driver.opens, 2);
    ck_assert_int_eq(hub_connpool_fill(pool, 100, HUB_FOREVER), 0);
    ck_assert_int_eq(driver.opens, 4);
    given(conn);
    hub_connpool_close(pool, HUB_FOREVER);
    ck_assert_int_eq(hub_connpool_fill(pool, 1, HUB_FOREVER), -ESHUTDOWN);
    ck_assert_int_eq(hub_connpool_free(pool), 0);
    make_pool(2);
    driver.open_rc = -ECONNREFUSED;
    ck_assert_int_eq(hub_connpool_fill(pool, 2, HUB_FOREVER), -ECONNREFUSED);
    drop_pool();
}
END_TEST

/* ---- health ---- */

START_TEST(a_dead_one_is_replaced)
{
    struct conn *conn;

    options.check = check_it;
    make_pool(1);
    conn = taken();
    ck_assert_int_eq(driver.checks, 0); /* it is new */
    conn->dead = true;
    given(conn);
    conn = taken();
    ck_assert_int_eq(conn->number, 2);
    ck_assert_int_eq(driver.checks, 1);
    ck_assert_int_eq(driver.closes, 1);
    given(conn);
    ck_assert_ptr_eq(taken(), conn);
    given(conn);
    ck_assert_int_eq(driver.checks, 2);
    drop_pool();
}
END_TEST

START_TEST(only_those_that_idled_are_checked)
{
    struct conn *conn;

    options.check = check_it;
    options.check_after = 3600 * HUB_SECOND;
    make_pool(1);
    given(taken());
    given(taken());
    ck_assert_int_eq(driver.checks, 0);
    drop_pool();
    options.check_after = 0;
    make_pool(1);
    conn = taken();
    enter(&a, 'a');
    hub_yield();
    given(conn); /* from hand to hand */
    finish(a.g);
    ck_assert_int_eq(driver.checks, 0);
    drop_pool();
}
END_TEST

START_TEST(broken_and_dirty_ones_are_closed)
{
    struct conn *conn;

    options.reset = reset_it;
    make_pool(1);
    conn = taken();
    ck_assert_int_eq(hub_connpool_give(pool, conn, true), 0);
    ck_assert_int_eq(driver.resets, 0);
    ck_assert_int_eq(driver.closes, 1);
    conn = taken();
    conn->dirty = true;
    enter(&a, 'a');
    hub_yield();
    given(conn);
    finish(a.g);
    ck_assert_int_eq(a.number, 3); /* not the dirty one */
    ck_assert_int_eq(driver.closes, 2);
    drop_pool();
}
END_TEST

START_TEST(idle_and_old_ones_are_closed)
{
    struct conn *one, *two;

    options.max_idle = _i == 0 ? MS : 0;
    options.max_lifetime = _i == 1 ? MS : 0;
    make_pool(2);
    one = taken();
    two = taken();
    given(one);
    given(two);
    hub_sleep(5 * MS);
    one = taken();
    ck_assert_int_eq(one->number, 3); /* two was too old */
    ck_assert_int_eq(hub_connpool_sweep(pool), 1);
    ck_assert_int_eq(driver.closes, 2);
    ck_assert_uint_eq(stats().open, 1);
    given(one);
    drop_pool();
}
END_TEST

START_TEST(give_closes_one_that_idled)
{
    struct conn *one, *two;

    options.max_idle = 50 * MS;
    make_pool(2);
    one = taken();
    two = taken();
    given(one);
    hub_sleep(60 * MS);
    given(two);
    ck_assert_uint_eq(stats().closed, 1);
    drop_pool();
}
END_TEST

/* ---- whose it is ---- */

START_TEST(giving_what_was_not_taken_is_refused)
{
    struct conn *conn;

    make_pool(1);
    conn = taken();
    ck_assert_int_eq(hub_connpool_give(pool, &conn, false), -ENOENT);
    ck_assert_int_eq(hub_connpool_give(pool, NULL, false), -EINVAL);
    given(conn);
    ck_assert_int_eq(hub_connpool_give(pool, conn, false), -ENOENT);
    drop_pool();
}
END_TEST

START_TEST(who_ends_without_giving_loses_it_to_the_next)
{
    make_pool(1);
    enter(&a, 'a');
    a.gives = false;
    enter(&b, 'b');
    finish(a.g);
    finish(b.g);
    ck_assert_int_eq(a.number, 1);
    ck_assert_int_eq(b.number, 2);
    ck_assert_uint_eq(stats().lost, 1);
    ck_assert_uint_eq(stats().closed, 1);
    drop_pool();
}
END_TEST

static struct conn *kept;

static void takes_for_another(void *arg)
{
    (void)arg;
    kept = taken();
    hub_sleep(5 * MS);
}

/* Also when the pool is gone before the greenlet that took it. */
START_TEST(another_may_give_it_back)
{
    struct greenlet *g;

    make_pool(1);
    g = hub_spawn_raw(takes_for_another, NULL);
    hub_yield();
    given(kept);
    ck_assert_ptr_eq(taken(), kept);
    if (_i == 0) {
        finish(g);
        ck_assert_uint_eq(stats().lost, 0);
        given(kept);
        drop_pool();
    } else {
        given(kept);
        drop_pool();
        finish(g);
    }
}
END_TEST

static void defers(void *arg)
{
    const void *since = greenlet_deferred();

    (void)arg;
    taken();
    greenlet_run_deferred(since); /* as an abort out of a view does */
    ck_assert_uint_eq(stats().lost, 1);
    given(taken());
}

START_TEST(it_comes_back_with_what_is_deferred)
{
    make_pool(1);
    finish(hub_spawn_raw(defers, NULL));
    ck_assert_uint_eq(stats().lost, 1);
    drop_pool();
}
END_TEST

static void *takes_plainly(void *arg)
{
    (void)arg;
    kept = taken();
    return NULL;
}

START_TEST(threads_without_a_hub_take_and_give)
{
    pthread_t made;

    make_pool(1);
    made = thread(takes_plainly, NULL);
    pthread_join(made, NULL);
    ck_assert_uint_eq(stats().taken, 1); /* it is not tied to that */
    given(kept);
    drop_pool();
}
END_TEST

/* ---- others ---- */

static void gives_kept(void *arg)
{
    (void)arg;
    given(kept);
}

START_TEST(it_can_be_waited_for_as_an_object)
{
    struct hub_object object;
    struct conn *conn;

    make_pool(1);
    object = hub_connpool_object(pool);
    ck_assert(hub_object_ready(object)); /* one can be opened */
    conn = taken();
    ck_assert(!hub_object_ready(object));
    kept = conn;
    hub_call_soon(gives_kept, NULL);
    ck_assert_int_eq(hub_wait(&object, 1, HUB_FOREVER, 0, NULL), 1);
    ck_assert(hub_object_ready(object));
    conn = taken();
    hub_connpool_close(pool, hub_now());
    ck_assert(hub_object_ready(object)); /* nothing to wait for */
    given(conn);
    ck_assert_int_eq(hub_connpool_free(pool), 0);
}
END_TEST

static void takes_in_loop(void *arg)
{
    void *conn;
    int *rc = arg;

    rc[0] = hub_connpool_take(pool, HUB_FOREVER, &conn);
    rc[1] = hub_connpool_take(pool, HUB_FOREVER, &conn);
    rc[2] = rc[0] == 0 ? hub_connpool_give(pool, conn, false) : 1;
}

START_TEST(a_callback_takes_what_is_there)
{
    int rc[3] = { 1, 1, 1 };

    make_pool(1);
    given(taken());
    hub_call_soon(takes_in_loop, rc);
    settle();
    ck_assert_int_eq(rc[0], 0);
    ck_assert_int_eq(rc[1], -EDEADLK);
    ck_assert_int_eq(rc[2], 0);
    drop_pool();
}
END_TEST

static int scene(void)
{
    void *conn;
    int rc = hub_connpool_new(&options, &pool);

    if (rc < 0)
        return rc;
    rc = hub_connpool_fill(pool, 1, HUB_FOREVER);
    if (rc == 0)
        rc = hub_connpool_take(pool, hub_deadline(HUB_SECOND), &conn);
    if (rc == 0)
        given(conn);
    ck_assert_int_eq(hub_connpool_close(pool, HUB_FOREVER), 0);
    ck_assert_int_eq(hub_connpool_free(pool), 0);
    return rc;
}

static int scene_rc;
static long seen;

static void plays(void *arg)
{
    greenlet_test_fail(GREENLET_TEST_ALLOCATION, NUMBER(arg));
    scene_rc = scene();
    seen = greenlet_test_fail(GREENLET_TEST_ALLOCATION, 0);
}

START_TEST(each_allocation_may_fail)
{
    int n = 0;

    options.check = check_it;
    make_pool(1);
    hub_connpool_free(pool);
    do {
        finish(hub_spawn_raw(plays, POINTER(++n)));
        ck_assert_int_eq(driver.alive, 0);
        ck_assert_int_eq(scene_rc, seen >= n ? -ENOMEM : 0);
    } while (seen >= n);
    ck_assert_int_ge(n, 5);
}
END_TEST

int main(void)
{
    TCase *tcase = pooled_case();

    tcase_add_test(tcase, absurd_options_are_refused);
    tcase_add_test(tcase, what_came_back_last_is_taken_first);
    tcase_add_test(tcase, who_waits_is_served_in_order_and_nobody_overtakes);
    tcase_add_test(tcase, there_are_never_more_than_its_size);
    tcase_add_test(tcase, a_wait_ends_at_its_deadline);
    tcase_add_test(tcase, too_many_may_not_wait);
    tcase_add_test(tcase, open_that_fails_loses_no_place);
    tcase_add_test(tcase, open_that_fails_wakes_who_waits);
    tcase_add_test(tcase, the_deadline_ends_open_and_check);
    tcase_add_test(tcase, filling_opens_as_many_as_asked_for);
    tcase_add_test(tcase, a_dead_one_is_replaced);
    tcase_add_test(tcase, only_those_that_idled_are_checked);
    tcase_add_test(tcase, broken_and_dirty_ones_are_closed);
    tcase_add_loop_test(tcase, idle_and_old_ones_are_closed, 0, 2);
    tcase_add_test(tcase, give_closes_one_that_idled);
    tcase_add_test(tcase, giving_what_was_not_taken_is_refused);
    tcase_add_test(tcase, who_ends_without_giving_loses_it_to_the_next);
    tcase_add_loop_test(tcase, another_may_give_it_back, 0, 2);
    tcase_add_test(tcase, it_comes_back_with_what_is_deferred);
    tcase_add_test(tcase, threads_without_a_hub_take_and_give);
    tcase_add_test(tcase, it_can_be_waited_for_as_an_object);
    tcase_add_test(tcase, a_callback_takes_what_is_there);
    tcase_add_test(tcase, each_allocation_may_fail);
    return unit_run("connpool", tcase);
}
