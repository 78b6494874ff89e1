/* Streams: reads with limits, what an early end leaves, back-pressure,
 * closing. */
#include "../unit.h"
#include "hub/hub.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define MS HUB_MILLISECOND
#define SOON (hub_now() + 10 * HUB_SECOND) /* does not hang */
#define LARGE (4 << 20)

static struct hub_stream *ours, *theirs;

static void open_pair(void)
{
    int ends[2];

    hub_yield();
    ck_assert_int_eq(hub_socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    ck_assert_int_eq(hub_stream_of_fd(ends[0], &ours), 0);
    ck_assert_int_eq(hub_stream_of_fd(ends[1], &theirs), 0);
}

static void close_pair(void)
{
    if (ours != NULL)
        hub_stream_close(ours, HUB_NOWAIT);
    if (theirs != NULL)
        hub_stream_close(theirs, HUB_NOWAIT);
}

static void finish(struct greenlet *g)
{
    ck_assert_int_eq(hub_join(g, SOON), 0);
    greenlet_unref(g);
}

static void give(const char *text)
{
    ck_assert_int_eq(hub_stream_write(theirs, text, strlen(text), SOON), 0);
    ck_assert_int_eq(hub_stream_flush(theirs, SOON), 0);
}

START_TEST(lines_are_read_one_by_one)
{
    char line[32];

    give("one\ntwo\n\nlast");
    ck_assert_int_eq(hub_stream_end(theirs, SOON), 0);
    ck_assert_int_eq(hub_stream_read_line(ours, line, sizeof line, SOON), 4);
    ck_assert_str_eq(line, "one\n");
    ck_assert_uint_eq(hub_stream_buffered(ours), 9);
    ck_assert_int_eq(hub_stream_read_line(ours, line, sizeof line, SOON), 4);
    ck_assert_int_eq(hub_stream_read_line(ours, line, sizeof line, SOON), 1);
    ck_assert_int_eq(hub_stream_read_line(ours, line, sizeof line, SOON), 4);
    ck_assert_str_eq(line, "last");
    ck_assert_int_eq(hub_stream_read_line(ours, line, sizeof line, SOON), 0);
    ck_assert_str_eq(line, "");
}
END_TEST

START_TEST(a_line_that_is_too_long_is_left)
{
    char line[8];

    give("0123456789\nrest\n");
    ck_assert_int_eq(hub_stream_read_line(ours, line, sizeof line, SOON),
                     -EMSGSIZE);
    ck_assert_int_eq(hub_stream_read_line(ours, line, 1, SOON), -EINVAL);
    ck_assert_int_eq(hub_stream_read_exactly(ours, line, 7, SOON), 0);
    ck_assert_int_eq(memcmp(line, "0123456", 7), 0);
    ck_assert_int_eq(hub_stream_read_line(ours, line, sizeof line, SOON), 4);
    ck_assert_str_eq(line, "789\n");
}
END_TEST

/* A line of exactly the size that fits, and one more. */
START_TEST(the_limit_is_exact)
{
    char line[5];

    give("abc\nabcd\n");
    ck_assert_int_eq(hub_stream_read_line(ours, line, sizeof line, SOON), 4);
    ck_assert_int_eq(hub_stream_read_line(ours, line, sizeof line, SOON),
                     -EMSGSIZE);
    ck_assert_int_eq(hub_stream_read_until(ours, "d\n", 2, line, 4, SOON),
                     -EMSGSIZE);
    ck_assert_int_eq(hub_stream_read_until(ours, "d\n", 2, line, 5, SOON), 5);
}
END_TEST

START_TEST(the_limit_holds_for_a_last_line_too)
{
    char line[5];

    give(_i == 0 ? "abcd" : "abcde");
    ck_assert_int_eq(hub_stream_end(theirs, SOON), 0);
    ck_assert_int_eq(hub_stream_read_line(ours, line, sizeof line, SOON),
                     _i == 0 ? 4 : -EMSGSIZE);
}
END_TEST

static void writes_in_pieces(void *arg)
{
    for (const char *text = arg; *text != '\0'; text++) {
        char one[2] = { *text, '\0' };

        give(one);
        hub_sleep(1); /* a turn of the loop: it is read by itself */
    }
}

START_TEST(a_separator_in_pieces_is_found)
{
    struct greenlet *g =
        hub_spawn_raw(writes_in_pieces, "a\r\rb\r\n\r\r\n\r\nrest");
    char head[64];

    ck_assert_int_eq(
        hub_stream_read_until(ours, "\r\n\r\n", 4, head, sizeof head, SOON),
        11);
    ck_assert_int_eq(memcmp(head, "a\r\rb\r\n\r\r\n\r\n", 11), 0);
    ck_assert_int_eq(
        hub_stream_read_until(ours, "", 0, head, sizeof head, SOON), -EINVAL);
    ck_assert_int_eq(hub_stream_read_exactly(ours, head, 4, SOON), 0);
    finish(g);
}
END_TEST

START_TEST(an_early_end_leaves_what_there_was)
{
    char data[16];

    give("part");
    ck_assert_int_eq(hub_stream_end(theirs, SOON), 0);
    ck_assert_int_eq(hub_stream_write(theirs, "x", 1, SOON), -EPIPE);
    ck_assert_int_eq(hub_stream_read_exactly(ours, data, 9, SOON), -ENODATA);
    ck_assert_int_eq(
        hub_stream_read_until(ours, "\n", 1, data, sizeof data, SOON),
        -ENODATA);
    ck_assert_int_eq(hub_stream_read(ours, data, sizeof data, SOON), 4);
    ck_assert_int_eq(hub_stream_read(ours, data, sizeof data, SOON), 0);
    /* half closed: the other way still works */
    ck_assert_int_eq(hub_stream_write(ours, "back", 4, SOON), 0);
    ck_assert_int_eq(hub_stream_flush(ours, SOON), 0);
    ck_assert_int_eq(hub_stream_read_exactly(theirs, data, 4, SOON), 0);
}
END_TEST

START_TEST(a_deadline_loses_nothing)
{
    char *data = malloc(LARGE);

    ck_assert_ptr_nonnull(data);
    give("12345");
    ck_assert_int_eq(hub_stream_read_exactly(ours, data, 10, hub_now() + MS),
                     -ETIMEDOUT);
    ck_assert_int_eq(hub_stream_read_exactly(ours, data, LARGE, hub_now() + MS),
                     -ETIMEDOUT);
    ck_assert_int_eq(hub_stream_read_line(ours, data, 99, hub_now() + MS),
                     -ETIMEDOUT);
    ck_assert_int_eq(hub_stream_read(ours, data, 0, SOON), 0);
    give("67890");
    ck_assert_int_eq(hub_stream_read_exactly(ours, data, 10, SOON), 0);
    ck_assert_int_eq(memcmp(data, "1234567890", 10), 0);
    ck_assert_int_eq(hub_stream_read(ours, data, 1, HUB_NOWAIT), -EAGAIN);
    free(data);
}
END_TEST

static int killed_rc;

static void reads_ten(void *arg)
{
    char data[10];

    (void)arg;
    killed_rc = hub_stream_read_exactly(ours, data, 10, HUB_FOREVER);
}

START_TEST(a_kill_in_the_middle_loses_nothing)
{
    struct greenlet *g = hub_spawn_raw(reads_ten, NULL);
    char data[10];

    hub_yield();
    give("12345");
    hub_sleep(MS);
    ck_assert_int_eq(hub_kill(g), 0);
    finish(g);
    ck_assert_int_eq(killed_rc, -ECANCELED);
    ck_assert_int_eq(hub_stream_read_exactly(ours, data, 5, SOON), 0);
    ck_assert_int_eq(memcmp(data, "12345", 5), 0);
}
END_TEST

START_TEST(what_is_unread_comes_first)
{
    char data[16];

    give("world");
    ck_assert_int_eq(hub_stream_read_exactly(ours, data, 1, SOON), 0);
    ck_assert_int_eq(hub_stream_unread(ours, "w", 1), 0);
    ck_assert_int_eq(hub_stream_unread(ours, "hello ", 6), 0);
    ck_assert_int_eq(hub_stream_read_exactly(ours, data, 11, SOON), 0);
    ck_assert_int_eq(memcmp(data, "hello world", 11), 0);
}
END_TEST

struct reader {
    char name;
    ssize_t got;
    char line[16];
};
static char order[16];

static void reads_line(void *arg)
{
    struct reader *r = arg;
    char one[2] = { r->name, '\0' };

    r->got = hub_stream_read_line(ours, r->line, sizeof r->line, HUB_FOREVER);
    strcat(order, one);
}

START_TEST(readers_take_turns_in_the_order_they_came)
{
    struct reader a = { .name = 'a' }, b = { .name = 'b' }, c = { .name = 'c' };
    struct greenlet *g[3] = { hub_spawn_raw(reads_line, &a),
                              hub_spawn_raw(reads_line, &b),
                              hub_spawn_raw(reads_line, &c) };

    order[0] = '\0';
    hub_yield();
    ck_assert_int_eq(hub_stream_unread(ours, "x", 1), -EBUSY);
    hub_kill(g[1]);
    give("fir");
    hub_yield();
    give("st\nsecond\n");
    for (int i = 0; i < 3; i++)
        finish(g[i]);
    ck_assert_str_eq(a.line, "first\n");
    ck_assert_int_eq(b.got, -ECANCELED);
    ck_assert_str_eq(c.line, "second\n");
}
END_TEST

START_TEST(closing_ends_the_waits_of_others)
{
    struct reader a = { .name = 'a' }, b = { .name = 'b' };
    struct greenlet *first = hub_spawn_raw(reads_line, &a);
    struct greenlet *second = hub_spawn_raw(reads_line, &b);

    hub_yield();
    ck_assert_int_eq(hub_stream_close(ours, SOON), 0);
    ours = NULL;
    finish(first);
    finish(second);
    ck_assert_int_eq(a.got, -EBADF);
    ck_assert_int_eq(b.got, -EBADF);
}
END_TEST

/* ---- writing ---- */

START_TEST(what_is_written_is_sent_by_a_flush)
{
    char data[8];

    ck_assert_int_eq(hub_stream_write(ours, "ab", 2, SOON), 0);
    ck_assert_int_eq(hub_stream_write(ours, "cd", 2, SOON), 0);
    ck_assert_uint_eq(hub_stream_unsent(ours), 4);
    ck_assert_int_eq(hub_stream_read(theirs, data, 8, hub_now() + MS),
                     -ETIMEDOUT);
    ck_assert_int_eq(hub_stream_flush(ours, SOON), 0);
    ck_assert_uint_eq(hub_stream_unsent(ours), 0);
    ck_assert_int_eq(hub_stream_read(theirs, data, 8, SOON), 4);
    ck_assert_int_eq(hub_stream_flush(ours, SOON), 0);
}
END_TEST

START_TEST(without_a_high_water_mark_all_is_sent_at_once)
{
    char data[8];

    ck_assert_uint_eq(hub_stream_set_high_water(ours, 0), 65536);
    ck_assert_int_eq(hub_stream_write(ours, "ab", 2, SOON), 0);
    ck_assert_int_eq(hub_stream_read(theirs, data, 8, SOON), 2);
}
END_TEST

/* Nobody reads: writes go on up to the mark and what the socket takes. */
START_TEST(a_full_peer_holds_the_writer_back_and_nothing_is_lost)
{
    static char piece[1000], seen[1000];
    long written = 0, received = 0;
    int rc;

    do {
        for (size_t i = 0; i < sizeof piece; i++)
            piece[i] = (char)(written * 7 + (long)i);
        rc = hub_stream_write(ours, piece, sizeof piece, hub_now() + 2 * MS);
        written++; /* also when it says that it timed out */
    } while (rc == 0 && written < 100000);
    ck_assert_int_eq(rc, -ETIMEDOUT);
    ck_assert_uint_gt(hub_stream_unsent(ours), 0);
    while (received < written) {
        rc = hub_stream_flush(ours, HUB_NOWAIT);
        ck_assert(rc == 0 || rc == -EAGAIN);
        ck_assert_int_eq(
            hub_stream_read_exactly(theirs, seen, sizeof seen, SOON), 0);
        for (size_t i = 0; i < sizeof piece; i++)
            piece[i] = (char)(received * 7 + (long)i);
        ck_assert_int_eq(memcmp(seen, piece, sizeof piece), 0);
        received++;
    }
    ck_assert_uint_eq(hub_stream_unsent(ours), 0);
}
END_TEST

static void writes_large(void *arg)
{
    char *data = malloc(LARGE);

    ck_assert_ptr_nonnull(data);
    memset(data, *(char *)arg, LARGE);
    ck_assert_int_eq(hub_stream_write(ours, data, LARGE, HUB_FOREVER), 0);
    free(data);
}

START_TEST(what_one_write_adds_stays_together)
{
    struct greenlet *a = hub_spawn_raw(writes_large, "a");
    struct greenlet *b = hub_spawn_raw(writes_large, "b");
    char *data = malloc(2 * LARGE);

    ck_assert_ptr_nonnull(data);
    hub_yield();
    ck_assert_int_eq(hub_stream_read_exactly(theirs, data, 2 * LARGE, SOON), 0);
    finish(a);
    finish(b);
    for (size_t i = 0; i < 2 * LARGE; i++)
        if (data[i] != (i < LARGE ? 'a' : 'b'))
            ck_abort_msg("byte %zu is of the other", i);
    free(data);
}
END_TEST

START_TEST(a_large_write_that_ends_early_is_kept)
{
    char *data = malloc(LARGE);

    ck_assert_ptr_nonnull(data);
    memset(data, 'q', LARGE);
    ck_assert_int_eq(hub_stream_write(ours, data, LARGE, hub_now() + 2 * MS),
                     -ETIMEDOUT);
    memset(data, 0, LARGE);
    while (hub_stream_unsent(ours) > 0) {
        char piece[65536];
        ssize_t got;

        hub_stream_flush(ours, HUB_NOWAIT);
        got = hub_stream_read(theirs, piece, sizeof piece, SOON);
        ck_assert_int_gt(got, 0);
        ck_assert_int_eq(piece[got - 1], 'q');
    }
    free(data);
}
END_TEST

START_TEST(closing_flushes)
{
    char data[8];

    ck_assert_int_eq(hub_stream_write(ours, "bye", 3, SOON), 0);
    ck_assert_int_eq(hub_stream_close(ours, SOON), 0);
    ours = NULL;
    ck_assert_int_eq(hub_stream_read(theirs, data, 8, SOON), 3);
    ck_assert_int_eq(hub_stream_read(theirs, data, 8, SOON), 0);
    ck_assert_int_eq(hub_stream_write(theirs, "x", 1, SOON), 0);
    ck_assert_int_eq(hub_stream_flush(theirs, SOON), -EPIPE);
}
END_TEST

/* ---- other transports ---- */

START_TEST(a_stream_over_a_pipe_and_over_a_file)
{
    char path[] = "/tmp/vireo-stream-XXXXXX", line[16];
    int fd = mkstemp(path), ends[2];
    struct hub_stream *stream, *reader;

    ck_assert_int_eq(hub_stream_of_fd(fd, &stream), 0);
    ck_assert_int_eq(hub_stream_fd(stream), fd);
    ck_assert_int_eq(hub_stream_write(stream, "a\nb\n", 4, SOON), 0);
    ck_assert_int_eq(hub_stream_end(stream, SOON), -EOPNOTSUPP);
    ck_assert_int_eq(hub_stream_close(stream, SOON), 0);
    ck_assert_int_eq(
        hub_stream_of_fd(hub_file_open(path, O_RDONLY, 0), &stream), 0);
    ck_assert_int_eq(hub_stream_read_line(stream, line, sizeof line, SOON), 2);
    ck_assert_int_eq(hub_stream_read_line(stream, line, sizeof line, SOON), 2);
    ck_assert_int_eq(hub_stream_read_line(stream, line, sizeof line, SOON), 0);
    ck_assert_int_eq(hub_stream_close(stream, SOON), 0);
    unlink(path);

    ck_assert_int_eq(pipe(ends), 0);
    ck_assert_int_eq(hub_stream_of_fd(ends[1], &stream), 0);
    ck_assert_int_eq(hub_stream_of_fd(ends[0], &reader), 0);
    ck_assert_int_eq(hub_stream_write(stream, "p\n", 2, SOON), 0);
    ck_assert_int_eq(hub_stream_close(stream, SOON), 0);
    ck_assert_int_eq(hub_stream_read_line(reader, line, sizeof line, SOON), 2);
    ck_assert_int_eq(hub_stream_close(reader, SOON), 0);
    ck_assert_int_eq(hub_stream_of_fd(-1, &stream), -EBADF);
}
END_TEST

struct memory {
    size_t left;
    bool closed, freed;
};

static ssize_t memory_read(void *self, void *buffer, size_t size,
                           int64_t deadline_ns)
{
    struct memory *m = self;
    size_t give_now = m->left < 3 ? m->left : 3;

    (void)deadline_ns;
    if (give_now > size)
        give_now = size;
    memset(buffer, 'm', give_now);
    m->left -= give_now;
    return (ssize_t)give_now;
}

static ssize_t memory_write(void *self, const void *data, size_t size,
                            int64_t deadline_ns)
{
    (void)self;
    (void)data;
    (void)size;
    (void)deadline_ns;
    return -EIO;
}

static int memory_close(void *self)
{
    ((struct memory *)self)->closed = true;
    return 0;
}

static void memory_free(void *self)
{
    ((struct memory *)self)->freed = true;
}

START_TEST(a_transport_of_the_programs_own)
{
    static const struct hub_transport transport = {
        .read = memory_read,
        .write = memory_write,
        .close = memory_close,
        .free = memory_free
    };
    struct memory memory = { 10, false, false };
    struct hub_stream *stream = hub_stream_new(&transport, &memory);
    char data[16];

    ck_assert_int_eq(hub_stream_fd(stream), -1);
    ck_assert_int_eq(hub_stream_read_exactly(stream, data, 8, SOON), 0);
    ck_assert_int_eq(hub_stream_read_exactly(stream, data, 8, SOON), -ENODATA);
    ck_assert_int_eq(hub_stream_write(stream, "x", 1, SOON), 0);
    ck_assert_int_eq(hub_stream_flush(stream, SOON), -EIO);
    ck_assert_int_eq(hub_stream_close(stream, SOON), -EIO);
    ck_assert(memory.closed && memory.freed);
}
END_TEST

static void add_reading(TCase *tcase)
{
    tcase_add_test(tcase, lines_are_read_one_by_one);
    tcase_add_test(tcase, a_line_that_is_too_long_is_left);
    tcase_add_test(tcase, the_limit_is_exact);
    tcase_add_loop_test(tcase, the_limit_holds_for_a_last_line_too, 0, 2);
    tcase_add_test(tcase, a_separator_in_pieces_is_found);
    tcase_add_test(tcase, an_early_end_leaves_what_there_was);
    tcase_add_test(tcase, a_deadline_loses_nothing);
    tcase_add_test(tcase, a_kill_in_the_middle_loses_nothing);
    tcase_add_test(tcase, what_is_unread_comes_first);
    tcase_add_test(tcase, readers_take_turns_in_the_order_they_came);
    tcase_add_test(tcase, closing_ends_the_waits_of_others);
}

int main(void)
{
    TCase *tcase = tcase_create("unit");

    hub_yield();
    tcase_add_checked_fixture(tcase, unit_setup, unit_teardown);
    tcase_add_checked_fixture(tcase, open_pair, close_pair);
    add_reading(tcase);
    tcase_add_test(tcase, what_is_written_is_sent_by_a_flush);
    tcase_add_test(tcase, without_a_high_water_mark_all_is_sent_at_once);
    tcase_add_test(tcase,
                   a_full_peer_holds_the_writer_back_and_nothing_is_lost);
    tcase_add_test(tcase, what_one_write_adds_stays_together);
    tcase_add_test(tcase, a_large_write_that_ends_early_is_kept);
    tcase_add_test(tcase, closing_flushes);
    tcase_add_test(tcase, a_stream_over_a_pipe_and_over_a_file);
    tcase_add_test(tcase, a_transport_of_the_programs_own);
    return unit_run("stream", tcase);
}
