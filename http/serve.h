/* serve.h - an HTTP service: a master, workers, and a server in each of their
 * hubs
 *
 * What http_master_run() and http_server_new() do, put together: listeners with
 * TLS or the PROXY protocol, an access log, clients as trusted proxies name
 * them. */
#ifndef VIREO_SERVE_H
#define VIREO_SERVE_H

#include "http/accesslog.h"
#include "http/httpserver.h"
#include "http/master.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A certificate, with its chain behind it, and its key (NULL: in the same
 * file), in PEM; for clients that ask for this name ("*.example.org": any
 * below), NULL: for all others. */
struct http_serve_certificate {
    const char *name, *chain, *key;
};

struct http_serve_listener {
    const char *address; /* hub_listen_on(); of what was handed over, if it is
                            there */
    const struct http_serve_certificate *certificates; /* NULL: no TLS */
    size_t certificate_count;
    const char *alpn; /* NULL: "http/1.1,http/1.0" */
    bool proxy;       /* each connection begins with the PROXY protocol; peers
                         that are not trusted are closed; one that says so of
                         its client (version 2) makes the scheme https */
};

enum http_serve_forwarded {
    HTTP_SERVE_X_FORWARDED, /* X-Forwarded-For, -Proto, -Host */
    HTTP_SERVE_FORWARDED    /* RFC 7239 */
};

/* All zero stands for the defaults. */
struct http_serve_options {
    const struct http_serve_listener *listeners;
    size_t listener_count; /* 0: what was handed over, without TLS */
    struct http_master_options master; /* `listen` is not looked at */
    struct http_server_options server;
    const char *access_log; /* http_accesslog_open(); NULL: none */
    struct http_accesslog_options log;
    const char *trusted; /* proxies (http_trust_new()); NULL: none */
    enum http_serve_forwarded forwarded; /* what they set */
    /* Called in each hub before it accepts, and after its last connection;
     * NULL: nothing.  An error of the first ends the worker, without the
     * second. */
    int (*begin)(struct http_worker *worker, struct http_server *server,
                 void *data);
    void (*end)(struct http_worker *worker, struct http_server *server,
                void *data);
    void *data;
};

/* Serve until a signal ends it (master.h).  In `server`, `received` and
 * `access` are called behind ours.  options are borrowed.  SIGPIPE is ignored
 * meanwhile, unless the program has a handler of it.  For the main
 * greenlet.  Switches. Returns as http_master_run(); -EINVAL also for a
 * listener with `proxy` and nobody who is trusted, or a list of those that
 * cannot be read. */
HTTP_API int http_serve(const struct http_serve_options *options,
                        struct http_view view);

#ifdef __cplusplus
}
#endif
#endif
