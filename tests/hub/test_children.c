/* waitpid() for greenlets, and children that are watched. */
#include "../unit.h"
#include "hub/hub_impl.h"
#include "hub/sight.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#define MS HUB_MILLISECOND

/* A child that ends with `code` after a while; not watched. */
static pid_t child(int ms, int code)
{
    pid_t pid = fork();

    if (pid == 0) {
        usleep((useconds_t)ms * 1000);
        _exit(code);
    }
    return pid;
}

static pid_t watched(int ms, int code)
{
    pid_t pid = hub_fork();

    if (pid == 0) {
        usleep((useconds_t)ms * 1000);
        _exit(code);
    }
    return pid;
}

/* One that ends when the gate is opened. */
static int gate[2];

static void wait_at_gate(void)
{
    char byte;

    close(gate[1]);
    if (read(gate[0], &byte, 1) != 0)
        _exit(99);
}

static void open_gate(void)
{
    close(gate[0]);
    close(gate[1]);
}

static void until_gone(pid_t pid)
{
    for (int i = 0; i < 20000 && kill(pid, 0) == 0; i++)
        hub_sleep(MS);
    ck_assert_int_eq(kill(pid, 0), -1);
}

/* At the third the child may end. */
static void ticks(void *arg)
{
    while (hub_sleep(2 * MS) == 0)
        if (++*(int *)arg == 3)
            open_gate();
}

START_TEST(a_wait_for_one_lets_others_run)
{
    int status, ticked = 0;
    struct greenlet *g;
    pid_t pid;

    ck_assert_int_eq(pipe(gate), 0);
    pid = fork();
    if (pid == 0) {
        wait_at_gate();
        _exit(7);
    }
    ck_assert_int_eq(hub_waitpid(pid, &status, WNOHANG, HUB_FOREVER), 0);
    ck_assert_int_eq(hub_waitpid(pid, &status, 0, hub_deadline(2 * MS)),
                     -ETIMEDOUT);
    g = hub_spawn_raw(ticks, &ticked);
    ck_assert_int_eq(hub_waitpid(pid, &status, 0, HUB_FOREVER), pid);
    ck_assert_int_eq(WEXITSTATUS(status), 7);
    ck_assert_int_ge(ticked, 3);
    ck_assert_int_eq(hub_waitpid(pid, &status, 0, HUB_FOREVER), -ECHILD);
    hub_kill(g);
    hub_join(g, HUB_FOREVER);
    greenlet_unref(g);
}
END_TEST

START_TEST(a_wait_for_any_takes_the_one_that_ended)
{
    pid_t slow, quick;
    int status;

    ck_assert_int_eq(pipe(gate), 0);
    slow = fork();
    if (slow == 0) {
        wait_at_gate();
        _exit(1);
    }
    quick = child(10, 2);
    ck_assert_int_eq(hub_waitpid(-1, &status, 0, HUB_FOREVER), quick);
    ck_assert_int_eq(WEXITSTATUS(status), 2);
    open_gate();
    ck_assert_int_eq(hub_waitpid(-1, &status, 0, HUB_FOREVER), slow);
    ck_assert_int_eq(hub_waitpid(-1, &status, 0, HUB_FOREVER), -ECHILD);
}
END_TEST

START_TEST(of_watched_children_the_oldest_end_comes_first)
{
    pid_t slow, quick;
    int status;

    ck_assert_int_eq(pipe(gate), 0);
    slow = hub_fork();
    if (slow == 0) {
        wait_at_gate();
        _exit(1);
    }
    quick = watched(5, 2);
    until_gone(quick); /* no zombie */
    open_gate();
    until_gone(slow);
    ck_assert_int_eq(hub_waitpid(-1, &status, 0, HUB_FOREVER), quick);
    ck_assert_int_eq(WEXITSTATUS(status), 2);
    ck_assert_int_eq(hub_waitpid(slow, &status, 0, HUB_FOREVER), slow);
    ck_assert_int_eq(WEXITSTATUS(status), 1);
    ck_assert_int_eq(hub_waitpid(-1, &status, WNOHANG, HUB_FOREVER), -ECHILD);
}
END_TEST

START_TEST(a_watched_child_does_not_keep_the_loop)
{
    pid_t pid = watched(100, 0);

    ck_assert_int_eq(hub_drain(HUB_FOREVER), 0);
    ck_assert_int_eq(kill(pid, 0), 0);
    ck_assert_int_eq(hub_waitpid(pid, NULL, 0, HUB_FOREVER), pid);
}
END_TEST

START_TEST(a_group_can_be_waited_for)
{
    pid_t pid = child(20, 4);
    int status;

    ck_assert_int_eq(hub_waitpid(0, &status, 0, HUB_FOREVER), pid);
    ck_assert_int_eq(WEXITSTATUS(status), 4);
}
END_TEST

START_TEST(a_stop_is_told_to_who_wants_it)
{
    pid_t pid = child(100000, 0);
    int status;

    kill(pid, SIGSTOP);
    ck_assert_int_eq(hub_waitpid(pid, &status, WUNTRACED, HUB_FOREVER), pid);
    ck_assert(WIFSTOPPED(status));
    kill(pid, SIGKILL);
    ck_assert_int_eq(hub_waitpid(pid, &status, 0, HUB_FOREVER), pid);
    ck_assert_int_eq(WTERMSIG(status), SIGKILL);
}
END_TEST

static pid_t other;

static void *waits(void *arg)
{
    (void)arg;
    return (void *)(intptr_t)hub_waitpid(other, NULL, 0, HUB_FOREVER);
}

START_TEST(another_thread_may_wait_for_a_watched_child)
{
    pthread_t thread;
    void *rc;

    other = watched(30, 0);
    pthread_create(&thread, NULL, waits, NULL);
    pthread_join(thread, &rc); /* this hub stands still */
    ck_assert_int_eq((intptr_t)rc, other);
}
END_TEST

START_TEST(a_hundred_ends_at_once_are_all_told)
{
    enum { N = 100 };
    pid_t pids[N];
    int status;

    for (int i = 0; i < N; i++)
        pids[i] = watched(i % 7, i);
    for (int i = 0; i < N; i++) {
        ck_assert_int_eq(hub_waitpid(pids[i], &status, 0, HUB_FOREVER),
                         pids[i]);
        ck_assert_int_eq(WEXITSTATUS(status), i);
    }
}
END_TEST

START_TEST(the_parents_children_are_not_the_childs)
{
    pid_t sibling = watched(50, 0), pid;
    int status;

    hub_yield();
    pid = fork();
    if (pid == 0)
        _exit(hub_waitpid(sibling, NULL, 0, HUB_FOREVER) == -ECHILD ? 0 : 1);
    ck_assert_int_eq(hub_waitpid(pid, &status, 0, HUB_FOREVER), pid);
    ck_assert_int_eq(status, 0);
    ck_assert_int_eq(hub_waitpid(sibling, NULL, 0, HUB_FOREVER), sibling);
}
END_TEST

START_TEST(sigchld_stays_the_programs)
{
    struct hub_signal *watcher;
    pid_t pid;

    ck_assert_int_eq(hub_signal_start(SIGCHLD, NULL, NULL, &watcher), 0);
    pid = watched(5, 0);
    ck_assert_int_eq(hub_signal_wait(watcher, hub_deadline(20 * HUB_SECOND)),
                     SIGCHLD);
    ck_assert_int_eq(hub_waitpid(pid, NULL, 0, HUB_FOREVER), pid);
    hub_signal_stop(watcher);
}
END_TEST

START_TEST(options_that_do_not_exist_are_refused)
{
    ck_assert_int_eq(hub_waitpid(-1, NULL, 1 << 20, HUB_FOREVER), -EINVAL);
}
END_TEST

static void start_hub(void)
{
    hub_yield();
}

static void no_threads(void)
{
    hub_sleep(5 * MS);
    while ((hub__own_threads() - hub__monitor_threads()) > 0)
        hub_sleep(MS);
    hub_sleep(5 * MS); /* those whom they woke have run */
}

int main(void)
{
    TCase *tcase = tcase_create("unit");

    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, start_hub, NULL);
    tcase_add_checked_fixture(tcase, unit_setup, unit_teardown);
    tcase_add_checked_fixture(tcase, NULL, no_threads);
    tcase_add_test(tcase, a_wait_for_one_lets_others_run);
    tcase_add_test(tcase, a_wait_for_any_takes_the_one_that_ended);
    tcase_add_test(tcase, of_watched_children_the_oldest_end_comes_first);
    tcase_add_test(tcase, a_watched_child_does_not_keep_the_loop);
    tcase_add_test(tcase, a_group_can_be_waited_for);
    tcase_add_test(tcase, a_stop_is_told_to_who_wants_it);
    tcase_add_test(tcase, another_thread_may_wait_for_a_watched_child);
    tcase_add_test(tcase, a_hundred_ends_at_once_are_all_told);
    tcase_add_test(tcase, the_parents_children_are_not_the_childs);
    tcase_add_test(tcase, sigchld_stays_the_programs);
    tcase_add_test(tcase, options_that_do_not_exist_are_refused);
    return unit_run("children", tcase);
}
