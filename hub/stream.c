/* stream.c - streams: their lives, and reading */
#include "hub/stream_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct hub_stream *hub_stream_new(const struct hub_transport *transport,
                                  void *self)
{
    struct hub_stream *stream = greenlet__calloc(1, sizeof *stream);

    if (stream != NULL) {
        stream->transport = transport;
        stream->self = self;
        stream->high = HUB__STREAM_HIGH;
    }
    return stream;
}

static void free_stream(struct hub_stream *stream)
{
    if (stream->transport->free != NULL)
        stream->transport->free(stream->self);
    hub__bytes_free(&stream->in);
    hub__bytes_free(&stream->out);
    hub__bytes_free(&stream->sending);
    free(stream);
}

int hub__stream_enter(struct hub_stream *stream)
{
    if (stream->closed)
        return -EBADF;
    stream->users++;
    return 0;
}

ssize_t hub__stream_leave(struct hub_stream *stream, ssize_t rc)
{
    bool closed = stream->closed;

    if (--stream->users == 0 && closed)
        free_stream(stream);
    return closed ? -EBADF : rc;
}

/* Somebody else may close it while this one flushes. */
int hub_stream_close(struct hub_stream *stream, int64_t deadline_ns)
{
    int rc = hub__stream_enter(stream), closing;

    if (rc < 0)
        return rc;
    rc = hub_stream_flush(stream, deadline_ns);
    if (stream->closed)
        return (int)hub__stream_leave(stream, rc);
    stream->closed = true;
    closing = stream->transport->close(stream->self);
    hub__stream_leave(stream, 0);
    return rc < 0 ? rc : closing;
}

int hub_stream_fd(const struct hub_stream *stream)
{
    return stream->transport->fd != NULL ? stream->transport->fd(stream->self)
                                         : -1;
}

/* ---- reading ---- */

/* Returns 0 inside, with the turn. */
static int begin(struct hub_stream *stream, int64_t deadline_ns)
{
    int rc = hub__stream_enter(stream);

    if (rc < 0)
        return rc;
    rc = hub__turn_take(&stream->reading, deadline_ns);
    if (rc == 0 && stream->closed) {
        hub__turn_give(&stream->reading);
        rc = -EBADF;
    }
    return rc < 0 ? (int)hub__stream_leave(stream, rc) : 0;
}

static ssize_t end(struct hub_stream *stream, ssize_t rc)
{
    hub__turn_give(&stream->reading);
    return hub__stream_leave(stream, rc);
}

static ssize_t receive(struct hub_stream *stream, void *buffer, size_t size,
                       int64_t deadline_ns)
{
    ssize_t got;

    if (stream->lost != 0)
        return stream->lost;
    if (stream->at_end)
        return 0;
    got = stream->transport->read(stream->self, buffer, size, deadline_ns);
    if (got == 0)
        stream->at_end = true;
    return stream->closed ? -EBADF : got;
}

/* More into the buffer, at least one byte. */
static ssize_t fill(struct hub_stream *stream, int64_t deadline_ns)
{
    struct hub__bytes *in = &stream->in;
    ssize_t got;

    if (hub__bytes_reserve(in, HUB__STREAM_PIECE) < 0)
        return -ENOMEM;
    got = receive(stream, in->data + in->end, in->room - in->end, deadline_ns);
    if (got > 0)
        in->end += (size_t)got;
    return got;
}

/* Some bytes: from the buffer, or, large pieces, past it. */
static ssize_t read_some(struct hub_stream *stream, void *buffer, size_t size,
                         int64_t deadline_ns)
{
    ssize_t got = 1;

    if (size == 0)
        return 0;
    if (hub__bytes_count(&stream->in) == 0) {
        if (size >= HUB__STREAM_PIECE)
            return receive(stream, buffer, size, deadline_ns);
        got = fill(stream, deadline_ns);
    }
    return got > 0 ? (ssize_t)hub__bytes_take(&stream->in, buffer, size) : got;
}

ssize_t hub_stream_read(struct hub_stream *stream, void *buffer, size_t size,
                        int64_t deadline_ns)
{
    int rc = begin(stream, deadline_ns);

    if (rc < 0)
        return rc;
    return end(stream, read_some(stream, buffer, size, deadline_ns));
}

static void put_back(struct hub_stream *stream, const void *data, size_t size)
{
    if (!stream->closed && hub__bytes_prepend(&stream->in, data, size) < 0)
        stream->lost = -ENOMEM;
}

int hub_stream_read_exactly(struct hub_stream *stream, void *buffer,
                            size_t size, int64_t deadline_ns)
{
    int rc = begin(stream, deadline_ns);
    size_t done = 0;
    ssize_t got = 1;

    if (rc < 0)
        return rc;
    while (done < size && got > 0) {
        got =
            read_some(stream, (char *)buffer + done, size - done, deadline_ns);
        if (got > 0)
            done += (size_t)got;
    }
    if (done < size)
        put_back(stream, buffer, done);
    if (done < size && got == 0)
        got = -ENODATA;
    return (int)end(stream, done == size ? 0 : got);
}

/* Where the separator ends, within the first `size` bytes: 0 if it is not
 * there; *seen says how far was searched. */
static size_t find(const struct hub__bytes *in, const void *separator,
                   size_t length, size_t size, size_t *seen)
{
    size_t count = hub__bytes_count(in), from = *seen;
    const char *data, *found = NULL;

    if (count > size)
        count = size;
    from = from >= length ? from - (length - 1) : 0;
    *seen = count;
    if (count < from + length)
        return 0;
    data = in->data + in->start;
    found = memmem(data + from, count - from, separator, length);
    return found != NULL ? (size_t)(found - data) + length : 0;
}

/* How many bytes, all in the buffer, or -EMSGSIZE, -ENODATA. */
static ssize_t seek(struct hub_stream *stream, const void *separator,
                    size_t length, size_t size, int64_t deadline_ns)
{
    size_t seen = 0, found;
    ssize_t got;

    for (;;) {
        found = find(&stream->in, separator, length, size, &seen);
        if (found > 0)
            return (ssize_t)found;
        if (hub__bytes_count(&stream->in) >= size)
            return -EMSGSIZE;
        got = fill(stream, deadline_ns);
        if (got <= 0)
            return got == 0 ? -ENODATA : got;
    }
}

ssize_t hub_stream_read_until(struct hub_stream *stream, const void *separator,
                              size_t length, void *buffer, size_t size,
                              int64_t deadline_ns)
{
    ssize_t found;
    int rc;

    if (length == 0)
        return -EINVAL;
    rc = begin(stream, deadline_ns);
    if (rc < 0)
        return rc;
    found = seek(stream, separator, length, size, deadline_ns);
    if (found > 0)
        hub__bytes_take(&stream->in, buffer, (size_t)found);
    return end(stream, found);
}

ssize_t hub_stream_read_line(struct hub_stream *stream, char *buffer,
                             size_t size, int64_t deadline_ns)
{
    ssize_t found;
    int rc;

    if (size < 2)
        return -EINVAL;
    rc = begin(stream, deadline_ns);
    if (rc < 0)
        return rc;
    found = seek(stream, "\n", 1, size, deadline_ns);
    if (found == (ssize_t)size)
        found = -EMSGSIZE; /* no room for the 0 */
    if (found == -ENODATA)
        found = (ssize_t)hub__bytes_count(&stream->in);
    if (found >= 0)
        buffer[hub__bytes_take(&stream->in, buffer, (size_t)found)] = '\0';
    return end(stream, found);
}

int hub_stream_unread(struct hub_stream *stream, const void *data, size_t size)
{
    if (stream->closed)
        return -EBADF;
    if (stream->reading.taken)
        return -EBUSY;
    return hub__bytes_prepend(&stream->in, data, size);
}

size_t hub_stream_buffered(const struct hub_stream *stream)
{
    return hub__bytes_count(&stream->in);
}
