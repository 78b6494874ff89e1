/* datagram.c - servers of datagrams */
#include "hub/server.h"
#include "hub/service.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LARGEST 65536

struct hub_datagram_server {
    struct hub__service service; /* first */
    hub_datagram_handler *handler;
    char buffer[LARGEST];
};

static struct hub_datagram_server *server_of(struct hub__service *service)
{
    return container_of(service, struct hub_datagram_server, service);
}

static int take(struct hub__service *service, struct hub__handling **handling)
{
    struct hub_datagram_server *server = server_of(service);
    struct hub_address peer = {.length = sizeof peer.storage};
    int saved = errno, rc;
    ssize_t got;

    got =
        recvfrom(service->fd, server->buffer, sizeof server->buffer,
                 MSG_DONTWAIT, (struct sockaddr *)&peer.storage, &peer.length);
    if (got < 0) {
        rc = -errno;
        errno = saved;
        return rc == -EAGAIN ? 0 : rc;
    }
    *handling = hub__handling_new((size_t)got);
    if (*handling == NULL)
        return -ENOMEM; /* datagrams may be lost */
    (*handling)->peer = peer;
    memcpy((*handling)->data, server->buffer, (size_t)got);
    return 1;
}

static void call(struct hub__handling *handling)
{
    struct hub_datagram_server *server = server_of(handling->service);

    server->handler(server, handling->data, handling->size, &handling->peer,
                    server->service.arg);
}

static void free_server(struct hub__service *service)
{
    free(server_of(service));
}

static const struct hub__service_kind kind = {HUB_LISTEN_DATAGRAM, take, call,
                                              free_server};

int hub_datagram_server_new(const char *address, hub_datagram_handler *handler,
                            void *arg, const struct hub_server_options *options,
                            struct hub_datagram_server **server)
{
    struct hub_datagram_server *made = greenlet__calloc(1, sizeof *made);
    int rc;

    if (made == NULL)
        return -ENOMEM;
    made->handler = handler;
    rc = address == NULL
             ? -EINVAL
             : hub__service_init(&made->service, &kind, address, options, arg);
    if (rc < 0) {
        free(made);
        return rc;
    }
    *server = made;
    return 0;
}

int hub_datagram_server_start(struct hub_datagram_server *server)
{
    return hub__service_start(&server->service);
}

int hub_datagram_server_serve(struct hub_datagram_server *server)
{
    return hub__service_serve(&server->service);
}

int hub_datagram_server_stop(struct hub_datagram_server *server,
                             int64_t timeout_ns)
{
    return hub__service_stop(&server->service, timeout_ns);
}

void hub_datagram_server_free(struct hub_datagram_server *server)
{
    hub__service_close(&server->service);
    hub__service_unref(&server->service);
}

int hub_datagram_server_address(const struct hub_datagram_server *server,
                                struct hub_address *address)
{
    return hub__service_address(&server->service, address);
}

int hub_datagram_server_send(struct hub_datagram_server *server,
                             const void *data, size_t size,
                             const struct hub_address *peer,
                             int64_t deadline_ns)
{
    ssize_t put;

    if (server->service.fd < 0)
        return -EBADF;
    put = hub_sendto(server->service.fd, data, size, 0,
                     (const struct sockaddr *)&peer->storage, peer->length,
                     deadline_ns);
    return put < 0 ? (int)put : 0;
}
