/* Shutdown of a queue, and the end of its work. */
#include "queue.h"

/* ---- shutdown ---- */

START_TEST(shutdown_ends_puts_at_once_and_gets_when_it_is_empty)
{
    struct one a;
    struct greenlet *ga;

    hub_queue_init(&queue, 2);
    fill(1, 2);
    ga = putter(&a, 'a', 3);
    hub_yield();
    ck_assert_int_eq(hub_queue_shutdown(&queue, false), 0);
    ck_assert_int_eq(hub_queue_shutdown(&queue, false), 0);
    finish(ga);
    ck_assert_int_eq(a.rc, -ESHUTDOWN);
    ck_assert_int_eq(hub_queue_put(&queue, NULL, HUB_FOREVER), -ESHUTDOWN);
    ck_assert_int_eq(hub_queue_try_put(&queue, NULL), -ESHUTDOWN);
    ck_assert_int_eq(take(), 1);
    ck_assert_int_eq(take(), 2);
    ck_assert_int_eq(take(), -ESHUTDOWN);
    ck_assert_int_eq(hub_queue_get(&queue, HUB_FOREVER, NULL), -ESHUTDOWN);
    ck_assert_int_eq(hub_queue_peek(&queue, HUB_FOREVER, NULL), -ESHUTDOWN);
}
END_TEST

START_TEST(shutdown_wakes_who_waits_to_get)
{
    struct one a, b;
    struct greenlet *ga, *gb;

    hub_queue_init(&queue, 2);
    ga = getter(&a, 'a');
    gb = peeker(&b, 'b');
    hub_yield();
    hub_queue_shutdown(&queue, _i);
    finish(ga);
    finish(gb);
    ck_assert_int_eq(a.rc, -ESHUTDOWN);
    ck_assert_int_eq(b.rc, -ESHUTDOWN);
}
END_TEST

static int dropped;

static void drop(void *item, void *arg)
{
    ck_assert_ptr_eq(arg, &dropped);
    dropped += NUMBER(item);
    hub_yield();
}

static void joins(void *arg)
{
    *(int *)arg = hub_queue_join(&queue, HUB_FOREVER);
    note('j');
}

START_TEST(an_immediate_shutdown_drops_what_is_in_it)
{
    struct greenlet *joiner;
    int rc = 1;

    dropped = 0;
    hub_queue_init(&queue, HUB_UNBOUNDED);
    hub_queue_set_drop(&queue, drop, &dropped);
    fill(1, 4);
    ck_assert_int_eq(take(), 1);
    joiner = hub_spawn_raw(joins, &rc);
    hub_yield();
    ck_assert_int_eq(hub_queue_shutdown(&queue, true), 0);
    ck_assert_int_eq(dropped, 9);
    ck_assert_int_eq(take(), -ESHUTDOWN);
    ck_assert_int_eq(hub_queue_unfinished(&queue), 1); /* the one that was taken */
    ck_assert_int_eq(hub_queue_task_done(&queue), 0);
    finish(joiner);
    ck_assert_int_eq(rc, 0);
}
END_TEST

START_TEST(an_item_that_comes_back_after_that_is_dropped)
{
    struct one a;
    struct greenlet *ga;

    dropped = 0;
    hub_queue_init(&queue, HUB_UNBOUNDED);
    hub_queue_set_drop(&queue, drop, &dropped);
    ga = getter(&a, 'a');
    hub_yield();
    end_soon(ga, THROWN);
    fill(5, 5);
    hub_queue_shutdown(&queue, true);
    ck_assert_int_eq(dropped, 0);
    finish(ga);
    ck_assert_int_eq(dropped, 5);
    ck_assert_int_eq(hub_queue_unfinished(&queue), 0);
}
END_TEST

START_TEST(destroy_drops_what_is_left)
{
    dropped = 0;
    hub_queue_init(&queue, HUB_UNBOUNDED);
    hub_queue_set_drop(&queue, drop, &dropped);
    fill(1, 3);
    ck_assert_int_eq(hub_queue_destroy(&queue), 0);
    ck_assert_int_eq(dropped, 6);
}
END_TEST

/* ---- work ---- */

START_TEST(join_waits_until_all_work_is_done)
{
    struct greenlet *a, *b;
    int rc[2] = { 1, 1 };

    hub_queue_init(&queue, HUB_UNBOUNDED);
    ck_assert_int_eq(hub_queue_join(&queue, HUB_FOREVER), 0);
    ck_assert_int_eq(hub_queue_task_done(&queue), -EDOM);
    fill(1, 2);
    ck_assert_int_eq(hub_queue_join(&queue, hub_deadline(MS)), -ETIMEDOUT);
    a = hub_spawn_raw(joins, &rc[0]);
    b = hub_spawn_raw(joins, &rc[1]);
    take();
    take();
    hub_yield();
    ck_assert_int_eq(hub_queue_unfinished(&queue), 2);
    ck_assert_int_eq(hub_queue_task_done(&queue), 1);
    settle();
    ck_assert_str_eq(order, "");
    ck_assert_int_eq(hub_queue_task_done(&queue), 0);
    finish(a);
    finish(b);
    ck_assert_str_eq(order, "jj");
    ck_assert_int_eq(rc[0] | rc[1], 0);
    ck_assert_int_eq(hub_queue_task_done(&queue), -EDOM);
}
END_TEST

START_TEST(a_simple_queue_counts_no_work)
{
    hub_simple_queue_init(&queue, 3);
    fill(1, 1);
    ck_assert_int_eq(hub_queue_task_done(&queue), -ENOTSUP);
    ck_assert_int_eq(hub_queue_join(&queue, 0), -ENOTSUP);
    ck_assert_int_eq(take(), 1);
}
END_TEST

int main(void)
{
    TCase *tcase = sync_case();

    tcase_add_checked_fixture(tcase, NULL, gone);
    tcase_add_test(tcase, shutdown_ends_puts_at_once_and_gets_when_it_is_empty);
    tcase_add_loop_test(tcase, shutdown_wakes_who_waits_to_get, 0, 2);
    tcase_add_test(tcase, an_immediate_shutdown_drops_what_is_in_it);
    tcase_add_test(tcase, an_item_that_comes_back_after_that_is_dropped);
    tcase_add_test(tcase, destroy_drops_what_is_left);
    tcase_add_test(tcase, join_waits_until_all_work_is_done);
    tcase_add_test(tcase, a_simple_queue_counts_no_work);
    return unit_run("queue_end", tcase);
}
