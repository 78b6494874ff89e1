/* testing.c - tests of an async view, without a network
 *
 * usage: testing */
#include <vireo/http.h>

#include <stdio.h>
#include <string.h>

/* ---- what is tested ---- */

static int half(void *text, void **result)
{
    int rc = hub_sleep(10 * HUB_MILLISECOND);

    *result = text;
    return rc;
}

static int view(struct http_request *request, struct http_response *response,
                struct hub_scope *scope)
{
    struct hub_task *task[2];
    void *text[2];
    int rc = hub_task_create(scope, &task[0], half, "first", NULL);

    (void)request;
    if (rc == 0)
        rc = hub_task_create(scope, &task[1], half, "second", NULL);
    if (rc == 0)
        rc = hub_task_gather(task, 2, hub_deadline(5 * HUB_SECOND), text);
    return rc < 0 ? rc
                  : http_response_jsonf(response, "[s,s]", text[0], text[1]);
}

static struct http_app *make_app(void)
{
    struct http_app *app = http_app_new();

    http_app_route(app, "GET", "/both", "both", http_view_async(view));
    return app;
}

/* ---- the tests ---- */

static int failed;

static void check(const char *what, int good)
{
    printf("%s: %s\n", what, good ? "good" : "FAILED");
    failed += !good;
}

static void ask(struct http_testclient *client)
{
    check("it answers 200", http_testclient_get(client, "/both") == 200);
    check("by both halves", strcmp(http_testclient_body(client, NULL),
                                   "[\"first\",\"second\"]") == 0);
    check("as JSON", strcmp(http_testclient_header(client, "Content-Type"),
                            "application/json") == 0);
    check("others are not found", http_testclient_get(client, "/") == 404);
    check("POST is refused",
          http_testclient_post(client, "/both", "text/plain", "") == 405);
}

int main(void)
{
    struct http_app *app = make_app();
    struct http_testclient *client;

    if (http_testclient_new(app, &client) == 0) {
        ask(client);
        http_testclient_free(client);
    }
    http_app_free(app);
    return failed;
}
