/* The current request, its values, and who keeps it (V-22); hooks around
 * serving (V-18). */
#include "views.h"

#include "hub/spawn.h"

static void dropped(void *value)
{
    note("drop:%s ", (const char *)value);
}

static int sets(struct http_request *request, struct http_response *response)
{
    ck_assert_ptr_eq(http_request_current(), request);
    ck_assert_ptr_null(http_g_get("name"));
    ck_assert_int_eq(http_g_set("name", "first", dropped), 0);
    ck_assert_int_eq(http_g_set("name", "second", dropped), 0);
    ck_assert_int_eq(http_g_set("other", "third", NULL), 0);
    (void)response;
    return 0;
}

static int task(void *arg, void **result)
{
    (void)arg;
    ck_assert_ptr_nonnull(http_request_current());
    *result = http_g_get("name");
    return 0;
}

static int bare(void *arg, void **result)
{
    (void)arg;
    (void)result;
    ck_assert_ptr_null(http_request_current());
    ck_assert_int_eq(http_g_set("name", "none", dropped), -ENOENT);
    return 0;
}

static int reads(struct http_request *request, struct http_response *response,
                 struct hub_scope *scope)
{
    struct hub_task *made;
    struct greenlet *g;
    void *value = NULL;

    (void)request;
    ck_assert_int_eq(hub_task_create(scope, &made, task, NULL, NULL), 0);
    ck_assert_int_eq(hub_task_await(made, HUB_FOREVER, &value), 0);
    g = hub_spawn(bare, NULL);
    ck_assert_int_eq(hub_get(g, HUB_FOREVER, NULL), 0);
    greenlet_unref(g);
    return http_response_text(response, value);
}

START_TEST(v22_tasks_see_the_request_and_bare_greenlets_do_not)
    {
        http_app_before_request(app, http_view_sync(sets));
        http_app_route(app, NULL, "/", "index", http_view_async(reads));
        views_serve();
        notes[0] = '\0';
        ck_answer(ask("/"), 200, "second");
        for (int i = 0; i < 1000 && strstr(notes, "second") == NULL; i++)
            hub_sleep(HUB_MILLISECOND);
        ck_assert_str_eq(notes, "drop:first drop:none drop:second ");
        ck_assert_ptr_null(http_request_current());
    }
END_TEST

/* ---- who keeps it ---- */

static struct http_response *kept_response;
static bool answered;

static int keeps(void *arg, void **result)
{
    struct http_request *request = http_request_current();

    (void)arg;
    (void)result;
    for (int i = 0; i < 20000 && !answered; i++)
        hub_sleep(HUB_MILLISECOND);
    ck_assert_ptr_eq(http_request_current(), request);
    ck_assert_str_eq(http_request_path(request), "/kept/7");
    ck_assert_str_eq(http_request_path_arg(request, "id"), "7");
    ck_assert_str_eq(http_request_header(request, "A"), "b");
    ck_assert_str_eq(http_g_get("name"), "second");
    ck_assert_int_eq(http_response_text(kept_response, "x"), -ESHUTDOWN);
    note("kept ");
    return 0;
}

static int spawns(struct http_request *request, struct http_response *response)
{
    struct greenlet *g = hub_greenlet_new(keeps, NULL, 0);
    struct greenlet_context *context = greenlet_context_copy(NULL);

    (void)request;
    kept_response = response;
    greenlet_set_context(g, context);
    greenlet_context_unref(context);
    hub_start(g);
    greenlet_unref(g);
    return http_response_text(response, "now");
}

START_TEST(v22_a_request_lives_until_the_last_context_that_has_it)
    {
        const char *answer;
        int fd;

        http_app_before_request(app, http_view_sync(sets));
        http_app_route(app, NULL, "/kept/<int:id>", "kept",
                       http_view_sync(spawns));
        views_serve();
        notes[0] = '\0';
        answered = false;
        fd = serve_connect();
        serve_send(fd, "GET /kept/7 HTTP/1.1\r\nHost: a\r\nA: b\r\n\r\n"
                       "GET /kept/7 HTTP/1.1\r\nHost: a\r\nA: b\r\n"
                       "Connection: close\r\n\r\n");
        answer = serve_read_all(fd, 5 * HUB_SECOND);
        ck_assert_uint_eq(serve_count(answer), 2);
        hub_close(fd);
        ck_assert_ptr_null(strstr(notes, "second"));
        answered = true;
        for (int i = 0; i < 20000 && strlen(notes) < 56; i++)
            hub_sleep(HUB_MILLISECOND);
        ck_assert_str_eq(notes, "drop:first drop:first kept drop:second kept "
                                "drop:second ");
    }
END_TEST

/* ---- a context for each request ---- */

static struct greenlet_var *mine;

static int leaves_value(struct http_request *request,
                        struct http_response *response)
{
    void *value = NULL;
    int rc = greenlet_var_get(mine, &value);

    (void)request;
    greenlet_var_set(mine, (void *)(uintptr_t) "left", NULL);
    return http_response_text(response, rc == 0 ? value : "none");
}

START_TEST(v22_what_a_view_sets_is_gone_with_its_request)
    {
        int fd;

        mine = greenlet_var_new("mine", NULL);
        http_app_route(app, NULL, "/", "index", http_view_sync(leaves_value));
        views_serve();
        fd = serve_connect();
        serve_send(fd,
                   "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
                   "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        ck_assert_ptr_null(strstr(serve_read_all(fd, 5 * HUB_SECOND), "left"));
        hub_close(fd);
        greenlet_var_unref(mine);
    }
END_TEST

int main(void)
{
    TCase *tcase = views_case();

    tcase_add_test(tcase, v22_tasks_see_the_request_and_bare_greenlets_do_not);
    tcase_add_test(tcase,
                   v22_a_request_lives_until_the_last_context_that_has_it);
    tcase_add_test(tcase, v22_what_a_view_sets_is_gone_with_its_request);
    return unit_run("context", tcase);
}
