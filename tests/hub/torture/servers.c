/* servers.c - scenes: servers of connections and of datagrams */
#include "torture.h"

static char address_text[64];

static void echo(int fd, const struct hub_address *peer, void *arg)
{
    char buffer[100];
    ssize_t got;

    (void)peer;
    (void)arg;
    while ((got = hub_recv(fd, buffer, sizeof buffer, 0, HUB_FOREVER)) > 0)
        if (!see(hub_send_all(fd, buffer, (size_t)got, 0, NULL, HUB_FOREVER)))
            return;
    see(got);
}

static void asks(struct party *party)
{
    char data[5];

    party->fd = hub_connect_to(address_text, HUB_FOREVER);
    if (see(party->fd) &&
        see(hub_send_all(party->fd, "hello", 5, 0, NULL, HUB_FOREVER)) &&
        see(hub_recv_all(party->fd, data, 5, NULL, HUB_FOREVER)) &&
        memcmp(data, "hello", 5) != 0)
        spoilt();
}

static void note_address(const struct hub_address *address)
{
    see(hub_address_format(address, address_text, sizeof address_text));
}

static void serve(struct hub_server *server)
{
    struct party clients[3] = { { .body = asks, .fd = -1 },
                                { .body = asks, .fd = -1 },
                                { .body = asks, .fd = -1 } };
    struct hub_address address;

    if (!see(hub_server_address(server, &address)))
        return;
    note_address(&address);
    for (int i = 0; i < 3; i++)
        enter(&clients[i]);
    for (int i = 0; i < 3; i++)
        leave(&clients[i]);
    see(hub_server_stop(server, HUB_SECOND));
}

/* With a pool for two. */
static void play_server(void)
{
    const struct hub_server_options options = { .pool = 2 };
    struct hub_server *server;

    if (!see(hub_server_new("127.0.0.1:0", echo, NULL, &options, &server)))
        return;
    if (see(hub_server_start(server)))
        serve(server);
    hub_server_free(server);
    hub_yield();
}

static void stalls(int fd, const struct hub_address *peer, void *arg)
{
    (void)peer;
    (void)arg;
    (void)fd;
    hub_sleep(3600 * HUB_SECOND);
}

/* Handlers that do not end by themselves are killed. */
static void play_stopping(void)
{
    const struct hub_server_options options = { .pool = 5 };
    struct hub_server *server;
    struct hub_address address;
    int fds[2] = { -1, -1 };

    if (!see(hub_server_new("127.0.0.1:0", stalls, NULL, &options, &server)))
        return;
    if (see(hub_server_start(server)) &&
        see(hub_server_address(server, &address))) {
        note_address(&address);
        for (int i = 0; i < 2; i++)
            see(fds[i] = hub_connect_to(address_text, HUB_FOREVER));
        see(hub_sleep(2 * HUB_MILLISECOND));
        see(hub_server_stop(server, 0));
    }
    for (int i = 0; i < 2; i++)
        if (fds[i] >= 0)
            hub_close(fds[i]);
    hub_server_free(server);
    hub_yield();
}

static void answers(struct hub_datagram_server *server, const void *data,
                    size_t size, const struct hub_address *peer, void *arg)
{
    (void)arg;
    see(hub_datagram_server_send(server, data, size, peer, HUB_FOREVER));
}

/* A datagram may be lost: then there is no answer. */
static void play_datagram_server(void)
{
    struct hub_datagram_server *server;
    struct hub_address address;
    char data[5];
    int fd;

    if (!see(hub_datagram_server_new("127.0.0.1:0", answers, NULL, NULL,
                                     &server)))
        return;
    fd = hub_listen_on("127.0.0.1:0", 0, HUB_LISTEN_DATAGRAM);
    if (see(fd) && see(hub_datagram_server_start(server)) &&
        see(hub_datagram_server_address(server, &address)) &&
        see(hub_sendto(fd, "hello", 5, 0, (struct sockaddr *)&address.storage,
                       address.length, HUB_FOREVER)))
        see(hub_recv(fd, data, 5, 0, hub_deadline(HUB_SECOND)));
    if (fd >= 0)
        hub_close(fd);
    see(hub_datagram_server_stop(server, HUB_SECOND));
    hub_datagram_server_free(server);
    hub_yield();
}

const struct scene torture_servers[] = {
    { "server", play_server },
    { "stopping", play_stopping },
    { "datagram_server", play_datagram_server },
    { NULL, NULL }
};
