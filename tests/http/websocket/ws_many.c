/* ws_many PORT COUNT - a client with so many WebSockets at once, by epoll
 *
 * Opens them all and prints "open"; with each line that it reads from stdin it sends a
 * message by each of them, waits for all the answers and prints "echoed"; at the end
 * of stdin it closes them by close frames and prints "closed".  What is not as it
 * should be ends it with a line on stderr. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { AT_ONCE = 500, ADDRESSES = 20, HEAD = 1024, WAIT_MS = 60000 };

struct one {
    int fd;
    size_t got;
    char head[HEAD]; /* of the answer */
};

static const char request[] =
    "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
    "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
static const char ping[] = "\x81\x85\0\0\0\0hello", pong[] = "\x81\x05hello";
static const char bye[] = "\x88\x82\0\0\0\0\x03\xe8",
                  bye_too[] = "\x88\x02\x03\xe8";

static struct one *all;
static int count, port, poller;

static void die(const char *what)
{
    perror(what);
    exit(EXIT_FAILURE);
}

static void must_send(const struct one *one, const char *data, size_t size)
{
    if (send(one->fd, data, size, MSG_NOSIGNAL) != (ssize_t)size)
        die("send");
}

/* From one of several addresses: each has its own ports. */
static void open_one(struct one *one, int i)
{
    struct sockaddr_in from = { .sin_family = AF_INET }, to = from;
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = one };

    from.sin_addr.s_addr = htonl(0x7f000002u + (unsigned)(i % ADDRESSES));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    to.sin_port = htons((uint16_t)port);
    one->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (one->fd < 0)
        die("socket");
    if (bind(one->fd, (struct sockaddr *)&from, sizeof from) < 0 ||
        connect(one->fd, (struct sockaddr *)&to, sizeof to) < 0)
        die("connect");
    if (epoll_ctl(poller, EPOLL_CTL_ADD, one->fd, &event) < 0)
        die("epoll_ctl");
    must_send(one, request, sizeof request - 1);
}

/* Each of them that has something calls take(), until it has said "all" that often. */
static void wait_for(int wanted, bool (*take)(struct one *one))
{
    struct epoll_event events[256];
    int n;

    while (wanted > 0) {
        n = epoll_wait(poller, events, 256, WAIT_MS);
        if (n == 0)
            errno = ETIMEDOUT;
        if (n <= 0 && errno != EINTR)
            die("epoll_wait");
        for (int i = 0; i < n; i++)
            wanted -= take(events[i].data.ptr);
    }
}

static void receive(struct one *one)
{
    ssize_t n = recv(one->fd, one->head + one->got, HEAD - 1 - one->got, 0);

    if (n == 0)
        errno = ECONNRESET;
    if (n <= 0)
        die("recv");
    one->got += (size_t)n;
    one->head[one->got] = '\0';
}

static bool take_head(struct one *one)
{
    receive(one);
    if (strstr(one->head, "\r\n\r\n") == NULL)
        return false;
    if (strncmp(one->head, "HTTP/1.1 101 ", 13) != 0)
        die(one->head);
    one->got = 0;
    return true;
}

static bool take_exactly(struct one *one, const char *data, size_t size)
{
    receive(one);
    if (one->got < size)
        return false;
    errno = EPROTO;
    if (one->got != size || memcmp(one->head, data, size) != 0)
        die("answer");
    one->got = 0;
    return true;
}

static bool take_pong(struct one *one)
{
    return take_exactly(one, pong, sizeof pong - 1);
}

static bool take_bye(struct one *one)
{
    if (!take_exactly(one, bye_too, sizeof bye_too - 1))
        return false;
    close(one->fd);
    return true;
}

static void talk(const char *data, size_t size, bool (*take)(struct one *one),
                 const char *done)
{
    for (int i = 0; i < count; i += AT_ONCE) {
        int last = i + AT_ONCE < count ? i + AT_ONCE : count;

        for (int j = i; j < last; j++)
            must_send(&all[j], data, size);
        wait_for(last - i, take);
    }
    puts(done);
    fflush(stdout);
}

static void open_all(void)
{
    for (int i = 0; i < count; i += AT_ONCE) {
        int last = i + AT_ONCE < count ? i + AT_ONCE : count;

        for (int j = i; j < last; j++)
            open_one(&all[j], j);
        wait_for(last - i, take_head);
    }
    puts("open");
    fflush(stdout);
}

int main(int argc, char **argv)
{
    struct rlimit files;
    char line[16];

    if (argc != 3)
        return EXIT_FAILURE;
    port = atoi(argv[1]);
    count = atoi(argv[2]);
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    all = calloc((size_t)count, sizeof *all);
    poller = epoll_create1(0);
    if (all == NULL || poller < 0)
        die("memory");
    open_all();
    while (fgets(line, sizeof line, stdin) != NULL)
        talk(ping, sizeof ping - 1, take_pong, "echoed");
    talk(bye, sizeof bye - 1, take_bye, "closed");
    return EXIT_SUCCESS;
}
