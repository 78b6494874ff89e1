/* Pages for who develops an application, and the status page (V-25), in one
 * process; programs/test_v25.py asks real programs. */
#include "views.h"

#include "context/testhook.h"
#include "http/http_impl.h"

#include <jansson.h>

#define LOCAL "Host: localhost\r\nConnection: close\r\n"

static const char *ask_local(const char *path, const char *fields)
{
    static char request[4096];

    snprintf(request, sizeof request, "GET %s HTTP/1.1\r\n" LOCAL "%s\r\n",
             path, fields);
    return serve_exchange(request);
}

static int returns(struct http_request *request, struct http_response *response)
{
    http_response_set_header(response, "X-Left", "over");
    http_request_session_get(request, "user");
    return -EIO;
}

static int aborts(struct http_request *request, struct http_response *response)
{
    (void)response;
    http_request_abort(request, 503);
}

static int handled(struct http_request *request, struct http_response *response)
{
    (void)request;
    return http_response_text(response, "handled");
}

static int works(struct http_request *request, struct http_response *response)
{
    (void)request;
    return http_response_text(response, "works");
}

static void put_together(void)
{
    http_app_route(app, NULL, "/", "works", http_view_sync(works));
    http_app_route(app, NULL, "/returns", "returns", http_view_sync(returns));
    http_app_route(app, NULL, "/aborts", "aborts", http_view_sync(aborts));
    http_app_set_debug(app, true);
    ck_assert_int_eq(http_app_set_status(app, "/-/status"), 0);
}

START_TEST(v25_the_page_of_an_error_is_escaped_and_has_its_status)
    {
        const char *answer;

        put_together();
        views_serve();
        answer =
            ask_local("/returns?<i>", "Accept: text/html\r\nA: \"<b>\"\r\n");
        ck_assert_int_eq(serve_status(answer), 500);
        ck_assert_ptr_nonnull(strstr(answer, "returns: EIO (Input/output"));
        ck_assert_ptr_nonnull(strstr(answer, "A: &#34;&#60;b&#62;&#34;\n"));
        ck_assert_ptr_nonnull(strstr(answer, "/returns?&#60;i&#62;\n"));
        ck_assert_ptr_null(strstr(answer, "X-Left"));
        answer = ask_local("/aborts", "Cookie: a=secret\r\n");
        ck_assert_int_eq(serve_status(answer), 503);
        ck_assert(has_field(answer, "Content-Type: text/plain; charset=utf-8"));
        ck_assert_ptr_nonnull(strstr(answer, "Cookie: (not shown)\n"));
        ck_assert_msg(strstr(answer, "aborts at ") != NULL ||
                          strstr(answer, "+0x") != NULL, /* no addr2line */
                      "%s", answer);
        ck_assert_ptr_null(strstr(answer, "http_request_abort"));
        ck_assert_ptr_null(strstr(answer, "http__app_dispatch"));
        ck_answer(ask_local("/", ""), 200, "works");
        ck_answer(ask("/aborts"), 503, "503 Service Unavailable\n");
    }
END_TEST

START_TEST(v25_an_error_handler_comes_before_the_page)
    {
        put_together();
        http_app_error_handler(app, -EIO, http_view_sync(handled));
        views_serve();
        ck_answer(ask_local("/returns", ""), 500, "handled");
    }
END_TEST

static json_t *numbers(void)
{
    json_error_t error;
    json_t *read =
        json_loads(serve_body(ask_local("/-/status.json", "")), 0, &error);

    ck_assert_msg(read != NULL, "%s", error.text);
    return read;
}

static int64_t number(json_t *of, const char *group, const char *name)
{
    return json_integer_value(
        json_object_get(json_object_get(of, group), name));
}

START_TEST(v25_requests_are_counted_by_their_status)
    {
        json_t *seen;

        put_together();
        views_serve();
        seen = numbers();
        ck_assert_int_eq(number(seen, "requests", "total"), 0);
        json_decref(seen);
        for (int i = 0; i < 300; i++)
            ck_answer(ask("/"), 200, "works");
        ask("/returns");
        ask("/nowhere");
        ck_answer(ask("/-/status"), 404, "404 Not Found\n"); /* of Host: test */
        hub_sleep(0); /* the last has ended */
        seen = numbers();
        ck_assert_int_eq(number(seen, "requests", "total"), 303);
        ck_assert_int_eq(number(seen, "requests", "in_flight"), 0);
        ck_assert_int_eq(number(seen, "responses", "2xx"), 300);
        ck_assert_int_eq(number(seen, "responses", "4xx"), 2);
        ck_assert_int_eq(number(seen, "responses", "5xx"), 1);
        ck_assert_int_eq(number(seen, "latency_us", "count"), 303);
        ck_assert_uint_eq(json_array_size(json_object_get(seen, "done")), 128);
        json_decref(seen);
        ck_assert_ptr_nonnull(
            strstr(ask_local("/-/status", ""), "<!DOCTYPE html>"));
    }
END_TEST

START_TEST(v25_a_status_page_has_a_path)
    {
        ck_assert_int_eq(http_app_set_status(app, NULL), 0);
        ck_assert_int_eq(http_app_set_status(app, "status"), -EINVAL);
        ck_assert_int_eq(http_app_error(app, NULL), -EINVAL);
    }
END_TEST

static bool fails(void)
{
    return greenlet__test_fails(GREENLET_TEST_ALLOCATION);
}

START_TEST(v25_each_allocation_that_fails_costs_a_page_at_most)
    {
        static const char *const paths[] = {"/returns", "/aborts",
                                            "/-/status.json", "/-/status"};

        put_together();
        views_serve();
        for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
            for (long n = 1; n < 30; n++) {
                const char *answer;

                http__work_trim(serve_server, 0);
                http__test_fails = fails;
                greenlet_test_fail(GREENLET_TEST_ALLOCATION, n);
                answer = ask_local(paths[i], "Accept: text/html\r\n");
                greenlet_test_fail(GREENLET_TEST_ALLOCATION, 0);
                http__test_fails = NULL;
                ck_assert_msg(answer[0] == '\0' || serve_status(answer) >= 200,
                              "%s", answer);
            }
        ck_answer(ask_local("/", ""), 200, "works");
    }
END_TEST

static unsigned noted;

static unsigned greenlets(void)
{
    struct greenlet_counts counts;

    greenlet_count(&counts);
    return (unsigned)counts.greenlets;
}

static void note_greenlets(void)
{
    noted = greenlets();
}

/* Without pidfds a thread waits for addr2line, and is there for a moment more
 * when that has ended: it is no leak. */
static void wait_for_helpers(void)
{
    if (serve_server != NULL)
        serve_stop();
    for (int i = 0; i < 3000 && greenlets() != noted; i++)
        hub_sleep(10 * HUB_MILLISECOND);
}

int main(void)
{
    TCase *tcase = views_case();

    tcase_add_checked_fixture(tcase, note_greenlets, wait_for_helpers);

    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase,
                   v25_the_page_of_an_error_is_escaped_and_has_its_status);
    tcase_add_test(tcase, v25_an_error_handler_comes_before_the_page);
    tcase_add_test(tcase, v25_requests_are_counted_by_their_status);
    tcase_add_test(tcase, v25_a_status_page_has_a_path);
    tcase_add_test(tcase, v25_each_allocation_that_fails_costs_a_page_at_most);
    return unit_run("debugging", tcase);
}
