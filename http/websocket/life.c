/* life.c - a WebSocket's life: made, used, over */
#include "http/websocket/websocket_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- made ---- */

static void settle(struct http_websocket_options *options)
{
    if (options->message_limit == 0)
        options->message_limit = 1 << 20;
    if (options->pong_timeout == 0)
        options->pong_timeout = 20 * HUB_SECOND;
    if (options->write_timeout == 0)
        options->write_timeout = 60 * HUB_SECOND;
    if (options->close_timeout == 0)
        options->close_timeout = 5 * HUB_SECOND;
    if (options->compress_from == 0)
        options->compress_from = 256;
}

struct http_websocket *
http__websocket_new(struct http__wire *wire,
                    const struct http_websocket_options *options,
                    const struct http__handshake_answer *answer)
{
    struct http_websocket *socket = http__calloc(1, sizeof *socket);

    if (socket == NULL)
        return NULL;
    socket->wire = wire;
    socket->greenlet = greenlet_current();
    socket->refs = 1;
    socket->options = *options;
    settle(&socket->options);
    socket->terms = answer->deflate;
    socket->protocol = answer->protocol;
    socket->heard = hub_now();
    socket->in.frames.may_read = !wire->drained;
    hub_semaphore_init(&socket->out.message_turn, 1);
    hub_semaphore_init(&socket->out.frame_turn, 1);
    hub_event_init(&socket->over);
    hub_event_init(&socket->unused);
    return socket;
}

struct http_websocket *http_websocket_ref(struct http_websocket *socket)
{
    socket->refs++;
    return socket;
}

void http_websocket_unref(struct http_websocket *socket)
{
    if (socket != NULL && --socket->refs == 0)
        free(socket);
}

const char *http_websocket_protocol(const struct http_websocket *socket)
{
    return socket->protocol;
}

/* ---- used ---- */

int http__websocket_enter(struct http_websocket *socket)
{
    if (socket->wire == NULL)
        return -EPIPE;
    socket->users++;
    return 0;
}

int http__websocket_leave(struct http_websocket *socket, int rc)
{
    if (--socket->users == 0)
        hub_event_set(&socket->unused);
    return rc;
}

int http__websocket_end(struct http_websocket *socket, int reason)
{
    if (socket->end == 0) {
        socket->end = reason;
        if (socket->close_code == 0)
            socket->close_code = HTTP_WEBSOCKET_ABNORMAL;
        hub_event_set(&socket->over);
    }
    return reason;
}

int http__websocket_cut(struct http_websocket *socket, int reason)
{
    http__websocket_end(socket, reason);
    hub_shutdown(socket->wire->fd, SHUT_RDWR);
    return reason;
}

int http_websocket_close_code(const struct http_websocket *socket)
{
    return socket->close_code;
}

const char *http_websocket_close_reason(const struct http_websocket *socket)
{
    bool said = socket->end == 1 && socket->in.control_size > 2;

    return said ? (const char *)socket->in.control + 2 : "";
}

/* ---- over ---- */

static void close_as(struct http_websocket *socket, int rc)
{
    int code = rc == -ECANCELED ? HTTP_WEBSOCKET_GOING_AWAY
               : rc < 0         ? HTTP_WEBSOCKET_INTERNAL_ERROR
                                : HTTP_WEBSOCKET_NORMAL;
    int64_t longest = rc == -ECANCELED ? HUB_SECOND / 2 : HUB_FOREVER;

    if (socket->end == 0 &&
        http_websocket_close(socket, code, NULL, hub_deadline(longest)) < 0)
        http__websocket_end(socket, -EPIPE);
}

/* A client that has not read our close frame yet loses it when what it has sent is
 * not read: closing would be a reset. */
static void linger(struct http_websocket *socket)
{
    int64_t last = hub_deadline(10 * HUB_SECOND), next;
    char dropped[1024];

    http__frames_free(&socket->in.frames);
    if (http__wire_end(socket->wire, hub_deadline(HUB_SECOND)) < 0)
        return;
    do
        next = hub_deadline(2 * HUB_SECOND);
    while (http__wire_read(socket->wire, dropped, sizeof dropped,
                           next < last ? next : last) > 0);
}

/* Those who wait for a turn, or for the wire, come out with -EPIPE. */
static void wait_for_users(struct http_websocket *socket)
{
    if (socket->users > 0)
        http__websocket_cut(socket, -EPIPE);
    while (socket->users > 0) {
        hub_event_clear(&socket->unused);
        if (hub_event_wait(&socket->unused, HUB_FOREVER) < 0)
            hub_yield();
    }
}

void http__websocket_finish(struct http_websocket *socket, int rc)
{
    struct hub_shield shield;

    if (hub_canceled() != 0)
        rc = -ECANCELED; /* whatever the function made of it */
    hub_shield_begin(&shield);
    close_as(socket, rc);
    if (socket->lingers && socket->users == 0)
        linger(socket);
    wait_for_users(socket);
    socket->wire = NULL;
    hub_shield_end(&shield);
    http__incoming_free(&socket->in);
    http__deflate_free(&socket->out.deflate);
    http_websocket_unref(socket);
}
