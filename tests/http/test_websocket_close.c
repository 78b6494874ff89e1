/* The end: who closes first, with what, and what becomes of those who are inside. */
#include "websocket_client.h"

#define MS HUB_MILLISECOND

static struct ws_pair pair;

static void open_pair(void)
{
    ws_open(&pair, NULL, NULL);
    pair.socket->options.close_timeout = 20 * MS;
}

static void close_pair(void)
{
    ws_close(&pair, 0);
    hub_yield();
}

static void client_sends(unsigned first, const void *data, size_t size)
{
    struct bytes bytes = { 0 };

    frame_add(&bytes, first, data, size);
    send_pieces(pair.client, &bytes, 0);
    bytes_free(&bytes);
}

static void expect_answers(const char *text)
{
    char said[256];

    frames_say(pair.client, said, sizeof said);
    ck_assert_str_eq(said, text);
}

/* A client that answers a close frame, or does not. */
struct client {
    bool answers;
    char said[64];
};

static void run_client(void *arg)
{
    struct client *client = arg;
    struct frame frame;

    while (frame_get(pair.client, &frame)) {
        bool is_close = (frame.first & 15) == CLOSE;

        if (is_close)
            snprintf(client->said, sizeof client->said, "%d %.40s",
                     frame.size > 1 ? frame.data[0] << 8 | frame.data[1] : 0,
                     frame.size > 2 ? (char *)frame.data + 2 : "");
        if (is_close && client->answers) {
            client_sends(FIN | TEXT, "was under way", 13);
            client_sends(FIN | CLOSE, frame.data, frame.size < 2 ? 0 : 2);
        }
        free(frame.data);
    }
}

static void finish(struct greenlet *g)
{
    ck_assert_int_eq(hub_join(g, SOON), 0);
    greenlet_unref(g);
}

START_TEST(closing_waits_for_the_clients_close_frame)
{
    struct client client = { .answers = true };
    struct greenlet *g = hub_spawn_raw(run_client, &client);
    struct http_websocket_message message;

    pair.socket->options.close_timeout = 20 * HUB_SECOND;
    ck_assert_int_eq(http_websocket_close(pair.socket, 4000, "enough", SOON),
                     0);
    ck_assert_str_eq(client.said, "4000 enough");
    ck_assert_int_eq(http_websocket_close_code(pair.socket), 4000);
    ck_assert_int_eq(http_websocket_send(pair.socket, HTTP_WEBSOCKET_TEXT, "x",
                                         1, SOON), -EPIPE);
    ck_assert_int_eq(http_websocket_receive(pair.socket, &message, SOON), 0);
    ck_assert_int_eq(http_websocket_close(pair.socket, 1000, NULL, SOON), 0);
    ws_finish(&pair, 0);
    finish(g);
}
END_TEST

START_TEST(a_client_that_does_not_answer_is_waited_for_only_so_long)
{
    ck_assert_int_eq(http_websocket_close(pair.socket, 1000, NULL, SOON),
                     -ETIMEDOUT);
    ws_finish(&pair, 0);
    expect_answers("close(1000)");
}
END_TEST

static void run_close(void *arg)
{
    *(int *)arg = http_websocket_close(pair.socket, 1000, NULL, SOON);
}

START_TEST(closing_while_another_receives_ends_both)
{
    struct client client = { .answers = true };
    struct greenlet *g = hub_spawn_raw(run_client, &client), *closer;
    struct http_websocket_message message;
    int rc = 9;

    pair.socket->options.close_timeout = 20 * HUB_SECOND;
    closer = hub_spawn_raw(run_close, &rc);
    ck_assert_int_eq(http_websocket_receive(pair.socket, &message, SOON), 1);
    ck_assert_int_eq(http_websocket_receive(pair.socket, &message, SOON), 0);
    finish(closer);
    ck_assert_int_eq(rc, 0);
    ws_finish(&pair, 0);
    finish(g);
}
END_TEST

START_TEST(who_receives_while_another_closes_waits_for_that)
{
    struct client client = { .answers = true };
    struct greenlet *g, *closer;
    struct http_websocket_message message;
    int rc = 9;

    pair.socket->options.close_timeout = 20 * HUB_SECOND;
    closer = hub_spawn_raw(run_close, &rc);
    hub_sleep(MS);
    g = hub_spawn_raw(run_client, &client);
    ck_assert_int_eq(http_websocket_receive(pair.socket, &message, SOON), 0);
    finish(closer);
    ck_assert_int_eq(rc, 0);
    ws_finish(&pair, 0);
    finish(g);
}
END_TEST

static const struct {
    int rc;
    const char *said;
} results[] = {
    { 0, "close(1000)" }, { -EIO, "close(1011)" }, { -ECANCELED, "close(1001)" }
};

START_TEST(what_is_open_is_closed_when_the_function_returns)
{
    ws_finish(&pair, results[_i].rc);
    expect_answers(results[_i].said);
}
END_TEST

static void run_killed(void *arg)
{
    struct http_websocket_message message;

    (void)arg;
    ck_assert_int_eq(http_websocket_receive(pair.socket, &message, SOON),
                     -ECANCELED);
    ws_finish(&pair, 0);
}

START_TEST(a_killed_greenlet_goes_away_whatever_the_function_returns)
{
    struct greenlet *g = hub_spawn_raw(run_killed, NULL);

    hub_sleep(MS);
    ck_assert_int_eq(hub_kill_join(g, SOON), 0);
    greenlet_unref(g);
    expect_answers("close(1001)");
}
END_TEST

START_TEST(an_unfinished_message_does_not_keep_it_from_closing)
{
    ck_assert_int_eq(http_websocket_send_part(pair.socket, HTTP_WEBSOCKET_TEXT,
                                              "a", 1, false, SOON), 0);
    ws_finish(&pair, 0);
    expect_answers("text...(a) close(1000)");
}
END_TEST

static void run_part(void *arg)
{
    (void)arg;
    http_websocket_send_part(pair.socket, HTTP_WEBSOCKET_TEXT, "a", 1, false,
                             SOON);
    hub_sleep(HUB_SECOND);
}

START_TEST(nor_does_one_of_another_greenlet_for_ever)
{
    struct greenlet *g = hub_spawn_raw(run_part, NULL);

    hub_sleep(MS);
    ws_finish(&pair, 0);
    expect_answers("text...(a)");
    hub_kill_join(g, SOON);
    greenlet_unref(g);
}
END_TEST

struct sending {
    struct http_websocket *socket;
    int rc;
};

static void run_send(void *arg)
{
    static char data[1 << 20];
    struct sending *sending = arg;

    sending->rc = http_websocket_send(sending->socket, HTTP_WEBSOCKET_BINARY,
                                      data, sizeof data, HUB_FOREVER);
}

START_TEST(those_who_still_send_come_out_and_may_keep_it)
{
    struct sending sending[3];
    struct greenlet *g[3];
    struct http_websocket *kept = http_websocket_ref(pair.socket);

    for (int i = 0; i < 3; i++) {
        sending[i] = (struct sending){ kept, 9 };
        g[i] = hub_spawn_raw(run_send, &sending[i]);
    }
    hub_sleep(MS);
    ws_finish(&pair, 0);
    for (int i = 0; i < 3; i++) {
        finish(g[i]);
        ck_assert_int_eq(sending[i].rc, -EPIPE);
    }
    ck_assert_int_eq(http_websocket_send(kept, HTTP_WEBSOCKET_TEXT, "x", 1,
                                         SOON), -EPIPE);
    ck_assert_int_eq(http_websocket_close(kept, 1000, NULL, SOON), -EPIPE);
    http_websocket_unref(kept);
}
END_TEST

/* A close frame that is behind what the client has sent must not be lost. */
START_TEST(what_a_bad_client_sends_on_is_read)
{
    static char data[200000];
    struct http_websocket_message message;
    struct bytes bytes = { 0 };

    frame_add(&bytes, FIN | PLAIN | TEXT, "x", 1);
    send_pieces(pair.client, &bytes, 0);
    ck_assert_int_eq(http_websocket_receive(pair.socket, &message, SOON),
                     -EBADMSG);
    ck_assert_int_gt(hub_send(pair.client, data, 50000, MSG_DONTWAIT, SOON), 0);
    hub_shutdown(pair.client, SHUT_WR);
    ws_finish(&pair, 0);
    expect_answers("close(1002)");
    bytes_free(&bytes);
}
END_TEST

START_TEST(a_server_that_stops_says_that_it_goes_away)
{
    struct client client = { .answers = true };
    struct greenlet *g = hub_spawn_raw(run_client, &client);
    struct http_websocket_message message;

    pair.socket->options.close_timeout = 20 * HUB_SECOND;
    http__control_leave(pair.socket);
    http__control_leave(pair.socket);
    ck_assert_int_eq(http_websocket_receive(pair.socket, &message, SOON), 1);
    ck_assert_int_eq(http_websocket_receive(pair.socket, &message, SOON), 0);
    ck_assert_str_eq(client.said, "1001 ");
    ws_finish(&pair, 0);
    finish(g);
}
END_TEST

START_TEST(and_leaves_who_does_not_answer)
{
    struct http_websocket_message message;

    http__control_leave(pair.socket);
    ck_assert_int_eq(http_websocket_receive(pair.socket, &message, SOON),
                     -EPIPE);
    ws_finish(&pair, 0);
    expect_answers("close(1001)");
}
END_TEST

int main(void)
{
    TCase *tcase = unit_case();

    hub_sleep(1); /* makes the hub, and its greenlet */
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, open_pair, close_pair);
    tcase_add_test(tcase, closing_waits_for_the_clients_close_frame);
    tcase_add_test(tcase,
                   a_client_that_does_not_answer_is_waited_for_only_so_long);
    tcase_add_test(tcase, closing_while_another_receives_ends_both);
    tcase_add_test(tcase, who_receives_while_another_closes_waits_for_that);
    tcase_add_loop_test(tcase, what_is_open_is_closed_when_the_function_returns,
                        0, sizeof results / sizeof *results);
    tcase_add_test(tcase,
                   a_killed_greenlet_goes_away_whatever_the_function_returns);
    tcase_add_test(tcase, an_unfinished_message_does_not_keep_it_from_closing);
    tcase_add_test(tcase, nor_does_one_of_another_greenlet_for_ever);
    tcase_add_test(tcase, those_who_still_send_come_out_and_may_keep_it);
    tcase_add_test(tcase, what_a_bad_client_sends_on_is_read);
    tcase_add_test(tcase, a_server_that_stops_says_that_it_goes_away);
    tcase_add_test(tcase, and_leaves_who_does_not_answer);
    return unit_run("websocket_close", tcase);
}
