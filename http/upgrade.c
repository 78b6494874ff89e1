/* upgrade.c - a connection that somebody takes over */
#include "http/send.h"

#include <errno.h>

int http__response_upgrade(struct http_response *response, const char *protocol,
                           http__upgraded *function, void *data,
                           void (*drop)(void *data))
{
    const struct http_request *request = &response->work->request;
    const char *name;

    if (response->begun)
        return -ESHUTDOWN;
    if (request->head.minor == 0 || !request->head.upgrade ||
        request->body_state != HTTP__BODY_ENDED)
        return -EINVAL;
    name = http__arena_copy(&response->work->arena, protocol, strlen(protocol));
    if (name == NULL)
        return -ENOMEM;
    http_response_clear(response);
    http_response_remove_header(response, "Upgrade"); /* ours is sent */
    response->kind = HTTP__KIND_UPGRADE;
    response->protocol = name;
    response->upgraded = function;
    response->upgraded_data = data;
    response->upgraded_drop = drop;
    return 0;
}

void http__upgrade_run(struct http__connection *connection)
{
    struct http_response *response = &connection->work->response;
    http__upgraded *function = response->upgraded;
    void *data = response->upgraded_data;

    connection->closing = true;
    if (http__flush(connection) < 0) {
        http__connection_release(connection);
        return;
    }
    response->upgraded_drop = NULL;
    http__flush_soon_cancel(connection);
    function(connection, data);
    http__idle_end(connection);
    connection->on_stop = NULL;
    http__connection_release(connection);
}

/* ---- for who has taken over ---- */

struct http__wire *http__connection_wire(struct http__connection *connection)
{
    return &connection->wire;
}

struct http_request *
http__connection_request(struct http__connection *connection)
{
    return connection->work != NULL ? &connection->work->request : NULL;
}

struct http_server *http__connection_server(struct http__connection *connection)
{
    return connection->server;
}

size_t http__connection_early(struct http__connection *connection, void *buffer,
                              size_t size)
{
    struct http__work *work = connection->work;
    size_t there = work != NULL ? work->end - work->at : 0;

    if (size > there)
        size = there;
    if (size > 0) {
        memcpy(buffer, work->input + work->at, size);
        work->at += size;
    }
    return size;
}

void http__connection_release(struct http__connection *connection)
{
    struct http__work *work = connection->work;

    if (work == NULL)
        return;
    work->at = work->end;
    if (work->request.call != NULL)
        http__call_end(work->request.call);
    http__work_end(work);
    if (connection->work != NULL)
        http__work_unref(connection->work);
    connection->work = NULL;
}

void http__connection_on_stop(struct http__connection *connection,
                              void (*function)(void *data), void *data)
{
    connection->on_stop = function;
    connection->on_stop_data = data;
    if (function != NULL && connection->server->stopping)
        function(data);
}

/* Its time is kept by who has it: only its stack is looked after. */
void http__connection_idle(struct http__connection *connection, bool idle)
{
    if (idle && connection->idling == HTTP__BUSY)
        http__idle_begin(connection, HTTP__UPGRADED);
    else if (!idle)
        http__idle_end(connection);
}
