/* Clients whose bytes come one by one: alone, in a crowd, and what becomes of
 * them. */
#include "../unit.h"
#include "slow_client.h"

#include <errno.h>
#include <stdio.h>
#include <sys/resource.h>

#define HOST  "Host: a\r\n"
#define GET   "GET /x HTTP/1.1\r\n" HOST "\r\n"
#define MS    HUB_MILLISECOND
#define CROWD 200

static int crowd[CROWD];
static unsigned crumbs_read; /* by a view that reads piece by piece */

static int reads(struct http_request *request, struct http_response *response)
{
    const char *data;
    size_t size;
    int rc = http_request_body(request, &data, &size);

    return rc < 0 ? rc
                  : http_response_printf(response, "%.*s", (int)size, data);
}

static int reads_pieces(struct http_request *request,
                        struct http_response *response)
{
    char piece[100];
    ssize_t got;

    while ((got = http_request_read(request, piece, sizeof piece)) > 0)
        crumbs_read++;
    return got < 0 ? (int)got : http_response_printf(response, "all");
}

/* The answer, whose body is `body`, and no more. */
static void check_answer(int fd, const char *body)
{
    const char *answer = serve_read_until(fd, body);

    ck_assert_int_eq(serve_status(answer), 200);
    ck_assert_str_eq(serve_body(answer), body);
}

static void check_crumbs(const char *request, const char *body)
{
    size_t most = strlen(request) - 1;
    int fd;

    serve_start(reads, NULL);
    fd = serve_connect();
    for (int i = 0; i < 2; i++) { /* it is kept alive */
        slow_send(fd, request, most);
        hub_sleep(20 * MS);
        ck_assert_uint_eq(slow_now(), 1);
        slow_send(fd, request + most, 1);
        check_answer(fd, body);
    }
    hub_close(fd);
    serve_stop();
}

START_TEST(a_head_may_come_in_crumbs)
{
    check_crumbs("POST / HTTP/1.1\r\nContent-Length: 0\r\n" HOST
                 "X: abc\r\n\r\n",
                 "");
}
END_TEST

START_TEST(a_body_may_come_in_crumbs)
{
    check_crumbs("POST / HTTP/1.1\r\n" HOST
                 "Content-Length: 9\r\n\r\nnine char",
                 "nine char");
    check_crumbs("POST / HTTP/1.1\r\n" HOST
                 "Transfer-Encoding: chunked\r\n\r\n"
                 "4\r\nfour\r\n5\r\nfiver\r\n0\r\nA: b\r\n\r\n",
                 "fourfiver");
}
END_TEST

START_TEST(each_crumb_is_given_to_a_view_that_waits_for_it)
{
    int fd;

    crumbs_read = 0;
    serve_start(reads_pieces, NULL);
    fd = serve_connect();
    serve_send(fd, "POST / HTTP/1.1\r\n" HOST "Content-Length: 20\r\n\r\n");
    for (unsigned i = 0; i < 20; i++) {
        serve_send(fd, "x");
        for (int k = 0; k < 5000 && crumbs_read == i; k++)
            hub_sleep(MS);
        ck_assert_uint_eq(crumbs_read, i + 1);
    }
    check_answer(fd, "all");
    hub_close(fd);
    serve_stop();
}
END_TEST

START_TEST(one_that_gets_fast_is_served_as_others_are)
{
    int fd;

    serve_start(reads, NULL);
    fd = serve_connect();
    slow_send(fd, GET, strlen(GET));
    check_answer(fd, "");
    for (int i = 0; i < 3; i++) {
        hub_sleep(20 * MS);
        ck_assert_uint_eq(slow_now(), 0);
        serve_send(fd, GET);
        check_answer(fd, "");
    }
    ck_assert_ptr_null(serve_server->slow); /* nor is a keeper left */
    hub_close(fd);
    serve_stop();
}
END_TEST

START_TEST(what_comes_behind_the_crumbs_is_served_too)
{
    const char *head =
        "POST / HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\n";
    int fd;

    serve_start(reads, NULL);
    fd = serve_connect();
    slow_send(fd, head, strlen(head));
    serve_send(fd, "abc" GET GET);
    hub_sleep(50 * MS);
    ck_assert_uint_eq(serve_count(serve_read_all(fd, 10 * MS)), 3);
    hub_close(fd);
    serve_stop();
}
END_TEST

/* ---- many ---- */

static void open_crowd(const char *begin)
{
    for (int i = 0; i < CROWD; i++)
        crowd[i] = serve_connect();
    for (size_t at = 0; at < strlen(begin); at++) {
        for (int i = 0; i < CROWD; i++)
            hub_send_all(crowd[i], begin + at, 1, 0, NULL, HUB_FOREVER);
        hub_sleep(2 * MS);
    }
}

static void close_crowd(void)
{
    for (int i = 0; i < CROWD; i++)
        hub_close(crowd[i]);
}

START_TEST(a_crowd_is_served_to_the_last)
{
    serve_start(reads, NULL);
    open_crowd(
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabcd");
    ck_assert_uint_eq(slow_now(), CROWD);
    for (int i = 0; i < CROWD; i++)
        serve_send(crowd[i], "e");
    for (int i = 0; i < CROWD; i++)
        check_answer(crowd[i], "abcde");
    close_crowd();
    serve_stop();
}
END_TEST

START_TEST(in_a_crowd_the_first_crumb_is_enough)
{
    int fd;

    serve_start(reads, NULL);
    open_crowd("GET / H");
    fd = serve_connect();
    serve_send(fd, "G");
    hub_sleep(20 * MS);
    ck_assert_uint_eq(slow_now(), CROWD + 1);
    serve_send(fd, "ET / HTTP/1.1\r\n" HOST "\r\n");
    check_answer(fd, "");
    hub_close(fd);
    close_crowd();
    serve_stop();
}
END_TEST

START_TEST(those_who_leave_leave_nothing)
{
    serve_start(reads, NULL);
    for (int i = 0; i < 2; i++) {
        open_crowd("GET / H");
        ck_assert_uint_eq(slow_now(), CROWD);
        close_crowd();
        hub_sleep(100 * MS);
        ck_assert_uint_eq(slow_now(), 0);
    }
    serve_stop();
}
END_TEST

START_TEST(each_gets_its_408)
{
    const struct http_server_options options = {.head_ns = 300 * MS};

    serve_start(reads, &options);
    open_crowd("GET / H");
    for (int i = 0; i < CROWD; i++) {
        const char *answer = serve_read_all(crowd[i], 5 * HUB_SECOND);

        ck_assert_int_eq(serve_status(answer), 408);
    }
    close_crowd();
    serve_stop();
}
END_TEST

START_TEST(a_server_that_stops_has_them_end)
{
    serve_start(reads, NULL);
    open_crowd("GET / H");
    ck_assert_int_eq(http_server_stop(serve_server, 10 * MS), 0);
    for (int i = 0; i < CROWD; i++) {
        serve_read_all(crowd[i], 5 * HUB_SECOND);
        ck_assert(serve_ended || serve_reset);
    }
    close_crowd();
    serve_stop();
}
END_TEST

/* ---- without memory, or descriptors ---- */

static bool refuses;

static bool fails(void)
{
    return refuses;
}

START_TEST(without_memory_they_wait_where_others_do)
{
    int fd;

    serve_start(reads, NULL);
    fd = serve_connect();
    slow_send(fd, GET, 2);
    http__test_fails = fails;
    refuses = true;
    slow_send(fd, &GET[2], strlen(GET) - 3);
    hub_sleep(20 * MS);
    ck_assert_uint_eq(slow_now(), 0);
    refuses = false;
    http__test_fails = NULL;
    slow_send(fd, &GET[strlen(GET) - 1], 1);
    check_answer(fd, "");
    hub_close(fd);
    serve_stop();
}
END_TEST

START_TEST(without_a_descriptor_too)
{
    struct rlimit before, none;
    int fd;

    serve_start(reads, NULL);
    fd = serve_connect();
    slow_send(fd, GET, 2);
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = 0; /* no new one */
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    slow_send(fd, &GET[2], strlen(GET) - 3);
    hub_sleep(20 * MS);
    ck_assert_uint_eq(slow_now(), 0);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
    slow_send(fd, &GET[strlen(GET) - 1], 1);
    check_answer(fd, "");
    hub_close(fd);
    serve_stop();
}
END_TEST

int main(void)
{
    TCase *tcase = unit_case();

    hub_sleep(1); /* makes the hub, and its greenlet */
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, a_head_may_come_in_crumbs);
    tcase_add_test(tcase, a_body_may_come_in_crumbs);
    tcase_add_test(tcase, each_crumb_is_given_to_a_view_that_waits_for_it);
    tcase_add_test(tcase, one_that_gets_fast_is_served_as_others_are);
    tcase_add_test(tcase, what_comes_behind_the_crumbs_is_served_too);
    tcase_add_test(tcase, a_crowd_is_served_to_the_last);
    tcase_add_test(tcase, in_a_crowd_the_first_crumb_is_enough);
    tcase_add_test(tcase, those_who_leave_leave_nothing);
    tcase_add_test(tcase, each_gets_its_408);
    tcase_add_test(tcase, a_server_that_stops_has_them_end);
    tcase_add_test(tcase, without_memory_they_wait_where_others_do);
    tcase_add_test(tcase, without_a_descriptor_too);
    return unit_run("slow", tcase);
}
