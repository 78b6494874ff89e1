/* Slow clients: many connections on each of which a byte a second is sent.
 *
 * slow PORT COUNT KIND NUMBER: KIND is head (of a field that never ends) or
 * body (of 1,000 bytes); NUMBER, different for each of these programs, chooses
 * the addresses that it comes from.  One that the server ends is opened anew.
 * Prints "open" when all are; at the end of stdin, one line of JSON: how many
 * are open, how many the server ended with a 408, with another answer, and
 * without one. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { TICKS = 50, ADDRESSES = 8, EVENTS = 256 }; /* ticks in a second */

struct client {
    int fd;
    size_t sent;
};

static const char head[] = "GET /plain HTTP/1.1\r\nHost: a\r\nX-Slow: ";
static const char body[] = "POST /plain HTTP/1.1\r\nHost: a\r\n"
                           "Content-Length: 1000\r\n\r\n";

static struct client *clients;
static int port, count, number, poller;
static const char *start;
static long timed_out, refused, cut;

static void die(const char *what)
{
    perror(what);
    exit(EXIT_FAILURE);
}

/* A field is begun by a byte at a time; before a body the head comes at once.
 */
static void send_some(struct client *client)
{
    size_t length = strlen(start), most = 1;
    const char *at = client->sent < length ? start + client->sent : "a";
    ssize_t sent;

    if (start == body && client->sent < length)
        most = length - client->sent;
    sent = send(client->fd, at, most, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0)
        client->sent += (size_t)sent;
}

static void open_one(struct client *client)
{
    struct sockaddr_in from = {.sin_family = AF_INET}, to = from;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
    int i = number * ADDRESSES + (int)(client - clients) % ADDRESSES;
    int one = 1;

    from.sin_addr.s_addr = htonl(0x7f000002u + (unsigned)i);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    to.sin_port = htons((uint16_t)port);
    client->sent = 0;
    client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (client->fd < 0)
        die("socket");
    setsockopt(client->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one,
               sizeof one);
    if (bind(client->fd, (struct sockaddr *)&from, sizeof from) < 0 ||
        connect(client->fd, (struct sockaddr *)&to, sizeof to) < 0 ||
        epoll_ctl(poller, EPOLL_CTL_ADD, client->fd, &event) < 0)
        die("connect");
    send_some(client);
}

/* The server has something to say, which is the end. */
static void end_one(struct client *client)
{
    char answer[512];
    ssize_t got = recv(client->fd, answer, sizeof answer, MSG_DONTWAIT);

    if (got < 0 && errno == EAGAIN)
        return;
    if (got <= 0)
        cut++;
    else if (got > 13 && memcmp(answer, "HTTP/1.1 408 ", 13) == 0)
        timed_out++;
    else
        refused++;
    close(client->fd);
    open_one(client);
}

static long now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void wait_until(long ms)
{
    struct epoll_event events[EVENTS];
    long left;

    while ((left = ms - now_ms()) > 0) {
        int ready = epoll_wait(poller, events, EVENTS, (int)left);

        for (int i = 0; i < ready; i++)
            end_one(events[i].data.ptr);
    }
}

/* Each has its turn once in a second. */
static void drip(void)
{
    struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
    long next = now_ms();

    for (int tick = 0; poll(&in, 1, 0) == 0; tick = (tick + 1) % TICKS) {
        for (int i = tick; i < count; i += TICKS)
            send_some(&clients[i]);
        next += 1000 / TICKS;
        wait_until(next);
    }
}

int main(int argc, char **argv)
{
    struct rlimit files;

    if (argc != 5)
        return EXIT_FAILURE;
    port = atoi(argv[1]);
    count = atoi(argv[2]);
    start = strcmp(argv[3], "body") == 0 ? body : head;
    number = atoi(argv[4]);
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    clients = calloc((size_t)count, sizeof *clients);
    poller = epoll_create1(EPOLL_CLOEXEC);
    if (clients == NULL || poller < 0)
        die("set-up");
    for (int i = 0; i < count; i++)
        open_one(&clients[i]);
    puts("open");
    fflush(stdout);
    drip();
    printf(
        "{\"open\": %d, \"timed_out\": %ld, \"refused\": %ld, \"cut\": %ld}\n",
        count, timed_out, refused, cut);
    return EXIT_SUCCESS;
}
