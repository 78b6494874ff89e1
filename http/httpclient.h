/* httpclient.h - HTTP requests to others; link libvireo-http-client
 *
 * A session keeps connections and gives each request one, on libcurl, which the hub
 * drives: who asks is parked, and nothing else is.  HTTP/1.1 over TCP, TLS or a Unix
 * socket.  A session belongs to the hub of the thread that made it, and any number of
 * its greenlets may use it at once; a process that was forked makes its own.
 *
 * Whatever ends a wait (a kill, a hub_timeout, a cancelled scope) ends a request at
 * any point: its connection is closed, not used again.
 *
 * Errors of requests: a negative errno; http_session_error() has the words.
 *   -EINVAL          a URL, method or header field that is none, or not the program's
 *                    to set (Content-Length, Transfer-Encoding, Upgrade)
 *   -EPROTONOSUPPORT neither http: nor https:
 *   -ENOENT          the host's name has no address; a file of the options is no good
 *   -ECONNREFUSED, -ENETUNREACH ...  it could not be reached
 *   -ETIMEDOUT       a time of the options has passed, or that of a scope
 *   -ECONNRESET      the server went away in the middle, or before it answered
 *   -EBADMSG         what it says is no good HTTP, TLS, or compressed data
 *   -EKEYREJECTED    its certificate is not trusted, or of another name
 *   -EMSGSIZE        the body is larger than `limit`
 *   -ELOOP           more redirects than allowed
 *   -EBADF           the session was freed meanwhile
 *   -EXDEV           the session belongs to another thread, or process
 *   -EMFILE, -ENOMEM ...  and why a wait ended early (hub.h) */
#ifndef VIREO_HTTPCLIENT_H
#define VIREO_HTTPCLIENT_H

#include "hub/hub.h"

#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifndef HTTP_API
#define HTTP_API __attribute__((visibility("default")))
#endif

struct http_session;
struct http_reply;

/* ---- sessions ------------------------------------------------------------------- */

enum {
    HTTP_SESSION_INSECURE = 1, /* whatever certificate the server shows is good */
    HTTP_SESSION_PLAIN = 2,    /* do not ask for compressed answers; what comes is
                                  given as it is */
    HTTP_SESSION_STAY = 4      /* follow no redirect: 3xx is an answer as others */
};

/* All zero stands for the defaults.  Durations in ns; a negative one is none. */
struct http_session_options {
    unsigned flags;
    unsigned connections; /* at most, in all; 0: 100.  Who finds none waits, in turn */
    unsigned per_host;    /* ... to one host and port; 0: as many as in all */
    unsigned redirects;   /* followed at most; 0: 10 */
    int64_t idle_timeout; /* a connection without a request is closed; 0: 30 s */
    int64_t connect_timeout;    /* name, connection and TLS; 0: 10 s */
    int64_t first_byte_timeout; /* from the request's last byte to the answer's
                                   first; 0: 60 s */
    int64_t timeout; /* all of it, waiting for a connection too: to the last byte,
                        of http_session_open() to the end of the head; 0: 300 s */
    size_t limit;    /* of a body that is kept whole; 0: 16 MiB */
    size_t buffer;   /* of one read piece by piece: so much waits here before the
                        server has to; 0: 64 KiB */
    const char *user_agent;  /* NULL: "vireo/" and its version; "": none */
    const char *ca_file;     /* authorities to trust, PEM; NULL: the system's */
    const char *certificate; /* ours, PEM, with its chain; NULL: none */
    const char *key;         /* its key; NULL: in the same file */
    const char *proxy;       /* "http://host:port", or what else libcurl knows; NULL:
                                none, whatever the environment says */
    const char *unix_socket; /* the path of a socket that all connections go to, "@" for
                                an abstract one; NULL: none */
};

/* A session.  options may be NULL; they are copied.
 * Ownership: *session is given (http_session_free()).
 * Returns 0, -EINVAL, -EMFILE, -ENFILE, -ENOMEM. */
HTTP_API int http_session_new(const struct http_session_options *options,
                              struct http_session **session);

/* Close its connections.  Requests that are under way end with -EBADF, and so do
 * reads of replies, which stay to be freed.  NULL is allowed.  Before hub_destroy().
 * In the child of a fork() it does nothing: they are the parent's. */
HTTP_API void http_session_free(struct http_session *session);

/* What went wrong, in words, with the request or the read of this session that
 * failed last: to be looked at before the caller waits again.  Borrowed. */
HTTP_API const char *http_session_error(const struct http_session *session);

/* How many connections its requests have now, and how many of these requests wait
 * for one in *waiting (unless NULL). */
HTTP_API unsigned http_session_active(const struct http_session *session,
                                      unsigned *waiting);

/* ---- requests ------------------------------------------------------------------- */

/* The next bytes of a request's body, at most `size`, called in the greenlet that
 * makes the request; it may wait.  Returns how many; 0: that was all; a negative
 * errno ends the request, which returns it. */
typedef ssize_t http_upload_function(void *buffer, size_t size, void *data);

/* All zero but the URL: GET. */
struct http_session_request {
    const char *url;
    const char *method;         /* NULL: GET, or POST with a body */
    const char *const *headers; /* "Name: value", the last one is NULL; NULL: none */
    const void *body;           /* in memory; */
    size_t body_size;
    http_upload_function *upload; /* or from a function, */
    void *upload_data;
    int64_t upload_size; /* which gives so many bytes; 0: chunked */
    unsigned flags;      /* besides those of the session: HTTP_SESSION_PLAIN, _STAY */
    int64_t connect_timeout, first_byte_timeout, timeout; /* 0: the session's */
    size_t limit;                                         /* 0: the session's */
};

/* Make a request, and wait for all of the answer.  Whatever its status is: 0.
 *
 * A connection is taken out of those that are kept, or made.  When the server has
 * closed a kept one before it answered, the request is sent once more, unless bytes of
 * a POST's or PATCH's body, or of an upload, have left.  Redirects are followed: 303
 * by GET, 301 and 302 of POST too, 307 and 308 with the same body (of an upload: not
 * followed); to another host, port or scheme without the fields Authorization, Cookie
 * and Host.
 *
 * Ownership: *reply is given (http_reply_free()); the request is borrowed.  Switches.
 * Returns 0, or an error of the list above; then *reply is NULL. */
HTTP_API int http_session_request(struct http_session *session,
                                  const struct http_session_request *request,
                                  struct http_reply **reply);

/* The same until the answer's head is there: http_reply_read() takes the body.
 * The connection is the reply's until that ends, or http_reply_free(). */
HTTP_API int http_session_open(struct http_session *session,
                               const struct http_session_request *request,
                               struct http_reply **reply);

/* http_session_request() of a GET, and of a POST; type: its Content-Type (NULL:
 * none). */
HTTP_API int http_session_get(struct http_session *session, const char *url,
                              struct http_reply **reply);
HTTP_API int http_session_post(struct http_session *session, const char *url,
                               const char *type, const void *body, size_t size,
                               struct http_reply **reply);

/* ---- replies -------------------------------------------------------------------- */

/* Its status; the URL that gave it, after redirects; how many redirects there were.
 * Borrowed from reply. */
HTTP_API int http_reply_status(const struct http_reply *reply);
HTTP_API const char *http_reply_url(const struct http_reply *reply);
HTTP_API unsigned http_reply_redirects(const struct http_reply *reply);

/* The value of a field, in any case; the n-th (from 0) of those with this name, or
 * NULL.  Borrowed from reply. */
HTTP_API const char *http_reply_header(const struct http_reply *reply,
                                       const char *name, size_t n);

/* The n-th field of all: 0, or -ENOENT beyond the last.  Borrowed from reply. */
HTTP_API int http_reply_field(const struct http_reply *reply, size_t n,
                              const char **name, const char **value);

/* The whole body, with a 0 behind it that does not count; *size (unless NULL) is its
 * length.  Of a reply that is read piece by piece: what is here and was not read yet.
 * Borrowed from reply. */
HTTP_API const void *http_reply_body(const struct http_reply *reply,
                                     size_t *size);

/* The next bytes of the body, at most `size`, as soon as some are there; 0 at its
 * end.  As long as nobody reads the server is made to wait.  HUB_NOWAIT: -EAGAIN
 * instead of waiting.  A deadline that passes ends the call alone.  Switches.
 * Returns how many; -EBUSY while another greenlet reads; or an error of the list
 * above, again and again, when the body did not come to its end. */
HTTP_API ssize_t http_reply_read(struct http_reply *reply, void *buffer,
                                 size_t size, int64_t deadline_ns);

/* Let it go; a connection with a body that was not read to its end is closed.  NULL
 * is allowed.  Does not switch. */
HTTP_API void http_reply_free(struct http_reply *reply);

#ifdef __cplusplus
}
#endif
#endif
