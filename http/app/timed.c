/* timed.c - a view with a time limit, or one whose client may go away (V-15)
 *
 * At the deadline its waits end.  If it has not returned a second later,
 * somebody else answers for it, and what it says then is dropped. */
#include "http/app/app_impl.h"

#include <errno.h>
#include <stdio.h>

#define GRACE_NS HUB_SECOND

struct timed {
    struct http__call *call;
    struct hub_watcher *watcher;
    struct greenlet *late; /* who answers for it */
    bool answered;
};

/* Behind what was gathered of earlier answers.  The view's greenlet sends
 * nothing meanwhile: to it the connection is broken. */
static void answer_late(void *arg)
{
    static const char text[] = "HTTP/1.1 504 Gateway Timeout\r\n"
                               "Content-Type: text/plain; charset=utf-8\r\n"
                               "Content-Length: 20\r\n"
                               "Connection: close\r\n\r\n"
                               "504 Gateway Timeout\n";
    struct timed *timed = arg;
    struct http_request *request = timed->call->request;
    struct http__connection *connection = request->work->connection;
    struct iovec vec[2] = {{request->work->out, request->work->out_size},
                           {(void *)(uintptr_t)text, sizeof text - 1}};

    http__app_report(timed->call, "the view has not ended: its answer",
                     -ETIMEDOUT);
    request->work->out_size = 0;
    connection->closing = connection->broken = true;
    http__wire_write(&connection->wire, vec, 2,
                     connection->server->options.write_ns);
}

/* In the loop. */
static void too_late(struct hub_watcher *watcher, int events, void *arg)
{
    struct timed *timed = arg;
    const struct http__connection *connection =
        timed->call->request->work->connection;

    (void)watcher;
    (void)events;
    if (connection == NULL || connection->broken || connection->writing ||
        timed->call->response->begun)
        return;
    timed->late = hub_spawn_raw(answer_late, timed);
}

static int start(struct timed *timed, int64_t timeout_ns)
{
    int rc = hub_watcher_timer(timeout_ns + GRACE_NS, 0, &timed->watcher);

    if (rc == 0)
        rc = hub_watcher_start(timed->watcher, too_late, timed);
    if (rc < 0 && timed->watcher != NULL)
        hub_watcher_free(timed->watcher);
    return rc;
}

static void finish(struct timed *timed)
{
    struct hub_shield shield;

    hub_watcher_free(timed->watcher);
    if (timed->late == NULL)
        return;
    hub_shield_begin(&shield);
    hub_join(timed->late, HUB_FOREVER);
    hub_shield_end(&shield);
    greenlet_unref(timed->late);
}

/* Of a view whose answer is a stream the scope stays entered, and with it the
 * timeout around it, which does not fire any more. */
static int call_timed(struct http__call *call, const struct http_view *view,
                      int64_t timeout_ns)
{
    struct timed timed = {.call = call};
    struct hub_timeout *timeout =
        http_request_alloc(call->request, sizeof *timeout);
    int rc = timeout != NULL ? start(&timed, timeout_ns) : -ENOMEM;
    bool fired;

    if (rc < 0)
        return rc;
    rc = hub_timeout_begin(timeout, hub_deadline(timeout_ns));
    if (rc < 0) {
        finish(&timed);
        return rc;
    }
    rc = http_view_call(view, call->request, call->response);
    fired = hub_timeout_fired(timeout);
    hub_timeout_cancel(timeout);
    if (call->scope != NULL)
        call->timeout = timeout;
    else
        hub_timeout_end(timeout);
    finish(&timed);
    call->aborted = fired ? 504 : call->aborted; /* whatever it says */
    return fired ? 504 : rc;
}

int http__call_limited(struct http__call *call, const struct http_view *view)
{
    int64_t timeout = call->route->how.timeout_ns;

    if (timeout == 0)
        timeout = call->app->timeout_ns;
    if (timeout > 0)
        return call_timed(call, view, timeout);
    return http_view_call(view, call->request, call->response);
}

/* ---- a client that goes away ---- */

enum {
    CLIENT_GONE = 499
}; /* as nginx has it in its log: nobody else sees it */

/* Around all others: it is left last, with a stream's behind that. */
static int call_watched(struct http__call *call, const struct http_view *view,
                        struct hub_scope *scope)
{
    struct http__connection *connection = call->request->work->connection;
    int rc = http__client_watch(connection, scope);

    if (rc == 0)
        rc = http__call_limited(call, view);
    http__client_unwatch(connection);
    if (!connection->gone)
        return rc;
    connection->broken = connection->closing = true;
    call->aborted = CLIENT_GONE;
    return CLIENT_GONE;
}

int http__call_watched(struct http__call *call, const struct http_view *view)
{
    struct hub_scope *scope = http_request_alloc(call->request, sizeof *scope);
    int rc = scope != NULL ? hub_scope_begin(scope, 0) : -ENOMEM;

    if (rc < 0)
        return rc;
    rc = call_watched(call, view, scope);
    if (call->scope != NULL)
        call->client = scope;
    else
        hub_scope_end(scope);
    return rc;
}
