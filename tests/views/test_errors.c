/* What views return, http_request_abort(), error handlers, hooks (V-16, V-17).
 */
#include "views.h"

#include "context/switch.h"

#include <search.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- what a view returns ---- */

static int returned;
static const char *filled;

static int returns(struct http_request *request, struct http_response *response)
{
    (void)request;
    if (filled != NULL)
        http_response_text(response, filled);
    return returned;
}

static int tells(struct http_request *request, struct http_response *response)
{
    return http_response_printf(response, "handled %d",
                                http_request_error(request));
}

static const char *asked(int value, const char *text)
{
    returned = value;
    filled = text;
    return ask("/");
}

static void route(http_view_function *function)
{
    http_app_route(app, NULL, "/", "index", http_view_sync(function));
}

START_TEST(v16_what_a_view_returns_becomes_a_status)
    {
        route(returns);
        views_serve();
        ck_answer(asked(0, "text"), 200, "text");
        ck_answer(asked(0, NULL), 200, "");
        ck_answer(asked(201, "text"), 201, "text");
        ck_answer(asked(404, NULL), 404, "404 Not Found\n");
        ck_answer(asked(404, "text"), 404, "text");
        ck_assert_uint_eq(serve_reports, 0);
        ck_answer(asked(-EIO, "text"), 500, "500 Internal Server Error\n");
        ck_assert_str_eq(serve_reported, "GET /: the view of index failed: "
                                         "Input/output error (-5)");
        ck_answer(asked(600, NULL), 500, "500 Internal Server Error\n");
        ck_answer(asked(99, NULL), 500, "500 Internal Server Error\n");
        ck_answer(asked(101, NULL), 500, "500 Internal Server Error\n");
        ck_answer(asked(-100000, NULL), 500, "500 Internal Server Error\n");
    }
END_TEST

START_TEST(v16_handlers_answer_a_status_an_errno_and_any_error)
    {
        route(returns);
        http_app_error_handler(app, 404, http_view_sync(tells));
        http_app_error_handler(app, -ETIMEDOUT, http_view_sync(tells));
        http_app_error_handler(app, 500, http_view_sync(tells));
        views_serve();
        ck_answer(asked(404, NULL), 404, "handled 404");
        ck_answer(asked(404, "own"), 404, "own");
        ck_answer(asked(403, NULL), 403, "403 Forbidden\n");
        ck_answer(asked(-ETIMEDOUT, "lost"), 500, "handled -110");
        ck_answer(asked(-EIO, NULL), 500, "handled -5"); /* that of 500 */
        ck_answer(ask("/nowhere"), 404, "handled 404");
        serve_stop();
        http_app_error_handler(app, HTTP_APP_ANY_ERROR, http_view_sync(tells));
        views_serve();
        ck_answer(asked(403, NULL), 403, "handled 403");
        ck_answer(asked(-EPERM, NULL), 500, "handled -1");
        ck_assert_uint_eq(serve_reports, 0);
    }
END_TEST

static int teapot(struct http_request *request, struct http_response *response)
{
    (void)request;
    http_response_text(response, "tea");
    return 418;
}

static int broken(struct http_request *request, struct http_response *response)
{
    (void)request;
    http_response_text(response, "half");
    return -EFAULT;
}

static int aborts(struct http_request *request, struct http_response *response)
{
    http_response_text(response, "half");
    http_request_abort(request, 409);
}

START_TEST(v16_an_error_handler_may_fail_too)
    {
        route(returns);
        http_app_error_handler(app, 404, http_view_sync(teapot));
        http_app_error_handler(app, 403, http_view_sync(broken));
        http_app_error_handler(app, 401, http_view_sync(aborts));
        http_app_error_handler(app, -EIO, http_view_sync(broken));
        views_serve();
        ck_answer(asked(404, NULL), 418, "tea");
        ck_answer(asked(403, NULL), 500, "500 Internal Server Error\n");
        ck_assert_ptr_nonnull(strstr(serve_reported, "the error handler"));
        ck_answer(asked(401, NULL), 409, "409 Conflict\n");
        ck_answer(asked(-EIO, NULL), 500, "500 Internal Server Error\n");
    }
END_TEST

START_TEST(v16_a_handler_that_is_none_is_refused)
    {
        ck_assert_int_eq(
            http_app_error_handler(app, 200, http_view_sync(tells)), -EINVAL);
        http_app_free(app);
        views_begin();
        http_app_error_handler(app, 404, http_view_sync(tells));
        ck_assert_int_eq(
            http_app_error_handler(app, 404, http_view_sync(tells)), -EEXIST);
    }
END_TEST

static int unauthorized(struct http_request *request,
                        struct http_response *response)
{
    (void)request;
    http_response_set_header(response, "WWW-Authenticate", "Basic");
    http_response_set_header(response, "ETag", "\"x\"");
    return 401;
}

START_TEST(v16_fields_beside_a_status_stay_but_not_those_of_a_body)
    {
        const char *answer;

        route(unauthorized);
        views_serve();
        answer = ask("/");
        ck_assert_int_eq(serve_status(answer), 401);
        ck_assert(has_field(answer, "WWW-Authenticate: Basic"));
        ck_assert_ptr_null(strstr(answer, "ETag"));
    }
END_TEST

/* ---- abort ---- */

static void noted(void *data)
{
    note("%s ", (const char *)data);
}

static char depths[21][4];
static int deep(struct http_request *request, int n);
static int (*volatile deeper)(struct http_request *, int) = deep;

static int __attribute__((noinline)) deep(struct http_request *request, int n)
{
    struct hub_timeout timeout;

    if (n == 0)
        http_request_abort(request, 403);
    hub_timeout_begin(&timeout, hub_deadline(HUB_MILLISECOND));
    greenlet_defer(noted, depths[n]);
    n += deeper(request, n - 1);
    hub_timeout_end(&timeout);
    return n;
}

static int aborts_deep(struct http_request *request,
                       struct http_response *response)
{
    http_response_text(response, "half");
    for (int i = 0; i <= 20; i++)
        snprintf(depths[i], sizeof depths[i], "%u", (unsigned char)i);
    return deep(request, 20);
}

START_TEST(v16_abort_at_depth_20_runs_what_was_deferred)
    {
        route(aborts_deep);
        views_serve();
        notes[0] = '\0';
        ck_answer(ask("/"), 403, "403 Forbidden\n");
        ck_assert_str_eq(notes,
                         "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 "
                         "20 ");
        hub_sleep(5 * HUB_MILLISECOND); /* no timer of those frames is left */
        ck_answer(ask("/"), 403, "403 Forbidden\n");
    }
END_TEST

static int task(void *arg, void **result)
{
    (void)result;
    hub_sleep(HUB_FOREVER);
    note("task:%s", (const char *)arg);
    return 0;
}

static int aborts_with_tasks(struct http_request *request,
                             struct http_response *response,
                             struct hub_scope *scope)
{
    struct hub_scope own;

    (void)response;
    hub_task_create(scope, NULL, task, "outer ", NULL);
    hub_scope_begin(&own, 0);
    hub_task_create(&own, NULL, task, "inner ", NULL);
    hub_yield();
    http_request_abort(request, 410);
}

START_TEST(v16_abort_in_an_async_view_ends_its_tasks)
    {
        http_app_route(app, NULL, "/", "index",
                       http_view_async(aborts_with_tasks));
        views_serve();
        notes[0] = '\0';
        ck_answer(ask("/"), 410, "410 Gone\n");
        ck_assert_str_eq(notes, "task:inner task:outer ");
    }
END_TEST

/* The process ends by abort(): in a child. */
static char child_said[512];

static void ends_by_abort(void (*function)(void))
{
    int ends[2], status;
    ssize_t size;
    pid_t child;

    ck_assert_int_eq(pipe(ends), 0);
    child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        dup2(ends[1], 2);
        function();
        _exit(0);
    }
    close(ends[1]);
    size = read(ends[0], child_said, sizeof child_said - 1);
    ck_assert_int_gt(size, 0);
    child_said[size] = '\0';
    close(ends[0]);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

static int aborting_task(void *arg, void **result)
{
    (void)result;
    http_request_abort(arg, 404);
}

static int aborts_in_task(struct http_request *request,
                          struct http_response *response,
                          struct hub_scope *scope)
{
    (void)response;
    hub_task_create(scope, NULL, aborting_task, request, NULL);
    hub_sleep(HUB_SECOND);
    return 0;
}

static void ask_once(void)
{
    views_serve();
    ask("/");
}

START_TEST(v16_abort_in_a_task_is_refused_by_the_end_of_the_process)
    {
        http_app_route(app, NULL, "/", "index",
                       http_view_async(aborts_in_task));
        ends_by_abort(ask_once);
        ck_assert_ptr_nonnull(strstr(child_said,
                                     "http_request_abort(404) of GET /"
                                     ": not called below a view"));
    }
END_TEST

static struct http_request *the_request;

static int in_foreign_frame(const void *a, const void *b)
{
    (void)a;
    (void)b;
    http_request_abort(the_request, 404);
}

/* libc knows nothing of us: its frames are none that may be unwound. */
static int aborts_in_tree(struct http_request *request,
                          struct http_response *response)
{
    void *root = NULL;

    (void)response;
    the_request = request;
    tsearch(request, &root, in_foreign_frame);
    tsearch(response, &root, in_foreign_frame);
    return 0;
}

START_TEST(v16_abort_below_a_foreign_library_is_refused)
    {
        route(aborts_in_tree);
        ends_by_abort(ask_once);
        ck_assert_ptr_nonnull(strstr(child_said, "cannot be unwound"));
    }
END_TEST

static int bad_abort(struct http_request *request,
                     struct http_response *response)
{
    (void)response;
    http_request_abort(request, 200);
}

START_TEST(v16_abort_with_no_error_is_refused)
    {
        route(bad_abort);
        ends_by_abort(ask_once);
        ck_assert_ptr_nonnull(strstr(child_said, "no such status"));
    }
END_TEST

/* ---- hooks ---- */

#define HOOK(name, value)                                             \
    static int name(struct http_request *request,                     \
                    struct http_response *response)                   \
    {                                                                 \
        (void)response;                                               \
        note("%s%s ", #name, http_request_error(request) ? "!" : ""); \
        return value;                                                 \
    }
HOOK(before1, 0)
HOOK(before2, returned)
HOOK(after1, 0)
HOOK(after2, -EIO)
HOOK(teardown1, 0)
HOOK(teardown2, -EIO)
HOOK(blue_before, 0)
HOOK(blue_after, 0)
HOOK(blue_teardown, 0)
HOOK(once1, 0)
HOOK(once2, 0)

static int noting(struct http_request *request, struct http_response *response)
{
    note("view ");
    http_request_after_this(request, http_view_sync(once1));
    http_request_after_this(request, http_view_sync(once2));
    return http_response_text(response, "text");
}

static int async_hook(struct http_request *request,
                      struct http_response *response, struct hub_scope *scope)
{
    (void)request;
    (void)response;
    note("async%zu ", hub_scope_count(scope));
    return 0;
}

static void wait_for(const char *text)
{
    for (int i = 0; i < 1000 && strstr(notes, text) == NULL; i++)
        hub_sleep(HUB_MILLISECOND);
}

START_TEST(v17_hooks_run_in_their_order)
    {
        struct http_blueprint *blue = http_blueprint_new(app, "blue", "/blue");

        http_blueprint_route(blue, NULL, "/", "index", http_view_sync(noting));
        http_blueprint_before_request(blue, http_view_sync(blue_before));
        http_blueprint_after_request(blue, http_view_sync(blue_after));
        http_blueprint_teardown_request(blue, http_view_sync(blue_teardown));
        http_app_before_request(app, http_view_sync(before1));
        http_app_before_request(app, http_view_sync(before2));
        http_app_after_request(app, http_view_sync(after1));
        http_app_after_request(app, http_view_sync(after2));
        http_app_teardown_request(app, http_view_sync(teardown1));
        http_app_teardown_request(app, http_view_sync(teardown2));
        views_serve();
        returned = 0;
        notes[0] = '\0';
        ck_answer(ask("/blue/"), 200, "text");
        wait_for("teardown1");
        ck_assert_str_eq(
            notes, "before1 before2 blue_before view once1 once2 blue_after "
                   "after2 after1 blue_teardown teardown2 teardown1 ");
        returned = 202; /* before2 answers */
        notes[0] = '\0';
        ck_answer(ask("/blue/"), 202, "");
        wait_for("teardown1");
        ck_assert_str_eq(notes, "before1 before2 blue_after after2 after1 "
                                "blue_teardown teardown2 teardown1 ");
        returned = -EIO;
        notes[0] = '\0';
        ck_assert_int_eq(serve_status(ask("/nowhere")), 500);
        wait_for("teardown1");
        ck_assert_str_eq(notes, "before1 before2 after2! after1! teardown2! "
                                "teardown1! ");
    }
END_TEST

static int changes(struct http_request *request, struct http_response *response)
{
    (void)request;
    ck_assert_int_eq(http_response_status(response), 404);
    return http_response_set_header(response, "X-After", "1");
}

START_TEST(v16_what_fails_behind_a_view_loses_neither_response_nor_connection)
    {
        route(returns);
        http_app_after_request(app, http_view_sync(aborts));
        http_app_after_request(app, http_view_sync(after2));
        http_app_after_request(app, http_view_sync(changes));
        http_app_teardown_request(app, http_view_sync(aborts));
        views_serve();
        returned = 404;
        filled = "mine";
        serve_reports = 0;
        ck_assert(has_field(ask("/"), "X-After: 1"));
        for (int i = 0; i < 1000 && serve_reports < 3; i++)
            hub_sleep(HUB_MILLISECOND);
        ck_assert_uint_eq(serve_reports, 3);
        ck_assert_ptr_nonnull(strstr(serve_reported,
                                     "a teardown_request function "
                                     "of index ended with 409"));
    }
END_TEST

START_TEST(v02_hooks_and_handlers_may_be_async)
    {
        http_app_route(app, NULL, "/", "index", http_view_sync(returns));
        http_app_before_request(app, http_view_async(async_hook));
        http_app_after_request(app, http_view_async(async_hook));
        http_app_teardown_request(app, http_view_async(async_hook));
        http_app_error_handler(app, 404, http_view_async(async_hook));
        views_serve();
        returned = 404;
        filled = NULL;
        notes[0] = '\0';
        ck_answer(ask("/"), 404, "");
        for (int i = 0; i < 1000 && strlen(notes) < 28; i++)
            hub_sleep(HUB_MILLISECOND);
        ck_assert_str_eq(notes, "async0 async0 async0 async0 ");
    }
END_TEST

/* ---- bad data ---- */

static int reads(struct http_request *request, struct http_response *response)
{
    const char *data;
    size_t size;
    int rc = http_request_body(request, &data, &size);

    return rc < 0 ? rc : http_response_text(response, data);
}

START_TEST(v16_an_error_of_the_body_has_its_status_and_handler)
    {
        http_app_route(app, "POST", "/", "index", http_view_sync(reads));
        http_app_error_handler(app, 413, http_view_sync(tells));
        views_serve();
        ck_answer(ask_with("POST", "/", "", "text"), 200, "text");
        ck_answer(serve_exchange("POST / HTTP/1.1\r\nHost: a\r\n"
                                 "Transfer-Encoding: chunked\r\n"
                                 "Connection: close\r\n\r\nx\r\n"),
                  400, "400 Bad Request\n");
        ck_assert_uint_eq(serve_reports, 0);
    }
END_TEST

int main(void)
{
    TCase *tcase = views_case();

    tcase_add_test(tcase, v16_what_a_view_returns_becomes_a_status);
    tcase_add_test(tcase, v16_handlers_answer_a_status_an_errno_and_any_error);
    tcase_add_test(tcase, v16_an_error_handler_may_fail_too);
    tcase_add_test(tcase, v16_a_handler_that_is_none_is_refused);
    tcase_add_test(tcase,
                   v16_fields_beside_a_status_stay_but_not_those_of_a_body);
    tcase_add_test(tcase, v16_abort_at_depth_20_runs_what_was_deferred);
    tcase_add_test(tcase, v16_abort_in_an_async_view_ends_its_tasks);
    tcase_add_test(tcase,
                   v16_abort_in_a_task_is_refused_by_the_end_of_the_process);
    tcase_add_test(tcase, v16_abort_below_a_foreign_library_is_refused);
    tcase_add_test(tcase, v16_abort_with_no_error_is_refused);
    tcase_add_test(tcase, v17_hooks_run_in_their_order);
    tcase_add_test(
        tcase,
        v16_what_fails_behind_a_view_loses_neither_response_nor_connection);
    tcase_add_test(tcase, v02_hooks_and_handlers_may_be_async);
    tcase_add_test(tcase, v16_an_error_of_the_body_has_its_status_and_handler);
    return unit_run("errors", tcase);
}
