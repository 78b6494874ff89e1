/* The orders in which items leave a queue. */
#include "queue.h"

/* ---- orders ---- */

START_TEST(first_in_is_first_out_also_when_the_ring_grows_and_wraps)
{
    int next = 1;

    hub_queue_init(&queue, HUB_UNBOUNDED);
    for (int i = 1; i <= 200; i++) {
        fill(3 * i - 2, 3 * i);
        ck_assert_int_eq(take(), next++);
    }
    ck_assert_int_eq(hub_queue_size(&queue), 400);
    while (next <= 600)
        ck_assert_int_eq(take(), next++);
    ck_assert(hub_queue_empty(&queue));
    ck_assert_int_eq(take(), -EAGAIN);
}
END_TEST

START_TEST(last_in_is_first_out_of_a_lifo_queue)
{
    hub_lifo_queue_init(&queue, 100);
    fill(1, 40);
    for (int i = 40; i > 20; i--)
        ck_assert_int_eq(take(), i);
    fill(21, 21);
    ck_assert_int_eq(take(), 21);
    for (int i = 20; i > 0; i--)
        ck_assert_int_eq(take(), i);
}
END_TEST

START_TEST(the_least_is_first_out_of_a_priority_queue_and_equals_keep_their_order)
{
    static const int in[] = { 31, 12, 33, 10, 25, 11, 20, 30, 13, 32 };
    static const int out[] = { 12, 10, 11, 13, 25, 20, 31, 33, 30, 32 };
    void *item;

    ck_assert_int_eq(hub_priority_queue_init(&queue, 5, NULL, NULL), -EINVAL);
    hub_priority_queue_init(&queue, 100, by_tens, &calls_of_compare);
    for (int i = 0; i < 10; i++)
        hub_queue_put(&queue, POINTER(in[i]), HUB_FOREVER);
    ck_assert_int_eq(hub_queue_try_peek(&queue, &item), 0);
    ck_assert_int_eq(NUMBER(item), 12);
    for (int i = 0; i < 10; i++)
        ck_assert_int_eq(take(), out[i]);
    ck_assert_int_gt(calls_of_compare, 0);
}
END_TEST

int main(void)
{
    TCase *tcase = sync_case();

    tcase_add_checked_fixture(tcase, NULL, gone);
    tcase_add_test(tcase,
                   first_in_is_first_out_also_when_the_ring_grows_and_wraps);
    tcase_add_test(tcase, last_in_is_first_out_of_a_lifo_queue);
    tcase_add_test(
        tcase,
        the_least_is_first_out_of_a_priority_queue_and_equals_keep_their_order);
    return unit_run("queue_items", tcase);
}
