/* wire.h - what a connection reads from and writes to: a socket, or TLS on one
 *
 * One greenlet may read while another writes. */
#ifndef HTTP_WIRE_H
#define HTTP_WIRE_H

#include "hub/hub.h"

#include <sys/types.h>
#include <sys/uio.h>

struct hub_tls;
struct http__slow_client;

struct http__wire {
    int fd;
    struct hub_tls *tls; /* NULL: none; it has fd then */
    bool drained;        /* the last read got less than it asked for */
    uint8_t crumbs;      /* slow.c: so many reads in a row got little */
    struct http__slow_client *slow; /* and it is known there; or NULL */
};

/* Park until there is something to read, without a buffer of the caller's; the
 * read that follows may find nothing all the same.
 * Returns 0 or why the wait ended. */
int http__wire_wait(struct http__wire *wire, int64_t deadline_ns);
/* At most `size` bytes, 0 at the end.  HUB_NOWAIT: -EAGAIN instead of waiting.
 */
ssize_t http__wire_read(struct http__wire *wire, void *buffer, size_t size,
                        int64_t deadline_ns);
/* All of it; vec is changed.  -ETIMEDOUT when the other side takes nothing for
 * progress_ns (negative: no limit); 0: nothing is waited for, -EAGAIN, and how
 * much was sent is not known.  Returns 0 or a negative errno. */
int http__wire_write(struct http__wire *wire, struct iovec *vec, int count,
                     int64_t progress_ns);
/* As much as goes without a wait: how many bytes, or -EAGAIN and so on. */
ssize_t http__wire_try(struct http__wire *wire, const void *data, size_t size);
/* `count` bytes of a file, by sendfile() where there is no TLS; -EIO when it
 * has fewer.  progress_ns is not 0. */
int http__wire_sendfile(struct http__wire *wire, int file, off_t offset,
                        uint64_t count, int64_t progress_ns);
/* No more will be written; reading goes on. */
int http__wire_end(struct http__wire *wire, int64_t deadline_ns);
void http__wire_close(struct http__wire *wire);

/* The deadline that lies ns from now; negative: none. */
int64_t http__wire_limit(int64_t ns);

/* What is left of vec when `done` bytes of it are sent. */
static inline void http__wire_advance(struct iovec **vec, int *count,
                                      size_t done)
{
    while (*count > 0 && done >= (*vec)->iov_len) {
        done -= (*vec)->iov_len;
        ++*vec;
        --*count;
    }
    if (*count > 0) {
        (*vec)->iov_base = (char *)(*vec)->iov_base + done;
        (*vec)->iov_len -= done;
    }
}

#endif
