/* The master with workers that do little: who is started, again, and told what.
 * Restarts of programs and requests under way: servers/test_restart.py. */
#include "../unit.h"

#include "http/master.h"

#include "hub/socket.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define MS HUB_MILLISECOND
static const char *const listen_on[] = {"127.0.0.1:0", NULL};

/* Seen by all processes. */
static struct {
    int began[8], ended, ready, fds;
    int64_t left;
} * seen;

static void setup(void)
{
    memset(seen, 0, sizeof *seen);
}

static int count(int *what)
{
    return __atomic_add_fetch(what, 1, __ATOMIC_SEQ_CST);
}

static int serves(struct http_worker *worker, void *arg)
{
    unsigned which = 99;
    int rc, fd;

    (void)arg;
    count(&seen->began[http_worker_index(worker)]);
    for (size_t i = 0; (fd = http_worker_listener(worker, i, &which)) >= 0;
         i++) {
        count(&seen->fds);
        if (which != 0 || http_worker_listener(worker, i, NULL) != -EBADF)
            return -EIO;
        hub_close(fd);
    }
    if (fd != -ENOENT || http_worker_time_left(worker) != 7 * HUB_SECOND)
        return -EIO;
    http_worker_ready(worker);
    count(&seen->ready);
    rc = http_worker_wait(worker, HUB_FOREVER);
    seen->left = http_worker_time_left(worker);
    count(&seen->ended);
    return rc;
}

/* Once `ready` is so high, a signal to the master: this process. */
static void end_when_ready(void *arg)
{
    int wanted = (int)(intptr_t)arg;

    while (__atomic_load_n(&seen->ready, __ATOMIC_SEQ_CST) < wanted)
        hub_sleep(MS);
    kill(getpid(), SIGTERM);
}

static int run(const struct http_master_options *options, int wanted,
               int (*function)(struct http_worker *worker, void *arg))
{
    struct greenlet *g =
        hub_spawn_raw(end_when_ready, (void *)(intptr_t)wanted);
    int rc = http_master_run(options, function, NULL);

    hub_kill_join(g, HUB_FOREVER);
    greenlet_unref(g);
    return rc;
}

static const struct {
    unsigned workers, hubs;
} shapes[] = {{1, 1}, {3, 1}, {1, 3}, {2, 2}};

START_TEST(each_hub_runs_once_and_is_told_to_stop)
    {
        const struct http_master_options options = {
            .listen = listen_on,
            .workers = shapes[_i].workers,
            .hubs = shapes[_i].hubs,
            .drain_ns = 7 * HUB_SECOND,
        };
        int all = (int)(options.workers * options.hubs);

        ck_assert_int_eq(run(&options, all, serves), 0);
        for (int i = 0; i < all; i++)
            ck_assert_int_eq(seen->began[i], 1);
        ck_assert_int_eq(seen->ended, all);
        ck_assert_int_eq(seen->fds, all);
        ck_assert(seen->left > 0 && seen->left <= 7 * HUB_SECOND);
    }
END_TEST

static int dies_once(struct http_worker *worker, void *arg)
{
    (void)arg;
    http_worker_ready(worker);
    if (count(&seen->began[0]) == 1) {
        hub_sleep(50 * MS);
        raise(SIGKILL);
    }
    count(&seen->ready);
    return http_worker_wait(worker, HUB_FOREVER);
}

START_TEST(a_worker_that_dies_is_started_again)
    {
        const struct http_master_options options = {.listen = listen_on,
                                                    .workers = 1};

        ck_assert_int_eq(run(&options, 1, dies_once), 0);
        ck_assert_int_eq(seen->began[0], 2);
    }
END_TEST

static int fails(struct http_worker *worker, void *arg)
{
    (void)arg;
    return http_worker_index(worker) == 1
               ? -EIO
               : http_worker_wait(worker, HUB_FOREVER);
}

START_TEST(one_that_does_not_begin_is_the_end)
    {
        const struct http_master_options options = {.listen = listen_on,
                                                    .workers = 2};

        ck_assert_int_eq(http_master_run(&options, fails, NULL), -ECHILD);
    }
END_TEST

START_TEST(nothing_to_listen_on_is_an_error)
    {
        static const char *const nowhere[] = {"203.0.113.1:1", NULL};
        const struct http_master_options options = {.listen = nowhere};

        ck_assert_int_eq(http_master_run(NULL, serves, NULL), -EINVAL);
        ck_assert_int_eq(http_master_run(&options, serves, NULL),
                         -EADDRNOTAVAIL);
        ck_assert_int_eq(seen->began[0], 0);
    }
END_TEST

static void run_elsewhere(void *arg)
{
    *(int *)arg = http_master_run(NULL, serves, NULL);
}

START_TEST(it_is_for_the_main_greenlet)
    {
        int rc = 0;
        struct greenlet *g = hub_spawn_raw(run_elsewhere, &rc);

        hub_join(g, HUB_FOREVER);
        greenlet_unref(g);
        ck_assert_int_eq(rc, -EPERM);
    }
END_TEST

START_TEST(a_wait_that_ends_early_ends_the_workers)
    {
        const struct http_master_options options = {
            .listen = listen_on, .workers = 2, .drain_ns = 7 * HUB_SECOND};
        struct hub_timeout timeout;

        ck_assert_int_eq(hub_timeout_begin(&timeout, hub_deadline(200 * MS)),
                         0);
        ck_assert_int_eq(http_master_run(&options, serves, NULL), -ETIMEDOUT);
        ck_assert_int_eq(hub_timeout_end(&timeout), -ETIMEDOUT);
        ck_assert_int_eq(seen->ended, 2);
    }
END_TEST

int main(void)
{
    TCase *tcase = unit_case();

    hub_sleep(1);
    seen = mmap(NULL, sizeof *seen, PROT_READ | PROT_WRITE,
                MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, setup, NULL);
    tcase_add_loop_test(tcase, each_hub_runs_once_and_is_told_to_stop, 0,
                        (int)(sizeof shapes / sizeof *shapes));
    tcase_add_test(tcase, a_worker_that_dies_is_started_again);
    tcase_add_test(tcase, one_that_does_not_begin_is_the_end);
    tcase_add_test(tcase, nothing_to_listen_on_is_an_error);
    tcase_add_test(tcase, it_is_for_the_main_greenlet);
    tcase_add_test(tcase, a_wait_that_ends_early_ends_the_workers);
    return unit_run("master", tcase);
}
