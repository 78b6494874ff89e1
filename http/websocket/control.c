/* control.c - pings, pongs and the close handshake */
#include "http/websocket/websocket_impl.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

/* ---- pings and pongs ---- */

static int send_control(struct http_websocket *socket, uint8_t opcode,
                        const void *data, size_t size, int64_t deadline_ns)
{
    struct wslay_frame_iocb frame = { .fin = 1,
                                      .opcode = opcode,
                                      .payload_length = size,
                                      .data = data,
                                      .data_length = size };

    return http__frame_send(socket, &frame, deadline_ns);
}

bool http__control_is_due(const struct http_websocket *socket)
{
    return (socket->out.pong_due || socket->out.ping_due) &&
           socket->end == 0 && !socket->out.close_sent;
}

/* The latest ping's is the only pong that is owed (RFC 6455, 5.5.3); it may be
 * replaced while it is being sent. */
void http__control_flush(struct http_websocket *socket)
{
    struct http__outgoing *out = &socket->out;
    uint8_t data[HTTP__CONTROL_SIZE];
    size_t size;

    while (http__control_is_due(socket)) {
        if (out->pong_due) {
            size = out->pong_size;
            memcpy(data, out->pong, size);
            out->pong_due = false;
            if (send_control(socket, WSLAY_PONG, data, size, HUB_FOREVER) < 0)
                return;
            continue;
        }
        out->ping_due = false;
        if (send_control(socket, WSLAY_PING, NULL, 0, HUB_FOREVER) < 0)
            return;
    }
}

static void help(void *arg)
{
    struct http_websocket *socket = arg;

    if (http__turn_take(&socket->out.frame_turn, HUB_FOREVER) == 0) {
        http__control_flush(socket);
        hub_semaphore_release(&socket->out.frame_turn);
    }
    socket->out.has_helper = false;
    http__websocket_leave(socket, 0);
}

int http__control_call_help(struct http_websocket *socket)
{
    struct greenlet *helper;

    if (socket->out.has_helper)
        return 0;
    helper = hub_spawn_raw(help, socket);
    if (helper == NULL)
        return -ENOMEM;
    socket->out.has_helper = true;
    socket->users++; /* left by the helper */
    greenlet_unref(helper);
    return 0;
}

int http__control_due(struct http_websocket *socket)
{
    if (!http__control_is_due(socket) ||
        hub_semaphore_try_acquire(&socket->out.frame_turn) < 0)
        return 0; /* who has the turn sends them */
    if (!http__wire_writable(socket)) {
        hub_semaphore_release(&socket->out.frame_turn);
        return http__control_call_help(socket);
    }
    http__frame_turn_give(socket);
    return 0;
}

int http_websocket_ping(struct http_websocket *socket, const void *data,
                        size_t size, int64_t deadline_ns)
{
    struct wslay_frame_iocb frame = { .fin = 1,
                                      .opcode = WSLAY_PING,
                                      .payload_length = size,
                                      .data = data,
                                      .data_length = size };
    int rc = http__websocket_enter(socket);

    if (rc < 0)
        return rc;
    rc = size > HTTP__CONTROL_SIZE
             ? -EINVAL
             : http__frame_post(socket, &frame, deadline_ns);
    return http__websocket_leave(socket, rc);
}

/* ---- close frames ---- */

/* RFC 6455, 7.4, and the registry made by 11.7. */
static bool is_code(int code)
{
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
           (code >= 3000 && code <= 4999);
}

/* The same check for both directions; size 0: no code. */
static int check_close(int code, const void *reason, size_t size)
{
    struct http__utf8 utf8 = { 0 };

    if (!is_code(code))
        return -EBADMSG;
    if (!http__utf8_feed(&utf8, reason, size) || !http__utf8_whole(&utf8))
        return -EILSEQ;
    return 0;
}

int http__control_send_close(struct http_websocket *socket, int code,
                             const char *reason, int64_t deadline_ns)
{
    uint8_t data[HTTP__CONTROL_SIZE];
    uint16_t big = htons((uint16_t)code);
    size_t size = reason != NULL ? strlen(reason) : 0;
    struct wslay_frame_iocb frame = { .fin = 1,
                                      .opcode = WSLAY_CONNECTION_CLOSE,
                                      .data = data };

    if (code != 0) {
        memcpy(data, &big, sizeof big);
        if (size > 0)
            memcpy(data + sizeof big, reason, size);
        frame.data_length = frame.payload_length = size + sizeof big;
    }
    return http__frame_post(socket, &frame, deadline_ns);
}

/* RFC 6455, 5.5.1: answered by one with the same code, unless ours was first. */
static int closed(struct http_websocket *socket)
{
    struct http__incoming *in = &socket->in;
    uint16_t big;
    int code = HTTP_WEBSOCKET_NO_CODE;
    int rc = 0;

    if (in->control_size == 1)
        return -EBADMSG;
    in->control[in->control_size] = '\0';
    if (in->control_size > 0) {
        memcpy(&big, in->control, sizeof big);
        code = ntohs(big);
        rc = check_close(code, in->control + 2, in->control_size - 2u);
    }
    if (rc < 0)
        return rc;
    socket->close_code = code;
    http__control_send_close(socket, in->control_size > 0 ? code : 0, NULL,
                             hub_deadline(socket->options.close_timeout));
    http__websocket_end(socket, 1);
    return 0;
}

int http__control_frame(struct http_websocket *socket, uint8_t opcode)
{
    struct http__incoming *in = &socket->in;
    struct http__outgoing *out = &socket->out;

    if (opcode == WSLAY_CONNECTION_CLOSE)
        return closed(socket);
    if (opcode == WSLAY_PONG)
        return 0;
    memcpy(out->pong, in->control, in->control_size);
    out->pong_size = in->control_size;
    out->pong_due = true;
    return http__control_due(socket);
}

/* RFC 6455, 7.1.7. */
int http__control_fail(struct http_websocket *socket, int error)
{
    int code = error == -EBADMSG    ? HTTP_WEBSOCKET_PROTOCOL_ERROR
               : error == -EILSEQ   ? HTTP_WEBSOCKET_BAD_DATA
               : error == -EMSGSIZE ? HTTP_WEBSOCKET_TOO_BIG
                                    : HTTP_WEBSOCKET_INTERNAL_ERROR;

    http__control_send_close(socket, code, NULL,
                             hub_deadline(socket->options.close_timeout));
    socket->lingers = true;
    return http__websocket_end(socket, error);
}

/* ---- closing ---- */

/* A message that is being sent comes first, but for one that the caller itself has
 * begun. */
static int say_close(struct http_websocket *socket, int code,
                     const char *reason, int64_t deadline_ns)
{
    struct http__outgoing *out = &socket->out;
    bool mine = out->in_parts == greenlet_current();
    int rc = mine ? 0 : http__turn_take(&out->message_turn, deadline_ns);

    if (rc < 0)
        return rc;
    if (socket->end == 0 && !out->close_sent)
        rc = http__control_send_close(socket, code, reason, deadline_ns);
    out->in_parts = NULL;
    hub_semaphore_release(&out->message_turn);
    return rc;
}

static int hear_close(struct http_websocket *socket, int64_t deadline_ns)
{
    struct http__incoming *in = &socket->in;
    int rc;

    if (in->busy)
        return hub_event_wait(&socket->over, deadline_ns);
    in->busy = in->draining = true;
    http__message_drop(in);
    rc = http__websocket_read(socket, deadline_ns, true);
    in->busy = in->draining = false;
    return rc;
}

static int do_close(struct http_websocket *socket, int code, const char *reason,
                    int64_t deadline_ns)
{
    int64_t limit = hub_deadline(socket->options.close_timeout);
    int rc = 0;

    limit = deadline_ns < limit ? deadline_ns : limit;
    if (socket->end == 0 && !socket->out.close_sent)
        rc = say_close(socket, code, reason, limit);
    if (rc == 0 && socket->end == 0)
        rc = hear_close(socket, limit);
    if (socket->end != 0)
        return socket->end == 1 ? 0 : -EPIPE;
    return rc;
}

/* A client that does not answer is left. */
static void leave(void *arg)
{
    struct http_websocket *socket = arg;

    do_close(socket, HTTP_WEBSOCKET_GOING_AWAY, NULL, HUB_FOREVER);
    if (socket->end == 0)
        http__websocket_cut(socket, -EPIPE);
    http__websocket_leave(socket, 0);
}

void http__control_leave(void *arg)
{
    struct http_websocket *socket = arg;
    struct greenlet *helper = NULL;

    if (socket->end == 0 && !socket->out.is_leaving)
        helper = hub_spawn_raw(leave, socket);
    if (helper == NULL)
        return;
    socket->out.is_leaving = true;
    socket->users++; /* left by the helper */
    greenlet_unref(helper);
}

int http_websocket_close(struct http_websocket *socket, int code,
                         const char *reason, int64_t deadline_ns)
{
    size_t size = reason != NULL ? strlen(reason) : 0;
    int rc;

    if (code == 0 ? size > 0
                  : size > HTTP__CONTROL_SIZE - 2 ||
                        check_close(code, reason, size) < 0)
        return -EINVAL;
    rc = http__websocket_enter(socket);
    if (rc < 0)
        return rc;
    return http__websocket_leave(socket,
                                 do_close(socket, code, reason, deadline_ns));
}
