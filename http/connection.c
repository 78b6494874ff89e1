/* connection.c - a connection, from its beginning to its end
 *
 * The frames from here to the wait for a request are what an idle connection
 * costs: they are to stay on the first page of the stack, with the connection
 * itself. */
#include "http/http_impl.h"

#include "hub/socket.h"
#include "hub/tls.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#define NOINLINE __attribute__((noinline))

/* ---- the beginning ---- */

static NOINLINE int begin(struct http__connection *connection,
                          const struct http_server_listener *how)
{
    const struct http_server_options *options = &connection->server->options;
    int family = connection->peer->storage.ss_family;
    struct http__wire *wire = &connection->wire;
    int64_t deadline;
    int rc = 0, one = 1, saved = errno;

    if (family == AF_INET || family == AF_INET6)
        setsockopt(wire->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    errno = saved;
    if (how == NULL || (how->accepted == NULL && how->tls == NULL))
        return 0;
    deadline = http__wire_limit(options->handshake_ns);
    if (how->accepted != NULL)
        rc = how->accepted(wire->fd, connection->peer, deadline,
                           how->accepted_data);
    connection->secure = rc == HTTP_SERVER_OVER_TLS || how->tls != NULL;
    if (rc >= 0 && how->tls != NULL)
        rc = hub_tls_open(how->tls, wire->fd, NULL, deadline, &wire->tls);
    if (rc >= 0)
        wire->drained = true;
    return rc < 0 ? rc : 0;
}

static void link_connection(struct http__connection *connection)
{
    struct http_server *server = connection->server;

    server->refs++;
    server->counts.accepted++;
    if (server->counts.connections++ == 0)
        hub_event_clear(&server->emptied);
    connection->next = server->connections;
    connection->back = &server->connections;
    if (connection->next != NULL)
        connection->next->back = &connection->next;
    server->connections = connection;
}

static void unlink_connection(struct http__connection *connection)
{
    struct http_server *server = connection->server;

    *connection->back = connection->next;
    if (connection->next != NULL)
        connection->next->back = connection->back;
    if (--server->counts.connections == 0)
        hub_event_set(&server->emptied);
    http__server_unref(server);
}

/* ---- between requests ---- */

static int wait_for_request(struct http__connection *connection)
{
    int rc;

    http__idle_begin(connection,
                     connection->requests == 0 ? HTTP__FRESH : HTTP__IDLE);
    rc = http__wire_wait(&connection->wire, HUB_FOREVER);
    http__idle_end(connection);
    return rc;
}

static NOINLINE void serve(struct http__connection *connection)
{
    while (wait_for_request(connection) == 0)
        if (!http__answer(connection))
            break;
}

/* ---- the end ---- */

/* Returns false: enough.  Many may linger at once: who waits holds no buffer.
 */
static bool linger_once(struct http__connection *connection, int64_t end)
{
    const struct http_server_options *options = &connection->server->options;
    int64_t deadline = http__wire_limit(options->linger_idle_ns);
    struct http__work *work;
    ssize_t got;

    if (http__wire_wait(&connection->wire, deadline < end ? deadline : end) < 0)
        return false;
    work = http__work_take(connection->server);
    if (work == NULL)
        return false;
    work->connection = connection;
    got = http__wire_read(&connection->wire, work->input, work->room,
                          HUB_NOWAIT);
    http__work_unref(work);
    return (got > 0 || got == -EAGAIN) && hub_now() < end;
}

NOINLINE void http__linger(struct http__connection *connection)
{
    const struct http_server_options *options = &connection->server->options;
    int64_t end = http__wire_limit(options->linger_ns);

    if (connection->broken ||
        http__wire_end(&connection->wire, hub_deadline(HUB_SECOND)) < 0)
        return;
    while (linger_once(connection, end))
        ;
}

/* A TLS client is told that this is the end, if it takes that without a wait.
 */
static NOINLINE void end(struct http__connection *connection)
{
    if (connection->linger)
        http__linger(connection);
    else if (connection->wire.tls != NULL && !connection->broken)
        hub_tls_shutdown(connection->wire.tls, HUB_NOWAIT);
    http__wire_close(&connection->wire);
}

void http__connection_run(struct http_server *server,
                          const struct http_server_listener *how, int fd,
                          struct hub_address *peer)
{
    struct http__connection connection = {.wire = {.fd = fd, .drained = true},
                                          .server = server,
                                          .peer = peer,
                                          .greenlet = greenlet_current(),
                                          .deferred = greenlet_deferred()};

    link_connection(&connection);
    if (http__sweeper_start(server) == 0 && begin(&connection, how) == 0)
        serve(&connection);
    end(&connection);
    unlink_connection(&connection);
}
