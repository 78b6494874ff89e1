/* Connections, addresses, datagrams, descriptors that are passed. */
#include "../unit.h"
#include "hub/hub.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/un.h>
#include <unistd.h>

#define MS HUB_MILLISECOND
#define SOON (hub_now() + 10 * HUB_SECOND) /* does not hang */

static int ours, theirs;

static void open_pair(void)
{
    int ends[2];

    hub_yield();
    ck_assert_int_eq(hub_socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    ours = ends[0];
    theirs = ends[1];
}

static void close_pair(void)
{
    hub_close(ours);
    hub_close(theirs);
}

static void finish(struct greenlet *g)
{
    ck_assert_int_eq(hub_join(g, SOON), 0);
    greenlet_unref(g);
}

static void accepts_one(void *arg)
{
    int *fds = arg;

    fds[1] = hub_accept(fds[0], NULL, NULL, SOON);
}

static void connects_and_talks(const char *text)
{
    int fds[2] = { hub_listen_on(text, 0, 0), -1 }, fd;
    struct hub_address address, seen;
    char name[128], byte;
    struct greenlet *g;

    ck_assert_int_ge(fds[0], 0);
    ck_assert_int_eq(hub_local_address(fds[0], &address), 0);
    ck_assert_int_gt(hub_address_format(&address, name, sizeof name), 0);
    g = hub_spawn_raw(accepts_one, fds);
    fd = hub_connect_to(name, SOON);
    ck_assert_int_ge(fd, 0);
    finish(g);
    ck_assert_int_ge(fds[1], 0);
    ck_assert_int_eq(hub_peer_address(fd, &seen), 0);
    ck_assert_int_eq(hub_send(fds[1], "h", 1, 0, SOON), 1);
    ck_assert_int_eq(hub_recv(fd, &byte, 1, 0, SOON), 1);
    ck_assert_int_ne(fcntl(fds[1], F_GETFL) & O_NONBLOCK, 0);
    ck_assert_int_ne(fcntl(fds[1], F_GETFD) & FD_CLOEXEC, 0);
    hub_close(fds[0]);
    hub_close(fds[1]);
    hub_close(fd);
}

START_TEST(connects_over_tcp)
{
    connects_and_talks("127.0.0.1:0");
}
END_TEST

START_TEST(connects_over_a_unix_socket_and_replaces_a_stale_one)
{
    char text[128];

    snprintf(text, sizeof text, "unix:/tmp/vireo-test-%d.sock", (int)getpid());
    connects_and_talks(text);
    connects_and_talks(text); /* the file is still there */
    ck_assert_int_eq(hub_listen_on("/nowhere/at/all", 0, 0), -ENOENT);
    unlink(text + sizeof "unix:" - 1);
    snprintf(text, sizeof text, "unix:@vireo-test-%d", (int)getpid());
    connects_and_talks(text);
}
END_TEST

START_TEST(a_socket_that_somebody_listens_on_is_left)
{
    char text[128];
    int fd;

    snprintf(text, sizeof text, "/tmp/vireo-test-%d.sock", (int)getpid());
    fd = hub_listen_on(text, 0, 0);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(hub_listen_on(text, 0, 0), -EADDRINUSE);
    hub_close(fd);
    unlink(text);
}
END_TEST

START_TEST(a_refused_connection_says_so)
{
    int fd = hub_listen_on("127.0.0.1:0", 0, 0);
    struct hub_address address;
    char name[64];

    ck_assert_int_eq(hub_local_address(fd, &address), 0);
    ck_assert_int_gt(hub_address_format(&address, name, sizeof name), 0);
    hub_close(fd);
    ck_assert_int_eq(hub_connect_to(name, SOON), -ECONNREFUSED);
    ck_assert_int_eq(hub_connect_to("rubbish", SOON), -EINVAL);
    ck_assert_int_eq(hub_connect_to("/nowhere/at/all", SOON), -ENOENT);
}
END_TEST

/* Nothing says when a listener on a Unix socket has room again. */
START_TEST(a_full_backlog_of_a_unix_socket_is_waited_for)
{
    char text[128];
    int listener, first, fds[2], second;
    struct greenlet *g;

    snprintf(text, sizeof text, "unix:@vireo-full-%d", (int)getpid());
    listener = hub_listen_on(text, 1, 0);
    first = hub_connect_to(text, SOON);
    fds[1] = hub_connect_to(text, SOON);
    ck_assert_int_ge(fds[1], 0);
    ck_assert_int_eq(hub_connect_to(text, hub_now() + 5 * MS), -ETIMEDOUT);
    hub_close(fds[1]);
    fds[0] = listener;
    g = hub_spawn_raw(accepts_one, fds);
    second = hub_connect_to(text, SOON);
    ck_assert_int_ge(second, 0);
    finish(g);
    hub_close(fds[1]);
    hub_close(first);
    hub_close(second);
    hub_close(listener);
}
END_TEST

struct connection {
    int fd, rc;
    struct sockaddr_un address;
    socklen_t length;
};

static void connects(void *arg)
{
    struct connection *c = arg;

    c->rc = hub_connect(c->fd, (struct sockaddr *)&c->address, c->length, SOON);
}

/* ... and what is closed meanwhile is not connected, whoever has the number. */
START_TEST(a_close_ends_the_wait_for_a_full_backlog)
{
    struct connection c = { .rc = 9, .address.sun_family = AF_UNIX };
    char text[128];
    int listener, first, again;
    struct greenlet *g;

    snprintf(text, sizeof text, "unix:@vireo-shut-%d", (int)getpid());
    strcpy(c.address.sun_path + 1, text + 6);
    c.length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
                           strlen(text + 6));
    listener = hub_socket(AF_UNIX, SOCK_STREAM, 0);
    ck_assert_int_eq(
        bind(listener, (struct sockaddr *)&c.address, c.length), 0);
    ck_assert_int_eq(listen(listener, 0), 0);
    first = hub_connect_to(text, SOON);
    c.fd = hub_socket(AF_UNIX, SOCK_STREAM, 0);
    g = hub_spawn_raw(connects, &c);
    hub_sleep(2 * MS);
    ck_assert_int_eq(c.rc, 9);
    hub_close(c.fd);
    again = hub_socket(AF_UNIX, SOCK_STREAM, 0);
    ck_assert_int_eq(again, c.fd);
    hub_close(hub_accept(listener, NULL, NULL, SOON));
    finish(g);
    ck_assert_int_eq(c.rc, -EBADF);
    ck_assert_int_eq(getpeername(again, (struct sockaddr *)&c.address,
                                 &c.length),
                     -1);
    hub_close(again);
    hub_close(first);
    hub_close(listener);
}
END_TEST

START_TEST(a_connection_under_way_is_told_of_without_waiting)
{
    int listener = hub_listen_on("127.0.0.1:0", 0, 0);
    int fd = hub_socket(AF_INET, SOCK_STREAM, 0), rc;
    struct hub_address to;

    ck_assert_int_eq(hub_local_address(listener, &to), 0);
    rc = hub_connect(fd, (struct sockaddr *)&to.storage, to.length, HUB_NOWAIT);
    ck_assert(rc == 0 || rc == -EINPROGRESS);
    rc = hub_connect(fd, (struct sockaddr *)&to.storage, to.length, SOON);
    ck_assert(rc == 0 || rc == -EISCONN);
    hub_close(fd);
    hub_close(listener);
}
END_TEST

START_TEST(a_datagram_comes_with_its_sender)
{
    int a = hub_listen_on("127.0.0.1:0", 0, HUB_LISTEN_DATAGRAM);
    int b = hub_listen_on("127.0.0.1:0", 0, HUB_LISTEN_DATAGRAM);
    struct hub_address to, from = { .length = sizeof from.storage };
    char data[16];

    ck_assert_int_eq(hub_local_address(a, &to), 0);
    ck_assert_int_eq(hub_sendto(b, "ping", 4, 0,
                                (struct sockaddr *)&to.storage, to.length,
                                SOON),
                     4);
    ck_assert_int_eq(hub_recvfrom(a, data, sizeof data, 0,
                                  (struct sockaddr *)&from.storage,
                                  &from.length, SOON),
                     4);
    ck_assert_int_eq(hub_local_address(b, &to), 0);
    ck_assert_int_eq(memcmp(&to.storage, &from.storage, to.length), 0);
    ck_assert_int_eq(hub_recvfrom(a, data, sizeof data, 0, NULL, NULL,
                                  hub_now() + MS),
                     -ETIMEDOUT);
    hub_close(a);
    hub_close(b);
}
END_TEST

/* ---- passing descriptors ---- */

START_TEST(descriptors_are_passed_and_those_without_room_are_closed)
{
    int sent[3], got[2], ends[2];
    size_t count = 2;
    char data[8], byte;

    ck_assert_int_eq(hub_pipe(ends), 0);
    sent[0] = ends[0];
    sent[1] = sent[2] = ends[1];
    ck_assert_int_eq(hub_send_fds(theirs, "fds", 3, sent, 3, SOON), 3);
    ck_assert_int_eq(
        hub_recv_fds(ours, data, sizeof data, got, &count, SOON), 3);
    ck_assert_uint_eq(count, 2);
    ck_assert_int_ne(fcntl(got[0], F_GETFD) & FD_CLOEXEC, 0);
    ck_assert_int_eq(hub_nb_write(got[1], "!", 1, SOON), 1);
    ck_assert_int_eq(hub_nb_read(got[0], &byte, 1, SOON), 1);
    hub_close(got[0]);
    hub_close(got[1]);
    hub_close(ends[0]);
    hub_close(ends[1]);
}
END_TEST

START_TEST(bad_counts_of_descriptors_are_refused)
{
    int fd = theirs, bad = 999;
    char data[8];
    size_t count = 1;

    ck_assert_int_eq(hub_send_fds(theirs, "x", 1, &fd, 0, SOON), -EINVAL);
    ck_assert_int_eq(hub_send_fds(theirs, "x", 1, &fd, 254, SOON), -EINVAL);
    ck_assert_int_eq(hub_send_fds(theirs, "x", 0, &fd, 1, SOON), -EINVAL);
    ck_assert_int_eq(hub_send_fds(theirs, "x", 1, &bad, 1, SOON), -EBADF);
    ck_assert_int_eq(hub_recv_fds(ours, data, sizeof data, &fd, &count,
                                  hub_now() + MS),
                     -ETIMEDOUT);
    ck_assert_uint_eq(count, 0);
    ck_assert_int_eq(hub_send(theirs, "p", 1, 0, SOON), 1);
    count = 1;
    ck_assert_int_eq(
        hub_recv_fds(ours, data, sizeof data, &fd, &count, SOON), 1);
    ck_assert_uint_eq(count, 0);
}
END_TEST

/* ---- addresses ---- */

static const struct {
    const char *text, *back;
    int rc;
} addresses[] = {
    { "127.0.0.1:80", "127.0.0.1:80", 0 },
    { "[::1]:8080", "[::1]:8080", 0 },
    { ":80", "[::]:80", 0 },
    { "*:80", "[::]:80", 0 },
    { "80", "[::]:80", 0 },
    { "unix:/a/b", "unix:/a/b", 0 },
    { "./b", "unix:./b", 0 },
    { "unix:b", "unix:b", 0 },
    { "unix:@hidden", "unix:@hidden", 0 },
    { "localhost:80", NULL, -ENOENT },
    { "", NULL, -EINVAL },
    { "unix:", NULL, -EINVAL },
    { "unix:@", NULL, -EINVAL },
    { "1.2.3.4", NULL, -EINVAL },
    { "1.2.3.4:", NULL, -EINVAL },
    { "1.2.3.4:65536", NULL, -EINVAL },
    { "1.2.3.4:-1", NULL, -EINVAL },
    { "::1:80", NULL, -EINVAL },
    { "[::1:80", NULL, -EINVAL },
    { "/0123456789012345678901234567890123456789012345678901234567890123456789"
      "0123456789012345678901234567890123456789",
      NULL, -ENAMETOOLONG },
};

START_TEST(addresses_are_read_and_written)
{
    struct hub_address address;
    char text[128];

    ck_assert_int_eq(hub_address_parse(addresses[_i].text, &address),
                     addresses[_i].rc);
    if (addresses[_i].rc < 0)
        return;
    ck_assert_int_eq(hub_address_format(&address, text, sizeof text),
                     (int)strlen(addresses[_i].back));
    ck_assert_str_eq(text, addresses[_i].back);
    ck_assert_int_eq(hub_address_format(&address, text, 4), -ENOBUFS);
}
END_TEST

START_TEST(a_name_is_looked_up)
{
    int fds[2] = { hub_listen_on("localhost:0", 0, 0), -1 };

    ck_assert_int_ge(fds[0], 0);
    hub_close(fds[0]);
    ck_assert_int_lt(hub_listen_on("no.such.host.invalid:0", 0, 0), 0);
}
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("unit");

    hub_yield();
    tcase_add_checked_fixture(tcase, unit_setup, unit_teardown);
    tcase_add_checked_fixture(tcase, open_pair, close_pair);
    tcase_add_test(tcase, connects_over_tcp);
    tcase_add_test(tcase,
                   connects_over_a_unix_socket_and_replaces_a_stale_one);
    tcase_add_test(tcase, a_socket_that_somebody_listens_on_is_left);
    tcase_add_test(tcase, a_refused_connection_says_so);
    tcase_add_test(tcase, a_full_backlog_of_a_unix_socket_is_waited_for);
    tcase_add_test(tcase, a_close_ends_the_wait_for_a_full_backlog);
    tcase_add_test(tcase, a_connection_under_way_is_told_of_without_waiting);
    tcase_add_test(tcase, a_datagram_comes_with_its_sender);
    tcase_add_test(tcase,
                   descriptors_are_passed_and_those_without_room_are_closed);
    tcase_add_test(tcase, bad_counts_of_descriptors_are_refused);
    tcase_add_loop_test(tcase, addresses_are_read_and_written, 0,
                        sizeof addresses / sizeof *addresses);
    tcase_add_test(tcase, a_name_is_looked_up);
    return unit_run("connect", tcase);
}
