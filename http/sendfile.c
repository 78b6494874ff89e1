/* sendfile.c - a file as the body */
#include "http/send.h"

#include <errno.h>
#include <unistd.h>

/* What is small goes with the head: one system call instead of two. */
static int send_small(struct http__connection *connection, int file,
                      const struct http__part *part)
{
    struct http__work *work = connection->work;
    char *at = work->out + work->out_size;
    int saved = errno;
    ssize_t got = pread(file, at, (size_t)part->size, part->offset);

    errno = saved;
    if (got != (ssize_t)part->size)
        return -EIO;
    work->out_size += (size_t)got;
    return 0;
}

static int send_part(struct http__connection *connection, int file,
                     const struct http__part *part)
{
    int rc = http__send(connection, part->text_size > 0 ? part->text : "",
                        part->text_size);

    if (rc < 0)
        return rc;
    if (connection->broken)
        return -EPIPE;
    if (connection->work->out == NULL)
        http__out_take(connection->work);
    if (part->size <= connection->work->out_room - connection->work->out_size)
        return send_small(connection, file, part);
    rc = http__flush(connection);
    if (rc == 0)
        rc = http__wire_sendfile(&connection->wire, file, part->offset,
                                 part->size,
                                 connection->server->options.write_ns);
    return rc;
}

/* The length was told: what cannot be sent ends the connection. */
int http__send_parts(struct http__connection *connection)
{
    const struct http_response *response = &connection->work->response;
    int rc = 0;

    for (unsigned i = 0; rc == 0 && i < response->part_count; i++)
        rc = send_part(connection, response->file, &response->parts[i]);
    if (rc == 0 && response->tail_size > 0)
        rc = http__send(connection, response->tail, response->tail_size);
    if (rc < 0)
        connection->broken = connection->closing = true;
    return rc;
}
