/* The loop that has nothing left to do: drained, or dead-locked. */
#include "order.h"

#include "hub/event.h"

#include <pthread.h>
#include <unistd.h>

/* Where the report goes. */
static int report[2];
static char text[8192];

static void catch_report(void)
{
    ck_assert_int_eq(pipe(report), 0);
    hub_set_error_fd(report[1]);
}

static void read_report(void)
{
    ssize_t got;

    hub_set_error_fd(2);
    close(report[1]);
    got = read(report[0], text, sizeof text - 1);
    text[got > 0 ? got : 0] = '\0';
    close(report[0]);
}

static int joins(void *arg, void **result)
{
    (void)result;
    return hub_join(*(struct greenlet **)arg, HUB_FOREVER);
}

/* Two who wait for each other, and main for one of them. */
START_TEST(a_wait_that_nothing_can_end_is_a_loop_exit_for_main)
{
    struct greenlet *a, *b;
    struct greenlet_exception caught;

    a = hub_spawn(joins, &b);
    b = hub_spawn(joins, &a);
    greenlet_set_name(a, "first");
    greenlet_set_name(b, "second");
    for (int i = 0; i < 2; i++) { /* again and again */
        catch_report();
        ck_assert_int_eq(hub_join(a, HUB_FOREVER), -EDEADLK);
        read_report();
        ck_assert(greenlet_caught(&caught));
        ck_assert_ptr_eq(caught.cls, &hub_loop_exit_class);
        ck_assert_ptr_nonnull(strstr(caught.text, "would block forever"));
        ck_assert_ptr_nonnull(strstr(caught.text, "first"));
        greenlet_exception_clear(&caught);
        ck_assert_ptr_nonnull(strstr(text, "the end of greenlet"));
        ck_assert_ptr_nonnull(strstr(text, "held by"));
        ck_assert_ptr_nonnull(strstr(text, "since"));
        ck_assert_ptr_nonnull(strstr(text, "second"));
    }
    ck_assert_int_eq(hub_sleep(MS), 0); /* the hub stays usable */
    ck_assert(!hub_ready(a) && !hub_ready(b));
    hub_kill(a);
    ck_assert_int_eq(hub_join(b, HUB_FOREVER), 0);
    greenlet_unref(a);
    greenlet_unref(b);
}
END_TEST

static struct hub_event told;

static void *ends_soon(void *spins)
{
    for (volatile int i = *(const int *)spins; i > 0; i--)
        ;
    return NULL;
}

static void *tells(void *unused)
{
    usleep(100);
    hub_event_set(&told);
    return unused;
}

/* The threads are counted while one of them is about to be gone. */
START_TEST(who_waits_for_a_thread_is_told_although_another_ends)
{
    pthread_t threads[2];

    for (int round = 0; round < 1500; round++) {
        int spins = round % 500 * 100;

        hub_event_init(&told);
        pthread_create(&threads[0], NULL, ends_soon, &spins);
        pthread_create(&threads[1], NULL, tells, NULL);
        ck_assert_int_eq(hub_event_wait(&told, HUB_FOREVER), 0);
        for (int i = 0; i < 2; i++)
            pthread_join(threads[i], NULL);
        hub_event_destroy(&told);
    }
}
END_TEST

START_TEST(an_unreferenced_sleep_does_not_keep_the_loop)
{
    catch_report();
    ck_assert_int_eq(hub_sleep_unreferenced(60 * HUB_SECOND), -EDEADLK);
    read_report();
    ck_assert_ptr_nonnull(strstr(text, "a time to come"));
}
END_TEST

static int sleeps(void *arg, void **result)
{
    (void)result;
    note('s');
    return hub_sleep(*(int64_t *)arg);
}

START_TEST(with_something_left_it_sleeps_its_time)
{
    int64_t longer = 5 * MS;
    struct greenlet *g = hub_spawn(sleeps, &longer);

    ck_assert_int_eq(hub_sleep_unreferenced(MS), 0);
    hub_join(g, HUB_FOREVER);
    greenlet_unref(g);
}
END_TEST

START_TEST(drain_waits_for_timers_and_greenlets)
{
    int64_t a = 3 * MS, b = MS;
    struct greenlet *g = hub_spawn(sleeps, &a), *h = hub_spawn(sleeps, &b);

    ck_assert_int_eq(hub_drain(HUB_FOREVER), 0);
    ck_assert(hub_ready(g) && hub_ready(h));
    ck_assert_int_eq(hub_drain(HUB_FOREVER), 0);
    greenlet_unref(g);
    greenlet_unref(h);
}
END_TEST

START_TEST(drain_has_a_deadline_that_keeps_nothing)
{
    int64_t much = 60 * HUB_SECOND;
    struct greenlet *g = hub_spawn(sleeps, &much);

    ck_assert_int_eq(hub_drain(hub_deadline(MS)), -ETIMEDOUT);
    hub_kill(g);
    ck_assert_int_eq(hub_drain(hub_deadline(60 * HUB_SECOND)), 0);
    greenlet_unref(g);
}
END_TEST

static int drains(void *arg, void **result)
{
    (void)result;
    *(int *)arg = hub_drain(HUB_FOREVER);
    return 0;
}

START_TEST(only_the_main_greenlet_drains)
{
    int rc = 0;
    struct greenlet *g = hub_spawn(drains, &rc);

    hub_join(g, HUB_FOREVER);
    ck_assert_int_eq(rc, -EPERM);
    greenlet_unref(g);
}
END_TEST

struct idler {
    int priority;
    char letter;
};

static int idles(void *arg, void **result)
{
    const struct idler *idler = arg;
    int rc = hub_idle(idler->priority);

    (void)result;
    note(idler->letter);
    return rc;
}

static int yields(void *arg, void **result)
{
    (void)arg;
    (void)result;
    for (int i = 0; i < 3; i++) {
        note('y');
        hub_yield();
    }
    return 0;
}

START_TEST(idle_waits_for_all_of_the_same_or_a_higher_priority)
{
    static struct idler low = { -1, 'l' }, high = { 1, 'h' };
    static struct idler first = { 0, '1' }, second = { 0, '2' };

    greenlet_unref(hub_spawn(idles, &low));
    greenlet_unref(hub_spawn(idles, &first));
    greenlet_unref(hub_spawn(idles, &high));
    greenlet_unref(hub_spawn(idles, &second));
    greenlet_unref(hub_spawn(yields, NULL));
    ck_assert_int_eq(hub_drain(HUB_FOREVER), 0);
    ck_assert_str_eq(order, "yyyh12l");
}
END_TEST

START_TEST(an_idle_wait_can_be_killed)
{
    static struct idler first = { 0, '1' };
    struct greenlet *g = hub_spawn(idles, &first);

    hub_yield();
    hub_kill(g);
    ck_assert_int_eq(hub_join(g, HUB_FOREVER), 0);
    greenlet_unref(g);
}
END_TEST

int main(void)
{
    TCase *tcase = order_case();

    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase,
                   a_wait_that_nothing_can_end_is_a_loop_exit_for_main);
    tcase_add_test(tcase,
                   who_waits_for_a_thread_is_told_although_another_ends);
    tcase_add_test(tcase, an_unreferenced_sleep_does_not_keep_the_loop);
    tcase_add_test(tcase, with_something_left_it_sleeps_its_time);
    tcase_add_test(tcase, drain_waits_for_timers_and_greenlets);
    tcase_add_test(tcase, drain_has_a_deadline_that_keeps_nothing);
    tcase_add_test(tcase, only_the_main_greenlet_drains);
    tcase_add_test(tcase,
                   idle_waits_for_all_of_the_same_or_a_higher_priority);
    tcase_add_test(tcase, an_idle_wait_can_be_killed);
    return unit_run("dry", tcase);
}
