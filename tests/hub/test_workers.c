/* A hub per OS thread: listeners, hand-over, stopping. */
#include "../unit.h"
#include "hub/hub_impl.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <unistd.h>

#define MS HUB_MILLISECOND

static int ran, hubs[64];

static int counts(struct hub_worker *worker, void *arg)
{
    ck_assert_ptr_eq(arg, &ran);
    __atomic_add_fetch(&ran, 1, __ATOMIC_SEQ_CST);
    hubs[hub_worker_index(worker)] = (int)hub_id(hub_current());
    return hub_sleep(MS);
}

START_TEST(each_runs_on_a_hub_of_its_own)
{
    ck_assert_int_eq(hub_workers(4, counts, &ran), 0);
    ck_assert_int_eq(ran, 4);
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < i; j++)
            ck_assert_int_ne(hubs[i], hubs[j]);
}
END_TEST

START_TEST(none_means_one_for_each_core)
{
    ck_assert_int_eq(hub_workers(0, counts, &ran), 0);
    ck_assert_int_eq(ran, (int)hub__cores());
}
END_TEST

static int fails(struct hub_worker *worker, void *arg)
{
    (void)arg;
    return hub_worker_index(worker) == 1 ? -EDOM : 0;
}

START_TEST(an_error_of_one_is_returned)
{
    ck_assert_int_eq(hub_workers(3, fails, NULL), -EDOM);
}
END_TEST

static void ticks(void *arg)
{
    while (hub_sleep(MS) == 0)
        __atomic_add_fetch((int *)arg, 1, __ATOMIC_SEQ_CST);
}

/* Until the caller's thread has run others. */
static int watches(struct hub_worker *worker, void *arg)
{
    (void)worker;
    while (__atomic_load_n((int *)arg, __ATOMIC_SEQ_CST) < 3)
        hub_sleep(MS);
    return 0;
}

START_TEST(the_caller_parks_meanwhile)
{
    int ticked = 0;
    struct greenlet *g = hub_spawn_raw(ticks, &ticked);

    ck_assert_int_eq(hub_workers(2, watches, &ticked), 0);
    hub_kill(g);
    hub_join(g, HUB_FOREVER);
    greenlet_unref(g);
}
END_TEST

/* Each gives the next one work, and the last stops all. */
struct round {
    struct hub_worker *worker;
    unsigned hops;
};
static unsigned total;

static void hop(void *arg)
{
    struct round *round = arg;
    unsigned next = ++round->hops % hub_worker_count(round->worker);

    hub_sleep(0); /* it is a greenlet */
    __atomic_add_fetch(&total, 1, __ATOMIC_SEQ_CST);
    if (round->hops == 100)
        hub_worker_stop(round->worker);
    else
        while (hub_worker_spawn(round->worker, next, hop, round) == -ESRCH)
            hub_sleep(MS);
}

static int passes_on(struct hub_worker *worker, void *arg)
{
    struct round *round = arg;

    if (hub_worker_index(worker) == 0) {
        round->worker = worker;
        ck_assert_int_eq(hub_worker_spawn(worker, 0, hop, round), 0);
        ck_assert_int_eq(hub_worker_spawn(worker, 99, hop, round), -EINVAL);
    }
    return hub_worker_wait(worker, HUB_FOREVER);
}

START_TEST(work_is_handed_over_until_they_stop)
{
    struct round round = { NULL, 0 };

    ck_assert_int_eq(hub_workers(3, passes_on, &round), 0);
    ck_assert_uint_eq(total, 100);
}
END_TEST

/* ---- listeners ---- */

static unsigned served[4];
static uint16_t port;
static unsigned listening;

static void serve(struct hub_worker *worker, int fd)
{
    while (hub_wait_fd(fd, HUB_READ, hub_deadline(HUB_SECOND)) == 0) {
        int client = accept(fd, NULL, NULL);
        char index = (char)('0' + hub_worker_index(worker));

        if (client < 0)
            continue;
        served[hub_worker_index(worker)]++;
        ck_assert_int_eq(write(client, &index, 1), 1);
        close(client);
    }
}

static int serves(struct hub_worker *worker, void *arg)
{
    struct sockaddr_in address = { .sin_family = AF_INET };
    socklen_t size = sizeof address;
    int fd;

    (void)arg;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    fd = hub_worker_listen(worker, (struct sockaddr *)&address, size, 128);
    ck_assert_int_ge(fd, 0);
    getsockname(fd, (struct sockaddr *)&address, &size);
    __atomic_store_n(&port, address.sin_port, __ATOMIC_SEQ_CST);
    __atomic_add_fetch(&listening, 1, __ATOMIC_SEQ_CST);
    serve(worker, fd);
    hub_fd_closed(fd);
    close(fd);
    return 0;
}

static void connects(void *arg)
{
    int *answered = arg;

    while (__atomic_load_n(&listening, __ATOMIC_SEQ_CST) < 3)
        hub_sleep(MS);
    for (int i = 0; i < 60; i++) {
        struct sockaddr_in address = { .sin_family = AF_INET,
                                       .sin_port = port };
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        char byte;

        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        ck_assert_int_eq(
            connect(fd, (struct sockaddr *)&address, sizeof address), 0);
        hub_wait_fd(fd, HUB_READ, HUB_FOREVER);
        *answered += read(fd, &byte, 1) == 1;
        hub_fd_closed(fd);
        close(fd);
    }
}

START_TEST(listeners_share_a_port_that_the_kernel_chose)
{
    int answered = 0;
    struct greenlet *g = hub_spawn_raw(connects, &answered);

    ck_assert_int_eq(hub_workers(3, serves, NULL), 0);
    hub_join(g, HUB_FOREVER);
    greenlet_unref(g);
    ck_assert_int_eq(answered, 60);
    /* Which one the kernel chooses is by a hash: not all 60 are one's. */
    for (int i = 0; i < 3; i++)
        ck_assert_uint_lt(served[i], 60);
}
END_TEST

static int waits(struct hub_worker *worker, void *arg)
{
    __atomic_add_fetch((int *)arg, 1, __ATOMIC_SEQ_CST);
    return hub_worker_wait(worker, HUB_FOREVER);
}

static int rc_of_workers;

static void runs_workers(void *arg)
{
    rc_of_workers = hub_workers(2, waits, arg);
}

START_TEST(a_caller_that_is_killed_stops_them_first)
{
    int begun = 0;
    struct greenlet *g = hub_spawn_raw(runs_workers, &begun);

    while (__atomic_load_n(&begun, __ATOMIC_SEQ_CST) < 2)
        hub_sleep(MS);
    hub_kill(g);
    ck_assert_int_eq(hub_join(g, HUB_FOREVER), 0);
    ck_assert_int_eq(rc_of_workers, -ECANCELED);
    greenlet_unref(g);
}
END_TEST

static void start_hub(void)
{
    hub_yield();
    ran = 0;
}

static int handed_over;

static void is_called(void *arg)
{
    (void)arg;
    __atomic_add_fetch(&handed_over, 1, __ATOMIC_SEQ_CST);
}

/* The first thing that each does. */
static int calls_all(struct hub_worker *worker, void *arg)
{
    int rc = 0, wanted = (int)hub_worker_count(worker);

    (void)arg;
    for (unsigned i = 0; i < hub_worker_count(worker) && rc == 0; i++)
        rc = hub_worker_call(worker, i, is_called, NULL);
    while (__atomic_load_n(&handed_over, __ATOMIC_SEQ_CST) < wanted * wanted)
        hub_sleep(MS);
    return rc;
}

START_TEST(all_can_be_called_from_the_first_moment_on)
{
    for (int i = 0; i < 20; i++) {
        handed_over = 0;
        ck_assert_int_eq(hub_workers(4, calls_all, NULL), 0);
        ck_assert_int_eq(handed_over, 16);
    }
}
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("unit");

    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, start_hub, NULL);
    tcase_add_checked_fixture(tcase, unit_setup, unit_teardown);
    tcase_add_test(tcase, each_runs_on_a_hub_of_its_own);
    tcase_add_test(tcase, none_means_one_for_each_core);
    tcase_add_test(tcase, an_error_of_one_is_returned);
    tcase_add_test(tcase, the_caller_parks_meanwhile);
    tcase_add_test(tcase, all_can_be_called_from_the_first_moment_on);
    tcase_add_test(tcase, work_is_handed_over_until_they_stop);
    tcase_add_test(tcase, listeners_share_a_port_that_the_kernel_chose);
    tcase_add_test(tcase, a_caller_that_is_killed_stops_them_first);
    return unit_run("workers", tcase);
}
