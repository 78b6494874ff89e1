/* stream_run.c - the producer of a stream, and a client that goes away
 * meanwhile */
#include "http/send.h"
#include "http/stream_impl.h"

#include <errno.h>
#include <poll.h>

/* ---- has it gone? ---- */

/* Also when bytes that nobody reads lie before the end. */
static bool has_gone(const struct http__connection *connection)
{
    struct pollfd state = {.fd = connection->wire.fd, .events = POLLRDHUP};

    return poll(&state, 1, 0) > 0 &&
           (state.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

static void gone(struct http__connection *connection)
{
    connection->gone = true;
    hub_watcher_stop(connection->watcher);
    if (connection->scope != NULL)
        hub_scope_cancel(connection->scope, "the client is gone");
}

/* In the loop.  What it sends meanwhile would be told of again and again: then
 * the sweeper looks. */
static void readable(struct hub_watcher *watcher, int events, void *arg)
{
    struct http__connection *connection = arg;
    int saved = errno;

    (void)events;
    if (has_gone(connection))
        gone(connection);
    else
        hub_watcher_stop(watcher);
    errno = saved;
}

static bool is_unwatched(const struct http__connection *connection)
{
    return connection->scope != NULL && !connection->gone &&
           !hub_watcher_active(connection->watcher);
}

void http__stream_look(struct http__connection *connection)
{
    const struct http_server *server = connection->server;

    if (is_unwatched(connection) && has_gone(connection) &&
        server->swept == connection && is_unwatched(connection))
        gone(connection);
}

int http__client_watch(struct http__connection *connection,
                       struct hub_scope *scope)
{
    int rc =
        hub_watcher_io(connection->wire.fd, HUB_READ, &connection->watcher);

    connection->scope = scope;
    if (rc == 0)
        rc = hub_watcher_start(connection->watcher, readable, connection);
    return rc;
}

void http__client_unwatch(struct http__connection *connection)
{
    connection->scope = NULL;
    hub_watcher_free(connection->watcher);
    connection->watcher = NULL;
}

/* ---- the producer ---- */

/* What it deferred runs before the scope is left: waits in it end at once if
 * the client is gone, unless they are shielded. */
static int produce(struct http__connection *connection,
                   struct http_stream *stream)
{
    struct http_response *response = &connection->work->response;
    struct hub_scope scope;
    int rc = hub_scope_begin(&scope, 0);

    if (rc < 0)
        return rc;
    rc = http__client_watch(connection, &scope);
    if (rc == 0)
        rc = response->producer(stream, response->producer_data);
    http__client_unwatch(connection);
    greenlet_run_deferred(connection->deferred);
    hub_scope_end(&scope);
    return rc;
}

static int finish(struct http__connection *connection,
                  struct http_stream *stream)
{
    int rc = 0;

    if (stream->framing.head_only || stream->framing.until_close)
        return 0;
    if (!stream->framing.chunked)
        return stream->sent == stream->framing.length ? 0 : -ENODATA;
    rc = http__send(connection, "0\r\n", 3);
    if (rc == 0)
        rc =
            http__send(connection,
                       stream->trailer.data != NULL ? stream->trailer.data : "",
                       stream->trailer.size);
    return rc == 0 ? http__send(connection, "\r\n", 2) : rc;
}

static void report(struct http__connection *connection, int rc)
{
    struct http_request *request = &connection->work->request;

    http__report(connection->server, "%s %s: the stream was cut: %s",
                 http_request_verb(request), http_request_path(request),
                 rc > -4096 ? strerror(-rc) : "");
}

int http__stream_run(struct http__connection *connection, uint64_t *sent)
{
    struct http_stream stream = {.connection = connection};
    struct http_response *response = &connection->work->response;
    int rc;

    response->begun = true;
    http__frame(connection, &stream.framing);
    rc = http__send_head(connection, &stream.framing);
    if (rc == 0 && !stream.framing.head_only)
        rc = produce(connection, &stream);
    if (rc > 0)
        rc = -ERANGE;
    if (rc == 0)
        rc = stream.error;
    if (rc == 0 && !connection->gone)
        rc = finish(connection, &stream);
    *sent = stream.framing.head_only ? 0 : stream.sent;
    if (rc < 0 || connection->gone) {
        if (rc != -EPIPE && rc != -ECANCELED && rc != 0)
            report(connection, rc);
        if (rc != -EPIPE && !connection->gone)
            http__flush(connection); /* what it got is good */
        connection->broken = connection->closing = true;
    }
    return rc;
}
