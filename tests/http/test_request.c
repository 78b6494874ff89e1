/* Requests: line, fields, client, memory, and those who keep one. */
#include "../unit.h"
#include "serve.h"

#include "http/http_impl.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#define CLOSE "Connection: close\r\n"

static http_view_function *current;
static struct http_request *kept;

static int view(struct http_request *request, struct http_response *response)
{
    return current(request, response);
}

static const char *ask(http_view_function *function, const char *request)
{
    current = function;
    return serve_body(serve_exchange(request));
}

static int line(struct http_request *request, struct http_response *response)
{
    const char *query = http_request_query(request);

    ck_assert_str_eq(http_request_scheme(request), "http");
    ck_assert_ptr_null(http_request_tls(request));
    ck_assert_ptr_eq(http_request_server(request), serve_server);
    ck_assert_str_eq(http_request_path(request), http_request_path(request));
    return http_response_printf(
        response, "%s|%s|%s|%s|%s|%d", http_request_verb(request),
        http_request_target(request), http_request_path(request),
        query != NULL ? query : "-", http_request_host(request),
        http_request_minor(request));
}

static const struct {
    const char *request, *seen;
} lines[] = {
    {"GET / HTTP/1.1\r\nHost: a:80\r\n", "GET|/|/|-|a:80|1"},
    {"GET /a%20b?c=d&e HTTP/1.1\r\nHost: a\r\n",
     "GET|/a%20b?c=d&e|/a%20b|c=d&e|a|1"},
    {"GET /? HTTP/1.1\r\nHost: a\r\n", "GET|/?|/||a|1"},
    {"GET /x HTTP/1.0\r\n", "GET|/x|/x|-||0"},
    {"GET http://b HTTP/1.1\r\nHost: a\r\n", "GET|http://b|/|-|b|1"},
    {"GET http://b?q HTTP/1.1\r\nHost: a\r\n", "GET|http://b?q|/|q|b|1"},
    {"GET http://b:8/p?q HTTP/1.1\r\nHost: a\r\n",
     "GET|http://b:8/p?q|/p|q|b:8|1"},
    {"DELETE /x HTTP/1.1\r\nHost: [::1]:8\r\n", "DELETE|/x|/x|-|[::1]:8|1"},
};

START_TEST(the_request_line_is_taken_apart)
{
    char request[200];

    serve_start(view, NULL);
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        snprintf(request, sizeof request, "%s" CLOSE "\r\n",
                 lines[i].request);
        ck_assert_str_eq(ask(line, request), lines[i].seen);
    }
    serve_stop();
}
END_TEST

static int fields(struct http_request *request, struct http_response *response)
{
    const char *text, *name;

    ck_assert_str_eq(http_request_header(request, "x-A"), "1  2");
    ck_assert_str_eq(http_request_header(request, "Empty"), "");
    ck_assert_ptr_null(http_request_header(request, "X"));
    ck_assert(http_request_header_has(request, "List", "b"));
    ck_assert(http_request_header_has(request, "list", "LAST"));
    ck_assert(http_request_header_has(request, "list", "q"));
    ck_assert(!http_request_header_has(request, "list", "a"));
    ck_assert(!http_request_header_has(request, "list", ""));
    ck_assert(!http_request_header_has(request, "none", "a"));
    ck_assert_uint_eq(http_request_headers(request), 6);
    name = http_request_header_at(request, 1, &text);
    ck_assert_str_eq(name, "X-A");
    ck_assert_str_eq(text, "1  2");
    ck_assert_ptr_null(http_request_header_at(request, 6, &text));
    return http_response_text(response, "seen");
}

START_TEST(fields_are_found_whatever_their_case)
{
    serve_start(view, NULL);
    ck_assert_str_eq(
        ask(fields, "GET / HTTP/1.1\r\nHost: a\r\n"
                    "X-A: \t1  2 \r\nEmpty:\r\n"
                    "List: ab, b ,q;x=1\r\nlist: last\r\n" CLOSE "\r\n"),
        "seen");
    serve_stop();
}
END_TEST

static int client(struct http_request *request, struct http_response *response)
{
    char text[64];

    hub_address_format(http_request_peer(request), text, sizeof text);
    return http_response_printf(response, "%s %s %s", text,
                                http_request_scheme(request),
                                http_request_host(request));
}

static int proxied(struct http_request *request, void *data)
{
    struct hub_address peer;

    ck_assert_ptr_eq(data, &kept);
    hub_address_parse("10.1.2.3:4", &peer);
    ck_assert_int_eq(http__request_set_client(request, &peer, "https", "name"),
                     0);
    return strcmp(http_request_path(request), "/no") == 0 ? 403 : 0;
}

START_TEST(what_a_proxy_says_of_the_client_counts)
{
    const struct http_server_options options = {.received = proxied,
                                                .received_data = &kept};

    serve_start(view, &options);
    ck_assert_str_eq(
        ask(client, "GET / HTTP/1.1\r\nHost: a\r\n" CLOSE "\r\n"),
        "10.1.2.3:4 https name");
    ck_assert_int_eq(serve_status(serve_exchange(
                         "GET /no HTTP/1.1\r\nHost: a\r\n" CLOSE "\r\n")),
                     403);
    serve_stop();
}
END_TEST

static void note(void *data)
{
    strcat(serve_reported, data);
}

static int allocates(struct http_request *request,
                     struct http_response *response)
{
    for (size_t size = 1; size < 100000; size = size * 3 / 2 + 1) {
        char *memory = http_request_alloc(request, size);

        ck_assert_ptr_nonnull(memory);
        ck_assert_uint_eq((uintptr_t)memory % _Alignof(max_align_t), 0);
        memset(memory, 'x', size);
    }
    ck_assert_ptr_null(http_request_alloc(request, SIZE_MAX));
    http_request_defer(request, note, "a");
    http_request_defer(request, note, "b");
    return http_response_text(response, "ok");
}

START_TEST(memory_of_a_request_goes_with_it)
{
    serve_start(view, NULL);
    ck_assert_str_eq(
        ask(allocates, "GET / HTTP/1.1\r\nHost: a\r\n" CLOSE "\r\n"), "ok");
    ck_assert_str_eq(serve_reported, "ba");
    serve_stop();
}
END_TEST

static int keeps(struct http_request *request, struct http_response *response)
{
    if (strcmp(http_request_path(request), "/keep") == 0) {
        kept = http_request_ref(request);
        http_request_defer(request, note, "gone");
    }
    return http_response_text(response, http_request_path(request));
}

START_TEST(a_request_can_be_kept_after_its_response)
{
    const char *answers, *data;
    size_t size;
    char text[64];

    serve_start(view, NULL);
    current = keeps;
    answers =
        serve_exchange("POST /1 HTTP/1.1\r\nHost: a\r\n"
                       "Content-Length: 2\r\n\r\nhi"
                       "GET /keep?q HTTP/1.1\r\nHost: b\r\nX: y\r\n\r\n"
                       "GET /2 HTTP/1.1\r\nHost: a\r\n" CLOSE "\r\n");
    ck_assert_uint_eq(serve_count(answers), 3);
    hub_sleep(5 * HUB_MILLISECOND);
    ck_assert_str_eq(http_request_path(kept), "/keep");
    ck_assert_str_eq(http_request_query(kept), "q");
    ck_assert_str_eq(http_request_header(kept, "x"), "y");
    ck_assert_str_eq(http_request_host(kept), "b");
    ck_assert_int_gt(
        hub_address_format(http_request_peer(kept), text, sizeof text), 0);
    ck_assert_int_eq(http_request_body(kept, &data, &size), -ESHUTDOWN);
    ck_assert_str_eq(serve_reported, "");
    http_request_unref(kept);
    ck_assert_str_eq(serve_reported, "gone");
    serve_stop();
}
END_TEST

START_TEST(a_request_that_is_kept_outlives_its_server)
{
    serve_start(view, NULL);
    ck_assert_str_eq(
        ask(keeps, "GET /keep HTTP/1.1\r\nHost: b\r\n" CLOSE "\r\n"),
        "/keep");
    serve_stop();
    ck_assert_str_eq(http_request_path(kept), "/keep");
    http_request_unref(kept);
    http_request_unref(NULL);
}
END_TEST

/* ---- the access log ---- */

static char logged[1024];

static void log_access(const struct http_server_access *entry, void *data)
{
    size_t at = strlen(logged);

    (void)data;
    ck_assert_ptr_nonnull(entry->peer);
    if (entry->verb != NULL)
        snprintf(logged + at, sizeof logged - at, "%s %s %d %d %d %s;",
                 entry->verb, entry->target, entry->minor, entry->status,
                 (int)entry->sent,
                 entry->user_agent != NULL ? entry->user_agent : "-");
    else
        snprintf(logged + at, sizeof logged - at, "(%.*s) %d;",
                 (int)entry->line_length, entry->line, entry->status);
}

START_TEST(an_access_log_hears_of_answers_and_refusals)
{
    const struct http_server_options options = {.access = log_access};

    serve_start(view, &options);
    logged[0] = '\0';
    ask(keeps, "GET /1 HTTP/1.1\r\nHost: a\r\nUser-Agent: me\r\n\r\n"
               "HEAD /2 HTTP/1.1\r\nHost: a\r\n\r\nNO GOOD\r\n\r\n");
    ck_assert_str_eq(logged,
                     "GET /1 1 200 2 me;HEAD /2 1 200 0 -;(NO GOOD) 400;");
    serve_stop();
}
END_TEST

int main(void)
{
    TCase *tcase = unit_case();

    hub_sleep(1); /* makes the hub, and its greenlet */
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, the_request_line_is_taken_apart);
    tcase_add_test(tcase, fields_are_found_whatever_their_case);
    tcase_add_test(tcase, what_a_proxy_says_of_the_client_counts);
    tcase_add_test(tcase, memory_of_a_request_goes_with_it);
    tcase_add_test(tcase, a_request_can_be_kept_after_its_response);
    tcase_add_test(tcase, a_request_that_is_kept_outlives_its_server);
    tcase_add_test(tcase, an_access_log_hears_of_answers_and_refusals);
    return unit_run("request", tcase);
}
