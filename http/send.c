/* send.c - answers are gathered, and leave together */
#include "http/send.h"

#include "hub/socket.h"

#include <errno.h>

static int broke(struct http__connection *connection, int rc)
{
    connection->broken = true;
    connection->closing = true;
    return rc;
}

/* What was gathered, and more behind it. */
static int write_all(struct http__connection *connection, struct iovec *vec,
                     int count)
{
    int rc;

    if (connection->broken)
        return -EPIPE;
    connection->writing = true;
    rc = http__wire_write(&connection->wire, vec, count,
                          connection->server->options.write_ns);
    connection->writing = false;
    if (connection->work != NULL)
        http__out_give(connection->work);
    return rc < 0 ? broke(connection, rc) : 0;
}

/* Most answers go at once. */
int http__flush(struct http__connection *connection)
{
    struct http__work *work = connection->work;
    struct iovec vec;

    if (work == NULL || work->out_size == 0)
        return connection->broken ? -EPIPE : 0;
    vec = (struct iovec){work->out, work->out_size};
    if (likely(connection->wire.tls == NULL && !connection->broken)) {
        ssize_t sent;

        connection->writing = true; /* others may have their turn in it */
        sent = hub_send(connection->wire.fd, work->out, work->out_size, 0,
                        HUB_NOWAIT);
        connection->writing = false;

        if (likely(sent == (ssize_t)work->out_size)) {
            http__out_give(work);
            return 0;
        }
        if (sent > 0)
            vec =
                (struct iovec){work->out + sent, work->out_size - (size_t)sent};
    }
    return write_all(connection, &vec, 1);
}

int http__send_vec(struct http__connection *connection,
                   const struct iovec *pieces, int count)
{
    struct http__work *work = connection->work;
    struct iovec vec[HTTP__PIECES + 1];
    size_t size = 0;

    for (int i = 0; i < count; i++)
        size += pieces[i].iov_len;
    if (work->out == NULL && size <= HTTP__OUT_ROOM)
        http__out_take(work); /* without memory it is sent at once */
    if (size > work->out_room - work->out_size) {
        vec[0] = (struct iovec){work->out, work->out_size};
        memcpy(vec + 1, pieces, (size_t)count * sizeof *vec);
        return write_all(connection, vec, count + 1);
    }
    for (int i = 0; i < count; i++) {
        if (pieces[i].iov_len > 0)
            memcpy(work->out + work->out_size, pieces[i].iov_base,
                   pieces[i].iov_len);
        work->out_size += pieces[i].iov_len;
    }
    return connection->broken ? -EPIPE : 0;
}

int http__send_large(struct http__connection *connection, const void *data,
                     size_t size)
{
    struct iovec piece = {(void *)(uintptr_t)data, size};

    return http__send_vec(connection, &piece, 1);
}

/* ---- while a view waits ---- */

/* In the loop: as much as goes at once; what is left goes with what follows. */
static void send_now(void *arg)
{
    struct http__connection *connection = arg;
    struct http__work *work = connection->work;
    ssize_t sent;

    connection->soon = NULL;
    if (work == NULL || work->out_size == 0 || connection->writing ||
        connection->broken)
        return;
    sent = http__wire_try(&connection->wire, work->out, work->out_size);
    if (sent <= 0)
        return;
    work->out_size -= (size_t)sent;
    if (work->out_size == 0)
        http__out_give(work);
    else
        memmove(work->out, work->out + sent, work->out_size);
}

void http__flush_soon(struct http__connection *connection)
{
    if (connection->wire.tls != NULL)
        http__flush(connection); /* the loop cannot wait in a session */
    else if (connection->soon == NULL)
        connection->soon = hub_call_soon(send_now, connection);
    if (connection->soon == NULL)
        http__flush(connection);
}

void http__flush_soon_cancel(struct http__connection *connection)
{
    if (connection->soon != NULL)
        hub_callback_cancel(connection->soon);
    connection->soon = NULL;
}
