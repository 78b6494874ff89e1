/* Scopes that own tasks: left, cancelled, failing fast, of the hub. */
#include "order.h"

#include "context/testhook.h"

#include <pthread.h>

static struct hub_scope scope;
static int rcs[4], cleaned;

static int gives(void *arg, void **result)
{
    int rc = hub_sleep(MS);

    *result = arg;
    return rc;
}

static void cleanup(void *arg)
{
    struct hub_shield shield;

    (void)arg;
    hub_shield_begin(&shield);
    hub_sleep(2 * MS);
    hub_shield_end(&shield);
    cleaned++;
}

static int waits(void *arg, void **result)
{
    (void)arg;
    (void)result;
    greenlet_defer(cleanup, NULL);
    return hub_sleep(60 * HUB_SECOND);
}

static int fails(void *arg, void **result)
{
    (void)result;
    hub_sleep(MS);
    return *(int *)arg;
}

START_TEST(tasks_left_are_cancelled_and_their_cleanups_run)
{
    struct hub_task *task;

    cleaned = 0;
    ck_assert_int_eq(hub_scope_begin(&scope, 0), 0);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(hub_task_create(&scope, &task, waits, NULL, NULL), 0);
    hub_task_release(task);
    ck_assert_int_eq(hub_task_create(&scope, NULL, waits, NULL, NULL), 0);
    ck_assert_uint_eq(hub_scope_count(&scope), 4);
    hub_yield();
    ck_assert_int_eq(hub_scope_end(&scope), 0);
    ck_assert_int_eq(cleaned, 4); /* released ones, too */
}
END_TEST

static int uses_scope(void *arg, void **result)
{
    struct hub_scope inner;
    struct hub_task *task;

    (void)arg;
    (void)result;
    hub_scope_begin(&inner, 0);
    hub_task_create(&inner, &task, waits, NULL, NULL);
    rcs[0] = hub_task_await(task, HUB_FOREVER, NULL);
    rcs[1] = hub_scope_end(&inner);
    return rcs[0];
}

START_TEST(who_is_killed_in_it_still_waits_for_its_tasks)
{
    struct greenlet *g = hub_spawn(uses_scope, NULL);

    cleaned = 0;
    hub_sleep(MS);
    hub_kill(g);
    ck_assert_int_eq(hub_join(g, HUB_FOREVER), 0);
    ck_assert_int_eq(rcs[0], -ECANCELED);
    ck_assert_int_eq(cleaned, 1);
    greenlet_unref(g);
}
END_TEST

START_TEST(a_timeout_around_it_ends_all)
{
    struct hub_timeout timeout;
    struct hub_task *task;

    cleaned = 0;
    hub_timeout_begin(&timeout, hub_deadline(2 * MS));
    hub_scope_begin(&scope, 0);
    hub_task_create(&scope, &task, waits, NULL, NULL);
    ck_assert_int_eq(hub_scope_join(&scope, HUB_FOREVER), -ETIMEDOUT);
    ck_assert_int_eq(hub_scope_end(&scope), 0);
    ck_assert_int_eq(hub_timeout_end(&timeout), -ETIMEDOUT);
    ck_assert_int_eq(cleaned, 1);
}
END_TEST

static void cancels(void *arg)
{
    hub_scope_cancel(arg, "stop");
}

START_TEST(a_cancelled_scope_ends_waits_in_it_until_it_is_left)
{
    struct hub_task *task, *late;

    cleaned = 0;
    hub_scope_begin(&scope, 0);
    hub_task_create(&scope, &task, waits, NULL, NULL);
    hub_yield();
    hub_call_soon(cancels, &scope);
    ck_assert_int_eq(hub_sleep(60 * HUB_SECOND), -ECANCELED);
    ck_assert_int_eq(hub_sleep(60 * HUB_SECOND), -ECANCELED);
    ck_assert_int_eq(hub_task_create(&scope, &late, waits, NULL, NULL),
                     -ECANCELED);
    ck_assert_int_eq(hub_scope_end(&scope), -ECANCELED);
    ck_assert_int_eq(hub_sleep(MS), 0);
    ck_assert_int_eq(cleaned, 1);
}
END_TEST

START_TEST(failing_fast_ends_the_others_and_the_body)
{
    struct hub_task *task, *bad;
    int error = -ENOENT;

    cleaned = 0;
    hub_scope_begin(&scope, HUB_SCOPE_FAIL_FAST);
    hub_task_create(&scope, &task, waits, NULL, NULL);
    hub_task_create(&scope, &bad, fails, &error, NULL);
    ck_assert_int_eq(hub_sleep(60 * HUB_SECOND), -ECANCELED);
    ck_assert_int_eq(hub_scope_end(&scope), -ENOENT);
    ck_assert_ptr_nonnull(greenlet_caught_peek());
    ck_assert_int_eq(cleaned, 1);
    ck_assert_int_eq(reports, 0);
    ck_assert_int_eq(hub_canceled(), 0);
}
END_TEST

START_TEST(without_that_a_failure_leaves_the_others_alone)
{
    struct hub_task *task, *bad;
    int error = -ENOENT;

    hub_scope_begin(&scope, 0);
    hub_task_create(&scope, &bad, fails, &error, NULL);
    hub_task_create(&scope, &task, gives, order, NULL);
    ck_assert_int_eq(hub_scope_join(&scope, HUB_FOREVER), 0);
    ck_assert_int_eq(hub_task_await(task, HUB_FOREVER, NULL), 0);
    ck_assert_ptr_nonnull(hub_task_exception(bad));
    ck_assert_int_eq(hub_scope_end(&scope), 0);
}
END_TEST

static int creates_more(void *arg, void **result)
{
    struct hub_task *task;
    int *left = arg;

    (void)result;
    hub_sleep(0);
    if (--*left > 0)
        hub_task_create(&scope, &task, creates_more, left, NULL);
    rcs[0] = hub_scope_join(&scope, HUB_FOREVER);
    return 0;
}

START_TEST(join_waits_for_those_too_that_tasks_create)
{
    struct hub_task *task;
    int left = 4;

    hub_scope_begin(&scope, 0);
    hub_task_create(&scope, &task, creates_more, &left, NULL);
    ck_assert_int_eq(hub_scope_join(&scope, HUB_FOREVER), 0);
    ck_assert_int_eq(left, 0);
    ck_assert_int_eq(rcs[0], -EDEADLK); /* a task of the scope itself */
    ck_assert_int_eq(hub_scope_join(&scope, hub_now()), 0);
    ck_assert_int_eq(hub_scope_end(&scope), 0);
}
END_TEST

static int ends_it(void *arg, void **result)
{
    (void)arg;
    (void)result;
    rcs[0] = hub_scope_end(&scope);
    return 0;
}

static void *of_another_thread(void *unused)
{
    struct hub_task *task;

    hub_yield();
    ck_assert_int_eq(hub_task_create(&scope, &task, waits, NULL, NULL), -EXDEV);
    ck_assert_int_eq(hub_scope_cancel(&scope, NULL), -EXDEV);
    ck_assert_int_eq(hub_scope_join(&scope, 0), -EXDEV);
    ck_assert_int_eq(hub_scope_end(&scope), -EPERM);
    return unused;
}

START_TEST(it_is_left_by_who_entered_it)
{
    struct hub_task *task;
    pthread_t thread;

    ck_assert_int_eq(hub_scope_begin(&scope, 99), -EINVAL);
    hub_scope_begin(&scope, 0);
    hub_task_create(&scope, &task, ends_it, NULL, NULL);
    ck_assert_int_eq(hub_task_await(task, HUB_FOREVER, NULL), 0);
    ck_assert_int_eq(rcs[0], -EPERM);
    ck_assert_int_eq(hub_task_create(&scope, &task, NULL, NULL, NULL), -EINVAL);
    pthread_create(&thread, NULL, of_another_thread, NULL);
    pthread_join(thread, NULL);
    ck_assert_int_eq(hub_scope_end(&scope), 0);
}
END_TEST

static int dropped;

static void drop(void *result)
{
    (void)result;
    dropped++;
}

static int starts_background(void *arg, void **result)
{
    (void)arg;
    (void)result;
    return hub_task_create(hub_scope_of_hub(), NULL, gives, order, drop);
}

START_TEST(the_scope_of_the_hub_outlives_who_creates_tasks_in_it)
{
    struct greenlet *g = hub_spawn(starts_background, NULL);
    struct hub_task *task;

    dropped = 0;
    ck_assert_int_eq(hub_get(g, HUB_FOREVER, NULL), 0);
    greenlet_unref(g);
    ck_assert_uint_eq(hub_scope_count(hub_scope_of_hub()), 1);
    ck_assert_int_eq(hub_scope_join(hub_scope_of_hub(), HUB_FOREVER), 0);
    ck_assert_int_eq(dropped, 1);
    hub_task_create(hub_scope_of_hub(), &task, gives, order, drop);
    ck_assert_int_eq(hub_task_await(task, HUB_FOREVER, NULL), 0);
    hub_task_release(task);
    ck_assert_int_eq(dropped, 2);
    ck_assert_int_eq(hub_scope_end(hub_scope_of_hub()), -EPERM);
}
END_TEST

START_TEST(the_end_of_the_hub_cancels_what_is_left_in_it)
{
    struct hub_task *task;

    cleaned = dropped = 0;
    hub_task_create(hub_scope_of_hub(), NULL, waits, NULL, NULL);
    hub_task_create(hub_scope_of_hub(), &task, gives, order, drop);
    while (!hub_task_done(task))
        hub_sleep(MS);
    ck_assert_int_eq(hub_destroy(), 0);
    ck_assert_int_eq(cleaned, 1);
    ck_assert_int_eq(dropped, 1);
    hub_yield();
}
END_TEST

static int scenario(void)
{
    struct hub_task *task[3];
    void *results[3];
    int rc = hub_scope_begin(&scope, HUB_SCOPE_FAIL_FAST);

    for (int i = 0; i < 3 && rc == 0; i++)
        rc = hub_task_create(&scope, &task[i], i < 2 ? gives : waits, order,
                             drop);
    if (rc == 0)
        rc = hub_task_gather(task, 2, HUB_FOREVER, results);
    if (rc == 0)
        hub_task_cancel(task[2], "message");
    if (rc == 0)
        rc = hub_task_wait(task, 3, HUB_FOREVER, HUB_ALL_COMPLETED);
    hub_scope_end(&scope);
    return rc < 0 ? rc : 0;
}

START_TEST(each_allocation_may_fail)
{
    bool ran_through = false;

    hub_sleep(MS); /* what the hub grows is there */
    for (int n = 1; n < 200 && !ran_through; n++) {
        int rc;

        greenlet_test_fail(GREENLET_TEST_ALLOCATION, n);
        rc = scenario();
        ran_through = greenlet_test_fail(GREENLET_TEST_ALLOCATION, 0) < n;
        ck_assert(rc == 0 || rc == -ENOMEM || rc == -ECANCELED);
        hub_drain(HUB_FOREVER);
        ck_assert_uint_eq(hub_canceled(), 0);
    }
    ck_assert(ran_through);
}
END_TEST

int main(void)
{
    TCase *tcase = order_case();

    tcase_add_test(tcase, tasks_left_are_cancelled_and_their_cleanups_run);
    tcase_add_test(tcase, who_is_killed_in_it_still_waits_for_its_tasks);
    tcase_add_test(tcase, a_timeout_around_it_ends_all);
    tcase_add_test(tcase,
                   a_cancelled_scope_ends_waits_in_it_until_it_is_left);
    tcase_add_test(tcase, failing_fast_ends_the_others_and_the_body);
    tcase_add_test(tcase, without_that_a_failure_leaves_the_others_alone);
    tcase_add_test(tcase, join_waits_for_those_too_that_tasks_create);
    tcase_add_test(tcase, it_is_left_by_who_entered_it);
    tcase_add_test(tcase,
                   the_scope_of_the_hub_outlives_who_creates_tasks_in_it);
    tcase_add_test(tcase, the_end_of_the_hub_cancels_what_is_left_in_it);
    tcase_add_test(tcase, each_allocation_may_fail);
    return unit_run("taskscope", tcase);
}
