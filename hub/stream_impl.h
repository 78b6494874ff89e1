/* stream_impl.h - what the files about streams share */
#ifndef HUB_STREAM_IMPL_H
#define HUB_STREAM_IMPL_H

#include "hub/stream.h"
#include "hub/turn.h"

#define HUB__STREAM_PIECE \
    4096 /* what is read at least, if there is that much */
#define HUB__STREAM_KEEP 16384 /* a buffer beyond that is freed when empty */
#define HUB__STREAM_HIGH 65536

/* Bytes start ... end of `room` ones. */
struct hub__bytes {
    char *data;
    size_t start, end, room;
};

struct hub_stream {
    const struct hub_transport *transport;
    void *self;
    struct hub__turn reading, writing;
    struct hub__bytes in;
    struct hub__bytes out;     /* written */
    struct hub__bytes sending; /* before it; whoever has the turn sends it */
    size_t high;
    unsigned users; /* greenlets inside */
    bool at_end, ended, closed;
    int lost; /* what could not be kept for want of memory: -ENOMEM for ever */
};

static inline size_t hub__bytes_count(const struct hub__bytes *bytes)
{
    return bytes->end - bytes->start;
}

/* bytes.c.  Room for `size` more at the end; 0 or -ENOMEM. */
int hub__bytes_reserve(struct hub__bytes *bytes, size_t size);
int hub__bytes_append(struct hub__bytes *bytes, const void *data, size_t size);
int hub__bytes_prepend(struct hub__bytes *bytes, const void *data, size_t size);
/* Take at most `size` into buffer; how many. */
size_t hub__bytes_take(struct hub__bytes *bytes, void *buffer, size_t size);
void hub__bytes_drop(struct hub__bytes *bytes, size_t size);
void hub__bytes_free(struct hub__bytes *bytes);

/* stream.c: each call on a stream is between these; enter: 0 or -EBADF. */
int hub__stream_enter(struct hub_stream *stream);
/* The last one out frees a closed one.  Returns rc, or -EBADF once closed. */
ssize_t hub__stream_leave(struct hub_stream *stream, ssize_t rc);

#endif
