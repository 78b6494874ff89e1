/* httpserver.c - a server: its options, its listeners, its end */
#include "http/heads.h"
#include "http/http_impl.h"
#include "http/parser.h"
#include "http/slots.h"

#include "hub/socket.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#define KILL_NS          HUB_SECOND /* for connections that were killed to end */
#define REPORTS_A_SECOND 10

/* ---- options ---- */

#define DEFAULT(field, value) \
    if (options->field == 0)  \
    options->field = (value)

static void fill_in(struct http_server_options *options)
{
    DEFAULT(line, 8190);
    DEFAULT(head, 16384);
    DEFAULT(fields, 100);
    DEFAULT(body, 1 << 20);
    DEFAULT(requests, 10000);
    DEFAULT(connections, 10000);
    DEFAULT(handshake_ns, 10 * HUB_SECOND);
    DEFAULT(head_ns, 10 * HUB_SECOND);
    DEFAULT(body_ns, 30 * HUB_SECOND);
    DEFAULT(body_rate, 500);
    DEFAULT(idle_ns, 75 * HUB_SECOND);
    DEFAULT(write_ns, 60 * HUB_SECOND);
    DEFAULT(linger_idle_ns, 2 * HUB_SECOND);
    DEFAULT(linger_ns, 10 * HUB_SECOND);
    DEFAULT(drain_idle_ns, HUB_SECOND);
}

static int set_server_name(struct http_server *server, const char *name)
{
    size_t size;

    server->options.server_name = NULL;
    if (name == NULL)
        return 0;
    if (!http__is_value(name))
        return -EINVAL;
    size = strlen(name) + sizeof "Server: \r\n";
    server->server_line = http__malloc(size);
    if (server->server_line == NULL)
        return -ENOMEM;
    server->server_line_size =
        (size_t)snprintf(server->server_line, size, "Server: %s\r\n", name);
    return 0;
}

static int set_options(struct http_server *server,
                       const struct http_server_options *options)
{
    if (options != NULL)
        server->options = *options;
    fill_in(&server->options);
    options = &server->options;
    if (options->head > 1 << 24 || options->line > options->head ||
        options->fields > 100000)
        return -EINVAL;
    server->limits.line = (uint32_t)options->line;
    server->limits.bytes = (uint32_t)options->head;
    server->limits.fields = options->fields;
    return set_server_name(server, options->server_name);
}

/* ---- making and ending ---- */

int http_server_new(struct http_view view,
                    const struct http_server_options *options,
                    struct http_server **server)
{
    struct http_server *made = http__calloc(1, sizeof *made);
    int rc;

    if (made == NULL)
        return -ENOMEM;
    made->refs = 1;
    made->view = view;
    made->last = &made->listenings;
    hub_event_init(&made->emptied);
    hub_event_init(&made->stopped);
    hub_event_init(&made->hurry);
    hub_event_set(&made->emptied);
    rc = set_options(made, options);
    made->lines = http__calloc(1, http__parser_lines_size);
    if (rc == 0 && made->lines == NULL)
        rc = -ENOMEM;
    made->heads = http__heads_new();
    if (rc < 0) {
        http__server_unref(made);
        return rc;
    }
    *server = made;
    return 0;
}

static void free_listening(struct http__listening *listening)
{
    hub_server_free(listening->acceptor);
    free(listening);
}

void http__server_unref(struct http_server *server)
{
    if (--server->refs > 0)
        return;
    while (server->listenings != NULL) {
        struct http__listening *listening = server->listenings;

        server->listenings = listening->next;
        free_listening(listening);
    }
    hub_crew_free(server->crew);
    http__work_trim(server, 0);
    http__out_free_all(server);
    http__slots_free(server->slots);
    free(server->live);
    free(server->server_line);
    free(server->lines);
    http__heads_free(server->heads);
    free(server);
}

/* ---- listening ---- */

/* In the loop. */
static void handle(int fd, const struct hub_address *peer, void *arg)
{
    http__connection_accepted(arg, fd, peer);
}

static struct http__listening *
make_listening(struct http_server *server,
               const struct http_server_listener *how)
{
    struct http__listening *made = http__calloc(1, sizeof *made);

    if (made == NULL)
        return NULL;
    made->server = server;
    if (how != NULL)
        made->how = *how;
    if (made->how.backlog == 0)
        made->how.backlog = 1024;
    return made;
}

static struct hub_server_options
acceptor_options(const struct http_server *server,
                 const struct http_server_listener *how)
{
    return (struct hub_server_options){.backlog = how->backlog,
                                       .spawn = HUB_SERVER_IN_HUB,
                                       .pool = server->options.connections,
                                       .listen_flags = how->listen_flags,
                                       .handler_closes = true};
}

/* By the first listener: the crew is of the hub that it is on. */
static int make_crew(struct http_server *server)
{
    return server->crew != NULL
               ? 0
               : hub_crew_new(http__connection_attend,
                              server->options.stack_size, &server->crew);
}

static int start_listening(struct http__listening *listening,
                           const char *address, int fd)
{
    struct http_server *server = listening->server;
    struct hub_server_options options =
        acceptor_options(server, &listening->how);
    int rc = make_crew(server);

    if (rc < 0)
        return rc;
    rc = address != NULL ? hub_server_new(address, handle, listening, &options,
                                          &listening->acceptor)
                         : hub_server_of_fd(fd, handle, listening, &options,
                                            &listening->acceptor);
    if (rc < 0)
        return rc;
    return hub_server_start(listening->acceptor);
}

static int listen_on(struct http_server *server, const char *address, int fd,
                     const struct http_server_listener *how)
{
    struct http__listening *listening;
    int rc;

    listening = server->stopping ? NULL : make_listening(server, how);
    if (listening == NULL) {
        if (fd >= 0)
            hub_close(fd);
        return server->stopping ? -ESHUTDOWN : -ENOMEM;
    }
    rc = start_listening(listening, address, fd);
    if (rc < 0) {
        if (listening->acceptor != NULL)
            hub_server_free(listening->acceptor); /* closes fd */
        else if (fd >= 0)
            hub_close(fd);
        free(listening);
        return rc;
    }
    *server->last = listening;
    server->last = &listening->next;
    return 0;
}

int http_server_listen(struct http_server *server, const char *address,
                       const struct http_server_listener *how)
{
    return address != NULL ? listen_on(server, address, -1, how) : -EINVAL;
}

int http_server_listen_fd(struct http_server *server, int fd,
                          const struct http_server_listener *how)
{
    return listen_on(server, NULL, fd, how);
}

static const struct http__listening *
listening_at(const struct http_server *server, size_t i)
{
    const struct http__listening *listening = server->listenings;

    for (; listening != NULL && i > 0; i--)
        listening = listening->next;
    return listening;
}

int http_server_address(const struct http_server *server, size_t i,
                        struct hub_address *address)
{
    const struct http__listening *listening = listening_at(server, i);

    return listening != NULL ? hub_server_address(listening->acceptor, address)
                             : -ENOENT;
}

int http_server_connection(struct http_server *server, int fd,
                           const struct http_server_listener *how)
{
    struct hub_address peer;
    int rc = server->stopping ? -ESHUTDOWN : hub_fd_wrap(fd);

    if (rc < 0) {
        hub_close(fd);
        return rc;
    }
    if (hub_peer_address(fd, &peer) < 0)
        memset(&peer, 0, sizeof peer);
    http__connection_run(server, how, fd, &peer);
    return 0;
}

/* ---- serving, stopping ---- */

int http_server_serve(struct http_server *server, int64_t deadline_ns)
{
    int rc;

    server->refs++;
    rc = hub_event_wait(&server->stopped, deadline_ns);
    http__server_unref(server);
    return rc;
}

static void begin_to_stop(struct http_server *server)
{
    struct http__connection *connection, *next;

    if (server->stopping)
        return;
    server->stopping = true;
    hub_event_set(&server->hurry);
    for (struct http__listening *listening = server->listenings;
         listening != NULL; listening = listening->next)
        hub_server_close(listening->acceptor);
    for (connection = server->connections; connection != NULL;
         connection = next) {
        next = connection->next;
        if (connection->on_stop != NULL)
            connection->on_stop(connection->on_stop_data);
    }
}

/* Those that were accepted and have not begun are no connections yet. */
static bool is_empty(const struct http_server *server)
{
    size_t count = 0;

    for (const struct http__listening *listening = server->listenings;
         listening != NULL; listening = listening->next)
        count += hub_server_connections(listening->acceptor);
    return count == 0 && server->connections == NULL;
}

static int wait_until_empty(struct http_server *server, int64_t deadline_ns)
{
    int rc = 0;

    while (rc == 0 && !is_empty(server)) {
        if (server->connections == NULL)
            rc = hub_sleep(0); /* it is about to begin, or has just ended */
        else
            rc = hub_event_wait(&server->emptied, deadline_ns);
        if (rc == 0 && server->connections == NULL && hub_now() > deadline_ns)
            break;
    }
    return rc;
}

static void kill_all(struct http_server *server)
{
    struct http__connection *connection = server->connections, *next;

    for (; connection != NULL; connection = next) {
        next = connection->next;
        if (connection->greenlet == NULL)
            hub_crew_call(&connection->post, -ECANCELED);
        else if (connection->greenlet != greenlet_current())
            hub_kill(connection->greenlet);
    }
}

int http_server_stop(struct http_server *server, int64_t timeout_ns)
{
    int64_t deadline = timeout_ns < 0 ? HUB_FOREVER : hub_deadline(timeout_ns);
    int rc;

    server->refs++;
    begin_to_stop(server);
    rc = wait_until_empty(server, deadline);
    if (rc == -ETIMEDOUT && hub_canceled() == 0) {
        kill_all(server);
        rc = wait_until_empty(server, hub_deadline(KILL_NS));
        if (rc == -ETIMEDOUT && hub_canceled() == 0)
            rc = -EBUSY;
    }
    if (rc == 0 || rc == -EBUSY)
        hub_event_set(&server->stopped);
    http__server_unref(server);
    return rc;
}

void http_server_free(struct http_server *server)
{
    struct hub_shield shield;

    hub_shield_begin(&shield);
    http_server_stop(server, 0);
    if (server->sweeper != NULL)
        hub_kill_join(server->sweeper, HUB_FOREVER);
    hub_shield_end(&shield);
    http__server_unref(server);
}

/* ---- looking ---- */

bool http_server_stopping(const struct http_server *server)
{
    return server->stopping;
}

void http_server_count(const struct http_server *server,
                       struct http_server_counts *counts)
{
    *counts = server->counts;
}

/* ---- lines for the operator ---- */

void http__report(struct http_server *server, const char *format, ...)
{
    int64_t second = hub_now() / HUB_SECOND;
    char line[512];
    va_list args;

    if (server->reported_in != second)
        server->reported = 0;
    server->reported_in = second;
    if (server->options.report == NULL &&
        server->reported++ >= REPORTS_A_SECOND)
        return;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    for (char *at = line; *at != '\0'; at++)
        if ((unsigned char)*at < ' ' || *at == 0x7f)
            *at = '?'; /* what a client sent does not write lines of its own */
    if (server->options.report != NULL)
        server->options.report(line, server->options.report_data);
    else
        dprintf(2, "vireo: http: %s\n", line);
}
