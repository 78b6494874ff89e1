/* Offloading: real threads for what cannot be made cooperative. */
#include "../unit.h"
#include "hub/hub_impl.h"
#include "hub/sight.h"

#include <errno.h>
#include <unistd.h>

#define MS INT64_C(1000000)

static void sleeps_natively(void *arg)
{
    usleep(50000);
    __atomic_add_fetch((int *)arg, 1, __ATOMIC_SEQ_CST);
}

static void offloads(void *arg)
{
    ck_assert_int_eq(hub__offload(sleeps_natively, arg, HUB_OFFLOAD_LONG), 0);
}

/* "50 slow lookups at once take the time of one." */
START_TEST(fifty_long_calls_take_the_time_of_one)
{
    struct greenlet *all[50];
    int done = 0;
    int64_t before = hub_now();

    for (int i = 0; i < 50; i++)
        all[i] = hub_spawn_raw(offloads, &done);
    for (int i = 0; i < 50; i++) {
        ck_assert_int_eq(hub_join(all[i], HUB_FOREVER), 0);
        greenlet_unref(all[i]);
    }
    ck_assert_int_eq(done, 50);
    ck_assert(hub_now() - before < 2400 * MS); /* one after another: 2,500 */
}
END_TEST

/* ---- who waits is killed, or has a timeout ---- */

static int gate, at_gate, called, dropped;

static void waits_at_gate(void *arg)
{
    (void)arg;
    __atomic_add_fetch(&at_gate, 1, __ATOMIC_SEQ_CST);
    while (!__atomic_load_n(&gate, __ATOMIC_SEQ_CST))
        usleep(1000);
    __atomic_add_fetch(&called, 1, __ATOMIC_SEQ_CST);
}

static void drops(void *arg)
{
    ck_assert_ptr_eq(arg, &dropped);
    __atomic_add_fetch(&dropped, 1, __ATOMIC_SEQ_CST);
}

static void until(const int *count, int wanted)
{
    while (__atomic_load_n(count, __ATOMIC_SEQ_CST) < wanted)
        hub_sleep(MS);
}

/* Idle threads of earlier tests would take more at once than a pool has. */
static void until_there_are_no_threads(void)
{
    while (hub__own_threads() > hub__monitor_threads())
        hub_sleep(10 * MS);
}

static void close_gate(void)
{
    until_there_are_no_threads();
    gate = at_gate = called = dropped = 0;
}

static void open_gate(void)
{
    __atomic_store_n(&gate, 1, __ATOMIC_SEQ_CST);
}

static void waits_there(void *arg)
{
    *(int *)arg = hub_offload(waits_at_gate, NULL);
}

static void finish(struct greenlet *g)
{
    ck_assert_int_eq(hub_join(g, HUB_FOREVER), 0);
    greenlet_unref(g);
}

START_TEST(a_call_that_has_begun_is_waited_for_by_one_who_is_killed)
{
    struct greenlet *g;
    int rc = 1;

    close_gate();
    g = hub_spawn_raw(waits_there, &rc);
    until(&at_gate, 1);
    hub_kill(g);
    hub_sleep(2 * MS);
    ck_assert_int_eq(rc, 1);
    open_gate();
    finish(g);
    ck_assert_int_eq(rc, 0); /* it was called: the next wait tells of the kill */
}
END_TEST

START_TEST(a_call_that_has_not_begun_never_does_for_one_who_is_killed)
{
    struct greenlet *g[17];
    int rc[17];

    close_gate();
    for (int i = 0; i < 17; i++)
        g[i] = hub_spawn_raw(waits_there, &rc[i]);
    until(&at_gate, 16);
    rc[16] = 1;
    hub_kill(g[16]);
    finish(g[16]);
    ck_assert_int_eq(rc[16], -ECANCELED);
    open_gate();
    for (int i = 0; i < 16; i++)
        finish(g[i]);
    ck_assert_int_eq(called, 16);
}
END_TEST

static void offloads_when_killed(void *arg)
{
    struct hub_shield shield;
    int *rc = arg;

    rc[0] = hub_sleep(HUB_FOREVER);
    rc[1] = hub_offload(waits_at_gate, NULL);
    rc[2] = hub_offload_owned(waits_at_gate, &dropped, drops, HUB_FOREVER);
    hub_shield_begin(&shield);
    rc[3] = hub_offload(waits_at_gate, NULL);
    hub_shield_end(&shield);
}

START_TEST(one_who_was_killed_offloads_nothing_but_in_a_shield)
{
    int rc[4] = { 1, 1, 1, 1 };
    struct greenlet *g;

    close_gate();
    open_gate();
    g = hub_spawn_raw(offloads_when_killed, rc);
    hub_yield();
    hub_kill(g);
    finish(g);
    ck_assert_int_eq(rc[0], -ECANCELED);
    ck_assert_int_eq(rc[1], -ECANCELED);
    ck_assert_int_eq(rc[2], -ECANCELED);
    ck_assert_int_eq(dropped, 1);
    ck_assert_int_eq(rc[3], 0);
    ck_assert_int_eq(called, 1);
}
END_TEST

static void gives_away(void *arg)
{
    *(int *)arg =
        hub_offload_owned(waits_at_gate, &dropped, drops, HUB_FOREVER);
}

START_TEST(an_owned_call_goes_on_without_who_waited)
{
    struct greenlet *g;
    int rc = 1;

    close_gate();
    g = hub_spawn_raw(gives_away, &rc);
    until(&at_gate, 1);
    hub_kill(g);
    finish(g);
    ck_assert_int_eq(rc, -ECANCELED);
    ck_assert_int_eq(dropped, 0);
    open_gate();
    until(&dropped, 1);
    ck_assert_int_eq(called, 1);
    ck_assert_int_eq(hub_offload_owned(waits_at_gate, &dropped, drops,
                                       HUB_FOREVER),
                     0);
    ck_assert_int_eq(called, 2);
    until_there_are_no_threads();
    ck_assert_int_eq(dropped, 1); /* it is the caller's again */
}
END_TEST

/* Begun or not, it is over for the caller, and dropped once. */
START_TEST(an_owned_call_ends_with_its_deadline)
{
    struct hub_timeout timeout;

    close_gate();
    ck_assert_int_eq(hub_offload_owned(waits_at_gate, &dropped, drops,
                                       hub_deadline(2 * MS)),
                     -ETIMEDOUT);
    hub_timeout_begin(&timeout, hub_deadline(2 * MS));
    ck_assert_int_eq(hub_offload_owned(waits_at_gate, &dropped, drops,
                                       HUB_FOREVER),
                     -ETIMEDOUT);
    ck_assert(hub_timeout_fired(&timeout));
    hub_timeout_end(&timeout);
    open_gate();
    until(&dropped, 2);
    ck_assert_int_eq(called, at_gate);
}
END_TEST

static void opens_it(void *arg)
{
    (void)arg;
    open_gate();
}

static void opens_it_by_a_thread(void *arg)
{
    *(int *)arg = hub__offload(opens_it, NULL, HUB_OFFLOAD_LONG);
}

/* The thread that was made for the long call must not take the queued one, which
 * waits for it. */
START_TEST(a_long_call_does_not_wait_behind_queued_ones)
{
    struct greenlet *g[18];
    int rc[18];

    close_gate();
    for (int i = 0; i < 17; i++)
        g[i] = hub_spawn_raw(waits_there, &rc[i]);
    until(&at_gate, 16);
    g[17] = hub_spawn_raw(opens_it_by_a_thread, &rc[17]);
    for (int i = 0; i < 18; i++) {
        finish(g[i]);
        ck_assert_int_eq(rc[i], 0);
    }
    ck_assert_int_eq(called, 17);
}
END_TEST

static int loop_rc;

static void offloads_in_the_loop(void *arg)
{
    (void)arg;
    loop_rc = hub_offload(opens_it, NULL);
}

START_TEST(a_callback_of_the_loop_cannot_offload)
{
    ck_assert_ptr_nonnull(hub_call_soon(offloads_in_the_loop, NULL));
    hub_yield();
    ck_assert_int_eq(loop_rc, -EDEADLK);
}
END_TEST

static void ticks(void *arg)
{
    for (int i = 0; i < 5; i++) {
        hub_sleep(5 * MS);
        __atomic_add_fetch((int *)arg, 1, __ATOMIC_SEQ_CST);
    }
}

/* Until others have run. */
static void watches(void *arg)
{
    while (__atomic_load_n((int *)arg, __ATOMIC_SEQ_CST) < 5)
        usleep(1000);
}

static void offloads_and_notes(void *arg)
{
    int done = 0;

    *(int *)arg = hub_offload(sleeps_natively, &done);
    ck_assert_int_eq(done, 1); /* not before: it lies on this stack */
}

static void throws(void *arg)
{
    const struct greenlet_exception thrown = { .cls = &greenlet_value_class };

    greenlet_throw(arg, &thrown, NULL); /* suspended until it is killed */
}

START_TEST(a_throw_waits_until_the_thread_is_done)
{
    int rc = 1;
    struct greenlet *g = hub_spawn_raw(offloads_and_notes, &rc);
    struct greenlet *thrower = hub_spawn_raw(throws, g);

    ck_assert_int_eq(hub_join(g, HUB_FOREVER), 0);
    ck_assert_int_eq(rc, greenlet_value_class.error);
    hub_kill(thrower);
    ck_assert_int_eq(hub_join(thrower, HUB_FOREVER), 0);
    hub_sleep(1 * MS); /* the loop has seen to the thrower's end */
    greenlet_unref(thrower);
    greenlet_unref(g);
}
END_TEST

START_TEST(others_run_meanwhile)
{
    int ticked = 0;
    struct greenlet *g = hub_spawn_raw(ticks, &ticked);

    ck_assert_int_eq(hub_offload(watches, &ticked), 0);
    hub_join(g, HUB_FOREVER);
    greenlet_unref(g);
}
END_TEST

static unsigned count_tasks(void)
{
    DIR *folder = opendir("/proc/self/task");
    unsigned count = 0;

    while (readdir(folder) != NULL)
        count++;
    closedir(folder);
    return count - 2 - hub__monitor_threads();
}

/* qemu-user has one of its own; so has ThreadSanitizer, from the first thread
 * that is made on. */
static unsigned tasks_at_start;

START_TEST(idle_threads_end_after_a_second)
{
    int done = 0;

    ck_assert_int_eq(hub_offload(sleeps_natively, &done), 0);
    ck_assert_uint_gt(count_tasks(), tasks_at_start);
    for (int i = 0; i < 100 && count_tasks() > tasks_at_start; i++)
        hub_sleep(100 * MS);
    ck_assert_uint_eq(count_tasks(), tasks_at_start);
}
END_TEST

static void start_hub(void)
{
    hub_yield();
}

int main(void)
{
    TCase *tcase = tcase_create("unit");

    tasks_at_start = count_tasks() + WITH_TSAN;
    tcase_set_timeout(tcase, 20);
    tcase_add_checked_fixture(tcase, start_hub, NULL);
    tcase_add_checked_fixture(tcase, unit_setup, unit_teardown);
    tcase_add_test(tcase, fifty_long_calls_take_the_time_of_one);
    tcase_add_test(tcase, others_run_meanwhile);
    tcase_add_test(tcase, a_throw_waits_until_the_thread_is_done);
    tcase_add_test(tcase,
                   a_call_that_has_begun_is_waited_for_by_one_who_is_killed);
    tcase_add_test(tcase,
                   a_call_that_has_not_begun_never_does_for_one_who_is_killed);
    tcase_add_test(tcase,
                   one_who_was_killed_offloads_nothing_but_in_a_shield);
    tcase_add_test(tcase, an_owned_call_goes_on_without_who_waited);
    tcase_add_test(tcase, an_owned_call_ends_with_its_deadline);
    tcase_add_test(tcase, a_long_call_does_not_wait_behind_queued_ones);
    tcase_add_test(tcase, a_callback_of_the_loop_cannot_offload);
    tcase_add_test(tcase, idle_threads_end_after_a_second);
    return unit_run("threadpool", tcase);
}
