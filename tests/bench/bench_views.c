/* bench_views.c - an application: a hello; a rule with a converter, a context
 * variable and JSON; views that wait for 100 ms, sync and async
 *
 * Prints "port N" and serves until it is killed. */
#include <errno.h>
#include <jansson.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vireo/contextvar.h>
#include <vireo/http.h>

#define WAIT (100 * HUB_MILLISECOND)

static struct greenlet_var *who;

static int hello(struct http_request *request, struct http_response *response)
{
    (void)request;
    return http_response_text(response, "Hello, World!");
}

/* What docs/http-app.md advises for speed: no format is read. */
static json_t *as_json(const char *id)
{
    json_t *made = json_object();

    if (made != NULL &&
        json_object_set_new_nocheck(made, "id", json_string_nocheck(id)) < 0) {
        json_decref(made);
        made = NULL;
    }
    return made;
}

static int user(struct http_request *request, struct http_response *response)
{
    void *id = NULL;
    json_t *made;
    int rc = greenlet_var_set(
        who, (void *)(uintptr_t)http_request_path_arg(request, "id"), NULL);

    if (rc == 0)
        rc = greenlet_var_get(who, &id);
    if (rc < 0)
        return rc;
    made = as_json(id);
    return made != NULL ? http_response_json(response, made) : -ENOMEM;
}

static int waits(struct http_request *request, struct http_response *response)
{
    int rc = hub_sleep(WAIT);

    return rc < 0 ? rc : hello(request, response);
}

static int waits_async(struct http_request *request,
                       struct http_response *response, struct hub_scope *scope)
{
    (void)scope;
    return waits(request, response);
}

static void must(const char *what, int rc)
{
    if (rc == 0)
        return;
    fprintf(stderr, "%s: %s\n", what, strerror(-rc));
    exit(EXIT_FAILURE);
}

int main(void)
{
    /* A benchmark's connections ask for more than a client's. */
    const struct http_server_options options = {.requests = 1000000000,
                                                .connections = 100000};
    const struct http_server_listener listener = {.backlog = 4096};
    struct http_app *app = http_app_new();
    struct http_server *server;
    struct hub_address address;
    const struct sockaddr_in *in = (const void *)&address.storage;

    who = greenlet_var_new("who", NULL);
    http_app_route(app, "GET", "/", "hello", http_view_sync(hello));
    http_app_route(app, "GET", "/users/<int:id>", "user", http_view_sync(user));
    http_app_route(app, "GET", "/sync", "sync", http_view_sync(waits));
    http_app_route(app, "GET", "/async", "async", http_view_async(waits_async));
    must("application", http_app_error(app, NULL));
    must("server", http_server_new(http_app_view(app), &options, &server));
    must("listen", http_server_listen(server, "127.0.0.1:0", &listener));
    must("address", http_server_address(server, 0, &address));
    printf("port %d\n", ntohs(in->sin_port));
    fflush(stdout);
    must("serve", http_server_serve(server, HUB_FOREVER));
    http_server_free(server);
    http_app_free(app);
    return EXIT_SUCCESS;
}
