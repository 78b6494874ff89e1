/* The client for tests of applications (V-24); hooks around serving (V-18);
 * streams (V-14, V-33). */
#include "views.h"

static struct http_testclient *client;

static void open_client(void)
{
    ck_assert_int_eq(http_testclient_new(app, &client), 0);
}

static void close_client(void)
{
    http_testclient_free(client);
    client = NULL;
    for (int i = 0; i < 5; i++)
        hub_sleep(0); /* what has ended is let go */
}

static int doubled(void *arg, void **result)
{
    *result = (char *)arg + (intptr_t)arg;
    return hub_sleep(HUB_MILLISECOND);
}

static int view(struct http_request *request, struct http_response *response,
                struct hub_scope *scope)
{
    struct hub_task *task;
    void *result;
    const char *data;
    size_t size;
    int rc = hub_task_create(scope, &task, doubled, (void *)21, NULL);

    if (rc == 0)
        rc = hub_task_await(task, HUB_FOREVER, &result);
    if (rc == 0)
        rc = http_request_body(request, &data, &size);
    if (rc < 0)
        return rc;
    http_response_set_header(response, "X-Sum", "42");
    return http_response_printf(
        response, "%s %d %s %s", http_request_verb(request),
        (int)(intptr_t)result, data,
        http_request_header(request, "A") ? http_request_header(request, "A")
                                          : "-");
}

START_TEST(v24_an_async_view_is_tested_without_a_socket)
    {
        size_t size;

        http_app_route(app, "GET, POST", "/", "index", http_view_async(view));
        open_client();
        ck_assert_str_eq(http_testclient_body(client, NULL), "");
        ck_assert_ptr_null(http_testclient_header(client, "A"));
        ck_assert_int_eq(http_testclient_get(client, "/"), 200);
        ck_assert_str_eq(http_testclient_body(client, &size), "GET 42  -");
        ck_assert_uint_eq(size, 9);
        ck_assert_str_eq(http_testclient_header(client, "x-sum"), "42");
        ck_assert_ptr_null(http_testclient_header(client, "X-Su"));
        ck_assert_int_eq(http_testclient_set_header(client, "A", "b"), 0);
        ck_assert_int_eq(http_testclient_set_header(client, "a", "c"), 0);
        ck_assert_int_eq(
            http_testclient_post(client, "/", "text/plain", "text"), 200);
        ck_assert_str_eq(http_testclient_body(client, NULL), "POST 42 text c");
        ck_assert_int_eq(http_testclient_set_header(client, "A", NULL), 0);
        ck_assert_int_eq(
            http_testclient_request(client, "HEAD", "/", NULL, NULL, 0), 200);
        ck_assert_str_eq(http_testclient_body(client, NULL), "");
        ck_assert_str_eq(http_testclient_header(client, "Content-Length"),
                         "10");
        ck_assert_int_eq(http_testclient_get(client, "/nowhere"), 404);
        close_client();
    }
END_TEST

START_TEST(v24_what_is_no_request_is_refused)
    {
        open_client();
        ck_assert_int_eq(http_testclient_get(client, "x"), -EINVAL);
        ck_assert_int_eq(http_testclient_get(client, "/a b"), -EINVAL);
        ck_assert_int_eq(http_testclient_get(client, "/\r\n"), -EINVAL);
        ck_assert_int_eq(
            http_testclient_request(client, "A B", "/", NULL, NULL, 0),
            -EINVAL);
        ck_assert_int_eq(http_testclient_post(client, "/", "a\r\nb", ""),
                         -EINVAL);
        ck_assert_int_eq(http_testclient_set_header(client, "Host", "x"),
                         -EINVAL);
        ck_assert_int_eq(http_testclient_set_header(client, "A b", "x"),
                         -EINVAL);
        ck_assert_int_eq(http_testclient_set_header(client, "A", "\n"),
                         -EINVAL);
        ck_assert_int_eq(http_testclient_set_cookie(client, "a", "b;c"),
                         -EINVAL);
        close_client();
    }
END_TEST

static int cookie(struct http_request *request, struct http_response *response)
{
    const char *value = http_request_cookie(request, "a");
    const struct http_response_cookie gone = {.max_age = -1};

    if (http_request_arg(request, "set") != NULL)
        http_response_set_cookie(response, "a",
                                 http_request_arg(request, "set"), NULL);
    if (http_request_arg(request, "delete") != NULL)
        http_response_set_cookie(response, "a", "", &gone);
    return http_response_text(response, value != NULL ? value : "-");
}

START_TEST(v24_cookies_are_kept)
    {
        http_app_route(app, NULL, "/", "index", http_view_sync(cookie));
        open_client();
        http_testclient_get(client, "/?set=1");
        ck_assert_str_eq(http_testclient_body(client, NULL), "-");
        ck_assert_str_eq(http_testclient_cookie(client, "a"), "1");
        http_testclient_set_cookie(client, "b", "2");
        http_testclient_get(client, "/?delete=1");
        ck_assert_str_eq(http_testclient_body(client, NULL), "1");
        ck_assert_ptr_null(http_testclient_cookie(client, "a"));
        ck_assert_str_eq(http_testclient_cookie(client, "b"), "2");
        close_client();
    }
END_TEST

static int produce(struct http_stream *stream, void *data)
{
    int rc = 0;

    for (int i = 0; i < 3 && rc == 0; i++)
        rc = http_stream_event(stream, "tick", "%d", i);
    return data != NULL ? -EIO : rc;
}

static int streams(struct http_request *request, struct http_response *response)
{
    return http_response_stream(response, "text/event-stream", produce,
                                http_request_query(request) != NULL ? response
                                                                    : NULL);
}

START_TEST(v14_a_stream_is_read_to_its_end)
    {
        http_app_route(app, NULL, "/", "index", http_view_sync(streams));
        open_client();
        ck_assert_int_eq(http_testclient_get(client, "/"), 200);
        ck_assert_str_eq(http_testclient_body(client, NULL),
                         "event: tick\ndata: 0\n\nevent: tick\ndata: 1\n\n"
                         "event: tick\ndata: 2\n\n");
        ck_assert_int_eq(http_testclient_get(client, "/?cut"), -EPROTO);
        close_client();
    }
END_TEST

static int endless(struct http_stream *stream, void *data)
{
    int rc = 0;

    (void)data;
    greenlet_defer(free, malloc(1)); /* a leak, if it is not run */
    while (rc == 0)
        rc = http_stream_event(stream, NULL, "%d", 1);
    note("ended %d ", rc == -EPIPE || rc == -ECANCELED);
    return rc;
}

static int floods(struct http_request *request, struct http_response *response)
{
    (void)request;
    return http_response_stream(response, "text/event-stream", endless, NULL);
}

static int gone(struct http_request *request, struct http_response *response)
{
    (void)response;
    note("teardown %d ", http_request_current() == request);
    return 0;
}

START_TEST(v14_a_client_that_goes_away_ends_the_producer)
    {
        int fd;

        http_app_route(app, NULL, "/", "index", http_view_sync(floods));
        http_app_teardown_request(app, http_view_sync(gone));
        views_serve();
        notes[0] = '\0';
        fd = serve_connect();
        serve_send(fd, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        serve_read_until(fd, "data: 1");
        hub_close(fd);
        for (int i = 0; i < 5000 && strstr(notes, "teardown") == NULL; i++)
            hub_sleep(HUB_MILLISECOND);
        ck_assert_str_eq(notes, "ended 1 teardown 1 ");
    }
END_TEST

static int counts(struct http_request *request, struct http_response *response)
{
    char piece[10];
    size_t total = 0, pieces = 0;
    ssize_t got;

    while ((got = http_request_read(request, piece, sizeof piece)) > 0)
        total += (size_t)got, pieces++;
    if (got < 0)
        return (int)got;
    return http_response_printf(response, "%zu %d", total, pieces > 1);
}

START_TEST(v33_the_body_is_read_piece_by_piece)
    {
        http_app_route(app, "POST", "/", "index", http_view_sync(counts));
        open_client();
        ck_assert_int_eq(http_testclient_post(client, "/", "text/plain",
                                              "0123456789012345678901234"),
                         200);
        ck_assert_str_eq(http_testclient_body(client, NULL), "25 1");
        close_client();
    }
END_TEST

/* ---- several at once ---- */

static struct hub_event told;

static int waits(struct http_request *request, struct http_response *response)
{
    int rc = hub_event_wait(&told, HUB_FOREVER);

    (void)request;
    for (int i = 0; i < 2000 && rc == 0; i++) /* more than is read at once */
        rc = http_response_printf(response, "waited %4d\n", i);
    return rc;
}

static int tells(struct http_request *request, struct http_response *response)
{
    hub_event_set(&told);
    return http_response_text(response, http_request_path(request));
}

static void ask_for_what_waits(void *arg)
{
    size_t size;

    ck_assert_int_eq(http_testclient_get(client, "/waits"), 200);
    ck_assert_ptr_nonnull(strstr(http_testclient_body(client, &size), "1999"));
    ck_assert_uint_eq(size, 2000 * strlen("waited 1999\n"));
    ++*(int *)arg;
}

START_TEST(v24_greenlets_ask_by_one_client_at_once)
    {
        struct greenlet *asking[3];
        int done = 0;

        hub_event_init(&told);
        http_app_route(app, NULL, "/waits", "waits", http_view_sync(waits));
        http_app_route(app, NULL, "/tells", "tells", http_view_sync(tells));
        open_client();
        for (size_t i = 0; i < 3; i++)
            asking[i] = hub_spawn_raw(ask_for_what_waits, &done);
        hub_sleep(HUB_MILLISECOND);
        ck_assert_int_eq(http_testclient_get(client, "/tells"), 200);
        ck_assert_str_eq(http_testclient_body(client, NULL), "/tells");
        for (size_t i = 0; i < 3; i++) {
            hub_join(asking[i], HUB_FOREVER);
            greenlet_unref(asking[i]);
        }
        ck_assert_int_eq(done, 3);
        close_client();
        hub_event_destroy(&told);
    }
END_TEST

/* ---- around serving ---- */

static int shared, refusal;

static int opens(struct http_request *request, struct http_response *response)
{
    (void)response;
    ck_assert_ptr_eq(http_request_app(request), app);
    ck_assert_ptr_eq(http_request_current(), request);
    ck_assert_ptr_null(http_request_endpoint(request));
    shared++;
    return 0;
}

static int opens_async(struct http_request *request,
                       struct http_response *response, struct hub_scope *scope)
{
    struct hub_task *task;
    int rc = hub_task_create(scope, &task, doubled, (void *)1, NULL);

    if (rc == 0)
        rc = hub_task_await(task, HUB_FOREVER, NULL);
    return rc == 0 ? opens(request, response) : rc;
}

static int closes(struct http_request *request, struct http_response *response)
{
    (void)request;
    (void)response;
    shared -= 2;
    return 0;
}

static int refuses(struct http_request *request, struct http_response *response)
{
    (void)request;
    (void)response;
    return refusal;
}

static int reads(struct http_request *request, struct http_response *response)
{
    (void)request;
    return http_response_printf(response, "%d", shared);
}

START_TEST(v18_functions_around_serving_open_and_close_what_is_shared)
    {
        shared = 0;
        http_app_before_serving(app, http_view_sync(opens));
        http_app_before_serving(app, http_view_async(opens_async));
        http_app_after_serving(app, http_view_sync(closes));
        http_app_teardown_request(app,
                                  http_view_sync(closes)); /* of requests */
        http_app_route(app, NULL, "/", "index", http_view_sync(reads));
        open_client();
        ck_assert_int_eq(http_testclient_get(client, "/"), 200);
        ck_assert_str_eq(http_testclient_body(client, NULL), "2");
        ck_assert_int_eq(shared, 0); /* teardown */
        close_client();
        ck_assert_int_eq(shared, -2);
    }
END_TEST

START_TEST(v18_one_that_fails_before_serving_ends_it)
    {
        http_app_before_serving(app, http_view_sync(refuses));
        http_app_before_serving(app, http_view_sync(opens));
        shared = 0;
        refusal = -ECONNREFUSED;
        ck_assert_int_eq(http_testclient_new(app, &client), -ECONNREFUSED);
        refusal = 503;
        ck_assert_int_eq(http_testclient_new(app, &client), -ECANCELED);
        ck_assert_int_eq(shared, 0);
        http_app_route(app, NULL, "nothing", "x", http_view_sync(reads));
        ck_assert_int_eq(http_testclient_new(app, &client), -EINVAL);
    }
END_TEST

int main(void)
{
    TCase *tcase = views_case();

    tcase_add_test(tcase, v24_an_async_view_is_tested_without_a_socket);
    tcase_add_test(tcase, v24_what_is_no_request_is_refused);
    tcase_add_test(tcase, v24_cookies_are_kept);
    tcase_add_test(tcase, v24_greenlets_ask_by_one_client_at_once);
    tcase_add_test(tcase, v14_a_stream_is_read_to_its_end);
    tcase_add_test(tcase, v14_a_client_that_goes_away_ends_the_producer);
    tcase_add_test(tcase, v33_the_body_is_read_piece_by_piece);
    tcase_add_test(tcase,
                   v18_functions_around_serving_open_and_close_what_is_shared);
    tcase_add_test(tcase, v18_one_that_fails_before_serving_ends_it);
    return unit_run("testclient", tcase);
}
