/* echo_client.c - many connections to a server, all of them busy
 *
 * echo_client PORT CONNECTIONS [echo|http[:PATH]|websocket [DEPTH]]: opens them, each
 * answered once before the next batch, and prints "open_ms"; for each line "N" on
 * stdin sends N messages, every connection having DEPTH (1) of them in flight,
 * which are sent together, and prints figures; ends at EOF. */
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

enum {
    MESSAGE = 64, /* of an echo */
    ANSWER = 1024,
    BATCH = 256,
    EVENTS = 512,
    PATIENCE_MS = 60 * 1000
};

/* What is said: `hello` first, whose answer tells its length by itself, or has
 * that of the hello; then `text` with an answer of `answer` bytes, which begins
 * as written here.  0: as long as that of the hello. */
struct protocol {
    const char *name, *hello;
    const char *text, *begins;
    size_t size, answer;
};

struct connection {
    int fd;
    size_t got;
    double sent_at;
};

struct load {
    long wanted, sent, answered, errors;
    double *latency;
};

static const char echoed[MESSAGE] = "a message that fits into one segment";
static const char get[] = "GET / HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n";
static const char upgrade[] =
    "GET /websocket HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n"
    "Upgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
static const struct protocol protocols[] = {
    { "echo", NULL, echoed, echoed, MESSAGE, MESSAGE },
    { "http", get, get, "HTTP/1.1 200 ", sizeof get - 1, 0 },
    { "websocket", upgrade, "\x81\x85\0\0\0\0hello", "\x81\x05hello", 11, 7 },
};

static struct protocol protocol;
static char *message; /* `depth` texts */
static size_t message_size, answer_size;
static long depth = 1;
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

/* The answer to a hello: a head, and as many bytes as it says, if it does. */
static void take_hello(int fd)
{
    char text[ANSWER + 1];
    size_t got = 0, body = 0;
    const char *end = NULL, *length;

    while (!end || (size_t)(end + 4 - text) + body != got) {
        ssize_t more = recv(fd, text + got, ANSWER - got, 0);

        if (more <= 0)
            die("first answer");
        text[got += (size_t)more] = '\0';
        end = strstr(text, "\r\n\r\n");
        length = strcasestr(text, "\r\nContent-Length:");
        if (length)
            body = strtoul(length + 17, NULL, 10);
    }
    if (strncmp(text, "HTTP/1.1 200 ", 13) && strncmp(text, "HTTP/1.1 101 ", 13))
        die("first answer");
    if (!protocol.answer)
        answer_size = got * (size_t)depth;
}

static void send_hello(const struct connection *connection)
{
    const char *hello = protocol.hello ? protocol.hello : protocol.text;
    size_t size = protocol.hello ? strlen(hello) : protocol.size;

    if (send(connection->fd, hello, size, MSG_NOSIGNAL) != (ssize_t)size)
        die("hello");
}

/* An answer shows that the server has accepted: the backlog cannot overflow. */
static void take_first(const struct connection *connection)
{
    char buffer[MESSAGE];
    ssize_t size = (ssize_t)protocol.size;

    if (protocol.hello)
        take_hello(connection->fd);
    else if (recv(connection->fd, buffer, protocol.size, MSG_WAITALL) != size)
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
            send_hello(&connections[i]);
        for (long i = first; i < end; i++)
            take_first(&connections[i]);
    }
    printf("open_ms %.1f\n", (now_us() - start) / 1e3);
    for (long i = 0; i < count; i++)
        watch(&connections[i]);
}

static void send_next(struct load *load, struct connection *connection)
{
    if (load->sent >= load->wanted)
        return;
    load->sent += depth;
    connection->got = 0;
    connection->sent_at = now_us();
    if (send(connection->fd, message, message_size, MSG_NOSIGNAL) !=
        (ssize_t)message_size)
        load->errors += depth;
}

/* Is it how an answer begins, as far as it is there? */
static int is_good(const struct connection *connection, const char *data,
                   size_t size)
{
    size_t begins = protocol.hello ? strlen(protocol.begins) : MESSAGE;

    if (connection->got + size > answer_size)
        return 0;
    if (connection->got >= begins)
        return 1;
    begins -= connection->got;
    return !memcmp(data, protocol.begins + connection->got,
                   size < begins ? size : begins);
}

static void take_answer(struct load *load, struct connection *connection)
{
    static char buffer[64 * ANSWER];
    ssize_t got = recv(connection->fd, buffer, sizeof buffer, 0);

    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0 || !is_good(connection, buffer, (size_t)got)) {
        epoll_ctl(epoll_fd, EPOLL_CTL_DEL, connection->fd, NULL);
        load->errors += depth;
        return;
    }
    connection->got += (size_t)got;
    if (connection->got < answer_size)
        return;
    load->latency[load->answered / depth] = now_us() - connection->sent_at;
    load->answered += depth;
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
    qsort(latency, (size_t)(load->answered / depth), sizeof *latency, by_value);
    printf("answered %ld\nerrors %ld\n", load->answered, load->errors);
    printf("per_second %.0f\n", (double)load->answered / elapsed * 1e6);
    if (load->answered) {
        printf("p50_us %.1f\n", latency[load->answered / depth / 2]);
        printf("p99_us %.1f\n", latency[load->answered / depth * 99 / 100]);
    }
    printf("done 1\n");
}

static void run_load(long count, long wanted)
{
    struct epoll_event events[EVENTS];
    struct load load = { .wanted = wanted };
    double start = now_us();

    load.latency = calloc((size_t)(wanted / depth + 1), sizeof *load.latency);
    if (!load.latency)
        die("calloc");
    for (long i = 0; i < count; i++)
        send_next(&load, &connections[i]);
    while (load.answered + load.errors < load.sent) {
        int ready = epoll_wait(epoll_fd, events, EVENTS, PATIENCE_MS);

        if (ready < 0 && errno == EINTR) /* stopped, and continued */
            continue;
        if (ready <= 0)
            break;
        for (int i = 0; i < ready; i++)
            take_answer(&load, events[i].data.ptr);
    }
    print_load(&load, now_us() - start);
    free(load.latency);
}

/* http:PATH is http with that path. */
static void choose_path(const char *path)
{
    static char text[ANSWER];
    int size = snprintf(text, sizeof text,
                        "GET %s HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n", path);

    protocol.hello = protocol.text = text;
    protocol.size = (size_t)size;
}

static void choose(const char *name, long deep)
{
    const char *path = strchr(name, ':');
    size_t length = path ? (size_t)(path - name) : strlen(name);

    for (size_t i = 0; i < sizeof protocols / sizeof *protocols; i++)
        if (strlen(protocols[i].name) == length &&
            !strncmp(name, protocols[i].name, length))
            protocol = protocols[i];
    if (path)
        choose_path(path + 1);
    depth = deep;
    message_size = protocol.size * (size_t)depth;
    answer_size = protocol.answer * (size_t)depth;
    message = malloc(message_size + 1);
    if (!protocol.name || depth <= 0 || !message)
        die(name);
    for (long i = 0; i < depth; i++)
        memcpy(message + i * (long)protocol.size, protocol.text, protocol.size);
}

int main(int argc, char **argv)
{
    char line[64];
    long count, wanted;

    if (argc < 3) {
        fprintf(stderr, "usage: echo_client PORT CONNECTIONS "
                        "[echo|http[:PATH]|websocket [DEPTH]]\n");
        return EXIT_FAILURE;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    choose(argc > 3 ? argv[3] : "echo", argc > 4 ? atol(argv[4]) : 1);
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
