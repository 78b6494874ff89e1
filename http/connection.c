/* connection.c - a connection, from its beginning to its end
 *
 * One that was accepted has a greenlet of the server's crew from when something
 * can be read until all that came is answered.  One that the program gives us
 * has the greenlet that gave it. */
#include "http/http_impl.h"
#include "http/slow.h"

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
    int family = connection->peer.storage.ss_family;
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
        rc = how->accepted(wire->fd, &connection->peer, deadline,
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

    http__sweep_without(connection);
    *connection->back = connection->next;
    if (connection->next != NULL)
        connection->next->back = connection->back;
    if (--server->counts.connections == 0)
        hub_event_set(&server->emptied);
    http__server_unref(server);
}

/* ---- between requests ---- */

static void be_idle(struct http__connection *connection)
{
    if (unlikely(connection->wire.slow != NULL))
        http__slow_leave(&connection->wire);
    http__idle_begin(connection,
                     connection->requests == 0 ? HTTP__FRESH : HTTP__IDLE);
}

/* Where it is. */
static int wait_for_request(struct http__connection *connection)
{
    int rc;

    be_idle(connection);
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

/* Without a greenlet.  Returns false: it cannot. */
static bool stand_by(struct http__connection *connection)
{
    connection->greenlet = NULL;
    be_idle(connection);
    if (likely(hub_crew_wait(&connection->post, connection->wire.fd) == 0))
        return true;
    http__idle_end(connection);
    return false;
}

/* A TLS session may have bytes that the socket does not know of. */
static bool has_more(const struct http__connection *connection)
{
    return connection->wire.tls != NULL && !connection->wire.drained;
}

/* Returns whether it waits for more. */
static bool answer_and_wait(struct http__connection *connection)
{
    do {
        if (!http__answer(connection))
            return false;
    } while (has_more(connection) && hub_canceled() == 0);
    return hub_canceled() == 0 && stand_by(connection);
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

static void init(struct http__connection *connection,
                 struct http_server *server, int fd,
                 const struct hub_address *peer)
{
    connection->wire = (struct http__wire){.fd = fd, .drained = true};
    connection->server = server;
    connection->peer = *peer;
}

static void attended_by_self(struct http__connection *connection)
{
    connection->greenlet = greenlet_current();
    connection->deferred = greenlet_deferred();
}

void http__connection_run(struct http_server *server,
                          const struct http_server_listener *how, int fd,
                          const struct hub_address *peer)
{
    struct http__connection connection = {.begun = true};

    init(&connection, server, fd, peer);
    attended_by_self(&connection);
    link_connection(&connection);
    if (http__sweeper_start(server) == 0 && begin(&connection, how) == 0)
        serve(&connection);
    end(&connection);
    unlink_connection(&connection);
}

/* ---- those that were accepted ---- */

static NOINLINE bool begin_and_wait(struct http__connection *connection)
{
    connection->begun = true;
    if (http__sweeper_start(connection->server) < 0 ||
        begin(connection, &connection->listening->how) < 0)
        return false;
    if (has_more(connection))
        return answer_and_wait(connection);
    return hub_canceled() == 0 && stand_by(connection);
}

static NOINLINE void end_accepted(struct http__connection *connection)
{
    end(connection);
    hub_server_release(connection->listening->acceptor);
    unlink_connection(connection);
    free(connection);
}

void http__connection_attend(struct hub_crew_post *post, int error)
{
    struct http__connection *connection =
        (struct http__connection *)(void *)post; /* it is first */
    bool waits = false;

    attended_by_self(connection);
    http__idle_end(connection);
    if (likely(error == 0))
        waits = likely(connection->begun) ? answer_and_wait(connection)
                                          : begin_and_wait(connection);
    if (unlikely(!waits)) {
        connection->greenlet = greenlet_current();
        end_accepted(connection);
    }
}

void http__connection_accepted(struct http__listening *listening, int fd,
                               const struct hub_address *peer)
{
    struct http_server *server = listening->server;
    struct http__connection *connection = http__lines(sizeof *connection);

    if (connection == NULL) {
        hub_close(fd);
        http__report_starved(server);
        return;
    }
    init(connection, server, fd, peer);
    connection->listening = listening;
    hub_server_hold(listening->acceptor);
    link_connection(connection);
    hub_crew_post_init(&connection->post, server->crew);
    hub_crew_call(&connection->post, 0);
}
