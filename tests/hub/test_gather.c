/* Waiting for several tasks. */
#include "order.h"

static struct hub_scope scope;
static struct hub_task *task[3];
static int dropped, rcs[2];

static void drop(void *result)
{
    (void)result;
    dropped++;
}

/* Sleeps so many ms; 13 fails at once. */
static int works(void *arg, void **result)
{
    intptr_t ms = (intptr_t)arg;
    int rc = hub_sleep(ms == 13 ? 0 : ms * MS);

    *result = arg;
    return rc < 0 ? rc : ms == 13 ? -ENOENT : 0;
}

static void create(int a, int b, int c)
{
    const int ms[] = { a, b, c };

    dropped = 0;
    ck_assert_int_eq(hub_scope_begin(&scope, 0), 0);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(hub_task_create(&scope, &task[i], works,
                                         (void *)(intptr_t)ms[i], drop),
                         0);
}

START_TEST(gather_gives_results_in_the_order_of_tasks)
{
    void *results[3];

    create(300, 50, 150);
    ck_assert_int_eq(hub_task_gather(task, 3, HUB_FOREVER, results), 0);
    ck_assert_ptr_eq(results[0], (void *)300);
    ck_assert_ptr_eq(results[1], (void *)50);
    ck_assert_ptr_eq(results[2], (void *)150);
    ck_assert_int_eq(hub_task_gather(task, 3, HUB_FOREVER, results), -EALREADY);
    ck_assert_int_eq(hub_task_gather(NULL, 0, HUB_FOREVER, NULL), 0);
    ck_assert_int_eq(hub_scope_end(&scope), 0);
    ck_assert_int_eq(dropped, 0);
}
END_TEST

START_TEST(gather_ends_by_the_first_failure)
{
    void *results[3];

    create(1, 13, 60000);
    ck_assert_int_eq(hub_task_gather(task, 3, HUB_FOREVER, results), -ENOENT);
    for (int i = 0; i < 3; i++)
        ck_assert_ptr_null(results[i]);
    ck_assert(!hub_task_done(task[2])); /* it goes on */
    ck_assert_int_eq(hub_task_await(task[0], HUB_FOREVER, NULL), 0);
    ck_assert_int_eq(hub_scope_end(&scope), 0);
    ck_assert_int_eq(dropped, 1);
    ck_assert_int_eq(reports, 0);
}
END_TEST

START_TEST(gather_all_returns_errors_beside_results)
{
    void *results[3];
    int errors[3];

    create(1, 13, 60000);
    hub_yield();
    hub_task_cancel(task[2], NULL);
    ck_assert_int_eq(hub_task_gather_all(task, 3, HUB_FOREVER, results, errors),
                     0);
    ck_assert_ptr_eq(results[0], (void *)1);
    ck_assert_int_eq(errors[0], 0);
    ck_assert_int_eq(errors[1], -ENOENT);
    ck_assert_int_eq(errors[2], -ECANCELED);
    ck_assert_int_eq(hub_scope_end(&scope), 0);
    ck_assert_int_eq(reports, 0);
}
END_TEST

START_TEST(gather_has_a_deadline_that_cancels_nothing)
{
    void *results[3];

    create(1, 1, 400);
    ck_assert_int_eq(hub_task_gather(task, 3, hub_deadline(5 * MS), results),
                     -ETIMEDOUT);
    ck_assert(!hub_task_cancelled(task[2]));
    ck_assert_int_eq(hub_task_gather(task, 3, HUB_FOREVER, results), 0);
    hub_scope_end(&scope);
}
END_TEST

static int gathers(void *arg, void **result)
{
    (void)arg;
    (void)result;
    rcs[0] = hub_task_gather(task, 3, HUB_FOREVER, NULL);
    return rcs[0];
}

START_TEST(who_gathers_and_is_cancelled_cancels_them)
{
    struct greenlet *g;

    create(1, 60000, 60000);
    g = hub_spawn(gathers, NULL);
    hub_sleep(3 * MS);
    hub_kill(g);
    hub_join(g, HUB_FOREVER);
    ck_assert_int_eq(rcs[0], -ECANCELED);
    ck_assert_int_eq(hub_task_await(task[1], HUB_FOREVER, NULL), -ECANCELED);
    ck_assert_int_eq(hub_task_await(task[2], HUB_FOREVER, NULL), -ECANCELED);
    greenlet_unref(g);
    hub_scope_end(&scope);
}
END_TEST

START_TEST(one_that_is_there_twice_gives_its_result_once)
{
    struct hub_task *twice[2];
    void *results[2];

    create(0, 0, 0);
    twice[0] = twice[1] = task[0];
    ck_assert_int_eq(hub_task_gather(twice, 2, HUB_FOREVER, results), 0);
    ck_assert_ptr_null(results[1]);
    hub_scope_end(&scope);
}
END_TEST

START_TEST(wait_ends_when_it_was_told_to)
{
    create(400, 30, 13);
    ck_assert_int_eq(hub_task_wait(task, 3, HUB_FOREVER, HUB_FIRST_COMPLETED),
                     1);
    ck_assert(hub_task_done(task[2]));
    ck_assert_int_eq(hub_task_wait(task, 2, HUB_FOREVER, HUB_FIRST_COMPLETED),
                     1);
    ck_assert_int_eq(hub_task_wait(task, 3, hub_now(), HUB_ALL_COMPLETED), 2);
    ck_assert_int_eq(hub_task_wait(task, 3, HUB_FOREVER, HUB_ALL_COMPLETED), 3);
    ck_assert_int_eq(hub_task_wait(task, 3, 0, (enum hub_wait_until)9),
                     -EINVAL);
    hub_task_exception(task[2]);
    hub_scope_end(&scope);
}
END_TEST

START_TEST(the_first_exception_ends_it)
{
    create(60000, 1, 13);
    ck_assert_int_eq(hub_task_wait(task, 3, HUB_FOREVER, HUB_FIRST_EXCEPTION),
                     1);
    ck_assert_int_eq(hub_task_wait(task + 1, 1, HUB_FOREVER,
                                   HUB_FIRST_EXCEPTION),
                     1);
    hub_task_exception(task[2]);
    hub_scope_end(&scope);
}
END_TEST

START_TEST(as_completed_gives_them_as_they_end)
{
    struct hub_as_completed *each;
    struct hub_task *next;

    create(300, 50, 150);
    each = hub_as_completed_new(task, 3);
    ck_assert_int_eq(hub_as_completed_next(each, hub_now(), &next), -ETIMEDOUT);
    ck_assert_int_eq(hub_as_completed_next(each, HUB_FOREVER, &next), 1);
    ck_assert_ptr_eq(next, task[1]);
    ck_assert_int_eq(hub_as_completed_next(each, HUB_FOREVER, &next), 1);
    ck_assert_ptr_eq(next, task[2]);
    ck_assert_int_eq(hub_as_completed_next(each, HUB_FOREVER, &next), 1);
    ck_assert_ptr_eq(next, task[0]);
    ck_assert_int_eq(hub_as_completed_next(each, HUB_FOREVER, &next), 0);
    hub_as_completed_free(each);
    hub_as_completed_free(NULL);
    hub_scope_end(&scope);
    ck_assert_int_eq(dropped, 3);
}
END_TEST

START_TEST(one_that_is_there_twice_is_waited_for_once)
{
    struct hub_as_completed *each;
    struct hub_task *list[4], *next;

    create(50, 5, 0);
    list[0] = list[2] = list[3] = task[0];
    list[1] = task[1];
    each = hub_as_completed_new(list, 4);
    ck_assert_int_eq(hub_as_completed_next(each, HUB_FOREVER, &next), 1);
    ck_assert_ptr_eq(next, task[1]);
    ck_assert_int_eq(hub_as_completed_next(each, HUB_FOREVER, &next), 1);
    ck_assert_ptr_eq(next, task[0]);
    ck_assert_int_eq(hub_as_completed_next(each, HUB_FOREVER, &next), 0);
    hub_as_completed_free(each);
    ck_assert_int_eq(hub_task_wait(list, 4, HUB_FOREVER, HUB_ALL_COMPLETED), 2);
    hub_scope_end(&scope);
}
END_TEST

START_TEST(a_deadline_that_has_passed_cancels_what_has_not_ended)
{
    void *result;

    create(0, 60000, 60000);
    hub_sleep(5 * MS);
    ck_assert(hub_task_done(task[0]));
    ck_assert_int_eq(hub_task_wait_for(task[0], HUB_NOWAIT, &result), 0);
    ck_assert_int_eq(hub_task_wait_for(task[1], HUB_NOWAIT, &result),
                     -ETIMEDOUT);
    ck_assert(hub_task_cancelled(task[1]));
    hub_scope_end(&scope);
}
END_TEST

int main(void)
{
    TCase *tcase = order_case();

    tcase_add_test(tcase, gather_gives_results_in_the_order_of_tasks);
    tcase_add_test(tcase, gather_ends_by_the_first_failure);
    tcase_add_test(tcase, gather_all_returns_errors_beside_results);
    tcase_add_test(tcase, gather_has_a_deadline_that_cancels_nothing);
    tcase_add_test(tcase, who_gathers_and_is_cancelled_cancels_them);
    tcase_add_test(tcase, one_that_is_there_twice_gives_its_result_once);
    tcase_add_test(tcase, wait_ends_when_it_was_told_to);
    tcase_add_test(tcase, the_first_exception_ends_it);
    tcase_add_test(tcase, as_completed_gives_them_as_they_end);
    tcase_add_test(tcase, one_that_is_there_twice_is_waited_for_once);
    tcase_add_test(tcase, a_deadline_that_has_passed_cancels_what_has_not_ended);
    return unit_run("gather", tcase);
}
