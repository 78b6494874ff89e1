/* Servers: accepting in batches, pools, pauses, stopping, datagrams. */
#include "foreign.h"
#include "hub/hub.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#define MS HUB_MILLISECOND
#define SOON (hub_now() + 10 * HUB_SECOND) /* does not hang */
#define MOST 200

static struct hub_server *server;
static char text[64];
static int handled, in_hub_rc, reports, last_error;
static bool release;

static void finish(struct greenlet *g)
{
    ck_assert_int_eq(hub_join(g, SOON), 0);
    greenlet_unref(g);
}

static void serve_with(hub_server_handler *handler,
                       const struct hub_server_options *options)
{
    struct hub_address address;

    handled = 0;
    release = false;
    ck_assert_int_eq(
        hub_server_new("127.0.0.1:0", handler, "arg", options, &server), 0);
    ck_assert(!hub_server_started(server));
    ck_assert_int_eq(hub_server_address(server, &address), -EBADF);
    ck_assert_int_eq(hub_server_start(server), 0);
    ck_assert_int_eq(hub_server_start(server), 0);
    ck_assert(hub_server_started(server));
    ck_assert_int_eq(hub_server_address(server, &address), 0);
    ck_assert_int_gt(hub_address_format(&address, text, sizeof text), 0);
}

static int client(void)
{
    int fd = hub_connect_to(text, SOON);

    ck_assert_int_ge(fd, 0);
    return fd;
}

static void echo(int fd, const struct hub_address *peer, void *arg)
{
    char buffer[64];
    ssize_t got;

    ck_assert_str_eq(arg, "arg");
    ck_assert_int_eq(peer->storage.ss_family, AF_INET);
    handled++;
    while ((got = hub_recv(fd, buffer, sizeof buffer, 0, HUB_FOREVER)) > 0)
        hub_send_all(fd, buffer, (size_t)got, 0, NULL, HUB_FOREVER);
}

static void exchange(int fd)
{
    char buffer[8];

    ck_assert_int_eq(hub_send_all(fd, "hello", 5, 0, NULL, SOON), 0);
    ck_assert_int_eq(hub_recv_all(fd, buffer, 5, NULL, SOON), 0);
}

static void wait_for_handlers(size_t count)
{
    for (int i = 0; i < 1000 && hub_server_connections(server) != count; i++)
        hub_sleep(MS);
    ck_assert_uint_eq(hub_server_connections(server), count);
}

START_TEST(each_connection_has_its_handler)
{
    int a, b;

    serve_with(echo, NULL);
    a = client();
    b = client();
    exchange(b);
    exchange(a);
    ck_assert_int_eq(handled, 2);
    hub_close(a);
    hub_close(b);
    wait_for_handlers(0);
    hub_server_free(server);
    hub_yield();
}
END_TEST

static void returns_at_once(int fd, const struct hub_address *peer, void *arg)
{
    (void)fd;
    (void)peer;
    (void)arg;
    handled++;
}

START_TEST(the_connection_is_closed_when_the_handler_returns)
{
    static const enum hub_server_spawn modes[] = { HUB_SERVER_GREENLET,
                                                   HUB_SERVER_RAW,
                                                   HUB_SERVER_IN_HUB };
    struct hub_server_options options = { .spawn = modes[_i] };
    char byte;
    int fd;

    serve_with(returns_at_once, &options);
    fd = client();
    ck_assert_int_eq(hub_recv(fd, &byte, 1, 0, SOON), 0);
    ck_assert_int_eq(handled, 1);
    hub_close(fd);
    hub_server_free(server);
    hub_yield();
}
END_TEST

static int kept;

static void keeps(int fd, const struct hub_address *peer, void *arg)
{
    (void)peer;
    (void)arg;
    kept = fd;
}

START_TEST(a_handler_may_be_given_the_connection)
{
    struct hub_server_options options = { .handler_closes = true };
    char byte;
    int fd;

    kept = -1;
    serve_with(keeps, &options);
    fd = client();
    while (kept < 0)
        hub_sleep(MS);
    wait_for_handlers(0);
    ck_assert_int_eq(hub_send(kept, "x", 1, 0, SOON), 1);
    ck_assert_int_eq(hub_recv(fd, &byte, 1, 0, SOON), 1);
    hub_close(kept);
    hub_close(fd);
    hub_server_free(server);
    hub_yield();
}
END_TEST

static void waits_in_the_hub(int fd, const struct hub_address *peer, void *arg)
{
    char byte;

    (void)peer;
    (void)arg;
    in_hub_rc = (int)hub_recv(fd, &byte, 1, 0, HUB_FOREVER);
    hub_send(fd, "x", 1, 0, HUB_NOWAIT);
}

START_TEST(a_handler_in_the_hub_cannot_wait)
{
    struct hub_server_options options = { .spawn = HUB_SERVER_IN_HUB };
    char byte;
    int fd;

    serve_with(waits_in_the_hub, &options);
    fd = client();
    ck_assert_int_eq(hub_recv(fd, &byte, 1, 0, SOON), 1);
    ck_assert_int_eq(in_hub_rc, -EDEADLK);
    hub_close(fd);
    hub_server_free(server);
    hub_yield();
}
END_TEST

static void waits_for_release(int fd, const struct hub_address *peer, void *arg)
{
    (void)fd;
    (void)peer;
    (void)arg;
    handled++;
    while (!release && hub_sleep(MS) == 0)
        ;
}

START_TEST(a_full_pool_accepts_no_more_until_one_is_done)
{
    struct hub_server_options options = { .pool = 2 };
    int fds[4];
    char byte;

    serve_with(waits_for_release, &options);
    for (int i = 0; i < 4; i++)
        fds[i] = client(); /* the backlog takes them */
    hub_sleep(20 * MS);
    ck_assert_int_eq(handled, 2);
    ck_assert_uint_eq(hub_server_connections(server), 2);
    release = true;
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(hub_recv(fds[i], &byte, 1, 0, SOON), 0);
    ck_assert_int_eq(handled, 4);
    for (int i = 0; i < 4; i++)
        hub_close(fds[i]);
    ck_assert_int_eq(hub_server_stop(server, -1), 0);
    hub_server_free(server);
    hub_yield();
}
END_TEST

static int turns;
static int most_at_once, last_handled;

static void counts_batches(void *arg)
{
    (void)arg;
    while (handled < MOST) {
        int batch = handled - last_handled;

        most_at_once = batch > most_at_once ? batch : most_at_once;
        last_handled = handled;
        turns++;
        hub_yield();
    }
}

/* Connections that wait in the backlog are accepted so many a wake-up. */
START_TEST(a_wake_up_accepts_so_many)
{
    struct hub_server_options options = { .accepts = (unsigned)_i,
                                          .backlog = MOST };
    int fds[MOST], expected = _i != 0 ? _i : 100;
    struct greenlet *g;

    struct hub_address address;

    fds[0] = hub_listen_on("127.0.0.1:0", MOST, 0);
    ck_assert_int_ge(fds[0], 0);
    ck_assert_int_eq(hub_local_address(fds[0], &address), 0);
    ck_assert_int_gt(hub_address_format(&address, text, sizeof text), 0);
    ck_assert_int_eq(hub_server_of_fd(fds[0], returns_at_once, NULL, &options,
                                      &server),
                     0);
    handled = last_handled = most_at_once = turns = 0;
    for (int i = 0; i < MOST; i++)
        fds[i] = client();
    ck_assert_int_eq(hub_server_start(server), 0);
    g = hub_spawn_raw(counts_batches, NULL);
    finish(g);
    ck_assert_int_eq(most_at_once, expected);
    for (int i = 0; i < MOST; i++)
        hub_close(fds[i]);
    hub_server_free(server);
    hub_yield();
}
END_TEST

static void counts_reports(struct hub *hub, const struct greenlet *context,
                           const struct greenlet_exception *exception,
                           void *data)
{
    (void)hub;
    (void)context;
    (void)data;
    reports++;
    last_error = exception->error;
}

/* All numbers are taken: it pauses for 10, 20, 40 ms ... and goes on later. */
START_TEST(without_descriptors_it_pauses_and_goes_on_later)
{
    struct rlimit before, low;
    int fd, taken[4096], count = 0;

    reports = 0;
    hub_set_error_handler(counts_reports, NULL);
    serve_with(echo, NULL);
    fd = client();
    exchange(fd);
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    low = before;
    low.rlim_cur = 64;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &low), 0);
    hub_close(fd);
    wait_for_handlers(0);
    fd = hub_socket(AF_INET, SOCK_STREAM, 0);
    while ((taken[count] = dup(fd)) >= 0)
        count++;
    {
        struct hub_address to;

        ck_assert_int_eq(hub_address_parse(text, &to), 0);
        ck_assert_int_eq(hub_connect(fd, (struct sockaddr *)&to.storage,
                                     to.length, SOON),
                         0);
    }
    hub_sleep(100 * MS);
    ck_assert_int_eq(reports, 1); /* not one for each pause */
    ck_assert_int_eq(last_error, -EMFILE);
    while (count > 0)
        close(taken[--count]);
    exchange(fd);
    ck_assert_int_eq(handled, 2);
    hub_close(fd);
    wait_for_handlers(0);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
    hub_server_free(server);
    hub_yield();
    hub_set_error_handler(NULL, NULL);
}
END_TEST

START_TEST(a_listener_that_is_none_closes_the_server)
{
    int fds[2];

    reports = 0;
    hub_set_error_handler(counts_reports, NULL);
    ck_assert_int_eq(hub_server_of_fd(-1, echo, NULL, NULL, &server), -EBADF);
    ck_assert_int_eq(hub_pipe(fds), 0);
    ck_assert_int_eq(hub_server_of_fd(fds[0], echo, NULL, NULL, &server),
                     -ENOTSOCK);
    hub_close(fds[0]);
    hub_close(fds[1]);
    ck_assert_int_eq(hub_socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    ck_assert_int_eq(hub_server_of_fd(fds[0], echo, NULL, NULL, &server), 0);
    hub_send(fds[1], "x", 1, 0, SOON); /* not listening, and readable */
    ck_assert_int_eq(hub_server_serve(server), 0);
    ck_assert_int_eq(last_error, -EINVAL);
    ck_assert_int_eq(reports, 1);
    ck_assert(!hub_server_started(server));
    ck_assert_int_eq(hub_server_start(server), -EBADF);
    hub_server_free(server);
    hub_close(fds[1]);
    hub_set_error_handler(NULL, NULL);
}
END_TEST

START_TEST(bad_addresses_are_refused)
{
    ck_assert_int_eq(hub_server_new("rubbish", echo, NULL, NULL, &server),
                     -EINVAL);
    ck_assert_int_eq(hub_server_new(NULL, echo, NULL, NULL, &server), -EINVAL);
    ck_assert_int_eq(hub_server_new("192.0.2.1:1", echo, NULL, NULL, &server),
                     0);
    ck_assert_int_eq(hub_server_serve(server), -EADDRNOTAVAIL);
    hub_server_free(server);
}
END_TEST

static void *uses_from_elsewhere(void *owner)
{
    hub_yield();
    ck_refused(hub_server_start(server), *(unsigned *)owner);
    ck_refused(hub_server_serve(server), *(unsigned *)owner);
    ck_refused(hub_server_close(server), *(unsigned *)owner);
    ck_refused(hub_server_stop(server, 0), *(unsigned *)owner);
    return NULL;
}

START_TEST(another_thread_is_refused)
{
    serve_with(echo, NULL);
    call_elsewhere(uses_from_elsewhere);
    ck_assert(hub_server_started(server));
    hub_server_free(server);
    ck_assert_int_eq(hub_drain(SOON), 0); /* who accepted has ended */
}
END_TEST

/* ---- stopping ---- */

START_TEST(stopping_waits_for_the_handlers_of_a_pool)
{
    struct hub_server_options options = { .pool = 5 };
    int fd;

    serve_with(waits_for_release, &options);
    fd = client();
    wait_for_handlers(1);
    release = true;
    ck_assert_int_eq(hub_server_stop(server, -1), 0);
    ck_assert_uint_eq(hub_server_connections(server), 0);
    ck_assert_int_eq(hub_server_fd(server), -1);
    ck_assert_int_eq(hub_connect_to(text, SOON), -ECONNREFUSED);
    hub_close(fd);
    hub_server_free(server);
    hub_yield();
}
END_TEST

START_TEST(stopping_kills_those_that_take_too_long)
{
    struct hub_server_options options = { .pool = 5 };
    int64_t before = hub_now();
    char byte;
    int fd;

    serve_with(waits_for_release, &options);
    fd = client();
    wait_for_handlers(1);
    ck_assert_int_eq(hub_server_stop(server, 10 * MS), 0);
    ck_assert_int_ge(hub_now() - before, 10 * MS);
    ck_assert_int_eq(hub_recv(fd, &byte, 1, 0, SOON), 0);
    hub_close(fd);
    hub_server_free(server);
    hub_yield();
}
END_TEST

static void refuses_to_end(int fd, const struct hub_address *peer, void *arg)
{
    struct hub_shield shield;

    hub_shield_begin(&shield);
    waits_for_release(fd, peer, arg);
    hub_shield_end(&shield);
}

START_TEST(stopping_does_not_wait_for_ever_for_those_who_refuse)
{
    struct hub_server_options options = { .pool = 5, .stop_timeout = MS };
    int fd;

    serve_with(refuses_to_end, &options);
    fd = client();
    wait_for_handlers(1);
    ck_assert_int_eq(hub_server_stop(server, -1), -EBUSY);
    release = true;
    wait_for_handlers(0);
    hub_close(fd);
    hub_server_free(server);
    hub_yield();
}
END_TEST

START_TEST(without_a_pool_handlers_go_on_after_the_server)
{
    int fd;

    serve_with(echo, NULL);
    fd = client();
    exchange(fd);
    ck_assert_int_eq(hub_server_stop(server, 0), 0);
    ck_assert_uint_eq(hub_server_connections(server), 1);
    hub_server_free(server);
    exchange(fd);
    hub_close(fd);
    ck_assert_int_eq(hub_drain(SOON), 0); /* the handler has ended */
}
END_TEST

static void serves(void *arg)
{
    *(int *)arg = hub_server_serve(server);
}

START_TEST(serving_lasts_until_it_is_stopped)
{
    int rc = 9, fd;
    struct greenlet *g;

    serve_with(echo, NULL);
    g = hub_spawn_raw(serves, &rc);
    fd = client();
    exchange(fd);
    hub_close(fd);
    wait_for_handlers(0);
    ck_assert_int_eq(hub_server_stop(server, -1), 0);
    finish(g);
    ck_assert_int_eq(rc, 0);
    hub_server_free(server);
    hub_yield();
}
END_TEST

START_TEST(serving_that_is_killed_stops_the_server)
{
    struct hub_server_options options = { .pool = 5, .stop_timeout = 5 * MS };
    int rc = 9, fd;
    struct greenlet *g;
    char byte;

    serve_with(waits_for_release, &options);
    g = hub_spawn_raw(serves, &rc);
    fd = client();
    wait_for_handlers(1);
    hub_kill(g);
    finish(g);
    ck_assert_int_eq(rc, -ECANCELED);
    ck_assert_int_eq(hub_recv(fd, &byte, 1, 0, SOON), 0);
    ck_assert(!hub_server_started(server));
    hub_close(fd);
    hub_server_free(server);
    hub_yield();
}
END_TEST

/* Accepted, and killed before its handler began: nothing leaks. */
START_TEST(a_handler_that_is_killed_before_it_begins_leaves_nothing)
{
    struct hub_server_options options = { .pool = 5, .stop_timeout = -1 };
    int fd;
    char byte;

    serve_with(waits_for_release, &options);
    fd = client();
    while (hub_server_connections(server) == 0)
        hub_wait_fd(hub_server_fd(server), HUB_READ, hub_now() + MS);
    ck_assert_int_eq(hub_server_stop(server, 0), 0);
    ck_assert_int_eq(hub_recv(fd, &byte, 1, 0, SOON), 0);
    hub_close(fd);
    hub_server_free(server);
    hub_yield();
}
END_TEST

/* ---- datagrams ---- */

static void answers(struct hub_datagram_server *from, const void *data,
                    size_t size, const struct hub_address *peer, void *arg)
{
    ck_assert_str_eq(arg, "arg");
    handled++;
    hub_datagram_server_send(from, data, size, peer, HUB_FOREVER);
}

START_TEST(each_datagram_has_its_handler)
{
    static const enum hub_server_spawn modes[] = { HUB_SERVER_GREENLET,
                                                   HUB_SERVER_RAW,
                                                   HUB_SERVER_IN_HUB };
    struct hub_server_options options = { .spawn = modes[_i] };
    struct hub_datagram_server *d;
    struct hub_address address;
    int fd = hub_listen_on("127.0.0.1:0", 0, HUB_LISTEN_DATAGRAM);
    char data[16];

    ck_assert_int_eq(hub_datagram_server_new("127.0.0.1:0", answers, "arg",
                                             &options, &d),
                     0);
    ck_assert_int_eq(hub_datagram_server_send(d, "x", 1, &address, SOON),
                     -EBADF);
    ck_assert_int_eq(hub_datagram_server_start(d), 0);
    ck_assert_int_eq(hub_datagram_server_address(d, &address), 0);
    handled = 0;
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(hub_sendto(fd, "ping", 4, 0,
                                    (struct sockaddr *)&address.storage,
                                    address.length, SOON),
                         4);
        ck_assert_int_eq(hub_recv(fd, data, sizeof data, 0, SOON), 4);
    }
    ck_assert_int_eq(handled, 3);
    ck_assert_int_eq(hub_datagram_server_stop(d, -1), 0);
    hub_datagram_server_free(d);
    hub_close(fd);
    hub_yield();
}
END_TEST

static void add_stopping(TCase *tcase)
{
    tcase_add_test(tcase, stopping_waits_for_the_handlers_of_a_pool);
    tcase_add_test(tcase, stopping_kills_those_that_take_too_long);
    tcase_add_test(tcase, stopping_does_not_wait_for_ever_for_those_who_refuse);
    tcase_add_test(tcase, without_a_pool_handlers_go_on_after_the_server);
    tcase_add_test(tcase, serving_lasts_until_it_is_stopped);
    tcase_add_test(tcase, serving_that_is_killed_stops_the_server);
    tcase_add_test(tcase,
                   a_handler_that_is_killed_before_it_begins_leaves_nothing);
}

int main(void)
{
    TCase *tcase = unit_case();

    hub_yield();
    hub_set_error_handler(NULL, NULL);
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, each_connection_has_its_handler);
    tcase_add_loop_test(tcase,
                        the_connection_is_closed_when_the_handler_returns, 0,
                        3);
    tcase_add_test(tcase, a_handler_may_be_given_the_connection);
    tcase_add_test(tcase, a_handler_in_the_hub_cannot_wait);
    tcase_add_test(tcase, a_full_pool_accepts_no_more_until_one_is_done);
    tcase_add_loop_test(tcase, a_wake_up_accepts_so_many, 0, 2);
    tcase_add_test(tcase, without_descriptors_it_pauses_and_goes_on_later);
    tcase_add_test(tcase, a_listener_that_is_none_closes_the_server);
    tcase_add_test(tcase, bad_addresses_are_refused);
    tcase_add_test(tcase, another_thread_is_refused);
    add_stopping(tcase);
    tcase_add_loop_test(tcase, each_datagram_has_its_handler, 0, 3);
    return unit_run("server", tcase);
}
