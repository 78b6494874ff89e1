/* send.h - putting bytes behind those that were gathered */
#ifndef HTTP_SEND_H
#define HTTP_SEND_H

#include "http/http_impl.h"

#define HTTP__PIECES 4

/* Gather these pieces (4 at most), or send them behind what was gathered when
 * they are many.  Returns 0, or why the connection is broken. */
int http__send_vec(struct http__connection *connection,
                   const struct iovec *pieces, int count);
int http__send_large(struct http__connection *connection, const void *data,
                     size_t size);

/* out.c: the buffer of a work.  Take one: 0, -ENOMEM.  Give it back: nothing is
 * in it any more. */
int http__out_take(struct http__work *work);
void http__out_give(struct http__work *work);

static inline int http__send(struct http__connection *connection,
                             const void *data, size_t size)
{
    struct http__work *work = connection->work;

    if (unlikely(size > work->out_room - work->out_size))
        return http__send_large(connection, data, size);
    if (size > 0) /* data may be NULL */
        memcpy(work->out + work->out_size, data, size);
    work->out_size += size;
    return 0;
}

#endif
