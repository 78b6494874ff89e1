/* socketview.c - WebSocket views are views (V-36): the 101 is sent in the view,
 * which has the connection until it returns */
#include "http/app/app_impl.h"
#include "http/websocket/websocket_impl.h"

#include <errno.h>
#include <strings.h>

/* ---- does it ask for one? ---- */

/* An element of Upgrade; whether the handshake is good is looked at when the
 * view opens it. */
static bool names_websocket(const char *list)
{
    static const char word[] = "websocket";
    size_t length;

    for (; *list != '\0'; list += length) {
        list += strspn(list, ", \t");
        length = strcspn(list, ", \t");
        if (length == sizeof word - 1 && strncasecmp(list, word, length) == 0)
            return true;
    }
    return false;
}

bool http__asks_for_websocket(struct http_request *request)
{
    const char *upgrade;

    if (likely(!request->head.upgrade) ||
        strcmp(http_request_verb(request), "GET") != 0)
        return false;
    upgrade = http_request_header(request, "Upgrade");
    return upgrade != NULL && names_websocket(upgrade);
}

/* ---- opening ---- */

static bool may_open(const struct http__call *call)
{
    const struct http__connection *connection =
        call != NULL ? call->request->work->connection : NULL;

    return connection != NULL && call->route != NULL &&
           call->route->methods == http__method_websocket &&
           connection->greenlet == greenlet_current();
}

/* Returns 0 once the 101 is gone. */
static int send_head(struct http__connection *connection)
{
    const struct http__framing framing = {.head_only = true};
    int rc;

    connection->closing = true;
    rc = http__send_head(connection, &framing);
    return rc == 0 ? http__flush(connection) : rc;
}

/* From here on the response is sent, whatever becomes of it. */
static int open_now(struct http__call *call,
                    const struct http__handshake_answer *answer,
                    struct http_websocket **socket)
{
    struct http__connection *connection = call->request->work->connection;

    call->response->status = 101;
    call->response->begun = call->response->taken = call->opened = true;
    if (send_head(connection) < 0)
        return -EPIPE;
    http__flush_soon_cancel(connection);
    if (connection->server->options.access != NULL)
        http__access(connection, 101, 0);
    call->websocket =
        http__websocket_begin(connection, call->route->how.websocket, answer);
    if (call->websocket == NULL)
        return -ENOMEM;
    http__connection_on_stop(connection, http__control_leave, call->websocket);
    *socket = call->websocket;
    return 0;
}

/* It is nothing yet: after functions may make another answer of it. */
static int prepare(struct http__call *call,
                   struct http__handshake_answer *answer)
{
    int rc = http__websocket_shake(call->request, call->response,
                                   call->route->how.websocket, answer);

    if (rc == 0)
        rc = http__response_upgrade(call->response, "websocket", NULL, NULL,
                                    NULL);
    if (rc != 0)
        return rc;
    call->response->status = 101;
    http__app_after(call);
    if (call->response->kind == HTTP__KIND_UPGRADE)
        return 0;
    return call->response->status > 101 ? call->response->status : 403;
}

int http_websocket_open(struct http_request *request,
                        struct http_response *response,
                        struct http_websocket **socket)
{
    struct http__call *call = request->call;
    struct http__handshake_answer *answer;
    int rc;

    *socket = NULL;
    if (!may_open(call))
        return -ENOTSUP;
    if (call->opened)
        return -EALREADY;
    if (response->begun)
        return -ESHUTDOWN;
    answer = http_request_alloc(request, sizeof *answer);
    rc = answer != NULL ? prepare(call, answer) : -ENOMEM;
    call->refused = rc > 0 ? rc : 0;
    return rc == 0 ? open_now(call, answer, socket) : rc;
}

struct http_websocket *
http_request_websocket(const struct http_request *request)
{
    return request->call != NULL ? request->call->websocket : NULL;
}

/* ---- the end ---- */

/* It broke the rules, and was told so. */
static bool is_the_clients(const struct http_websocket *socket, int rc)
{
    return socket != NULL && socket->end == rc &&
           (rc == -EBADMSG || rc == -EILSEQ || rc == -EMSGSIZE);
}

/* A client that went is nobody's fault. */
static void tell(struct http__call *call, int rc)
{
    if (is_the_clients(call->websocket, rc))
        return;
    if (rc >= 500 || (rc < 0 && rc != -EPIPE && rc != -ECANCELED))
        http__app_report(call, "the view", rc);
}

static void close_for_policy(struct http_websocket *socket)
{
    struct hub_shield shield;

    hub_shield_begin(&shield);
    if (socket->end == 0 && http_websocket_close(socket, HTTP_WEBSOCKET_POLICY,
                                                 NULL, HUB_FOREVER) < 0)
        http__websocket_end(socket, -EPIPE);
    hub_shield_end(&shield);
}

void http__socket_view_end(struct http__call *call, int rc)
{
    struct http__connection *connection = call->request->work->connection;
    struct http_websocket *socket = call->websocket;

    greenlet_run_deferred(connection->deferred);
    call->aborted = 0;
    call->error = rc < 0 || rc >= 400 ? rc : 0;
    tell(call, rc);
    connection->closing = true;
    if (socket == NULL)
        return;
    http__connection_on_stop(connection, NULL, NULL);
    if (rc >= 400 && rc < 500)
        close_for_policy(socket);
    call->websocket = NULL;
    http__websocket_finish(socket, rc >= 500 ? -EIO : rc);
    http__idle_end(connection);
}
