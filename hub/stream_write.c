/* stream_write.c - streams: writing
 *
 * What is being sent lies in a buffer of its own: others may write while the
 * one who has the turn waits. */
#include "hub/stream_impl.h"

#include <errno.h>

/* Returns 0 inside, with the turn. */
static int begin(struct hub_stream *stream, int64_t deadline_ns)
{
    int rc = hub__stream_enter(stream);

    if (rc < 0)
        return rc;
    rc = hub__turn_take(&stream->writing, deadline_ns);
    if (rc == 0 && stream->closed) {
        hub__turn_give(&stream->writing);
        rc = -EBADF;
    }
    return rc < 0 ? (int)hub__stream_leave(stream, rc) : 0;
}

static int end(struct hub_stream *stream, int rc)
{
    hub__turn_give(&stream->writing);
    return (int)hub__stream_leave(stream, rc);
}

static ssize_t send_some(struct hub_stream *stream, const void *data,
                         size_t size, int64_t deadline_ns)
{
    ssize_t put =
        stream->transport->write(stream->self, data, size, deadline_ns);

    if (stream->closed)
        return -EBADF;
    return put != 0 ? put : -EIO; /* it must write something */
}

static void next_to_send(struct hub_stream *stream)
{
    struct hub__bytes empty = stream->sending;

    stream->sending = stream->out;
    stream->out = empty;
}

/* With the turn: all that is written. */
static int send_all(struct hub_stream *stream, int64_t deadline_ns)
{
    struct hub__bytes *sending = &stream->sending;

    while (hub_stream_unsent(stream) > 0) {
        ssize_t put;

        if (hub__bytes_count(sending) == 0)
            next_to_send(stream);
        put = send_some(stream, sending->data + sending->start,
                        hub__bytes_count(sending), deadline_ns);
        if (put < 0)
            return (int)put;
        hub__bytes_drop(sending, (size_t)put);
    }
    return stream->transport->flush != NULL
               ? stream->transport->flush(stream->self, deadline_ns)
               : 0;
}

int hub_stream_flush(struct hub_stream *stream, int64_t deadline_ns)
{
    int rc;

    if (stream->closed)
        return -EBADF;
    if (stream->lost != 0)
        return stream->lost;
    if (hub_stream_unsent(stream) == 0 && !stream->writing.taken &&
        stream->transport->flush == NULL)
        return 0;
    rc = begin(stream, deadline_ns);
    return rc < 0 ? rc : end(stream, send_all(stream, deadline_ns));
}

/* A large piece, and nothing before it: no need to copy what goes at once.
 * What does not goes before all that is written meanwhile. */
static int write_past(struct hub_stream *stream, const char *data, size_t size,
                      int64_t deadline_ns)
{
    int rc = begin(stream, deadline_ns);
    size_t done = 0;
    ssize_t put = 0;

    if (rc < 0)
        return rc;
    while (done < size) {
        put = send_some(stream, data + done, size - done, deadline_ns);
        if (put < 0)
            break;
        done += (size_t)put;
    }
    if (done < size && !stream->closed &&
        hub__bytes_append(&stream->sending, data + done, size - done) < 0)
        stream->lost = -ENOMEM;
    return end(stream, put < 0 ? (int)put : 0);
}

int hub_stream_write(struct hub_stream *stream, const void *data, size_t size,
                     int64_t deadline_ns)
{
    if (stream->closed)
        return -EBADF;
    if (stream->lost != 0)
        return stream->lost;
    if (stream->ended)
        return -EPIPE;
    if (size > stream->high && hub_stream_unsent(stream) == 0 &&
        !stream->writing.taken)
        return write_past(stream, data, size, deadline_ns);
    if (hub__bytes_append(&stream->out, data, size) < 0)
        return -ENOMEM;
    return hub_stream_unsent(stream) > stream->high
               ? hub_stream_flush(stream, deadline_ns)
               : 0;
}

int hub_stream_end(struct hub_stream *stream, int64_t deadline_ns)
{
    int rc;

    if (stream->transport->shutdown == NULL)
        return -EOPNOTSUPP;
    stream->ended = true;
    rc = begin(stream, deadline_ns);
    if (rc < 0)
        return rc;
    rc = stream->lost != 0 ? stream->lost : send_all(stream, deadline_ns);
    if (rc == 0)
        rc = stream->transport->shutdown(stream->self, deadline_ns);
    return end(stream, rc);
}

size_t hub_stream_unsent(const struct hub_stream *stream)
{
    return hub__bytes_count(&stream->out) + hub__bytes_count(&stream->sending);
}

size_t hub_stream_set_high_water(struct hub_stream *stream, size_t bytes)
{
    size_t before = stream->high;

    stream->high = bytes;
    return before;
}
