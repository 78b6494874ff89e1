/* Results that come once: a value, or a failure. */
#include "sync.h"

static struct hub_async_result result;

static void nothing(void)
{
    hub_async_result_init(&result);
}

static void empty(void)
{
    ck_assert_int_eq(hub_async_result_destroy(&result), 0);
}

struct one {
    char name;
    int rc;
    void *value;
};

static void gets(void *arg)
{
    struct one *one = arg;

    one->rc = hub_async_result_get(&result, HUB_FOREVER, &one->value);
    note(one->name);
}

START_TEST(any_number_get_the_value_in_order)
{
    struct one a = { 'a', 1, NULL }, b = { 'b', 1, NULL };
    struct greenlet *ga = hub_spawn_raw(gets, &a), *gb = hub_spawn_raw(gets, &b);
    void *value = NULL;

    hub_yield();
    ck_assert_int_eq(hub_async_result_destroy(&result), -EBUSY);
    ck_assert_int_eq(hub_async_result_try_get(&result, &value), -EAGAIN);
    ck_assert(!hub_async_result_ready(&result));
    ck_assert_int_eq(hub_async_result_set(&result, POINTER(7)), 0);
    ck_assert_str_eq(order, "");
    finish(ga);
    finish(gb);
    ck_assert_str_eq(order, "ab");
    ck_assert_int_eq(a.rc | b.rc, 0);
    ck_assert_ptr_eq(a.value, POINTER(7));
    ck_assert_ptr_eq(b.value, POINTER(7));
    ck_assert(hub_async_result_ready(&result));
    ck_assert(hub_async_result_successful(&result));
    ck_assert_int_eq(hub_async_result_try_get(&result, &value), 0);
    ck_assert_ptr_eq(value, POINTER(7));
}
END_TEST

START_TEST(get_and_wait_end_at_their_deadline)
{
    ck_assert_int_eq(hub_async_result_get(&result, hub_deadline(MS), NULL),
                     -ETIMEDOUT);
    ck_assert_int_eq(hub_async_result_wait(&result, hub_deadline(MS)),
                     -ETIMEDOUT);
}
END_TEST

static int destroyed;

static void destroy(void *payload)
{
    ck_assert_ptr_nonnull(payload);
    destroyed++;
}

static void set_failure(const char *text, bool owned)
{
    struct greenlet_exception record = test_record;

    record.text = text;
    if (owned) {
        record.payload = &destroyed;
        record.destroy = destroy;
    }
    ck_assert_int_eq(hub_async_result_set_exception(&result, &record), 0);
}

START_TEST(a_failure_is_raised_at_each_get)
{
    set_failure("why", false);
    for (int i = 0; i < 2; i++) {
        const struct greenlet_exception *why;

        ck_assert_int_eq(hub_async_result_get(&result, HUB_FOREVER, NULL),
                         -EILSEQ);
        why = greenlet_caught_peek();
        ck_assert_ptr_eq(why->cls, &test_class);
        ck_assert_str_eq(why->text, "why");
    }
    ck_assert_int_eq(hub_async_result_wait(&result, HUB_FOREVER), 0);
    ck_assert(!hub_async_result_successful(&result));
    ck_assert_str_eq(hub_async_result_exception(&result)->text, "why");
}
END_TEST

START_TEST(the_last_counts_and_a_value_counts_before_a_failure)
{
    void *value = NULL;

    destroyed = 0;
    set_failure("first", true);
    set_failure("second", true);
    ck_assert_int_eq(destroyed, 1);
    ck_assert_str_eq(hub_async_result_exception(&result)->text, "second");
    hub_async_result_set(&result, POINTER(1));
    hub_async_result_set(&result, POINTER(2));
    set_failure("third", true); /* too late */
    ck_assert_int_eq(hub_async_result_get(&result, 0, &value), 0);
    ck_assert_ptr_eq(value, POINTER(2));
    ck_assert_ptr_null(hub_async_result_exception(&result));
    ck_assert_int_eq(hub_async_result_destroy(&result), 0);
    ck_assert_int_eq(destroyed, 3);
}
END_TEST

static int gives_seven(void *arg, void **value)
{
    (void)arg;
    *value = POINTER(7);
    return 0;
}

static int fails(void *arg, void **value)
{
    struct greenlet_exception record = test_record;

    (void)arg;
    (void)value;
    record.payload = &destroyed;
    record.destroy = destroy;
    return greenlet_raise(&record);
}

START_TEST(it_takes_over_how_a_greenlet_ended)
{
    struct greenlet *g = hub_spawn(gives_seven, NULL);
    void *value = NULL;

    ck_assert_int_eq(hub_async_result_set_from(&result, g), -EAGAIN);
    hub_join(g, HUB_FOREVER);
    hub_async_result_link((struct hub_object){ NULL, g }, &result);
    ck_assert_int_eq(hub_async_result_try_get(&result, &value), 0);
    ck_assert_ptr_eq(value, POINTER(7));
    greenlet_unref(g);
}
END_TEST

START_TEST(it_keeps_the_failure_of_a_greenlet_that_is_gone)
{
    struct greenlet *g;

    hub_set_error_fd(-1);
    destroyed = 0;
    g = hub_spawn(fails, NULL);
    hub_join(g, HUB_FOREVER);
    ck_assert_int_eq(hub_async_result_set_from(&result, g), 0);
    greenlet_unref(g);
    ck_assert_int_eq(destroyed, 0);
    ck_assert_int_eq(hub_async_result_get(&result, 0, NULL), -EILSEQ);
    ck_assert_ptr_eq(hub_async_result_exception(&result)->payload, &destroyed);
    ck_assert_int_eq(hub_async_result_destroy(&result), 0);
    ck_assert_int_eq(destroyed, 1);
    hub_set_error_fd(2);
}
END_TEST

START_TEST(a_wait_that_is_ended_leaves_nothing_behind)
{
    struct one a = { 'a', 1, NULL };
    struct greenlet *ga = hub_spawn_raw(gets, &a);

    hub_yield();
    end_soon(ga, _i);
    finish(ga);
    ck_assert_int_eq(a.rc, ends_with[_i]);
    hub_async_result_set(&result, NULL);
}
END_TEST

START_TEST(mistakes_are_refused)
{
    struct greenlet_exception none = { .payload = &destroyed,
                                       .destroy = destroy };

    destroyed = 0;
    ck_assert_int_eq(hub_async_result_set(NULL, NULL), -EINVAL);
    ck_assert_int_eq(hub_async_result_set_exception(&result, NULL), -EINVAL);
    ck_assert_int_eq(hub_async_result_set_exception(&result, &none), -EINVAL);
    none.cls = &test_class;
    ck_assert_int_eq(hub_async_result_set_exception(NULL, &none), -EINVAL);
    ck_assert_int_eq(destroyed, 2); /* given, also when it fails */
    ck_assert_int_eq(hub_async_result_get(NULL, 0, NULL), -EINVAL);
    ck_assert_int_eq(hub_async_result_try_get(NULL, NULL), -EINVAL);
    ck_assert_int_eq(hub_async_result_wait(NULL, 0), -EINVAL);
    ck_assert_int_eq(hub_async_result_set_from(&result, NULL), -EINVAL);
    ck_assert(!hub_async_result_ready(NULL));
}
END_TEST

static void *sets(void *arg)
{
    (void)arg;
    usleep(2000);
    hub_async_result_set(&result, POINTER(9));
    return NULL;
}

static void *thread_gets(void *arg)
{
    void *value = NULL;

    if (hub_async_result_get(&result, hub_deadline(20 * HUB_SECOND), &value) == 0)
        *(int *)arg = NUMBER(value);
    return NULL;
}

START_TEST(threads_without_a_hub_set_and_get)
{
    int got = 0;
    void *value = NULL;
    pthread_t setter = thread(sets, NULL), getter = thread(thread_gets, &got);

    ck_assert_int_eq(
        hub_async_result_get(&result, hub_deadline(20 * HUB_SECOND), &value), 0);
    ck_assert_ptr_eq(value, POINTER(9));
    pthread_join(setter, NULL);
    pthread_join(getter, NULL);
    ck_assert_int_eq(got, 9);
}
END_TEST

int main(void)
{
    TCase *tcase = sync_case();

    tcase_add_checked_fixture(tcase, nothing, empty);
    tcase_add_test(tcase, any_number_get_the_value_in_order);
    tcase_add_test(tcase, get_and_wait_end_at_their_deadline);
    tcase_add_test(tcase, a_failure_is_raised_at_each_get);
    tcase_add_test(tcase, the_last_counts_and_a_value_counts_before_a_failure);
    tcase_add_test(tcase, it_takes_over_how_a_greenlet_ended);
    tcase_add_test(tcase, it_keeps_the_failure_of_a_greenlet_that_is_gone);
    tcase_add_loop_test(tcase, a_wait_that_is_ended_leaves_nothing_behind, 0,
                        HOWS);
    tcase_add_test(tcase, mistakes_are_refused);
    tcase_add_test(tcase, threads_without_a_hub_set_and_get);
    return unit_run("async_result", tcase);
}
