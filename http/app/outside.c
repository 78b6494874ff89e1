/* outside.c - contexts outside a request (V-34), and background work that keeps
 * one */
#include "http/app/app_impl.h"

#include <errno.h>

/* Of a server that has no listener, and ends with it. */
struct http_request *http__request_outside(struct http_app *app)
{
    static const char text[] = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    struct http_server *server;
    struct http__work *work;
    struct http__strict strict = {0};

    if (http_server_new(http_app_view(app), NULL, &server) < 0)
        return NULL;
    work = http__work_take(server);
    if (work == NULL) {
        http__server_unref(server);
        return NULL;
    }
    work->connection = NULL;
    http__work_begin(work);
    memcpy(work->input, text, sizeof text - 1);
    work->end = work->at = sizeof text - 1;
    http__strict_head(&strict, &server->limits, work->input, work->end,
                      &work->request.head);
    work->request.data = work->input;
    work->request.scheme = "http";
    work->request.peer =
        http__arena_alloc(&work->arena, sizeof *work->request.peer);
    if (work->request.peer == NULL) {
        http_request_unref(&work->request);
        return NULL;
    }
    memset(work->request.peer, 0, sizeof *work->request.peer);
    return &work->request;
}

int http_app_context_begin(struct http_app *app, struct http_request **request)
{
    struct http_request *made =
        app->error == 0 ? http__request_outside(app) : NULL;
    struct http__call *call = made != NULL ? http__call_of(made) : NULL;
    int rc = call != NULL ? http__call_enter(call) : -ENOMEM;

    if (rc < 0) {
        http_request_unref(made);
        return app->error < 0 ? app->error : rc;
    }
    call->app = app;
    call->outside_request = true;
    *request = made;
    return 0;
}

void http_app_context_end(struct http_request *request)
{
    http__call_end(request->call);
    request->work->response.begun = true;
    http_request_unref(request);
}

struct greenlet *http_request_spawn(greenlet_run *run, void *arg)
{
    struct greenlet_context *context = greenlet_context_copy(NULL);
    struct greenlet *g = context != NULL ? hub_greenlet_new(run, arg, 0) : NULL;

    if (g != NULL &&
        (greenlet_set_context(g, context) < 0 || hub_start(g) < 0)) {
        greenlet_unref(g);
        g = NULL;
    }
    greenlet_context_unref(context);
    return g;
}
