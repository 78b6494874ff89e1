/* deflate.c - messages compressed (RFC 7692, 7.2), by zlib */
#include "http/websocket/deflate.h"

#include "http/memory.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

/* What a flush ends with, and the other side leaves out (7.2.1). */
static const unsigned char tail[4] = { 0x00, 0x00, 0xff, 0xff };

enum { BETWEEN_BLOCKS = 128 }; /* in what inflate() says of where it stopped */

static unsigned as_much(size_t size)
{
    return size < UINT_MAX ? (unsigned)size : UINT_MAX;
}

static void *give(void *opaque, unsigned count, unsigned size)
{
    (void)opaque;
    return http__calloc(count, size);
}

static void take_back(void *opaque, void *memory)
{
    (void)opaque;
    free(memory);
}

/* One without a state yet. */
static z_stream *new_stream(void)
{
    z_stream *stream = http__calloc(1, sizeof *stream);

    if (stream != NULL) {
        stream->zalloc = give;
        stream->zfree = take_back;
    }
    return stream;
}

/* ---- what we receive ---- */

static int inflate_begin(struct http__inflate *from, int bits)
{
    int rc;

    if (from->stream != NULL)
        return 0;
    from->stream = new_stream();
    if (from->stream == NULL)
        return -ENOMEM;
    rc = inflateInit2(from->stream, -bits);
    if (rc == Z_OK)
        return 0;
    free(from->stream);
    from->stream = NULL;
    return -ENOMEM;
}

/* After a block that says it is the last (7.2.3.4) others may follow, and they may
 * refer to what was before it. */
static int go_on(z_stream *stream)
{
    unsigned size = 0;
    Bytef *window = http__malloc(32768);
    int rc = -ENOMEM;

    if (window != NULL && inflateGetDictionary(stream, window, &size) == Z_OK &&
        inflateReset(stream) == Z_OK &&
        (size == 0 || inflateSetDictionary(stream, window, size) == Z_OK))
        rc = 0;
    free(window);
    return rc;
}

/* Inflates what `stream` has, and until it has given all.  A stream that had no room
 * left may have more to give without any input. */
static int run(z_stream *stream, http__inflate_room *get_room,
               http__inflate_put *put, void *arg)
{
    char *room;
    size_t size;
    int rc, state;

    do {
        rc = get_room(arg, &room, &size);
        if (rc < 0)
            return rc;
        stream->next_out = (Bytef *)room;
        stream->avail_out = as_much(size);
        size = stream->avail_out;
        state = inflate(stream, Z_SYNC_FLUSH);
        rc = put(arg, size - stream->avail_out); /* also before an error */
        if (rc == 0 && state == Z_STREAM_END)
            rc = go_on(stream);
        else if (rc == 0 && state != Z_OK && state != Z_BUF_ERROR)
            rc = state == Z_MEM_ERROR ? -ENOMEM : -EILSEQ;
        if (rc < 0)
            return rc;
    } while (stream->avail_in > 0 || stream->avail_out == 0);
    return 0;
}

int http__inflate_feed(struct http__inflate *from, int bits,
                       const void *data, size_t size, bool last,
                       http__inflate_room *room, http__inflate_put *put,
                       void *arg)
{
    z_stream *stream;
    int rc = inflate_begin(from, bits);

    if (rc < 0)
        return rc;
    stream = from->stream;
    if (size > 0) {
        stream->next_in = (Bytef *)(uintptr_t)data;
        stream->avail_in = as_much(size); /* a piece of wslay's: 4 KiB */
        rc = run(stream, room, put, arg);
    }
    if (rc == 0 && last) {
        stream->next_in = (Bytef *)(uintptr_t)tail;
        stream->avail_in = sizeof tail;
        rc = run(stream, room, put, arg);
        if (rc == 0 && (stream->data_type & BETWEEN_BLOCKS) == 0)
            rc = -EILSEQ; /* it was cut */
    }
    return rc;
}

void http__inflate_free(struct http__inflate *from)
{
    if (from->stream != NULL)
        inflateEnd(from->stream);
    free(from->stream);
    from->stream = NULL;
}

/* ---- what we send ---- */

/* A window that holds the message, and what deflate() looks ahead, is enough for it:
 * at 15 bits a stream has 264 KiB, at 9 bits 6. */
static int bits_for(size_t size, int most)
{
    int bits = 9;

    while (bits < most && size + 262 > (size_t)1 << bits)
        bits++;
    return bits;
}

int http__deflate_begin(struct http__deflate *state, int bits, int level,
                        size_t size, bool last)
{
    int used = last ? bits_for(size, bits) : bits;
    int rc;

    if (state->stream != NULL)
        return 0;
    state->stream = new_stream();
    if (state->stream == NULL)
        return -ENOMEM;
    rc = deflateInit2(state->stream,
                      level != 0 ? level : Z_DEFAULT_COMPRESSION, Z_DEFLATED,
                      -used, used - 7, Z_DEFAULT_STRATEGY);
    if (rc == Z_OK)
        return 0;
    free(state->stream);
    state->stream = NULL;
    return -ENOMEM;
}

size_t http__deflate_feed(struct http__deflate *state, const void **data,
                          size_t *size, bool flush, char *out, size_t room)
{
    z_stream *stream = state->stream;
    unsigned given = as_much(*size);

    stream->next_in = (Bytef *)(uintptr_t)*data;
    stream->avail_in = given;
    stream->next_out = (Bytef *)out;
    stream->avail_out = as_much(room);
    /* Its one error here, Z_BUF_ERROR, says that there was nothing to do. */
    deflate(stream, flush && given == *size ? Z_SYNC_FLUSH : Z_NO_FLUSH);
    *data = stream->next_in;
    *size -= given - stream->avail_in;
    return room - stream->avail_out;
}

void http__deflate_free(struct http__deflate *state)
{
    if (state->stream != NULL)
        deflateEnd(state->stream);
    free(state->stream);
    state->stream = NULL;
}
