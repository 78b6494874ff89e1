/* Calls that the loop makes, in the order of the ready list. */
#include "order.h"

#include <pthread.h>
#include <unistd.h>

static void call_note(void *arg)
{
    note(*(const char *)arg);
}

static int run_note(void *arg, void **result)
{
    (void)result;
    note(*(const char *)arg);
    return 0;
}

START_TEST(callbacks_and_greenlets_take_turns_as_they_came)
{
    hub_call_soon(call_note, "a");
    greenlet_unref(hub_spawn(run_note, "b"));
    hub_call_soon(call_note, "c");
    greenlet_unref(hub_spawn(run_note, "d"));
    ck_assert_str_eq(order, "");
    hub_yield();
    ck_assert_str_eq(order, "abcd");
}
END_TEST

START_TEST(a_cancelled_one_is_not_called)
{
    struct hub_callback *b;

    hub_call_soon(call_note, "a");
    b = hub_call_soon(call_note, "b");
    hub_call_soon(call_note, "c");
    hub_callback_cancel(b);
    hub_yield();
    ck_assert_str_eq(order, "ac");
}
END_TEST

static void call_again(void *arg)
{
    int *left = arg;

    note('x');
    if (--*left > 0)
        hub_call_soon(call_again, left);
}

START_TEST(what_a_callback_queues_runs_in_the_same_turn)
{
    int left = 3;

    hub_call_soon(call_again, &left);
    ck_assert_int_eq(hub_drain(HUB_FOREVER), 0);
    ck_assert_str_eq(order, "xxx");
}
END_TEST

static int refused[4];

static void waits_in_the_loop(void *arg)
{
    struct greenlet_exception caught;

    refused[0] = hub_sleep(MS);
    ck_assert(greenlet_caught(&caught));
    ck_assert_ptr_eq(caught.cls, &hub_blocking_class);
    refused[1] = hub_sleep(0);
    refused[2] = hub_join(arg, HUB_FOREVER);
    refused[3] = hub_wait_fd(0, HUB_READ, HUB_FOREVER);
    note('w');
}

START_TEST(a_callback_cannot_wait_and_the_loop_goes_on)
{
    struct greenlet *g = hub_spawn(run_note, "g");

    hub_kill(g);
    greenlet_unref(g);
    g = hub_spawn_later(MS, run_note, "g");
    hub_call_soon(waits_in_the_loop, g);
    hub_call_soon(call_note, "n");
    ck_assert_int_eq(hub_join(g, HUB_FOREVER), 0);
    ck_assert_str_eq(order, "wng");
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(refused[i], -EDEADLK);
    greenlet_unref(g);
}
END_TEST

static void spawns(void *arg)
{
    greenlet_unref(hub_spawn(run_note, arg));
}

START_TEST(a_callback_may_spawn)
{
    hub_call_soon(spawns, "s");
    hub_call_soon(call_note, "a");
    hub_drain(HUB_FOREVER);
    ck_assert_str_eq(order, "as");
}
END_TEST

static void *calls_from_outside(void *hub)
{
    usleep(2000);
    hub_call_soon_threadsafe(hub, call_note, "1");
    hub_call_soon_threadsafe(hub, call_note, "2");
    return NULL;
}

START_TEST(another_thread_calls_by_the_loop)
{
    pthread_t thread;

    pthread_create(&thread, NULL, calls_from_outside, hub_current());
    for (int i = 0; i < 2000 && strlen(order) < 2; i++)
        hub_sleep(MS);
    pthread_join(thread, NULL);
    ck_assert_str_eq(order, "12");
}
END_TEST

/* 50 at a time, and then the clock is looked at: a queue that never ends
 * does not keep the loop from timers. */
static bool stop;
static long turns;

static void for_ever(void *arg)
{
    turns++;
    if (!stop)
        hub_call_soon(for_ever, arg);
}

static int sleeps_and_stops(void *arg, void **result)
{
    int rc = hub_sleep(10 * MS);

    (void)arg;
    (void)result;
    stop = true;
    return rc;
}

START_TEST(a_queue_without_end_lets_timers_fire)
{
    struct greenlet *g = hub_spawn(sleeps_and_stops, NULL);

    stop = false;
    hub_call_soon(for_ever, NULL);
    ck_assert_int_eq(hub_join(g, HUB_FOREVER), 0);
    ck_assert_int_ge(turns, 50);
    hub_drain(HUB_FOREVER);
    greenlet_unref(g);
}
END_TEST

static int yields_for_ever(void *arg, void **result)
{
    (void)arg;
    (void)result;
    while (!stop)
        hub_sleep(0);
    return 0;
}

START_TEST(greenlets_that_only_yield_let_timers_fire)
{
    struct greenlet *g = hub_spawn(sleeps_and_stops, NULL);
    struct greenlet *busy = hub_spawn(yields_for_ever, NULL);

    stop = false;
    ck_assert_int_eq(hub_join(busy, HUB_FOREVER), 0);
    greenlet_unref(g);
    greenlet_unref(busy);
}
END_TEST

static int called;
static bool arrived;

static void compute_and_call_again(void *arg)
{
    int64_t end = hub_now() + 200 * HUB_MICROSECOND;

    while (hub_now() < end)
        ;
    called++;
    if (!arrived)
        hub_call_soon(compute_and_call_again, arg);
}

static int waits_for_a_byte(void *arg, void **result)
{
    (void)result;
    hub_wait_fd(*(int *)arg, HUB_READ, HUB_FOREVER);
    arrived = true;
    return 0;
}

/* Not from whenever the clock was looked at before that. */
START_TEST(the_switch_interval_begins_with_a_poll)
{
    int ends[2];
    struct greenlet *g;

    ck_assert_int_eq(hub_pipe(ends), 0);
    g = hub_spawn(waits_for_a_byte, &ends[0]);
    for (int i = 0; i < 40; i++)
        hub_yield();
    hub_sleep(10 * HUB_MILLISECOND);
    ck_assert_int_eq(write(ends[1], "x", 1), 1);
    hub_call_soon(compute_and_call_again, NULL);
    ck_assert_int_eq(hub_join(g, HUB_FOREVER), 0);
    ck_assert_int_ge(called, 40); /* 50 between looks, some of them switches */
    ck_assert_int_le(called, 60);
    greenlet_unref(g);
    hub_close(ends[0]);
    hub_close(ends[1]);
}
END_TEST

START_TEST(the_switch_interval_can_be_read_and_set)
{
    int64_t before = hub_set_switch_interval(MS);

    ck_assert_int_eq(before, 5 * MS);
    ck_assert_int_eq(hub_set_switch_interval(-1), MS);
    ck_assert_int_eq(hub_set_switch_interval(before), 0);
}
END_TEST

static void *switched_to;

static void switches(void *arg)
{
    greenlet_switch(arg, switched_to, NULL);
    note('b');
}

static int body(void *value, void **result)
{
    ck_assert_ptr_eq(value, switched_to);
    note('r');
    *result = NULL;
    return 0;
}

START_TEST(a_callback_may_switch)
{
    struct greenlet *g = greenlet_new(body, hub_greenlet(hub_current()), 0);

    switched_to = &g;
    hub_call_soon(switches, g);
    hub_yield();
    hub_yield();
    ck_assert_str_eq(order, "rb");
    greenlet_unref(g);
}
END_TEST

int main(void)
{
    TCase *tcase = order_case();

    tcase_add_test(tcase, callbacks_and_greenlets_take_turns_as_they_came);
    tcase_add_test(tcase, a_cancelled_one_is_not_called);
    tcase_add_test(tcase, what_a_callback_queues_runs_in_the_same_turn);
    tcase_add_test(tcase, a_callback_cannot_wait_and_the_loop_goes_on);
    tcase_add_test(tcase, a_callback_may_spawn);
    tcase_add_test(tcase, another_thread_calls_by_the_loop);
    tcase_add_test(tcase, a_queue_without_end_lets_timers_fire);
    tcase_add_test(tcase, greenlets_that_only_yield_let_timers_fire);
    tcase_add_test(tcase, the_switch_interval_begins_with_a_poll);
    tcase_add_test(tcase, the_switch_interval_can_be_read_and_set);
    tcase_add_test(tcase, a_callback_may_switch);
    return unit_run("callback", tcase);
}
