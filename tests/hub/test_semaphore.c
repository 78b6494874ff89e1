/* Semaphores: permits in the order of asking, none ever lost. */
#include "sync.h"

static struct hub_semaphore semaphore;

struct one {
    char name;
    int rc;
    int64_t deadline;
};

static void acquires(void *arg)
{
    struct one *one = arg;

    one->rc = hub_semaphore_acquire(&semaphore, one->deadline);
    note(one->name);
}

static struct greenlet *acquirer(struct one *one, char name)
{
    *one = (struct one){ name, 1, HUB_FOREVER };
    return hub_spawn_raw(acquires, one);
}

/* Those who wait in a test. */
static struct one a, b;
static struct greenlet *ga, *gb;

/* There is no permit; a comes first. */
static void both_wait(void)
{
    hub_semaphore_init(&semaphore, 0);
    ga = acquirer(&a, 'a');
    gb = acquirer(&b, 'b');
    hub_yield();
}

START_TEST(release_returns_how_many_there_are)
{
    ck_assert_int_eq(hub_semaphore_init(&semaphore, 2), 0);
    ck_assert_int_eq(hub_semaphore_acquire(&semaphore, HUB_FOREVER), 0);
    ck_assert_int_eq(hub_semaphore_try_acquire(&semaphore), 0);
    ck_assert(hub_semaphore_locked(&semaphore));
    ck_assert_int_eq(hub_semaphore_try_acquire(&semaphore), -EAGAIN);
    ck_assert_int_eq(hub_semaphore_acquire(&semaphore, hub_deadline(MS)),
                     -ETIMEDOUT);
    ck_assert_int_eq(hub_semaphore_release(&semaphore), 1);
    ck_assert_int_eq(hub_semaphore_release(&semaphore), 2);
    ck_assert_int_eq(hub_semaphore_release(&semaphore), 3);
    ck_assert_int_eq(hub_semaphore_count(&semaphore), 3);
    ck_assert_int_eq(hub_semaphore_destroy(&semaphore), 0);
}
END_TEST

START_TEST(permits_go_in_the_order_of_asking_and_nobody_overtakes)
{
    both_wait();
    ck_assert_int_eq(hub_semaphore_destroy(&semaphore), -EBUSY);
    ck_assert_int_eq(hub_semaphore_release(&semaphore), 0); /* a has it */
    ck_assert_int_eq(hub_semaphore_try_acquire(&semaphore), -EAGAIN);
    hub_semaphore_release(&semaphore);
    ck_assert_int_eq(hub_semaphore_release(&semaphore), 1);
    ck_assert_str_eq(order, "");
    finish(ga);
    finish(gb);
    ck_assert_str_eq(order, "ab");
    ck_assert_int_eq(hub_semaphore_count(&semaphore), 1);
}
END_TEST

START_TEST(only_as_many_are_woken_as_there_are_permits)
{
    both_wait();
    hub_semaphore_release(&semaphore);
    settle();
    ck_assert_str_eq(order, "a");
    hub_semaphore_release(&semaphore);
    finish(ga);
    finish(gb);
}
END_TEST

START_TEST(a_bounded_one_refuses_a_permit_too_many)
{
    hub_bounded_semaphore_init(&semaphore, 1);
    ck_assert_int_eq(hub_semaphore_release(&semaphore), -EDOM);
    ck_assert_int_eq(hub_semaphore_acquire(&semaphore, HUB_FOREVER), 0);
    ck_assert_int_eq(hub_semaphore_release(&semaphore), 1);
    ck_assert_int_eq(hub_semaphore_release(&semaphore), -EDOM);
    ck_assert_int_eq(hub_semaphore_count(&semaphore), 1);
}
END_TEST

START_TEST(absurd_counts_are_refused)
{
    ck_assert_int_eq(hub_semaphore_init(&semaphore, -1), -EINVAL);
    ck_assert_int_eq(hub_semaphore_init(NULL, 1), -EINVAL);
    ck_assert_int_eq(hub_bounded_semaphore_init(&semaphore, INT_MIN), -EINVAL);
    ck_assert_int_eq(hub_semaphore_init(&semaphore, INT_MAX), 0);
    ck_assert_int_eq(hub_semaphore_release(&semaphore), -EOVERFLOW);
    ck_assert_int_eq(hub_semaphore_count(&semaphore), INT_MAX);
    ck_assert_int_eq(hub_semaphore_acquire(NULL, 0), -EINVAL);
    ck_assert_int_eq(hub_semaphore_try_acquire(NULL), -EINVAL);
    ck_assert_int_eq(hub_semaphore_release(NULL), -EINVAL);
}
END_TEST

START_TEST(a_dummy_never_makes_anybody_wait)
{
    hub_dummy_semaphore_init(&semaphore);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(hub_semaphore_acquire(&semaphore, 0), 0);
    ck_assert_int_eq(hub_semaphore_try_acquire(&semaphore), 0);
    ck_assert_int_eq(hub_semaphore_release(&semaphore), INT_MAX);
    ck_assert(!hub_semaphore_locked(&semaphore));
    ck_assert(hub_object_ready(hub_semaphore_object(&semaphore)));
}
END_TEST

static void acquires_in_scope(void *arg)
{
    struct one *one = arg;
    struct hub_timeout timeout;

    hub_timeout_begin(&timeout, one->deadline);
    one->rc = hub_semaphore_acquire(&semaphore, HUB_FOREVER);
    ck_assert_int_eq(hub_timeout_end(&timeout), -ETIMEDOUT);
}

static void release_must_reach_b(void)
{
    ck_assert_int_eq(hub_semaphore_release(&semaphore), 0);
    finish(gb);
    ck_assert_int_eq(b.rc, 0);
    ck_assert_int_eq(hub_semaphore_count(&semaphore), 0);
    ck_assert_int_eq(hub_semaphore_destroy(&semaphore), 0);
}

START_TEST(a_deadline_before_the_permit_loses_none)
{
    a = (struct one){ 'a', 1, hub_deadline(MS) };
    hub_semaphore_init(&semaphore, 0);
    ga = hub_spawn_raw(_i == 0 ? acquires : acquires_in_scope, &a);
    gb = acquirer(&b, 'b');
    finish(ga);
    ck_assert_int_eq(a.rc, -ETIMEDOUT);
    release_must_reach_b();
}
END_TEST

START_TEST(an_end_before_the_permit_loses_none)
{
    both_wait();
    end_soon(ga, _i);
    finish(ga);
    ck_assert_int_eq(a.rc, ends_with[_i]);
    release_must_reach_b();
}
END_TEST

START_TEST(an_end_after_the_permit_passes_it_on)
{
    both_wait();
    end_soon(ga, _i);
    hub_semaphore_release(&semaphore); /* a has it, and has not run */
    finish(ga);
    if (_i == KILLED) { /* too late: it keeps it */
        ck_assert_int_eq(a.rc, 0);
        hub_semaphore_release(&semaphore);
    } else {
        ck_assert_int_eq(a.rc, ends_with[_i]);
    }
    finish(gb);
    ck_assert_int_eq(b.rc, 0);
    ck_assert_int_eq(hub_semaphore_count(&semaphore), 0);
    ck_assert_int_eq(hub_semaphore_destroy(&semaphore), 0);
}
END_TEST

START_TEST(a_permit_that_nobody_wants_any_more_is_there)
{
    hub_semaphore_init(&semaphore, 0);
    ga = acquirer(&a, 'a');
    hub_yield();
    end_soon(ga, THROWN);
    hub_semaphore_release(&semaphore);
    ck_assert_int_eq(hub_semaphore_count(&semaphore), 0);
    finish(ga);
    ck_assert_int_eq(hub_semaphore_count(&semaphore), 1);
}
END_TEST

static void in_the_loop(void *arg)
{
    int *rc = arg;

    rc[0] = hub_semaphore_acquire(&semaphore, HUB_FOREVER);
    rc[1] = hub_semaphore_acquire(&semaphore, HUB_FOREVER);
    rc[2] = hub_semaphore_try_acquire(&semaphore);
}

START_TEST(a_callback_takes_what_is_there_and_does_not_wait)
{
    int rc[3] = { 1, 1, 1 };

    hub_semaphore_init(&semaphore, 1);
    hub_call_soon(in_the_loop, rc);
    settle();
    ck_assert_int_eq(rc[0], 0);
    ck_assert_int_eq(rc[1], -EDEADLK);
    ck_assert_int_eq(rc[2], -EAGAIN);
}
END_TEST

/* ---- threads ---- */

static void *thread_acquires(void *arg)
{
    *(int *)arg = hub_semaphore_acquire(&semaphore, hub_deadline(20 * HUB_SECOND));
    return NULL;
}

START_TEST(a_thread_without_a_hub_waits_for_a_permit)
{
    pthread_t waiting;
    int rc = 1;

    hub_semaphore_init(&semaphore, 0);
    waiting = thread(thread_acquires, &rc);
    hub_sleep(2 * MS);
    hub_semaphore_release(&semaphore);
    pthread_join(waiting, NULL);
    ck_assert_int_eq(rc, 0);
    ck_assert_int_eq(hub_semaphore_count(&semaphore), 0);
}
END_TEST

static void *thread_releases(void *arg)
{
    (void)arg;
    usleep(2000);
    hub_semaphore_release(&semaphore);
    return NULL;
}

START_TEST(a_thread_without_a_hub_releases)
{
    pthread_t releasing;

    hub_semaphore_init(&semaphore, 0);
    releasing = thread(thread_releases, NULL);
    ck_assert_int_eq(
        hub_semaphore_acquire(&semaphore, hub_deadline(20 * HUB_SECOND)), 0);
    pthread_join(releasing, NULL);
}
END_TEST

int main(void)
{
    TCase *tcase = sync_case();

    tcase_add_test(tcase, release_returns_how_many_there_are);
    tcase_add_test(tcase, permits_go_in_the_order_of_asking_and_nobody_overtakes);
    tcase_add_test(tcase, only_as_many_are_woken_as_there_are_permits);
    tcase_add_test(tcase, a_bounded_one_refuses_a_permit_too_many);
    tcase_add_test(tcase, absurd_counts_are_refused);
    tcase_add_test(tcase, a_dummy_never_makes_anybody_wait);
    tcase_add_loop_test(tcase, a_deadline_before_the_permit_loses_none, 0, 2);
    tcase_add_loop_test(tcase, an_end_before_the_permit_loses_none, 0, HOWS);
    tcase_add_loop_test(tcase, an_end_after_the_permit_passes_it_on, 0, HOWS);
    tcase_add_test(tcase, a_permit_that_nobody_wants_any_more_is_there);
    tcase_add_test(tcase, a_callback_takes_what_is_there_and_does_not_wait);
    tcase_add_test(tcase, a_thread_without_a_hub_waits_for_a_permit);
    tcase_add_test(tcase, a_thread_without_a_hub_releases);
    return unit_run("semaphore", tcase);
}
