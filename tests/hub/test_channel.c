/* Channels: capacity 0, from hand to hand. */
#include "sync.h"

static struct hub_channel channel;

static void fresh_channel(void)
{
    hub_channel_init(&channel);
}

static void unused(void)
{
    ck_assert_int_eq(hub_channel_destroy(&channel), 0);
}

struct one {
    char name;
    int rc;
    void *item;
};

static void gets(void *arg)
{
    struct one *one = arg;

    one->rc = hub_channel_get(&channel, HUB_FOREVER, &one->item);
    note(one->name);
}

static void puts_it(void *arg)
{
    struct one *one = arg;

    one->rc = hub_channel_put(&channel, one->item, HUB_FOREVER);
    note(one->name);
}

static struct greenlet *getter(struct one *one, char name)
{
    *one = (struct one){ name, 1, NULL };
    return hub_spawn_raw(gets, one);
}

static struct greenlet *putter(struct one *one, char name, int item)
{
    *one = (struct one){ name, 1, POINTER(item) };
    return hub_spawn_raw(puts_it, one);
}

START_TEST(a_put_waits_until_it_is_taken)
{
    struct one a, b;
    struct greenlet *ga = putter(&a, 'a', 1), *gb = putter(&b, 'b', 2);
    void *item = NULL;

    hub_yield();
    ck_assert_str_eq(order, "");
    ck_assert_int_eq(hub_channel_destroy(&channel), -EBUSY);
    ck_assert_int_eq(hub_channel_get(&channel, HUB_FOREVER, &item), 0);
    ck_assert_int_eq(NUMBER(item), 1);
    ck_assert_str_eq(order, "");
    finish(ga);
    ck_assert_str_eq(order, "a");
    ck_assert_int_eq(hub_channel_try_get(&channel, &item), 0);
    ck_assert_int_eq(NUMBER(item), 2);
    finish(gb);
    ck_assert_int_eq(a.rc | b.rc, 0);
}
END_TEST

START_TEST(a_put_lets_the_getter_run_first)
{
    struct one a, b;
    struct greenlet *ga = getter(&a, 'a'), *gb = getter(&b, 'b');

    hub_yield();
    ck_assert_int_eq(hub_channel_put(&channel, POINTER(5), HUB_FOREVER), 0);
    note('m');
    ck_assert_int_eq(hub_channel_try_put(&channel, POINTER(6)), 0);
    finish(ga);
    finish(gb);
    ck_assert_str_eq(order, "amb");
    ck_assert_int_eq(NUMBER(a.item), 5);
    ck_assert_int_eq(NUMBER(b.item), 6);
}
END_TEST

START_TEST(nobody_there_is_an_end_at_the_deadline)
{
    ck_assert_int_eq(hub_channel_try_put(&channel, NULL), -EAGAIN);
    ck_assert_int_eq(hub_channel_try_get(&channel, NULL), -EAGAIN);
    ck_assert_int_eq(hub_channel_put(&channel, NULL, hub_deadline(MS)),
                     -ETIMEDOUT);
    ck_assert_int_eq(hub_channel_get(&channel, hub_deadline(MS), NULL),
                     -ETIMEDOUT);
}
END_TEST

START_TEST(a_wait_that_is_ended_leaves_nothing_behind)
{
    struct one a, b;
    struct greenlet *ga = putter(&a, 'a', 1), *gb;

    hub_yield();
    end_soon(ga, _i);
    finish(ga);
    ck_assert_int_eq(a.rc, ends_with[_i]);
    gb = getter(&b, 'b');
    hub_yield();
    end_soon(gb, _i);
    finish(gb);
    ck_assert_int_eq(b.rc, ends_with[_i]);
}
END_TEST

static void puts_and_waits(void *arg)
{
    int *rc = arg;

    rc[0] = hub_channel_put(&channel, POINTER(1), HUB_FOREVER);
    note('p');
    rc[1] = hub_sleep(HUB_SECOND);
}

static void gets_and_waits(void *arg)
{
    int *rc = arg;
    void *item = NULL;

    rc[0] = hub_channel_get(&channel, HUB_FOREVER, &item);
    ck_assert_int_eq(NUMBER(item), 1);
    rc[1] = hub_sleep(HUB_SECOND);
}

START_TEST(what_is_thrown_after_the_item_changed_hands_comes_with_the_next_wait)
{
    int rc[2] = { 1, 1 };
    void *item = NULL;
    struct greenlet *g =
        hub_spawn_raw(_i == 0 ? puts_and_waits : gets_and_waits, rc);

    hub_yield();
    end_soon(g, THROWN);
    if (_i == 0)
        ck_assert_int_eq(hub_channel_try_get(&channel, &item), 0);
    else
        ck_assert_int_eq(hub_channel_try_put(&channel, POINTER(1)), 0);
    finish(g);
    hub_sleep(1); /* the loop, which threw, goes on */
    ck_assert_int_eq(rc[0], 0);
    ck_assert_int_eq(rc[1], -EILSEQ);
}
END_TEST

static int errors;

static void count_error(struct hub *hub, const struct greenlet *context,
                        const struct greenlet_exception *exception, void *data)
{
    (void)hub;
    (void)context;
    (void)data;
    errors += exception->cls == &test_class;
}

START_TEST(what_is_thrown_so_at_one_that_never_waits_again_is_reported)
{
    struct one a;
    struct greenlet *ga = putter(&a, 'a', 1);

    errors = 0;
    hub_set_error_handler(count_error, NULL);
    hub_yield();
    end_soon(ga, THROWN);
    hub_channel_try_get(&channel, NULL);
    finish(ga);
    hub_sleep(1);
    ck_assert_int_eq(a.rc, 0);
    ck_assert_int_eq(errors, 1);
    hub_set_error_handler(NULL, NULL);
}
END_TEST

START_TEST(a_loop_over_it_ends_with_the_sentinel)
{
    struct one a, b;
    struct greenlet *ga = putter(&a, 'a', 3), *gb = putter(&b, 'b', 0);
    void *item = NULL;

    b.item = HUB_QUEUE_END;
    hub_yield();
    ck_assert_int_eq(hub_channel_next(&channel, &item), 1);
    ck_assert_int_eq(NUMBER(item), 3);
    ck_assert_int_eq(hub_channel_next(&channel, &item), 0);
    finish(ga);
    finish(gb);
}
END_TEST

START_TEST(shutdown_ends_all_waits)
{
    struct one a, b;
    struct greenlet *ga = getter(&a, 'a'), *gb;

    hub_yield();
    ck_assert_int_eq(hub_channel_shutdown(&channel), 0);
    finish(ga);
    ck_assert_int_eq(a.rc, -ESHUTDOWN);
    ck_assert_int_eq(hub_channel_put(&channel, NULL, HUB_FOREVER), -ESHUTDOWN);
    ck_assert_int_eq(hub_channel_get(&channel, HUB_FOREVER, NULL), -ESHUTDOWN);
    hub_channel_init(&channel);
    gb = putter(&b, 'b', 1);
    hub_yield();
    hub_channel_shutdown(&channel);
    finish(gb);
    ck_assert_int_eq(b.rc, -ESHUTDOWN);
}
END_TEST

static void in_the_loop(void *arg)
{
    int *rc = arg;

    rc[0] = hub_channel_put(&channel, POINTER(1), HUB_FOREVER);
    rc[1] = hub_channel_put(&channel, POINTER(2), HUB_FOREVER);
    rc[2] = hub_channel_get(&channel, HUB_FOREVER, NULL);
}

START_TEST(a_callback_hands_over_or_fails)
{
    int rc[3] = { 1, 1, 1 };
    struct one a;
    struct greenlet *ga = getter(&a, 'a');

    hub_yield();
    hub_call_soon(in_the_loop, rc);
    finish(ga);
    ck_assert_int_eq(NUMBER(a.item), 1);
    ck_assert_int_eq(rc[0], 0);
    ck_assert_int_eq(rc[1], -EDEADLK);
    ck_assert_int_eq(rc[2], -EDEADLK);
    ck_assert_int_eq(hub_channel_put(NULL, NULL, 0), -EINVAL);
    ck_assert_int_eq(hub_channel_get(NULL, 0, NULL), -EINVAL);
    ck_assert_int_eq(hub_channel_try_put(NULL, NULL), -EINVAL);
    ck_assert_int_eq(hub_channel_try_get(NULL, NULL), -EINVAL);
    ck_assert_int_eq(hub_channel_shutdown(NULL), -EINVAL);
}
END_TEST

static void *thread_puts(void *arg)
{
    *(int *)arg = hub_channel_put(&channel, POINTER(4),
                                  hub_deadline(20 * HUB_SECOND));
    return NULL;
}

START_TEST(a_thread_without_a_hub_meets_a_greenlet)
{
    int rc = 1;
    void *item = NULL;
    pthread_t other = thread(thread_puts, &rc);

    ck_assert_int_eq(
        hub_channel_get(&channel, hub_deadline(20 * HUB_SECOND), &item), 0);
    pthread_join(other, NULL);
    ck_assert_int_eq(NUMBER(item), 4);
    ck_assert_int_eq(rc, 0);
}
END_TEST

int main(void)
{
    TCase *tcase = sync_case();

    tcase_add_checked_fixture(tcase, fresh_channel, unused);
    tcase_add_test(tcase, a_put_waits_until_it_is_taken);
    tcase_add_test(tcase, a_put_lets_the_getter_run_first);
    tcase_add_test(tcase, nobody_there_is_an_end_at_the_deadline);
    tcase_add_loop_test(tcase, a_wait_that_is_ended_leaves_nothing_behind, 0,
                        HOWS);
    tcase_add_loop_test(
        tcase, what_is_thrown_after_the_item_changed_hands_comes_with_the_next_wait,
        0, 2);
    tcase_add_test(tcase,
                   what_is_thrown_so_at_one_that_never_waits_again_is_reported);
    tcase_add_test(tcase, a_loop_over_it_ends_with_the_sentinel);
    tcase_add_test(tcase, shutdown_ends_all_waits);
    tcase_add_test(tcase, a_callback_hands_over_or_fails);
    tcase_add_test(tcase, a_thread_without_a_hub_meets_a_greenlet);
    return unit_run("channel", tcase);
}
