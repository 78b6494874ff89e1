/* dump.c, ask.c, dumptree.c, dumpsignal.c: what all hubs are doing. */
#define UNIT_MONITOR
#include "../unit.h"
#include "hub/hub.h"
#include "hub/sight.h"

#include <signal.h>
#include <unistd.h>

static int sleeps_long(void *arg, void **result)
{
    int rc;

    (void)arg;
    (void)result;
    rc = hub_sleep(1000 * HUB_SECOND);
    __asm__ volatile("");
    return rc == -ECANCELED ? 0 : rc;
}

static int fails(void *arg, void **result)
{
    struct greenlet_exception record = { .cls = &greenlet_exception_class,
                                         .error = -EPIPE,
                                         .text = "the pipe is broken" };

    (void)arg;
    (void)result;
    return greenlet_raise(&record);
}

static int returns_value(void *arg, void **result)
{
    *result = arg;
    return 0;
}

static void end(struct greenlet *g)
{
    hub_kill(g);
    hub_join(g, HUB_FOREVER);
    greenlet_unref(g);
}

static void assert_has(const char *text, const char *what)
{
    ck_assert_msg(strstr(text, what) != NULL, "no \"%s\" in:\n%s", what, text);
}

START_TEST(it_has_waits_values_errors_and_frames)
{
    struct greenlet *sleeper = hub_spawn(sleeps_long, NULL);
    struct greenlet *done = hub_spawn(returns_value, (void *)0xabcdef);
    struct greenlet *failed = hub_spawn(fails, NULL);
    struct greenlet *fresh = hub_greenlet_new(returns_value, NULL, 0);
    char *text;

    greenlet_set_name(sleeper, "sleeper");
    hub_set_error_fd(-1);
    hub_sleep(HUB_MILLISECOND);
    hub_set_error_fd(2);
    text = hub_dump_text();
    assert_has(text, "\"sleeper\"> suspended");
    assert_has(text, "waits for a time to come since ");
    assert_has(text, " sleeps_long+0x");
    assert_has(text, "ended with value 0xabcdef");
    assert_has(text, "the pipe is broken");
    assert_has(text, "not started");
    assert_has(text, "main> running");
    assert_has(text, "the loop, suspended");
    assert_has(text, "switches ");
    assert_has(text, "it_has_waits_values_errors_and_frames");
    free(text);
    end(sleeper);
    end(done);
    end(failed);
    greenlet_unref(fresh);
}
END_TEST

START_TEST(an_fd_that_is_none_is_refused)
{
    ck_assert_int_eq(hub_dump(-1), -EBADF);
    ck_assert_int_eq(hub_dump_tree(987654), -EBADF);
    ck_assert_int_eq(hub_dump_current_tree(-1), -EBADF);
}
END_TEST

static int joins(void *arg, void **result)
{
    (void)result;
    return hub_join(arg, HUB_FOREVER) == -ECANCELED ? 0 : 1;
}

START_TEST(who_holds_it_is_named)
{
    struct greenlet *held = hub_spawn(sleeps_long, NULL);
    struct greenlet *waits = hub_spawn(joins, held);
    char *text;

    greenlet_set_name(held, "holder");
    hub_sleep(HUB_MILLISECOND);
    text = hub_dump_text();
    assert_has(text, "waits for the end of greenlet");
    assert_has(text, "\"holder\">\n");
    assert_has(text, "held by");
    free(text);
    end(waits);
    end(held);
}
END_TEST

static int spawns_two(void *arg, void **result)
{
    struct greenlet *two[2];
    int rc;

    (void)arg;
    (void)result;
    for (int i = 0; i < 2; i++) {
        two[i] = hub_spawn(sleeps_long, NULL);
        greenlet_set_name(two[i], i == 0 ? "child 0" : "child 1");
    }
    rc = hub_sleep(1000 * HUB_SECOND);
    for (int i = 0; i < 2; i++)
        end(two[i]);
    return rc == -ECANCELED ? 0 : rc;
}

START_TEST(a_tree_has_each_under_its_spawner)
{
    struct greenlet *g;
    int fd = hub__text_fd();
    char *text, *at;

    ck_assert_int_ge(hub_track_spawn_tree(true), 0);
    g = hub_spawn(spawns_two, NULL);
    greenlet_set_name(g, "father");
    hub_sleep(HUB_MILLISECOND);
    ck_assert_int_eq(hub_dump_tree(fd), 0);
    text = hub__text_of(fd);
    at = strstr(text, "\n    <greenlet");
    ck_assert_ptr_nonnull(at);
    assert_has(at, "\"father\"");
    assert_has(at, "\n      <greenlet");
    assert_has(strstr(at, "\"father\""), "\"child 0\"");
    assert_has(at, "\"child 1\"");
    assert_has(at, "spawned in spawns_two+0x");
    free(text);
    ck_assert_int_eq(hub_dump_current_tree(fd), 0);
    close(fd);
    text = hub_dump_text();
    assert_has(text, "spawned by <greenlet");
    free(text);
    end(g);
    hub_track_spawn_tree(false);
}
END_TEST

/* ---- other threads ---- */

static uint32_t ready, go;

static __attribute__((noinline)) void turn_in_circles(void)
{
    __atomic_store_n(&ready, 1, __ATOMIC_RELEASE);
    while (__atomic_load_n(&go, __ATOMIC_ACQUIRE) == 0)
        ;
}

static __attribute__((noinline)) void stay_in_the_kernel(void)
{
    __atomic_store_n(&ready, 1, __ATOMIC_RELEASE);
    while (__atomic_load_n(&go, __ATOMIC_ACQUIRE) == 0)
        usleep(1000000);
}

static int blocks(void *arg, void **result)
{
    void (*how)(void);

    (void)result;
    *(void **)&how = arg;
    hub_yield();
    how();
    __asm__ volatile("");
    return 0;
}

static void *run_other(void *how)
{
    struct greenlet *sleeper = hub_spawn(sleeps_long, NULL);
    struct greenlet *g = how != NULL ? hub_spawn(blocks, how) : NULL;

    hub_config_set("monitor_reports", "0");
    while (how == NULL && __atomic_load_n(&go, __ATOMIC_ACQUIRE) == 0) {
        hub_sleep(HUB_MILLISECOND);
        __atomic_store_n(&ready, 1, __ATOMIC_RELEASE);
    }
    if (g != NULL) {
        hub_join(g, HUB_FOREVER);
        greenlet_unref(g);
    }
    end(sleeper);
    return NULL;
}

static char *dump_of_other(void *how)
{
    pthread_t thread;
    char *text;

    ready = go = 0;
    ck_assert_int_eq(pthread_create(&thread, NULL, run_other, how), 0);
    while (__atomic_load_n(&ready, __ATOMIC_ACQUIRE) == 0)
        usleep(1000);
    text = hub_dump_text();
    __atomic_store_n(&go, 1, __ATOMIC_RELEASE);
    pthread_join(thread, NULL);
    ck_assert_ptr_nonnull(text);
    return text;
}

START_TEST(the_hub_of_another_thread_prints_itself)
{
    char *text = dump_of_other(NULL);

    assert_has(text, "sleeps_long");
    assert_has(text, "run_other");
    free(text);
}
END_TEST

START_TEST(one_that_is_blocked_is_interrupted_for_it)
{
    char *text = dump_of_other((void *)turn_in_circles);

    if (hub__rawthread_allowed()) /* sanitizers keep signals back */
        assert_has(text, "turn_in_circles");
    assert_has(text, "sleeps_long");
    free(text);
}
END_TEST

START_TEST(one_that_is_in_the_kernel_is_seen_from_outside)
{
    char *text = dump_of_other((void *)stay_in_the_kernel);

    assert_has(text, "from outside");
    assert_has(text, "waits for a time to come");
    free(text);
}
END_TEST

static void *dumps(void *unused)
{
    (void)unused;
    for (int i = 0; i < 5; i++) {
        char *text;

        hub_sleep(HUB_MILLISECOND);
        text = hub_dump_text();
        ck_assert_ptr_nonnull(text);
        free(text);
    }
    return NULL;
}

START_TEST(threads_may_dump_at_the_same_time)
{
    pthread_t threads[3];

    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, dumps, NULL), 0);
    dumps(NULL);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
}
END_TEST

/* ---- by a signal ---- */

START_TEST(a_signal_with_a_handler_is_left_alone)
{
    struct sigaction mine = { .sa_handler = SIG_IGN }, now;

    mine.sa_handler = (void (*)(int))turn_in_circles;
    sigaction(SIGUSR1, &mine, NULL);
    ck_assert_int_eq(hub_dump_on_signal(SIGUSR1), -EBUSY);
    signal(SIGUSR1, SIG_DFL);
    ck_assert_int_eq(hub_dump_on_signal(SIGKILL), -EINVAL);
    ck_assert_int_eq(hub_dump_on_signal(-3), -EINVAL);
    ck_assert_int_eq(hub_dump_on_signal(1000), -EINVAL);
    ck_assert_int_eq(hub_dump_on_signal(SIGUSR1), 0);
    ck_assert_int_eq(hub_dump_on_signal(SIGUSR1), 0);
    ck_assert_int_eq(hub_dump_on_signal(SIGUSR2), 0);
    sigaction(SIGUSR1, NULL, &now);
    ck_assert(now.sa_handler == SIG_DFL);
    ck_assert_int_eq(hub_dump_on_signal(0), 0);
    sigaction(SIGUSR2, NULL, &now);
    ck_assert(now.sa_handler == SIG_DFL);
}
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("unit");

    hub_yield();
    tcase_set_timeout(tcase, 0);
    tcase_add_checked_fixture(tcase, unit_setup, unit_teardown);
    tcase_add_test(tcase, it_has_waits_values_errors_and_frames);
    tcase_add_test(tcase, an_fd_that_is_none_is_refused);
    tcase_add_test(tcase, who_holds_it_is_named);
    tcase_add_test(tcase, a_tree_has_each_under_its_spawner);
    tcase_add_test(tcase, a_signal_with_a_handler_is_left_alone);
    tcase_add_test(tcase, the_hub_of_another_thread_prints_itself);
    tcase_add_test(tcase, one_that_is_blocked_is_interrupted_for_it);
    tcase_add_test(tcase, one_that_is_in_the_kernel_is_seen_from_outside);
    tcase_add_test(tcase, threads_may_dump_at_the_same_time);
    return unit_run("dump", tcase);
}
