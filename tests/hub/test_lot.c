/* The parking lot: futexes between greenlets and real threads. */
#include "../unit.h"
#include "hub/lot_impl.h"

#include <errno.h>
#include <pthread.h>
#include <unistd.h>

#define MS INT64_C(1000000)

static uint32_t word, other;
static char order[16];

START_TEST(another_value_does_not_wait)
{
    word = 1;
    ck_assert_int_eq(hub__lot_wait(&word, 0, HUB_FOREVER, 0), -EAGAIN);
}
END_TEST

START_TEST(a_wait_may_time_out)
{
    ck_assert_int_eq(hub__lot_wait(&word, 0, hub_now() + MS, 0), -ETIMEDOUT);
    ck_assert_int_eq(hub__lot_wake(&word, 1), 0); /* nobody is left behind */
}
END_TEST

static void waits(void *arg)
{
    size_t length;

    ck_assert_int_eq(hub__lot_wait(&word, 0, HUB_FOREVER, 0), 0);
    length = strlen(order);
    order[length] = *(const char *)arg;
}

static void join_all(struct greenlet **all, int count)
{
    for (int i = 0; i < count; i++) {
        ck_assert_int_eq(hub_join(all[i], HUB_FOREVER), 0);
        greenlet_unref(all[i]);
    }
}

START_TEST(the_oldest_is_woken_first)
{
    struct greenlet *all[3] = { hub_spawn_raw(waits, "a"), hub_spawn_raw(waits, "b"),
                                hub_spawn_raw(waits, "c") };

    hub_yield();
    ck_assert_int_eq(hub__lot_wake(&word, 1), 1);
    hub_yield();
    ck_assert_str_eq(order, "a");
    ck_assert_int_eq(hub__lot_wake(&word, 10), 2);
    join_all(all, 3);
    ck_assert_str_eq(order, "abc");
}
END_TEST

static int timed_out;

static void waits_twice(void *arg)
{
    size_t length;

    ck_assert_int_eq(hub__lot_wait(&word, 0, hub_now() + 5 * MS, 0),
                     -ETIMEDOUT);
    timed_out = 1;
    ck_assert_int_eq(hub__lot_wait(&word, 0, HUB_FOREVER, 0), 0);
    length = strlen(order);
    order[length] = *(const char *)arg;
}

/* Else a pair of hogs keeps a third one out for ever. */
START_TEST(who_timed_out_keeps_its_seniority)
{
    struct greenlet *all[2];

    all[0] = hub_spawn_raw(waits_twice, "o");
    hub_yield();
    all[1] = hub_spawn_raw(waits, "n");
    while (!timed_out)
        hub_sleep(1 * MS);
    ck_assert_int_eq(hub__lot_wake(&word, 1), 1);
    hub_yield();
    ck_assert_str_eq(order, "o");
    ck_assert_int_eq(hub__lot_wake(&word, 1), 1);
    join_all(all, 2);
}
END_TEST

static void wait_in_vain(const char *name, struct greenlet **g)
{
    timed_out = 0;
    *g = hub_spawn_raw(waits_twice, (void *)(uintptr_t)name);
    while (!timed_out)
        hub_sleep(1 * MS);
}

/* The place is that of its age: not before who has waited, and timed out, longer. */
START_TEST(the_senior_of_two_is_woken_first)
{
    struct greenlet *all[3];

    all[2] = hub_spawn_raw(waits, "c");
    wait_in_vain("a", &all[0]);
    wait_in_vain("b", &all[1]);
    ck_assert_int_eq(hub__lot_wake(&word, 10), 3);
    join_all(all, 3);
    ck_assert_str_eq(order, "cab");
}
END_TEST

START_TEST(waiters_move_to_another_word)
{
    struct greenlet *all[3] = { hub_spawn_raw(waits, "a"), hub_spawn_raw(waits, "b"),
                                hub_spawn_raw(waits, "c") };

    hub_yield();
    /* One woken and one moved, counted as the kernel does. */
    ck_assert_int_eq(hub__lot_requeue(&word, 1, 1, &other), 2);
    ck_assert_int_eq(hub__lot_wake(&other, 10), 1);
    ck_assert_int_eq(hub__lot_wake(&word, 10), 1);
    join_all(all, 3);
    ck_assert_str_eq(order, "abc");
}
END_TEST

static void *wakes_from_a_thread(void *arg)
{
    usleep(5000);
    __atomic_store_n(&word, 1, __ATOMIC_SEQ_CST);
    while (hub__lot_wake(&word, 1) == 0)
        usleep(1000);
    return arg;
}

START_TEST(a_real_thread_wakes_a_greenlet)
{
    pthread_t thread;

    ck_assert_int_eq(pthread_create(&thread, NULL, wakes_from_a_thread, NULL),
                     0);
    ck_assert_int_eq(hub__lot_wait(&word, 0, hub_now() + 5000 * MS, 0), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
}
END_TEST

static void *waits_in_a_thread(void *arg)
{
    *(int *)arg = hub__lot_wait(&word, 0, HUB_FOREVER, 0);
    return arg;
}

START_TEST(a_greenlet_wakes_a_real_thread)
{
    pthread_t thread;
    int rc = 1;

    ck_assert_int_eq(pthread_create(&thread, NULL, waits_in_a_thread, &rc), 0);
    while (hub__lot_wake(&word, 1) == 0)
        hub_sleep(MS);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_int_eq(rc, 0);
}
END_TEST

/* ---- a wait that ends by its time while it is being woken, or moved ---- */

static bool racing; /* atomic */

static void *wakes_all_the_time(void *arg)
{
    while (__atomic_load_n(&racing, __ATOMIC_RELAXED))
        hub__lot_wake(&word, 1);
    return arg;
}

static void *moves_all_the_time(void *arg)
{
    while (__atomic_load_n(&racing, __ATOMIC_RELAXED))
        hub__lot_requeue(&word, 0, 1, &other);
    return arg;
}

/* Where the wait's frame was.  Zeroes are what a waker would take for a waiter. */
static __attribute__((noinline)) bool stack_is_left_alone(void)
{
    volatile uint64_t frame[64];
    bool alone = true;

    for (int i = 0; i < 64; i++)
        frame[i] = 0;
    for (int round = 0; round < 4; round++)
        for (int i = 0; i < 64; i++)
            alone &= frame[i] == 0;
    return alone;
}

static void *waits_for_no_time(void *arg)
{
    int64_t until = hub_now() + 500 * MS;
    bool *alone = arg;

    while (*alone && hub_now() < until)
        for (int i = 0; i < 100; i++) {
            hub__lot_wait(&word, 0, 0, 0);
            *alone &= stack_is_left_alone();
        }
    return NULL;
}

/* Who waited may have left its frame by then. */
START_TEST(a_wait_that_has_ended_is_not_touched)
{
    pthread_t waits_there, touches;
    bool alone = true;

    __atomic_store_n(&racing, true, __ATOMIC_RELAXED);
    ck_assert_int_eq(pthread_create(&waits_there, NULL, waits_for_no_time, &alone), 0);
    ck_assert_int_eq(pthread_create(&touches, NULL,
                                    _i == 0 ? wakes_all_the_time
                                            : moves_all_the_time,
                                    NULL),
                     0);
    ck_assert_int_eq(pthread_join(waits_there, NULL), 0);
    __atomic_store_n(&racing, false, __ATOMIC_RELAXED);
    ck_assert_int_eq(pthread_join(touches, NULL), 0);
    ck_assert(alone);
}
END_TEST

static struct hub *interrupted;

/* What a handler does that came while the lists were being changed. */
START_TEST(a_wake_inside_a_change_comes_later)
{
    struct greenlet *g = hub_spawn_raw(waits, "d");

    hub_yield();
    interrupted = hub__peek();
    hub__enter(interrupted);
    ck_assert_int_eq(hub__lot_wake(&word, 1), 0);
    hub__exit(interrupted);
    join_all(&g, 1);
    ck_assert_str_eq(order, "d");
}
END_TEST

static void reset(void)
{
    hub_yield();
    word = 0;
    memset(order, 0, sizeof order);
}

int main(void)
{
    TCase *tcase = tcase_create("unit");

    tcase_add_checked_fixture(tcase, reset, NULL);
    tcase_add_checked_fixture(tcase, unit_setup, unit_teardown);
    tcase_add_test(tcase, another_value_does_not_wait);
    tcase_add_test(tcase, a_wait_may_time_out);
    tcase_add_test(tcase, the_oldest_is_woken_first);
    tcase_add_test(tcase, who_timed_out_keeps_its_seniority);
    tcase_add_test(tcase, the_senior_of_two_is_woken_first);
    tcase_add_test(tcase, waiters_move_to_another_word);
    tcase_add_test(tcase, a_real_thread_wakes_a_greenlet);
    tcase_add_test(tcase, a_greenlet_wakes_a_real_thread);
    tcase_add_loop_test(tcase, a_wait_that_has_ended_is_not_touched, 0, 2);
    tcase_add_test(tcase, a_wake_inside_a_change_comes_later);
    return unit_run("lot", tcase);
}
