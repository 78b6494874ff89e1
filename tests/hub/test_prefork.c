/* Processes: started, started again, told of signals. */
#include "../unit.h"
#include "hub/hub_impl.h"
#include "hub/sight.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define MS HUB_MILLISECOND

/* Seen by all processes. */
static struct {
    int began[4], signals, ready;
} *seen;

static int ends_well(unsigned index, void *arg)
{
    (void)arg;
    __atomic_add_fetch(&seen->began[index], 1, __ATOMIC_SEQ_CST);
    return hub_sleep(MS);
}

START_TEST(each_child_runs_once_and_may_wait)
{
    ck_assert_int_eq(hub_prefork(3, ends_well, NULL, NULL), 0);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(seen->began[i], 1);
}
END_TEST

static int fails_twice(unsigned index, void *arg)
{
    (void)arg;
    return __atomic_add_fetch(&seen->began[index], 1, __ATOMIC_SEQ_CST) <= 2
               ? -EIO
               : 0;
}

START_TEST(one_that_fails_is_started_again)
{
    const struct hub_prefork_options options = { .restarts = 10,
                                                 .pause_ns = MS };

    ck_assert_int_eq(hub_prefork(2, fails_twice, NULL, &options), 0);
    ck_assert_int_eq(seen->began[0], 3);
    ck_assert_int_eq(seen->began[1], 3);
}
END_TEST

START_TEST(not_more_often_than_allowed)
{
    const struct hub_prefork_options options = { .restarts = 1,
                                                 .pause_ns = MS };

    ck_assert_int_eq(hub_prefork(1, fails_twice, NULL, &options), -ECHILD);
    ck_assert_int_eq(seen->began[0], 2);
}
END_TEST

static void on_usr1(int number, void *arg)
{
    (void)number;
    (void)arg;
    __atomic_add_fetch(&seen->signals, 1, __ATOMIC_SEQ_CST);
}

static int waits_for_term(unsigned index, void *arg)
{
    struct hub_signal *usr1, *term;
    int rc;

    (void)index;
    (void)arg;
    hub_signal_start(SIGUSR1, on_usr1, NULL, &usr1);
    hub_signal_start(SIGTERM, NULL, NULL, &term);
    __atomic_add_fetch(&seen->ready, 1, __ATOMIC_SEQ_CST);
    hub_signal_set_ref(term, true);
    rc = hub_signal_wait(term, HUB_FOREVER);
    hub_signal_stop(term);
    hub_signal_stop(usr1);
    return rc == SIGTERM ? 0 : -EIO;
}

static void sends(void *arg)
{
    (void)arg;
    while (__atomic_load_n(&seen->ready, __ATOMIC_SEQ_CST) < 2)
        hub_sleep(MS);
    kill(getpid(), SIGUSR1);
    while (__atomic_load_n(&seen->signals, __ATOMIC_SEQ_CST) < 2)
        hub_sleep(MS);
    kill(getpid(), SIGTERM);
}

START_TEST(signals_go_to_all_and_term_ends_it)
{
    const struct hub_prefork_options options = { .restarts = 1 };
    struct greenlet *g = hub_spawn_raw(sends, NULL);

    ck_assert_int_eq(hub_prefork(2, waits_for_term, NULL, &options), 0);
    ck_assert_int_eq(seen->signals, 2);
    hub_join(g, HUB_FOREVER);
    greenlet_unref(g);
}
END_TEST

static int does_not_listen(unsigned index, void *arg)
{
    (void)index;
    (void)arg;
    signal(SIGTERM, SIG_IGN);
    __atomic_add_fetch(&seen->ready, 1, __ATOMIC_SEQ_CST);
    while (seen->ready > 0)
        pause();
    return 0;
}

static void terminates(void *arg)
{
    (void)arg;
    while (__atomic_load_n(&seen->ready, __ATOMIC_SEQ_CST) < 1)
        hub_sleep(MS);
    kill(getpid(), SIGTERM);
}

START_TEST(one_that_does_not_end_is_killed_after_the_grace)
{
    const struct hub_prefork_options options = { .grace_ns = 30 * MS };
    struct greenlet *g = hub_spawn_raw(terminates, NULL);

    ck_assert_int_eq(hub_prefork(1, does_not_listen, NULL, &options), 0);
    hub_join(g, HUB_FOREVER);
    greenlet_unref(g);
}
END_TEST

START_TEST(a_timeout_around_it_ends_the_children)
{
    struct hub_timeout timeout;

    hub_timeout_begin(&timeout, hub_deadline(50 * MS));
    ck_assert_int_eq(hub_prefork(2, waits_for_term, NULL, NULL), -ETIMEDOUT);
    ck_assert_int_eq(hub_timeout_end(&timeout), -ETIMEDOUT);
    ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
}
END_TEST

static int never_listens(unsigned index, void *arg)
{
    (void)index;
    (void)arg;
    return hub_sleep(60 * HUB_SECOND);
}

/* Each dies of the signal, and it alone. */
START_TEST(children_that_do_not_listen_end_too)
{
    struct hub_timeout timeout;

    hub_timeout_begin(&timeout, hub_deadline(50 * MS));
    ck_assert_int_eq(hub_prefork(2, never_listens, NULL, NULL), -ETIMEDOUT);
    ck_assert_int_eq(hub_timeout_end(&timeout), -ETIMEDOUT);
    ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
}
END_TEST

static void elsewhere(void *arg)
{
    *(int *)arg = hub_prefork(1, ends_well, NULL, NULL);
}

START_TEST(another_greenlet_is_refused)
{
    int rc = 0;
    struct greenlet *g = hub_spawn_raw(elsewhere, &rc);

    hub_join(g, HUB_FOREVER);
    ck_assert_int_eq(rc, -EPERM);
    greenlet_unref(g);
}
END_TEST

static void start_hub(void)
{
    hub_yield();
    memset(seen, 0, sizeof *seen);
}

static void settle(void)
{
    hub_drain(HUB_FOREVER);
    while ((hub__own_threads() - hub__monitor_threads()) > 0)
        hub_sleep(MS);
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
    seen = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
                MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, start_hub, NULL);
    tcase_add_checked_fixture(tcase, unit_setup, unit_teardown);
    tcase_add_checked_fixture(tcase, NULL, settle);
    tcase_add_test(tcase, each_child_runs_once_and_may_wait);
    tcase_add_test(tcase, one_that_fails_is_started_again);
    tcase_add_test(tcase, not_more_often_than_allowed);
    tcase_add_test(tcase, signals_go_to_all_and_term_ends_it);
    tcase_add_test(tcase, one_that_does_not_end_is_killed_after_the_grace);
    tcase_add_test(tcase, a_timeout_around_it_ends_the_children);
    tcase_add_test(tcase, children_that_do_not_listen_end_too);
    tcase_add_test(tcase, another_greenlet_is_refused);
    return unit_run("prefork", tcase);
}
