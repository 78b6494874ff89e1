/* echo_client.c - many connections to an echo server, all of them busy
 *
 * echo_client PORT CONNECTIONS: opens them, each answered once before the next
 * batch, and prints "open_ms"; for each line "N" on stdin sends N messages,
 * every connection having one in flight, and prints figures; ends at EOF. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MESSAGE = 64, BATCH = 256, EVENTS = 512, PATIENCE_MS = 30 * 1000 };

struct connection {
    int fd, got;
    double sent_at;
};

struct load {
    long wanted, sent, answered, errors;
    double *latency;
};

static const char message[MESSAGE] = "a message that fits into one segment";
static struct connection *connections;
static int epoll_fd;

static void die(const char *what)
{
    perror(what);
    exit(EXIT_FAILURE);
}

static double now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static int open_one(int port)
{
    struct sockaddr_in address = { .sin_family = AF_INET };
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons((uint16_t)port);
    if (fd < 0)
        die("socket");
    if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
        die("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

/* An answer shows that the server has accepted: the backlog cannot overflow. */
static void exchange_one(struct connection *connection)
{
    char buffer[MESSAGE];

    if (send(connection->fd, message, MESSAGE, MSG_NOSIGNAL) != MESSAGE ||
        recv(connection->fd, buffer, MESSAGE, MSG_WAITALL) != MESSAGE)
        die("first answer");
}

static void watch(struct connection *connection)
{
    struct epoll_event event = { .events = EPOLLIN };

    event.data.ptr = connection;
    fcntl(connection->fd, F_SETFL, O_NONBLOCK);
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, connection->fd, &event) < 0)
        die("epoll_ctl");
}

static void open_all(int port, long count)
{
    double start = now_us();

    for (long first = 0; first < count; first += BATCH) {
        long end = first + BATCH < count ? first + BATCH : count;

        for (long i = first; i < end; i++)
            connections[i].fd = open_one(port);
        for (long i = first; i < end; i++)
            exchange_one(&connections[i]);
    }
    printf("open_ms %.1f\n", (now_us() - start) / 1e3);
    for (long i = 0; i < count; i++)
        watch(&connections[i]);
}

static void send_next(struct load *load, struct connection *connection)
{
    if (load->sent == load->wanted)
        return;
    load->sent++;
    connection->got = 0;
    connection->sent_at = now_us();
    if (send(connection->fd, message, MESSAGE, MSG_NOSIGNAL) != MESSAGE)
        load->errors++;
}

static void take_answer(struct load *load, struct connection *connection)
{
    char buffer[MESSAGE];
    ssize_t got = recv(connection->fd, buffer, sizeof buffer, 0);

    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0 || memcmp(buffer, message + connection->got, (size_t)got)) {
        epoll_ctl(epoll_fd, EPOLL_CTL_DEL, connection->fd, NULL);
        load->errors++;
        return;
    }
    connection->got += (int)got;
    if (connection->got < MESSAGE)
        return;
    load->latency[load->answered++] = now_us() - connection->sent_at;
    send_next(load, connection);
}

static int by_value(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;

    return (a > b) - (a < b);
}

static void print_load(struct load *load, double elapsed)
{
    double *latency = load->latency;

    load->errors += load->sent - load->answered - load->errors;
    qsort(latency, (size_t)load->answered, sizeof *latency, by_value);
    printf("answered %ld\nerrors %ld\n", load->answered, load->errors);
    printf("per_second %.0f\n", (double)load->answered / elapsed * 1e6);
    if (load->answered) {
        printf("p50_us %.1f\n", latency[load->answered / 2]);
        printf("p99_us %.1f\n", latency[load->answered * 99 / 100]);
    }
    printf("done 1\n");
}

static void run_load(long count, long wanted)
{
    struct epoll_event events[EVENTS];
    struct load load = { .wanted = wanted };
    double start = now_us();

    load.latency = calloc((size_t)wanted, sizeof *load.latency);
    if (!load.latency)
        die("calloc");
    for (long i = 0; i < count; i++)
        send_next(&load, &connections[i]);
    while (load.answered + load.errors < load.sent) {
        int ready = epoll_wait(epoll_fd, events, EVENTS, PATIENCE_MS);

        if (ready <= 0)
            break;
        for (int i = 0; i < ready; i++)
            take_answer(&load, events[i].data.ptr);
    }
    print_load(&load, now_us() - start);
    free(load.latency);
}

int main(int argc, char **argv)
{
    char line[64];
    long count, wanted;

    if (argc != 3) {
        fprintf(stderr, "usage: echo_client PORT CONNECTIONS\n");
        return EXIT_FAILURE;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    count = atol(argv[2]);
    connections = calloc((size_t)count, sizeof *connections);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (!connections || epoll_fd < 0)
        die("set-up");
    open_all(atoi(argv[1]), count);
    printf("ready 1\n");
    while (fgets(line, sizeof line, stdin)) {
        wanted = atol(line);
        if (wanted <= 0)
            break;
        run_load(count, wanted);
    }
    return EXIT_SUCCESS;
}
