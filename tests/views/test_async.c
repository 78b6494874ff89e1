/* Sync and async views, adapters, the gate, time limits (V-01 ... V-15). */
#include "views.h"

#include <pthread.h>
#include <stdlib.h>

static pthread_t main_thread;

/* ---- V-01 ---- */

static int twice(void *arg, void **result)
{
    hub_sleep(5 * HUB_MILLISECOND);
    *result = (char *)arg + (intptr_t)arg;
    return 0;
}

static int sums(struct http_request *request, struct http_response *response,
                struct hub_scope *scope)
{
    struct hub_task *tasks[3];
    void *results[3];
    int rc = 0;

    (void)request;
    for (int i = 0; i < 3 && rc == 0; i++)
        rc = hub_task_create(scope, &tasks[i], twice, (void *)(intptr_t)(i + 1),
                             NULL);
    if (rc == 0)
        rc = hub_task_gather(tasks, 3, hub_deadline(5 * HUB_SECOND), results);
    if (rc < 0)
        return rc;
    return http_response_printf(response, "%d%d%d", (int)(intptr_t)results[0],
                                (int)(intptr_t)results[1],
                                (int)(intptr_t)results[2]);
}

START_TEST(v01_an_async_view_has_a_scope_and_its_result_is_the_response)
    {
        http_app_route(app, NULL, "/", "index", http_view_async(sums));
        views_serve();
        ck_answer(ask("/"), 200, "246");
    }
END_TEST

/* ---- V-03, V-06 ---- */

static unsigned inside, most, expected;

/* Waits for all the others. */
static int waits(struct http_request *request, struct http_response *response)
{
    if (++inside > most)
        most = inside;
    for (int i = 0; i < 20000 && most < expected; i++)
        hub_sleep(HUB_MILLISECOND);
    inside--;
    ck_assert(pthread_equal(pthread_self(), main_thread));
    return http_response_printf(response, "%s", http_request_endpoint(request));
}

static int waits_async(struct http_request *request,
                       struct http_response *response, struct hub_scope *scope)
{
    (void)scope;
    return waits(request, response);
}

enum { CLIENTS = 50, MANY = 400 };

static void ask_at_once(int count)
{
    static int fds[MANY];

    most = 0;
    expected = (unsigned)count;
    for (int i = 0; i < count; i++) {
        fds[i] = serve_connect();
        serve_send(fds[i], i % 2 ? "GET /s HTTP/1.1\r\nHost: a\r\n"
                                   "Connection: close\r\n\r\n"
                                 : "GET /a HTTP/1.1\r\nHost: a\r\n"
                                   "Connection: close\r\n\r\n");
    }
    for (int i = 0; i < count; i++) {
        const char *answer = serve_read_all(fds[i], 40 * HUB_SECOND);

        ck_assert_str_eq(serve_body(answer), i % 2 ? "sync" : "async");
        hub_close(fds[i]);
    }
}

START_TEST(v03_sync_and_async_views_are_served_at_the_same_time)
    {
        http_app_route(app, NULL, "/s", "sync", http_view_sync(waits));
        http_app_route(app, NULL, "/a", "async", http_view_async(waits_async));
        views_serve();
        ask_at_once(CLIENTS);
        ck_assert_uint_eq(most, CLIENTS);
    }
END_TEST

static unsigned threads(void)
{
    char line[128];
    unsigned count = 0;
    FILE *status = fopen("/proc/self/status", "r");

    while (status != NULL && fgets(line, sizeof line, status) != NULL)
        sscanf(line, "Threads: %u", &count);
    if (status != NULL)
        fclose(status);
    return count;
}

START_TEST(v06_hundreds_of_requests_wait_at_a_time_on_one_thread)
    {
        unsigned before = threads();

        http_app_route(app, NULL, "/s", "sync", http_view_sync(waits));
        http_app_route(app, NULL, "/a", "async", http_view_async(waits_async));
        views_serve();
        ask_at_once(MANY);
        ck_assert_uint_eq(most, MANY);
        ck_assert_uint_eq(threads(), before);
    }
END_TEST

/* ---- V-05 ---- */

START_TEST(v05_the_gate_fails_closed)
    {
        const char *why;

        if (getenv("VIREO_TEST_BREAK") == NULL) {
            ck_assert_int_eq(
                http_app_route(app, NULL, "/", "index", http_view_async(sums)),
                0);
            return;
        }
        ck_assert_int_eq(
            http_app_route(app, NULL, "/s", "sync", http_view_sync(waits)), 0);
        ck_assert_int_eq(
            http_app_route(app, NULL, "/", "index", http_view_async(sums)),
            -ENOTSUP);
        http_app_error(app, &why);
        ck_assert_msg(strstr(why, getenv("VIREO_TEST_BREAK")) != NULL, "%s",
                      why);
        ck_assert_msg(strstr(why, "vireo gate") != NULL, "%s", why);
    }
END_TEST

/* ---- V-09 ---- */

static int lingers(void *arg, void **result)
{
    int rc = hub_sleep(HUB_FOREVER);

    (void)arg;
    (void)result;
    note("ended %d ", rc == -ECANCELED);
    return rc;
}

static int outlives(void *arg, void **result)
{
    int rc = hub_sleep(20 * HUB_MILLISECOND);

    (void)result;
    note("outlived %d %s ", rc == 0,
         http_request_current() != NULL ? "seen" : "unseen");
    (void)arg;
    return 0;
}

static int leaves(struct http_request *request, struct http_response *response,
                  struct hub_scope *scope)
{
    struct greenlet *g;

    (void)request;
    hub_task_create(scope, NULL, lingers, NULL, NULL);
    g = hub_spawn(outlives, NULL);
    greenlet_unref(g);
    hub_yield();
    note("view ");
    return http_response_text(response, "text");
}

static int after(struct http_request *request, struct http_response *response)
{
    (void)request;
    (void)response;
    note("after ");
    return 0;
}

START_TEST(v09_tasks_end_before_the_response_and_what_is_spawned_goes_on)
    {
        http_app_route(app, NULL, "/", "index", http_view_async(leaves));
        http_app_after_request(app, http_view_sync(after));
        views_serve();
        notes[0] = '\0';
        ck_answer(ask("/"), 200, "text");
        for (int i = 0; i < 1000 && strstr(notes, "outlived") == NULL; i++)
            hub_sleep(HUB_MILLISECOND);
        ck_assert_str_eq(notes, "view ended 1 after outlived 1 unseen ");
    }
END_TEST

/* ---- V-11, V-12 ---- */

static int plain(struct http_request *request, struct http_response *response)
{
    (void)request;
    return http_response_text(response, "plain");
}

START_TEST(v11_ensure_sync_returns_a_sync_view_as_it_is)
    {
        struct http_view view = http_view_sync(plain), made;

        made = http_app_ensure_sync(app, view);
        ck_assert_mem_eq(&made, &view, sizeof view);
        view = http_view_async(sums);
        made = http_app_ensure_sync(app, view);
        ck_assert_ptr_ne((void *)(uintptr_t)made.call,
                         (void *)(uintptr_t)view.call);
        view = http_app_ensure_sync(app, made); /* it is sync now */
        ck_assert_mem_eq(&made, &view, sizeof view);
    }
END_TEST

static int login_required(struct http_request *request,
                          struct http_response *response,
                          const struct http_view *inner, void *data)
{
    if (http_request_header(request, data) == NULL)
        return 401;
    return http_view_call(inner, request, response);
}

static int aborts(struct http_request *request, struct http_response *response)
{
    (void)response;
    http_request_abort(request, 409);
}

static int mends(struct http_request *request, struct http_response *response,
                 const struct http_view *inner, void *data)
{
    int rc = http_view_call(inner, request, response);

    (void)data;
    return rc == 409 ? http_response_text(response, "mended") : rc;
}

START_TEST(v12_one_wrapper_serves_sync_and_async_views)
    {
        struct http_view sync, async, mended;

        sync = http_view_wrap(app, http_view_sync(plain), login_required, "A");
        async = http_view_wrap(app, http_view_async(sums), login_required, "A");
        mended = http_view_wrap(app, http_view_sync(aborts), mends, NULL);
        http_app_route(app, NULL, "/s", "s", sync);
        http_app_route(app, NULL, "/a", "a", async);
        http_app_route(app, NULL, "/m", "m", mended);
        views_serve();
        ck_answer(ask("/s"), 401, "401 Unauthorized\n");
        ck_answer(ask("/a"), 401, "401 Unauthorized\n");
        ck_answer(ask_with("GET", "/s", "A: b\r\n", NULL), 200, "plain");
        ck_answer(ask_with("GET", "/a", "A: b\r\n", NULL), 200, "246");
        ck_answer(ask("/m"), 200, "mended");
    }
END_TEST

START_TEST(v12_wrapping_nothing_is_refused)
    {
        http_view_wrap(app, http_view_sync(plain), NULL, NULL);
        ck_assert_int_eq(http_app_error(app, NULL), -EINVAL);
    }
END_TEST

/* ---- V-13 ---- */

static int in_thread(struct http_request *request,
                     struct http_response *response, struct hub_scope *scope)
{
    const char *data;
    size_t size;

    ck_assert(!pthread_equal(pthread_self(), main_thread));
    ck_assert_ptr_eq(http_request_current(), request);
    ck_assert_int_eq(http_request_body(request, &data, &size), 0);
    ck_assert_str_eq(data, "body");
    if (http_request_arg(request, "abort") != NULL)
        http_request_abort(request, 403);
    return sums(request, response, scope);
}

START_TEST(v13_async_views_in_threads_of_their_own)
    {
        http_app_route(app, "POST", "/", "index", http_view_async(in_thread));
        http_app_set_adapter(app, http_app_adapt_in_thread);
        views_serve();
        ck_answer(ask_with("POST", "/", "", "body"), 200, "246");
        ck_answer(ask_with("POST", "/?abort=1", "", "body"), 403,
                  "403 Forbidden\n");
    }
END_TEST

static int own_adapter(struct http_app *which, const struct http_view *view,
                       struct http_request *request,
                       struct http_response *response)
{
    int rc;

    ck_assert_ptr_eq(which, app);
    note("adapted ");
    rc = http_app_adapt_on_hub(which, view, request, response);
    return rc;
}

START_TEST(v13_the_adapter_is_a_function_of_the_application)
    {
        http_app_route(app, NULL, "/a", "a", http_view_async(sums));
        http_app_route(app, NULL, "/s", "s", http_view_sync(plain));
        http_app_set_adapter(app, own_adapter);
        views_serve();
        notes[0] = '\0';
        ck_answer(ask("/s"), 200, "plain");
        ck_assert_str_eq(notes, "");
        ck_answer(ask("/a"), 200, "246");
        ck_assert_str_eq(notes, "adapted ");
    }
END_TEST

/* ---- V-15 ---- */

static int sleeps(struct http_request *request, struct http_response *response)
{
    int rc = hub_sleep(20 * HUB_SECOND);

    (void)request;
    note("%d%d ", rc == -ETIMEDOUT, hub_sleep(HUB_SECOND) == -ETIMEDOUT);
    return http_response_text(response, "late");
}

static int sleeps_async(struct http_request *request,
                        struct http_response *response, struct hub_scope *scope)
{
    hub_task_create(scope, NULL, lingers, NULL, NULL);
    return sleeps(request, response);
}

static void route_timed(const char *rule, struct http_view view, int64_t ns)
{
    const struct http_app_route route = {
        .rule = rule, .endpoint = rule + 1, .view = view, .timeout_ns = ns};

    http_app_route_with(app, &route);
}

START_TEST(v15_a_view_that_is_too_late_is_answered_by_504)
    {
        route_timed("/s", http_view_sync(sleeps), 0);
        route_timed("/a", http_view_async(sleeps_async), 5 * HUB_MILLISECOND);
        route_timed("/p", http_view_sync(plain), -1);
        http_app_set_timeout(app, 10 * HUB_MILLISECOND);
        views_serve();
        notes[0] = '\0';
        ck_answer(ask("/s"), 504, "504 Gateway Timeout\n");
        ck_assert_str_eq(notes, "11 ");
        notes[0] = '\0';
        ck_answer(ask("/a"), 504, "504 Gateway Timeout\n");
        ck_assert_str_eq(notes, "11 ended 1 ");
        ck_answer(ask("/p"), 200, "plain");
    }
END_TEST

static int stubborn(struct http_request *request,
                    struct http_response *response)
{
    struct hub_shield shield;

    (void)request;
    hub_shield_begin(&shield);
    hub_sleep(1500 * HUB_MILLISECOND);
    hub_shield_end(&shield);
    note("returned ");
    return http_response_text(response, "much too late");
}

START_TEST(v15_for_a_view_that_does_not_end_another_greenlet_answers)
    {
        const char *answer;

        route_timed("/", http_view_sync(stubborn), 5 * HUB_MILLISECOND);
        views_serve();
        notes[0] = '\0';
        int fd = serve_connect();
        serve_send(fd, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        answer = serve_read_until(fd, "Timeout\n");
        ck_assert_str_eq(notes, ""); /* it has not */
        ck_answer(answer, 504, "504 Gateway Timeout\n");
        ck_assert(has_field(answer, "Connection: close"));
        ck_assert_ptr_nonnull(strstr(serve_reported, "has not ended"));
        answer = serve_read_all(fd, 5 * HUB_SECOND);
        ck_assert_str_eq(answer, "");
        ck_assert_str_eq(notes, "returned ");
        hub_close(fd);
    }
END_TEST

/* ---- a client that goes away ---- */

static bool began;
static int64_t how_long;

static int long_one(struct http_request *request,
                    struct http_response *response)
{
    int rc;

    began = true;
    rc = hub_sleep(how_long);
    (void)request;
    (void)response;
    note("view %d ", rc == -ECANCELED);
    return rc;
}

static int long_async(struct http_request *request,
                      struct http_response *response, struct hub_scope *scope)
{
    hub_task_create(scope, NULL, lingers, NULL, NULL);
    return long_one(request, response);
}

static int torn(struct http_request *request, struct http_response *response)
{
    (void)response;
    note("teardown %d ", http_request_error(request));
    return 0;
}

static void leave_early(const char *path, int64_t view_ns)
{
    char text[128];
    int fd = serve_connect();

    notes[0] = '\0';
    began = false;
    how_long = view_ns;
    snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", path);
    serve_send(fd, text);
    for (int i = 0; i < 20000 && !began; i++)
        hub_sleep(HUB_MILLISECOND);
    hub_close(fd);
    for (int i = 0; i < 20000 && strstr(notes, "teardown") == NULL; i++)
        hub_sleep(HUB_MILLISECOND);
}

START_TEST(v15_a_client_that_goes_away_cancels_async_views)
    {
        http_app_route(app, NULL, "/s", "s", http_view_sync(long_one));
        http_app_route(app, NULL, "/a", "a", http_view_async(long_async));
        http_app_teardown_request(app, http_view_sync(torn));
        views_serve();
        leave_early("/a", 60 * HUB_SECOND);
        ck_assert_str_eq(notes, "view 1 ended 1 teardown 499 ");
        leave_early("/s", 300 * HUB_MILLISECOND); /* as in WSGI: nobody tells it */
        ck_assert_str_eq(notes, "view 0 teardown 0 ");
        ck_assert_uint_eq(serve_reports, 0);
        http_app_set_cancel(app, true, false);
        leave_early("/s", 60 * HUB_SECOND);
        ck_assert_str_eq(notes, "view 1 teardown 499 ");
        leave_early("/a", 300 * HUB_MILLISECOND);
        ck_assert_str_eq(notes, "view 0 ended 1 teardown 0 ");
    }
END_TEST

static int produce(struct http_stream *stream, void *data)
{
    (void)data;
    hub_sleep(HUB_SECOND);
    return http_stream_printf(
        stream, "%s", http_request_current() != NULL ? "current" : "none");
}

static int streams(struct http_request *request, struct http_response *response,
                   struct hub_scope *scope)
{
    (void)request;
    hub_task_create(scope, NULL, lingers, NULL, NULL);
    hub_yield();
    return http_response_stream(response, "text/plain", produce, NULL);
}

static int teardown(struct http_request *request,
                    struct http_response *response)
{
    (void)request;
    (void)response;
    note("teardown ");
    return 0;
}

START_TEST(v22_scope_and_request_live_as_long_as_a_stream)
    {
        route_timed("/", http_view_async(streams), HUB_SECOND / 2);
        http_app_after_request(app, http_view_sync(after));
        http_app_teardown_request(app, http_view_sync(teardown));
        views_serve();
        notes[0] = '\0';
        ck_assert_ptr_nonnull(strstr(ask("/"), "\r\ncurrent\r\n"));
        for (int i = 0; i < 1000 && strstr(notes, "ended") == NULL; i++)
            hub_sleep(HUB_MILLISECOND);
        ck_assert_str_eq(notes, "after teardown ended 1 ");
    }
END_TEST

int main(void)
{
    TCase *tcase = views_case();

    main_thread = pthread_self();
    if (getenv("VIREO_TEST_BREAK") != NULL) {
        tcase_add_test(tcase, v05_the_gate_fails_closed);
        return unit_run("async", tcase);
    }
    tcase_add_test(
        tcase, v01_an_async_view_has_a_scope_and_its_result_is_the_response);
    tcase_add_test(tcase, v03_sync_and_async_views_are_served_at_the_same_time);
    tcase_add_test(tcase,
                   v06_hundreds_of_requests_wait_at_a_time_on_one_thread);
    tcase_add_test(tcase, v05_the_gate_fails_closed);
    tcase_add_test(
        tcase, v09_tasks_end_before_the_response_and_what_is_spawned_goes_on);
    tcase_add_test(tcase, v11_ensure_sync_returns_a_sync_view_as_it_is);
    tcase_add_test(tcase, v12_one_wrapper_serves_sync_and_async_views);
    tcase_add_test(tcase, v12_wrapping_nothing_is_refused);
    tcase_add_test(tcase, v13_async_views_in_threads_of_their_own);
    tcase_add_test(tcase, v13_the_adapter_is_a_function_of_the_application);
    tcase_add_test(tcase, v15_a_view_that_is_too_late_is_answered_by_504);
    tcase_add_test(tcase,
                   v15_for_a_view_that_does_not_end_another_greenlet_answers);
    tcase_add_test(tcase, v15_a_client_that_goes_away_cancels_async_views);
    tcase_add_test(tcase, v22_scope_and_request_live_as_long_as_a_stream);
    return unit_run("async", tcase);
}
