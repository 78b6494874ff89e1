/* receive.c - receiving: frames are looked at, and waited for */
#include "http/websocket/websocket_impl.h"

#include <errno.h>
#include <string.h>

enum { STREAK = 64 }; /* as sockets have it (socket.h) */

static int64_t sooner(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* ---- waiting ---- */

/* Silence for too long: a ping; or, after one, the end. */
static int silence(struct http_websocket *socket)
{
    if (socket->pinged != 0)
        return http__websocket_cut(socket, -EPIPE);
    socket->pinged = hub_now();
    socket->out.ping_due = true;
    return http__control_due(socket);
}

static int64_t next_look(const struct http_websocket *socket)
{
    const struct http_websocket_options *options = &socket->options;

    if (options->ping_interval == 0)
        return HUB_FOREVER;
    return socket->pinged != 0 ? socket->pinged + options->pong_timeout
                               : socket->heard + options->ping_interval;
}

/* The stack of the connection's greenlet shrinks meanwhile. */
static int wait_idle(struct http_websocket *socket, int64_t deadline_ns)
{
    bool is_its = socket->connection != NULL &&
                  socket->greenlet == greenlet_current();
    int rc;

    if (is_its)
        http__connection_idle(socket->connection, true);
    rc = http__wire_wait(socket->wire, deadline_ns);
    if (is_its)
        http__connection_idle(socket->connection, false);
    return rc;
}

/* Nothing is held meanwhile but the message that has begun. */
static int wait_for_input(struct http_websocket *socket, int64_t deadline_ns)
{
    int64_t look;
    int rc;

    socket->in.streak = 0;
    if (deadline_ns == HUB_NOWAIT)
        return -EAGAIN;
    for (;;) {
        look = next_look(socket);
        rc = wait_idle(socket, sooner(deadline_ns, look));
        if (socket->end != 0)
            return socket->end < 0 ? socket->end : -EPIPE; /* by a sender */
        if (rc != -ETIMEDOUT || look > deadline_ns || hub_now() < look)
            return rc;
        rc = silence(socket);
        if (rc < 0)
            return rc;
    }
}

/* ---- looking ---- */

/* RFC 6455, 5.1 to 5.5; RFC 7692, 6. */
static int check(const struct http_websocket *socket,
                 const struct wslay_frame_iocb *frame)
{
    bool may_compress = false;

    if (!frame->mask)
        return -EBADMSG;
    switch (frame->opcode) {
    case WSLAY_CONTINUATION_FRAME:
        if (socket->in.type == 0)
            return -EBADMSG;
        break;
    case WSLAY_TEXT_FRAME:
    case WSLAY_BINARY_FRAME:
        if (socket->in.type != 0)
            return -EBADMSG;
        may_compress = socket->terms.on;
        break;
    case WSLAY_CONNECTION_CLOSE:
    case WSLAY_PING:
    case WSLAY_PONG:
        break;
    default:
        return -EBADMSG;
    }
    if (frame->rsv == WSLAY_RSV_NONE ||
        (may_compress && frame->rsv == WSLAY_RSV1_BIT))
        return 0;
    return -EBADMSG;
}

static int control_piece(struct http_websocket *socket,
                         const struct wslay_frame_iocb *piece, bool first,
                         bool last)
{
    struct http__incoming *in = &socket->in;

    if (first)
        in->control_size = 0;
    memcpy(in->control + in->control_size, piece->data, piece->data_length);
    in->control_size = (uint8_t)(in->control_size + piece->data_length);
    return last ? http__control_frame(socket, piece->opcode) : 0;
}

/* Returns 1 with a message; 0; or what ends it. */
static int take(struct http_websocket *socket,
                const struct wslay_frame_iocb *piece, bool first, bool last)
{
    int rc = first ? check(socket, piece) : 0;

    socket->pinged = 0;
    if (socket->options.ping_interval != 0)
        socket->heard = hub_now();
    if (rc < 0)
        return rc;
    if (wslay_is_ctrl_frame(piece->opcode))
        return control_piece(socket, piece, first, last);
    return http__message_piece(socket, piece, first, last);
}

/* One step: a piece, or a wait for one.  As take(). */
static int step(struct http_websocket *socket, int64_t deadline_ns)
{
    struct http__frames *frames = &socket->in.frames;
    struct wslay_frame_iocb piece;
    bool first, last;
    int rc = http__frames_next(socket, &piece, &first, &last);

    if (rc == HTTP__FRAME_PIECE) {
        rc = take(socket, &piece, first, last);
        return rc < 0 && socket->end == 0 ? http__control_fail(socket, rc) : rc;
    }
    if (rc == -EBADMSG)
        return http__control_fail(socket, rc);
    if (rc < 0)
        return rc == -ENOMEM ? rc : http__websocket_end(socket, rc);
    http__frames_rest(frames);
    if (frames->may_read)
        return 0;
    rc = wait_for_input(socket, deadline_ns);
    frames->may_read = rc == 0;
    return rc;
}

int http__websocket_read(struct http_websocket *socket, int64_t deadline_ns,
                         bool drop)
{
    int rc = 0;

    if (deadline_ns == HUB_NOWAIT)
        socket->in.frames.may_read = true;
    while (rc == 0 && socket->end == 0) {
        rc = step(socket, deadline_ns);
        if (rc == 1 && drop) {
            http__message_drop(&socket->in);
            rc = 0;
        }
    }
    if (rc < 1 && socket->end != 0)
        http__incoming_free(&socket->in);
    else
        http__frames_rest(&socket->in.frames);
    return rc;
}

void http__incoming_free(struct http__incoming *in)
{
    http__frames_free(&in->frames);
    http__message_drop(in);
    http__inflate_free(&in->inflate);
}

/* ---- receiving ---- */

/* Somebody else is at it: http_websocket_close() says what it came to. */
static int wait_for_the_end(struct http_websocket *socket, int64_t deadline_ns)
{
    int rc;

    if (!socket->in.draining)
        return -EBUSY;
    rc = hub_event_wait(&socket->over, deadline_ns);
    return rc < 0 ? rc : socket->end < 0 ? socket->end : 0;
}

static int receive(struct http_websocket *socket,
                   struct http_websocket_message *message, int64_t deadline_ns)
{
    struct http__incoming *in = &socket->in;
    int rc;

    if (in->busy)
        return wait_for_the_end(socket, deadline_ns);
    if (in->whole != 0)
        http__message_drop(in);
    if (socket->end != 0)
        return socket->end < 0 ? socket->end : 0;
    in->busy = true;
    if (++in->streak > STREAK) {
        in->streak = 0;
        hub_yield();
    }
    rc = http__websocket_read(socket, deadline_ns, false);
    in->busy = false;
    if (rc == 1)
        *message = (struct http_websocket_message){ in->whole, in->data,
                                                    in->size };
    return rc;
}

int http_websocket_receive(struct http_websocket *socket,
                           struct http_websocket_message *message,
                           int64_t deadline_ns)
{
    int rc = http__websocket_enter(socket);

    if (rc < 0)
        return rc;
    return http__websocket_leave(socket,
                                 receive(socket, message, deadline_ns));
}
