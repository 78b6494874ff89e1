/* server.c - servers of connections */
#include "hub/server.h"
#include "hub/service.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct hub_server {
    struct hub__service service; /* first */
    hub_server_handler *handler;
};

static struct hub_server *server_of(struct hub__service *service)
{
    return container_of(service, struct hub_server, service);
}

/* The memory first: a connection that was accepted is not lost for want of
 * it. */
static int take(struct hub__service *service, struct hub__handling **handling)
{
    struct hub__handling *taken = hub__handling_new(0);
    int saved = errno, rc;

    if (taken == NULL)
        return -ENOMEM;
    memset(&taken->peer, 0, sizeof taken->peer);
    taken->peer.length = sizeof taken->peer.storage;
    taken->fd = accept4(service->fd, (struct sockaddr *)&taken->peer.storage,
                        &taken->peer.length, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (taken->fd >= 0) {
        hub__fd_opened(service->hub, taken->fd);
        *handling = taken;
        return 1;
    }
    rc = -errno;
    errno = saved;
    free(taken);
    return rc == -EAGAIN ? 0 : rc;
}

static void call(struct hub__handling *handling)
{
    const struct hub__service *service = handling->service;
    int fd = handling->fd;

    if (service->options.handler_closes)
        handling->fd = -1;
    server_of(handling->service)->handler(fd, &handling->peer, service->arg);
}

static void free_server(struct hub__service *service)
{
    free(server_of(service));
}

static const struct hub__service_kind kind = {0, take, call, free_server};

static int make(const char *address, hub_server_handler *handler, void *arg,
                const struct hub_server_options *options,
                struct hub_server **server)
{
    struct hub_server *made = greenlet__calloc(1, sizeof *made);
    int rc;

    if (made == NULL)
        return -ENOMEM;
    made->handler = handler;
    rc = hub__service_init(&made->service, &kind, address, options, arg);
    if (rc < 0) {
        hub__service_unref(&made->service);
        return rc;
    }
    *server = made;
    return 0;
}

int hub_server_new(const char *address, hub_server_handler *handler, void *arg,
                   const struct hub_server_options *options,
                   struct hub_server **server)
{
    return address != NULL ? make(address, handler, arg, options, server)
                           : -EINVAL;
}

int hub_server_of_fd(int fd, hub_server_handler *handler, void *arg,
                     const struct hub_server_options *options,
                     struct hub_server **server)
{
    int rc, saved = errno, type;
    socklen_t length = sizeof type;

    rc = getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) < 0 ? -errno : 0;
    errno = saved;
    if (rc == 0)
        rc = make(NULL, handler, arg, options, server);
    if (rc < 0)
        return rc;
    hub_fd_wrap(fd);
    (*server)->service.fd = fd;
    return 0;
}

int hub_server_start(struct hub_server *server)
{
    return hub__service_start(&server->service);
}

int hub_server_serve(struct hub_server *server)
{
    return hub__service_serve(&server->service);
}

int hub_server_close(struct hub_server *server)
{
    int rc = hub__service_check(&server->service);

    if (rc == 0)
        hub__service_close(&server->service);
    return rc;
}

int hub_server_stop(struct hub_server *server, int64_t timeout_ns)
{
    return hub__service_stop(&server->service, timeout_ns);
}

void hub_server_free(struct hub_server *server)
{
    hub__service_close(&server->service);
    hub__service_unref(&server->service);
}

void hub_server_hold(struct hub_server *server)
{
    server->service.refs++;
    server->service.count++;
}

void hub_server_release(struct hub_server *server)
{
    server->service.count--;
    hub__link_notify(&server->service.released);
    hub__service_unref(&server->service);
}

bool hub_server_started(const struct hub_server *server)
{
    return server->service.acceptor != NULL && !server->service.closed;
}

size_t hub_server_connections(const struct hub_server *server)
{
    return server->service.count;
}

int hub_server_fd(const struct hub_server *server)
{
    return server->service.fd;
}

int hub_server_address(const struct hub_server *server,
                       struct hub_address *address)
{
    return hub__service_address(&server->service, address);
}
