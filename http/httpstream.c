/* httpstream.c - the pieces of a stream */
#include "http/send.h"
#include "http/stream_impl.h"

#include <errno.h>
#include <stdio.h>
#include <strings.h>

/* Whoever is gone is told of in one way, however it showed. */
static int error_of(struct http_stream *stream, int rc)
{
    const struct http__connection *connection = stream->connection;

    if (rc == -EPIPE || rc == -ECONNRESET || connection->gone)
        return -EPIPE;
    if (rc == -ETIMEDOUT && hub_canceled() == 0)
        return -EPIPE; /* it takes nothing any more */
    return rc;
}

/* One piece, on its way: with what was gathered before it, the head. */
static int send_piece(struct http_stream *stream, const void *data, size_t size)
{
    struct http__connection *connection = stream->connection;
    struct iovec vec[3] = {{NULL, 0},
                           {(void *)(uintptr_t)data, size},
                           {(void *)(uintptr_t) "\r\n", 2}};
    char line[24];
    int rc;

    if (stream->framing.chunked) {
        vec[0].iov_base = line;
        vec[0].iov_len = (size_t)snprintf(line, sizeof line, "%zx\r\n", size);
        rc = http__send_vec(connection, vec, 3);
    } else {
        rc = http__send_vec(connection, vec + 1, 1);
    }
    return rc == 0 ? http__flush(connection) : rc;
}

int http_stream_write(struct http_stream *stream, const void *data, size_t size)
{
    const struct http__framing *framing = &stream->framing;
    int rc = stream->connection->gone ? -EPIPE : stream->error;

    if (rc == 0 && framing->has_length && size > framing->length - stream->sent)
        return -EMSGSIZE;
    if (rc == 0)
        rc = hub_canceled(); /* also where nothing has to wait */
    if (rc == 0 && size > 0 && !framing->head_only)
        rc = send_piece(stream, data, size);
    if (rc < 0)
        return stream->error = error_of(stream, rc);
    stream->sent += size;
    return 0;
}

int http_stream_vprintf(struct http_stream *stream, const char *format,
                        va_list args)
{
    char room[512], *text = room;
    int length = http__format(&text, sizeof room, format, args), rc;

    if (length < 0)
        return length;
    rc = http_stream_write(stream, text, (size_t)length);
    if (text != room)
        free(text);
    return rc;
}

int http_stream_printf(struct http_stream *stream, const char *format, ...)
{
    va_list args;
    int rc;

    va_start(args, format);
    rc = http_stream_vprintf(stream, format, args);
    va_end(args);
    return rc;
}

/* ---- trailers ---- */

/* Fields that frame, route or describe the message are of no use behind it (RFC
 * 9110 6.5.1). */
static bool may_trail(const char *name)
{
    static const char *const never[] = {
        "Transfer-Encoding", "Content-Length", "Content-Type",
        "Content-Encoding",  "Content-Range",  "Host",
        "Connection",        "Trailer",        "TE",
        "Upgrade",           "Cache-Control",  "Authorization",
        "Set-Cookie",        "Keep-Alive",     "Expect"};

    for (size_t i = 0; i < sizeof never / sizeof *never; i++)
        if (strcasecmp(name, never[i]) == 0)
            return false;
    return true;
}

int http_stream_trailer(struct http_stream *stream, const char *name,
                        const char *value)
{
    struct http__text *trailer = &stream->trailer;
    size_t size = strlen(name) + strlen(value) + 4;

    if (!http__is_token(name) || !http__is_value(value) || !may_trail(name))
        return -EINVAL;
    if (!stream->framing.chunked)
        return -EOPNOTSUPP;
    if (http__text_reserve(trailer, &stream->connection->work->arena,
                           size + 1) < 0)
        return -ENOMEM;
    snprintf(trailer->data + trailer->size, size + 1, "%s: %s\r\n", name,
             value);
    trailer->size += size;
    return 0;
}

/* ---- looking ---- */

bool http_stream_gone(const struct http_stream *stream)
{
    return stream->connection->gone || stream->error == -EPIPE;
}

struct http_request *http_stream_request(const struct http_stream *stream)
{
    return &stream->connection->work->request;
}
