/* Bodies of requests: as streams, in whole, unread. */
#include "../unit.h"
#include "serve.h"

#include <errno.h>
#include <stdio.h>

#define HOST    "Host: a\r\n"
#define CLOSE   "Connection: close\r\n"
#define CHUNKED "Transfer-Encoding: chunked\r\n"
#define LAST    "GET /last HTTP/1.1\r\n" HOST CLOSE "\r\n"

static ssize_t last_read;
static char seen[4096];

/* What it reads, piece by piece, and how it ends. */
static int streams(struct http_request *request, struct http_response *response)
{
    char piece[7];
    ssize_t got;

    http_response_printf(response, "(%lld)",
                         (long long)http_request_length(request));
    while ((got = http_request_read(request, piece, sizeof piece)) > 0)
        http_response_write(response, piece, (size_t)got);
    last_read = got;
    ck_assert_int_eq(http_request_read(request, piece, sizeof piece), got);
    return got < 0 ? (int)got : http_response_printf(response, "|");
}

START_TEST(a_body_is_read_before_it_is_complete)
{
    int fd;

    serve_start(streams, NULL);
    fd = serve_connect();
    serve_send(fd, "POST / HTTP/1.1\r\n" HOST CLOSE
                   "Content-Length: 20\r\n\r\n0123456789");
    hub_sleep(5 * HUB_MILLISECOND);
    serve_send(fd, "0123456789");
    ck_assert_str_eq(serve_body(serve_read_all(fd, HUB_SECOND)),
                     "(20)01234567890123456789|");
    hub_close(fd);
    ck_assert_str_eq(serve_body(serve_exchange(
                         "POST / HTTP/1.1\r\n" HOST CLOSE CHUNKED
                         "\r\n3\r\nabc\r\na\r\n0123456789\r\n0\r\n\r\n")),
                     "(-1)abc0123456789|");
    ck_assert_str_eq(serve_body(serve_exchange(LAST)), "(0)|");
    serve_stop();
}
END_TEST

static int trailing(struct http_request *request,
                    struct http_response *response)
{
    const char *data, *value;
    size_t size;
    int rc;

    ck_assert_ptr_null(http_request_trailer(request, "X-Sum"));
    rc = http_request_body(request, &data, &size);
    if (rc < 0)
        return rc;
    value = http_request_trailer(request, "x-sum");
    return http_response_printf(response, "%s %s", data,
                                value != NULL ? value : "-");
}

START_TEST(a_trailer_is_there_when_the_body_was_read)
{
    serve_start(trailing, NULL);
    ck_assert_str_eq(
        serve_body(serve_exchange(
            "POST / HTTP/1.1\r\n" HOST CLOSE CHUNKED
            "\r\n3\r\nabc\r\n0\r\nA: b\r\nX-Sum:  12 \r\n\r\n")),
        "abc 12");
    ck_assert_int_eq(
        serve_status(serve_exchange("POST / HTTP/1.1\r\n" HOST CLOSE CHUNKED
                                    "\r\n0\r\nContent-Length: 5\r\n\r\n")),
        400);
    serve_stop();
}
END_TEST

static int twice(struct http_request *request, struct http_response *response)
{
    const char *first, *second;
    char two[2];
    size_t a, b;

    ck_assert_int_eq(http_request_read(request, two, 2), 2);
    ck_assert_int_eq(http_request_body(request, &first, &a), 0);
    ck_assert_int_eq(http_request_body(request, &second, &b), 0);
    ck_assert_ptr_eq(first, second);
    ck_assert_uint_eq(a, b);
    return http_response_printf(response, "%.2s+%s", two, first);
}

START_TEST(all_of_a_body_is_what_was_not_read_before)
{
    serve_start(twice, NULL);
    ck_assert_str_eq(
        serve_body(serve_exchange("POST / HTTP/1.1\r\n" HOST CLOSE
                                  "Content-Length: 5\r\n\r\n"
                                  "abcde")),
        "ab+cde");
    serve_stop();
}
END_TEST

/* ---- Expect ---- */

#define EXPECT                                                            \
    "POST / HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: " \
    "5\r\n"

START_TEST(leave_to_go_on_is_given_when_the_body_is_read)
{
    int fd;

    serve_start(streams, NULL);
    fd = serve_connect();
    serve_send(fd, EXPECT CLOSE "\r\n");
    ck_assert_str_eq(serve_read_until(fd, "\r\n\r\n"),
                     "HTTP/1.1 100 Continue\r\n\r\n");
    serve_send(fd, "hello");
    ck_assert_str_eq(serve_body(serve_read_all(fd, HUB_SECOND)),
                     "(5)hello|");
    hub_close(fd);
    serve_stop();
}
END_TEST

START_TEST(leave_is_not_given_to_who_has_not_waited_for_it)
{
    const char *answer;

    serve_start(streams, NULL);
    answer = serve_exchange(EXPECT CLOSE "\r\nhello");
    ck_assert_int_eq(serve_status(answer), 200);
    ck_assert_str_eq(serve_body(answer), "(5)hello|");
    serve_stop();
}
END_TEST

static int ignores(struct http_request *request, struct http_response *response)
{
    return http_response_text(response, http_request_path(request));
}

START_TEST(who_waits_for_leave_in_vain_is_told_by_the_answer_and_closed)
{
    const char *answer;
    int fd;

    serve_start(ignores, NULL);
    fd = serve_connect();
    serve_send(fd, EXPECT "\r\n");
    answer = serve_read_all(fd, 5 * HUB_SECOND);
    ck_assert_int_eq(serve_status(answer), 200);
    ck_assert_ptr_nonnull(strstr(answer, "Connection: close\r\n"));
    ck_assert(serve_ended);
    hub_close(fd);
    serve_stop();
}
END_TEST

/* ---- unread ---- */

START_TEST(a_short_body_that_nobody_reads_is_read_over)
{
    const char *answers;
    int fd;

    serve_start(ignores, NULL);
    fd = serve_connect();
    serve_send(fd,
               "POST /1 HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhello"
               "POST /2 HTTP/1.1\r\n" HOST CHUNKED
               "\r\n5\r\nhello\r\n0\r\n\r\n"
               "POST /3 HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhe");
    hub_sleep(5 * HUB_MILLISECOND);
    serve_send(fd, "llo" LAST);
    answers = serve_read_all(fd, HUB_SECOND);
    ck_assert_uint_eq(serve_count(answers), 4);
    ck_assert_ptr_nonnull(strstr(answers, "/last"));
    hub_close(fd);
    serve_stop();
}
END_TEST

/* What came together with the head is not counted: until it is read over the
 * connection goes on, as the answer before it has said. */
START_TEST(an_unread_body_is_read_over_up_to_the_limit)
{
    static const size_t sizes[] = {65000, 65536, 66000, 70000, 80000, 97000};
    static char text[100000];
    const char *answers;

    serve_start(ignores, NULL);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        int fd = serve_connect(),
            length = sprintf(text,
                             "POST /1 HTTP/1.1\r\n" HOST
                             "Content-Length: %zu\r\n\r\n",
                             sizes[i]);
        bool ends;

        memset(text + length, 'x', sizes[i]);
        text[(size_t)length + sizes[i]] = '\0';
        serve_send(fd, text);
        answers = serve_read_until(fd, "\r\n\r\n");
        ends = strstr(answers, "Connection: close\r\n") != NULL;
        ck_assert(!ends || sizes[i] > 65536);
        serve_send(fd, LAST);
        answers = serve_read_all(fd, 5 * HUB_SECOND);
        ck_assert_msg((strstr(answers, "/last") != NULL) == !ends,
                      "%zu bytes: ends %d, and then: %s", sizes[i], ends,
                      answers);
        hub_close(fd);
    }
    serve_stop();
}
END_TEST

START_TEST(a_long_body_that_nobody_reads_ends_the_connection)
{
    static char body[70000];
    const char *answer;
    int fd;

    memset(body, 'x', sizeof body - 1);
    serve_start(ignores, NULL);
    fd = serve_connect();
    serve_send(fd, "POST /1 HTTP/1.1\r\n" HOST
                   "Content-Length: 200000\r\n\r\n");
    serve_send(fd, body);
    hub_shutdown(fd, SHUT_WR);
    answer = serve_read_all(fd, 5 * HUB_SECOND);
    ck_assert_int_eq(serve_status(answer), 200);
    ck_assert_ptr_nonnull(strstr(answer, "Connection: close\r\n"));
    ck_assert(serve_ended);
    hub_close(fd);
    serve_stop();
}
END_TEST

START_TEST(chunks_without_end_that_nobody_reads_end_the_connection)
{
    static char chunk[10000];
    const char *answer;
    int fd;

    memset(chunk, 'x', sizeof chunk - 1);
    memcpy(chunk, "26f0\r\n", 6);
    memcpy(chunk + 6 + 0x26f0, "\r\n", 3);
    serve_start(ignores, NULL);
    fd = serve_connect();
    serve_send(fd, "POST /1 HTTP/1.1\r\n" HOST CHUNKED "\r\n");
    for (int i = 0; i < 10; i++)
        serve_send(fd, chunk);
    hub_shutdown(fd, SHUT_WR);
    answer = serve_read_all(fd, 5 * HUB_SECOND);
    ck_assert_int_eq(serve_status(answer), 200);
    ck_assert_ptr_nonnull(strstr(answer, "Connection: close\r\n"));
    hub_close(fd);
    serve_stop();
}
END_TEST

/* ---- failures ---- */

static const struct {
    const char *request;
    int error, status;
} failures[] = {
    {"POST / HTTP/1.1\r\n" HOST CHUNKED "\r\n5\r\nhelloX", -EBADMSG, 400},
    {"POST / HTTP/1.1\r\n" HOST CHUNKED "\r\n\r\n", -EBADMSG, 400},
    {"POST / HTTP/1.1\r\n" HOST CHUNKED "\r\n0x5\r\n", -EBADMSG, 400},
    {"POST / HTTP/1.1\r\n" HOST CHUNKED "\r\n5 \r\nhello\r\n0\r\n\r\n",
     -EBADMSG, 400},
    {"POST / HTTP/1.1\r\n" HOST CHUNKED "\r\n1\r\na\r\n0\r\nA : b\r\n\r\n",
     -EBADMSG, 400},
    {"POST / HTTP/1.1\r\n" HOST CHUNKED "\r\nffffffffffffffffff\r\n", -EBADMSG,
     400},
};

START_TEST(a_body_that_is_no_good_is_told_to_view_and_client)
{
    const char *request = failures[_i].request, *answer;

    serve_start(streams, NULL);
    for (size_t piece = 1; piece <= strlen(request); piece++) {
        int fd = serve_connect();

        last_read = 0;
        serve_send_pieces(fd, request, strlen(request), piece);
        answer = serve_read_all(fd, 5 * HUB_SECOND);
        ck_assert_int_eq(serve_status(answer), failures[_i].status);
        ck_assert_int_eq(last_read, failures[_i].error);
        ck_assert(serve_ended);
        hub_close(fd);
    }
    ck_assert_uint_eq(serve_reports, 0);
    serve_stop();
}
END_TEST

START_TEST(a_client_that_goes_in_the_middle_is_told_to_the_view)
{
    int fd;

    serve_start(streams, NULL);
    fd = serve_connect();
    serve_send(fd,
               "POST / HTTP/1.1\r\n" HOST "Content-Length: 9\r\n\r\nabc");
    hub_sleep(5 * HUB_MILLISECOND);
    last_read = 0;
    hub_close(fd);
    hub_sleep(5 * HUB_MILLISECOND);
    ck_assert_int_eq(last_read, -ECONNRESET);
    serve_stop();
}
END_TEST

/* A time limit of the view's own ends a read, and not the body. */
static bool has_timed_out;

static int impatient(struct http_request *request,
                     struct http_response *response)
{
    struct hub_timeout timeout;
    const char *data;
    size_t size;
    int rc;

    ck_assert_int_eq(
        hub_timeout_begin(&timeout, hub_deadline(10 * HUB_MILLISECOND)), 0);
    rc = http_request_body(request, &data, &size);
    ck_assert_int_eq(rc, -ETIMEDOUT);
    hub_timeout_end(&timeout);
    has_timed_out = true;
    rc = http_request_body(request, &data, &size);
    return rc < 0 ? rc : http_response_write(response, data, size);
}

START_TEST(a_timeout_of_the_view_does_not_spoil_the_body)
{
    int fd;

    serve_start(impatient, NULL);
    fd = serve_connect();
    serve_send(fd, "POST / HTTP/1.1\r\n" HOST CLOSE
                   "Content-Length: 6\r\n\r\nabc");
    for (int i = 0; i < 1000 && !has_timed_out; i++)
        hub_sleep(5 * HUB_MILLISECOND);
    serve_send(fd, "def");
    ck_assert_str_eq(serve_body(serve_read_all(fd, HUB_SECOND)), "abcdef");
    hub_close(fd);
    serve_stop();
}
END_TEST

/* ---- large ones, and behind another request ---- */

static int sums(struct http_request *request, struct http_response *response)
{
    static char piece[50000];
    unsigned long long sum = 0, count = 0;
    ssize_t got;

    strcpy(seen, http_request_path(request));
    while ((got = http_request_read(request, piece, sizeof piece)) > 0)
        for (ssize_t i = 0; i < got; i++, count++)
            sum += (unsigned char)piece[i] * (count % 251);
    ck_assert_str_eq(http_request_path(request), seen);
    ck_assert_str_eq(http_request_header(request, "Host"), "a");
    return got < 0 ? (int)got
                   : http_response_printf(response, "%llu %llu\n", count, sum);
}

START_TEST(a_large_body_comes_whole_in_both_framings)
{
    static char body[300001];
    unsigned long long sum = 0;
    char want[64], line[32];
    int fd;

    for (size_t i = 0; i < sizeof body - 1; i++)
        body[i] = (char)('a' + i * 7 % 26);
    for (size_t i = 0; i < sizeof body - 1; i++)
        sum += (unsigned char)body[i] * (i % 251);
    snprintf(want, sizeof want, "300000 %llu\n", sum);
    serve_start(sums, NULL);
    fd = serve_connect();
    serve_send(fd, "POST /long HTTP/1.1\r\n" HOST
                   "Content-Length: 300000\r\n\r\n");
    serve_send(fd, body);
    ck_assert_str_eq(
        serve_body(serve_read_until(fd, "\n")) != NULL ? "" : "x", "");
    serve_send(fd, "POST /chunks HTTP/1.1\r\n" HOST CHUNKED CLOSE "\r\n");
    for (size_t at = 0, size = 1; at < 300000;
         at += size, size = size * 3 + 1) {
        if (size > 300000 - at)
            size = 300000 - at;
        snprintf(line, sizeof line, "%zx\r\n", size);
        serve_send(fd, line);
        hub_send_all(fd, body + at, size, 0, NULL, HUB_FOREVER);
        serve_send(fd, "\r\n");
    }
    serve_send(fd, "0\r\n\r\n");
    ck_assert_ptr_nonnull(strstr(serve_read_all(fd, 5 * HUB_SECOND), want));
    hub_close(fd);
    serve_stop();
}
END_TEST

int main(void)
{
    TCase *tcase = unit_case();

    hub_sleep(1); /* makes the hub, and its greenlet */
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, a_body_is_read_before_it_is_complete);
    tcase_add_test(tcase, a_trailer_is_there_when_the_body_was_read);
    tcase_add_test(tcase, all_of_a_body_is_what_was_not_read_before);
    tcase_add_test(tcase, leave_to_go_on_is_given_when_the_body_is_read);
    tcase_add_test(tcase, leave_is_not_given_to_who_has_not_waited_for_it);
    tcase_add_test(
        tcase, who_waits_for_leave_in_vain_is_told_by_the_answer_and_closed);
    tcase_add_test(tcase, a_short_body_that_nobody_reads_is_read_over);
    tcase_add_test(tcase, an_unread_body_is_read_over_up_to_the_limit);
    tcase_add_test(tcase, a_long_body_that_nobody_reads_ends_the_connection);
    tcase_add_test(tcase,
                   chunks_without_end_that_nobody_reads_end_the_connection);
    tcase_add_loop_test(tcase,
                        a_body_that_is_no_good_is_told_to_view_and_client, 0,
                        sizeof failures / sizeof *failures);
    tcase_add_test(tcase, a_client_that_goes_in_the_middle_is_told_to_the_view);
    tcase_add_test(tcase, a_timeout_of_the_view_does_not_spoil_the_body);
    tcase_add_test(tcase, a_large_body_comes_whole_in_both_framings);
    return unit_run("body", tcase);
}
