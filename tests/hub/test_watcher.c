/* Watchers: callbacks, waiting for one, cancelling that. */
#include "foreign.h"
#include "hub/hub.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#define MS HUB_MILLISECOND
#define SOON (hub_now() + 10 * HUB_SECOND) /* does not hang */

static int ends[2];
static int calls, last_events;
static struct hub_watcher *watcher;
static char order[16];

static void open_pipe(void)
{
    hub_yield();
    calls = last_events = 0;
    memset(order, 0, sizeof order);
    ck_assert_int_eq(hub_pipe(ends), 0);
}

static void close_pipe(void)
{
    hub_close(ends[0]);
    hub_close(ends[1]);
    hub_yield();
}

static void finish(struct greenlet *g)
{
    ck_assert_int_eq(hub_join(g, SOON), 0);
    greenlet_unref(g);
}

static void counts(struct hub_watcher *w, int events, void *arg)
{
    ck_assert_ptr_eq(w, watcher);
    ck_assert_str_eq(arg, "arg");
    calls++;
    last_events = events;
}

/* ---- kinds ---- */

START_TEST(an_fd_that_is_ready_calls_until_it_is_stopped)
{
    char byte;

    ck_assert_int_eq(hub_watcher_io(ends[0], HUB_READ, &watcher), 0);
    ck_assert(!hub_watcher_active(watcher));
    ck_assert_int_eq(hub_watcher_start(watcher, counts, "arg"), 0);
    ck_assert(hub_watcher_active(watcher));
    hub_sleep(MS);
    ck_assert_int_eq(calls, 0);
    ck_assert_int_eq(write(ends[1], "x", 1), 1);
    for (int i = 0; i < 1000 && calls < 2; i++)
        hub_sleep(MS);
    ck_assert_int_ge(calls, 2); /* it is still ready */
    ck_assert_int_eq(last_events, HUB_READ);
    ck_assert_int_eq(read(ends[0], &byte, 1), 1);
    hub_sleep(MS);
    calls = 0;
    hub_sleep(2 * MS);
    ck_assert_int_eq(calls, 0);
    hub_watcher_stop(watcher);
    ck_assert_int_eq(write(ends[1], "x", 1), 1);
    hub_sleep(2 * MS);
    ck_assert_int_eq(calls, 0);
    hub_watcher_free(watcher);
}
END_TEST

START_TEST(a_bad_fd_is_refused)
{
    ck_assert_int_eq(hub_watcher_io(-1, HUB_READ, &watcher), -EBADF);
    ck_assert_int_eq(hub_watcher_io(999, HUB_READ, &watcher), -EBADF);
    ck_assert_int_eq(hub_watcher_io(ends[0], 0, &watcher), -EINVAL);
    ck_assert_int_eq(hub_watcher_io(ends[0], 4, &watcher), -EINVAL);
}
END_TEST

START_TEST(a_closed_fd_is_told_and_stops_it)
{
    int copy = hub_dup(ends[0]);

    ck_assert_int_eq(hub_watcher_io(copy, HUB_READ, &watcher), 0);
    ck_assert_int_eq(hub_watcher_start(watcher, counts, "arg"), 0);
    hub_sleep(MS);
    hub_close(copy);
    hub_yield();
    ck_assert_int_eq(calls, 1);
    ck_assert_int_eq(last_events, -EBADF);
    ck_assert(!hub_watcher_active(watcher));
    ck_assert_int_eq(hub_watcher_start(watcher, counts, "arg"), -EBADF);
    hub_watcher_free(watcher);
}
END_TEST

/* A pending one that is stopped leaves the fd to those who read. */
START_TEST(what_is_pending_is_dropped_by_a_stop)
{
    char byte;

    ck_assert_int_eq(hub_watcher_io(ends[0], HUB_READ, &watcher), 0);
    ck_assert_int_eq(hub_watcher_start(watcher, counts, "arg"), 0);
    ck_assert_int_eq(write(ends[1], "x", 1), 1);
    while (!hub_watcher_pending(watcher) && calls == 0)
        hub_wait_fd(ends[1], HUB_WRITE, SOON); /* a turn of the loop */
    calls = 0;
    hub_watcher_stop(watcher);
    ck_assert(!hub_watcher_pending(watcher));
    hub_yield();
    ck_assert_int_eq(calls, 0);
    ck_assert_int_eq(hub_nb_read(ends[0], &byte, 1, SOON), 1);
    hub_watcher_free(watcher);
}
END_TEST

static void stops_at_three(struct hub_watcher *w, int events, void *arg)
{
    (void)events;
    (void)arg;
    if (++calls == 3)
        hub_watcher_stop(w);
}

START_TEST(a_time_comes_once_or_again_and_again)
{
    int64_t before = hub_now();

    ck_assert_int_eq(hub_watcher_timer(2 * MS, 0, &watcher), 0);
    ck_assert_int_eq(hub_watcher_start(watcher, counts, "arg"), 0);
    ck_assert_int_eq(hub_drain(SOON), 0);
    ck_assert_int_ge(hub_now() - before, 2 * MS);
    ck_assert_int_eq(calls, 1);
    ck_assert(!hub_watcher_active(watcher));
    hub_watcher_free(watcher);

    calls = 0;
    ck_assert_int_eq(hub_watcher_timer(-5, MS, &watcher), 0);
    ck_assert_int_eq(hub_watcher_start(watcher, stops_at_three, NULL), 0);
    ck_assert_int_eq(hub_drain(SOON), 0);
    ck_assert_int_eq(calls, 3);
    hub_watcher_free(watcher);
}
END_TEST

START_TEST(one_without_a_reference_does_not_keep_the_loop)
{
    ck_assert_int_eq(hub_watcher_timer(3600 * HUB_SECOND, 0, &watcher), 0);
    ck_assert(hub_watcher_set_ref(watcher, false));
    ck_assert(!hub_watcher_set_ref(watcher, false));
    ck_assert_int_eq(hub_watcher_start(watcher, counts, "arg"), 0);
    ck_assert_int_eq(hub_drain(SOON), 0);
    hub_watcher_free(watcher);

    ck_assert_int_eq(hub_watcher_io(ends[0], HUB_READ, &watcher), 0);
    hub_watcher_set_ref(watcher, false);
    ck_assert_int_eq(hub_watcher_start(watcher, counts, "arg"), 0);
    ck_assert_int_eq(hub_drain(SOON), 0);
    hub_watcher_stop(watcher);
    hub_watcher_set_ref(watcher, true);
    ck_assert_int_eq(hub_watcher_start(watcher, counts, "arg"), 0);
    ck_assert_int_eq(hub_drain(hub_now() + 2 * MS), -ETIMEDOUT);
    hub_watcher_free(watcher);
    ck_assert_int_eq(hub_drain(SOON), 0);
}
END_TEST

static void *sends(void *arg)
{
    for (int i = 0; i < 1000; i++)
        ck_assert_int_eq(hub_watcher_send(arg), 0);
    return NULL;
}

START_TEST(another_thread_calls)
{
    pthread_t thread;

    ck_assert_int_eq(hub_watcher_async(&watcher), 0);
    ck_assert_int_eq(hub_watcher_start(watcher, counts, "arg"), 0);
    ck_assert_int_eq(pthread_create(&thread, NULL, sends, watcher), 0);
    while (calls == 0)
        hub_sleep(MS);
    pthread_join(thread, NULL);
    hub_sleep(MS);
    ck_assert_int_ge(calls, 1);
    ck_assert_int_le(calls, 1000);
    ck_assert_int_eq(hub_drain(hub_now() + 2 * MS), -ETIMEDOUT);
    ck_assert_int_eq(hub_watcher_send(watcher), 0); /* freed while under way */
    hub_watcher_free(watcher);
    ck_assert_int_eq(hub_drain(SOON), 0);
    ck_assert_int_eq(hub_watcher_timer(0, 0, &watcher), 0);
    ck_assert_int_eq(hub_watcher_send(watcher), -EINVAL);
    hub_watcher_free(watcher);
}
END_TEST

static void on_signal(int number)
{
    (void)number;
    hub_watcher_send(watcher);
}

START_TEST(a_signal_handler_calls)
{
    struct sigaction action = { .sa_handler = on_signal }, before;

    ck_assert_int_eq(hub_watcher_async(&watcher), 0);
    sigaction(SIGUSR1, &action, &before);
    ck_assert_int_eq(raise(SIGUSR1), 0);
    ck_assert_int_eq(hub_wait_watcher(watcher, SOON), 0);
    sigaction(SIGUSR1, &before, NULL);
    hub_watcher_free(watcher);
    hub_yield();
}
END_TEST

static void yields_a_few_times(void *arg)
{
    (void)arg;
    for (int i = 0; i < 3; i++) {
        strcat(order, "g");
        hub_yield();
    }
}

static void notes_idle(struct hub_watcher *w, int events, void *arg)
{
    (void)events;
    strcat(order, arg);
    hub_watcher_stop(w);
}

START_TEST(an_idle_loop_calls_when_nothing_else_is_left)
{
    struct greenlet *g = hub_spawn_raw(yields_a_few_times, NULL);

    ck_assert_int_eq(hub_watcher_idle(0, &watcher), 0);
    ck_assert_int_eq(hub_watcher_start(watcher, notes_idle, "i"), 0);
    for (int i = 0; i < 1000 && strlen(order) < 4; i++)
        hub_sleep(MS); /* it may be over before anybody has been idle */
    ck_assert_str_eq(order, "gggi");
    finish(g);
    ck_assert_int_eq(hub_watcher_start(watcher, notes_idle, "j"), 0);
    hub_watcher_free(watcher);
    hub_sleep(MS);
    ck_assert_str_eq(order, "gggi");
}
END_TEST

/* ---- waiting ---- */

static void waits(void *arg)
{
    *(int *)arg = hub_wait_watcher(watcher, HUB_FOREVER);
}

START_TEST(a_greenlet_waits_for_a_watcher)
{
    int rc = 9;
    struct greenlet *g;

    ck_assert_int_eq(hub_watcher_io(ends[0], HUB_READ, &watcher), 0);
    g = hub_spawn_raw(waits, &rc);
    hub_yield();
    ck_assert(hub_watcher_active(watcher));
    ck_assert_int_eq(hub_watcher_start(watcher, counts, "arg"), -EBUSY);
    ck_assert_ptr_eq(greenlet_caught_peek()->cls, &hub_concurrent_use_class);
    ck_assert_int_eq(write(ends[1], "x", 1), 1);
    finish(g);
    ck_assert_int_eq(rc, 0);
    ck_assert(!hub_watcher_active(watcher));
    ck_assert_int_eq(hub_wait_watcher(watcher, SOON), 0);
    hub_watcher_free(watcher);
    ck_assert_int_eq(hub_watcher_timer(HUB_SECOND, 0, &watcher), 0);
    ck_assert_int_eq(hub_wait_watcher(watcher, hub_now() + MS), -ETIMEDOUT);
    hub_watcher_free(watcher);
    ck_assert_int_eq(hub_watcher_timer(MS, 0, &watcher), 0);
    ck_assert_int_eq(hub_wait_watcher(watcher, SOON), 0);
    hub_watcher_free(watcher);
}
END_TEST

struct reader {
    char name[2];
    int rc;
};

/* As hub_recv() does: wait, and take what there is. */
static void waits_and_reads(void *arg)
{
    struct reader *r = arg;
    char byte;

    r->rc = hub_wait_watcher(watcher, SOON);
    if (r->rc == 0 && read(ends[0], &byte, 1) == 1)
        strcat(order, r->name);
}

START_TEST(who_has_waited_longest_for_an_fd_gets_its_event)
{
    struct reader r[4] = { { "a", 9 }, { "b", 9 }, { "c", 9 }, { "d", 9 } };
    struct greenlet *g[4];

    ck_assert_int_eq(hub_watcher_io(ends[0], HUB_READ, &watcher), 0);
    for (int i = 0; i < 4; i++)
        g[i] = hub_spawn_raw(waits_and_reads, &r[i]);
    hub_sleep(MS);
    hub_kill(g[1]);
    for (int i = 0; i < 4; i++) {
        if (i == 1)
            continue;
        ck_assert_int_eq(write(ends[1], "x", 1), 1);
        finish(g[i]);
        ck_assert_int_eq(r[i].rc, 0);
    }
    finish(g[1]);
    ck_assert_int_eq(r[1].rc, -ECANCELED);
    ck_assert_str_eq(order, "acd");
    ck_assert(!hub_watcher_active(watcher));
    hub_watcher_free(watcher);
}
END_TEST

START_TEST(all_who_wait_for_a_time_are_told)
{
    int rc[3] = { 9, 9, 9 };
    struct greenlet *g[3];

    ck_assert_int_eq(hub_watcher_timer(2 * MS, 0, &watcher), 0);
    for (int i = 0; i < 3; i++)
        g[i] = hub_spawn_raw(waits, &rc[i]);
    for (int i = 0; i < 3; i++) {
        finish(g[i]);
        ck_assert_int_eq(rc[i], 0);
    }
    ck_assert_int_eq(hub_drain(SOON), 0);
    hub_watcher_free(watcher);
}
END_TEST

/* By closing the fd, by a cancel, by freeing the watcher. */
START_TEST(an_end_is_one_for_all_who_wait)
{
    int rc[3] = { 9, 9, 9 }, fd = hub_dup(ends[0]);
    struct greenlet *g[3];

    ck_assert_int_eq(hub_watcher_io(fd, HUB_READ, &watcher), 0);
    for (int i = 0; i < 3; i++)
        g[i] = hub_spawn_raw(waits, &rc[i]);
    hub_sleep(MS);
    if (_i == 0)
        hub_close(fd);
    else if (_i == 1)
        ck_assert_int_eq(hub_cancel_wait(watcher, 0, false), 0);
    else
        hub_watcher_free(watcher);
    for (int i = 0; i < 3; i++) {
        finish(g[i]);
        ck_assert_int_eq(rc[i], -EBADF);
    }
    if (_i != 0)
        hub_close(fd);
    if (_i != 2)
        hub_watcher_free(watcher);
}
END_TEST

/* Closed and made by others: the loop knows nothing of it. */
START_TEST(a_foreign_number_that_is_used_again_is_watched_anew)
{
    int pair[2], old;

    ck_assert_int_eq(pipe(pair), 0);
    old = pair[0];
    ck_assert_int_eq(hub_watcher_io(old, HUB_READ, &watcher), 0);
    ck_assert_int_eq(hub_wait_watcher(watcher, hub_now() + MS), -ETIMEDOUT);
    close(pair[0]);
    close(pair[1]);
    ck_assert_int_eq(pipe(pair), 0);
    ck_assert_int_eq(pair[0], old);
    ck_assert_int_eq(hub_watcher_start(watcher, counts, "arg"), 0);
    ck_assert_int_eq(write(pair[1], "x", 1), 1);
    for (int i = 0; i < 5000 && calls == 0; i++)
        hub_sleep(MS);
    ck_assert_int_eq(last_events, HUB_READ);
    hub_watcher_free(watcher);
    hub_fd_closed(pair[0]);
    close(pair[0]);
    close(pair[1]);
}
END_TEST

static const struct {
    int error, expected;
    bool close;
} cancels[] = {
    { 0, -EBADF, false },
    { -EIO, -EIO, false },
    { 0, -EBADF, true },
};

START_TEST(a_wait_is_cancelled_later)
{
    int rc = 9;
    struct greenlet *g;

    ck_assert_int_eq(hub_watcher_io(ends[0], HUB_READ, &watcher), 0);
    g = hub_spawn_raw(waits, &rc);
    hub_yield();
    ck_assert_int_eq(hub_cancel_wait(watcher, 5, false), -EINVAL);
    ck_assert_int_eq(
        hub_cancel_wait(watcher, cancels[_i].error, cancels[_i].close), 0);
    ck_assert_int_eq(rc, 9);
    finish(g);
    ck_assert_int_eq(rc, cancels[_i].expected);
    ck_assert_int_eq(hub_wait_watcher(watcher, hub_now() + MS),
                     cancels[_i].close ? -EBADF : -ETIMEDOUT);
    hub_watcher_free(watcher);
}
END_TEST

START_TEST(a_wait_that_is_over_is_not_cancelled)
{
    int rc = 9;
    struct greenlet *g;

    ck_assert_int_eq(hub_watcher_timer(0, 0, &watcher), 0);
    g = hub_spawn_raw(waits, &rc);
    hub_yield();
    hub_sleep(MS); /* its wait has ended by now */
    ck_assert_int_eq(hub_cancel_wait(watcher, -EIO, true), 0);
    finish(g);
    ck_assert_int_eq(rc, 0);
    hub_yield();
    ck_assert_int_eq(hub_wait_watcher(watcher, SOON), -EBADF);
    hub_watcher_free(watcher);
}
END_TEST

START_TEST(a_watcher_that_is_freed_ends_its_wait)
{
    int rc = 9;
    struct greenlet *g;

    ck_assert_int_eq(hub_watcher_io(ends[0], HUB_READ, &watcher), 0);
    g = hub_spawn_raw(waits, &rc);
    hub_yield();
    hub_watcher_free(watcher);
    hub_watcher_free(NULL);
    finish(g);
    ck_assert_int_eq(rc, -EBADF);
}
END_TEST

static void *uses_from_elsewhere(void *owner)
{
    hub_yield();
    ck_refused(hub_watcher_start(watcher, counts, "arg"), *(unsigned *)owner);
    ck_refused(hub_wait_watcher(watcher, SOON), *(unsigned *)owner);
    return NULL;
}

START_TEST(another_thread_may_not_start_it)
{
    ck_assert_int_eq(hub_watcher_timer(MS, 0, &watcher), 0);
    call_elsewhere(uses_from_elsewhere);
    hub_watcher_free(watcher);
}
END_TEST

static void add_waiting(TCase *tcase)
{
    tcase_add_test(tcase, a_greenlet_waits_for_a_watcher);
    tcase_add_test(tcase, who_has_waited_longest_for_an_fd_gets_its_event);
    tcase_add_test(tcase, all_who_wait_for_a_time_are_told);
    tcase_add_loop_test(tcase, an_end_is_one_for_all_who_wait, 0, 3);
    tcase_add_test(tcase, a_foreign_number_that_is_used_again_is_watched_anew);
    tcase_add_loop_test(tcase, a_wait_is_cancelled_later, 0, 3);
    tcase_add_test(tcase, a_wait_that_is_over_is_not_cancelled);
    tcase_add_test(tcase, a_watcher_that_is_freed_ends_its_wait);
    tcase_add_test(tcase, another_thread_may_not_start_it);
}

int main(void)
{
    TCase *tcase = tcase_create("unit");

    hub_yield();
    tcase_add_checked_fixture(tcase, unit_setup, unit_teardown);
    tcase_add_checked_fixture(tcase, open_pipe, close_pipe);
    tcase_add_test(tcase, an_fd_that_is_ready_calls_until_it_is_stopped);
    tcase_add_test(tcase, a_bad_fd_is_refused);
    tcase_add_test(tcase, a_closed_fd_is_told_and_stops_it);
    tcase_add_test(tcase, what_is_pending_is_dropped_by_a_stop);
    tcase_add_test(tcase, a_time_comes_once_or_again_and_again);
    tcase_add_test(tcase, one_without_a_reference_does_not_keep_the_loop);
    tcase_add_test(tcase, another_thread_calls);
    tcase_add_test(tcase, a_signal_handler_calls);
    tcase_add_test(tcase, an_idle_loop_calls_when_nothing_else_is_left);
    add_waiting(tcase);
    return unit_run("watcher", tcase);
}
