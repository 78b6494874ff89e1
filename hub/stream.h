/* stream.h - buffered reading and writing over a socket, a pipe, a file, TLS
 *
 * Reads take from a buffer, which is filled by what the transport has; writes
 * go into another, which is sent by hub_stream_flush(), hub_stream_close(), or
 * when it is full.  Any number of greenlets of one hub may use a stream: reads
 * take turns, the oldest first, and so do flushes; what one write adds stays
 * together.
 *
 * A read that ends with an error has lost nothing: the next one begins where it
 * began.  Deadlines: HUB_NOWAIT returns -EAGAIN instead of waiting.  Errors of
 * all, besides their own and those of the transport: -EBADF when the stream is
 * closed meanwhile, -ENOMEM, and why a wait ended early (hub.h). */
#ifndef VIREO_STREAM_H
#define VIREO_STREAM_H

#include "hub/hub.h"
#include "hub/transport.h"

#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct hub_stream;
struct hub_transport; /* transport.h */

/* ---- making and closing ---- */

/* A stream over an object, by the functions of `transport` (kept).
 * Ownership: the stream is given to the caller (hub_stream_close()), the object
 * to the stream.  Returns NULL when there is no memory. */
HUB_API struct hub_stream *hub_stream_new(const struct hub_transport *transport,
                                          void *self);

/* A stream over an fd: a socket, a regular file (by threads of the pool), or
 * anything else that can be waited for; all but files become non-blocking.
 * Ownership: *stream is given to the caller, fd to the stream; not when it
 * fails.
 * Returns 0, -EBADF, -ENOMEM. */
HUB_API int hub_stream_of_fd(int fd, struct hub_stream **stream);

/* Flush, and close.  Others who wait in the stream get -EBADF.  HUB_NOWAIT
 * throws away what cannot be sent at once.  Switches.
 * Ownership: the stream is gone, whatever is returned.
 * Returns 0, or what flushing or closing failed with. */
HUB_API int hub_stream_close(struct hub_stream *stream, int64_t deadline_ns);

/* The fd below, or -1. */
HUB_API int hub_stream_fd(const struct hub_stream *stream);

/* ---- reading ---- */

/* Read at most `size` bytes, as many as are there.  Switches.
 * Returns how many, 0 at the end, or a negative errno. */
HUB_API ssize_t hub_stream_read(struct hub_stream *stream, void *buffer,
                                size_t size, int64_t deadline_ns);

/* Read `size` bytes.  Switches.
 * Returns 0, -ENODATA when the end came before: what there is can be read by
 * hub_stream_read(); or a negative errno. */
HUB_API int hub_stream_read_exactly(struct hub_stream *stream, void *buffer,
                                    size_t size, int64_t deadline_ns);

/* Read up to and with the first `separator` (of `length` bytes, at least 1).
 * Switches.
 * Returns how many bytes; -EMSGSIZE when it is not among the first `size`
 * bytes, -ENODATA when the end came before, both with nothing taken; -EINVAL
 * for an empty separator; or a negative errno. */
HUB_API ssize_t hub_stream_read_until(struct hub_stream *stream,
                                      const void *separator, size_t length,
                                      void *buffer, size_t size,
                                      int64_t deadline_ns);

/* Read a line, with its '\n', which the last one may lack; a 0 is put behind
 * it.  Switches.
 * Returns its length, 0 at the end, -EMSGSIZE for one of `size` bytes or more,
 * with nothing taken, -EINVAL for a size below 2, or a negative errno. */
HUB_API ssize_t hub_stream_read_line(struct hub_stream *stream, char *buffer,
                                     size_t size, int64_t deadline_ns);

/* Put bytes back, to be read before all others.
 * Returns 0, -EBUSY while a greenlet waits in a read, -ENOMEM. */
HUB_API int hub_stream_unread(struct hub_stream *stream, const void *data,
                              size_t size);

/* How many bytes can be read without asking the transport. */
HUB_API size_t hub_stream_buffered(const struct hub_stream *stream);

/* ---- writing ---- */

/* Add to what is to be sent.  Beyond the high-water mark it waits until all is
 * sent.  Switches.
 * Returns 0; -EPIPE after hub_stream_end() and -ENOMEM, with nothing added; or
 * what sending ended with: then it was added, and hub_stream_flush() goes
 * on. */
HUB_API int hub_stream_write(struct hub_stream *stream, const void *data,
                             size_t size, int64_t deadline_ns);

/* Send all that was written before.  Switches.  Returns 0 or a negative errno:
 * the rest is kept. */
HUB_API int hub_stream_flush(struct hub_stream *stream, int64_t deadline_ns);

/* Flush, and tell the other side that this is the end; reading goes on.
 * Switches.
 * Returns 0, -EOPNOTSUPP when the transport knows no such thing, or a negative
 * errno. */
HUB_API int hub_stream_end(struct hub_stream *stream, int64_t deadline_ns);

/* How many bytes are written and not sent. */
HUB_API size_t hub_stream_unsent(const struct hub_stream *stream);

/* More than `bytes` unsent ones make a write wait; 64 KiB unless set, 0: every
 * write is sent.  Returns what it was. */
HUB_API size_t hub_stream_set_high_water(struct hub_stream *stream,
                                         size_t bytes);

#ifdef __cplusplus
}
#endif
#endif
