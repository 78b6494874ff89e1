/* WebSocket views are views (V-36): hooks, errors, contexts, and the client for
 * tests of them. */
#include "sockets.h"

START_TEST(v36_what_a_view_receives_it_can_send)
    {
        char *large = malloc(100001);

        memset(large, 'x', 100000);
        large[100000] = '\0';
        http_app_websocket(app, "/echo", "echo", http_view_sync(echo));
        open_client();
        ck_assert_int_eq(enter("/echo"), 101);
        say("one");
        say("two");
        ck_assert_str_eq(hear(), "one");
        ck_assert_str_eq(hear(), "two");
        say("");
        ck_assert_str_eq(hear(), "");
        say(large);
        ck_assert_str_eq(hear(), large);
        large[200] = '\0';
        say(large);
        ck_assert_str_eq(hear(), large);
        ck_assert_int_eq(http_testsocket_close_code(sock), 0);
        ck_assert_int_eq(http_testsocket_close(sock, 1000), 0);
        ck_assert_int_eq(http_testsocket_close_code(sock), 1000);
        ck_assert_int_eq(http_testsocket_close(sock, 1000), 0);
        ck_assert_int_eq(http_testsocket_send(sock, HTTP_WEBSOCKET_TEXT, "", 0),
                         -EPIPE);
        free(large);
        close_client();
    }
END_TEST

static int up(void *arg, void **result)
{
    (void)result;
    for (int i = 0;; i++) {
        char text[16];
        int rc = hub_sleep(HUB_MILLISECOND);

        snprintf(text, sizeof text, "%d", i);
        if (rc == 0)
            rc = http_websocket_send(arg, HTTP_WEBSOCKET_TEXT, text,
                                     strlen(text), HUB_FOREVER);
        if (rc < 0) {
            note("[%s%s]", rc == -ECANCELED ? "cancelled " : "",
                 http_request_path(http_request_current()));
            return rc;
        }
    }
}

/* One task sends while the view receives. */
static int both(struct http_request *request, struct http_response *response,
                struct hub_scope *scope)
{
    struct http_websocket_message message;
    struct http_websocket *socket;
    struct hub_task *task;
    int rc = http_websocket_open(request, response, &socket);

    if (rc == 0)
        rc = hub_task_create(scope, &task, up, socket, NULL);
    if (rc == 0)
        rc = http_websocket_receive(socket, &message, HUB_FOREVER);
    note("(%d %s)", rc, rc == 1 ? message.data : "");
    return rc < 0 ? rc : 0;
}

START_TEST(v36_an_async_view_sends_in_a_task)
    {
        http_app_websocket(app, "/both", "both", http_view_async(both));
        open_client();
        ck_assert_int_eq(enter("/both"), 101);
        ck_assert_str_eq(hear(), "0");
        ck_assert_str_eq(hear(), "1");
        say("enough");
        while (http_testsocket_close_code(sock) == 0) {
            struct http_websocket_message message;

            http_testsocket_receive(sock, &message, HUB_FOREVER);
        }
        ck_assert_int_eq(http_testsocket_close_code(sock), 1000);
        leave();
        ck_assert_str_eq(notes, "(1 enough)[cancelled /both]");
        close_client();
    }
END_TEST

/* ---- hooks ---- */

static int before(struct http_request *request, struct http_response *response)
{
    (void)response;
    note("before ");
    return http_request_arg(request, "deny") != NULL ? 401 : 0;
}

static int after(struct http_request *request, struct http_response *response)
{
    (void)request;
    note("after:%d ", http_response_status(response));
    return http_response_set_header(response, "X-After", "yes");
}

static int teardown(struct http_request *request,
                    struct http_response *response)
{
    (void)response;
    note("teardown:%d ", http_request_error(request));
    return 0;
}

static int in_blueprint(struct http_request *request,
                        struct http_response *response, struct hub_scope *scope)
{
    (void)request;
    (void)response;
    note("%s ", scope != NULL ? "blueprint" : "-");
    return 0;
}

static int told(struct http_request *request, struct http_response *response)
{
    struct http_websocket *socket;
    int rc = http_websocket_open(request, response, &socket);

    note("view:%d ", rc);
    if (rc == 0)
        rc = http_websocket_send(socket, HTTP_WEBSOCKET_TEXT, "hello", 5,
                                 HUB_FOREVER);
    return rc;
}

static void with_hooks(void)
{
    struct http_blueprint *blueprint = http_blueprint_new(app, "b", "/b");

    http_app_before_request(app, http_view_sync(before));
    http_app_after_request(app, http_view_sync(after));
    http_app_teardown_request(app, http_view_sync(teardown));
    http_blueprint_before_request(blueprint, http_view_async(in_blueprint));
    http_blueprint_websocket(blueprint, "/<int:n>", "told",
                             http_view_sync(told));
    open_client();
}

START_TEST(v36_the_hooks_of_requests_are_those_of_websockets)
    {
        with_hooks();
        ck_assert_int_eq(enter("/b/7"), 101);
        ck_assert_str_eq(http_testclient_header(client, "X-After"), "yes");
        ck_assert_str_eq(hear(), "hello");
        ck_assert_int_eq(end_code(), 1000);
        leave();
        ck_assert_str_eq(notes,
                         "before blueprint after:101 view:0 teardown:0 ");
        close_client();
    }
END_TEST

START_TEST(v36_a_hook_refuses_by_a_status)
    {
        with_hooks();
        ck_assert_int_eq(enter("/b/7?deny"), 401);
        ck_assert_ptr_null(sock);
        ck_assert_str_eq(http_testclient_body(client, NULL),
                         "401 Unauthorized\n");
        ck_assert_str_eq(notes, "before after:401 teardown:401 ");
        notes[0] = '\0';
        ck_assert_int_eq(enter("/b/x"), 404);
        ck_assert_str_eq(notes, "before after:404 teardown:404 ");
        close_client();
    }
END_TEST

static int redirects(struct http_request *request,
                     struct http_response *response)
{
    (void)request;
    http_response_text(response, "later");
    return http_response_set_status(response, 503);
}

START_TEST(v36_an_after_function_may_answer_instead)
    {
        http_app_after_request(app, http_view_sync(redirects));
        http_app_websocket(app, "/", "told", http_view_sync(told));
        open_client();
        ck_assert_int_eq(enter("/"), 503);
        ck_assert_str_eq(http_testclient_body(client, NULL), "later");
        ck_assert_str_eq(notes, "view:503 ");
        close_client();
    }
END_TEST

/* ---- errors ---- */

static void deeper(struct http_request *request, int status, int depth)
{
    if (depth > 0)
        deeper(request, status, depth - 1);
    else if (status != 0)
        http_request_abort(request, status);
    note("never");
}

/* /fail/HOW: at what time, and by what. */
static int failing(struct http_request *request, struct http_response *response)
{
    const char *how = http_request_path_arg(request, "how");
    struct http_websocket *socket;
    int64_t with = -1;
    int rc;

    http_request_path_int(request, "with", &with);
    if (strcmp(how, "before") == 0)
        return (int)with;
    if (strcmp(how, "abort-before") == 0)
        deeper(request, (int)with, 20);
    rc = http_websocket_open(request, response, &socket);
    if (rc != 0)
        return rc;
    ck_assert_ptr_eq(http_request_websocket(request), socket);
    ck_assert_int_eq(http_websocket_open(request, response, &socket),
                     -EALREADY);
    ck_assert_int_eq(http_response_set_header(response, "A", "b"), -ESHUTDOWN);
    if (strcmp(how, "abort") == 0)
        deeper(request, (int)with, 20);
    return (int)with;
}

static int teapot(struct http_request *request, struct http_response *response)
{
    return http_response_printf(response, "error %d",
                                http_request_error(request));
}

static char said[256];

static void hear_lines(enum http_app_level level, const char *line, void *data)
{
    (void)level;
    (void)data;
    snprintf(said, sizeof said, "%s", line);
}

static void with_failures(void)
{
    http_app_websocket(app, "/<how>/<int:with>", "fail",
                       http_view_sync(failing));
    http_app_error_handler(app, 418, http_view_sync(teapot));
    http_app_error_handler(app, -EIO, http_view_sync(teapot));
    http_app_teardown_request(app, http_view_sync(teardown));
    http_app_set_log(app, HTTP_APP_INFO, hear_lines, NULL);
    said[0] = '\0';
    open_client();
}

START_TEST(v36_errors_before_it_is_open_are_statuses)
    {
        with_failures();
        ck_assert_int_eq(enter("/before/418"), 418);
        ck_assert_str_eq(http_testclient_body(client, NULL), "error 418");
        ck_assert_int_eq(enter("/abort-before/418"), 418);
        ck_assert_str_eq(http_testclient_body(client, NULL), "error 418");
        ck_assert_int_eq(enter("/before/410"), 410);
        ck_assert_int_eq(enter("/before/0"), 403);
        ck_assert_str_eq(http_testclient_body(client, NULL), "403 Forbidden\n");
        ck_assert_str_eq(notes, "teardown:418 teardown:418 teardown:410 "
                                "teardown:403 ");
        close_client();
    }
END_TEST

static int io_error(struct http_request *request,
                    struct http_response *response)
{
    struct http_websocket *socket;

    if (http_request_arg(request, "open") != NULL)
        ck_assert_int_eq(http_websocket_open(request, response, &socket), 0);
    return -EIO;
}

START_TEST(v36_an_errno_is_handled_before_and_closes_behind)
    {
        with_failures();
        http_app_websocket(app, "/io", "io", http_view_sync(io_error));
        ck_assert_int_eq(enter("/io"), 500);
        ck_assert_str_eq(http_testclient_body(client, NULL), "error -5");
        ck_assert_str_eq(said, "");
        ck_assert_int_eq(enter("/io?open"), 101);
        ck_assert_int_eq(end_code(), 1011);
        leave();
        ck_assert_ptr_nonnull(strstr(said, "the view of io failed"));
        ck_assert_str_eq(notes, "teardown:-5 teardown:-5 ");
        close_client();
    }
END_TEST

static int passes_on(struct http_request *request,
                     struct http_response *response)
{
    struct http_websocket_message message;
    struct http_websocket *socket;
    int rc = http_websocket_open(request, response, &socket);

    if (rc == 0)
        rc = http_websocket_receive(socket, &message, HUB_FOREVER);
    return http_request_arg(request, "own") != NULL ? -EILSEQ : rc;
}

/* Else whoever likes fills the operator's log. */
START_TEST(v36_what_a_client_does_wrong_is_no_failure_of_the_view)
    {
        with_failures();
        http_app_websocket(app, "/p", "p", http_view_sync(passes_on));
        ck_assert_int_eq(enter("/p"), 101);
        say("\xff");
        ck_assert_int_eq(end_code(), 1007);
        leave();
        ck_assert_str_eq(said, "");
        ck_assert_int_eq(enter("/p?own"), 101);
        say("good");
        ck_assert_int_eq(end_code(), 1011);
        leave();
        ck_assert_ptr_nonnull(strstr(said, "the view of p failed"));
        ck_assert_str_eq(notes, "teardown:-84 teardown:-84 ");
        close_client();
    }
END_TEST

START_TEST(v36_a_status_closes_what_is_open)
    {
        static const struct {
            const char *target;
            int code;
        } cases[] = {{"/open/0", 1000},    {"/open/204", 1000},
                     {"/open/403", 1008},  {"/abort/404", 1008},
                     {"/abort/503", 1011}, {"/open/500", 1011}};

        with_failures();
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            ck_assert_int_eq(enter(cases[i].target), 101);
            ck_assert_int_eq(end_code(), cases[i].code);
            leave();
        }
        ck_assert_str_eq(notes, "teardown:0 teardown:0 teardown:403 "
                                "teardown:404 teardown:503 teardown:500 ");
        close_client();
    }
END_TEST

START_TEST(v36_a_client_that_vanishes_ends_the_view)
    {
        http_app_websocket(app, "/both", "both", http_view_async(both));
        http_app_teardown_request(app, http_view_sync(teardown));
        http_app_set_log(app, HTTP_APP_INFO, hear_lines, NULL);
        said[0] = '\0';
        open_client();
        ck_assert_int_eq(enter("/both"), 101);
        ck_assert_str_eq(hear(), "0");
        leave();
        ck_assert_ptr_nonnull(strstr(notes, "teardown:-32 "));
        ck_assert_ptr_nonnull(strstr(notes, "/both]"));
        ck_assert_str_eq(said, "");
        close_client();
    }
END_TEST

/* ---- contexts ---- */

static void drop(void *value)
{
    note("dropped %s", (char *)value);
}

static void deferred(void *arg)
{
    note("%s ", (char *)arg);
}

static int deep(void *arg, void **result)
{
    (void)result;
    return http_websocket_send(arg, HTTP_WEBSOCKET_TEXT, http_g_get("g"), 1,
                               HUB_FOREVER);
}

static int in_context(struct http_request *request,
                      struct http_response *response, struct hub_scope *scope)
{
    struct http_websocket_message message;
    struct http_websocket *socket;
    const char *user = http_request_session_get(request, "user");
    struct hub_task *task;
    int rc;

    ck_assert_ptr_eq(http_request_current(), request);
    http_g_set("g", "G", drop);
    greenlet_defer(deferred, "deferred");
    rc = http_websocket_open(request, response, &socket);
    if (rc != 0)
        return rc;
    ck_assert_int_eq(http_request_session_set(request, "user", "eve"),
                     -ESHUTDOWN);
    while (http_websocket_receive(socket, &message, HUB_FOREVER) == 1) {
        ck_assert_ptr_eq(http_request_current(), request);
        ck_assert_int_eq(hub_task_create(scope, &task, deep, socket, NULL), 0);
        ck_assert_int_eq(hub_task_await(task, HUB_FOREVER, NULL), 0);
        ck_assert_int_eq(http_websocket_send(socket, HTTP_WEBSOCKET_TEXT, user,
                                             strlen(user), HUB_FOREVER),
                         0);
        ck_assert_int_eq(http_websocket_send(socket, HTTP_WEBSOCKET_TEXT,
                                             http_request_arg(request, "q"), 1,
                                             HUB_FOREVER),
                         0);
    }
    note("left ");
    return 0;
}

static int login(struct http_request *request, struct http_response *response)
{
    http_request_session_set(request, "user", "ann");
    return http_response_text(response, "in");
}

START_TEST(v36_request_session_and_g_are_there_until_the_end)
    {
        static const char *const secrets[] = {"0123456789abcdef"};

        http_app_set_secrets(app, secrets, 1);
        http_app_route(app, NULL, "/login", "login", http_view_sync(login));
        http_app_websocket(app, "/ws", "ws", http_view_async(in_context));
        http_app_teardown_request(app, http_view_sync(teardown));
        open_client();
        ck_assert_int_eq(http_testclient_get(client, "/login"), 200);
        notes[0] = '\0';
        ck_assert_int_eq(enter("/ws?q=Q"), 101);
        for (int i = 0; i < 3; i++) {
            say("?");
            ck_assert_str_eq(hear(), "G");
            ck_assert_str_eq(hear(), "ann");
            ck_assert_str_eq(hear(), "Q");
        }
        ck_assert_int_eq(http_testsocket_close(sock, 1000), 0);
        leave();
        ck_assert_str_eq(notes, "left deferred teardown:0 dropped G");
        close_client();
    }
END_TEST

int main(void)
{
    TCase *tcase = views_case();

    tcase_add_test(tcase, v36_what_a_view_receives_it_can_send);
    tcase_add_test(tcase, v36_an_async_view_sends_in_a_task);
    tcase_add_test(tcase, v36_the_hooks_of_requests_are_those_of_websockets);
    tcase_add_test(tcase, v36_a_hook_refuses_by_a_status);
    tcase_add_test(tcase, v36_an_after_function_may_answer_instead);
    tcase_add_test(tcase, v36_errors_before_it_is_open_are_statuses);
    tcase_add_test(tcase, v36_an_errno_is_handled_before_and_closes_behind);
    tcase_add_test(tcase,
                   v36_what_a_client_does_wrong_is_no_failure_of_the_view);
    tcase_add_test(tcase, v36_a_status_closes_what_is_open);
    tcase_add_test(tcase, v36_a_client_that_vanishes_ends_the_view);
    tcase_add_test(tcase, v36_request_session_and_g_are_there_until_the_end);
    return unit_run("websocket", tcase);
}
