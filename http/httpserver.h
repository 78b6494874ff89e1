/* httpserver.h - a server of HTTP/1.1: listeners, limits, time limits, its end
 *
 * A server belongs to the hub of the thread that made it, and its calls are for
 * that thread.  A connection has a greenlet, in which the view is called,
 * while it is not idle.
 * Many cores: a server per worker (workers.h), each with listeners of its own.
 */
#ifndef VIREO_HTTPSERVER_H
#define VIREO_HTTPSERVER_H

#include "http/request.h"
#include "http/response.h"
#include "http/view.h"
#include "hub/socket.h"

#ifdef __cplusplus
extern "C" {
#endif

struct http_server;
struct hub_tls_context; /* tls.h */

/* What a line of an access log needs, when a response was sent, or a request
 * refused.  Texts are as they came, and may hold any byte; borrowed for the
 * call. */
struct http_server_access {
    const struct hub_address *peer;
    const char *verb,
        *target;      /* NULL: the request line was no good, see line */
    int minor;        /* HTTP/1.minor */
    const char *line; /* the request line as it came, as far as it did */
    size_t line_length;
    int status;
    uint64_t sent; /* bytes of the body */
    int64_t
        duration_ns; /* from the head to the last byte; 0 of a refused one */
    const char *host, *referer, *user_agent; /* NULL: none */
    struct http_request *request; /* for more of its fields; NULL: none */
};

/* All zero stands for the defaults, which are in brackets; times are in ns, and
 * a negative one is no limit. */
struct http_server_options {
    /* limits, and what is sent beyond them */
    size_t line;          /* of the request line: 414 [8190] */
    size_t head;          /* of the whole head, or trailer: 431 [16384] */
    unsigned fields;      /* in it: 431 [100] */
    uint64_t body;        /* of a request: 413 [1 MiB] */
    unsigned requests;    /* per connection, which is closed then [10000] */
    unsigned connections; /* at once, per listener; others wait to be accepted
                             [10000] */
    /* time limits */
    int64_t handshake_ns; /* of TLS, or the PROXY protocol: closed [10 s] */
    int64_t head_ns; /* from its first byte: 408; to that, of a new connection:
                        closed [10 s] */
    int64_t body_ns; /* and one second more for body_rate bytes: 408 [30 s] */
    uint64_t body_rate; /* bytes a second [500] */
    int64_t idle_ns;    /* between requests: closed [75 s] */
    int64_t write_ns;   /* in which the client takes nothing: closed [60 s] */
    int64_t linger_idle_ns; /* for what a client still sends that is not wanted:
                               between two pieces [2 s] */
    int64_t linger_ns;      /* and in all [10 s] */
    int64_t drain_idle_ns;  /* when it stops: an idle connection lives so long,
                               so  that a request under way is not lost [1 s] */

    size_t stack_size; /* of connections; 0: as greenlet_new() [128 KiB] */
    const char *server_name; /* the Server field, copied; NULL: none */

    /* Called for each request before its view; may change what it says of the
     * client (X-Forwarded-For).  Returns 0, or a status to answer with instead.
     */
    int (*received)(struct http_request *request, void *data);
    void *received_data;
    /* Called for each response, and each refusal; must not wait. */
    void (*access)(const struct http_server_access *entry, void *data);
    void *access_data;
    /* Lines for the operator: a view that failed.  NULL: they go to stderr, 10
     * in a second at most.  Must not wait. */
    void (*report)(const char *line, void *data);
    void *report_data;
};

enum { HTTP_SERVER_OVER_TLS = 1 }; /* of `accepted` */

/* How connections of one listener begin.  All zero: plainly. */
struct http_server_listener {
    struct hub_tls_context *tls; /* NULL: none; lives as long as the server */
    int backlog;                 /* [1024] */
    unsigned listen_flags;       /* HUB_LISTEN_REUSE_PORT */
    /* Called in the greenlet of each connection before anything is read of it,
     * TLS included, such as for the PROXY protocol; *peer may be changed.  May
     * wait, until the deadline.  Returns 0; HTTP_SERVER_OVER_TLS: a proxy says
     * that its client came over TLS, so the scheme is https; or a negative
     * errno: it is closed. */
    int (*accepted)(int fd, struct hub_address *peer, int64_t deadline_ns,
                    void *data);
    void *accepted_data;
};

/* ---- making and ending ---- */

/* A server whose requests `view` answers.  options may be NULL; they are
 * copied. Ownership: *server is given (http_server_free()). Returns 0, -EINVAL
 * for a limit that cannot be held, -ENOMEM. */
HTTP_API int http_server_new(struct http_view view,
                             const struct http_server_options *options,
                             struct http_server **server);

/* Stop it at once if it was not (http_server_stop(0)), and free it.  Not in a
 * view of its own.  Switches; not a cancellation point. */
HTTP_API void http_server_free(struct http_server *server);

/* ---- listening ---- */

/* Listen on an address (hub_listen_on()), which may be called several times;
 * how NULL: plainly.  Accepting begins at once.  Switches for names. Returns 0,
 * -ESHUTDOWN when it stops; -EINVAL, what listening failed with, -ENOMEM. */
HTTP_API int http_server_listen(struct http_server *server, const char *address,
                                const struct http_server_listener *how);

/* The same for a socket that listens already: of a parent, or of systemd.
 * Ownership: fd is given, also when this fails; it is closed when the server
 * stops (the socket listens on if others hold it).
 * Returns as http_server_listen(), and -EBADF, -ENOTSOCK. */
HTTP_API int http_server_listen_fd(struct http_server *server, int fd,
                                   const struct http_server_listener *how);

/* Where the i-th listener (in the order of the calls) listens.
 * Returns 0, -ENOENT, -EBADF when it has stopped. */
HTTP_API int http_server_address(const struct http_server *server, size_t i,
                                 struct hub_address *address);

/* Serve one connected socket, in the calling greenlet, until it ends.
 * Ownership: fd is given.  Switches.
 * Returns 0, -ESHUTDOWN, -ENOMEM (fd is closed then too). */
HTTP_API int http_server_connection(struct http_server *server, int fd,
                                    const struct http_server_listener *how);

/* ---- serving ---- */

/* Wait until it was stopped (by another greenlet, or a signal's).  Switches.
 * Returns 0, or why the wait ended early: it serves on. */
HTTP_API int http_server_serve(struct http_server *server, int64_t deadline_ns);

/* Accept no more; answer what was asked, with "Connection: close"; close what
 * is idle; and when timeout_ns has passed kill the connections that are left,
 * which have 1 s to end.  Negative: without an end.  A second call may shorten
 * it.  Switches. Returns 0; -EBUSY when some would not end; or why the wait
 * ended early: it stops on. */
HTTP_API int http_server_stop(struct http_server *server, int64_t timeout_ns);

/* Is it stopping, or has it stopped? */
HTTP_API bool http_server_stopping(const struct http_server *server);

/* What it has done and has: for a status page, and for tests. */
struct http_server_counts {
    uint64_t connections; /* open now */
    uint64_t idle;        /* of them between two requests */
    uint64_t accepted;    /* so far, and so on */
    uint64_t requests;
    uint64_t refused; /* requests answered by the server itself: 400, 408 ... */
};
HTTP_API void http_server_count(const struct http_server *server,
                                struct http_server_counts *counts);

#ifdef __cplusplus
}
#endif
#endif
