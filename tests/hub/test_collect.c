/* Which of several objects is ready first: also of those that threads share, and
 * without memory. */
#include "order.h"

#include "context/testhook.h"
#include "hub/collect.h"
#include "hub/event.h"

#include <pthread.h>
#include <unistd.h>

enum { EVENTS = 8 };
static struct hub_event events[EVENTS];
static struct hub_object objects[EVENTS];

static void init_events(void)
{
    for (int i = 0; i < EVENTS; i++) {
        hub_event_init(&events[i]);
        objects[i] = hub_event_object(&events[i]);
    }
}

static void destroy_events(void)
{
    for (int i = 0; i < EVENTS; i++)
        hub_event_destroy(&events[i]);
}

static void *sets_some(void *first)
{
    for (int i = *(const int *)first; i < EVENTS; i += 2) {
        usleep(200);
        hub_event_set(&events[i]);
    }
    return NULL;
}

START_TEST(threads_tell_it_while_it_waits)
{
    static const int first[] = { 0, 1 };
    pthread_t threads[2];
    size_t ready[EVENTS];

    for (int round = 0; round < 20; round++) {
        unsigned seen = 0;

        init_events();
        for (int i = 0; i < 2; i++)
            pthread_create(&threads[i], NULL, sets_some, (void *)&first[i]);
        ck_assert_int_eq(hub_wait(objects, EVENTS, HUB_FOREVER, 0, ready),
                         EVENTS);
        for (int i = 0; i < EVENTS; i++)
            seen |= 1u << ready[i];
        ck_assert_uint_eq(seen, (1u << EVENTS) - 1);
        for (int i = 0; i < 2; i++)
            pthread_join(threads[i], NULL);
        destroy_events();
    }
}
END_TEST

START_TEST(it_is_closed_while_threads_tell_it)
{
    static const int first[] = { 0, 1 };
    pthread_t threads[2];

    for (int round = 0; round < 20; round++) {
        init_events();
        for (int i = 0; i < 2; i++)
            pthread_create(&threads[i], NULL, sets_some, (void *)&first[i]);
        ck_assert_int_ge(hub_wait(objects, EVENTS, HUB_FOREVER, 1, NULL), 1);
        for (int i = 0; i < 2; i++)
            pthread_join(threads[i], NULL);
        destroy_events();
    }
}
END_TEST

static void *waits_in_thread(void *unused)
{
    ck_assert_int_eq(hub_wait(objects, 2, HUB_FOREVER, 0, NULL), 2);
    return unused;
}

START_TEST(several_threads_wait_for_the_same)
{
    pthread_t thread;

    init_events();
    pthread_create(&thread, NULL, waits_in_thread, NULL);
    hub_sleep(MS);
    hub_event_set(&events[0]);
    hub_event_set(&events[1]);
    ck_assert_int_eq(hub_wait(objects, 2, HUB_FOREVER, 0, NULL), 2);
    pthread_join(thread, NULL);
    destroy_events();
}
END_TEST

START_TEST(what_is_told_is_not_lost_by_a_timeout)
{
    struct hub__collector c;
    size_t index;

    init_events();
    ck_assert_int_eq(hub__collector_open(&c, objects, 2), 0);
    ck_assert_int_eq(hub__collector_next(&c, hub_now(), &index), -ETIMEDOUT);
    hub_event_set(&events[1]);
    ck_assert_int_eq(hub__collector_next(&c, hub_now(), &index), 1);
    ck_assert_uint_eq(index, 1);
    hub_event_set(&events[0]);
    ck_assert_int_eq(hub__collector_next(&c, HUB_FOREVER, &index), 1);
    ck_assert_uint_eq(index, 0);
    ck_assert_int_eq(hub__collector_next(&c, HUB_FOREVER, &index), 0);
    hub__collector_close(&c);
    destroy_events();
}
END_TEST

START_TEST(without_memory_nothing_is_linked)
{
    struct hub__collector c;

    init_events();
    greenlet_test_fail(GREENLET_TEST_ALLOCATION, 1);
    ck_assert_int_eq(hub__collector_open(&c, objects, 2), -ENOMEM);
    greenlet_test_fail(GREENLET_TEST_ALLOCATION, 0);
    objects[1].ops = NULL;
    ck_assert_int_eq(hub__collector_open(&c, objects, 2), -EINVAL);
    hub_event_set(&events[0]);
    destroy_events();
}
END_TEST

int main(void)
{
    TCase *tcase = order_case();

    tcase_add_test(tcase, threads_tell_it_while_it_waits);
    tcase_add_test(tcase, it_is_closed_while_threads_tell_it);
    tcase_add_test(tcase, several_threads_wait_for_the_same);
    tcase_add_test(tcase, what_is_told_is_not_lost_by_a_timeout);
    tcase_add_test(tcase, without_memory_nothing_is_linked);
    return unit_run("collect", tcase);
}
