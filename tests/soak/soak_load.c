/* soak_load.c - clients that do not behave: what a server meets in a long life
 *
 * usage: soak_load -p port -n clients -d seconds -r seed [-u /,/sleep] [-g ms]
 *                  [-l seconds] [-x port] [-F]
 *
 * Each client lives one life after another: it connects, asks once or many times,
 * and leaves.  POST /echo has a body of its own, and each byte that comes back is
 * compared; GET asks for the paths of -u.  Some read or write slowly, some close
 * their half when they have asked (not with -F: a proxy may close both), some
 * leave in the middle of a request or an answer, with FIN or RST.  How many are
 * there at once changes every second.  -g: mean pause between two lives.
 * -l: an exchange that takes longer is stuck.  -x: by way of a SOCKS5 proxy.
 *
 * Who finishes what it began is told of all errors: a byte that is wrong, an
 * answer that is cut off, a connection that is refused.  One JSON line at the
 * end; status 1 when there was any error. */
#include "soak_load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MOST 1000

struct options options = { .clients = 50, .seconds = 5, .gap_ms = 5,
                           .limit_s = 30, .seed = 1 };
struct totals totals;
int64_t now;
static struct client clients[MOST];
static char first_error[300];

/* ---- chance ---- */

static uint64_t chance_state;

uint64_t mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

uint64_t chance(uint64_t below)
{
    return mix(chance_state++) % below;
}

/* ---- what goes wrong ---- */

void wrong(struct client *client, long *count, const char *format, ...)
{
    char what[160];
    va_list list;

    ++*count;
    if (first_error[0] == '\0') {
        va_start(list, format);
        vsnprintf(what, sizeof what, format, list);
        va_end(list);
        snprintf(first_error, sizeof first_error,
                 "%s; exchange %d of a life, %s of %zu bytes, sent %zu of %zu, "
                 "got %zu of %ld%s%s%s",
                 what, client->exchanges, client->path, client->body,
                 client->sent, client->head_size + client->body, client->got,
                 client->answer, client->slow ? ", slow" : "",
                 client->half_close ? ", half-closed" : "",
                 client->stage < EXCHANGING ? ", not yet connected" : "");
    }
    leave(client, true);
}

/* ---- a life ---- */

void leave(struct client *client, bool reset)
{
    struct linger at_once = { 1, 0 };

    if (client->fd < 0)
        return;
    if (reset)
        setsockopt(client->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(client->fd);
    client->fd = -1;
    client->stage = AWAY;
    client->due = now + (int64_t)chance((uint64_t)(2 * options.gap_ms * MS + 1));
}

/* From any address of 127/8, so that ports in TIME_WAIT do not run out. */
static int connect_to(uint16_t port)
{
    struct sockaddr_in from = { .sin_family = AF_INET };
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int one = 1;

    if (fd < 0)
        return -1;
    from.sin_addr.s_addr = htonl(0x7f000001u + (uint32_t)chance(200) * 256u);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&from, sizeof from) < 0 ||
        (connect(fd, (struct sockaddr *)&to, sizeof to) < 0 &&
         errno != EINPROGRESS)) {
        close(fd);
        return -1;
    }
    return fd;
}

static void begin_life(struct client *client)
{
    client->exchanges = 0;
    client->wanted = chance(4) == 0 ? 1 : 1 + (int)chance(20);
    client->slow = chance(8) == 0;
    client->leaves = chance(4) == 0;
    client->reset = chance(2) == 0;
    client->small_buffers = chance(4) == 0;
    client->stage = CONNECTING;
    client->path = "connect";
    client->body = client->sent = client->got = client->head_size = 0;
    client->answer = -1;
    client->limit = now + options.limit_s * SECOND;
    client->due = 0;
    client->fd = connect_to(options.port);
    totals.lives++;
    if (client->fd < 0) {
        wrong(client, &totals.refused, "socket: %s", strerror(errno));
        client->stage = AWAY;
        client->due = now + SECOND;
        return;
    }
    if (client->small_buffers) {
        int size = 4096;

        setsockopt(client->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    }
}

/* ---- all of them ---- */

static size_t wanted_now(int64_t begin)
{
    static int64_t second = -1;
    static size_t wanted;

    if ((now - begin) / SECOND != second) {
        second = (now - begin) / SECOND;
        wanted = options.clients / 4 +
                 (size_t)chance(options.clients - options.clients / 4 + 1);
    }
    return wanted;
}

static int64_t look_at(struct client *client, struct pollfd *at, bool may_begin)
{
    if (client->stage == AWAY && may_begin && client->due <= now)
        begin_life(client);
    at->fd = -1;
    at->events = at->revents = 0;
    if (client->stage == AWAY)
        return may_begin ? client->due : INT64_MAX;
    if (client->limit < now) {
        wrong(client, &totals.stuck, "stuck");
        return INT64_MAX;
    }
    if (client->due > now)
        return client->due;
    at->fd = client->fd;
    at->events = client_events(client);
    return client->limit;
}

/* One round; returns whether anybody is there. */
static bool step(size_t wanted)
{
    static struct pollfd fds[MOST];
    int64_t next = now + SECOND / 20;
    struct timespec wait;
    bool any = false;
    size_t i;

    for (i = 0; i < options.clients; i++) {
        int64_t due = look_at(&clients[i], &fds[i], i < wanted);

        if (due < next)
            next = due;
        any |= clients[i].stage != AWAY;
    }
    next = next > now ? next - now : 0;
    wait = (struct timespec){ next / SECOND, next % SECOND };
    ppoll(fds, options.clients, &wait, NULL);
    now = clock_now();
    for (i = 0; i < options.clients; i++)
        if (fds[i].revents != 0)
            client_step(&clients[i], fds[i].revents);
    return any;
}

static void run(void)
{
    int64_t begin = clock_now();
    int64_t end = begin + options.seconds * SECOND;

    for (now = begin; now < end;)
        step(wanted_now(begin));
    options.ending = true;
    while (step(0))
        ;
}

static void print_report(void)
{
    for (char *at = first_error; *at != '\0'; at++)
        if (*at == '"' || *at == '\\' || (unsigned char)*at < ' ')
            *at = '\'';
    printf("{\"seed\": %llu, \"lives\": %ld, \"exchanges\": %ld, "
           "\"left_early\": %ld, \"sent\": %lld, \"received\": %lld, "
           "\"corrupt\": %ld, \"lost\": %ld, \"refused\": %ld, \"stuck\": %ld, "
           "\"slowest_ms\": %ld, \"first_error\": \"%s\"}\n",
           (unsigned long long)options.seed, totals.lives, totals.exchanges,
           totals.left_early, totals.sent, totals.received, totals.corrupt,
           totals.lost, totals.refused, totals.stuck, totals.slowest_ms,
           first_error);
}

int64_t clock_now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * SECOND + time.tv_nsec;
}

static void parse(int argc, char **argv)
{
    int letter;

    while ((letter = getopt(argc, argv, "p:n:d:r:u:g:l:x:F")) != -1) {
        unsigned long number = optarg ? strtoul(optarg, NULL, 10) : 0;

        switch (letter) {
        case 'p': options.port = (uint16_t)number; break;
        case 'n': options.clients = number; break;
        case 'd': options.seconds = (int64_t)number; break;
        case 'r': options.seed = number; break;
        case 'u': options.paths = optarg; break;
        case 'g': options.gap_ms = (int64_t)number; break;
        case 'l': options.limit_s = (int64_t)number; break;
        case 'x': options.target = (uint16_t)number; break;
        case 'F': options.whole = true; break;
        default: exit(2);
        }
    }
    if (options.port == 0 || options.clients == 0 || options.clients > MOST) {
        fputs("soak_load: -p port and -n clients (at most 1000)\n", stderr);
        exit(2);
    }
}

int main(int argc, char **argv)
{
    struct rlimit files;

    parse(argc, argv);
    signal(SIGPIPE, SIG_IGN);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    chance_state = mix(options.seed);
    for (size_t i = 0; i < options.clients; i++)
        clients[i].fd = -1;
    run();
    print_report();
    return totals.corrupt + totals.lost + totals.refused + totals.stuck > 0;
}
