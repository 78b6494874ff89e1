/* Responses: status, fields, bodies, what a view may return. */
#include "../unit.h"
#include "serve.h"

#include <errno.h>
#include <stdio.h>

#define HOST     "Host: a\r\n"
#define CLOSE    "Connection: close\r\n"
#define LAST(at) "GET " at " HTTP/1.1\r\n" HOST CLOSE "\r\n"

static http_view_function *current;
static unsigned dropped;

static int view(struct http_request *request, struct http_response *response)
{
    return current(request, response);
}

/* What the view of a test answers with. */
static const char *ask(http_view_function *function)
{
    current = function;
    return serve_exchange(LAST("/"));
}

static void has(const char *answer, const char *part)
{
    if (strstr(answer, part) == NULL)
        ck_abort_msg("no \"%s\" in \"%s\"", part, answer);
}

static void has_not(const char *answer, const char *part)
{
    if (strstr(answer, part) != NULL)
        ck_abort_msg("\"%s\" in \"%s\"", part, answer);
}

/* ---- what a view returns ---- */

static int value;
static bool with_body;

static int returns(struct http_request *request, struct http_response *response)
{
    (void)request;
    if (with_body)
        http_response_text(response, "mine");
    return value;
}

static const struct {
    int value;
    bool body;
    int status;
    const char *text;
} results[] = {
    {0, false, 200, ""},
    {0, true, 200, "mine"},
    {201, true, 201, "mine"},
    {204, false, 204, ""},
    {404, false, 404, "404 Not Found\n"},
    {404, true, 404, "mine"},
    {599, false, 599, "599 Status\n"},
    {499, true, 499, "mine"},
    {-EIO, true, 500, "500 Internal Server Error\n"},
    {7, true, 500, "500 Internal Server Error\n"},
    {100, true, 500, "500 Internal Server Error\n"},
    {600, false, 500, "500 Internal Server Error\n"},
};

START_TEST(what_a_view_returns_is_a_status_or_a_failure)
    {
        const char *answer;

        serve_start(view, NULL);
        value = results[_i].value;
        with_body = results[_i].body;
        answer = ask(returns);
        ck_assert_int_eq(serve_status(answer), results[_i].status);
        ck_assert_str_eq(serve_body(answer), results[_i].text);
        ck_assert_uint_eq(serve_reports, results[_i].status == 500);
        serve_stop();
    }
END_TEST

/* ---- fields ---- */

static int sets(struct http_request *request, struct http_response *response)
{
    (void)request;
    ck_assert_int_eq(http_response_set_header(response, "X-A", "1"), 0);
    ck_assert_int_eq(http_response_set_header(response, "x-a", "2"), 0);
    ck_assert_int_eq(http_response_add_header(response, "X-B", "3"), 0);
    ck_assert_int_eq(http_response_add_header(response, "X-B", "4"), 0);
    ck_assert_int_eq(http_response_add_header(response, "X-C", "5"), 0);
    ck_assert_str_eq(http_response_header(response, "X-b"), "3");
    ck_assert_ptr_null(http_response_header(response, "X"));
    ck_assert_int_eq(http_response_remove_header(response, "X-C"), 1);
    ck_assert_int_eq(http_response_remove_header(response, "X-C"), 0);
    ck_assert_int_eq(http_response_set_header(response, "Date", "never"), 0);
    ck_assert_int_eq(http_response_set_header(response, "Empty", ""), 0);
    return 0;
}

START_TEST(fields_are_set_added_and_taken_away)
    {
        const struct http_server_options options = {.server_name = "Test/1"};
        const char *answer;

        serve_start(view, &options);
        answer = ask(sets);
        has_not(answer, "X-A: 1");
        has(answer, "\r\nx-a: 2\r\n");
        has(answer, "\r\nX-B: 3\r\nX-B: 4\r\n");
        has_not(answer, "X-C");
        has(answer, "\r\nDate: never\r\n");
        ck_assert_ptr_null(strstr(strstr(answer, "Date:") + 1, "Date:"));
        has(answer, "\r\nServer: Test/1\r\n");
        has(answer, "\r\nEmpty: \r\n");
        serve_stop();
    }
END_TEST

static const struct {
    const char *name, *value;
    int error;
} refused[] = {
    {"", "x", -EINVAL},
    {"A B", "x", -EINVAL},
    {"A:", "x", -EINVAL},
    {"A", "x\r\nB: c", -EINVAL},
    {"A", "x\n", -EINVAL},
    {"Transfer-Encoding", "chunked", -EPERM},
    {"Connection", "keep-alive", -EPERM},
    {"Content-Length", "-1", -EINVAL},
    {"Content-Length", "1x", -EINVAL},
    {"Content-Length", "99999999999999999999", -EINVAL},
};

static int sets_wrong(struct http_request *request,
                      struct http_response *response)
{
    (void)request;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        ck_assert_int_eq(http_response_set_header(response, refused[i].name,
                                                  refused[i].value),
                         refused[i].error);
        ck_assert_int_eq(http_response_add_header(response, refused[i].name,
                                                  refused[i].value),
                         refused[i].error);
    }
    ck_assert_int_eq(http_response_set_status(response, 101), -EINVAL);
    ck_assert_int_eq(http_response_set_status(response, 600), -EINVAL);
    return http_response_text(response, "fine");
}

START_TEST(fields_that_would_break_the_message_are_refused)
    {
        const char *answer;

        serve_start(view, NULL);
        answer = ask(sets_wrong);
        has(answer, "Content-Length: 4\r\n");
        ck_assert_str_eq(serve_body(answer), "fine");
        serve_stop();
    }
END_TEST

static int many_fields(struct http_request *request,
                       struct http_response *response)
{
    char name[16], text[256];

    (void)request;
    memset(text, 'v', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    for (int i = 0; i < 300; i++) {
        snprintf(name, sizeof name, "X-%d", i);
        ck_assert_int_eq(http_response_add_header(response, name, text), 0);
    }
    return http_response_text(response, "many");
}

START_TEST(a_head_may_be_longer_than_what_is_gathered)
    {
        const char *answer;

        serve_start(view, NULL);
        answer = ask(many_fields);
        ck_assert_uint_gt(serve_length, 70000);
        has(answer, "\r\nX-299: vvv");
        ck_assert_str_eq(serve_body(answer), "many");
        serve_stop();
    }
END_TEST

static int closes(struct http_request *request, struct http_response *response)
{
    (void)request;
    http_response_set_header(response, "Connection", "close");
    return http_response_text(response, "bye");
}

START_TEST(a_view_can_end_the_connection)
    {
        serve_start(view, NULL);
        current = closes;
        has(serve_exchange("GET / HTTP/1.1\r\n" HOST "\r\n"),
            "Connection: close\r\n");
        ck_assert(serve_ended);
        serve_stop();
    }
END_TEST

/* ---- bodies ---- */

static int writes(struct http_request *request, struct http_response *response)
{
    (void)request;
    for (int i = 0; i < 10000; i++)
        ck_assert_int_eq(http_response_printf(response, "%05d", i), 0);
    return 0;
}

START_TEST(a_body_grows_as_it_is_written)
    {
        const char *body;

        serve_start(view, NULL);
        body = serve_body(ask(writes));
        ck_assert_uint_eq(strlen(body), 50000);
        ck_assert_int_eq(strncmp(body, "000000000100002", 15), 0);
        ck_assert_str_eq(body + 49995, "09999");
        serve_stop();
    }
END_TEST

static void drop(void *arg)
{
    dropped += (unsigned)(uintptr_t)arg;
}

static int borrows(struct http_request *request, struct http_response *response)
{
    static char large[100000];

    (void)request;
    memset(large, 'z', sizeof large);
    http_response_body(response, "first", 5, drop, (void *)1);
    http_response_body(response, large, sizeof large, drop, (void *)10);
    return 0;
}

static int borrows_and_writes(struct http_request *request,
                              struct http_response *response)
{
    (void)request;
    http_response_body(response, "first", 5, drop, (void *)1);
    return http_response_write(response, "second", 6);
}

static int borrows_and_fails(struct http_request *request,
                             struct http_response *response)
{
    (void)request;
    http_response_body(response, "first", 5, drop, (void *)1);
    return -EIO;
}

START_TEST(a_body_that_is_borrowed_is_let_go)
    {
        serve_start(view, NULL);
        dropped = 0;
        ck_assert_uint_eq(strlen(serve_body(ask(borrows))), 100000);
        ck_assert_uint_eq(dropped, 11);
        dropped = 0;
        ck_assert_str_eq(serve_body(ask(borrows_and_writes)), "firstsecond");
        ck_assert_uint_eq(dropped, 1);
        dropped = 0;
        ck_assert_int_eq(serve_status(ask(borrows_and_fails)), 500);
        ck_assert_uint_eq(dropped, 1);
        serve_stop();
    }
END_TEST

static int not_modified(struct http_request *request,
                        struct http_response *response)
{
    (void)request;
    http_response_text(response, "unseen");
    return 304;
}

static int no_content(struct http_request *request,
                      struct http_response *response)
{
    (void)request;
    http_response_text(response, "unseen");
    return 204;
}

START_TEST(what_has_no_body_is_sent_without_one)
    {
        serve_start(view, NULL);
        ck_assert_str_eq(serve_body(ask(not_modified)), "");
        has_not(ask(no_content), "Content-Length");
        ck_assert_str_eq(serve_body(ask(no_content)), "");
        serve_stop();
    }
END_TEST

static int says_length(struct http_request *request,
                       struct http_response *response)
{
    (void)request;
    return http_response_set_header(response, "Content-Length", "1234");
}

START_TEST(a_response_to_head_may_say_its_length)
    {
        serve_start(view, NULL);
        current = says_length;
        has(serve_exchange("HEAD / HTTP/1.1\r\n" HOST CLOSE "\r\n"),
            "Content-Length: 1234\r\n");
        has(serve_exchange(LAST("/")), "Content-Length: 0\r\n");
        serve_stop();
    }
END_TEST

static unsigned deferred;

static void count(void *data)
{
    (void)data;
    deferred++;
}

static int defers(struct http_request *request, struct http_response *response)
{
    greenlet_defer(count, NULL);
    http_request_defer(request, count, NULL);
    return http_response_text(response, "x");
}

START_TEST(what_a_view_deferred_is_run_when_it_has_returned)
    {
        int fd;

        serve_start(view, NULL);
        current = defers;
        deferred = 0;
        fd = serve_connect();
        for (unsigned i = 1; i <= 3; i++) {
            serve_send(fd, "GET / HTTP/1.1\r\n" HOST "\r\n");
            serve_read_until(fd, "\r\n\r\nx");
            hub_sleep(1);
            ck_assert_uint_eq(deferred, 2 * i);
        }
        hub_close(fd);
        serve_stop();
    }
END_TEST

START_TEST(statuses_have_words)
    {
        ck_assert_str_eq(http_response_reason(200), "OK");
        ck_assert_str_eq(http_response_reason(431),
                         "Request Header Fields Too Large");
        ck_assert_str_eq(http_response_reason(299), "Status");
        ck_assert_str_eq(http_response_reason(-1), "Status");
    }
END_TEST

int main(void)
{
    TCase *tcase = unit_case();

    hub_sleep(1); /* makes the hub, and its greenlet */
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, what_a_view_returns_is_a_status_or_a_failure, 0,
                        sizeof results / sizeof *results);
    tcase_add_test(tcase, fields_are_set_added_and_taken_away);
    tcase_add_test(tcase, fields_that_would_break_the_message_are_refused);
    tcase_add_test(tcase, a_head_may_be_longer_than_what_is_gathered);
    tcase_add_test(tcase, a_view_can_end_the_connection);
    tcase_add_test(tcase, a_body_grows_as_it_is_written);
    tcase_add_test(tcase, a_body_that_is_borrowed_is_let_go);
    tcase_add_test(tcase, what_has_no_body_is_sent_without_one);
    tcase_add_test(tcase, a_response_to_head_may_say_its_length);
    tcase_add_test(tcase, what_a_view_deferred_is_run_when_it_has_returned);
    tcase_add_test(tcase, statuses_have_words);
    return unit_run("response", tcase);
}
