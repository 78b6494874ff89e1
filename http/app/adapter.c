/* adapter.c - async views where sync ones are wanted (V-11), and who runs them
 * (V-13) */
#include "http/app/app_impl.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>

bool http__view_is_async(const struct http_view *view)
{
    return view->call == http_view_async(NULL).call;
}

/* ---- on the hub ---- */

/* What is left of its tasks ends before the response is sent (V-09); those of a
 * stream's view live as long as the stream (V-22). */
int http_app_adapt_on_hub(struct http_app *app, const struct http_view *view,
                          struct http_request *request,
                          struct http_response *response)
{
    struct hub_scope *scope = http_request_alloc(request, sizeof *scope);
    http_view_async_function *function =
        (http_view_async_function *)view->function;
    int rc = scope != NULL ? hub_scope_begin(scope, 0) : -ENOMEM, ended;

    (void)app;
    if (rc < 0)
        return rc;
    rc = function(request, response, scope);
    if (rc >= 0 && response->kind == HTTP__KIND_STREAM &&
        request->call->scope == NULL) {
        request->call->scope = scope;
        return rc;
    }
    ended = hub_scope_end(scope);
    return rc < 0 || ended == 0 ? rc : ended;
}

/* V-10: as where one loop runs on, behind the request too. */
int http_app_adapt_on_hub_scope(struct http_app *app,
                                const struct http_view *view,
                                struct http_request *request,
                                struct http_response *response)
{
    struct hub_scope *scope = hub_scope_of_hub();

    (void)app;
    return scope != NULL ? ((http_view_async_function *)view->function)(
                               request, response, scope)
                         : -ENOMEM;
}

/* ---- in a thread ---- */

struct threaded {
    struct http_app *app;
    struct http_view view;
    struct http_request *request;
    struct http_response *response;
    struct greenlet_context *context;
    struct hub_watcher *ended;
    int rc;
};

static int call_on_hub(const struct http_view *view,
                       struct http_request *request,
                       struct http_response *response)
{
    const struct threaded *threaded = view->data;

    return http_app_adapt_on_hub(threaded->app, &threaded->view, request,
                                 response);
}

static void *run_thread(void *arg)
{
    struct threaded *threaded = arg;
    const struct http_view view = {call_on_hub, NULL, threaded};

    greenlet_set_context(greenlet_current(), threaded->context);
    threaded->rc = http_view_call(&view, threaded->request, threaded->response);
    greenlet_set_context(greenlet_current(), NULL);
    hub_watcher_send(threaded->ended);
    return NULL;
}

static int start_thread(struct threaded *threaded, pthread_t *thread)
{
    int rc = hub_watcher_async(&threaded->ended);

    if (rc < 0)
        return rc;
    threaded->context = greenlet_context_copy(NULL);
    if (threaded->context == NULL)
        rc = -ENOMEM;
    if (rc == 0)
        rc = -pthread_create(thread, NULL, run_thread, threaded);
    if (rc < 0) {
        greenlet_context_unref(threaded->context);
        hub_watcher_free(threaded->ended);
    }
    return rc;
}

/* The body is read before: the connection is this hub's.  A thread cannot be
 * called back, so it is waited for whatever happens. */
int http_app_adapt_in_thread(struct http_app *app, const struct http_view *view,
                             struct http_request *request,
                             struct http_response *response)
{
    struct threaded threaded = {
        .app = app, .view = *view, .request = request, .response = response};
    struct hub_shield shield;
    pthread_t thread;
    const char *data;
    size_t size;
    int rc = http_request_body(request, &data, &size);

    if (rc == 0)
        rc = start_thread(&threaded, &thread);
    if (rc < 0)
        return rc;
    hub_shield_begin(&shield);
    hub_wait_watcher(threaded.ended, HUB_FOREVER);
    hub_shield_end(&shield);
    pthread_join(thread, NULL);
    hub_watcher_free(threaded.ended);
    greenlet_context_unref(threaded.context);
    return threaded.rc;
}

/* ---- ensure_sync ---- */

/* An async view, and whose it is. */
struct adapted {
    struct http_app *app;
    struct http_view view;
};

static int call_adapted(const struct http_view *view,
                        struct http_request *request,
                        struct http_response *response)
{
    const struct adapted *adapted = view->data;

    return adapted->app->adapter(adapted->app, &adapted->view, request,
                                 response);
}

static int call_nothing(const struct http_view *view,
                        struct http_request *request,
                        struct http_response *response)
{
    (void)view;
    (void)request;
    (void)response;
    return -ENOTSUP;
}

/* V-05: what async views stand on is tried once, before the first of them. */
static int pass_gate(struct http_app *app)
{
    struct greenlet_gate_report report;
    char why[320];
    int rc;

    if (app->gate_passed)
        return 0;
    rc = greenlet_gate("greenlet>=1.0", &report);
    app->gate_passed = rc == 0;
    if (rc == 0)
        return 0;
    snprintf(why, sizeof why,
             "%s should be: %s; rebuild the library for this machine, and see "
             "`vireo gate`",
             report.failed > 0 ? report.failures[0].id : "the version",
             report.failed > 0 ? report.failures[0].what : report.line);
    return http__app_fail(app, rc == -ENOMEM ? rc : -ENOTSUP, "async views",
                          why);
}

struct http_view http_app_ensure_sync(struct http_app *app,
                                      struct http_view view)
{
    struct adapted *adapted;

    if (!http__view_is_async(&view))
        return view;
    if (pass_gate(app) < 0)
        return (struct http_view){call_nothing, NULL, NULL};
    adapted = http__arena_alloc(&app->arena, sizeof *adapted);
    if (adapted == NULL) {
        http__app_fail(app, -ENOMEM, "an async view", NULL);
        return (struct http_view){call_nothing, NULL, NULL};
    }
    *adapted = (struct adapted){app, view};
    return (struct http_view){call_adapted, view.function, adapted};
}

/* ---- wrappers: V-12 ---- */

struct wrapped {
    struct http_view inner;
    http_view_wrapper *wrapper;
    void *data;
};

static int call_wrapped(const struct http_view *view,
                        struct http_request *request,
                        struct http_response *response)
{
    const struct wrapped *wrapped = view->data;

    return wrapped->wrapper(request, response, &wrapped->inner, wrapped->data);
}

struct http_view http_view_wrap(struct http_app *app, struct http_view inner,
                                http_view_wrapper *wrapper, void *data)
{
    struct wrapped *wrapped = http__arena_alloc(&app->arena, sizeof *wrapped);

    if (inner.call == NULL || wrapper == NULL || wrapped == NULL) {
        http__app_fail(app, wrapped == NULL ? -ENOMEM : -EINVAL,
                       "http_view_wrap", NULL);
        return (struct http_view){call_nothing, NULL, NULL};
    }
    *wrapped =
        (struct wrapped){http_app_ensure_sync(app, inner), wrapper, data};
    return (struct http_view){call_wrapped, (void (*)(void))wrapper, wrapped};
}
