/* What is sent: whole messages and parts, in turn, to clients that are slow. */
#include "websocket_client.h"

#define MS HUB_MILLISECOND

static struct ws_pair pair;

static void open_pair(void)
{
    ws_open(&pair, NULL, NULL);
}

static void close_pair(void)
{
    ws_close(&pair, 0);
    hub_yield();
}

static void expect_frame(unsigned first, const char *data)
{
    struct frame frame;

    ck_assert(frame_get(pair.client, &frame));
    ck_assert_uint_eq(frame.first, first);
    ck_assert_str_eq((char *)frame.data, data);
    free(frame.data);
}

static void client_sends(unsigned first, const void *data, size_t size)
{
    struct bytes bytes = { 0 };

    frame_add(&bytes, first, data, size);
    send_pieces(pair.client, &bytes, 0);
    bytes_free(&bytes);
}

/* ---- whole messages ---- */

static const size_t sizes[] = { 0, 1, 125, 126, 127, 65535, 65536, 300000 };

struct sending {
    const void *data;
    size_t size;
    int64_t deadline;
    int rc;
};

static void run_send(void *arg)
{
    struct sending *sending = arg;

    sending->rc = http_websocket_send(pair.socket, HTTP_WEBSOCKET_BINARY,
                                      sending->data, sending->size,
                                      sending->deadline);
}

START_TEST(a_message_is_one_frame_of_the_shortest_form)
{
    size_t size = sizes[_i];
    char *data = malloc(size + 1);
    struct sending sending = { data, size, SOON, 1 };
    struct greenlet *sender;
    struct frame frame;

    memset(data, 'x', size);
    sender = hub_spawn_raw(run_send, &sending);
    ck_assert(frame_get(pair.client, &frame));
    ck_assert_uint_eq(frame.first, FIN | BINARY);
    ck_assert_uint_eq(frame.size, size);
    ck_assert_int_eq(memcmp(frame.data, data, size), 0);
    hub_join(sender, SOON);
    greenlet_unref(sender);
    ck_assert_int_eq(sending.rc, 0);
    free(frame.data);
    free(data);
}
END_TEST

START_TEST(what_is_no_message_is_refused)
{
    struct http_websocket *socket = pair.socket;

    ck_assert_int_eq(http_websocket_send(socket, 0, "x", 1, SOON), -EINVAL);
    ck_assert_int_eq(http_websocket_send(socket, 8, "x", 1, SOON), -EINVAL);
    ck_assert_int_eq(http_websocket_send_part(socket, 3, "x", 1, false, SOON),
                     -EINVAL);
    ck_assert_int_eq(http_websocket_send(socket, HTTP_WEBSOCKET_TEXT, "\xff", 1,
                                         SOON),
                     -EILSEQ);
    ck_assert_int_eq(http_websocket_ping(socket, "", 126, SOON), -EINVAL);
    ck_assert_int_eq(http_websocket_close(socket, 1005, NULL, SOON), -EINVAL);
    ck_assert_int_eq(http_websocket_close(socket, 0, "why", SOON), -EINVAL);
    ck_assert_int_eq(http_websocket_close(socket, 1000, "\xff", SOON), -EINVAL);
}
END_TEST

/* ---- parts ---- */

START_TEST(parts_are_frames_of_one_message)
{
    struct http_websocket *socket = pair.socket;

    ck_assert_int_eq(http_websocket_send_part(socket, HTTP_WEBSOCKET_TEXT,
                                              "\xe2\x82", 2, false, SOON), 0);
    ck_assert_int_eq(http_websocket_ping(socket, "p", 1, SOON), 0);
    ck_assert_int_eq(http_websocket_send(socket, HTTP_WEBSOCKET_TEXT, "x", 1,
                                         SOON), -EBUSY);
    ck_assert_int_eq(http_websocket_send_part(socket, HTTP_WEBSOCKET_TEXT, "a",
                                              1, true, SOON), -EILSEQ);
    ck_assert_int_eq(http_websocket_send_part(socket, HTTP_WEBSOCKET_TEXT,
                                              "\xac", 1, true, SOON), 0);
    ck_assert_int_eq(http_websocket_send(socket, HTTP_WEBSOCKET_TEXT, "x", 1,
                                         SOON), 0);
    expect_frame(TEXT, "\xe2\x82");
    expect_frame(FIN | PING, "p");
    expect_frame(FIN | 0, "\xac");
    expect_frame(FIN | TEXT, "x");
}
END_TEST

START_TEST(messages_of_others_wait_for_the_last_part)
{
    struct sending other = { "other", 5, HUB_FOREVER, 1 };
    struct greenlet *sender;

    ck_assert_int_eq(http_websocket_send_part(pair.socket, HTTP_WEBSOCKET_TEXT,
                                              "a", 1, false, SOON), 0);
    sender = hub_spawn_raw(run_send, &other);
    hub_sleep(5 * MS);
    ck_assert_int_eq(other.rc, 1);
    ck_assert_int_eq(http_websocket_send_part(pair.socket, HTTP_WEBSOCKET_TEXT,
                                              "b", 1, true, SOON), 0);
    ck_assert_int_eq(hub_join(sender, SOON), 0);
    greenlet_unref(sender);
    expect_frame(TEXT, "a");
    expect_frame(FIN | 0, "b");
    expect_frame(FIN | BINARY, "other");
}
END_TEST

START_TEST(whoever_waits_behind_a_part_can_have_a_deadline)
{
    struct sending other = { "other", 5, hub_deadline(5 * MS), 1 };
    struct greenlet *sender;

    ck_assert_int_eq(http_websocket_send_part(pair.socket, HTTP_WEBSOCKET_TEXT,
                                              "a", 1, false, SOON), 0);
    sender = hub_spawn_raw(run_send, &other);
    ck_assert_int_eq(hub_join(sender, SOON), 0);
    greenlet_unref(sender);
    ck_assert_int_eq(other.rc, -ETIMEDOUT);
    ck_assert_int_eq(http_websocket_send_part(pair.socket, HTTP_WEBSOCKET_TEXT,
                                              "b", 1, true, SOON), 0);
}
END_TEST

/* ---- many senders ---- */

enum { SENDERS = 20, EACH = 30, LENGTH = 5000 };

static void run_many(void *arg)
{
    char data[LENGTH];

    memset(data, 'a' + (int)(intptr_t)arg, sizeof data);
    for (int i = 0; i < EACH; i++)
        ck_assert_int_eq(http_websocket_send(pair.socket,
                                             HTTP_WEBSOCKET_BINARY, data,
                                             sizeof data, SOON), 0);
}

START_TEST(whole_messages_never_mix)
{
    struct greenlet *senders[SENDERS];
    struct frame frame;

    for (int i = 0; i < SENDERS; i++)
        senders[i] = hub_spawn_raw(run_many, (void *)(intptr_t)i);
    for (int i = 0; i < SENDERS * EACH; i++) {
        ck_assert(frame_get(pair.client, &frame));
        ck_assert_uint_eq(frame.size, LENGTH);
        for (int j = 1; j < LENGTH; j++)
            if (frame.data[j] != frame.data[0])
                ck_abort_msg("mixed");
        free(frame.data);
    }
    for (int i = 0; i < SENDERS; i++) {
        ck_assert_int_eq(hub_join(senders[i], SOON), 0);
        greenlet_unref(senders[i]);
    }
}
END_TEST

/* ---- slow clients ---- */

/* Until it would have to wait. */
static void fill_up(void)
{
    static char data[4096];
    int rc;

    do
        rc = http_websocket_send(pair.socket, HTTP_WEBSOCKET_BINARY, data,
                                 sizeof data, HUB_NOWAIT);
    while (rc == 0);
    ck_assert_int_eq(rc, -EAGAIN);
}

START_TEST(a_slow_client_lets_nobody_send_at_once)
{
    fill_up();
    ck_assert_int_eq(http_websocket_send(pair.socket, HTTP_WEBSOCKET_TEXT, "x",
                                         1, HUB_NOWAIT), -EAGAIN);
    ck_assert_int_eq(http_websocket_send(pair.socket, HTTP_WEBSOCKET_TEXT, "x",
                                         1, hub_deadline(5 * MS)), -ETIMEDOUT);
    ck_assert_int_eq(pair.socket->end, 0);
}
END_TEST

START_TEST(a_sender_waits_until_the_client_reads)
{
    struct sending sending = { "late", 4, HUB_FOREVER, 1 };
    struct greenlet *sender;
    struct frame frame = { .data = NULL };

    fill_up();
    sender = hub_spawn_raw(run_send, &sending);
    hub_sleep(5 * MS);
    ck_assert_int_eq(sending.rc, 1);
    do {
        free(frame.data);
        ck_assert(frame_get(pair.client, &frame));
    } while (frame.size != 4);
    free(frame.data);
    ck_assert_int_eq(hub_join(sender, SOON), 0);
    greenlet_unref(sender);
    ck_assert_int_eq(sending.rc, 0);
}
END_TEST

START_TEST(a_deadline_within_a_frame_ends_the_connection)
{
    static char data[1 << 20];
    struct http_websocket_message message;

    ck_assert_int_eq(http_websocket_send(pair.socket, HTTP_WEBSOCKET_BINARY,
                                         data, sizeof data,
                                         hub_deadline(5 * MS)), -ETIMEDOUT);
    ck_assert_int_eq(http_websocket_send(pair.socket, HTTP_WEBSOCKET_TEXT, "x",
                                         1, SOON), -EPIPE);
    ck_assert_int_eq(http_websocket_receive(pair.socket, &message, SOON),
                     -EPIPE);
    ck_assert_int_eq(http_websocket_close_code(pair.socket), 1006);
}
END_TEST

START_TEST(a_client_that_takes_nothing_for_too_long_is_left)
{
    pair.socket->options.write_timeout = 10 * MS;
    fill_up();
    ck_assert_int_eq(http_websocket_send(pair.socket, HTTP_WEBSOCKET_TEXT, "x",
                                         1, HUB_FOREVER), -EPIPE);
    ck_assert_int_ne(pair.socket->end, 0);
}
END_TEST

START_TEST(a_killed_sender_that_has_sent_nothing_does_no_harm)
{
    struct sending sending = { "x", 1, HUB_FOREVER, 1 };
    struct greenlet *sender;

    fill_up();
    sender = hub_spawn_raw(run_send, &sending);
    hub_sleep(1 * MS);
    ck_assert_int_eq(hub_kill_join(sender, SOON), 0);
    greenlet_unref(sender);
    ck_assert_int_eq(sending.rc, -ECANCELED);
    ck_assert_int_eq(pair.socket->end, 0);
}
END_TEST

/* ---- pings ---- */

struct receiving {
    struct http_websocket_message message;
    int rc;
};

static void run_receive(void *arg)
{
    struct receiving *receiving = arg;

    receiving->rc = http_websocket_receive(pair.socket, &receiving->message,
                                           SOON);
}

/* Its pong would have to wait: the message behind it does not. */
START_TEST(a_reader_does_not_wait_for_its_pongs)
{
    struct http_websocket_message message;
    struct frame frame = { .data = NULL };

    fill_up();
    client_sends(FIN | PING, "old", 3);
    client_sends(FIN | PING, "new", 3);
    client_sends(FIN | TEXT, "data", 4);
    ck_assert_int_eq(http_websocket_receive(pair.socket, &message, SOON), 1);
    ck_assert_str_eq(message.data, "data");
    do { /* 5.5.3: only the latest is answered */
        free(frame.data);
        ck_assert(frame_get(pair.client, &frame));
    } while (frame.first == (FIN | BINARY));
    ck_assert_uint_eq(frame.first, FIN | PONG);
    ck_assert_str_eq((char *)frame.data, "new");
    free(frame.data);
}
END_TEST

START_TEST(a_pong_goes_before_what_waits_behind_a_frame)
{
    static char data[500000];
    struct sending large = { data, sizeof data, SOON, 1 };
    struct http_websocket_message message;
    struct greenlet *sender = hub_spawn_raw(run_send, &large);
    struct frame frame;

    hub_sleep(1 * MS); /* in the middle of a frame */
    client_sends(FIN | PING, "p", 1);
    client_sends(FIN | TEXT, "data", 4);
    ck_assert_int_eq(http_websocket_receive(pair.socket, &message, SOON), 1);
    ck_assert(frame_get(pair.client, &frame));
    ck_assert_uint_eq(frame.size, sizeof data);
    free(frame.data);
    expect_frame(FIN | PONG, "p");
    ck_assert_int_eq(hub_join(sender, SOON), 0);
    greenlet_unref(sender);
}
END_TEST

START_TEST(silence_is_broken_by_a_ping)
{
    struct receiving receiving = { .rc = 9 };
    struct greenlet *reader;

    pair.socket->options.ping_interval = 5 * MS;
    pair.socket->options.pong_timeout = 20 * HUB_SECOND;
    reader = hub_spawn_raw(run_receive, &receiving);
    for (int i = 0; i < 3; i++) {
        expect_frame(FIN | PING, "");
        client_sends(FIN | PONG, "", 0);
    }
    expect_frame(FIN | PING, "");
    client_sends(FIN | TEXT, "data", 4); /* as good as a pong */
    ck_assert_int_eq(hub_join(reader, SOON), 0);
    greenlet_unref(reader);
    ck_assert_int_eq(receiving.rc, 1);
}
END_TEST

START_TEST(a_client_that_does_not_answer_pings_is_gone)
{
    struct http_websocket_message message;

    pair.socket->options.ping_interval = 5 * MS;
    pair.socket->options.pong_timeout = 5 * MS;
    ck_assert_int_eq(http_websocket_receive(pair.socket, &message, SOON),
                     -EPIPE);
    ck_assert_int_eq(http_websocket_close_code(pair.socket), 1006);
}
END_TEST

START_TEST(a_deadline_before_the_ping_is_the_callers)
{
    struct http_websocket_message message;

    pair.socket->options.ping_interval = 20 * HUB_SECOND;
    ck_assert_int_eq(http_websocket_receive(pair.socket, &message,
                                            hub_deadline(5 * MS)), -ETIMEDOUT);
    ck_assert_int_eq(http_websocket_receive(pair.socket, &message, HUB_NOWAIT),
                     -EAGAIN);
    client_sends(FIN | TEXT, "data", 4);
    ck_assert_int_eq(http_websocket_receive(pair.socket, &message, HUB_NOWAIT),
                     1);
}
END_TEST

START_TEST(a_wait_that_ends_early_loses_nothing)
{
    struct http_websocket_message message;
    struct bytes bytes = { 0 };

    frame_add(&bytes, TEXT, "he", 2);
    frame_add(&bytes, FIN, "llo", 3);
    for (size_t i = 0; i + 1 < bytes.size; i++) {
        ck_assert_int_eq(hub_send(pair.client, bytes.data + i, 1, 0, SOON), 1);
        ck_assert_int_eq(http_websocket_receive(pair.socket, &message,
                                                hub_deadline(0)), -ETIMEDOUT);
    }
    hub_send(pair.client, bytes.data + bytes.size - 1, 1, 0, SOON);
    ck_assert_int_eq(http_websocket_receive(pair.socket, &message, SOON), 1);
    ck_assert_str_eq(message.data, "hello");
    bytes_free(&bytes);
}
END_TEST

START_TEST(one_greenlet_receives_at_a_time)
{
    struct receiving receiving = { .rc = 9 };
    struct http_websocket_message message;
    struct greenlet *reader = hub_spawn_raw(run_receive, &receiving);

    hub_sleep(1 * MS);
    ck_assert_int_eq(http_websocket_receive(pair.socket, &message, SOON),
                     -EBUSY);
    client_sends(FIN | TEXT, "data", 4);
    ck_assert_int_eq(hub_join(reader, SOON), 0);
    greenlet_unref(reader);
    ck_assert_int_eq(receiving.rc, 1);
}
END_TEST

int main(void)
{
    TCase *tcase = unit_case();

    hub_sleep(1); /* makes the hub, and its greenlet */
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, open_pair, close_pair);
    tcase_add_loop_test(tcase, a_message_is_one_frame_of_the_shortest_form, 0,
                        sizeof sizes / sizeof *sizes);
    tcase_add_test(tcase, what_is_no_message_is_refused);
    tcase_add_test(tcase, parts_are_frames_of_one_message);
    tcase_add_test(tcase, messages_of_others_wait_for_the_last_part);
    tcase_add_test(tcase, whoever_waits_behind_a_part_can_have_a_deadline);
    tcase_add_test(tcase, whole_messages_never_mix);
    tcase_add_test(tcase, a_slow_client_lets_nobody_send_at_once);
    tcase_add_test(tcase, a_sender_waits_until_the_client_reads);
    tcase_add_test(tcase, a_deadline_within_a_frame_ends_the_connection);
    tcase_add_test(tcase, a_client_that_takes_nothing_for_too_long_is_left);
    tcase_add_test(tcase, a_killed_sender_that_has_sent_nothing_does_no_harm);
    tcase_add_test(tcase, a_reader_does_not_wait_for_its_pongs);
    tcase_add_test(tcase, a_pong_goes_before_what_waits_behind_a_frame);
    tcase_add_test(tcase, silence_is_broken_by_a_ping);
    tcase_add_test(tcase, a_client_that_does_not_answer_pings_is_gone);
    tcase_add_test(tcase, a_deadline_before_the_ping_is_the_callers);
    tcase_add_test(tcase, a_wait_that_ends_early_loses_nothing);
    tcase_add_test(tcase, one_greenlet_receives_at_a_time);
    return unit_run("websocket_send", tcase);
}
