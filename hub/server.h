/* server.h - servers: a handler for each connection, or for each datagram
 *
 * A server belongs to the hub of the thread that made it, and its calls are for
 * that thread.  Handlers run in greenlets of their own, unless it is told
 * otherwise. */
#ifndef VIREO_SERVER_H
#define VIREO_SERVER_H

#include "hub/hub.h"
#include "hub/socket.h"

#ifdef __cplusplus
extern "C" {
#endif

struct hub_server;
struct hub_address; /* socket.h */

enum hub_server_spawn {
    HUB_SERVER_GREENLET, /* hub_spawn(): a failure is reported and kept */
    HUB_SERVER_RAW,      /* hub_spawn_raw() */
    HUB_SERVER_IN_HUB    /* a call in the loop: it must not wait */
};

/* All zero stands for the defaults. */
struct hub_server_options {
    int backlog;      /* of the listener; 0: 128 */
    unsigned accepts; /* at most so many a wake-up; 0: 100 */
    enum hub_server_spawn spawn;
    unsigned pool;     /* at most so many handlers at once, no more connections
                             being accepted meanwhile; 0: no limit */
    size_t stack_size; /* of handlers; 0: the default */
    int64_t stop_timeout;  /* hub_server_stop(); ns; 0: 1 s; negative: none */
    unsigned listen_flags; /* HUB_LISTEN_REUSE_PORT */
    bool handler_closes;   /* fd is given to the handler, once it has begun */
};

/* One connection.  fd is closed when it returns, or is killed, unless
 * `handler_closes`; peer is borrowed until then. */
typedef void hub_server_handler(int fd, const struct hub_address *peer,
                                void *arg);

/* A server that listens on an address (hub_listen_on()) once it is started.
 * options may be NULL; they and the address are copied.
 * Ownership: *server is given to the caller (hub_server_free()); arg passes
 * through.
 * Returns 0, -EINVAL for an address that cannot be meant, -ENOMEM. */
HUB_API int hub_server_new(const char *address, hub_server_handler *handler,
                           void *arg, const struct hub_server_options *options,
                           struct hub_server **server);

/* The same for an fd that listens.
 * Ownership: fd is the server's, which closes it; not when it fails.
 * Returns 0, -EBADF, -ENOTSOCK, -ENOMEM. */
HUB_API int hub_server_of_fd(int fd, hub_server_handler *handler, void *arg,
                             const struct hub_server_options *options,
                             struct hub_server **server);

/* Listen, and begin to accept.  Errors of accept() and of spawning are reported
 * (hub_set_error_handler()), the same one every 10 s at most, and the server
 * pauses for 10 ms, then for twice as long, up to 1 s, until it goes well again;
 * -EBADF, -EINVAL and -ENOTSOCK close it.  Switches for names.
 * Returns 0, also when it is started; -EBADF once it was closed; what listening
 * failed with; -ENOMEM. */
HUB_API int hub_server_start(struct hub_server *server);

/* Start it, and wait until it is stopped; stop it when the wait ends early.
 * Switches.  Returns 0, as hub_server_start(), or why it ended early. */
HUB_API int hub_server_serve(struct hub_server *server);

/* Accept no more, and close the listener.  Handlers that run are left alone.
 * Returns 0, -EXDEV. */
HUB_API int hub_server_close(struct hub_server *server);

/* Close it, and wait for handlers: until timeout_ns has passed (negative: as
 * the options say, and there negative: without an end); then those that still
 * run are killed, and have 1 s to end.  Without a pool they are left alone.
 * Ends hub_server_serve().  Switches.
 * Returns 0, -EXDEV, -EBUSY when some would not end, or why it ended early:
 * then none was killed. */
HUB_API int hub_server_stop(struct hub_server *server, int64_t timeout_ns);

/* Close it; handlers that run go on.  Not a cancellation point. */
HUB_API void hub_server_free(struct hub_server *server);

/* Is it accepting? */
HUB_API bool hub_server_started(const struct hub_server *server);

/* One more that counts as a handler, for who goes on with a connection when its
 * handler has returned: for options.pool, hub_server_stop() and
 * hub_server_connections(), until hub_server_release().  It cannot be killed. */
HUB_API void hub_server_hold(struct hub_server *server);
HUB_API void hub_server_release(struct hub_server *server);

/* How many handlers there are. */
HUB_API size_t hub_server_connections(const struct hub_server *server);

/* The fd that listens; -1: none. */
HUB_API int hub_server_fd(const struct hub_server *server);

/* Where it listens, once it was started.  Returns 0 or -EBADF. */
HUB_API int hub_server_address(const struct hub_server *server,
                               struct hub_address *address);

/* ---- datagrams ---- */

struct hub_datagram_server;

/* One datagram, of at most 64 KiB.  data and peer are borrowed until it
 * returns. */
typedef void hub_datagram_handler(struct hub_datagram_server *server,
                                  const void *data, size_t size,
                                  const struct hub_address *peer, void *arg);

/* A server of datagrams, as hub_server_new(). */
HUB_API int hub_datagram_server_new(const char *address,
                                    hub_datagram_handler *handler, void *arg,
                                    const struct hub_server_options *options,
                                    struct hub_datagram_server **server);

/* Begin to receive; errors as hub_server_start(). */
HUB_API int hub_datagram_server_start(struct hub_datagram_server *server);

/* hub_server_serve(), hub_server_stop(), hub_server_free(),
 * hub_server_address() for a server of datagrams. */
HUB_API int hub_datagram_server_serve(struct hub_datagram_server *server);
HUB_API int hub_datagram_server_stop(struct hub_datagram_server *server,
                                     int64_t timeout_ns);
HUB_API void hub_datagram_server_free(struct hub_datagram_server *server);
HUB_API int
hub_datagram_server_address(const struct hub_datagram_server *server,
                            struct hub_address *address);

/* Send a datagram from the server's socket.  Switches.
 * Returns 0, -EBADF, or a negative errno (hub_sendto()). */
HUB_API int hub_datagram_server_send(struct hub_datagram_server *server,
                                     const void *data, size_t size,
                                     const struct hub_address *peer,
                                     int64_t deadline_ns);

#ifdef __cplusplus
}
#endif
#endif
