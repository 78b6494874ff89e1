/* parts.c - messages in parts, and compressed ones, which may have several frames */
#include "http/websocket/websocket_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    FRAME = 16384, /* what is compressed is sent in frames of so much */
    PIECE = 65536, /* of the data, about a millisecond: then others run */
    TAIL = 4       /* of a flush: left out at the end (RFC 7692, 7.2.1) */
};

/* ---- compression ---- */

struct squeeze {
    struct http_websocket *socket;
    uint8_t opcode; /* of the next frame: the first one says the type */
    char *out;
    size_t used, room;
    bool alone; /* the whole message, of which nobody keeps anything */
    bool sent;  /* some of it */
};

static int send_frame(struct squeeze *squeeze, size_t size, bool fin,
                      int64_t deadline_ns)
{
    bool first = squeeze->opcode != WSLAY_CONTINUATION_FRAME;
    struct wslay_frame_iocb frame = { .fin = fin,
                                      .rsv = first ? WSLAY_RSV1_BIT : 0,
                                      .opcode = squeeze->opcode,
                                      .payload_length = size,
                                      .data = (uint8_t *)squeeze->out,
                                      .data_length = size };
    int rc = http__frame_post(squeeze->socket, &frame, deadline_ns);

    squeeze->sent = squeeze->sent || rc == 0;
    squeeze->opcode = WSLAY_CONTINUATION_FRAME;
    return rc;
}

/* Frames that are full are sent, but for the last four bytes: they may be the end.
 * What takes long to compress lets others run. */
static int squeeze_all(struct squeeze *squeeze, const void *data, size_t size,
                       int64_t deadline_ns)
{
    size_t piece, left;
    int rc;

    for (;;) {
        piece = left = size < PIECE ? size : PIECE;
        squeeze->used += http__deflate_feed(
            &squeeze->socket->out.deflate, &data, &left, piece == size,
            squeeze->out + squeeze->used, squeeze->room - squeeze->used);
        size -= piece - left;
        if (squeeze->used < squeeze->room) {
            if (size == 0)
                return 0;
            hub_yield();
            continue;
        }
        rc = send_frame(squeeze, squeeze->used - TAIL, false, deadline_ns);
        if (rc < 0)
            return rc;
        memmove(squeeze->out, squeeze->out + squeeze->used - TAIL, TAIL);
        squeeze->used = TAIL;
    }
}

/* A last part that adds nothing to what was flushed has no bytes of its own: one
 * that begins the block whose rest the other side adds (7.2.3.6). */
static int send_rest(struct squeeze *squeeze, bool last, int64_t deadline_ns)
{
    if (!last)
        return squeeze->used > 0
                   ? send_frame(squeeze, squeeze->used, false, deadline_ns)
                   : 0;
    if (squeeze->used >= TAIL)
        return send_frame(squeeze, squeeze->used - TAIL, true, deadline_ns);
    squeeze->out[0] = 0;
    return send_frame(squeeze, 1, true, deadline_ns);
}

/* What has not become smaller goes as it is. */
static int send_plain(struct squeeze *squeeze, const void *data, size_t size,
                      int64_t deadline_ns)
{
    struct wslay_frame_iocb frame = { .fin = 1,
                                      .opcode = squeeze->opcode,
                                      .payload_length = size,
                                      .data = data,
                                      .data_length = size };

    return http__frame_post(squeeze->socket, &frame, deadline_ns);
}

static int squeeze_part(struct squeeze *squeeze, const void *data, size_t size,
                        bool last, int64_t deadline_ns)
{
    const struct http_websocket *socket = squeeze->socket;
    struct http__deflate *deflate = &squeeze->socket->out.deflate;
    int rc = http__deflate_begin(deflate, socket->terms.send_bits,
                                 socket->options.level, size,
                                 last && !socket->terms.send_takeover);

    if (rc == 0)
        rc = squeeze_all(squeeze, data, size, deadline_ns);
    if (rc < 0)
        return rc;
    if (squeeze->alone && !squeeze->sent && squeeze->used >= size + TAIL)
        return send_plain(squeeze, data, size, deadline_ns);
    return send_rest(squeeze, last, deadline_ns);
}

/* Who ends this early, when nothing was sent, does no harm: what the stream has taken
 * goes with it, and a new one refers to nothing that the client may lack. */
int http__compressed_send(struct http_websocket *socket, uint8_t opcode,
                          const void *data, size_t size, bool last,
                          int64_t deadline_ns)
{
    struct squeeze squeeze = { .socket = socket, .opcode = opcode };
    int rc;

    squeeze.alone = last && opcode != WSLAY_CONTINUATION_FRAME &&
                    !socket->terms.send_takeover;
    /* Incompressible data grows by 5 bytes for 16 KiB, and a flush by 5. */
    squeeze.room = size < FRAME ? size + 64 : FRAME;
    squeeze.out = http__malloc(squeeze.room);
    if (squeeze.out == NULL)
        return -ENOMEM;
    rc = squeeze_part(&squeeze, data, size, last, deadline_ns);
    free(squeeze.out);
    if (rc < 0 && squeeze.sent)
        http__websocket_cut(socket, -EPIPE);
    if (rc < 0 || (last && !socket->terms.send_takeover))
        http__deflate_free(&socket->out.deflate);
    return rc;
}

/* ---- parts ---- */

static int begin(struct http_websocket *socket, enum http_websocket_type type,
                 int64_t deadline_ns)
{
    struct http__outgoing *out = &socket->out;
    int rc;

    if (type != HTTP_WEBSOCKET_TEXT && type != HTTP_WEBSOCKET_BINARY)
        return -EINVAL;
    rc = http__turn_take(&out->message_turn, deadline_ns);
    if (rc < 0)
        return rc;
    out->in_parts = greenlet_current();
    out->part_sent = false;
    out->type = (uint8_t)type;
    memset(&out->utf8, 0, sizeof out->utf8);
    return 0;
}

static int send_part(struct http_websocket *socket, const void *data,
                     size_t size, bool last, int64_t deadline_ns)
{
    struct http__outgoing *out = &socket->out;
    struct http__utf8 utf8 = out->utf8;
    struct wslay_frame_iocb frame = { .fin = last,
                                      .opcode = out->part_sent ? 0 : out->type,
                                      .payload_length = size,
                                      .data = data,
                                      .data_length = size };
    int rc;

    if (out->type == HTTP_WEBSOCKET_TEXT &&
        (!http__utf8_feed(&utf8, data, size) ||
         (last && !http__utf8_whole(&utf8))))
        return -EILSEQ;
    rc = socket->terms.on
             ? http__compressed_send(socket, frame.opcode, data, size, last,
                                     deadline_ns)
             : http__frame_post(socket, &frame, deadline_ns);
    if (rc == 0) {
        out->utf8 = utf8;
        out->part_sent = true;
    }
    return rc;
}

static int send_in_turn(struct http_websocket *socket,
                        enum http_websocket_type type, const void *data,
                        size_t size, bool last, int64_t deadline_ns)
{
    struct http__outgoing *out = &socket->out;
    int rc = 0;

    if (out->in_parts != greenlet_current())
        rc = begin(socket, type, deadline_ns);
    if (rc < 0)
        return rc;
    rc = send_part(socket, data, size, last, deadline_ns);
    if ((rc == 0 && last) || (rc < 0 && !out->part_sent) || socket->end != 0) {
        out->in_parts = NULL;
        hub_semaphore_release(&out->message_turn);
    }
    return rc;
}

int http_websocket_send_part(struct http_websocket *socket,
                             enum http_websocket_type type, const void *data,
                             size_t size, bool last, int64_t deadline_ns)
{
    int rc = http__websocket_enter(socket);

    if (rc < 0)
        return rc;
    return http__websocket_leave(
        socket, send_in_turn(socket, type, data, size, last, deadline_ns));
}
