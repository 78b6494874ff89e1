/* dispatch.c - a request through its application: hooks, view, errors (V-16,
 * V-17) */
#include "http/app/app_impl.h"

#include <errno.h>
#include <stdio.h>

/* ---- lines for the operator ---- */

/* To the server's operator, unless the application has a place of its own. */
static void say(struct http__call *call, const char *text)
{
    if (call->app != NULL && call->app->sink != NULL)
        http_app_log(call->app, HTTP_APP_ERROR, "%s", text);
    else
        http__report(call->request->work->server, "%s", text);
}

void http__app_report(struct http__call *call, const char *what, int error)
{
    struct http_request *request = call->request;
    const char *endpoint = http_request_endpoint(request);
    char text[512];

    if (request->work->connection == NULL) /* of no client: around serving */
        snprintf(text, sizeof text, "%s failed: %s (%d)", what,
                 error < -4095 ? "" : strerror(-error), error);
    else if (error > 0)
        snprintf(text, sizeof text, "%s %s: %s of %s ended with %d",
                 http_request_verb(request), http_request_path(request), what,
                 endpoint != NULL ? endpoint : "no endpoint", error);
    else
        snprintf(text, sizeof text, "%s %s: %s of %s failed: %s (%d)",
                 http_request_verb(request), http_request_path(request), what,
                 endpoint != NULL ? endpoint : "no endpoint",
                 error < -4095 ? "" : strerror(-error), error);
    say(call, text);
}

/* ---- error handlers ---- */

static const struct http_view *find_in(const struct http__hooks *hooks,
                                       int error)
{
    const struct http__handler *handler = hooks->handlers;

    while (handler != NULL && handler->error != error)
        handler = handler->next;
    return handler != NULL ? &handler->view : NULL;
}

static const struct http_view *find(const struct http__call *call, int error)
{
    const struct http_view *view = NULL;

    if (call->blueprint != NULL)
        view = find_in(&call->blueprint->hooks, error);
    return view != NULL ? view : find_in(&call->app->hooks, error);
}

/* That of the error, of any error, and of 500 for an errno. */
static const struct http_view *handler_of(const struct http__call *call,
                                          int error)
{
    const struct http_view *view = find(call, error);

    if (view == NULL)
        view = find(call, HTTP_APP_ANY_ERROR);
    if (view == NULL && error < 0)
        view = find(call, 500);
    return view;
}

static bool has_body(const struct http_response *response)
{
    return response->kind != HTTP__KIND_BYTES || response->borrowed != NULL ||
           response->body.size > 0;
}

static void remove_all_fields(struct http_response *response)
{
    response->fields.size = 0;
    response->has_type = response->has_date = response->has_server = false;
}

/* What a view set beside a status says what is to be done about it, as
 * WWW-Authenticate does; but what was said of a body is true no more. */
static void empty(struct http_response *response, bool keep_fields)
{
    static const char *const of_body[] = {
        "Content-Type",  "ETag",          "Content-Encoding", "Content-Range",
        "Last-Modified", "Accept-Ranges", "Content-Length"};

    http_response_clear(response);
    response->status = 0;
    if (!keep_fields)
        remove_all_fields(response);
    for (size_t i = 0; i < sizeof of_body / sizeof *of_body; i++)
        http_response_remove_header(response, of_body[i]);
}

/* Is it what http_request_abort() was called with?  Then it is seen now. */
static bool was_aborted(struct http__call *call, int rc)
{
    bool aborted = rc > 0 && rc == call->aborted;

    call->aborted = 0;
    return aborted;
}

/* What a handler returned: it is final. */
static void settle_handled(struct http__call *call, int rc, int status)
{
    struct http_response *response = call->response;
    bool aborted = was_aborted(call, rc);

    if (rc < 0 || (rc > 0 && (rc < 200 || rc > 599))) {
        http__app_report(call, "the error handler", rc < 0 ? rc : -ERANGE);
        remove_all_fields(response);
        http__response_page(response, 500);
    } else if (rc >= 400 && (aborted || !has_body(response))) {
        http__response_page(response, rc);
    } else if (rc > 0) {
        response->status = (int16_t)rc;
    } else if (response->status == 0) {
        response->status = (int16_t)status;
    }
}

void http__app_answer_error(struct http__call *call, int error)
{
    const struct http_view *handler = handler_of(call, error);
    int status = error > 0 ? error : 500;

    call->error = error;
    empty(call->response, error > 0);
    if (handler != NULL) {
        settle_handled(call,
                       http_view_call(handler, call->request, call->response),
                       status);
        return;
    }
    if (error < 0)
        http__app_report(call, "the view", error);
    if (status < 500 || !http__debug_page(call, error))
        http__response_page(call->response, status);
}

/* ---- what a view returned ---- */

/* An error of the request's data has a status of its own. */
static int status_of(struct http__call *call, int rc)
{
    int status = http__body_status(call->request);

    if (status == 0 && rc == call->data_error)
        status = call->data_status;
    return status != 0 ? status : rc;
}

static void settle(struct http__call *call, int rc)
{
    struct http_response *response = call->response;

    if (unlikely(was_aborted(call, rc)) && rc >= 300) {
        http__app_answer_error(call, rc);
        return;
    }
    if (unlikely(response->kind == HTTP__KIND_UPGRADE)) {
        if (rc == 0)
            return;
        http_response_clear(response);
    }
    if (unlikely(rc < 0))
        http__app_answer_error(call, status_of(call, rc));
    else if (unlikely(rc > 0 && (rc < 200 || rc > 599)))
        http__app_answer_error(call, -ERANGE);
    else if (rc >= 400 && !has_body(response))
        http__app_answer_error(call, rc);
    else if (rc > 0)
        response->status = (int16_t)rc;
    else if (response->status == 0)
        response->status = 200;
}

/* ---- hooks ---- */

/* Returns what ends the request early; 0: nothing does. */
static int run_before(struct http__call *call,
                      const struct http__hook_list *list)
{
    int rc = 0;

    for (const struct http__hook *hook = list->first; hook != NULL && rc == 0;
         hook = hook->next)
        rc = http_view_call(&hook->view, call->request, call->response);
    return rc;
}

/* What they end with is told to the operator: the response stays. */
static void run_behind(struct http__call *call, const struct http__hook *hook,
                       const char *what)
{
    for (; hook != NULL; hook = hook->before) {
        int rc = http_view_call(&hook->view, call->request, call->response);

        if (was_aborted(call, rc) || rc < 0)
            http__app_report(call, what, rc);
    }
}

void http__app_after(struct http__call *call)
{
    static const char what[] = "an after_request function";

    if (call->after_done)
        return;
    call->after_done = true;

    run_behind(call, call->after_this, "an after_this_request function");
    if (call->blueprint != NULL)
        run_behind(call, call->blueprint->hooks.after.last, what);
    run_behind(call, call->app->hooks.after.last, what);
    if (unlikely(call->session_read))
        http__session_save(call);
}

bool http__app_has_teardown(const struct http__call *call)
{
    return call->app->hooks.teardown.last != NULL ||
           (call->blueprint != NULL &&
            call->blueprint->hooks.teardown.last != NULL);
}

void http__app_teardown(struct http__call *call)
{
    static const char what[] = "a teardown_request function";

    if (call->app == NULL || call->outside_request)
        return;
    if (call->blueprint != NULL)
        run_behind(call, call->blueprint->hooks.teardown.last, what);
    run_behind(call, call->app->hooks.teardown.last, what);
}

/* Called once, in the order of the calls of this: the list has the newest
 * first. */
int http_request_after_this(struct http_request *request, struct http_view view)
{
    struct http__call *call = request->call;
    struct http__hook *hook, **at;

    if (call == NULL || call->app == NULL || view.call == NULL ||
        http__view_is_async(&view))
        return -EINVAL;
    hook = http_request_alloc(request, sizeof *hook);
    if (hook == NULL)
        return -ENOMEM;
    *hook = (struct http__hook){.view = view};
    for (at = &call->after_this; *at != NULL; at = &(*at)->before)
        ;
    *at = hook;
    return 0;
}

/* ---- the rule ---- */

/* The same place, with a slash behind it, and the query that it had. */
static int redirect_to_slash(struct http__call *call)
{
    struct http_request *request = call->request;
    const char *path = http_request_path(request);
    const char *query = http_request_query(request);
    size_t size = strlen(path) + (query != NULL ? strlen(query) : 0) + 3;
    char *location = http_request_alloc(request, size);

    if (location == NULL)
        return -ENOMEM;
    snprintf(location, size, "%s/%s%s", path, query != NULL ? "?" : "",
             query != NULL ? query : "");
    return http_response_redirect(call->response, location, 308);
}

/* A rule for WebSockets alone, asked for a page: RFC 9110, 15.5.22. */
static int wants_upgrade(struct http__call *call)
{
    int rc = http_response_set_header(call->response, "Upgrade", "websocket");

    return rc < 0 ? rc : 426;
}

static int no_method(struct http__call *call, uint32_t method, uint32_t allowed)
{
    const char *text;
    int rc;

    if (allowed == http__method_websocket && (method & http__method_get))
        return wants_upgrade(call);
    if (allowed & http__method_websocket)
        allowed |= http__method_get;
    text = http__methods_text(http__call_arena(call), allowed);
    rc = *text != '\0' ? http_response_set_header(call->response, "Allow", text)
                       : -ENOMEM;
    if (rc < 0)
        return rc;
    return method == http__method_options ? 200 : 405;
}

static int find_route(struct http__call *call, uint32_t method,
                      struct http__found *found)
{
    return http__router_find(call->app->root, http__call_arena(call),
                             http_request_path(call->request), method, found);
}

/* Who asks for a WebSocket has its rule; where there is none, that of a page.
 */
static int find_either(struct http__call *call, uint32_t method,
                       struct http__found *found)
{
    int rc;

    if (unlikely(http__asks_for_websocket(call->request))) {
        rc = find_route(call, http__method_websocket, found);
        if (rc < 0 || found->route != NULL)
            return rc;
    }
    return find_route(call, method, found);
}

/* Returns 0: call->route is to be called; else what it comes to. */
static int route(struct http__call *call)
{
    struct http_request *request = call->request;
    const char *verb = http_request_verb(request);
    uint32_t method = http__method_bit(verb, strlen(verb));
    struct http__found found;
    int rc = find_either(call, method, &found);

    if (rc < 0)
        return rc == -EINVAL ? 400 : rc;
    call->route = found.route;
    if (found.route != NULL) {
        call->values = found.values;
        call->count = found.count;
        call->blueprint = found.route->blueprint;
        return 0;
    }
    if (found.add_slash)
        return redirect_to_slash(call);
    return found.allowed != 0 ? no_method(call, method, found.allowed) : 404;
}

static bool is_for_websockets(const struct http__call *call)
{
    return call->route != NULL &&
           call->route->methods == http__method_websocket;
}

/* A WebSocket has no time limit, and who reads from it sees that its client is
 * gone. */
static int call_view(struct http__call *call)
{
    const struct http_app_route *how = &call->route->how;
    bool cancel = http__view_is_async(&call->route->original)
                      ? call->app->cancel_async
                      : call->app->cancel_sync;

    if (unlikely(is_for_websockets(call)))
        return http_view_call(&how->view, call->request, call->response);
    if (cancel && call->request->work->connection != NULL)
        return http__call_watched(call, &how->view);
    return http__call_limited(call, &how->view);
}

/* Hooks come before what the rule comes to, as in Flask: who has to log in does
 * so for what is not there, too. */
static void run(struct http__call *call)
{
    int routed = route(call);
    int rc = run_before(call, &call->app->hooks.before);

    if (rc == 0 && call->blueprint != NULL)
        rc = run_before(call, &call->blueprint->hooks.before);
    if (rc == 0)
        rc = routed != 0 ? routed : call_view(call);
    if (unlikely(call->opened)) {
        http__socket_view_end(call, rc);
        return;
    }
    if (rc == 0 && unlikely(is_for_websockets(call)))
        rc = call->refused != 0 ? call->refused : 403; /* as if it had closed */
    settle(call, rc);
    http__app_after(call);
}

int http__app_dispatch(const struct http_view *view,
                       struct http_request *request,
                       struct http_response *response)
{
    struct http__call *call = http__call_of(request);
    int rc = call != NULL ? http__call_enter(call) : -ENOMEM;

    (void)response;
    if (rc < 0)
        return rc;
    call->app = view->data;
    if (unlikely(call->app->status_path != NULL)) {
        if (http__live_answer(call))
            return 0;
        http__live_begin(call);
    }
    if (unlikely(call->app->reload_file != NULL) && http__reload_page(call))
        return 0;
    run(call);
    return 0;
}
