/* Which greenlets a child has, and what it does with what they waited for. */
#include "../unit.h"
#include "hub/hub_impl.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#define MS HUB_MILLISECOND

static int ends[2];

static void note(char what)
{
    ck_assert_int_eq(write(ends[1], &what, 1), 1);
}

static void notes_later(void *arg)
{
    hub_sleep(2 * MS);
    note(*(const char *)arg);
}

static void notes_when_ready(void *arg)
{
    note(hub_wait_fd(*(int *)arg, HUB_READ, HUB_FOREVER) == 0 ? 'r' : 'e');
}

/* What both wrote, sorted; the child ends by itself. */
static const char *log_of(pid_t pid, int wanted_status)
{
    static char text[32];
    ssize_t got;
    int status;

    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, wanted_status);
    note('.');
    got = read(ends[0], text, sizeof text - 1);
    ck_assert_int_gt(got, 0);
    text[got - 1] = '\0';
    return text;
}

START_TEST(the_child_has_the_caller_alone)
{
    struct greenlet *g = hub_spawn_raw(notes_later, "g");
    pid_t pid = fork();

    if (pid == 0) {
        if (!hub_ready(g) || hub_join(g, HUB_FOREVER) != 0 ||
            hub_get(g, HUB_FOREVER, NULL) != -ECANCELED || hub_kill(g) != 0)
            _exit(1);
        hub_sleep(10 * MS);
        note('c');
        hub_destroy();
        _exit(0);
    }
    ck_assert_int_eq(hub_join(g, HUB_FOREVER), 0);
    ck_assert_uint_eq(strlen(log_of(pid, 0)), 2);
    greenlet_unref(g);
}
END_TEST

static pid_t forked;

static void forks(void *arg)
{
    (void)arg;
    forked = fork();
    if (forked == 0) {
        hub_sleep(2 * MS);
        note('c');
    }
}

START_TEST(a_greenlet_that_forked_stands_for_main_and_its_end_is_the_childs)
{
    struct greenlet *g = hub_spawn_raw(forks, NULL);

    ck_assert_int_eq(hub_join(g, HUB_FOREVER), 0);
    ck_assert_int_gt(forked, 0);
    ck_assert_str_eq(log_of(forked, 0), "c");
    greenlet_unref(g);
}
END_TEST

static int sleeps_long(void *arg, void **result)
{
    (void)arg;
    (void)result;
    return hub_sleep(3600 * HUB_SECOND);
}

static void asks_for_a_place(void *pool)
{
    hub_group_spawn(pool, sleeps_long, NULL, HUB_FOREVER, NULL);
}

static struct hub_scope scope;
static struct hub_task *task;

/* In the child: what is wrong, or 0. */
static int use_what_is_left(struct hub_group *pool,
                            struct hub_as_completed *ends_of)
{
    struct hub_task *ended = NULL;

    if (hub_scope_count(&scope) != 0 || hub_scope_join(&scope, HUB_FOREVER) != 0)
        return 1;
    if (hub_as_completed_next(ends_of, HUB_FOREVER, &ended) != 1 ||
        ended != task || !hub_task_cancelled(task))
        return 2;
    hub_as_completed_free(ends_of);
    if (hub_task_create(&scope, &task, sleeps_long, NULL, NULL) != 0 ||
        hub_scope_end(&scope) != 0)
        return 3;
    if (hub_group_count(pool) != 0 || hub_group_join(pool, HUB_FOREVER, 0) != 0)
        return 4;
    if (hub_group_spawn(pool, sleeps_long, NULL, HUB_FOREVER, NULL) != 0 ||
        hub_group_kill(pool, NULL, HUB_FOREVER) != 0)
        return 5;
    hub_group_free(pool);
    return hub_destroy() == 0 ? 0 : 6;
}

START_TEST(tasks_and_members_that_are_gone_have_ended_for_the_child)
{
    struct hub_group *pool = hub_pool_new(1);
    struct hub_as_completed *ends_of;
    struct greenlet *asks;
    pid_t pid;

    ck_assert_int_eq(hub_scope_begin(&scope, HUB_SCOPE_FAIL_FAST), 0);
    hub_task_create(&scope, &task, sleeps_long, NULL, NULL);
    ends_of = hub_as_completed_new(&task, 1);
    asks_for_a_place(pool);
    asks = hub_spawn_raw(asks_for_a_place, pool);
    hub_yield();
    pid = fork();
    if (pid == 0)
        _exit(use_what_is_left(pool, ends_of));
    log_of(pid, 0);
    hub_as_completed_free(ends_of);
    hub_kill_join(asks, HUB_FOREVER);
    greenlet_unref(asks);
    ck_assert_int_eq(hub_scope_end(&scope), 0);
    ck_assert_int_eq(hub_group_kill(pool, NULL, HUB_FOREVER), 0);
    hub_group_free(pool);
}
END_TEST

static void forks_and_destroys(void *arg)
{
    (void)arg;
    forked = fork();
    if (forked != 0)
        return;
    for (int i = 0; i < 2; i++) /* and the next one */
        if (hub_destroy() != 0 || hub_canceled() != 0 || hub_sleep(MS) != 0)
            _exit(1);
    if (hub_drain(HUB_FOREVER) != 0)
        _exit(2);
    note('d');
}

START_TEST(a_greenlet_that_forked_can_destroy_the_childs_hub)
{
    struct greenlet *g = hub_spawn_raw(forks_and_destroys, NULL);

    ck_assert_int_eq(hub_join(g, HUB_FOREVER), 0);
    ck_assert_str_eq(log_of(forked, 0), "d");
    greenlet_unref(g);
}
END_TEST

START_TEST(a_timeout_around_the_fork_goes_on)
{
    struct hub_timeout timeout;
    pid_t pid;

    hub_timeout_begin(&timeout, hub_deadline(20 * MS));
    pid = fork();
    if (pid == 0) {
        int rc = hub_sleep(10 * HUB_SECOND);

        hub_timeout_end(&timeout);
        _exit(rc == -ETIMEDOUT && hub_timeout_fired(&timeout) ? 0 : 1);
    }
    ck_assert_int_eq(hub_timeout_end(&timeout), 0);
    ck_assert_str_eq(log_of(pid, 0), "");
}
END_TEST

START_TEST(by_gevents_rule_all_go_on_in_both)
{
    int rule = hub_set_fork_rule(HUB_FORK_ALL), pair[2];
    struct greenlet *sleeper = hub_spawn_raw(notes_later, "s");
    struct greenlet *reader = hub_spawn_raw(notes_when_ready, pair);
    pid_t pid;

    ck_assert_int_eq(rule, HUB_FORK_ALONE);
    ck_assert_int_eq(pipe(pair), 0);
    hub_yield(); /* they wait */
    pid = fork();
    if (pid == 0) {
        close(pair[1]); /* the parent's end makes it readable */
        if (hub_join(sleeper, HUB_FOREVER) != 0 ||
            hub_join(reader, HUB_FOREVER) != 0)
            _exit(1);
        _exit(0);
    }
    hub_join(sleeper, HUB_FOREVER);
    ck_assert_int_eq(write(pair[1], "x", 1), 1);
    hub_join(reader, HUB_FOREVER);
    ck_assert_uint_eq(strlen(log_of(pid, 0)), 4); /* s, r; twice */
    hub_set_fork_rule(rule);
    hub_fd_closed(pair[0]);
    close(pair[0]);
    close(pair[1]);
    greenlet_unref(sleeper);
    greenlet_unref(reader);
}
END_TEST

static void naps(void *arg)
{
    (void)arg;
    usleep(200000);
}

static void offloads(void *arg)
{
    *(int *)arg = hub_offload(naps, NULL);
}

START_TEST(by_gevents_rule_a_call_on_a_thread_ends_in_the_child)
{
    int rc = 1;
    struct greenlet *g = hub_spawn_raw(offloads, &rc);
    pid_t pid;

    hub_set_fork_rule(HUB_FORK_ALL);
    hub_yield();
    pid = fork();
    if (pid == 0) {
        hub_join(g, HUB_FOREVER);
        _exit(rc == -ECANCELED ? 0 : 1);
    }
    hub_join(g, HUB_FOREVER);
    ck_assert_int_eq(rc, 0);
    ck_assert_str_eq(log_of(pid, 0), "");
    hub_set_fork_rule(HUB_FORK_ALONE);
    greenlet_unref(g);
}
END_TEST

static uint32_t word;

static void waits_on_word(void *arg)
{
    hub__lot_wait(&word, 0, HUB_FOREVER, 0);
    note(*(const char *)arg);
}

START_TEST(by_gevents_rule_waits_on_words_go_on)
{
    struct greenlet *g = hub_spawn_raw(waits_on_word, "w");
    pid_t pid;

    hub_set_fork_rule(HUB_FORK_ALL);
    hub_yield();
    pid = fork();
    hub__lot_wake(&word, 1);
    hub_join(g, HUB_FOREVER);
    if (pid == 0)
        _exit(0);
    ck_assert_str_eq(log_of(pid, 0), "ww");
    hub_set_fork_rule(HUB_FORK_ALONE);
    greenlet_unref(g);
}
END_TEST

START_TEST(the_mask_is_the_callers_in_both)
{
    sigset_t mask, other;
    pid_t pid;

    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR2);
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
    pid = fork();
    pthread_sigmask(SIG_SETMASK, NULL, &other);
    if (pid == 0)
        _exit(sigismember(&other, SIGUSR2) && !sigismember(&other, SIGTERM)
                  ? 0
                  : 1);
    ck_assert(sigismember(&other, SIGUSR2) && !sigismember(&other, SIGTERM));
    ck_assert_str_eq(log_of(pid, 0), "");
}
END_TEST

START_TEST(another_rule_is_refused)
{
    ck_assert_int_eq(hub_set_fork_rule(7), -EINVAL);
}
END_TEST

static void start_hub(void)
{
    hub_yield();
    ck_assert_int_eq(pipe(ends), 0);
}

static void close_ends(void)
{
    close(ends[0]);
    close(ends[1]);
}

/* A child that exits leaves no leak check behind: what the first process has is
 * not reachable from the stack that the child has. */
static void leave(int status, void *parent)
{
    if (getpid() != (pid_t)(intptr_t)parent)
        _exit(status);
}

int main(void)
{
    TCase *tcase = tcase_create("unit");

    on_exit(leave, (void *)(intptr_t)getpid());

    tcase_set_timeout(tcase, 30);
    tcase_add_checked_fixture(tcase, start_hub, close_ends);
    tcase_add_checked_fixture(tcase, unit_setup, unit_teardown);
    tcase_add_test(tcase, the_child_has_the_caller_alone);
    tcase_add_test(
        tcase,
        a_greenlet_that_forked_stands_for_main_and_its_end_is_the_childs);
    tcase_add_test(tcase,
                   tasks_and_members_that_are_gone_have_ended_for_the_child);
    tcase_add_test(tcase, a_greenlet_that_forked_can_destroy_the_childs_hub);
    tcase_add_test(tcase, a_timeout_around_the_fork_goes_on);
    tcase_add_test(tcase, by_gevents_rule_all_go_on_in_both);
    tcase_add_test(tcase, by_gevents_rule_a_call_on_a_thread_ends_in_the_child);
    tcase_add_test(tcase, by_gevents_rule_waits_on_words_go_on);
    tcase_add_test(tcase, the_mask_is_the_callers_in_both);
    tcase_add_test(tcase, another_rule_is_refused);
    return unit_run("fork", tcase);
}
