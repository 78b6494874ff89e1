/* Many threads, every kind of stream, every way to wait, at once
 *
 * Each pair of threads moves a known pattern through a stream of its own, in
 * pieces of changing size, by calls that change from piece to piece.  What
 * arrives must be what was sent: no byte lost, doubled or of somebody else. */
#include "conformance.h"

#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { PAIRS = 40, BYTES = 60 * 1024, PIECE = 9000, WAYS = 6 };

struct end {
    int fd;
    bool socket, in;
    unsigned seed;
    uint32_t random;
};

static uint32_t next_random(struct end *end)
{
    end->random = end->random * 1664525 + 1013904223;
    return end->random >> 8;
}

/* Wait until the end is ready, by one of several calls. */
static void await(struct end *end, int way)
{
    struct pollfd ready = { end->fd, end->in ? POLLIN : POLLOUT, 0 };
    struct epoll_event event = { .events = end->in ? EPOLLIN : EPOLLOUT };
    fd_set set;
    int epoll;

    FD_ZERO(&set);
    FD_SET(end->fd, &set);
    if (way == 0) {
        CONF_CHECK(poll(&ready, 1, -1) == 1);
    } else if (way == 1) {
        CONF_CHECK(select(end->fd + 1, end->in ? &set : NULL,
                          end->in ? NULL : &set, NULL, NULL) == 1);
    } else {
        epoll = epoll_create1(EPOLL_CLOEXEC);
        CONF_CHECK(epoll_ctl(epoll, EPOLL_CTL_ADD, end->fd, &event) == 0);
        CONF_CHECK(epoll_wait(epoll, &event, 1, -1) == 1);
        CONF_CHECK(close(epoll) == 0);
    }
}

static ssize_t move_once(struct end *end, char *bytes, size_t length)
{
    struct iovec parts[2] = { { bytes, length / 3 },
                              { bytes + length / 3, length - length / 3 } };
    int way = (int)(next_random(end) % WAYS);

    if (way == 0 && end->socket)
        return end->in ? recv(end->fd, bytes, length, 0)
                       : send(end->fd, bytes, length, 0);
    if (way == 1)
        return end->in ? readv(end->fd, parts, 2) : writev(end->fd, parts, 2);
    if (way == 2 && end->socket && end->in)
        return recv(end->fd, bytes, length, MSG_WAITALL);
    if (way >= 3)
        await(end, way - 3);
    return end->in ? read(end->fd, bytes, length)
                   : write(end->fd, bytes, length);
}

static void *move_all(void *argument)
{
    struct end *end = argument;
    char *bytes = malloc(BYTES);

    CONF_CHECK(bytes != NULL);
    if (!end->in)
        conf_fill(bytes, BYTES, end->seed);
    for (size_t done = 0; done < BYTES;) {
        size_t length = 1 + next_random(end) % PIECE;
        ssize_t n;

        if (length > BYTES - done)
            length = BYTES - done;
        n = move_once(end, bytes + done, length);
        CONF_CHECK(n > 0 && (size_t)n <= length);
        CONF_CHECK(end->in || (size_t)n == length);
        done += (size_t)n;
        if (next_random(end) % 16 == 0)
            usleep(50);
    }
    CONF_CHECK(conf_filled(bytes, BYTES, end->seed));
    free(bytes);
    return NULL;
}

START_TEST(every_byte_arrives_where_it_should)
{
    struct end ends[PAIRS][2];
    pthread_t threads[PAIRS][2];

    conf_expect_threads(2 * PAIRS);
    for (int i = 0; i < PAIRS; i++) {
        int kind = i % CONF_STREAMS, fds[2];

        conf_stream(kind, fds);
        for (int k = 0; k < 2; k++)
            ends[i][k] = (struct end){
                .fd = fds[k],
                .socket = kind == CONF_UNIX || kind == CONF_TCP,
                .in = k == 0,
                .seed = (unsigned)i,
                .random = (uint32_t)(_i * 1000 + i * 2 + k),
            };
    }
    for (int i = 0; i < PAIRS; i++)
        for (int k = 0; k < 2; k++)
            threads[i][k] = start_thread(move_all, &ends[i][k]);
    for (int i = 0; i < PAIRS; i++) {
        join_thread(threads[i][0]);
        join_thread(threads[i][1]);
        ck_assert_int_eq(close(ends[i][0].fd), 0);
        ck_assert_int_eq(close(ends[i][1].fd), 0);
    }
}
END_TEST

/* A ring: each thread hands the byte on to the next one, many times round. */
enum { RING = 50, ROUNDS = 40 };

struct place {
    int from, to;
    int way;
};

static void *hand_on(void *argument)
{
    struct place *place = argument;
    struct end in = { .fd = place->from, .in = true };
    char byte;

    for (int round = 0; round < ROUNDS; round++) {
        if (place->way < 3)
            await(&in, place->way);
        CONF_CHECK(read(place->from, &byte, 1) == 1);
        byte++;
        CONF_CHECK(write(place->to, &byte, 1) == 1);
    }
    return NULL;
}

START_TEST(a_byte_goes_round_many_threads)
{
    int ends[RING + 1][2];
    struct place places[RING];
    pthread_t threads[RING];
    char byte = 0;

    conf_expect_threads(RING);
    for (int i = 0; i <= RING; i++)
        conf_stream((_i + i) % CONF_PTY, ends[i]);
    for (int i = 0; i < RING; i++) {
        places[i] = (struct place){ ends[i][0], ends[i + 1][1], i % 5 };
        threads[i] = start_thread(hand_on, &places[i]);
    }
    for (int round = 0; round < ROUNDS; round++) {
        char before = byte;

        ck_assert_int_eq(write(ends[0][1], &byte, 1), 1);
        ck_assert_int_eq(read(ends[RING][0], &byte, 1), 1);
        ck_assert_int_eq((char)(before + RING), byte);
    }
    for (int i = 0; i < RING; i++)
        join_thread(threads[i]);
    for (int i = 0; i <= RING; i++)
        conf_close_both(ends[i]);
}
END_TEST

static void add(TCase *tcase)
{
    conf_test(tcase, every_byte_arrives_where_it_should, 3);
    conf_test(tcase, a_byte_goes_round_many_threads, CONF_PTY);
}

int main(void)
{
    return conf_main("io_mix", add, CONF_THREADS);
}
