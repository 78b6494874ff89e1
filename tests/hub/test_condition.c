/* Conditions: waits under a lock for what others do. */
#include "sync.h"

static struct hub_rlock lock;
static struct hub_condition condition;
static int value;

static void fresh_condition(void)
{
    hub_rlock_init(&lock);
    ck_assert_int_eq(hub_condition_init(&condition, &lock), 0);
    value = 0;
}

static void unused(void)
{
    ck_assert_int_eq(hub_condition_destroy(&condition), 0);
    ck_assert_int_eq(hub_rlock_destroy(&lock), 0);
}

struct one {
    char name;
    int rc;
    int64_t deadline;
};

static void waits(void *arg)
{
    struct one *one = arg;

    hub_rlock_acquire(&lock, HUB_FOREVER);
    hub_rlock_acquire(&lock, HUB_FOREVER);
    one->rc = hub_condition_wait(&condition, one->deadline);
    ck_assert_int_eq(hub_rlock_owned(&lock), 2); /* whatever it returned */
    note(one->name);
    hub_rlock_release(&lock);
    hub_rlock_release(&lock);
}

static struct greenlet *waiter(struct one *one, char name)
{
    *one = (struct one){ name, 1, HUB_FOREVER };
    return hub_spawn_raw(waits, one);
}

static int notify(int n)
{
    int rc;

    ck_assert_int_eq(hub_rlock_acquire(&lock, HUB_FOREVER), 0);
    rc = hub_condition_notify(&condition, n);
    hub_rlock_release(&lock);
    return rc;
}

START_TEST(notify_wakes_as_many_as_it_says_in_order)
{
    struct one a, b, c;
    struct greenlet *ga = waiter(&a, 'a'), *gb = waiter(&b, 'b'),
                    *gc = waiter(&c, 'c');

    hub_yield();
    ck_assert_int_eq(notify(0), 0);
    ck_assert_int_eq(notify(1), 1);
    settle();
    ck_assert_str_eq(order, "a");
    hub_rlock_acquire(&lock, HUB_FOREVER);
    ck_assert_int_eq(hub_condition_notify_all(&condition), 2);
    ck_assert_int_eq(hub_condition_notify_all(&condition), 0);
    settle();
    ck_assert_str_eq(order, "a"); /* the lock is not theirs yet */
    hub_rlock_release(&lock);
    finish(ga);
    finish(gb);
    finish(gc);
    ck_assert_str_eq(order, "abc");
    ck_assert_int_eq(a.rc | b.rc | c.rc, 0);
}
END_TEST

START_TEST(without_the_lock_it_is_refused)
{
    ck_assert_int_eq(hub_condition_wait(&condition, 0), -EPERM);
    ck_assert_int_eq(hub_condition_notify(&condition, 1), -EPERM);
    ck_assert_int_eq(hub_condition_notify_all(&condition), -EPERM);
    ck_assert_int_eq(hub_condition_wait_for(&condition, NULL, NULL, 0), -EINVAL);
    ck_assert_int_eq(hub_condition_notify(&condition, -1), -EINVAL);
    ck_assert_int_eq(hub_condition_wait(NULL, 0), -EINVAL);
    ck_assert_int_eq(hub_condition_notify(NULL, 1), -EINVAL);
    ck_assert_int_eq(hub_condition_init(NULL, &lock), -EINVAL);
    ck_assert_int_eq(hub_condition_init(&condition, NULL), -EINVAL);
    fresh_condition();
}
END_TEST

START_TEST(a_deadline_ends_the_wait_with_the_lock_owned)
{
    struct one a = { 'a', 1, hub_deadline(MS) };

    finish(hub_spawn_raw(waits, &a));
    ck_assert_int_eq(a.rc, -ETIMEDOUT);
}
END_TEST

START_TEST(an_end_after_the_notification_passes_it_on)
{
    struct one a, b;
    struct greenlet *ga = waiter(&a, 'a'), *gb = waiter(&b, 'b');

    hub_yield();
    end_soon(ga, _i);
    ck_assert_int_eq(notify(1), 1);
    finish(ga);
    ck_assert_int_eq(a.rc, _i == KILLED ? 0 : ends_with[_i]);
    if (_i == KILLED) /* too late: the notification was a's */
        notify(1);
    finish(gb);
    ck_assert_int_eq(b.rc, 0);
}
END_TEST

START_TEST(a_kill_waits_for_the_lock)
{
    struct one a;
    struct greenlet *ga = waiter(&a, 'a');

    hub_yield();
    hub_rlock_acquire(&lock, HUB_FOREVER);
    hub_kill(ga);
    settle();
    ck_assert_str_eq(order, "");
    hub_rlock_release(&lock);
    finish(ga);
    ck_assert_int_eq(a.rc, -ECANCELED);
}
END_TEST

START_TEST(a_throw_while_it_takes_the_lock_back_passes_the_notification_on)
{
    struct one a, b;
    struct greenlet *ga = waiter(&a, 'a'), *gb = waiter(&b, 'b');

    hub_yield();
    hub_rlock_acquire(&lock, HUB_FOREVER);
    hub_condition_notify(&condition, 1);
    settle(); /* a waits for the lock */
    end_soon(ga, THROWN);
    settle();
    ck_assert_str_eq(order, "");
    hub_rlock_release(&lock);
    finish(ga);
    finish(gb);
    ck_assert_int_eq(a.rc, -EILSEQ);
    ck_assert_int_eq(b.rc, 0);
}
END_TEST

static bool is_three(void *arg)
{
    ck_assert_int_gt(hub_rlock_owned(&lock), 0);
    return *(int *)arg == 3;
}

static void waits_for_three(void *arg)
{
    struct one *one = arg;

    hub_rlock_acquire(&lock, HUB_FOREVER);
    one->rc = hub_condition_wait_for(&condition, is_three, &value, one->deadline);
    hub_rlock_release(&lock);
}

START_TEST(wait_for_goes_on_until_it_holds)
{
    struct one a = { 'a', 1, HUB_FOREVER }, b = { 'b', 1, hub_deadline(MS) };
    struct greenlet *ga = hub_spawn_raw(waits_for_three, &a);
    struct greenlet *gb = hub_spawn_raw(waits_for_three, &b);

    finish(gb);
    ck_assert_int_eq(b.rc, -ETIMEDOUT);
    for (value = 1; value < 3; value++) {
        notify(1);
        settle();
        ck_assert_int_eq(a.rc, 1);
    }
    notify(1);
    finish(ga);
    ck_assert_int_eq(a.rc, 0);
    finish(hub_spawn_raw(waits_for_three, &a)); /* holds already */
}
END_TEST

static void *thread_waits(void *arg)
{
    *(int *)arg = 2;
    hub_rlock_acquire(&lock, HUB_FOREVER);
    *(int *)arg = hub_condition_wait_for(&condition, is_three, &value,
                                         hub_deadline(20 * HUB_SECOND));
    hub_rlock_release(&lock);
    return NULL;
}

START_TEST(threads_without_a_hub_wait_and_are_notified)
{
    int rc = 1;
    pthread_t other = thread(thread_waits, &rc);

    hub_sleep(2 * MS);
    hub_rlock_acquire(&lock, HUB_FOREVER);
    value = 3;
    hub_condition_notify_all(&condition);
    hub_rlock_release(&lock);
    pthread_join(other, NULL);
    ck_assert_int_eq(rc, 0);
}
END_TEST

int main(void)
{
    TCase *tcase = sync_case();

    tcase_add_checked_fixture(tcase, fresh_condition, unused);
    tcase_add_test(tcase, notify_wakes_as_many_as_it_says_in_order);
    tcase_add_test(tcase, without_the_lock_it_is_refused);
    tcase_add_test(tcase, a_deadline_ends_the_wait_with_the_lock_owned);
    tcase_add_loop_test(tcase, an_end_after_the_notification_passes_it_on, 0,
                        HOWS);
    tcase_add_test(tcase, a_kill_waits_for_the_lock);
    tcase_add_test(
        tcase, a_throw_while_it_takes_the_lock_back_passes_the_notification_on);
    tcase_add_test(tcase, wait_for_goes_on_until_it_holds);
    tcase_add_test(tcase, threads_without_a_hub_wait_and_are_notified);
    return unit_run("condition", tcase);
}
