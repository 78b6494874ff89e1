/* bench_hub_echo.c - an echo server as a linked program writes it: a greenlet
 * for each connection
 *
 * Prints "port N" and serves until it is killed. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vireo/hub.h>

enum { BACKLOG = 4096, BUFFER = 1024 };

static void serve(void *arg)
{
    int fd = (int)(intptr_t)arg;
    char buffer[BUFFER];
    ssize_t got;

    while ((got = hub_recv(fd, buffer, sizeof buffer, 0, HUB_FOREVER)) > 0)
        if (hub_send(fd, buffer, (size_t)got, 0, HUB_FOREVER) != got)
            break;
    hub_close(fd);
}

static int listen_anywhere(void)
{
    int fd = hub_listen_on("127.0.0.1:0", BACKLOG, 0), rc = fd;
    struct hub_address address;
    const struct sockaddr_in *in = (const void *)&address.storage;

    if (fd >= 0)
        rc = hub_local_address(fd, &address);
    if (rc < 0) {
        fprintf(stderr, "listen: %s\n", strerror(-rc));
        exit(EXIT_FAILURE);
    }
    printf("port %d\n", ntohs(in->sin_port));
    fflush(stdout);
    return fd;
}

int main(void)
{
    int listener = listen_anywhere(), one = 1;

    for (;;) {
        int fd = hub_accept(listener, NULL, NULL, HUB_FOREVER);

        if (fd < 0)
            continue;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        greenlet_unref(hub_spawn_raw(serve, (void *)(intptr_t)fd));
    }
}
