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
    ck_assert(hub_now() - before < 1000 * MS); /* one after another: 2,500 */
}
END_TEST

static void ticks(void *arg)
{
    for (int i = 0; i < 5; i++) {
        hub_sleep(5 * MS);
        ++*(int *)arg;
    }
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
    int ticked = 0, done = 0;
    struct greenlet *g = hub_spawn_raw(ticks, &ticked);

    ck_assert_int_eq(hub_offload(sleeps_natively, &done), 0);
    ck_assert_int_eq(done, 1);
    ck_assert_int_gt(ticked, 1);
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
    tcase_add_test(tcase, idle_threads_end_after_a_second);
    return unit_run("threadpool", tcase);
}
