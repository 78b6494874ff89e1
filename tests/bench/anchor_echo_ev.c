/* anchor_echo_ev.c - the echo server as libev callbacks: what the same work
 * costs when it is rewritten for an event loop
 *
 * Prints "port N" and serves until it is killed. */
#include <arpa/inet.h>
#include <ev.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BACKLOG = 4096, BUFFER = 1024 };

static void on_readable(struct ev_loop *loop, ev_io *watcher, int events)
{
    char buffer[BUFFER];
    ssize_t got = recv(watcher->fd, buffer, sizeof buffer, 0);

    (void)events;
    if (got > 0 && send(watcher->fd, buffer, (size_t)got, MSG_NOSIGNAL) == got)
        return;
    ev_io_stop(loop, watcher);
    close(watcher->fd);
    free(watcher);
}

static void on_connection(struct ev_loop *loop, ev_io *listener, int events)
{
    int fd, one = 1;
    ev_io *watcher;

    (void)events;
    while ((fd = accept4(listener->fd, NULL, NULL,
                         SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        watcher = malloc(sizeof *watcher);
        if (!watcher) {
            close(fd);
            return;
        }
        ev_io_init(watcher, on_readable, fd, EV_READ);
        ev_io_start(loop, watcher);
    }
}

static int listen_anywhere(void)
{
    struct sockaddr_in address = { .sin_family = AF_INET };
    socklen_t length = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, length) < 0 ||
        listen(fd, BACKLOG) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &length) < 0) {
        perror("listen");
        exit(EXIT_FAILURE);
    }
    printf("port %d\n", ntohs(address.sin_port));
    fflush(stdout);
    return fd;
}

int main(void)
{
    struct ev_loop *loop = ev_default_loop(EVBACKEND_EPOLL | EVFLAG_NOENV);
    ev_io listener;

    signal(SIGPIPE, SIG_IGN);
    if (!loop) {
        fprintf(stderr, "libev has no epoll loop\n");
        return EXIT_FAILURE;
    }
    ev_io_init(&listener, on_connection, listen_anywhere(), EV_READ);
    ev_io_start(loop, &listener);
    ev_run(loop, 0);
    return EXIT_SUCCESS;
}
