/* Lines for the operator (V-31), contexts outside a request (V-34), tasks that
 * outlive it (V-10), and extensions (V-38). */
#include "views.h"

#include "hub/spawn.h"

static struct http_testclient *client;
static char said[512];

static void close_client(void)
{
    http_testclient_free(client);
    client = NULL;
    for (int i = 0; i < 5; i++)
        hub_sleep(0);
}

/* ---- V-31 ---- */

static void sink(enum http_app_level level, const char *line, void *data)
{
    ck_assert_ptr_eq(data, said);
    snprintf(said, sizeof said, "%d %s", level, line);
}

static int logs(struct http_request *request, struct http_response *response)
{
    http_app_log(app, HTTP_APP_WARNING, "about %s\n", "this");
    http_app_log(app, HTTP_APP_DEBUG, "not said");
    return http_response_text(response, http_request_id(request));
}

static int fails(struct http_request *request, struct http_response *response)
{
    (void)request;
    (void)response;
    return -EIO;
}

START_TEST(v31_lines_have_a_level_and_the_id_of_their_request)
    {
        char wanted[256];

        http_app_set_log(app, HTTP_APP_INFO, sink, said);
        http_app_route(app, NULL, "/", "index", http_view_sync(logs));
        http_app_route(app, NULL, "/fails", "fails", http_view_sync(fails));
        ck_assert_int_eq(http_testclient_new(app, &client), 0);
        ck_assert_int_eq(http_testclient_get(client, "/"), 200);
        snprintf(wanted, sizeof wanted, "2 [%s] about this?",
                 http_testclient_body(client, NULL));
        ck_assert_str_eq(said, wanted);
        http_testclient_set_header(client, "X-Request-Id", "given-1");
        http_testclient_get(client, "/");
        ck_assert_str_eq(said, "2 [given-1] about this?");
        http_testclient_get(client, "/fails");
        ck_assert_str_eq(said,
                         "3 [given-1] GET /fails: the view of fails failed: "
                         "Input/output error (-5)");
        http_testclient_set_header(client, "X-Request-Id", "a b");
        http_testclient_get(client, "/");
        ck_assert_ptr_null(strstr(said, "a b"));
        http_app_set_log(app, HTTP_APP_ERROR, sink, said);
        said[0] = '\0';
        http_testclient_get(client, "/");
        ck_assert_str_eq(said, "");
        http_app_log(app, HTTP_APP_ERROR, "outside");
        ck_assert_str_eq(said, "3 outside");
        close_client();
    }
END_TEST

/* ---- V-34 ---- */

static void dropped(void *value)
{
    note("dropped %s ", (const char *)value);
}

static int teardown(struct http_request *request,
                    struct http_response *response)
{
    (void)request;
    (void)response;
    note("teardown ");
    return 0;
}

START_TEST(v34_a_context_outside_a_request)
    {
        struct http_request *outer, *inner;

        http_app_teardown_request(app, http_view_sync(teardown));
        http_app_route(app, NULL, "/users/<int:id>", "user",
                       http_view_sync(logs));
        notes[0] = '\0';
        ck_assert_int_eq(http_app_context_begin(app, &outer), 0);
        ck_assert_ptr_eq(http_request_current(), outer);
        ck_assert_ptr_eq(http_request_app(outer), app);
        ck_assert_int_eq(http_g_set("a", (void *)(uintptr_t) "outer", dropped),
                         0);
        ck_assert_str_eq(http_request_url_for(outer, "user", "id", "7", NULL),
                         "/users/7");
        ck_assert_int_eq(http_app_context_begin(app, &inner), 0);
        ck_assert_ptr_eq(http_request_current(), inner);
        ck_assert_ptr_null(http_g_get("a"));
        http_app_context_end(inner);
        ck_assert_ptr_eq(http_request_current(), outer);
        ck_assert_str_eq(http_g_get("a"), "outer");
        http_app_context_end(outer);
        ck_assert_ptr_null(http_request_current());
        ck_assert_str_eq(notes, "dropped outer ");
    }
END_TEST

static bool answered;

static int works(void *arg, void **result)
{
    struct http_request *request = http_request_current();

    (void)result;
    ck_assert_ptr_nonnull(request);
    for (int i = 0; i < 20000 && !answered; i++)
        hub_sleep(HUB_MILLISECOND);
    note("%s %s ", (const char *)arg, http_request_path(request));
    return 0;
}

static int spawns(struct http_request *request, struct http_response *response)
{
    struct greenlet *g =
        http_request_spawn(works, (void *)(uintptr_t) "background");

    (void)request;
    ck_assert_ptr_nonnull(g);
    greenlet_unref(g);
    return http_response_text(response, "accepted");
}

START_TEST(v34_background_work_keeps_its_request)
    {
        http_app_route(app, "POST", "/mail", "mail", http_view_sync(spawns));
        views_serve();
        notes[0] = '\0';
        answered = false;
        ck_answer(ask_with("POST", "/mail", "", ""), 200, "accepted");
        ck_assert_str_eq(notes, "");
        answered = true;
        for (int i = 0; i < 20000 && notes[0] == '\0'; i++)
            hub_sleep(HUB_MILLISECOND);
        ck_assert_str_eq(notes, "background /mail ");
        hub_sleep(0);
    }
END_TEST

/* ---- V-10 ---- */

static int outlives(struct http_request *request,
                    struct http_response *response, struct hub_scope *scope)
{
    (void)request;
    hub_task_create(scope, NULL, works, (void *)(uintptr_t) "task", NULL);
    return http_response_text(response, "now");
}

START_TEST(v10_tasks_of_the_hub_outlive_the_request)
    {
        http_app_set_adapter(app, http_app_adapt_on_hub_scope);
        http_app_route(app, NULL, "/x", "x", http_view_async(outlives));
        views_serve();
        notes[0] = '\0';
        answered = false;
        ck_answer(ask("/x"), 200, "now");
        ck_assert_str_eq(notes, "");
        answered = true;
        for (int i = 0; i < 20000 && notes[0] == '\0'; i++)
            hub_sleep(HUB_MILLISECOND);
        ck_assert_str_eq(notes, "task /x ");
        hub_sleep(0);
    }
END_TEST

/* ---- V-38: extensions, by what V-12 gives them ---- */

static int cors(struct http_request *request, struct http_response *response,
                const struct http_view *inner, void *origin)
{
    int rc = http_view_call(inner, request, response);

    if (http_request_header(request, "Origin") != NULL) {
        http_response_set_header(response, "Access-Control-Allow-Origin",
                                 origin);
        http_response_add_header(response, "Vary", "Origin");
    }
    return rc;
}

static int login_required(struct http_request *request,
                          struct http_response *response,
                          const struct http_view *inner, void *data)
{
    (void)data;
    if (http_request_session_get(request, "user") == NULL)
        return http_response_redirect(response, "/login", 303);
    return http_view_call(inner, request, response);
}

static int login(struct http_request *request, struct http_response *response)
{
    (void)response;
    return http_request_session_set(request, "user", "ada") < 0 ? 500 : 204;
}

static int secret(struct http_request *request, struct http_response *response,
                  struct hub_scope *scope)
{
    (void)scope;
    return http_response_printf(response, "secret of %s",
                                http_request_session_get(request, "user"));
}

START_TEST(v38_cors_and_login_around_each_other)
    {
        static char origin[] = "https://example.org";
        const char *const secrets[] = {"a secret of 16 bytes"};
        struct http_view view = http_view_async(secret);

        http_app_set_secrets(app, secrets, 1);
        view = http_view_wrap(app, view, login_required, NULL);
        view = http_view_wrap(app, view, cors, origin);
        http_app_route(app, NULL, "/secret", "secret", view);
        http_app_route(app, "POST", "/login", "login", http_view_sync(login));
        ck_assert_int_eq(http_testclient_new(app, &client), 0);
        ck_assert_int_eq(http_testclient_get(client, "/secret"), 303);
        ck_assert_int_eq(
            http_testclient_post(client, "/login", "text/plain", ""), 204);
        ck_assert_int_eq(http_testclient_get(client, "/secret"), 200);
        ck_assert_str_eq(http_testclient_body(client, NULL), "secret of ada");
        ck_assert_ptr_null(
            http_testclient_header(client, "Access-Control-Allow-Origin"));
        http_testclient_set_header(client, "Origin", "https://example.org");
        ck_assert_int_eq(http_testclient_get(client, "/secret"), 200);
        ck_assert_str_eq(
            http_testclient_header(client, "Access-Control-Allow-Origin"),
            origin);
        close_client();
    }
END_TEST

/* ---- V-08: what computes is moved off, and others go on ---- */

static int computes(void *arg, void **result)
{
    int64_t until = hub_now() + 100 * HUB_MILLISECOND;

    (void)arg;
    while (hub_now() < until)
        ;
    *result = (void *)(uintptr_t)42;
    return 0;
}

static int moved_off(struct http_request *request,
                     struct http_response *response, struct hub_scope *scope)
{
    struct hub_task *task;
    void *result = NULL;
    int rc = hub_task_run_in_executor(scope, &task, computes, NULL, NULL);

    (void)request;
    if (rc == 0)
        rc = hub_task_await(task, hub_deadline(20 * HUB_SECOND), &result);
    note("computed ");
    return rc < 0
               ? rc
               : http_response_printf(response, "%d", (int)(uintptr_t)result);
}

static int quick(struct http_request *request, struct http_response *response)
{
    (void)request;
    note("quick ");
    return http_response_text(response, "quick");
}

START_TEST(v08_a_view_that_computes_is_moved_off_and_others_are_served)
    {
        int fd;

        http_app_route(app, NULL, "/slow", "slow", http_view_async(moved_off));
        http_app_route(app, NULL, "/quick", "quick", http_view_sync(quick));
        views_serve();
        notes[0] = '\0';
        fd = serve_connect();
        serve_send(fd, "GET /slow HTTP/1.1\r\nHost: a\r\n"
                       "Connection: close\r\n\r\n");
        hub_sleep(10 * HUB_MILLISECOND);
        ck_answer(ask("/quick"), 200, "quick");
        ck_answer(serve_read_all(fd, 20 * HUB_SECOND), 200, "42");
        ck_assert_str_eq(notes, "quick computed ");
        hub_close(fd);
    }
END_TEST

int main(void)
{
    TCase *tcase = views_case();

    tcase_add_test(tcase, v31_lines_have_a_level_and_the_id_of_their_request);
    tcase_add_test(tcase, v34_a_context_outside_a_request);
    tcase_add_test(tcase, v34_background_work_keeps_its_request);
    tcase_add_test(tcase, v10_tasks_of_the_hub_outlive_the_request);
    tcase_add_test(tcase, v38_cors_and_login_around_each_other);
    tcase_add_test(tcase,
                   v08_a_view_that_computes_is_moved_off_and_others_are_served);
    return unit_run("tools", tcase);
}
