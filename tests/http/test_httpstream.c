/* Streams: framing, events, slow clients, and clients that go away. */
#include "../unit.h"
#include "serve.h"

#include <errno.h>
#include <stdio.h>

#define HOST     "Host: a\r\n"
#define CLOSE    "Connection: close\r\n"
#define GET(at)  "GET " at " HTTP/1.1\r\n" HOST "\r\n"
#define LAST(at) "GET " at " HTTP/1.1\r\n" HOST CLOSE "\r\n"
#define MS       HUB_MILLISECOND

static int ended_with, cleaned;

static void clean(void *data)
{
    (void)data;
    cleaned++;
}

static int three(struct http_stream *stream, void *data)
{
    const char *const *words = data;

    for (int i = 0; i < 3; i++) {
        int rc = http_stream_write(stream, words[i], strlen(words[i]));

        if (rc < 0)
            return rc;
    }
    return 0;
}

static int with_trailer(struct http_stream *stream, void *data)
{
    ck_assert_int_eq(http_stream_trailer(stream, "X-Sum", "42"), 0);
    ck_assert_int_eq(http_stream_trailer(stream, "Content-Length", "1"),
                     -EINVAL);
    ck_assert_int_eq(http_stream_trailer(stream, "A", "b\r\nc: d"), -EINVAL);
    return three(stream, data);
}

static int events(struct http_stream *stream, void *data)
{
    (void)data;
    ck_assert_int_eq(http_stream_event(stream, "a\nb", "x"), -EINVAL);
    http_stream_comment(stream, "hi");
    http_stream_event(stream, NULL, "one\ntwo\r\nthree\rfour");
    http_stream_event_with(stream, "tick", "7", 500, "%d", 5);
    return http_stream_event(stream, "long", "%02000d", 1);
}

static int fails(struct http_stream *stream, void *data)
{
    (void)data;
    http_stream_write(stream, "part", 4);
    return -EIO;
}

static int sleeps(struct http_stream *stream, void *data)
{
    (void)data;
    greenlet_defer(clean, NULL);
    http_stream_write(stream, "begin", 5);
    ended_with = hub_sleep(60 * HUB_SECOND);
    ck_assert_int_eq(http_stream_write(stream, "x", 1), -EPIPE);
    ck_assert(http_stream_gone(stream));
    return ended_with;
}

static int floods(struct http_stream *stream, void *data)
{
    static const char much[65536];
    int rc;

    (void)data;
    greenlet_defer(clean, NULL);
    while ((rc = http_stream_write(stream, much, sizeof much)) == 0)
        ended_with++;
    return rc;
}

static int too_much(struct http_stream *stream, void *data)
{
    (void)data;
    ck_assert_int_eq(http_stream_trailer(stream, "A", "b"), -EOPNOTSUPP);
    ck_assert_int_eq(http_stream_write(stream, "abc", 3), 0);
    ck_assert_int_eq(http_stream_write(stream, "def", 3), -EMSGSIZE);
    return http_stream_write(stream, "de", 2);
}

static int view(struct http_request *request, struct http_response *response)
{
    static const char *const words[] = {"one", "", "three"};
    static const struct {
        const char *path;
        http_stream_producer *producer;
    } streams[] = {{"/three", three},    {"/trailer", with_trailer},
                   {"/events", events},  {"/fails", fails},
                   {"/sleeps", sleeps},  {"/floods", floods},
                   {"/length", too_much}};
    const char *path = http_request_path(request);

    if (strcmp(path, "/length") == 0)
        http_response_set_header(response, "Content-Length", "5");
    for (size_t i = 0; i < sizeof streams / sizeof *streams; i++)
        if (strcmp(path, streams[i].path) == 0)
            return http_response_stream(response, "text/x", streams[i].producer,
                                        (void *)words);
    return http_response_text(response, "other");
}

START_TEST(a_stream_is_sent_in_chunks_and_the_connection_stays)
{
    const char *answer;
    int fd;

    serve_start(view, NULL);
    fd = serve_connect();
    serve_send(fd, GET("/three") LAST("/other"));
    answer = serve_read_all(fd, HUB_SECOND);
    ck_assert_ptr_nonnull(strstr(answer, "Transfer-Encoding: chunked\r\n"));
    ck_assert_ptr_nonnull(strstr(answer, "Content-Type: text/x\r\n"));
    ck_assert_ptr_nonnull(strstr(
        answer, "\r\n\r\n3\r\none\r\n5\r\nthree\r\n0\r\n\r\nHTTP/1.1"));
    ck_assert_ptr_nonnull(strstr(answer, "other"));
    hub_close(fd);
    serve_stop();
}
END_TEST

START_TEST(to_http_1_0_a_stream_ends_with_the_connection)
{
    const char *answer;

    serve_start(view, NULL);
    answer = serve_exchange("GET /three HTTP/1.0\r\n"
                            "Connection: keep-alive\r\n\r\n");
    ck_assert_ptr_nonnull(strstr(answer, "Connection: close\r\n"));
    ck_assert_ptr_null(strstr(answer, "Transfer-Encoding"));
    ck_assert_str_eq(serve_body(answer), "onethree");
    ck_assert(serve_ended);
    serve_stop();
}
END_TEST

START_TEST(a_stream_may_have_a_length)
{
    const char *answer;
    int fd;

    serve_start(view, NULL);
    fd = serve_connect();
    serve_send(fd, GET("/length") LAST("/other"));
    answer = serve_read_all(fd, HUB_SECOND);
    ck_assert_ptr_nonnull(strstr(answer, "Content-Length: 5\r\n"));
    ck_assert_ptr_nonnull(strstr(answer, "\r\n\r\nabcdeHTTP/1.1 200"));
    hub_close(fd);
    serve_stop();
}
END_TEST

START_TEST(of_a_stream_head_gets_the_head)
{
    const char *answer;

    serve_start(view, NULL);
    answer = serve_exchange("HEAD /three HTTP/1.1\r\n" HOST CLOSE "\r\n");
    ck_assert_int_eq(serve_status(answer), 200);
    ck_assert_str_eq(serve_body(answer), "");
    serve_stop();
}
END_TEST

START_TEST(a_trailer_follows_the_last_chunk)
{
    serve_start(view, NULL);
    ck_assert_str_eq(serve_body(serve_exchange(LAST("/trailer"))),
                     "3\r\none\r\n5\r\nthree\r\n0\r\nX-Sum: 42\r\n\r\n");
    serve_stop();
}
END_TEST

START_TEST(events_are_framed)
{
    const char *answer;

    serve_start(view, NULL);
    answer = serve_exchange("GET /events HTTP/1.0\r\n\r\n");
    ck_assert_ptr_nonnull(strstr(answer, "\r\n\r\n: hi\n\n"));
    ck_assert_ptr_nonnull(strstr(
        answer, "data: one\ndata: two\ndata: three\ndata: four\n\n"));
    ck_assert_ptr_nonnull(
        strstr(answer, "event: tick\nid: 7\nretry: 500\ndata: 5\n\n"));
    ck_assert_ptr_nonnull(strstr(answer, "0001\n\n"));
    serve_stop();
}
END_TEST

START_TEST(a_stream_that_fails_is_cut_so_that_the_client_knows)
{
    const char *answer;

    serve_start(view, NULL);
    answer = serve_exchange(GET("/fails"));
    ck_assert_str_eq(serve_body(answer), "4\r\npart\r\n");
    ck_assert(serve_ended || serve_reset);
    ck_assert_uint_eq(serve_reports, 1);
    ck_assert_ptr_nonnull(strstr(serve_reported, "/fails"));
    serve_stop();
}
END_TEST

static void check_gone(bool reset, const char *extra)
{
    struct linger linger = {1, 0};
    int fd;

    serve_start(view, NULL);
    ended_with = cleaned = 0;
    fd = serve_connect();
    serve_send(fd, GET("/sleeps"));
    serve_read_until(fd, "begin");
    serve_send(fd, extra);
    hub_sleep(5 * MS);
    if (reset)
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    hub_close(fd);
    for (int i = 0; i < 300 && cleaned == 0; i++)
        hub_sleep(10 * MS);
    ck_assert_int_eq(ended_with, -ECANCELED);
    ck_assert_int_eq(cleaned, 1);
    ck_assert_uint_eq(serve_reports, 0);
    serve_stop();
}

START_TEST(a_client_that_goes_away_ends_a_producer_that_sleeps)
{
    check_gone(false, "");
    check_gone(true, "");
}
END_TEST

START_TEST(also_when_it_had_sent_what_nobody_reads)
{
    check_gone(false, GET("/next"));
}
END_TEST

START_TEST(a_slow_client_holds_its_producer_up)
{
    int fd, before;

    serve_start(view, NULL);
    ended_with = cleaned = 0;
    fd = serve_connect();
    serve_send(fd, GET("/floods"));
    hub_sleep(100 * MS);
    before = ended_with;
    hub_sleep(50 * MS);
    ck_assert_int_eq(ended_with, before);
    ck_assert_int_lt(before,
                     200); /* 13 MB: what the kernel takes is less */
    hub_close(fd);
    for (int i = 0; i < 300 && cleaned == 0; i++)
        hub_sleep(10 * MS);
    ck_assert_int_eq(cleaned, 1);
    serve_stop();
}
END_TEST

START_TEST(who_takes_nothing_of_a_stream_is_gone)
{
    const struct http_server_options options = {.write_ns = 50 * MS};
    int fd;

    serve_start(view, &options);
    cleaned = 0;
    fd = serve_connect();
    serve_send(fd, GET("/floods"));
    for (int i = 0; i < 300 && cleaned == 0; i++)
        hub_sleep(10 * MS);
    ck_assert_int_eq(cleaned, 1);
    hub_close(fd);
    serve_stop();
}
END_TEST

START_TEST(a_server_that_stops_ends_producers_at_its_deadline)
{
    int fd;

    serve_start(view, NULL);
    cleaned = 0;
    fd = serve_connect();
    serve_send(fd, GET("/sleeps"));
    serve_read_until(fd, "begin");
    hub_close(fd);
    fd = serve_connect();
    serve_send(fd, GET("/floods"));
    hub_sleep(20 * MS);
    ck_assert_int_eq(http_server_stop(serve_server, 50 * MS), 0);
    ck_assert_int_eq(cleaned, 2);
    serve_stop();
    hub_close(fd);
}
END_TEST

int main(void)
{
    TCase *tcase = unit_case();

    hub_sleep(1); /* makes the hub, and its greenlet */
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, a_stream_is_sent_in_chunks_and_the_connection_stays);
    tcase_add_test(tcase, to_http_1_0_a_stream_ends_with_the_connection);
    tcase_add_test(tcase, a_stream_may_have_a_length);
    tcase_add_test(tcase, of_a_stream_head_gets_the_head);
    tcase_add_test(tcase, a_trailer_follows_the_last_chunk);
    tcase_add_test(tcase, events_are_framed);
    tcase_add_test(tcase, a_stream_that_fails_is_cut_so_that_the_client_knows);
    tcase_add_test(tcase, a_client_that_goes_away_ends_a_producer_that_sleeps);
    tcase_add_test(tcase, also_when_it_had_sent_what_nobody_reads);
    tcase_add_test(tcase, a_slow_client_holds_its_producer_up);
    tcase_add_test(tcase, who_takes_nothing_of_a_stream_is_gone);
    tcase_add_test(tcase, a_server_that_stops_ends_producers_at_its_deadline);
    return unit_run("httpstream", tcase);
}
