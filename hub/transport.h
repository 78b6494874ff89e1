/* transport.h - what a stream reads from and writes to
 *
 * A table of functions and an object: a socket, a pipe, a file through the
 * pool, a TLS session over one of them, or something of the program's own. */
#ifndef VIREO_TRANSPORT_H
#define VIREO_TRANSPORT_H

#include "hub/hub.h"

#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* All of them take the object first, return a negative errno when they fail,
 * and may switch.  A stream calls read for one greenlet at a time, and write
 * shutdown and flush for one at a time; but close while others are in read or write,
 * which then end with -EBADF.  A read or write that ends with an error has
 * moved nothing. */
struct hub_transport {
    /* Read at most `size` bytes (never 0), as many as are there: how many; 0 at
     * the end.  HUB_NOWAIT as the deadline: -EAGAIN instead of waiting. */
    ssize_t (*read)(void *self, void *buffer, size_t size, int64_t deadline_ns);
    /* Write at least one of `size` bytes (never 0): how many. */
    ssize_t (*write)(void *self, const void *data, size_t size,
                     int64_t deadline_ns);
    /* Nothing more will be written; the other side reads the end.  NULL: there
     * is no such thing (-EOPNOTSUPP). */
    int (*shutdown)(void *self, int64_t deadline_ns);
    /* Close it: waits in it end with -EBADF.  Does not wait. */
    int (*close)(void *self);
    /* After close, when nobody is in a call any more: free the object.  NULL:
     * nothing to free. */
    void (*free)(void *self);
    /* The fd below, or -1.  NULL: there is none. */
    int (*fd)(const void *self);
    /* Send what write has taken and could not send by its deadline.  NULL: it takes
     * only what it sends. */
    int (*flush)(void *self, int64_t deadline_ns);
};

#ifdef __cplusplus
}
#endif
#endif
