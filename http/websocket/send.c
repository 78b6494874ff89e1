/* send.c - frames and whole messages, sent in turn */
#include "http/websocket/websocket_impl.h"

#include "hub/tls.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

/* ---- turns ---- */

int http__turn_take(struct hub_semaphore *turn, int64_t deadline_ns)
{
    return deadline_ns == HUB_NOWAIT ? hub_semaphore_try_acquire(turn)
                                     : hub_semaphore_acquire(turn, deadline_ns);
}

void http__frame_turn_give(struct http_websocket *socket)
{
    if (http__control_is_due(socket) && http__wire_writable(socket))
        http__control_flush(socket);
    hub_semaphore_release(&socket->out.frame_turn);
    if (http__control_is_due(socket))
        http__control_call_help(socket); /* none: the next sender is asked */
}

/* ---- frames ---- */

bool http__wire_writable(const struct http_websocket *socket)
{
    struct pollfd look = { .fd = socket->wire->fd, .events = POLLOUT };

    return poll(&look, 1, 0) != 0;
}

/* At least a byte. */
static ssize_t put(struct http__wire *wire, struct iovec *vec, int count,
                   int64_t deadline_ns)
{
    struct msghdr message = { .msg_iov = vec, .msg_iovlen = (size_t)count };

    if (wire->tls != NULL)
        return hub_tls_write(wire->tls, vec->iov_base, vec->iov_len,
                             deadline_ns);
    return hub_sendmsg(wire->fd, &message, 0, deadline_ns);
}

/* As put(), but a client that takes nothing for the time of the options is gone:
 * -EPIPE. */
static ssize_t put_in_time(struct http_websocket *socket, struct iovec *vec,
                           int count, int64_t deadline_ns)
{
    ssize_t done = put(socket->wire, vec, count, HUB_NOWAIT);
    int64_t limit;

    if (done != -EAGAIN || deadline_ns == HUB_NOWAIT)
        return done;
    limit = hub_deadline(socket->options.write_timeout);
    done = put(socket->wire, vec, count,
               limit < deadline_ns ? limit : deadline_ns);
    if (done == -ETIMEDOUT && limit < deadline_ns && hub_now() >= limit)
        return -EPIPE;
    return done;
}

/* Who ends a wait before the first byte leaves a good connection; after it, there is
 * none.  *begun: a byte is gone. */
static int put_all(struct http_websocket *socket, struct iovec *vec, int count,
                   int64_t deadline_ns, bool *begun)
{
    struct iovec none = { NULL, 0 };
    ssize_t done;

    http__wire_advance(&vec, &count, 0);
    while (count > 0) {
        done = put_in_time(socket, vec, count, deadline_ns);
        if (done < 0)
            return (int)done;
        http__wire_advance(&vec, &count, (size_t)done);
        *begun = true;
        if (deadline_ns == HUB_NOWAIT)
            deadline_ns = HUB_FOREVER;
    }
    if (socket->wire->tls == NULL)
        return 0;
    return (int)put_in_time(socket, &none, 1, deadline_ns);
}

static int write_frame(struct http_websocket *socket, struct iovec *vec,
                       int64_t deadline_ns)
{
    bool begun = false;
    int rc = put_all(socket, vec, 2, deadline_ns, &begun);

    if (rc == 0 || (!begun && (rc == -EAGAIN || rc == -ETIMEDOUT ||
                               rc == -ECANCELED || rc == -ENOMEM)))
        return rc;
    http__websocket_cut(socket, -EPIPE);
    return rc == -ECONNRESET ? -EPIPE : rc;
}

int http__frame_send(struct http_websocket *socket,
                     const struct wslay_frame_iocb *frame, int64_t deadline_ns)
{
    uint8_t header[16];
    struct iovec vec[2];
    int rc;

    if (socket->end != 0 || socket->out.close_sent)
        return -EPIPE;
    rc = http__frames_header(frame, header);
    if (rc < 0)
        return rc;
    vec[0] = (struct iovec){ header, (size_t)rc };
    vec[1] = (struct iovec){ (void *)(uintptr_t)frame->data,
                             frame->data_length };
    rc = write_frame(socket, vec, deadline_ns);
    if (rc == 0 && frame->opcode == WSLAY_CONNECTION_CLOSE)
        socket->out.close_sent = true;
    return rc;
}

int http__frame_post(struct http_websocket *socket,
                     const struct wslay_frame_iocb *frame, int64_t deadline_ns)
{
    int rc = http__turn_take(&socket->out.frame_turn, deadline_ns);

    if (rc < 0)
        return rc;
    rc = http__frame_send(socket, frame, deadline_ns);
    http__frame_turn_give(socket);
    return rc;
}

/* ---- messages ---- */

static int send_message(struct http_websocket *socket, uint8_t opcode,
                        const void *data, size_t size, int64_t deadline_ns)
{
    struct wslay_frame_iocb frame = { .fin = 1,
                                      .opcode = opcode,
                                      .payload_length = size,
                                      .data = data,
                                      .data_length = size };

    if (socket->terms.on && size >= socket->options.compress_from)
        return http__compressed_send(socket, opcode, data, size, true,
                                     deadline_ns);
    return http__frame_post(socket, &frame, deadline_ns);
}

static int send_in_turn(struct http_websocket *socket,
                        enum http_websocket_type type, const void *data,
                        size_t size, int64_t deadline_ns)
{
    struct http__utf8 utf8 = { 0 };
    int rc;

    if (type != HTTP_WEBSOCKET_TEXT && type != HTTP_WEBSOCKET_BINARY)
        return -EINVAL;
    if (type == HTTP_WEBSOCKET_TEXT && (!http__utf8_feed(&utf8, data, size) ||
                                        !http__utf8_whole(&utf8)))
        return -EILSEQ;
    if (socket->out.in_parts == greenlet_current())
        return -EBUSY;
    rc = http__turn_take(&socket->out.message_turn, deadline_ns);
    if (rc < 0)
        return rc;
    rc = send_message(socket, (uint8_t)type, data, size, deadline_ns);
    hub_semaphore_release(&socket->out.message_turn);
    return rc;
}

int http_websocket_send(struct http_websocket *socket,
                        enum http_websocket_type type, const void *data,
                        size_t size, int64_t deadline_ns)
{
    int rc = http__websocket_enter(socket);

    if (rc < 0)
        return rc;
    return http__websocket_leave(
        socket, send_in_turn(socket, type, data, size, deadline_ns));
}
