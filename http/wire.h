/* wire.h - what a connection reads from and writes to: a socket, or TLS on one */
#ifndef HTTP_WIRE_H
#define HTTP_WIRE_H

#include "hub/hub.h"

#include <sys/types.h>
#include <sys/uio.h>

struct hub_tls;

struct http__wire {
    int fd;
    struct hub_tls *tls; /* NULL: none */
    bool drained;        /* the last read got less than it asked for */
};

/* Park until there is something to read, without a buffer of the caller's.
 * Returns 0 or why the wait ended. */
int http__wire_wait(struct http__wire *wire, int64_t deadline_ns);
/* At most `size` bytes, 0 at the end. */
ssize_t http__wire_read(struct http__wire *wire, void *buffer, size_t size,
                        int64_t deadline_ns);
/* All of it; vec is changed.  Returns 0 or a negative errno. */
int http__wire_write(struct http__wire *wire, struct iovec *vec, int count,
                     int64_t deadline_ns);
/* As much of a file as `count` says, by sendfile() where there is no TLS. */
int http__wire_sendfile(struct http__wire *wire, int file, off_t offset,
                        size_t count, int64_t deadline_ns);
/* No more will be written; reading goes on. */
int http__wire_end(struct http__wire *wire, int64_t deadline_ns);
void http__wire_close(struct http__wire *wire);

#endif
