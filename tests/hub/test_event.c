/* Events: a flag that greenlets, hubs and threads wait for. */
#include "sync.h"

static struct hub_event event;

static void unset(void)
{
    hub_event_init(&event);
}

struct one {
    char name;
    int rc;
    struct hub_event *event;
    int64_t deadline;
};

static void waits(void *arg)
{
    struct one *one = arg;

    one->rc = hub_event_wait(one->event, one->deadline);
    note(one->name);
}

static void sets(void *arg)
{
    hub_event_set(arg);
}

static void clears(void *arg)
{
    hub_event_clear(arg);
}

static struct greenlet *waiter(struct one *one, char name)
{
    *one = (struct one){ name, 1, &event, HUB_FOREVER };
    return hub_spawn_raw(waits, one);
}

START_TEST(set_wakes_all_in_the_order_of_their_waits)
{
    struct one a, b, c;
    struct greenlet *ga = waiter(&a, 'a'), *gb = waiter(&b, 'b'),
                    *gc = waiter(&c, 'c');

    hub_yield();
    ck_assert(!hub_event_is_set(&event));
    ck_assert_int_eq(hub_event_destroy(&event), -EBUSY);
    ck_assert_int_eq(hub_event_set(&event), 0);
    ck_assert_str_eq(order, ""); /* nobody runs before the caller waits */
    ck_assert_int_eq(hub_event_destroy(&event), -EBUSY); /* they come back */
    ck_assert(hub_event_is_set(&event));
    finish(ga);
    finish(gb);
    finish(gc);
    ck_assert_str_eq(order, "abc");
    ck_assert_int_eq(a.rc | b.rc | c.rc, 0);
    ck_assert_int_eq(hub_event_wait(&event, 0), 0); /* at once */
    ck_assert_int_eq(hub_event_destroy(&event), 0);
}
END_TEST

START_TEST(set_and_clear_without_a_yield_wake_all_the_same)
{
    struct one a, b;
    struct greenlet *ga = waiter(&a, 'a'), *gb = waiter(&b, 'b');

    hub_yield();
    hub_event_set(&event);
    ck_assert_int_eq(hub_event_clear(&event), 0);
    finish(ga);
    finish(gb);
    ck_assert_int_eq(a.rc | b.rc, 0);
    ck_assert_int_eq(hub_event_wait(&event, hub_deadline(MS)), -ETIMEDOUT);
    ck_assert_int_eq(hub_event_destroy(&event), 0);
}
END_TEST

START_TEST(who_comes_after_the_set_goes_behind_those_who_waited)
{
    struct one a, b;
    struct greenlet *ga = waiter(&a, 'a'), *gb = waiter(&b, 'b');

    hub_yield();
    hub_event_set(&event);
    ck_assert_int_eq(hub_event_wait(&event, HUB_FOREVER), 0); /* #1520 */
    note('m');
    ck_assert_int_eq(hub_event_wait(&event, HUB_FOREVER), 0); /* at once */
    ck_assert_str_eq(order, "abm");
    finish(ga);
    finish(gb);
}
END_TEST

static void notes(void *arg)
{
    note(*(const char *)arg);
}

START_TEST(who_comes_after_the_set_goes_right_behind_the_last)
{
    struct one a;
    struct greenlet *ga = waiter(&a, 'a'), *gz;

    hub_yield();
    hub_event_set(&event);
    gz = hub_spawn_raw(notes, "z"); /* ready behind a, before main waits */
    hub_event_wait(&event, HUB_FOREVER);
    note('m');
    finish(ga);
    finish(gz);
    ck_assert_str_eq(order, "amz");
}
END_TEST

START_TEST(a_wait_ends_at_its_deadline)
{
    ck_assert_int_eq(hub_event_wait(&event, hub_deadline(MS)), -ETIMEDOUT);
    ck_assert_int_eq(hub_event_wait(&event, 0), -ETIMEDOUT);
    ck_assert_int_eq(hub_event_destroy(&event), 0);
}
END_TEST

START_TEST(a_killed_wait_ends_and_leaves_nothing_behind)
{
    struct one a, b;
    struct greenlet *ga = waiter(&a, 'a'), *gb = waiter(&b, 'b');

    hub_yield();
    hub_kill(ga);
    finish(ga);
    ck_assert_int_eq(a.rc, -ECANCELED);
    hub_event_set(&event);
    finish(gb);
    ck_assert_int_eq(b.rc, 0);
    ck_assert_int_eq(hub_event_destroy(&event), 0);
}
END_TEST

START_TEST(a_throw_after_the_wake_is_delivered_and_nobody_is_stuck)
{
    struct one a, b;
    struct greenlet *ga = waiter(&a, 'a'), *gb = waiter(&b, 'b');

    hub_yield();
    end_soon(gb, THROWN);
    hub_event_set(&event);
    hub_call_soon(clears, &event);
    hub_kill(ga); /* too late: it was woken */
    finish(ga);
    finish(gb);
    ck_assert_int_eq(a.rc, 0);
    ck_assert_int_eq(b.rc, -EILSEQ);
    settle();
    hub_event_set(&event);
    ck_assert_int_eq(hub_event_wait(&event, HUB_FOREVER), 0);
    ck_assert_int_eq(hub_event_destroy(&event), 0);
}
END_TEST

static void in_the_loop(void *arg)
{
    *(int *)arg = hub_event_wait(&event, HUB_FOREVER);
}

START_TEST(a_callback_may_set_and_look_but_not_wait)
{
    struct one a;
    struct greenlet *ga;
    int rc = 1;

    hub_call_soon(in_the_loop, &rc);
    settle();
    ck_assert_int_eq(rc, -EDEADLK);
    ga = waiter(&a, 'a');
    hub_yield();
    hub_call_soon(sets, &event);
    finish(ga);
    ck_assert_int_eq(a.rc, 0);
    hub_call_soon(in_the_loop, &rc);
    settle();
    ck_assert_int_eq(rc, 0); /* it is set: no wait */
}
END_TEST

START_TEST(it_may_lie_in_the_memory_of_who_waits)
{
    struct one a = { 'a', 1, NULL, HUB_FOREVER };
    struct hub_event *mine = calloc(1, sizeof *mine);
    struct greenlet *g;

    a.event = mine;
    g = hub_spawn_raw(waits, &a);
    hub_yield();
    hub_event_set(mine);
    finish(g);
    free(mine);
    ck_assert_int_eq(a.rc, 0);
}
END_TEST

START_TEST(null_is_refused)
{
    ck_assert_int_eq(hub_event_set(NULL), -EINVAL);
    ck_assert_int_eq(hub_event_clear(NULL), -EINVAL);
    ck_assert_int_eq(hub_event_wait(NULL, 0), -EINVAL);
    ck_assert(!hub_event_is_set(NULL));
}
END_TEST

/* ---- threads ---- */

static void *sets_it(void *arg)
{
    (void)arg;
    usleep(2000);
    ck_assert_int_eq(hub_event_set(&event), 0);
    return NULL;
}

START_TEST(a_thread_without_a_hub_sets_it)
{
    pthread_t setter = thread(sets_it, NULL);

    ck_assert_int_eq(hub_event_wait(&event, hub_deadline(20 * HUB_SECOND)), 0);
    pthread_join(setter, NULL);
}
END_TEST

static void *waits_for_it(void *arg)
{
    *(int *)arg = hub_event_wait(&event, hub_deadline(20 * HUB_SECOND));
    return NULL;
}

static void *times_out(void *arg)
{
    *(int *)arg = hub_event_wait(&event, hub_deadline(MS));
    return NULL;
}

START_TEST(a_thread_without_a_hub_waits_for_it)
{
    int rc = 1, late = 1;
    pthread_t waiting = thread(waits_for_it, &rc);
    pthread_t impatient = thread(times_out, &late);

    pthread_join(impatient, NULL);
    ck_assert_int_eq(late, -ETIMEDOUT);
    hub_sleep(2 * MS);
    hub_event_set(&event);
    pthread_join(waiting, NULL);
    ck_assert_int_eq(rc, 0);
}
END_TEST

static void *waits_in_its_hub(void *arg)
{
    ck_assert_ptr_nonnull(hub_current());
    return waits_for_it(arg);
}

START_TEST(another_hub_waits_for_it)
{
    int rc = 1;
    pthread_t waiting = thread(waits_in_its_hub, &rc);

    hub_sleep(2 * MS);
    hub_event_set(&event);
    pthread_join(waiting, NULL);
    ck_assert_int_eq(rc, 0);
}
END_TEST

int main(void)
{
    TCase *tcase = sync_case();

    tcase_add_checked_fixture(tcase, unset, NULL);
    tcase_add_test(tcase, set_wakes_all_in_the_order_of_their_waits);
    tcase_add_test(tcase, set_and_clear_without_a_yield_wake_all_the_same);
    tcase_add_test(tcase, who_comes_after_the_set_goes_behind_those_who_waited);
    tcase_add_test(tcase, who_comes_after_the_set_goes_right_behind_the_last);
    tcase_add_test(tcase, a_wait_ends_at_its_deadline);
    tcase_add_test(tcase, a_killed_wait_ends_and_leaves_nothing_behind);
    tcase_add_test(tcase, a_throw_after_the_wake_is_delivered_and_nobody_is_stuck);
    tcase_add_test(tcase, a_callback_may_set_and_look_but_not_wait);
    tcase_add_test(tcase, it_may_lie_in_the_memory_of_who_waits);
    tcase_add_test(tcase, null_is_refused);
    tcase_add_test(tcase, a_thread_without_a_hub_sets_it);
    tcase_add_test(tcase, a_thread_without_a_hub_waits_for_it);
    tcase_add_test(tcase, another_hub_waits_for_it);
    return unit_run("event", tcase);
}
