/* Waiting for several greenlets, or objects, in the order of readiness. */
#include "order.h"

static int sleeps(void *arg, void **result)
{
    *result = arg;
    return hub_sleep(*(int64_t *)arg);
}

static int64_t times[] = { 400 * MS, 50 * MS, 200 * MS };
static struct greenlet *list[3];
static struct hub_object objects[3];

static void spawn_three(void)
{
    for (int i = 0; i < 3; i++) {
        list[i] = hub_spawn(sleeps, &times[i]);
        objects[i] = hub_greenlet_object(list[i]);
    }
}

static void end_three(void)
{
    ck_assert_int_eq(hub_killall(list, 3, NULL, HUB_FOREVER), 0);
    for (int i = 0; i < 3; i++)
        greenlet_unref(list[i]);
}

START_TEST(joinall_gives_them_as_they_end)
{
    struct greenlet *finished[3];

    spawn_three();
    ck_assert_int_eq(hub_joinall(list, 3, HUB_FOREVER, 0, 0, finished), 3);
    ck_assert_ptr_eq(finished[0], list[1]);
    ck_assert_ptr_eq(finished[1], list[2]);
    ck_assert_ptr_eq(finished[2], list[0]);
    ck_assert_int_eq(hub_joinall(list, 3, HUB_FOREVER, 0, 9, NULL), 3);
    end_three();
}
END_TEST

START_TEST(joinall_stops_at_a_count_or_a_deadline)
{
    struct greenlet *finished[3];

    spawn_three();
    ck_assert_int_eq(hub_joinall(list, 3, HUB_FOREVER, 0, 1, finished), 1);
    ck_assert_ptr_eq(finished[0], list[1]);
    ck_assert_ptr_null(finished[1]);
    ck_assert_int_eq(hub_joinall(list, 3, hub_now(), 0, 0, finished), 1);
    ck_assert_int_eq(hub_joinall(NULL, 0, HUB_FOREVER, 0, 0, NULL), 0);
    end_three();
}
END_TEST

static int fails(void *arg, void **result)
{
    (void)arg;
    (void)result;
    return -ENOENT;
}

START_TEST(joinall_returns_the_first_failure)
{
    struct greenlet *finished[3];
    int64_t little = 0, much = 60 * HUB_SECOND;

    list[0] = hub_spawn(sleeps, &much);
    list[1] = hub_spawn(fails, NULL);
    list[2] = hub_spawn(sleeps, &little);
    ck_assert_int_eq(hub_joinall(list, 3, HUB_FOREVER, HUB_JOIN_RAISE, 0,
                                 finished),
                     -ENOENT);
    ck_assert_ptr_eq(finished[0], list[1]);
    ck_assert_ptr_nonnull(greenlet_caught_peek());
    end_three();
}
END_TEST

START_TEST(wait_gives_places_in_the_order_of_readiness)
{
    size_t ready[3];

    spawn_three();
    ck_assert_int_eq(hub_wait(objects, 3, HUB_FOREVER, 0, ready), 3);
    ck_assert_uint_eq(ready[0], 1);
    ck_assert_uint_eq(ready[1], 2);
    ck_assert_uint_eq(ready[2], 0);
    end_three();
}
END_TEST

/* What is ready is told of with the next turn, in the order of the list. */
START_TEST(those_that_are_ready_let_others_run_first)
{
    size_t ready[3];
    int64_t none = 0;
    struct greenlet *g;

    spawn_three();
    hub_wait(objects, 3, HUB_FOREVER, 0, NULL);
    g = hub_spawn(sleeps, &none);
    ck_assert_int_eq(hub_wait(objects, 3, HUB_FOREVER, 2, ready), 2);
    ck_assert_uint_eq(ready[0], 0);
    ck_assert_uint_eq(ready[1], 1);
    hub_join(g, HUB_FOREVER);
    greenlet_unref(g);
    end_three();
}
END_TEST

START_TEST(a_wait_may_time_out_and_be_killed)
{
    struct hub_timeout timeout;

    spawn_three();
    ck_assert_int_eq(hub_wait(objects, 3, hub_deadline(100 * MS), 0, NULL), 1);
    hub_timeout_begin(&timeout, hub_now());
    ck_assert_int_eq(hub_wait(objects, 2, HUB_FOREVER, 0, NULL), -ETIMEDOUT);
    hub_timeout_end(&timeout);
    end_three();
}
END_TEST

START_TEST(without_objects_it_drains)
{
    int64_t little = MS;
    struct greenlet *g = hub_spawn(sleeps, &little);

    ck_assert_int_eq(hub_wait(NULL, 0, HUB_FOREVER, 0, NULL), 0);
    ck_assert(hub_ready(g));
    greenlet_unref(g);
}
END_TEST

START_TEST(iwait_gives_one_at_a_time)
{
    struct hub_iwait *iwait;
    size_t index;

    spawn_three();
    iwait = hub_iwait_new(objects, 3, 0);
    ck_assert_int_eq(hub_iwait_next(iwait, HUB_FOREVER, &index), 1);
    ck_assert_uint_eq(index, 1);
    ck_assert_uint_eq(hub_iwait_left(iwait), 2);
    hub_sleep(500 * MS); /* the others end meanwhile */
    ck_assert_int_eq(hub_iwait_next(iwait, HUB_FOREVER, &index), 1);
    ck_assert_uint_eq(index, 2);
    ck_assert_int_eq(hub_iwait_next(iwait, HUB_FOREVER, &index), 1);
    ck_assert_uint_eq(index, 0);
    ck_assert_int_eq(hub_iwait_next(iwait, HUB_FOREVER, &index), 0);
    hub_iwait_free(iwait);
    end_three();
}
END_TEST

START_TEST(a_deadline_ends_iwait_without_error)
{
    struct hub_iwait *iwait;
    size_t index;

    spawn_three();
    iwait = hub_iwait_new(objects, 3, 2);
    ck_assert_int_eq(hub_iwait_next(iwait, hub_now(), &index), 0);
    ck_assert_int_eq(hub_iwait_next(iwait, HUB_FOREVER, &index), 0);
    ck_assert_uint_eq(hub_iwait_left(iwait), 2);
    hub_iwait_free(iwait);
    hub_iwait_free(NULL);
    end_three();
}
END_TEST

START_TEST(an_object_without_anything_is_refused)
{
    struct hub_object none = { NULL, NULL };

    ck_assert_int_eq(hub_wait(&none, 1, HUB_FOREVER, 0, NULL), -EINVAL);
    ck_assert_ptr_null(hub_iwait_new(&none, 1, 0));
}
END_TEST

static struct hub_link raw;

static void linked(struct hub_object object, void *arg)
{
    ck_assert(hub_object_ready(object));
    note(*(const char *)arg);
}

START_TEST(a_greenlet_is_an_object_like_others)
{
    int64_t none = 0;
    struct greenlet *g = hub_spawn(sleeps, &none);
    struct hub_object object = hub_greenlet_object(g);

    ck_assert(!hub_object_ready(object));
    ck_assert_int_eq(hub_rawlink(&raw, object, linked, "l"), 0);
    hub_join(g, HUB_FOREVER);
    ck_assert(hub_object_ready(object));
    ck_assert_str_eq(order, "l");
    ck_assert_int_eq(hub_rawlink(&raw, object, linked, "m"), 0);
    ck_assert_str_eq(order, "l");
    hub_yield();
    ck_assert_str_eq(order, "lm");
    ck_assert_int_eq(hub_rawlink(&raw, object, linked, "n"), 0);
    ck_assert_int_eq(hub_unlink(&raw), 0);
    hub_yield();
    ck_assert_str_eq(order, "lm");
    greenlet_unref(g);
}
END_TEST

int main(void)
{
    TCase *tcase = order_case();

    tcase_add_test(tcase, joinall_gives_them_as_they_end);
    tcase_add_test(tcase, joinall_stops_at_a_count_or_a_deadline);
    tcase_add_test(tcase, joinall_returns_the_first_failure);
    tcase_add_test(tcase, wait_gives_places_in_the_order_of_readiness);
    tcase_add_test(tcase, those_that_are_ready_let_others_run_first);
    tcase_add_test(tcase, a_wait_may_time_out_and_be_killed);
    tcase_add_test(tcase, without_objects_it_drains);
    tcase_add_test(tcase, iwait_gives_one_at_a_time);
    tcase_add_test(tcase, a_deadline_ends_iwait_without_error);
    tcase_add_test(tcase, an_object_without_anything_is_refused);
    tcase_add_test(tcase, a_greenlet_is_an_object_like_others);
    return unit_run("wait", tcase);
}
