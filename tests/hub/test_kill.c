/* Greenlets ended from outside: one, many, and waiting for it. */
#include "order.h"

#include <pthread.h>

static int waits(void *arg, void **result)
{
    int rc = hub_sleep(60 * HUB_SECOND);

    (void)result;
    note(*(const char *)arg);
    return rc;
}

static int refuses(void *arg, void **result)
{
    int rc;

    (void)result;
    hub_sleep(60 * HUB_SECOND);
    do { /* ignores it, for a while */
        struct hub_shield shield;

        hub_shield_begin(&shield);
        rc = hub_sleep(*(int64_t *)arg);
        hub_shield_end(&shield);
    } while (rc < 0);
    note('r');
    return 0;
}

static bool released;

static int refuses_until_released(void *arg, void **result)
{
    struct hub_shield shield;

    (void)arg;
    (void)result;
    hub_sleep(60 * HUB_SECOND);
    hub_shield_begin(&shield);
    while (!released)
        hub_sleep(MS);
    hub_shield_end(&shield);
    return 0;
}

static struct greenlet *spawn_refusing(void)
{
    struct greenlet *g = hub_spawn(refuses_until_released, NULL);

    released = false;
    hub_yield();
    return g;
}

static void release(struct greenlet *g)
{
    ck_assert(!hub_ready(g));
    released = true;
    ck_assert_int_eq(hub_join(g, HUB_FOREVER), 0);
    greenlet_unref(g);
}

START_TEST(a_blocking_kill_waits_for_the_end)
{
    int64_t little = 2 * MS;
    struct greenlet *g = hub_spawn(refuses, &little);

    hub_yield();
    ck_assert_int_eq(hub_kill_join(g, HUB_FOREVER), 0);
    ck_assert_str_eq(order, "r");
    ck_assert(hub_ready(g));
    greenlet_unref(g);
}
END_TEST

START_TEST(its_deadline_passes_in_silence)
{
    struct greenlet *g = spawn_refusing();

    ck_assert_int_eq(hub_kill_join(g, hub_deadline(MS)), 0);
    release(g);
}
END_TEST

START_TEST(a_deadline_around_it_does_not)
{
    struct greenlet *g = spawn_refusing();
    struct hub_timeout timeout;

    hub_timeout_begin(&timeout, hub_deadline(MS));
    ck_assert_int_eq(hub_kill_join(g, HUB_FOREVER), -ETIMEDOUT);
    hub_timeout_end(&timeout);
    release(g);
}
END_TEST

static int rcs[4];

static int kills_itself(void *arg, void **result)
{
    (void)arg;
    (void)result;
    rcs[0] = hub_kill_join(greenlet_current(), HUB_FOREVER);
    rcs[1] = hub_sleep(0);
    return rcs[1];
}

START_TEST(one_may_kill_itself)
{
    struct greenlet *g = hub_spawn(kills_itself, NULL);

    ck_assert_int_eq(hub_join(g, HUB_FOREVER), 0);
    ck_assert_int_eq(rcs[0], -ECANCELED);
    ck_assert_int_eq(rcs[1], -ECANCELED);
    ck_assert(hub_successful(g));
    greenlet_unref(g);
}
END_TEST

static const struct greenlet_class odd_class = { "Odd",
                                                 &greenlet_exception_class,
                                                 -EDOM };
static int destroyed;

static void destroy(void *payload)
{
    (void)payload;
    destroyed++;
}

START_TEST(what_it_is_killed_with_is_what_it_fails_with)
{
    struct greenlet_exception odd = { .cls = &odd_class,
                                      .text = "go",
                                      .payload = order,
                                      .destroy = destroy };
    struct greenlet *g = hub_spawn(waits, "w");

    destroyed = 0;
    hub_yield();
    ck_assert_int_eq(hub_kill_with(g, &odd), 0);
    ck_assert_int_eq(hub_get(g, HUB_FOREVER, NULL), -EDOM);
    ck_assert_ptr_eq(hub_exception(g)->cls, &odd_class);
    ck_assert_str_eq(hub_exception(g)->text, "go");
    ck_assert(!hub_successful(g));
    ck_assert_int_eq(reports, 1);
    ck_assert_str_eq(reported, "Odd: go");
    ck_assert_int_eq(destroyed, 0);
    greenlet_unref(g);
    ck_assert_int_eq(destroyed, 1);
}
END_TEST

static int catches(void *arg, void **result)
{
    struct greenlet_exception caught;

    (void)arg;
    (void)result;
    rcs[0] = hub_sleep(60 * HUB_SECOND);
    ck_assert(greenlet_caught(&caught));
    note(caught.text[0]);
    greenlet_exception_clear(&caught);
    rcs[1] = hub_sleep(60 * HUB_SECOND);
    ck_assert(greenlet_caught(&caught));
    ck_assert_ptr_eq(caught.cls, &odd_class);
    return 0;
}

START_TEST(it_can_catch_what_it_is_killed_with)
{
    struct greenlet_exception odd = { .cls = &odd_class,
                                      .text = "go",
                                      .payload = order,
                                      .destroy = destroy };
    struct greenlet *g = hub_spawn(catches, NULL);

    destroyed = 0;
    hub_yield();
    hub_kill_with(g, &odd);
    ck_assert_int_eq(hub_get(g, HUB_FOREVER, NULL), 0);
    ck_assert_int_eq(rcs[0], -EDOM);
    ck_assert_int_eq(rcs[1], -EDOM);
    ck_assert_str_eq(order, "g");
    ck_assert_int_eq(destroyed, 1);
    greenlet_unref(g);
}
END_TEST

static int yields_and_catches(void *arg, void **result)
{
    struct greenlet_exception caught;

    (void)arg;
    (void)result;
    do
        rcs[0] = hub_sleep(0);
    while (rcs[0] == 0);
    ck_assert(greenlet_caught(&caught));
    ck_assert_ptr_eq(caught.cls, &odd_class);
    return 0;
}

START_TEST(one_that_only_yields_can_catch_it_too)
{
    struct greenlet_exception odd = { .cls = &odd_class, .text = "go" };
    struct greenlet *g = hub_spawn(yields_and_catches, NULL);

    hub_yield();
    hub_kill_with(g, &odd);
    ck_assert_int_eq(hub_get(g, HUB_FOREVER, NULL), 0);
    ck_assert_int_eq(rcs[0], -EDOM);
    greenlet_unref(g);
}
END_TEST

START_TEST(killed_before_it_began_with_a_record_it_fails)
{
    struct greenlet_exception odd = { .cls = &odd_class, .text = "go" };
    struct greenlet *g = hub_spawn(waits, "w");

    hub_kill_with(g, &odd);
    ck_assert(hub_ready(g) && hub_dead(g) && !hub_active(g));
    ck_assert_int_eq(hub_get(g, HUB_FOREVER, NULL), -EDOM);
    ck_assert_int_eq(reports, 1);
    hub_yield();
    ck_assert_str_eq(order, "");
    greenlet_unref(g);
}
END_TEST

START_TEST(a_record_that_cannot_be_used_is_destroyed)
{
    struct greenlet_exception odd = { .cls = &odd_class,
                                      .payload = order,
                                      .destroy = destroy };
    struct greenlet *g = hub_spawn(waits, "w");

    destroyed = 0;
    hub_kill(g);
    ck_assert_int_eq(hub_kill_with(g, &odd), 0); /* it has ended */
    odd.cls = NULL;
    ck_assert_int_eq(hub_kill_with(g, &odd), -EINVAL);
    ck_assert_int_eq(destroyed, 2);
    greenlet_unref(g);
    hub_yield(); /* it leaves its stack */
}
END_TEST

START_TEST(one_that_is_to_start_later_never_does)
{
    struct greenlet *g = hub_spawn_later(MS, waits, "w");

    ck_assert(hub_active(g));
    ck_assert_int_eq(hub_kill_join(g, HUB_FOREVER), 0);
    ck_assert_int_eq(hub_start(g), 0);
    ck_assert_int_eq(hub_sleep(3 * MS), 0);
    ck_assert_str_eq(order, "");
    greenlet_unref(g);
}
END_TEST

/* ---- many ---- */

static int told(struct greenlet *g, void *arg)
{
    (void)g;
    note(*(const char *)arg);
    return 0;
}

START_TEST(killall_ends_all_and_those_that_never_began_first)
{
    struct greenlet *list[3];

    list[0] = hub_spawn(waits, "a");
    list[1] = hub_spawn(waits, "b");
    hub_yield();
    list[2] = hub_spawn(waits, "c");
    hub_link(list[0], HUB_LINK_RAW, told, "0");
    hub_link(list[2], HUB_LINK_RAW, told, "2");
    ck_assert_int_eq(hub_killall(list, 3, NULL, HUB_FOREVER), 0);
    hub_yield();
    ck_assert_str_eq(order, "2ab0");
    for (int i = 0; i < 3; i++) {
        ck_assert(hub_ready(list[i]) && hub_successful(list[i]));
        greenlet_unref(list[i]);
    }
}
END_TEST

START_TEST(killall_says_that_its_deadline_has_passed)
{
    struct greenlet *g = spawn_refusing();

    ck_assert_int_eq(hub_killall(&g, 1, NULL, hub_deadline(MS)), -ETIMEDOUT);
    release(g);
}
END_TEST

START_TEST(killall_takes_a_record_without_payload)
{
    struct greenlet_exception odd = { .cls = &odd_class, .text = "all" };
    struct greenlet *list[2] = { hub_spawn(waits, "a"), hub_spawn(waits, "b") };

    hub_yield();
    odd.payload = order;
    ck_assert_int_eq(hub_killall(list, 2, &odd, HUB_FOREVER), -EINVAL);
    odd.payload = NULL;
    ck_assert_int_eq(hub_killall(list, 2, &odd, HUB_FOREVER), 0);
    ck_assert_int_eq(hub_get(list[1], HUB_FOREVER, NULL), -EDOM);
    greenlet_unref(list[0]);
    greenlet_unref(list[1]);
}
END_TEST

static int body(void *value, void **result)
{
    (void)value;
    *result = NULL;
    note('p');
    return hub_sleep(60 * HUB_SECOND);
}

static void switches(void *g)
{
    greenlet_switch(g, NULL, NULL);
}

START_TEST(a_plain_greenlet_can_be_joined_and_killed)
{
    struct greenlet *g = greenlet_new(body, hub_greenlet(hub_current()), 0);

    hub_call_soon(switches, g);
    ck_assert_int_eq(hub_join(g, hub_deadline(2 * MS)), -ETIMEDOUT);
    ck_assert(!hub_ready(g));
    ck_assert_int_eq(hub_killall(&g, 1, NULL, HUB_FOREVER), 0);
    ck_assert(hub_ready(g));
    ck_assert_str_eq(order, "p");
    greenlet_unref(g);
}
END_TEST

/* ---- other threads ---- */

static void *of_another_thread(void *arg)
{
    struct greenlet *g = *(struct greenlet **)arg;
    struct greenlet_exception caught;
    char mine[32], theirs[32];

    hub_yield();
    ck_assert_int_eq(hub_kill(g), -EXDEV);
    ck_assert_int_eq(hub_join(g, HUB_FOREVER), -EXDEV);
    ck_assert(greenlet_caught(&caught));
    ck_assert_ptr_eq(caught.cls, &hub_invalid_thread_class);
    snprintf(mine, sizeof mine, "has hub %u", hub_id(hub_current()));
    snprintf(theirs, sizeof theirs, "to hub %d,", rcs[0]);
    ck_assert_ptr_nonnull(strstr(caught.text, mine));
    ck_assert_ptr_nonnull(strstr(caught.text, theirs));
    greenlet_exception_clear(&caught);
    ck_assert_int_eq(hub_killall(&g, 1, NULL, HUB_FOREVER), -EXDEV);
    ck_assert_int_eq(hub_kill_join(g, HUB_FOREVER), -EXDEV);
    ck_assert_int_eq(hub_start(g), -EXDEV);
    ck_assert_int_eq(hub_link(g, HUB_LINK, told, NULL), -EXDEV);
    ck_assert_int_eq(hub_joinall(&g, 1, HUB_FOREVER, 0, 0, NULL), -EXDEV);
    ck_assert_int_eq(hub_minimal_ident(g), -EXDEV);
    ck_assert_int_eq(hub_get_now(g, NULL), -EXDEV);
    return NULL;
}

START_TEST(another_thread_is_told_both_hubs)
{
    struct greenlet *g = hub_spawn(waits, "w");
    pthread_t thread;

    hub_yield();
    rcs[0] = (int)hub_id(hub_current());
    pthread_create(&thread, NULL, of_another_thread, &g);
    pthread_join(thread, NULL);
    ck_assert_int_eq(hub_kill_join(g, HUB_FOREVER), 0);
    greenlet_unref(g);
}
END_TEST

/* ---- for a block of code ---- */

START_TEST(leaving_a_block_joins_or_kills)
{
    int64_t little = MS;
    struct greenlet *g = hub_spawn(refuses, &little);

    hub_yield();
    ck_assert_int_eq(hub_leave(g, -EDOM), -EDOM);
    ck_assert(hub_ready(g));
    greenlet_unref(g);
    g = hub_spawn_later(MS, kills_itself, NULL);
    ck_assert_int_eq(hub_leave(g, 7), 7);
    ck_assert(hub_ready(g));
    greenlet_unref(g);
}
END_TEST

START_TEST(leaving_a_block_by_a_timeout_kills)
{
    struct greenlet *g = hub_spawn(waits, "w");
    struct hub_timeout timeout;

    hub_timeout_begin(&timeout, hub_deadline(MS));
    ck_assert_int_eq(hub_leave(g, 0), -ETIMEDOUT);
    hub_timeout_end(&timeout);
    ck_assert_int_eq(hub_join(g, HUB_FOREVER), 0);
    ck_assert_str_eq(order, "w");
    greenlet_unref(g);
}
END_TEST

static int switches_away(void *arg, void **result)
{
    (void)result;
    *(int *)arg = greenlet_switch(hub_greenlet(hub_current()), NULL, NULL);
    return *(int *)arg;
}

START_TEST(one_suspended_by_a_switch_is_thrown_the_exit)
{
    int rc = 1;
    struct greenlet *g = hub_spawn(switches_away, &rc);

    hub_yield();
    ck_assert_int_eq(hub_kill(g), 0);
    ck_assert_int_eq(hub_join(g, HUB_FOREVER), 0);
    ck_assert_int_eq(rc, -ECANCELED);
    ck_assert(hub_successful(g));
    hub_sleep(MS); /* the loop, which threw it, has gone on */
    greenlet_unref(g);
}
END_TEST

START_TEST(a_main_greenlet_cannot_be_killed)
{
    ck_assert_int_eq(hub_kill(greenlet_current()), -EPERM);
    ck_assert_int_eq(hub_sleep(0), 0);
}
END_TEST

START_TEST(an_error_that_is_no_errno_becomes_one)
{
    const struct greenlet_exception record = { .cls = &odd_class,
                                               .error = -100000 };
    struct greenlet *unbegun, *g = hub_spawn(waits, "w");

    hub_yield();
    unbegun = hub_spawn(waits, "u");
    ck_assert_int_eq(hub_kill_with(g, &record), 0);
    ck_assert_int_eq(hub_kill_with(unbegun, &record), 0);
    ck_assert_int_eq(hub_get(g, HUB_FOREVER, NULL), -EIO);
    ck_assert_int_eq(hub_get(unbegun, HUB_FOREVER, NULL), -EIO);
    ck_assert_ptr_eq(hub_exception(g)->cls, &odd_class);
    ck_assert_ptr_eq(hub_exception(unbegun)->cls, &odd_class);
    ck_assert_str_eq(order, "w");
    greenlet_unref(g);
    greenlet_unref(unbegun);
}
END_TEST

int main(void)
{
    TCase *tcase = order_case();

    tcase_add_test(tcase, a_blocking_kill_waits_for_the_end);
    tcase_add_test(tcase, its_deadline_passes_in_silence);
    tcase_add_test(tcase, a_deadline_around_it_does_not);
    tcase_add_test(tcase, one_may_kill_itself);
    tcase_add_test(tcase, what_it_is_killed_with_is_what_it_fails_with);
    tcase_add_test(tcase, it_can_catch_what_it_is_killed_with);
    tcase_add_test(tcase, one_that_only_yields_can_catch_it_too);
    tcase_add_test(tcase, killed_before_it_began_with_a_record_it_fails);
    tcase_add_test(tcase, a_record_that_cannot_be_used_is_destroyed);
    tcase_add_test(tcase, one_that_is_to_start_later_never_does);
    tcase_add_test(tcase, killall_ends_all_and_those_that_never_began_first);
    tcase_add_test(tcase, killall_says_that_its_deadline_has_passed);
    tcase_add_test(tcase, killall_takes_a_record_without_payload);
    tcase_add_test(tcase, a_plain_greenlet_can_be_joined_and_killed);
    tcase_add_test(tcase, another_thread_is_told_both_hubs);
    tcase_add_test(tcase, one_suspended_by_a_switch_is_thrown_the_exit);
    tcase_add_test(tcase, a_main_greenlet_cannot_be_killed);
    tcase_add_test(tcase, an_error_that_is_no_errno_becomes_one);
    tcase_add_test(tcase, leaving_a_block_joins_or_kills);
    tcase_add_test(tcase, leaving_a_block_by_a_timeout_kills);
    return unit_run("kill", tcase);
}
