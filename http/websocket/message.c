/* message.c - messages, put together from pieces of frames */
#include "http/websocket/websocket_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_ROOM = 4096, AT_ONCE = 65536 };

/* Room for `more` bytes behind what there is, and a 0.  The length that a frame
 * claims is believed only up to AT_ONCE: beyond that room grows with what comes. */
static int reserve(struct http__incoming *in, size_t more)
{
    size_t room = in->room;
    char *data;

    if (in->size + more < room)
        return 0;
    if (more <= AT_ONCE && in->size == 0)
        room = more + 1;
    while (in->size + more >= room)
        room = room < FIRST_ROOM ? FIRST_ROOM : 2 * room;
    data = http__realloc(in->data, room);
    if (data == NULL)
        return -ENOMEM;
    in->data = data;
    in->room = room;
    return 0;
}

void http__message_drop(struct http__incoming *in)
{
    free(in->data);
    in->data = NULL;
    in->size = in->room = 0;
    in->whole = 0;
}

/* `size` more bytes are in their place.  What is wrong first counts, however they come
 * in pieces. */
static int put(void *arg, size_t size)
{
    struct http_websocket *socket = arg;
    struct http__incoming *in = &socket->in;
    size_t left = socket->options.message_limit - in->size;
    const char *added = in->data + in->size;
    size_t good = size < left ? size : left;

    in->size += good;
    if (in->type == HTTP_WEBSOCKET_TEXT &&
        !http__utf8_feed(&in->utf8, added, good))
        return -EILSEQ;
    return good < size ? -EMSGSIZE : 0;
}

/* One byte beyond the limit, so that what reaches it is seen to end there. */
static int room_for_inflated(void *arg, char **room, size_t *size)
{
    struct http__incoming *in = &((struct http_websocket *)arg)->in;
    int rc = reserve(in, in->size == 0 ? FIRST_ROOM - 1 : 1);

    if (rc == 0) {
        *room = in->data + in->size;
        *size = in->room - in->size - 1;
    }
    return rc;
}

static int add(struct http_websocket *socket,
               const struct wslay_frame_iocb *piece, bool ends)
{
    struct http__incoming *in = &socket->in;
    int rc;

    if (in->compressed)
        return http__inflate_feed(&in->inflate, socket->terms.receive_bits,
                                  piece->data, piece->data_length, ends,
                                  room_for_inflated, put, socket);
    rc = reserve(in, piece->data_length);
    if (rc < 0 || piece->data_length == 0)
        return rc;
    memcpy(in->data + in->size, piece->data, piece->data_length);
    return put(socket, piece->data_length);
}

/* The first piece of a frame: of a new message, or one that goes on; a frame that
 * must exceed the limit is not waited for. */
static int begin(struct http_websocket *socket,
                 const struct wslay_frame_iocb *piece)
{
    struct http__incoming *in = &socket->in;
    uint64_t left;

    if (piece->opcode != WSLAY_CONTINUATION_FRAME) {
        in->type = piece->opcode;
        in->compressed = piece->rsv != 0;
        memset(&in->utf8, 0, sizeof in->utf8);
    }
    left = socket->options.message_limit - in->size;
    if (in->compressed)
        return 0;
    if (piece->payload_length > left)
        return -EMSGSIZE;
    return reserve(in, piece->payload_length <= AT_ONCE
                           ? (size_t)piece->payload_length
                           : FIRST_ROOM);
}

static int complete(struct http_websocket *socket)
{
    struct http__incoming *in = &socket->in;

    if (!socket->terms.receive_takeover)
        http__inflate_free(&in->inflate);
    if (in->type == HTTP_WEBSOCKET_TEXT && !http__utf8_whole(&in->utf8))
        return -EILSEQ;
    in->data[in->size] = '\0';
    in->whole = in->type;
    in->type = 0;
    return 1;
}

int http__message_piece(struct http_websocket *socket,
                        const struct wslay_frame_iocb *piece, bool first,
                        bool last)
{
    bool ends = last && piece->fin;
    int rc = first ? begin(socket, piece) : 0;

    if (rc == 0)
        rc = add(socket, piece, ends);
    return rc == 0 && ends ? complete(socket) : rc;
}
