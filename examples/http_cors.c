/* http_cors.c - an extension: which pages of other origins may read what a view
 * answers
 *
 * It is a wrapper (http_view_wrap()): the same code serves sync and async
 * views. `http_cors --bind 127.0.0.1:8080` serves; without an argument the
 * program asks itself, and ends. */
#include <vireo/http.h>

#include <stdio.h>
#include <string.h>

/* ---- the extension ---- */

struct cors {
    const char *const *origins; /* up to a NULL */
    const char *methods;        /* of those that a page has to ask for first */
    const char *headers;        /* that it may send; NULL: the harmless ones */
    const char *max_age;        /* seconds for which it need not ask again */
    bool credentials;           /* with cookies */
};

static bool is_allowed(const struct cors *cors, const char *origin)
{
    for (const char *const *at = cors->origins; *at != NULL; at++)
        if (strcmp(*at, origin) == 0)
            return true;
    return false;
}

/* A page asks whether it may: the view is not for that. */
static bool is_preflight(struct http_request *request)
{
    return strcmp(http_request_verb(request), "OPTIONS") == 0 &&
           http_request_header(request, "Access-Control-Request-Method") !=
               NULL;
}

static int answer_preflight(struct http_response *response,
                            const struct cors *cors)
{
    http_response_set_header(response, "Access-Control-Allow-Methods",
                             cors->methods);
    if (cors->headers != NULL)
        http_response_set_header(response, "Access-Control-Allow-Headers",
                                 cors->headers);
    if (cors->max_age != NULL)
        http_response_set_header(response, "Access-Control-Max-Age",
                                 cors->max_age);
    return 204;
}

/* Behind the view, since an error empties the response: fields that are set
 * beside a status stay. */
static int with_cors(struct http_request *request,
                     struct http_response *response,
                     const struct http_view *inner, void *data)
{
    const struct cors *cors = data;
    const char *origin = http_request_header(request, "Origin");
    bool allowed = origin != NULL && is_allowed(cors, origin);
    int rc = !is_preflight(request) ? http_view_call(inner, request, response)
             : allowed              ? answer_preflight(response, cors)
                                    : 403;

    http_response_add_header(response, "Vary", "Origin"); /* for caches */
    if (!allowed)
        return rc;
    http_response_set_header(response, "Access-Control-Allow-Origin", origin);
    if (cors->credentials)
        http_response_set_header(response, "Access-Control-Allow-Credentials",
                                 "true");
    return rc;
}

/* ---- an application ---- */

static int item(struct http_request *request, struct http_response *response)
{
    if (strcmp(http_request_path_arg(request, "id"), "7") != 0)
        return 404;
    return http_response_jsonf(response, "{s:s}", "id", "7");
}

static int slow_item(struct http_request *request,
                     struct http_response *response, struct hub_scope *scope)
{
    int rc = hub_sleep(HUB_MILLISECOND);

    (void)scope;
    return rc < 0 ? rc : item(request, response);
}

static void put_together(struct http_app *app)
{
    static const char *const origins[] = {"https://shop.example", NULL};
    static struct cors cors = {.origins = origins,
                               .methods = "GET, PUT",
                               .headers = "Content-Type",
                               .max_age = "600"};

    http_app_route(app, "GET, PUT, OPTIONS", "/items/<int:id>", "item",
                   http_view_wrap(app, http_view_sync(item), with_cors, &cors));
    http_app_route(
        app, "GET", "/slow/<int:id>", "slow",
        http_view_wrap(app, http_view_async(slow_item), with_cors, &cors));
}

/* ---- what a browser would ask ---- */

static void ask(struct http_testclient *client, const char *method,
                const char *path, const char *origin)
{
    const char *allowed, *methods;
    int status;

    http_testclient_set_header(client, "Origin", origin);
    http_testclient_set_header(client, "Access-Control-Request-Method",
                               strcmp(method, "OPTIONS") == 0 ? "PUT" : NULL);
    status = http_testclient_request(client, method, path, NULL, NULL, 0);
    allowed = http_testclient_header(client, "Access-Control-Allow-Origin");
    methods = http_testclient_header(client, "Access-Control-Allow-Methods");
    printf("%s %s from %s: %d, for %s%s%s, varies by %s\n", method, path,
           origin != NULL ? origin : "nowhere", status,
           allowed != NULL ? allowed : "nobody",
           methods != NULL ? ", methods " : "", methods != NULL ? methods : "",
           http_testclient_header(client, "Vary"));
}

static int ask_all(struct http_app *app)
{
    struct http_testclient *client;
    int rc = http_testclient_new(app, &client);

    if (rc < 0)
        return rc;
    ask(client, "GET", "/items/7", NULL);
    ask(client, "GET", "/items/7", "https://shop.example");
    ask(client, "GET", "/items/8", "https://shop.example");
    ask(client, "GET", "/items/7", "https://evil.example");
    ask(client, "OPTIONS", "/items/7", "https://shop.example");
    ask(client, "OPTIONS", "/items/7", "https://evil.example");
    ask(client, "GET", "/slow/7", "https://shop.example");
    http_testclient_free(client);
    return 0;
}

int main(int argc, char **argv)
{
    struct http_app *app = http_app_new();
    int rc;

    put_together(app);
    if (argc > 1)
        return http_app_run(app, argc, argv) == 0 ? 0 : 1;
    rc = ask_all(app);
    http_app_free(app);
    return rc == 0 ? 0 : 1;
}
