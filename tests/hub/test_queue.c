/* Queues: what goes in comes out, once, whatever ends a wait. */
#include "queue.h"

#include "context/testhook.h"

/* Those who wait in a test. */
static struct one a, b;
static struct greenlet *ga, *gb;

/* The queue is empty; a comes first. */
static void both_get(void)
{
    hub_queue_init(&queue, HUB_UNBOUNDED);
    ga = getter(&a, 'a');
    gb = getter(&b, 'b');
    hub_yield();
}

/* ---- waits ---- */

START_TEST(getters_get_in_the_order_in_which_they_came_and_nobody_overtakes)
{
    both_get();
    ck_assert_int_eq(hub_queue_destroy(&queue), -EBUSY);
    fill(1, 1);
    ck_assert_int_eq(take(), -EAGAIN); /* it is a's */
    fill(2, 3);
    ck_assert_str_eq(order, "");
    finish(ga);
    finish(gb);
    ck_assert_str_eq(order, "ab");
    ck_assert_int_eq(NUMBER(a.item), 1);
    ck_assert_int_eq(NUMBER(b.item), 2);
    ck_assert_int_eq(take(), 3);
}
END_TEST

START_TEST(putters_wait_for_places_in_the_order_in_which_they_came)
{
    hub_queue_init(&queue, 2);
    fill(1, 2);
    ck_assert(hub_queue_full(&queue));
    ck_assert_int_eq(hub_queue_try_put(&queue, NULL), -EAGAIN);
    ck_assert_int_eq(hub_queue_put(&queue, NULL, hub_deadline(MS)), -ETIMEDOUT);
    ga = putter(&a, 'a', 3);
    gb = putter(&b, 'b', 4);
    hub_yield();
    ck_assert_int_eq(take(), 1);
    ck_assert_int_eq(hub_queue_try_put(&queue, NULL), -EAGAIN); /* a's place */
    finish(ga);
    ck_assert_str_eq(order, "a");
    for (int i = 2; i <= 3; i++)
        ck_assert_int_eq(take(), i);
    finish(gb);
    ck_assert_int_eq(take(), 4);
    ck_assert_int_eq(a.rc | b.rc, 0);
}
END_TEST

START_TEST(peek_leaves_the_item_and_peekers_all_see_it)
{
    struct greenlet *gc;
    struct one c;
    void *item = NULL;

    hub_queue_init(&queue, 5);
    ck_assert_int_eq(hub_queue_try_peek(&queue, &item), -EAGAIN);
    ck_assert_int_eq(hub_queue_peek(&queue, hub_deadline(MS), &item),
                     -ETIMEDOUT);
    ga = peeker(&a, 'a');
    gb = peeker(&b, 'b');
    gc = getter(&c, 'c');
    hub_yield();
    fill(7, 8);
    finish(ga);
    finish(gb);
    finish(gc);
    ck_assert_str_eq(order, "abc");
    ck_assert_int_eq(NUMBER(a.item) + NUMBER(b.item) + NUMBER(c.item), 21);
    ck_assert_int_eq(hub_queue_peek(&queue, 0, &item), 0);
    ck_assert_int_eq(NUMBER(item), 8);
    ck_assert_int_eq(hub_queue_size(&queue), 1);
}
END_TEST

START_TEST(a_loop_over_it_ends_with_the_sentinel)
{
    void *item = NULL;
    int sum = 0, rc;

    hub_queue_init(&queue, HUB_UNBOUNDED);
    fill(1, 4);
    hub_queue_put(&queue, HUB_QUEUE_END, HUB_FOREVER);
    fill(5, 5);
    while ((rc = hub_queue_next(&queue, &item)) == 1)
        sum += NUMBER(item);
    ck_assert_int_eq(rc, 0);
    ck_assert_int_eq(sum, 10);
    ck_assert_int_eq(take(), 5);
    hub_queue_shutdown(&queue, false);
    ck_assert_int_eq(hub_queue_next(&queue, &item), -ESHUTDOWN);
}
END_TEST

/* ---- ends in the middle ---- */

static void init_kind(int kind)
{
    if (kind == 0)
        hub_queue_init(&queue, HUB_UNBOUNDED);
    else if (kind == 1)
        hub_lifo_queue_init(&queue, HUB_UNBOUNDED);
    else
        hub_priority_queue_init(&queue, HUB_UNBOUNDED, by_tens,
                                &calls_of_compare);
}

START_TEST(a_get_that_is_ended_before_loses_nothing)
{
    both_get();
    end_soon(ga, _i);
    finish(ga);
    ck_assert_int_eq(a.rc, ends_with[_i]);
    fill(1, 1);
    finish(gb);
    ck_assert_int_eq(NUMBER(b.item), 1);
}
END_TEST

START_TEST(a_get_that_is_ended_after_the_item_came_passes_it_on)
{
    both_get();
    end_soon(ga, _i);
    fill(1, 1);
    finish(ga);
    ck_assert_int_eq(a.rc, _i == KILLED ? 0 : ends_with[_i]);
    if (_i == KILLED) {
        ck_assert_int_eq(NUMBER(a.item), 1); /* too late: it has it */
        fill(1, 1);
    } else {
        ck_assert_ptr_null(a.item);
    }
    finish(gb);
    ck_assert_int_eq(NUMBER(b.item), 1);
}
END_TEST

START_TEST(an_item_that_comes_back_is_next_again)
{
    init_kind(_i);
    ga = getter(&a, 'a');
    hub_yield();
    end_soon(ga, THROWN);
    fill(20, 22); /* the first of them to a */
    finish(ga);
    ck_assert_int_eq(hub_queue_size(&queue), 3);
    ck_assert_int_eq(take(), 20);
    ck_assert_int_eq(take(), _i == 1 ? 22 : 21);
    ck_assert_int_eq(take(), _i == 1 ? 21 : 22);
}
END_TEST

START_TEST(for_items_that_come_back_there_is_room)
{
    enum { N = 100 };
    struct one all[N];
    struct greenlet *greenlets[N];

    hub_queue_init(&queue, HUB_UNBOUNDED);
    for (int i = 0; i < N; i++)
        greenlets[i] = getter(&all[i], 'x');
    hub_yield();
    for (int i = 0; i < N; i++)
        end_soon(greenlets[i], THROWN);
    fill(0, N - 1);
#ifdef VIREO_TEST_HOOKS
    greenlet_test_fail(GREENLET_TEST_ALLOCATION, -1); /* no memory any more */
#endif
    for (int i = 0; i < N; i++)
        finish(greenlets[i]);
#ifdef VIREO_TEST_HOOKS
    greenlet_test_fail(GREENLET_TEST_ALLOCATION, 0);
#endif
    ck_assert_int_eq(hub_queue_size(&queue), N);
    while (hub_queue_size(&queue) > 0)
        ck_assert_int_ge(take(), 0);
}
END_TEST

START_TEST(a_put_that_is_ended_has_put_nothing)
{
    hub_queue_init(&queue, 1);
    fill(1, 1);
    ga = putter(&a, 'a', 2);
    gb = putter(&b, 'b', 3);
    hub_yield();
    end_soon(ga, _i);
    ck_assert_int_eq(take(), 1); /* the place is a's, who has not run */
    finish(ga);
    ck_assert_int_eq(a.rc, _i == KILLED ? 0 : ends_with[_i]);
    if (_i == KILLED)
        ck_assert_int_eq(take(), 2);
    finish(gb);
    ck_assert_int_eq(take(), 3);
    ck_assert_int_eq(take(), -EAGAIN);
    ck_assert_int_eq(hub_queue_try_put(&queue, POINTER(4)), 0); /* no place lost */
}
END_TEST

START_TEST(no_memory_is_an_error_and_nothing_is_lost)
{
#ifdef VIREO_TEST_HOOKS
    hub_queue_init(&queue, HUB_UNBOUNDED);
    greenlet_test_fail(GREENLET_TEST_ALLOCATION, 1);
    ck_assert_int_eq(hub_queue_put(&queue, NULL, HUB_FOREVER), -ENOMEM);
    greenlet_test_fail(GREENLET_TEST_ALLOCATION, 1);
    ck_assert_int_eq(hub_queue_get(&queue, HUB_FOREVER, NULL), -ENOMEM);
    ck_assert_int_eq(hub_queue_unfinished(&queue), 0);
    fill(1, 1);
    ck_assert_int_eq(take(), 1);
#endif
}
END_TEST

/* ---- mistakes ---- */

START_TEST(absurd_sizes_are_refused)
{
    static const int64_t sizes[] = { -2, INT64_MIN, HUB_QUEUE_MAX + 1,
                                     INT64_MAX };

    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(hub_queue_init(&queue, sizes[i]), -EINVAL);
        ck_assert_int_eq(hub_lifo_queue_init(&queue, sizes[i]), -EINVAL);
        ck_assert_int_eq(hub_simple_queue_init(&queue, sizes[i]), -EINVAL);
    }
    ck_assert_int_eq(hub_queue_init(NULL, 1), -EINVAL);
    ck_assert_int_eq(hub_queue_put(NULL, NULL, 0), -EINVAL);
    ck_assert_int_eq(hub_queue_get(NULL, 0, NULL), -EINVAL);
    ck_assert_int_eq(hub_queue_try_get(NULL, NULL), -EINVAL);
    ck_assert_int_eq(hub_queue_try_peek(NULL, NULL), -EINVAL);
    ck_assert_int_eq(hub_queue_shutdown(NULL, true), -EINVAL);
    ck_assert_int_eq(hub_queue_task_done(NULL), -EINVAL);
    ck_assert_int_eq(hub_queue_join(NULL, 0), -EINVAL);
    ck_assert_int_eq(hub_queue_init(&queue, HUB_QUEUE_MAX), 0);
    fill(1, 1);
    ck_assert_int_eq(take(), 1);
}
END_TEST

START_TEST(size_0_is_unbounded_with_a_warning)
{
    char said[200] = "";
    int ends[2];

    ck_assert_int_eq(pipe(ends), 0);
    hub_set_error_fd(ends[1]);
    ck_assert_int_eq(hub_queue_init(&queue, 0), 0);
    hub_set_error_fd(2);
    ck_assert_int_gt(read(ends[0], said, sizeof said - 1), 0);
    ck_assert_ptr_nonnull(strstr(said, "unbounded"));
    close(ends[0]);
    close(ends[1]);
    fill(1, 1000);
    ck_assert(!hub_queue_full(&queue));
    while (take() > 0)
        ;
}
END_TEST

static void in_the_loop(void *arg)
{
    int *rc = arg;

    rc[0] = hub_queue_put(&queue, POINTER(1), HUB_FOREVER);
    rc[1] = hub_queue_put(&queue, POINTER(2), HUB_FOREVER);
    rc[2] = hub_queue_get(&queue, HUB_FOREVER, NULL);
    rc[3] = hub_queue_get(&queue, HUB_FOREVER, NULL);
    rc[4] = hub_queue_join(&queue, HUB_FOREVER);
}

START_TEST(a_callback_hands_over_or_fails)
{
    int rc[5] = { 1, 1, 1, 1, 1 };
    static const int expected[] = { 0, -EDEADLK, 0, -EDEADLK, -EDEADLK };

    hub_queue_init(&queue, 1);
    hub_call_soon(in_the_loop, rc);
    settle();
    ck_assert_mem_eq(rc, expected, sizeof rc);
}
END_TEST

/* ---- threads ---- */

static void *thread_puts(void *arg)
{
    usleep(2000);
    *(int *)arg = hub_queue_put(&queue, POINTER(1), HUB_FOREVER) |
                  hub_queue_put(&queue, POINTER(2), hub_deadline(20 * HUB_SECOND));
    return NULL;
}

static void *thread_gets(void *arg)
{
    void *item = NULL;

    if (hub_queue_get(&queue, hub_deadline(20 * HUB_SECOND), &item) == 0)
        *(int *)arg = NUMBER(item);
    return NULL;
}

START_TEST(threads_without_a_hub_put_and_get)
{
    int got = 0, rc = 1;
    void *item = NULL;
    pthread_t other;

    hub_queue_init(&queue, 1);
    other = thread(thread_puts, &rc);
    ck_assert_int_eq(
        hub_queue_get(&queue, hub_deadline(20 * HUB_SECOND), &item), 0);
    ck_assert_int_eq(NUMBER(item), 1);
    ck_assert_int_eq(
        hub_queue_get(&queue, hub_deadline(20 * HUB_SECOND), &item), 0);
    pthread_join(other, NULL);
    ck_assert_int_eq(rc, 0);
    other = thread(thread_gets, &got);
    hub_sleep(2 * MS);
    fill(3, 3);
    pthread_join(other, NULL);
    ck_assert_int_eq(got, 3);
}
END_TEST

int main(void)
{
    TCase *tcase = sync_case();

    tcase_add_checked_fixture(tcase, NULL, gone);
    tcase_add_test(
        tcase, getters_get_in_the_order_in_which_they_came_and_nobody_overtakes);
    tcase_add_test(tcase, putters_wait_for_places_in_the_order_in_which_they_came);
    tcase_add_test(tcase, peek_leaves_the_item_and_peekers_all_see_it);
    tcase_add_test(tcase, a_loop_over_it_ends_with_the_sentinel);
    tcase_add_loop_test(tcase, a_get_that_is_ended_before_loses_nothing, 0, HOWS);
    tcase_add_loop_test(
        tcase, a_get_that_is_ended_after_the_item_came_passes_it_on, 0, HOWS);
    tcase_add_loop_test(tcase, an_item_that_comes_back_is_next_again, 0, 3);
    tcase_add_test(tcase, for_items_that_come_back_there_is_room);
    tcase_add_loop_test(tcase, a_put_that_is_ended_has_put_nothing, 0, HOWS);
    tcase_add_test(tcase, no_memory_is_an_error_and_nothing_is_lost);
    tcase_add_test(tcase, absurd_sizes_are_refused);
    tcase_add_test(tcase, size_0_is_unbounded_with_a_warning);
    tcase_add_test(tcase, a_callback_hands_over_or_fails);
    tcase_add_test(tcase, threads_without_a_hub_put_and_get);
    return unit_run("queue", tcase);
}
