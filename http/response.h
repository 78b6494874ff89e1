/* response.h - the response that a view fills
 *
 * It is sent when the view has returned; a view that fails has it replaced.
 * What frames it (Content-Length, Transfer-Encoding) is ours, and so are Date
 * and the Server of the options unless they are set.  A response to HEAD, and
 * those that have no body (1xx, 204, 304), are sent without one whatever was
 * set.
 *
 * Errors of all functions: -ESHUTDOWN once it was sent or begun, -ENOMEM; both
 * leave it as it was. */
#ifndef VIREO_RESPONSE_H
#define VIREO_RESPONSE_H

#include "http/httpstream.h"
#include "http/view.h"

#include <stdarg.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- status and fields ---- */

/* 200 ... 599 (100 ... 199 only by who upgrades).  Returns 0, -EINVAL. */
HTTP_API int http_response_set_status(struct http_response *response,
                                      int status);
/* What was set, 0: nothing. */
HTTP_API int http_response_status(const struct http_response *response);

/* The words behind a status: "Not Found"; "Status" for one that nobody knows.
 * Static.  Thread-safe. */
HTTP_API const char *http_response_reason(int status);

/* Set a field, instead of all that have the name; or add one beside them.
 * Copied. "Connection: close" ends the connection after the response; of the
 * rest of Connection, and of what frames a message, -EPERM.  Content-Length may
 * be set for a response to HEAD, or for a stream whose length is known. Returns
 * 0; -EINVAL for a name that is no token, or a value that is NULL or has CR or
 * LF, -EPERM. */
HTTP_API int http_response_set_header(struct http_response *response,
                                      const char *name, const char *value);
HTTP_API int http_response_add_header(struct http_response *response,
                                      const char *name, const char *value);

/* Take away all fields of that name.  Returns how many there were, or
 * -ESHUTDOWN. */
HTTP_API int http_response_remove_header(struct http_response *response,
                                         const char *name);

/* The value of the first one; NULL: none.  Borrowed until it is changed. */
HTTP_API const char *http_response_header(const struct http_response *response,
                                          const char *name);

/* ---- the body ---- */

/* Add to the body; copied.  Returns 0. */
HTTP_API int http_response_write(struct http_response *response,
                                 const void *data, size_t size);
HTTP_API int http_response_printf(struct http_response *response,
                                  const char *format, ...)
    __attribute__((format(printf, 2, 3)));
HTTP_API int http_response_vprintf(struct http_response *response,
                                   const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

/* That text (copied) as the body, and Content-Type "text/plain; charset=utf-8"
 * unless one is set.  Returns 0; -EINVAL for NULL. */
HTTP_API int http_response_text(struct http_response *response,
                                const char *text);

/* Those bytes as the body, instead of what there was, without a copy.
 * Ownership: borrowed until drop(drop_arg) is called, once it was sent or is of
 * no use any more, also when this fails; drop NULL: as long as the server
 * lives. Returns 0. */
HTTP_API int http_response_body(struct http_response *response,
                                const void *data, size_t size,
                                void (*drop)(void *arg), void *drop_arg);

/* What the body is so far, and its size; NULL: a file, a stream, a WebSocket.
 * Borrowed until it is changed. */
HTTP_API const void *http_response_bytes(const struct http_response *response,
                                         size_t *size);

/* The body is gone, whatever it was.  Returns 0. */
HTTP_API int http_response_clear(struct http_response *response);

/* ---- files ---- */

struct http_response_file {
    const char *content_type; /* NULL: "application/octet-stream" */
    bool unconditional;       /* no Last-Modified and ETag, nor 304 and 412 */
    bool whole;               /* no ranges */
};

/* A regular file as the body, sent by sendfile(2) as it is now: Last-Modified
 * and ETag by its time and size, and for GET and HEAD what RFC 9110 says of
 * If-Match, If-None-Match, If-Modified-Since, If-Unmodified-Since, Range and
 * If-Range: 206 (one range, or several as multipart/byteranges), 304, 412, 416.
 * Only with the status 200, or none.  how NULL: the defaults. Ownership: fd is
 * given, also when this fails. Returns 0, -EINVAL for what is no regular file,
 * -EBADF, -EIO. */
HTTP_API int http_response_file(struct http_response *response, int fd,
                                const struct http_response_file *how);

/* ---- streams ---- */

/* When the view has returned, the head is sent, and producer(stream, data)
 * makes the body, in the same greenlet.  content_type NULL: none, or what is
 * set.  With Content-Length set it makes so many bytes; else they are sent in
 * chunks, to HTTP/1.0 until the connection ends. Returns 0. */
HTTP_API int http_response_stream(struct http_response *response,
                                  const char *content_type,
                                  http_stream_producer *producer, void *data);

#ifdef __cplusplus
}
#endif
#endif
