/* httpstream.h - a response that is made piece by piece
 *
 * Its producer runs in the greenlet of the connection.  When the client goes
 * away (it closed, it ended what it sends, or it takes nothing for the server's
 * write time), all waits of the producer end with -ECANCELED, and writes with
 * -EPIPE: it returns, and what it deferred by greenlet_defer() is run. */
#ifndef VIREO_HTTPSTREAM_H
#define VIREO_HTTPSTREAM_H

#include "http/view.h"

#include <stdarg.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct http_stream;

/* Makes the body.  Returns 0: it is complete; else it is not, and the
 * connection is closed so that the client knows; what is neither -EPIPE nor
 * -ECANCELED is logged. */
typedef int http_stream_producer(struct http_stream *stream, void *data);

/* Send a piece: it is on its way when this returns.  Parks while the client is
 * slow. Of a response to HEAD nothing is sent.  Switches. Returns 0; -EPIPE:
 * the client is gone; -EMSGSIZE: beyond the Content-Length that was set;
 * -ETIMEDOUT, -ECANCELED: why the wait ended early, of a scope around it; the
 * stream is then good for nothing. */
HTTP_API int http_stream_write(struct http_stream *stream, const void *data,
                               size_t size);
HTTP_API int http_stream_printf(struct http_stream *stream, const char *format,
                                ...) __attribute__((format(printf, 2, 3)));
HTTP_API int http_stream_vprintf(struct http_stream *stream, const char *format,
                                 va_list args)
    __attribute__((format(printf, 2, 0)));

/* Send a server-sent event (text/event-stream): "event: NAME" (NULL: none), and
 * the text in as many "data:" lines as it has lines. Returns as
 * http_stream_write(), and -EINVAL for a name with CR, LF or NUL, -ENOMEM. */
HTTP_API int http_stream_event(struct http_stream *stream, const char *name,
                               const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same with "id: ID" (NULL: none) and "retry: MS" (negative: none). */
HTTP_API int http_stream_event_with(struct http_stream *stream,
                                    const char *name, const char *id,
                                    int64_t retry_ms, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/* A comment line, which keeps a quiet stream of events open.
 * Returns as http_stream_event(). */
HTTP_API int http_stream_comment(struct http_stream *stream, const char *text);

/* A field behind the last chunk.  Copied.
 * Returns 0; -EINVAL for a name that is no token or frames or routes a message,
 * or a value with CR, LF or NUL; -EOPNOTSUPP when it is not sent in chunks;
 * -ENOMEM. */
HTTP_API int http_stream_trailer(struct http_stream *stream, const char *name,
                                 const char *value);

/* Is the client known to be gone? */
HTTP_API bool http_stream_gone(const struct http_stream *stream);

/* The request that it answers.  Borrowed. */
HTTP_API struct http_request *
http_stream_request(const struct http_stream *stream);

#ifdef __cplusplus
}
#endif
#endif
