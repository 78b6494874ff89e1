/* frames.c - frames, by wslay: the only file that calls it
 *
 * Its context hides what it holds, so the bytes that go in and those that frames
 * have used are counted here: one that holds nothing between two frames is given
 * back. */
#include "http/websocket/websocket_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- coming in ---- */

int http__frames_early(struct http__frames *frames, const void *data,
                       size_t size)
{
    char *early;

    if (size == 0)
        return 0;
    early = http__realloc(frames->early, frames->early_size + size);
    if (early == NULL)
        return -ENOMEM;
    memcpy(early + frames->early_size, data, size);
    frames->early = early;
    frames->early_size += size;
    return 0;
}

static size_t take_early(struct http__frames *frames, void *buffer, size_t size)
{
    size_t left = frames->early_size - frames->early_at;
    size_t taken = size < left ? size : left;

    memcpy(buffer, frames->early + frames->early_at, taken);
    frames->early_at += taken;
    if (taken == left) {
        free(frames->early);
        frames->early = NULL;
        frames->early_at = frames->early_size = 0;
    }
    return taken;
}

/* Never waits: what the wire does not have now comes by the next call. */
static ssize_t fill(uint8_t *buffer, size_t size, int flags, void *data)
{
    struct http_websocket *socket = data;
    struct http__frames *frames = &socket->in.frames;
    ssize_t got;

    (void)flags;
    if (frames->early_size > 0) {
        got = (ssize_t)take_early(frames, buffer, size);
    } else {
        if (!frames->may_read)
            return -1;
        got = http__wire_read(socket->wire, buffer, size, HUB_NOWAIT);
        frames->may_read = got > 0 && !socket->wire->drained;
        frames->ended = got == 0;
        frames->error = got < 0 && got != -EAGAIN ? (int)got : 0;
    }
    if (got > 0)
        frames->held += (uint64_t)got;
    return got > 0 ? got : -1;
}

static int open_context(struct http_websocket *socket)
{
    static const struct wslay_frame_callbacks callbacks = {
        .recv_callback = fill
    };
    struct http__frames *frames = &socket->in.frames;

    if (frames->context != NULL)
        return 0;
    if (!HTTP__ALLOCATION_FAILS() &&
        wslay_frame_context_init(&frames->context, &callbacks, socket) == 0)
        return 0;
    frames->context = NULL;
    return -ENOMEM;
}

void http__frames_free(struct http__frames *frames)
{
    wslay_frame_context_free(frames->context);
    frames->context = NULL;
    free(frames->early);
    frames->early = NULL;
    frames->early_at = frames->early_size = 0;
}

void http__frames_rest(struct http__frames *frames)
{
    if (frames->inside || frames->held > 0)
        return;
    wslay_frame_context_free(frames->context);
    frames->context = NULL;
}

/* RFC 6455, 5.2; wslay lets none through that says its length longer than need be. */
static uint64_t size_of(const struct wslay_frame_iocb *frame)
{
    return frame->payload_length + 2 + (frame->mask ? 4 : 0) +
           (frame->payload_length < 126     ? 0
            : frame->payload_length < 65536 ? 2
                                            : 8);
}

/* The wire's end and its errors are told when what came before is used up. */
static int nothing(struct http__frames *frames)
{
    if (frames->error < 0)
        return frames->error;
    return frames->ended ? -EPIPE : HTTP__FRAME_NONE;
}

int http__frames_next(struct http_websocket *socket,
                      struct wslay_frame_iocb *piece, bool *first, bool *last)
{
    struct http__frames *frames = &socket->in.frames;
    ssize_t got;

    if (frames->context == NULL && frames->early_size == 0 && !frames->may_read)
        return nothing(frames);
    if (open_context(socket) < 0)
        return -ENOMEM;
    got = wslay_frame_recv(frames->context, piece);
    if (got == WSLAY_ERR_WANT_READ)
        return nothing(frames);
    if (got < 0)
        return -EBADMSG;
    *first = !frames->inside;
    if (*first)
        frames->got = 0;
    frames->got += piece->data_length;
    *last = frames->got == piece->payload_length;
    frames->inside = !*last;
    if (*last)
        frames->held -= size_of(piece);
    return HTTP__FRAME_PIECE;
}

/* ---- going out ---- */

struct header {
    uint8_t *bytes;
    size_t size;
};

/* The header comes first; the payload is not copied, so it is only said to be sent. */
static ssize_t catch_header(const uint8_t *data, size_t size, int flags,
                            void *arg)
{
    struct header *header = arg;

    (void)flags;
    if (header->size == 0) {
        memcpy(header->bytes, data, size);
        header->size = size;
    }
    return (ssize_t)size;
}

int http__frames_header(const struct wslay_frame_iocb *frame, uint8_t *bytes)
{
    static const struct wslay_frame_callbacks callbacks = {
        .send_callback = catch_header
    };
    struct wslay_frame_iocb copy = *frame;
    struct header header = { bytes, 0 };
    wslay_frame_context_ptr context;

    if (HTTP__ALLOCATION_FAILS() ||
        wslay_frame_context_init(&context, &callbacks, &header) != 0)
        return -ENOMEM;
    wslay_frame_send(context, &copy);
    wslay_frame_context_free(context);
    return (int)header.size;
}
