/* Limits and time limits: each with its status, and the end of the connection.
 */
#include "../unit.h"
#include "serve.h"

#include <errno.h>
#include <stdio.h>

#define HOST      "Host: a\r\n"
#define GET       "GET / HTTP/1.1\r\n" HOST "\r\n"
#define MS        HUB_MILLISECOND
#define TEXT_MOST 40000

static char text[TEXT_MOST];

/* Reads the body, whatever comes of it. */
static int reads(struct http_request *request, struct http_response *response)
{
    const char *data;
    size_t size;
    int rc = http_request_body(request, &data, &size);

    return rc < 0 ? rc : http_response_printf(response, "%zu bytes", size);
}

static int status_of(const char *request)
{
    int status = serve_status(serve_exchange(request));

    ck_assert(serve_ended);
    return status;
}

static const char *filled(const char *before, size_t count, const char *after)
{
    size_t length = strlen(before);

    ck_assert_uint_lt(length + count + strlen(after), sizeof text);
    memcpy(text, before, length);
    memset(text + length, 'x', count);
    strcpy(text + length + count, after);
    return text;
}

#define END " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"

START_TEST(a_request_line_may_have_8190_bytes)
{
    serve_start(reads, NULL);
    ck_assert_int_eq(status_of(filled("GET /", 8190 - 14, END)), 200);
    ck_assert_int_eq(status_of(filled("GET /", 8190 - 13, END)), 414);
    ck_assert_int_eq(status_of(filled("GET /", 30000, END)), 414);
    serve_stop();
}
END_TEST

START_TEST(a_head_may_have_16_KiB)
{
    const char *before =
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX: ";
    size_t room = 16384 - strlen(before) - 4;

    serve_start(reads, NULL);
    ck_assert_int_eq(status_of(filled(before, room, "\r\n\r\n")), 200);
    ck_assert_int_eq(status_of(filled(before, room + 1, "\r\n\r\n")), 431);
    ck_assert_int_eq(status_of(filled(before, 30000, "\r\n\r\n")), 431);
    serve_stop();
}
END_TEST

static const char *with_fields(unsigned count)
{
    strcpy(text, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n");
    for (unsigned i = 2; i < count; i++)
        strcat(text, "A: b\r\n");
    return strcat(text, "\r\n");
}

START_TEST(a_head_may_have_100_fields)
{
    serve_start(reads, NULL);
    ck_assert_int_eq(status_of(with_fields(100)), 200);
    ck_assert_int_eq(status_of(with_fields(101)), 431);
    serve_stop();
}
END_TEST

START_TEST(limits_are_those_of_the_options)
{
    const struct http_server_options options = {
        .line = 50, .head = 100, .fields = 3};

    serve_start(reads, &options);
    ck_assert_int_eq(status_of(with_fields(3)), 200);
    ck_assert_int_eq(status_of(with_fields(4)), 431);
    ck_assert_int_eq(status_of(filled("GET /", 50, END)), 414);
    ck_assert_int_eq(status_of(filled("GET / HTTP/1.1\r\nHost: a\r\nX: ",
                                      100, "\r\n\r\n")),
                     431);
    serve_stop();
}
END_TEST

START_TEST(options_that_cannot_be_held_are_refused)
{
    const struct http_server_options wrong[] = {{.head = 1 << 25},
                                                {.line = 1000, .head = 500},
                                                {.fields = 1000000},
                                                {.server_name = "a\r\nb"}};
    struct http_server *server;

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        ck_assert_int_eq(
            http_server_new(http_view_sync(reads), &wrong[i], &server),
            -EINVAL);
}
END_TEST

/* ---- bodies ---- */

START_TEST(a_body_that_says_it_is_too_long_is_refused_before_it_is_read)
{
    serve_start(reads, NULL);
    ck_assert_int_eq(status_of("POST / HTTP/1.1\r\n" HOST
                               "Content-Length: 1048577\r\n\r\n"),
                     413);
    ck_assert_int_eq(status_of("POST / HTTP/1.1\r\n" HOST
                               "Expect: 100-continue\r\n"
                               "Content-Length: 1048577\r\n\r\n"),
                     413);
    serve_stop();
}
END_TEST

START_TEST(a_body_in_chunks_is_refused_when_it_becomes_too_long)
{
    const struct http_server_options options = {.body = 10};

    serve_start(reads, &options);
    ck_assert_int_eq(status_of("POST / HTTP/1.1\r\n" HOST
                               "Connection: close\r\n"
                               "Transfer-Encoding: chunked\r\n\r\n"
                               "5\r\n12345\r\n5\r\n67890\r\n0\r\n\r\n"),
                     200);
    ck_assert_int_eq(status_of("POST / HTTP/1.1\r\n" HOST
                               "Transfer-Encoding: chunked\r\n\r\n"
                               "5\r\n12345\r\n6\r\n678901\r\n0\r\n\r\n"),
                     413);
    serve_stop();
}
END_TEST

static int more(struct http_request *request, void *data)
{
    (void)data;
    http_request_set_body_limit(request, 20);
    return 0;
}

START_TEST(a_body_limit_can_be_set_for_a_request)
{
    const struct http_server_options options = {.body = 10,
                                                .received = more};

    serve_start(reads, &options);
    ck_assert_int_eq(
        status_of("POST / HTTP/1.1\r\n" HOST
                  "Connection: close\r\nContent-Length: 20\r\n\r\n"
                  "12345678901234567890"),
        200);
    ck_assert_int_eq(
        status_of("POST / HTTP/1.1\r\n" HOST "Content-Length: 21\r\n\r\n"),
        413);
    serve_stop();
}
END_TEST

/* ---- time ---- */

static void check_slow(const struct http_server_options *options,
                       const char *begin, const char *more_of_it, int status)
{
    const char *answer;
    int fd;

    serve_start(reads, options);
    fd = serve_connect();
    serve_send(fd, begin);
    for (int i = 0; i < 5 && *more_of_it != '\0'; i++) {
        hub_sleep(10 * MS);
        serve_send(fd, more_of_it);
    }
    answer = serve_read_all(fd, 5 * HUB_SECOND);
    ck_assert_int_eq(serve_status(answer), status);
    hub_close(fd);
    serve_stop();
}

START_TEST(a_slow_head_gets_408)
{
    const struct http_server_options options = {.head_ns = 100 * MS};

    check_slow(&options, "GET / HT", "", 408);
    check_slow(&options, "GET / HTTP/1.1\r\nHost: a\r\n", "A: b\r\n", 408);
}
END_TEST

START_TEST(a_slow_body_gets_408)
{
    const struct http_server_options options = {.body_ns = 100 * MS};

    check_slow(&options,
               "POST / HTTP/1.1\r\n" HOST "Content-Length: 1000\r\n\r\n",
               "", 408);
    check_slow(&options,
               "POST / HTTP/1.1\r\n" HOST "Content-Length: 1000\r\n\r\n",
               "x", 408);
    check_slow(&options,
               "POST / HTTP/1.1\r\n" HOST
               "Transfer-Encoding: chunked\r\n\r\n5\r\na",
               "", 408);
}
END_TEST

START_TEST(a_body_that_keeps_the_rate_has_its_time)
{
    const struct http_server_options options = {.body_ns = 50 * MS,
                                                .body_rate = 10};
    int fd;

    serve_start(reads, &options);
    fd = serve_connect();
    serve_send(fd, "POST / HTTP/1.1\r\n" HOST "Content-Length: 50\r\n\r\n");
    for (int i = 0; i < 5; i++) {
        serve_send(fd, "1234567890");
        hub_sleep(30 * MS);
    }
    serve_read_until(fd, "50 bytes");
    hub_close(fd);
    serve_stop();
}
END_TEST

START_TEST(an_idle_connection_is_closed_after_its_time)
{
    const struct http_server_options options = {.idle_ns = 60 * MS};
    int64_t before;
    int fd;

    serve_start(reads, &options);
    fd = serve_connect();
    serve_send(fd, GET);
    serve_read_until(fd, "0 bytes");
    before = hub_now();
    ck_assert_str_eq(serve_read_all(fd, 5 * HUB_SECOND), "");
    ck_assert(serve_ended);
    ck_assert_int_ge(hub_now() - before, 60 * MS);
    hub_close(fd);
    serve_stop();
}
END_TEST

START_TEST(a_new_connection_that_sends_nothing_is_closed_without_a_word)
{
    const struct http_server_options options = {.head_ns = 60 * MS};
    int fd;

    serve_start(reads, &options);
    fd = serve_connect();
    ck_assert_str_eq(serve_read_all(fd, 5 * HUB_SECOND), "");
    ck_assert(serve_ended);
    hub_close(fd);
    serve_stop();
}
END_TEST

/* Sends `piece` again and again until the server ends the connection; returns
 * how long that took. */
static int64_t trickle(int fd, const char *piece)
{
    int64_t before = hub_now();

    do {
        serve_send(fd, piece);
        serve_read_all(fd, 20 * MS);
    } while (!serve_ended && !serve_reset &&
             hub_now() - before < 5 * HUB_SECOND);
    return hub_now() - before;
}

START_TEST(empty_lines_leave_a_connection_as_idle_as_it_was)
{
    const struct http_server_options options = {.head_ns = 200 * MS,
                                                .idle_ns = 200 * MS};
    int fd;

    serve_start(reads, &options);
    fd = serve_connect();
    ck_assert_int_lt(trickle(fd, "\r\n"), 4 * HUB_SECOND);
    hub_close(fd);
    fd = serve_connect();
    serve_send(fd, GET);
    serve_read_until(fd, "0 bytes");
    ck_assert_int_lt(trickle(fd, "\r\n"), 4 * HUB_SECOND);
    hub_close(fd);
    serve_stop();
}
END_TEST

/* Does not read the body. */
static int hello(struct http_request *request, struct http_response *response)
{
    (void)request;
    return http_response_text(response, "hello");
}

START_TEST(a_body_that_nobody_reads_has_its_time_too)
{
    const struct http_server_options options = {.body_ns = 200 * MS,
                                                .body_rate = 1000000};
    int64_t before = hub_now();
    int fd;

    serve_start(hello, &options);
    fd = serve_connect();
    serve_send(fd, "POST / HTTP/1.1\r\n" HOST
                   "Transfer-Encoding: chunked\r\n\r\n");
    do {
        serve_send(fd, "1\r\nx\r\n");
    } while (*serve_read_all(fd, 20 * MS) == '\0' &&
             hub_now() - before < 5 * HUB_SECOND);
    ck_assert_int_lt(hub_now() - before, 4 * HUB_SECOND);
    hub_close(fd);
    serve_stop();
}
END_TEST

static int much(struct http_request *request, struct http_response *response)
{
    static char bytes[8 << 20];

    (void)request;
    return http_response_body(response, bytes, sizeof bytes, NULL, NULL);
}

START_TEST(who_takes_nothing_is_closed)
{
    const struct http_server_options options = {.write_ns = 100 * MS};
    struct http_server_counts counts;
    int fd;

    serve_start(much, &options);
    fd = serve_connect();
    serve_send(fd, GET);
    for (int i = 0; i < 200; i++) {
        hub_sleep(20 * MS);
        http_server_count(serve_server, &counts);
        if (i > 2 && counts.connections == 0)
            break;
    }
    ck_assert_uint_eq(counts.connections, 0);
    hub_close(fd);
    serve_stop();
}
END_TEST

START_TEST(lingering_ends_after_its_time)
{
    const struct http_server_options options = {.linger_idle_ns = 50 * MS,
                                                .linger_ns = 200 * MS};
    struct http_server_counts counts;
    int64_t before = hub_now();
    int fd;

    serve_start(reads, &options);
    fd = serve_connect();
    serve_send(fd, "GET\r\n\r\n");
    serve_read_until(fd, "400 Bad Request\n");
    do {
        serve_send(fd, "x");
        hub_sleep(20 * MS);
        http_server_count(serve_server, &counts);
    } while (counts.connections > 0 && hub_now() - before < 5 * HUB_SECOND);
    ck_assert_uint_eq(counts.connections, 0);
    ck_assert_int_ge(hub_now() - before, 200 * MS);
    hub_close(fd);
    serve_stop();
}
END_TEST

/* ---- counts ---- */

START_TEST(the_last_request_of_a_connection_ends_it)
{
    const struct http_server_options options = {.requests = 3};
    const char *answers;
    int fd;

    serve_start(reads, &options);
    fd = serve_connect();
    serve_send(fd, GET GET GET GET);
    answers = serve_read_all(fd, 5 * HUB_SECOND);
    ck_assert_uint_eq(serve_count(answers), 3);
    ck_assert_ptr_nonnull(strstr(answers, "Connection: close"));
    ck_assert(serve_ended);
    hub_close(fd);
    serve_stop();
}
END_TEST

static struct hub_event may_answer;

static int much_when_told(struct http_request *request,
                          struct http_response *response)
{
    static char bytes[200000];

    (void)request;
    ck_assert_int_eq(hub_event_wait(&may_answer, HUB_FOREVER), 0);
    memset(bytes, 'x', sizeof bytes);
    return http_response_body(response, bytes, sizeof bytes, NULL, NULL);
}

/* RFC 9112, 9.6: what a client has sent behind it, and the server has not read, must
 * not take the last answer away. */
START_TEST(the_last_answer_is_not_lost_when_more_was_pipelined)
{
    const struct http_server_options options = {.requests = 3};
    const char *answers;
    int fd;

    hub_event_init(&may_answer);
    serve_start(much_when_told, &options);
    fd = serve_connect();
    serve_send(fd, GET GET GET);
    hub_sleep(20 * MS); /* it has read them, and none of these: */
    serve_send(fd, GET GET GET);
    hub_event_set(&may_answer);
    hub_sleep(50 * MS);
    answers = serve_read_all(fd, 5 * HUB_SECOND);
    ck_assert(serve_ended);
    ck_assert_uint_eq(serve_count(answers), 3);
    ck_assert_uint_gt(serve_length, 3 * 200000);
    hub_close(fd);
    serve_stop();
}
END_TEST

START_TEST(more_connections_wait_and_are_not_refused)
{
    const struct http_server_options options = {.connections = 2};
    struct http_server_counts counts;
    int fds[4];

    serve_start(reads, &options);
    for (int i = 0; i < 4; i++) {
        fds[i] = serve_connect();
        serve_send(fds[i], GET);
    }
    serve_read_until(fds[0], "0 bytes");
    serve_read_until(fds[1], "0 bytes");
    ck_assert_str_eq(serve_read_all(fds[2], 30 * MS), "");
    http_server_count(serve_server, &counts);
    ck_assert_uint_eq(counts.connections, 2);
    hub_close(fds[0]);
    hub_close(fds[1]);
    serve_read_until(fds[2], "0 bytes");
    serve_read_until(fds[3], "0 bytes");
    hub_close(fds[2]);
    hub_close(fds[3]);
    serve_stop();
}
END_TEST

int main(void)
{
    TCase *tcase = unit_case();

    hub_sleep(1); /* makes the hub, and its greenlet */
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, a_request_line_may_have_8190_bytes);
    tcase_add_test(tcase, a_head_may_have_16_KiB);
    tcase_add_test(tcase, a_head_may_have_100_fields);
    tcase_add_test(tcase, limits_are_those_of_the_options);
    tcase_add_test(tcase, options_that_cannot_be_held_are_refused);
    tcase_add_test(
        tcase, a_body_that_says_it_is_too_long_is_refused_before_it_is_read);
    tcase_add_test(tcase, a_body_in_chunks_is_refused_when_it_becomes_too_long);
    tcase_add_test(tcase, a_body_limit_can_be_set_for_a_request);
    tcase_add_test(tcase, a_slow_head_gets_408);
    tcase_add_test(tcase, a_slow_body_gets_408);
    tcase_add_test(tcase, a_body_that_keeps_the_rate_has_its_time);
    tcase_add_test(tcase, an_idle_connection_is_closed_after_its_time);
    tcase_add_test(
        tcase, a_new_connection_that_sends_nothing_is_closed_without_a_word);
    tcase_add_test(tcase, empty_lines_leave_a_connection_as_idle_as_it_was);
    tcase_add_test(tcase, a_body_that_nobody_reads_has_its_time_too);
    tcase_add_test(tcase, who_takes_nothing_is_closed);
    tcase_add_test(tcase, lingering_ends_after_its_time);
    tcase_add_test(tcase, the_last_request_of_a_connection_ends_it);
    tcase_add_test(tcase, the_last_answer_is_not_lost_when_more_was_pipelined);
    tcase_add_test(tcase, more_connections_wait_and_are_not_refused);
    return unit_run("limits", tcase);
}
