/* request.h - the request that a view answers
 *
 * Texts that are returned are borrowed from the request, end with a 0, and are
 * good until it is gone: when its response has been sent (of a stream: when the
 * producer has returned), or with the last http_request_unref() of those who
 * keep it.
 *
 * All is for the thread that serves the request. */
#ifndef VIREO_REQUEST_H
#define VIREO_REQUEST_H

#include "http/view.h"

#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct hub_tls;
struct hub_address; /* socket.h */
struct http_server;

/* ---- the request line ---- */

/* "GET": as it was sent, in capitals or not. */
HTTP_API const char *http_request_verb(struct http_request *request);

/* The target, as it was sent: "/a%20b?c=d"; "*" of OPTIONS;
 * "http://host/path?query" of who takes us for a proxy. */
HTTP_API const char *http_request_target(struct http_request *request);

/* Of the target: the path, not decoded, "/" if it is empty and "*" of OPTIONS
 * *; what comes behind the '?', or NULL when there is none. */
HTTP_API const char *http_request_path(struct http_request *request);
HTTP_API const char *http_request_query(struct http_request *request);

/* 0 of HTTP/1.0, 1 of HTTP/1.1 and what else is 1.x. */
HTTP_API int http_request_minor(const struct http_request *request);

/* "http", or "https" over TLS or when a trusted proxy says so. */
HTTP_API const char *http_request_scheme(const struct http_request *request);

/* Whom the client asked for, with a port if it named one: of the absolute
 * target, else the Host field; or what a trusted proxy says.  "" when HTTP/1.0
 * named none. */
HTTP_API const char *http_request_host(struct http_request *request);

/* ---- fields ---- */

/* The value of the first field of that name, whatever the case of its letters,
 * without blanks around it; NULL: there is none. */
HTTP_API const char *http_request_header(struct http_request *request,
                                         const char *name);

/* How many fields there are; the i-th, in the order in which they came: its
 * name, and its value in *value unless that is NULL.  NULL beyond the last. */
HTTP_API size_t http_request_headers(const struct http_request *request);
HTTP_API const char *http_request_header_at(struct http_request *request,
                                            size_t i, const char **value);

/* Does a list of tokens ("Connection: keep-alive, Upgrade"), which may be
 * spread over several fields of that name, have this one?  The case of letters
 * does not count. */
HTTP_API bool http_request_header_has(struct http_request *request,
                                      const char *name, const char *token);

/* ---- where it came from ---- */

/* The client: of the socket, or what the PROXY protocol or a trusted proxy
 * says. */
HTTP_API const struct hub_address *
http_request_peer(const struct http_request *request);

/* The TLS session of the connection; NULL: none.  Not to be read from or
 * written to. */
HTTP_API struct hub_tls *http_request_tls(const struct http_request *request);

/* The server that serves it. */
HTTP_API struct http_server *
http_request_server(const struct http_request *request);

/* ---- the body ---- */

/* Its length; 0: there is none; -1: it comes in chunks, and nobody knows. */
HTTP_API int64_t http_request_length(const struct http_request *request);

/* At most so many bytes, from now on, instead of what the server's options say.
 * More of them: 413.  A length that was announced is looked at before the view:
 * to raise the limit for it is for options.received. */
HTTP_API void http_request_set_body_limit(struct http_request *request,
                                          uint64_t bytes);

/* Read at most `size` bytes of the body, as many as are there, before it is
 * complete. A client that waits for "100 Continue" is told so by the first
 * read.  Switches. Returns how many, 0 at the end (size 0: always); or, from
 * then on, -EMSGSIZE   it is longer than its limit: 413 -ETIMEDOUT  it comes
 * too slowly: 408 -EBADMSG    its chunks are no good: 400 -ECONNRESET the
 * client has gone in the middle -EBUSY      another greenlet is reading it
 * (this one goes on) -ENOMEM, or why a wait ended early. A view that returns
 * such an error is answered by the status beside it. */
HTTP_API ssize_t http_request_read(struct http_request *request, void *buffer,
                                   size_t size);

/* All of the body, what was read before excepted, with a 0 behind it that does
 * not count; asked again, the same.  Borrowed from the request.  Switches.
 * Returns 0, or as http_request_read(). */
HTTP_API int http_request_body(struct http_request *request, const char **data,
                               size_t *size);

/* After the end of the body: a field of its trailer, as http_request_header().
 */
HTTP_API const char *http_request_trailer(struct http_request *request,
                                          const char *name);

/* ---- memory, and how long it lives ---- */

/* Memory that is free with the request, aligned for anything.  NULL: there is
 * none. */
HTTP_API void *http_request_alloc(struct http_request *request, size_t size);

/* Call function(data) when the request is gone, the last one first; or at once
 * when there is no memory to remember it: -ENOMEM.  It must not wait. */
HTTP_API int http_request_defer(struct http_request *request,
                                void (*function)(void *data), void *data);

/* One more who keeps it, and one less; NULL is fine for unref.  What is left of
 * the body is not kept: reading it gives -ESHUTDOWN once the response was sent.
 */
HTTP_API struct http_request *http_request_ref(struct http_request *request);
HTTP_API void http_request_unref(struct http_request *request);

#ifdef __cplusplus
}
#endif
#endif
