/* Signals as greenlets. */
#include "../unit.h"
#include "hub/hub_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#define MS HUB_MILLISECOND

static int handled;
static struct greenlet *ran_in;

static void counts_and_waits(int number, void *arg)
{
    ck_assert_int_eq(number, SIGUSR1);
    *(int *)arg += 1;
    ran_in = greenlet_current();
    hub_sleep(MS); /* it may wait */
    handled++;
}

/* Until `*counter` says so, or too long. */
static void until(const int *counter, int wanted)
{
    for (int i = 0; i < 10000 && *counter < wanted; i++)
        hub_sleep(MS);
}

START_TEST(the_handler_runs_in_a_new_greenlet)
{
    struct hub_signal *watcher;
    int begun = 0;

    ck_assert_int_eq(
        hub_signal_start(SIGUSR1, counts_and_waits, &begun, &watcher), 0);
    raise(SIGUSR1);
    ck_assert_int_eq(begun, 0); /* not here */
    until(&handled, 1);
    ck_assert_int_eq(begun, 1);
    ck_assert_int_eq(handled, 1);
    ck_assert_ptr_ne(ran_in, greenlet_current());
    ck_assert_ptr_ne(ran_in, hub_greenlet(hub_current()));
    ck_assert_int_eq(hub_signal_stop(watcher), 0);
}
END_TEST

START_TEST(it_runs_once_for_each_time_it_was_given)
{
    struct hub_signal *watcher, *second;
    int begun = 0, also = 0;

    hub_signal_start(SIGUSR1, counts_and_waits, &begun, &watcher);
    hub_signal_start(SIGUSR1, counts_and_waits, &also, &second);
    for (int i = 0; i < 5; i++)
        raise(SIGUSR1);
    until(&handled, 10);
    ck_assert_int_eq(begun, 5);
    ck_assert_int_eq(also, 5);
    hub_signal_stop(watcher);
    raise(SIGUSR1);
    until(&handled, 11);
    ck_assert_int_eq(begun, 5);
    ck_assert_int_eq(also, 6);
    hub_signal_stop(second);
}
END_TEST

static void *kills_soon(void *arg)
{
    (void)arg;
    usleep(20000);
    kill(getpid(), SIGUSR1);
    return NULL;
}

START_TEST(a_signal_wakes_a_loop_that_sleeps)
{
    struct hub_signal *watcher;
    pthread_t thread;

    ck_assert_int_eq(hub_signal_start(SIGUSR1, NULL, NULL, &watcher), 0);
    pthread_create(&thread, NULL, kills_soon, NULL);
    ck_assert_int_eq(hub_signal_wait(watcher, hub_deadline(20 * HUB_SECOND)),
                     SIGUSR1);
    pthread_join(thread, NULL);
    hub_signal_stop(watcher);
}
END_TEST

START_TEST(a_signal_that_came_before_the_wait_is_not_lost)
{
    struct hub_signal *watcher;

    hub_signal_start(SIGUSR1, NULL, NULL, &watcher);
    raise(SIGUSR1);
    raise(SIGUSR1);
    hub_yield();
    ck_assert_int_eq(hub_signal_wait(watcher, HUB_FOREVER), SIGUSR1);
    ck_assert_int_eq(hub_signal_wait(watcher, hub_deadline(HUB_SECOND)),
                     SIGUSR1);
    ck_assert_int_eq(hub_signal_wait(watcher, hub_deadline(MS)), -ETIMEDOUT);
    hub_signal_stop(watcher);
}
END_TEST

static void takes(void *arg)
{
    if (hub_signal_wait(arg, HUB_FOREVER) == SIGUSR1)
        handled++;
}

START_TEST(one_that_is_killed_passes_the_signal_on)
{
    struct hub_signal *watcher;
    struct greenlet *first, *second;

    hub_signal_start(SIGUSR1, NULL, NULL, &watcher);
    hub_signal_set_ref(watcher, true);
    first = hub_spawn_raw(takes, watcher);
    second = hub_spawn_raw(takes, watcher);
    hub_yield();
    hub_yield();
    raise(SIGUSR1);
    ck_assert_int_eq(hub_signal_wait(watcher, hub_deadline(MS)), -ETIMEDOUT);
    ck_assert_int_eq(hub_join(first, hub_deadline(10 * HUB_SECOND)), 0);
    ck_assert_int_eq(handled, 1);
    handled = 0;
    raise(SIGUSR1);
    hub_kill(second);
    greenlet_unref(first);
    first = hub_spawn_raw(takes, watcher);
    ck_assert_int_eq(hub_join(first, hub_deadline(10 * HUB_SECOND)), 0);
    ck_assert_int_eq(handled, 1);
    greenlet_unref(first);
    greenlet_unref(second);
    hub_signal_stop(watcher);
}
END_TEST

START_TEST(a_watcher_does_not_keep_the_loop_from_ending)
{
    struct hub_signal *watcher;

    hub_signal_start(SIGUSR1, NULL, NULL, &watcher);
    ck_assert_int_eq(hub_drain(HUB_FOREVER), 0);
    ck_assert_int_eq(hub_signal_set_ref(watcher, true), 0);
    ck_assert_int_eq(hub_drain(hub_deadline(5 * MS)), -ETIMEDOUT);
    hub_signal_stop(watcher);
    ck_assert_int_eq(hub_drain(HUB_FOREVER), 0);
}
END_TEST

static int natively;

static void native(int number)
{
    natively = number;
}

START_TEST(what_was_there_comes_back_with_the_end_of_the_last)
{
    struct hub_signal *a, *b;

    signal(SIGUSR1, native);
    hub_signal_start(SIGUSR1, NULL, NULL, &a);
    hub_signal_start(SIGUSR1, NULL, NULL, &b);
    hub_signal_stop(a);
    raise(SIGUSR1);
    ck_assert_int_eq(natively, 0);
    hub_signal_stop(b);
    raise(SIGUSR1);
    ck_assert_int_eq(natively, SIGUSR1);
    signal(SIGUSR1, SIG_DFL);
}
END_TEST

START_TEST(a_reset_gives_the_native_action_back)
{
    struct hub_signal *watcher;
    struct sigaction now;

    hub_signal_start(SIGUSR1, NULL, NULL, &watcher);
    ck_assert_int_eq(hub_signal_reset(SIGUSR1, SIG_IGN), 0);
    raise(SIGUSR1);
    ck_assert_int_eq(hub_signal_wait(watcher, hub_deadline(5 * MS)),
                     -ETIMEDOUT);
    hub_signal_stop(watcher);
    sigaction(SIGUSR1, NULL, &now);
    ck_assert(now.sa_handler == SIG_IGN);
    ck_assert_int_eq(hub_signal_reset(SIGUSR1, SIG_DFL), 0);
    ck_assert_int_eq(hub_signal_reset(SIGUSR1, native), -EINVAL);
}
END_TEST

START_TEST(numbers_that_cannot_be_watched_are_refused)
{
    static const int numbers[] = { -1, 0, 65, SIGKILL, SIGSTOP, 32 };
    struct hub_signal *watcher;

    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        ck_assert_int_eq(hub_signal_start(numbers[i], NULL, NULL, &watcher),
                         -EINVAL);
}
END_TEST

START_TEST(the_wakeup_fd_gets_the_number)
{
    struct hub_signal *watcher;
    unsigned char byte = 0;
    int ends[2];

    ck_assert_int_eq(pipe2(ends, O_NONBLOCK), 0);
    hub_signal_start(SIGUSR1, NULL, NULL, &watcher);
    ck_assert_int_eq(hub_signal_set_wakeup_fd(ends[1]), -1);
    raise(SIGUSR1);
    ck_assert_int_eq(read(ends[0], &byte, 1), 1);
    ck_assert_int_eq(byte, SIGUSR1);
    ck_assert_int_eq(hub_signal_set_wakeup_fd(-1), ends[1]);
    hub_signal_stop(watcher);
    close(ends[0]);
    close(ends[1]);
}
END_TEST

/* A signal at once after fork(), and one of the parent's that is not the
 * child's. */
START_TEST(a_child_hears_its_own_signals_and_not_its_parents)
{
    for (int i = 0; i < 20; i++) {
        struct hub_signal *watcher;
        int status;
        pid_t pid;

        hub_signal_start(SIGUSR1, NULL, NULL, &watcher);
        raise(SIGUSR1);
        pid = fork();
        if (pid == 0) {
            int first = hub_signal_wait(watcher, hub_deadline(20 * HUB_SECOND));
            int second = hub_signal_wait(watcher, hub_deadline(5 * MS));

            _exit(first == SIGUSR1 && second == -ETIMEDOUT ? 0 : 1);
        }
        kill(pid, SIGUSR1);
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert_int_eq(status, 0);
        ck_assert_int_eq(hub_signal_wait(watcher, HUB_FOREVER), SIGUSR1);
        hub_signal_stop(watcher);
    }
}
END_TEST

static struct hub_signal *of_thread;

static void *watches_and_ends(void *arg)
{
    (void)arg;
    hub_signal_start(SIGUSR1, NULL, NULL, &of_thread);
    raise(SIGUSR1);
    return (void *)(intptr_t)hub_signal_wait(of_thread, HUB_FOREVER);
}

START_TEST(a_watcher_of_a_thread_that_has_ended_hears_nothing)
{
    pthread_t thread;
    void *rc;

    pthread_create(&thread, NULL, watches_and_ends, NULL);
    pthread_join(thread, &rc);
    ck_assert_int_eq((intptr_t)rc, SIGUSR1);
    ck_assert_int_eq(hub_signal_wait(of_thread, HUB_FOREVER), -EXDEV);
    ck_assert_int_eq(hub_signal_stop(of_thread), 0);
    signal(SIGUSR1, SIG_IGN);
    raise(SIGUSR1);
    signal(SIGUSR1, SIG_DFL);
}
END_TEST

static void start_hub(void)
{
    hub_yield();
    handled = natively = 0;
}

int main(void)
{
    TCase *tcase = tcase_create("unit");

    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, start_hub, NULL);
    tcase_add_checked_fixture(tcase, unit_setup, unit_teardown);
    /* First: before there are threads (qemu). */
    tcase_add_test(tcase, a_child_hears_its_own_signals_and_not_its_parents);
    tcase_add_test(tcase, the_handler_runs_in_a_new_greenlet);
    tcase_add_test(tcase, it_runs_once_for_each_time_it_was_given);
    tcase_add_test(tcase, a_signal_wakes_a_loop_that_sleeps);
    tcase_add_test(tcase, a_signal_that_came_before_the_wait_is_not_lost);
    tcase_add_test(tcase, one_that_is_killed_passes_the_signal_on);
    tcase_add_test(tcase, a_watcher_does_not_keep_the_loop_from_ending);
    tcase_add_test(tcase, what_was_there_comes_back_with_the_end_of_the_last);
    tcase_add_test(tcase, a_reset_gives_the_native_action_back);
    tcase_add_test(tcase, numbers_that_cannot_be_watched_are_refused);
    tcase_add_test(tcase, the_wakeup_fd_gets_the_number);
    tcase_add_test(tcase,
                   a_watcher_of_a_thread_that_has_ended_hears_nothing);
    return unit_run("signal", tcase);
}
