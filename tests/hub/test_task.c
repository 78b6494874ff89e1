/* Tasks: made, awaited, cancelled, shielded. */
#include "order.h"

#include <pthread.h>

static struct hub_scope scope;
static int dropped, rcs[4];

static void drop(void *result)
{
    (void)result;
    dropped++;
}

static void begin(void)
{
    dropped = 0;
    ck_assert_int_eq(hub_scope_begin(&scope, 0), 0);
}

static int gives(void *arg, void **result)
{
    hub_sleep(50 * MS);
    *result = arg;
    return 0;
}

static int fails(void *arg, void **result)
{
    (void)result;
    hub_sleep(0);
    return *(int *)arg;
}

static int waits(void *arg, void **result)
{
    int rc = hub_sleep(60 * HUB_SECOND);

    *result = arg;
    note('c');
    return rc;
}

START_TEST(await_takes_the_result)
{
    struct hub_task *task;
    void *result = NULL;

    begin();
    ck_assert_int_eq(hub_task_create(&scope, &task, gives, order, drop), 0);
    ck_assert(!hub_task_done(task));
    ck_assert_int_eq(hub_task_await(task, hub_now(), &result), -ETIMEDOUT);
    ck_assert_int_eq(hub_task_await(task, HUB_FOREVER, NULL), 0);
    ck_assert_int_eq(hub_task_await(task, HUB_FOREVER, &result), 0);
    ck_assert_ptr_eq(result, order);
    ck_assert_int_eq(hub_task_await(task, HUB_FOREVER, &result), -EALREADY);
    ck_assert(hub_task_done(task) && !hub_task_cancelled(task));
    ck_assert_int_eq(hub_scope_end(&scope), 0);
    ck_assert_int_eq(dropped, 0);
}
END_TEST

START_TEST(what_has_no_destructor_may_be_taken_by_all)
{
    struct hub_task *task;
    void *result = NULL;

    begin();
    hub_task_create(&scope, &task, gives, order, NULL);
    ck_assert_int_eq(hub_task_await(task, HUB_FOREVER, &result), 0);
    ck_assert_int_eq(hub_task_await(task, HUB_FOREVER, &result), 0);
    ck_assert_ptr_eq(result, order);
    hub_scope_end(&scope);
}
END_TEST

START_TEST(what_nobody_takes_is_destroyed)
{
    struct hub_task *task;

    begin();
    hub_task_create(&scope, &task, gives, order, drop);
    ck_assert_int_eq(hub_task_await(task, HUB_FOREVER, NULL), 0);
    ck_assert_int_eq(dropped, 0);
    hub_scope_end(&scope);
    ck_assert_int_eq(dropped, 1);
}
END_TEST

START_TEST(a_failure_is_for_who_awaits)
{
    struct hub_task *task;
    int error = -ENOENT;

    begin();
    hub_task_create(&scope, &task, fails, &error, drop);
    ck_assert_int_eq(hub_task_await(task, HUB_FOREVER, NULL), -ENOENT);
    ck_assert_ptr_nonnull(greenlet_caught_peek());
    ck_assert_ptr_nonnull(hub_task_exception(task));
    hub_scope_end(&scope);
    ck_assert_int_eq(reports, 0);
}
END_TEST

START_TEST(a_failure_that_nobody_saw_is_reported)
{
    struct hub_task *task;
    int error = -ENOENT;

    begin();
    hub_task_create(&scope, &task, fails, &error, drop);
    hub_sleep(MS);
    ck_assert_int_eq(reports, 0);
    hub_scope_end(&scope);
    ck_assert_int_eq(reports, 1);
}
END_TEST

START_TEST(a_cancel_has_a_message)
{
    struct hub_task *task;
    struct greenlet_exception caught;

    begin();
    hub_task_create(&scope, &task, waits, NULL, drop);
    hub_yield();
    ck_assert_int_eq(hub_task_cancel(task, "enough"), 1);
    ck_assert_int_eq(hub_task_cancel(task, "again"), 0);
    ck_assert(!hub_task_done(task));
    ck_assert_int_eq(hub_task_await(task, HUB_FOREVER, NULL), -ECANCELED);
    ck_assert(hub_task_cancelled(task));
    ck_assert(greenlet_caught(&caught));
    ck_assert_ptr_eq(caught.cls, &hub_cancelled_class);
    ck_assert_str_eq(caught.text, "enough");
    greenlet_exception_clear(&caught);
    ck_assert_str_eq(hub_task_exception(task)->text, "enough");
    ck_assert_int_eq(hub_task_cancel(task, NULL), 0);
    ck_assert_str_eq(order, "c");
    hub_scope_end(&scope);
    ck_assert_int_eq(reports, 0);
}
END_TEST

START_TEST(one_that_has_not_begun_never_runs)
{
    struct hub_task *task;

    begin();
    hub_task_create(&scope, &task, waits, NULL, drop);
    hub_task_cancel(task, NULL);
    ck_assert(hub_task_done(task) && hub_task_cancelled(task));
    ck_assert_int_eq(hub_task_await(task, HUB_FOREVER, NULL), -ECANCELED);
    hub_scope_end(&scope);
    hub_yield();
    ck_assert_str_eq(order, "");
}
END_TEST

static int swallows(void *arg, void **result)
{
    hub_sleep(60 * HUB_SECOND);
    *result = arg;
    return 0;
}

START_TEST(one_that_swallows_its_cancel_has_a_result)
{
    struct hub_task *task;
    void *result;

    begin();
    hub_task_create(&scope, &task, swallows, order, drop);
    hub_yield();
    hub_task_cancel(task, NULL);
    ck_assert_int_eq(hub_task_await(task, HUB_FOREVER, &result), 0);
    ck_assert_ptr_eq(result, order);
    ck_assert(!hub_task_cancelled(task));
    hub_scope_end(&scope);
}
END_TEST

static int awaits(void *arg, void **result)
{
    rcs[0] = hub_task_await(arg, HUB_FOREVER, result);
    return rcs[0];
}

static int awaits_shielded(void *arg, void **result)
{
    rcs[0] = hub_task_shield(arg, HUB_FOREVER, result);
    return rcs[0];
}

START_TEST(a_cancel_of_who_awaits_reaches_the_task)
{
    struct hub_task *inner, *outer;

    begin();
    hub_task_create(&scope, &inner, waits, NULL, drop);
    hub_task_create(&scope, &outer, awaits, inner, NULL);
    hub_yield();
    hub_task_cancel(outer, NULL);
    ck_assert_int_eq(hub_task_await(outer, HUB_FOREVER, NULL), -ECANCELED);
    ck_assert_int_eq(hub_task_await(inner, HUB_FOREVER, NULL), -ECANCELED);
    hub_scope_end(&scope);
}
END_TEST

START_TEST(a_shield_keeps_it_from_the_task)
{
    struct hub_task *inner, *outer;

    begin();
    hub_task_create(&scope, &inner, gives, order, drop);
    hub_task_create(&scope, &outer, awaits_shielded, inner, NULL);
    hub_yield();
    hub_task_cancel(outer, NULL);
    ck_assert_int_eq(hub_task_await(outer, HUB_FOREVER, NULL), -ECANCELED);
    ck_assert(!hub_task_done(inner));
    ck_assert_int_eq(hub_task_await(inner, HUB_FOREVER, NULL), 0);
    hub_scope_end(&scope);
}
END_TEST

START_TEST(a_timeout_around_it_cancels_it_too)
{
    struct hub_timeout timeout;
    struct hub_task *task;

    begin();
    hub_task_create(&scope, &task, waits, NULL, drop);
    hub_timeout_begin(&timeout, hub_deadline(MS));
    ck_assert_int_eq(hub_task_await(task, HUB_FOREVER, NULL), -ETIMEDOUT);
    ck_assert(hub_timeout_fired(&timeout));
    hub_timeout_end(&timeout);
    ck_assert_int_eq(hub_task_await(task, HUB_FOREVER, NULL), -ECANCELED);
    hub_scope_end(&scope);
}
END_TEST

START_TEST(wait_for_cancels_at_the_deadline_and_waits_for_the_end)
{
    struct hub_task *task, *deaf;
    void *result;

    begin();
    hub_task_create(&scope, &task, waits, NULL, drop);
    ck_assert_int_eq(hub_task_wait_for(task, hub_deadline(MS), &result),
                     -ETIMEDOUT);
    ck_assert(hub_task_cancelled(task));
    hub_task_create(&scope, &deaf, swallows, order, drop);
    ck_assert_int_eq(hub_task_wait_for(deaf, hub_deadline(MS), &result), 0);
    ck_assert_ptr_eq(result, order);
    hub_scope_end(&scope);
}
END_TEST

static int awaits_itself(void *arg, void **result)
{
    (void)arg;
    (void)result;
    rcs[0] = hub_task_await(hub_task_current(), HUB_FOREVER, NULL);
    return 0;
}

START_TEST(it_cannot_await_itself)
{
    struct hub_task *task;

    begin();
    ck_assert_ptr_null(hub_task_current());
    hub_task_create(&scope, &task, awaits_itself, NULL, NULL);
    ck_assert_int_eq(hub_task_await(task, HUB_FOREVER, NULL), 0);
    ck_assert_int_eq(rcs[0], -EDEADLK);
    hub_scope_end(&scope);
}
END_TEST

static struct greenlet_var *variable;

static int reads_variable(void *arg, void **result)
{
    (void)arg;
    greenlet_var_get(variable, result);
    greenlet_var_set(variable, "changed", NULL);
    return 0;
}

START_TEST(context_variables_are_copied)
{
    struct hub_task *task;
    struct greenlet *bare;
    void *value = NULL;

    variable = greenlet_var_new("v", NULL);
    greenlet_var_set(variable, "mine", NULL);
    begin();
    hub_task_create(&scope, &task, reads_variable, NULL, NULL);
    ck_assert_int_eq(hub_task_await(task, HUB_FOREVER, &value), 0);
    ck_assert_str_eq(value, "mine");
    ck_assert_int_eq(greenlet_var_get(variable, &value), 0);
    ck_assert_str_eq(value, "mine"); /* not the task's */
    hub_scope_end(&scope);
    bare = hub_spawn(reads_variable, NULL);
    value = NULL;
    ck_assert_int_eq(hub_get(bare, HUB_FOREVER, &value), 0);
    ck_assert_ptr_null(value);
    greenlet_unref(bare);
    greenlet_set_context(greenlet_current(), NULL);
    greenlet_var_unref(variable);
}
END_TEST

static pthread_t ran_in;

static int on_thread_begun;

static int on_thread(void *arg, void **result)
{
    struct timespec nap = { 0, 2000000 };

    if (arg != NULL)
        ran_in = pthread_self();
    __atomic_store_n(&on_thread_begun, 1, __ATOMIC_SEQ_CST);
    nanosleep(&nap, NULL);
    *result = arg;
    return arg != NULL ? 0 : -EDOM;
}

START_TEST(run_in_executor_runs_on_a_thread)
{
    struct hub_task *task, *bad;
    void *result = NULL;

    begin();
    ck_assert_int_eq(hub_task_run_in_executor(&scope, &task, on_thread, order,
                                              drop),
                     0);
    hub_task_run_in_executor(&scope, &bad, on_thread, NULL, drop);
    ck_assert_int_eq(hub_task_await(task, HUB_FOREVER, &result), 0);
    ck_assert_ptr_eq(result, order);
    ck_assert(!pthread_equal(ran_in, pthread_self()));
    ck_assert_int_eq(hub_task_await(bad, HUB_FOREVER, NULL), -EDOM);
    hub_scope_end(&scope);
}
END_TEST

START_TEST(a_cancelled_executor_task_has_no_result)
{
    struct hub_task *task;

    begin();
    on_thread_begun = 0;
    hub_task_run_in_executor(&scope, &task, on_thread, order, drop);
    while (!__atomic_load_n(&on_thread_begun, __ATOMIC_SEQ_CST))
        hub_yield();
    hub_task_cancel(task, NULL);
    ck_assert_int_eq(hub_task_await(task, HUB_FOREVER, NULL), -ECANCELED);
    hub_scope_end(&scope);
    ck_assert_int_eq(dropped, 1);
}
END_TEST

static void throw_into_it(void *task)
{
    const struct greenlet_exception record = { .cls = &greenlet_error_class,
                                               .error = -EXDEV };

    greenlet_throw(hub_task_greenlet(task), &record, NULL);
}

START_TEST(what_is_thrown_at_an_executor_task_does_not_lose_its_result)
{
    struct hub_task *task;

    begin();
    hub_task_run_in_executor(&scope, &task, on_thread, order, drop);
    hub_yield();
    hub_call_soon(throw_into_it, task);
    ck_assert_int_eq(hub_task_await(task, HUB_FOREVER, NULL), -EXDEV);
    hub_scope_end(&scope);
    ck_assert_int_eq(dropped, 1);
}
END_TEST

START_TEST(one_may_be_released)
{
    struct hub_task *task;

    begin();
    ck_assert_int_eq(hub_task_create(&scope, NULL, gives, order, drop), 0);
    hub_task_create(&scope, &task, gives, order, drop);
    hub_task_release(task);
    ck_assert_uint_eq(hub_scope_count(&scope), 2);
    ck_assert_int_eq(hub_scope_join(&scope, HUB_FOREVER), 0);
    ck_assert_int_eq(dropped, 2);
    hub_scope_end(&scope);
}
END_TEST

START_TEST(its_greenlet_can_be_named)
{
    struct hub_task *task;

    begin();
    hub_task_create(&scope, &task, gives, order, NULL);
    greenlet_set_name(hub_task_greenlet(task), "worker");
    ck_assert_int_eq(hub_task_await(task, HUB_FOREVER, NULL), 0);
    hub_scope_end(&scope);
}
END_TEST

int main(void)
{
    TCase *tcase = order_case();

    tcase_add_test(tcase, await_takes_the_result);
    tcase_add_test(tcase, what_has_no_destructor_may_be_taken_by_all);
    tcase_add_test(tcase, what_nobody_takes_is_destroyed);
    tcase_add_test(tcase, a_failure_is_for_who_awaits);
    tcase_add_test(tcase, a_failure_that_nobody_saw_is_reported);
    tcase_add_test(tcase, a_cancel_has_a_message);
    tcase_add_test(tcase, one_that_has_not_begun_never_runs);
    tcase_add_test(tcase, one_that_swallows_its_cancel_has_a_result);
    tcase_add_test(tcase, a_cancel_of_who_awaits_reaches_the_task);
    tcase_add_test(tcase, a_shield_keeps_it_from_the_task);
    tcase_add_test(tcase, a_timeout_around_it_cancels_it_too);
    tcase_add_test(tcase,
                   wait_for_cancels_at_the_deadline_and_waits_for_the_end);
    tcase_add_test(tcase, it_cannot_await_itself);
    tcase_add_test(tcase, context_variables_are_copied);
    tcase_add_test(tcase, run_in_executor_runs_on_a_thread);
    tcase_add_test(tcase, a_cancelled_executor_task_has_no_result);
    tcase_add_test(tcase,
                   what_is_thrown_at_an_executor_task_does_not_lose_its_result);
    tcase_add_test(tcase, one_may_be_released);
    tcase_add_test(tcase, its_greenlet_can_be_named);
    return unit_run("task", tcase);
}
