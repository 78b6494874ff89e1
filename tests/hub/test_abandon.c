/* Scopes whose frames are given up are left, each as by its own end. */
#include "../unit.h"

#include "hub/task.h"
#include "hub/timeout.h"

#include <errno.h>

static bool cleaned;

static int task(void *arg, void **result)
{
    (void)arg;
    (void)result;
    cleaned = hub_sleep(HUB_FOREVER) == -ECANCELED;
    return -ECANCELED;
}

/* Its frame is gone when the deadline would have come. */
static void __attribute__((noinline)) enter_and_give_up(const void *since)
{
    struct hub_timeout timeout, inner;
    struct hub_scope scope;
    struct hub_shield shield;

    ck_assert_int_eq(hub_timeout_begin(&timeout, hub_deadline(1)), 0);
    ck_assert_int_eq(hub_scope_begin(&scope, 0), 0);
    ck_assert_int_eq(hub_task_create(&scope, NULL, task, NULL, NULL), 0);
    hub_shield_begin(&shield);
    ck_assert_int_eq(hub_timeout_begin(&inner, hub_deadline(HUB_SECOND)), 0);
    hub_yield();
    hub_leave_since(since);
}

START_TEST(all_are_left_and_no_timer_or_task_stays)
{
    const void *since = hub_entered();

    cleaned = false;
    enter_and_give_up(since);
    ck_assert(cleaned);
    ck_assert_ptr_eq(hub_entered(), since);
    ck_assert_int_eq(hub_canceled(), 0);
    ck_assert_int_eq(hub_sleep(HUB_MILLISECOND), 0);
    hub_yield(); /* what has ended is let go */
}
END_TEST

START_TEST(those_outside_stay_entered)
{
    struct hub_timeout outer;
    const void *since;

    ck_assert_int_eq(hub_timeout_begin(&outer, HUB_FOREVER), 0);
    since = hub_entered();
    hub_leave_since(since);
    ck_assert_ptr_eq(hub_entered(), since);
    enter_and_give_up(since);
    ck_assert_ptr_eq(hub_entered(), since);
    ck_assert_int_eq(hub_timeout_end(&outer), 0);
    hub_yield();
}
END_TEST

int main(void)
{
    TCase *tcase = unit_case();

    hub_sleep(1); /* makes the hub, and its greenlet */
    tcase_add_test(tcase, all_are_left_and_no_timer_or_task_stays);
    tcase_add_test(tcase, those_outside_stay_entered);
    return unit_run("abandon", tcase);
}
