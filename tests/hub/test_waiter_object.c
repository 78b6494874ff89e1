/* Waiters: what a callback hands to one greenlet. */
#include "foreign.h"
#include "hub/hub.h"

#include <errno.h>

#define MS HUB_MILLISECOND
#define SOON (hub_now() + 10 * HUB_SECOND) /* does not hang */

static char order[16];

static void start(void)
{
    hub_yield();
    memset(order, 0, sizeof order);
}

static void finish(struct greenlet *g)
{
    ck_assert_int_eq(hub_join(g, SOON), 0);
    greenlet_unref(g);
}

static struct hub_waiter *waiter;
static int switch_rc;

static void gives(void *arg)
{
    switch_rc = hub_waiter_switch(waiter, arg);
}

static void throws(void *arg)
{
    struct greenlet_exception record = { .cls = arg, .text = "thrown" };

    switch_rc = hub_waiter_throw(waiter, &record);
}

START_TEST(what_comes_before_somebody_waits_is_kept)
{
    void *value = NULL;

    waiter = hub_waiter_new();
    ck_assert(!hub_waiter_ready(waiter));
    gives("early");
    ck_assert_int_eq(switch_rc, 0);
    ck_assert(hub_waiter_ready(waiter) && hub_waiter_successful(waiter));
    ck_assert_int_eq(hub_waiter_get(waiter, SOON, &value), 0);
    ck_assert_str_eq(value, "early");
    ck_assert(!hub_waiter_ready(waiter));
    throws((void *)(uintptr_t)&greenlet_value_class);
    ck_assert(hub_waiter_ready(waiter) && !hub_waiter_successful(waiter));
    ck_assert_int_eq(hub_waiter_get(waiter, SOON, NULL),
                     greenlet_value_class.error);
    ck_assert_ptr_eq(greenlet_caught_peek()->cls, &greenlet_value_class);
    gives("forgotten");
    hub_waiter_clear(waiter);
    ck_assert_int_eq(hub_waiter_get(waiter, hub_now() + MS, NULL), -ETIMEDOUT);
    throws(NULL);
    ck_assert_int_eq(switch_rc, -EINVAL);
    hub_waiter_free(waiter);
    hub_waiter_free(NULL);
}
END_TEST

static void gets(void *arg)
{
    struct greenlet_exception mine = { .cls = NULL };

    *(int *)arg = hub_waiter_get(waiter, HUB_FOREVER, NULL);
    if (greenlet_caught(&mine))
        greenlet_exception_clear(&mine);
    strcat(order, "w");
}

START_TEST(only_the_loop_may_give_to_one_who_waits)
{
    int rc = 9;
    struct greenlet *g;

    waiter = hub_waiter_new();
    g = hub_spawn_raw(gets, &rc);
    hub_yield();
    gives("x");
    ck_assert_int_eq(switch_rc, -EPERM);
    ck_assert_int_eq(hub_waiter_get(waiter, SOON, NULL), -EBUSY);
    ck_assert_ptr_eq(greenlet_caught_peek()->cls, &hub_concurrent_use_class);
    ck_assert_ptr_nonnull(hub_call_soon(gives, "x"));
    finish(g);
    ck_assert_int_eq(rc, 0);
    ck_assert_int_eq(switch_rc, 0);
    g = hub_spawn_raw(gets, &rc);
    hub_yield();
    ck_assert_ptr_nonnull(
        hub_call_soon(throws, (void *)(uintptr_t)&greenlet_value_class));
    finish(g);
    ck_assert_int_eq(rc, greenlet_value_class.error);
    hub_waiter_free(waiter);
}
END_TEST

static void notes(void *arg)
{
    strcat(order, arg);
}

/* As if the callback had switched to it. */
START_TEST(who_is_given_something_runs_before_all_others)
{
    int rc = 9;
    struct greenlet *g, *other;

    waiter = hub_waiter_new();
    g = hub_spawn_raw(gets, &rc);
    hub_yield();
    ck_assert_ptr_nonnull(hub_call_soon(gives, "x"));
    ck_assert_ptr_nonnull(hub_call_soon(notes, "c"));
    other = hub_spawn_raw(notes, "o");
    finish(other);
    finish(g);
    ck_assert_str_eq(order, "wco");
    hub_waiter_free(waiter);
}
END_TEST

START_TEST(a_killed_wait_leaves_the_value)
{
    int rc = 9;
    struct greenlet *g;
    void *value = NULL;

    waiter = hub_waiter_new();
    g = hub_spawn_raw(gets, &rc);
    hub_yield();
    hub_kill(g);
    ck_assert_ptr_nonnull(hub_call_soon(gives, "x"));
    finish(g);
    hub_yield();
    ck_assert_int_eq(rc, -ECANCELED);
    ck_assert_int_eq(hub_waiter_get(waiter, SOON, &value), 0);
    ck_assert_str_eq(value, "x");
    g = hub_spawn_raw(gets, &rc);
    hub_yield();
    hub_waiter_free(waiter);
    finish(g);
    ck_assert_int_eq(rc, -EBADF);
}
END_TEST

static void *uses_from_elsewhere(void *owner)
{
    struct greenlet_exception record = { .cls = &greenlet_exception_class };

    hub_yield();
    ck_refused(hub_waiter_switch(waiter, "x"), *(unsigned *)owner);
    ck_refused(hub_waiter_throw(waiter, &record), *(unsigned *)owner);
    ck_refused(hub_waiter_get(waiter, SOON, NULL), *(unsigned *)owner);
    return NULL;
}

START_TEST(another_thread_is_refused)
{
    waiter = hub_waiter_new();
    call_elsewhere(uses_from_elsewhere);
    ck_assert(!hub_waiter_ready(waiter));
    hub_waiter_free(waiter);
}
END_TEST

int main(void)
{
    TCase *tcase = unit_case();

    hub_yield();
    tcase_add_checked_fixture(tcase, start, NULL);
    tcase_add_test(tcase, what_comes_before_somebody_waits_is_kept);
    tcase_add_test(tcase, only_the_loop_may_give_to_one_who_waits);
    tcase_add_test(tcase, who_is_given_something_runs_before_all_others);
    tcase_add_test(tcase, a_killed_wait_leaves_the_value);
    tcase_add_test(tcase, another_thread_is_refused);
    return unit_run("waiter_object", tcase);
}
