/* soak_client.c - one client of the load generator: connect, ask, compare */
#include "soak_load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#define PIECE 65536
#define SLOW_PIECE 2048
#define NEVER SIZE_MAX

static char byte_at(uint64_t key, size_t i)
{
    return (char)(mix(key + i / 8) >> i % 8 * 8);
}

static void fill(char *to, uint64_t key, size_t from, size_t size)
{
    for (size_t i = 0; i < size; i++)
        to[i] = byte_at(key, from + i);
}

static void pause_if_slow(struct client *client)
{
    if (client->slow)
        client->due = now + (int64_t)chance(20 * MS);
}

/* ---- asking ---- */

static size_t choose_size(bool little)
{
    uint64_t die = chance(100);

    if (little)
        return (size_t)chance(32 << 10);
    return (size_t)chance(die < 50   ? 200
                          : die < 75 ? 4 << 10
                          : die < 95 ? 64 << 10
                                     : 1 << 20);
}

/* One of the comma-separated paths. */
static void choose_path(char path[64])
{
    const char *at = options.paths != NULL ? options.paths : "/";
    size_t count = 1, chosen;

    for (const char *c = at; *c != '\0'; c++)
        count += *c == ',';
    for (chosen = (size_t)chance(count); chosen > 0; chosen--)
        at = strchr(at, ',') + 1;
    snprintf(path, 64, "%.*s", (int)strcspn(at, ","), at);
}

static void write_head(struct client *client)
{
    const char *end = client->last ? "Connection: close\r\n\r\n" : "\r\n";
    char path[64];

    if (chance(3) != 0) {
        client->path = "POST";
        client->body = choose_size(client->slow || client->small_buffers);
        client->head_size = (size_t)snprintf(
            client->head, sizeof client->head,
            "POST /echo HTTP/1.1\r\nHost: soak\r\n"
            "Content-Type: application/octet-stream\r\n"
            "Content-Length: %zu\r\n%s",
            client->body, end);
        return;
    }
    choose_path(path);
    client->path = strcmp(path, "/") == 0 ? "GET /" : "GET";
    client->body = 0;
    client->head_size = (size_t)snprintf(client->head, sizeof client->head,
                                         "GET %s HTTP/1.1\r\nHost: soak\r\n%s",
                                         path, end);
}

static void begin_exchange(struct client *client)
{
    client->stage = EXCHANGING;
    client->last = client->exchanges + 1 >= client->wanted;
    client->key = mix(chance(UINT64_MAX));
    write_head(client);
    client->sent = client->got = client->answer_head_size = 0;
    client->answer = -1;
    client->closed_half = false;
    client->half_close = client->last && !options.whole && chance(3) == 0;
    client->leave_at_sent = client->leave_at_got = NEVER;
    if (client->last && client->leaves) {
        if (chance(2) == 0)
            client->leave_at_sent =
                (size_t)chance(client->head_size + client->body + 1);
        else
            client->leave_at_got = (size_t)chance(client->body + 100);
    }
    client->began = now;
    client->limit = now + options.limit_s * SECOND;
    pause_if_slow(client);
}

static void end_exchange(struct client *client)
{
    long took = (long)((now - client->began) / MS);

    totals.exchanges++;
    if (took > totals.slowest_ms)
        totals.slowest_ms = took;
    client->exchanges++;
    if (client->last || options.ending)
        leave(client, false);
    else
        begin_exchange(client);
}

static void leave_early(struct client *client)
{
    totals.left_early++;
    leave(client, client->reset);
}

/* ---- sending ---- */

static size_t all_of_it(const struct client *client)
{
    return client->head_size + client->body;
}

/* What comes next: of the head, or of the body. */
static size_t next_piece(const struct client *client, char *piece)
{
    size_t most = client->slow ? 1 + (size_t)chance(SLOW_PIECE) : PIECE;
    size_t stop = client->leave_at_sent < all_of_it(client)
                      ? client->leave_at_sent
                      : all_of_it(client);
    size_t size = stop - client->sent < most ? stop - client->sent : most;

    if (client->sent < client->head_size) {
        if (size > client->head_size - client->sent)
            size = client->head_size - client->sent;
        memcpy(piece, client->head + client->sent, size);
    } else {
        fill(piece, client->key, client->sent - client->head_size, size);
    }
    return size;
}

static void on_writable(struct client *client)
{
    static char piece[PIECE];
    size_t size;
    ssize_t n;

    if (client->sent == client->leave_at_sent) {
        leave_early(client);
        return;
    }
    size = next_piece(client, piece);
    n = send(client->fd, piece, size, MSG_NOSIGNAL);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n < 0) {
        wrong(client, &totals.lost, "send: %s", strerror(errno));
        return;
    }
    client->sent += (size_t)n;
    totals.sent += n;
    if (client->sent == all_of_it(client) && client->half_close) {
        client->closed_half = true;
        shutdown(client->fd, SHUT_WR);
    }
    pause_if_slow(client);
}

/* ---- receiving ---- */

static bool read_head(struct client *client)
{
    const char *at = client->answer_head;

    if (strncmp(at, "HTTP/1.", 7) != 0 || strncmp(at + 8, " 200 ", 5) != 0) {
        wrong(client, &totals.corrupt, "answer: %.60s", at);
        return false;
    }
    client->answer = -1;
    for (at = strchr(at, '\n'); at != NULL; at = strchr(at + 1, '\n')) {
        if (strncasecmp(at + 1, "Content-Length:", 15) == 0)
            client->answer = strtol(at + 16, NULL, 10);
        if (strncasecmp(at + 1, "Connection: close", 17) == 0)
            client->last = true;
    }
    if (client->answer < 0 ||
        (client->path[0] == 'P' && (size_t)client->answer != client->body)) {
        wrong(client, &totals.corrupt, "length of the answer: %ld",
              client->answer);
        return false;
    }
    return true;
}

static bool compare(struct client *client, const char *bytes, size_t size)
{
    static const char hello[] = "Hello, World!\n";
    size_t i, at = client->got;

    if (client->got + size > (size_t)client->answer) {
        wrong(client, &totals.corrupt, "%zu bytes too many",
              client->got + size - (size_t)client->answer);
        return false;
    }
    for (i = 0; i < size; i++, at++) {
        char right = bytes[i];

        if (client->path[0] == 'P')
            right = byte_at(client->key, at);
        else if (client->path[3] != '\0' && client->path[4] == '/')
            right = at < sizeof hello ? hello[at] : '\0';
        if (bytes[i] != right) {
            wrong(client, &totals.corrupt, "byte %zu is 0x%02x, not 0x%02x",
                  at, (unsigned char)bytes[i], (unsigned char)right);
            return false;
        }
    }
    client->got = at;
    return true;
}

/* Returns how many bytes were of the head, or -1 when all is over. */
static ssize_t take_head(struct client *client, const char *bytes, size_t size)
{
    size_t used = 0;

    while (used < size) {
        size_t have = client->answer_head_size;

        if (have + 1 >= sizeof client->answer_head) {
            wrong(client, &totals.corrupt, "no end of the head");
            return -1;
        }
        client->answer_head[have] = bytes[used++];
        client->answer_head[have + 1] = '\0';
        client->answer_head_size = have + 1;
        if (have >= 3 && memcmp(client->answer_head + have - 3, "\r\n\r\n", 4) == 0)
            return read_head(client) ? (ssize_t)used : -1;
    }
    return (ssize_t)used;
}

static void on_readable(struct client *client)
{
    static char bytes[PIECE];
    size_t most = client->slow ? 1 + (size_t)chance(SLOW_PIECE) : sizeof bytes;
    ssize_t n = recv(client->fd, bytes, most, 0), used = 0;

    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        wrong(client, &totals.lost, "recv: %s",
              n == 0 ? "the end" : strerror(errno));
        return;
    }
    totals.received += n;
    if (client->answer < 0)
        used = take_head(client, bytes, (size_t)n);
    if (used < 0 || (n > used && !compare(client, bytes + used,
                                          (size_t)(n - used))))
        return;
    if (client->got + client->answer_head_size >= client->leave_at_got)
        leave_early(client);
    else if (client->answer >= 0 && client->got == (size_t)client->answer)
        end_exchange(client);
    else
        pause_if_slow(client);
}

/* ---- before that ---- */

static void on_connected(struct client *client)
{
    int error = 0;
    socklen_t size = sizeof error;

    getsockopt(client->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) {
        wrong(client, &totals.refused, "connect: %s", strerror(error));
        return;
    }
    if (options.target == 0) {
        begin_exchange(client);
        return;
    }
    client->stage = GREETED;
    if (send(client->fd, "\5\1\0", 3, MSG_NOSIGNAL) != 3)
        wrong(client, &totals.lost, "greeting: %s", strerror(errno));
}

static void on_proxy(struct client *client)
{
    unsigned char ask[10] = { 5, 1, 0, 1, 127, 0, 0, 1,
                              (unsigned char)(options.target >> 8),
                              (unsigned char)options.target };
    ssize_t size = client->stage == GREETED ? 2 : 10;
    unsigned char answer[10];
    ssize_t n = recv(client->fd, answer, (size_t)size, 0);

    if (n < 0 && errno == EAGAIN)
        return;
    if (n != size || answer[0] != 5 || answer[1] != 0) {
        wrong(client, &totals.lost, "proxy: %zd bytes, code %d", n,
              n > 1 ? answer[1] : -1);
        return;
    }
    if (client->stage == ASKED) {
        begin_exchange(client);
        return;
    }
    client->stage = ASKED;
    if (send(client->fd, ask, sizeof ask, MSG_NOSIGNAL) != sizeof ask)
        wrong(client, &totals.lost, "proxy: %s", strerror(errno));
}

short client_events(const struct client *client)
{
    if (client->stage == CONNECTING)
        return POLLOUT;
    if (client->stage < EXCHANGING)
        return POLLIN;
    return client->sent < all_of_it(client) ||
                   client->sent == client->leave_at_sent
               ? POLLIN | POLLOUT
               : POLLIN;
}

void client_step(struct client *client, short events)
{
    if (client->stage == CONNECTING) {
        on_connected(client);
    } else if (client->stage < EXCHANGING) {
        on_proxy(client);
    } else {
        /* A new exchange must not use the events of the old one. */
        if (events & (POLLIN | POLLHUP | POLLERR))
            on_readable(client);
        else if (events & POLLOUT)
            on_writable(client);
    }
}
