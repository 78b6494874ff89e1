/* anchor_http_epoll.c - what the system calls of an HTTP server cost alone: an
 * epoll loop that counts the ends of requests and sends as many fixed answers
 *
 * It reads nothing of a request and keeps nothing of a connection: no server
 * can do with less.  Prints "port N" and serves until it is killed. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define ANSWER                                    \
    "HTTP/1.1 200 OK\r\n"                         \
    "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"     \
    "Content-Type: text/plain; charset=utf-8\r\n" \
    "Content-Length: 13\r\n"                      \
    "\r\n"                                        \
    "Hello, World!"

enum { BACKLOG = 4096, EVENTS = 512, INPUT = 16384, MOST = 64 };

static const char end_of_head[] = "\r\n\r\n";
static char answers[MOST * (sizeof ANSWER - 1)];
static int epoll_fd;

static void die(const char *what)
{
    perror(what);
    exit(EXIT_FAILURE);
}

static void watch(int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
        die("epoll_ctl");
}

/* The load sends whole requests in one piece. */
static size_t heads(const char *data, size_t size)
{
    const char *found;
    size_t count = 0, end = sizeof end_of_head - 1;

    while ((found = memmem(data, size, end_of_head, end))) {
        count++;
        size -= (size_t)(found + end - data);
        data = found + end;
    }
    return count < MOST ? count : MOST;
}

static void serve(int fd)
{
    char input[INPUT];
    ssize_t got = recv(fd, input, sizeof input, 0);
    size_t size;

    if (got > 0) {
        size = heads(input, (size_t)got) * (sizeof ANSWER - 1);
        if (send(fd, answers, size, MSG_NOSIGNAL) == (ssize_t)size)
            return;
    }
    close(fd);
}

static void take(int listener)
{
    int fd, one = 1;

    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >=
           0) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        watch(fd);
    }
}

static int listen_anywhere(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t length = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, length) < 0 ||
        listen(fd, BACKLOG) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &length) < 0)
        die("listen");
    printf("port %d\n", ntohs(address.sin_port));
    fflush(stdout);
    return fd;
}

int main(void)
{
    struct epoll_event events[EVENTS];
    int listener = listen_anywhere();

    for (size_t i = 0; i < MOST; i++)
        memcpy(answers + i * (sizeof ANSWER - 1), ANSWER, sizeof ANSWER - 1);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_fd < 0)
        die("epoll_create1");
    watch(listener);
    for (;;) {
        int ready = epoll_wait(epoll_fd, events, EVENTS, -1);

        for (int i = 0; i < ready; i++)
            if (events[i].data.fd == listener)
                take(listener);
            else
                serve(events[i].data.fd);
    }
}
