/* load.c - the client of the demo and of the program tests
 *
 * One OS thread and epoll.  Opens N connections and holds them all; runs a
 * closed loop of HTTP requests on K of them; in the end every connection has to
 * answer once more.  Prints one line of JSON.  With -i it also prints a line
 * after each phase and waits for a line on stdin before the next, so that the
 * caller can look at the server in between.
 * Requests a second are all answers over the time up to the last of them.
 *
 * A connection counts as opened when its first request has been answered: a
 * connect() alone succeeds by the kernel's backlog, whatever the server does.
 * A server that ends the connection with each answer (Werkzeug does) is
 * connected to again at once, and the time of that is part of the latency. */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum state {
    CLOSED,
    CONNECTING,
    GREETED, /* SOCKS greeting sent */
    ASKED,   /* SOCKS CONNECT sent */
    IDLE,    /* open, no request under way */
    WAITING, /* request sent, answer not complete */
};

enum phase { OPENING, RUNNING, ENDING };

struct conn {
    int fd;
    enum state state;
    bool opened;        /* the first request has been answered */
    bool active;        /* one of the K */
    bool answered_last; /* answered a request of the last phase */
    bool head_done;
    bool closing; /* the server ends the connection with this answer */
    bool ask;     /* send a request as soon as the connection is open */
    int64_t asked_ns;
    int64_t body_left;
    size_t have; /* bytes of the head in buf */
    char buf[1024];
};

static struct {
    const char *host, *path;
    int port, target; /* target != 0: port is a SOCKS5 proxy */
    int count, active, at_once;
    double seconds, limit;
    long requests;
    bool talk;
} opt = {.host = "127.0.0.1",
         .path = "/",
         .count = 1,
         .active = -1,
         .at_once = 256,
         .limit = 60};

static struct conn *conns;
static int epfd;
static enum phase phase;
static char request[512];
static size_t request_size;
static int64_t run_end_ns;
static long sent, answers, errors, reconnects;
static int in_flight, opened;
static uint32_t *latency_us;
static size_t latencies, latency_room;
static char first_error[160];

static int64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* The connection ends here, with an error that is counted; the first one is
 * kept for the report. */
__attribute__((format(printf, 2, 3))) static void fail(struct conn *c,
                                                       const char *why, ...)
{
    if (first_error[0] == '\0') {
        va_list args;

        va_start(args, why);
        vsnprintf(first_error, sizeof first_error, why, args);
        va_end(args);
    }
    errors++;
    in_flight--;
    close(c->fd);
    c->state = CLOSED;
}

static void send_bytes(struct conn *c, const void *data, size_t size,
                       enum state next)
{
    c->state = next;
    c->have = 0;
    if (send(c->fd, data, size, MSG_NOSIGNAL) != (ssize_t)size)
        fail(c, "send: %s", strerror(errno));
}

static void send_request(struct conn *c)
{
    c->head_done = false;
    c->closing = false;
    c->body_left = 0;
    send_bytes(c, request, request_size, WAITING);
}

/* Source addresses are spread over 127.0.0.2 ... 17: one address has only
 * 28,000 ports towards one server, fewer while old ones are in TIME_WAIT. */
static void open_conn(struct conn *c)
{
    struct epoll_event want = {.events = EPOLLOUT, .data.ptr = c};
    struct sockaddr_in to = {.sin_family = AF_INET}, from = to;
    int one = 1;

    to.sin_port = htons((uint16_t)opt.port);
    inet_pton(AF_INET, opt.host, &to.sin_addr);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    c->state = CONNECTING;
    if (c->fd < 0) {
        fail(c, "socket: %s", strerror(errno));
        return;
    }
    if (strncmp(opt.host, "127.", 4) == 0) {
        from.sin_addr.s_addr = htonl(0x7f000002 + (c - conns) % 16);
        setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one,
                   sizeof one);
        bind(c->fd, (struct sockaddr *)&from, sizeof from);
    }
    if (connect(c->fd, (struct sockaddr *)&to, sizeof to) < 0 &&
        errno != EINPROGRESS) {
        fail(c, "connect: %s", strerror(errno));
        return;
    }
    epoll_ctl(epfd, EPOLL_CTL_ADD, c->fd, &want);
}

static void note_latency(int64_t ns)
{
    if (latencies == latency_room) {
        latency_room = latency_room ? latency_room * 2 : 65536;
        latency_us = realloc(latency_us, latency_room * sizeof *latency_us);
        if (latency_us == NULL)
            abort();
    }
    latency_us[latencies++] = (uint32_t)(ns / 1000);
}

static bool more_to_send(int64_t now)
{
    return opt.requests ? sent < opt.requests : now < run_end_ns;
}

/* An idle connection has one more request to make. */
static void ask(struct conn *c)
{
    in_flight++;
    sent++;
    c->asked_ns = now_ns();
    send_request(c);
}

/* The connection that this answer came on is over: make another. */
static void reconnect(struct conn *c, bool then_ask)
{
    close(c->fd);
    reconnects++;
    c->ask = then_ask;
    in_flight++;
    open_conn(c);
}

static void answered(struct conn *c)
{
    int64_t now = now_ns();
    bool again = false;

    in_flight--;
    c->state = IDLE;
    if (phase == OPENING && !c->opened) {
        c->opened = true;
        opened++;
    } else if (phase == RUNNING) {
        answers++;
        note_latency(now - c->asked_ns);
        again = more_to_send(now);
    }
    c->answered_last = phase != OPENING;
    if (c->closing && phase != ENDING) {
        c->asked_ns = now;
        sent += again;
        reconnect(c, again);
    } else if (again) {
        ask(c);
    }
}

/* Read the fields that matter from a complete head.  Returns false when the
 * answer is not a good one (the connection has been failed then). */
static bool read_head(struct conn *c, size_t head_size)
{
    char *length;

    c->buf[head_size - 1] = '\0';
    if (strncmp(c->buf, "HTTP/1.", 7) != 0 ||
        strncmp(c->buf + 8, " 200", 4) != 0) {
        c->buf[strcspn(c->buf, "\r\n\"\\")] = '\0';
        fail(c, "answer: %.60s", c->buf);
        return false;
    }
    c->closing = strcasestr(c->buf, "\nconnection: close") != NULL;
    length = strcasestr(c->buf, "\ncontent-length:");
    if (length == NULL) {
        fail(c, "answer without Content-Length");
        return false;
    }
    c->body_left = atoll(length + strlen("\ncontent-length:"));
    c->head_done = true;
    return true;
}

static void take_answer(struct conn *c)
{
    char sink[16384], *end;
    ssize_t n;

    if (!c->head_done) {
        n = recv(c->fd, c->buf + c->have, sizeof c->buf - 1 - c->have, 0);
    } else {
        n = recv(c->fd, sink, sizeof sink, 0);
    }
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        fail(c, "recv: %s", n ? strerror(errno) : "closed without an answer");
        return;
    }
    if (!c->head_done) {
        c->have += (size_t)n;
        c->buf[c->have] = '\0';
        end = strstr(c->buf, "\r\n\r\n");
        if (end == NULL) {
            if (c->have == sizeof c->buf - 1)
                fail(c, "head of the answer is too long");
            return;
        }
        n = c->buf + c->have - (end + 4);
        if (!read_head(c, (size_t)(end + 4 - c->buf)))
            return;
    }
    c->body_left -= n;
    if (c->body_left < 0)
        fail(c, "more bytes than the answer has");
    else if (c->body_left == 0)
        answered(c);
}

/* The connection is made. */
static void ready(struct conn *c)
{
    if (c->ask) {
        send_request(c);
    } else {
        c->state = IDLE;
        in_flight--;
    }
}

/* The two answers of a SOCKS5 proxy: method, then the result of CONNECT. */
static void take_socks(struct conn *c)
{
    unsigned char ask[10] = {5, 1, 0, 1, 127, 0, 0, 1};
    size_t want = c->state == GREETED ? 2 : 10;
    ssize_t n = recv(c->fd, c->buf + c->have, want - c->have, 0);

    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        fail(c, "SOCKS: %s", n ? strerror(errno) : "closed");
        return;
    }
    c->have += (size_t)n;
    if (c->have < want)
        return;
    if (c->buf[1] != 0) {
        fail(c, "SOCKS: refused (%d)", c->buf[1]);
    } else if (c->state == GREETED) {
        ask[8] = (unsigned char)(opt.target >> 8);
        ask[9] = (unsigned char)opt.target;
        send_bytes(c, ask, sizeof ask, ASKED);
    } else {
        ready(c);
    }
}

static void connected(struct conn *c)
{
    struct epoll_event want = {.events = EPOLLIN, .data.ptr = c};
    int error = 0, one = 1;
    socklen_t size = sizeof error;

    getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error) {
        fail(c, "connect: %s", strerror(error));
        return;
    }
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    epoll_ctl(epfd, EPOLL_CTL_MOD, c->fd, &want);
    if (opt.target)
        send_bytes(c, "\5\1\0", 3, GREETED);
    else
        ready(c);
}

static void event(struct conn *c)
{
    char byte;

    switch (c->state) {
    case CLOSED:
        break;
    case CONNECTING:
        connected(c);
        break;
    case GREETED:
    case ASKED:
        take_socks(c);
        break;
    case WAITING:
        take_answer(c);
        break;
    case IDLE:
        /* Nothing is due here: the server has closed, or talks unasked.
         * After the last answer it may close. */
        if (c->closing && phase == ENDING) {
            epoll_ctl(epfd, EPOLL_CTL_DEL, c->fd, NULL);
            break;
        }
        in_flight++;
        fail(c, recv(c->fd, &byte, 1, 0) > 0 ? "bytes without a request"
                                             : "closed while idle");
        break;
    }
}

/* Take events for at most 100 ms. */
static void turn(void)
{
    struct epoll_event events[256];
    int n = epoll_wait(epfd, events, 256, 100);

    for (int i = 0; i < n; i++)
        event(events[i].data.ptr);
}

/* Run until nothing is in flight; what is not answered by the limit is an
 * error.  `start` may put more into flight and says whether there is more. */
static void run_phase(bool (*start)(void))
{
    int64_t end = now_ns() + (int64_t)(opt.limit * 1e9);
    bool more = true;

    while (more || in_flight > 0) {
        while (more && in_flight < opt.at_once)
            more = start();
        turn();
        if (now_ns() < end)
            continue;
        for (int i = 0; i < opt.count; i++)
            if (conns[i].state != CLOSED && conns[i].state != IDLE)
                fail(&conns[i], "no answer in %.0f s", opt.limit);
        return;
    }
}

static bool open_next(void)
{
    static int next;

    struct conn *c = &conns[next++];

    in_flight++;
    c->ask = true;
    open_conn(c);
    return next < opt.count;
}

static bool ask_all_active(void)
{
    for (int i = 0; i < opt.active; i++) {
        struct conn *c = &conns[(int64_t)i * opt.count / opt.active];

        c->active = true;
        if (c->state != IDLE || (opt.requests && sent >= opt.requests))
            continue;
        ask(c);
    }
    return false;
}

static bool ask_next_for_the_last_time(void)
{
    static int next;
    struct conn *c = &conns[next];

    if (c->state == IDLE && !c->answered_last)
        ask(c);
    return ++next < opt.count;
}

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

static double percentile(double p)
{
    if (latencies == 0)
        return 0;
    return latency_us[(size_t)(p * (double)(latencies - 1))] / 1000.0;
}

static void wait_for_caller(const char *done)
{
    char line[16];

    if (!opt.talk)
        return;
    printf("{\"phase\": \"%s\", \"opened\": %d, \"errors\": %ld}\n", done,
           opened, errors);
    fflush(stdout);
    if (fgets(line, sizeof line, stdin) == NULL)
        exit(1);
}

static void report(double open_s, double run_s)
{
    int answering = 0;

    for (int i = 0; i < opt.count; i++)
        answering +=
            conns[i].state == IDLE && conns[i].opened && conns[i].answered_last;
    qsort(latency_us, latencies, sizeof *latency_us, compare);
    printf("{\"phase\": \"end\", \"connections\": %d, \"opened\": %d, "
           "\"open_s\": %.3f, \"answering\": %d, \"requests\": %ld, "
           "\"errors\": %ld, \"reconnects\": %ld, "
           "\"seconds\": %.3f, \"rps\": %.1f, "
           "\"p50_ms\": %.3f, \"p99_ms\": %.3f, \"max_ms\": %.3f, "
           "\"first_error\": \"%s\"}\n",
           opt.count, opened, open_s, answering, answers, errors, reconnects,
           run_s, run_s > 0 ? (double)answers / run_s : 0, percentile(0.5),
           percentile(0.99), percentile(1), first_error);
    fflush(stdout);
}

static const char usage[] =
    "usage: load -p port [options]\n"
    "  -h addr    IPv4 address of the server (127.0.0.1)\n"
    "  -n count   connections to open and hold (1)\n"
    "  -a count   connections that send requests (all)\n"
    "  -d secs    send requests for so long\n"
    "  -r count   or send so many requests\n"
    "  -u path    path of the requests (/)\n"
    "  -s port    -p is a SOCKS5 proxy: CONNECT to 127.0.0.1:port through it\n"
    "  -w count   connections opened at once (256)\n"
    "  -t secs    limit for each phase (60)\n"
    "  -i         after each phase, wait for a line on stdin\n";

static const struct {
    char letter;
    int *number;
} numbers[] = {{'p', &opt.port},
               {'n', &opt.count},
               {'a', &opt.active},
               {'s', &opt.target},
               {'w', &opt.at_once}};

static void take_option(int letter)
{
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        if (numbers[i].letter == letter)
            *numbers[i].number = atoi(optarg);
    if (letter == 'h')
        opt.host = optarg;
    if (letter == 'u')
        opt.path = optarg;
    if (letter == 'd')
        opt.seconds = atof(optarg);
    if (letter == 't')
        opt.limit = atof(optarg);
    if (letter == 'r')
        opt.requests = atol(optarg);
    if (letter == 'i')
        opt.talk = true;
}

static void parse_options(int argc, char **argv)
{
    int letter;

    while ((letter = getopt(argc, argv, "p:h:n:a:d:r:u:s:w:t:i")) != -1) {
        if (letter == '?') {
            fputs(usage, stderr);
            exit(2);
        }
        take_option(letter);
    }
    if (opt.active < 0 || opt.active > opt.count)
        opt.active = opt.count;
    if (opt.port == 0 || opt.count <= 0 || opt.at_once <= 0) {
        fputs(usage, stderr);
        exit(2);
    }
}

int main(int argc, char **argv)
{
    struct rlimit files;
    int64_t start;
    double open_s, run_s = 0;

    parse_options(argc, argv);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    request_size = (size_t)snprintf(request, sizeof request,
                                    "GET %s HTTP/1.1\r\nHost: %s:%d\r\n\r\n",
                                    opt.path, opt.host, opt.port);
    epfd = epoll_create1(EPOLL_CLOEXEC);
    conns = calloc((size_t)opt.count, sizeof *conns);
    if (epfd < 0 || conns == NULL || request_size >= sizeof request) {
        perror("load");
        return 1;
    }
    start = now_ns();
    run_phase(open_next);
    open_s = (double)(now_ns() - start) / 1e9;
    wait_for_caller("open");

    phase = RUNNING;
    sent = 0;
    start = now_ns();
    run_end_ns = start + (int64_t)(opt.seconds * 1e9);
    if (opt.seconds > 0 || opt.requests > 0) {
        run_phase(ask_all_active);
        run_s = (double)(now_ns() - start) / 1e9;
    }
    wait_for_caller("ran");

    phase = ENDING;
    run_phase(ask_next_for_the_last_time);
    report(open_s, run_s);
    return errors != 0;
}
