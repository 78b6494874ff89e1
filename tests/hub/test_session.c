/* TLS sessions in trouble: kills, closes, peers that do not read or that send too
 * much, new keys; and streams over them. */
#include "tls_pair.h"

#include "hub/tls/tls_impl.h"

static struct hub_tls *ours;

static void finish(struct greenlet *g)
{
    ck_assert_int_eq(hub_join(g, SOON), 0);
    greenlet_unref(g);
}

/* ---- the handshake ---- */

static void shakes_hands(void *arg)
{
    *(int *)arg = hub_tls_open(client_context, client_fd, "good.test",
                               HUB_FOREVER, &ours);
}

/* By a kill, a close, and an end of the other side.  The fd stays the caller's. */
START_TEST(a_handshake_ends_early)
{
    static const int expected[] = { -ECANCELED, -EBADF, -ECONNRESET };
    int ends[2], rc = 9;
    struct greenlet *g;

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    client_fd = ends[0];
    g = hub_spawn_raw(shakes_hands, &rc);
    hub_sleep(MS);
    if (_i == 0)
        hub_kill(g);
    else if (_i == 1)
        hub_close(ends[0]);
    else
        shutdown(ends[1], SHUT_WR);
    finish(g);
    ck_assert_int_eq(rc, expected[_i]);
    if (_i != 1)
        ck_assert_int_eq(hub_close(ends[0]), 0);
    close(ends[1]);
}
END_TEST

/* ---- others have their turn ---- */

static bool stop;
static long turns;

static void counts(void *arg)
{
    (void)arg;
    while (!stop) {
        turns++;
        hub_yield();
    }
}

START_TEST(what_is_there_already_does_not_starve_the_others)
{
    static char block[16000];
    struct hub_tls *client;
    struct greenlet *g;
    char byte;

    ck_assert_int_eq(meet("good.test", &client), 0);
    ck_assert_int_eq(hub_tls_write(client, block, sizeof block, SOON),
                     sizeof block);
    stop = false;
    g = hub_spawn_raw(counts, NULL);
    hub_yield();
    turns = 0;
    for (size_t i = 0; i < sizeof block; i++)
        ck_assert_int_eq(hub_tls_read(server.tls, &byte, 1, HUB_NOWAIT), 1);
    ck_assert_int_gt(turns, 100);
    turns = 0;
    for (int i = 0; i < 200; i++)
        ck_assert_int_eq(hub_tls_write(client, "x", 1, SOON), 1);
    ck_assert_int_gt(turns, 1);
    stop = true;
    finish(g);
    part(client);
}
END_TEST

static ssize_t read_rc, write_rc;

static void reads_and_writes_when_killed(void *arg)
{
    char byte;

    hub_sleep(HUB_SECOND); /* until it is killed */
    read_rc = hub_tls_read(server.tls, &byte, 1, SOON);
    write_rc = hub_tls_write(arg, "x", 1, SOON);
}

START_TEST(who_was_killed_gets_nothing_more)
{
    struct hub_tls *client;
    struct greenlet *g;
    char text[8];

    ck_assert_int_eq(meet("good.test", &client), 0);
    ck_assert_int_eq(hub_tls_write(client, "ab", 2, SOON), 2);
    g = hub_spawn_raw(reads_and_writes_when_killed, client);
    hub_yield();
    hub_kill(g);
    finish(g);
    ck_assert_int_eq(read_rc, -ECANCELED);
    ck_assert_int_eq(write_rc, -ECANCELED);
    ck_assert_int_eq(hub_tls_read(server.tls, text, 8, SOON), 2);
    ck_assert_int_eq(hub_tls_read(server.tls, text, 8, HUB_NOWAIT), -EAGAIN);
    part(client);
}
END_TEST

/* ---- what is taken and not sent ---- */

static size_t arrived;

static void reads_all(void *arg)
{
    char buffer[5000];
    ssize_t got;

    (void)arg;
    while ((got = hub_tls_read(server.tls, buffer, sizeof buffer, SOON)) > 0)
        arrived += (size_t)got;
}

/* A flush that is in time has sent all; and a close sends what is left. */
START_TEST(a_stream_over_a_session_loses_nothing)
{
    static char block[10000];
    struct hub_tls *client;
    struct hub_stream *stream;
    struct greenlet *g;
    size_t written = 0;
    int rc = 0;

    ck_assert_int_eq(meet("good.test", &client), 0);
    stream = hub_stream_new(&hub_tls_transport, client);
    while (rc == 0) {
        ck_assert_int_eq(hub_stream_write(stream, block, sizeof block, SOON),
                         0);
        written += sizeof block;
        rc = hub_stream_flush(stream, hub_deadline(5 * MS));
        ck_assert(rc != 0 || client->out_size == 0);
    }
    ck_assert_int_eq(rc, -ETIMEDOUT);
    arrived = 0;
    g = hub_spawn_raw(reads_all, NULL);
    ck_assert_int_eq(hub_stream_close(stream, SOON), 0);
    finish(g);
    ck_assert_uint_eq(arrived, written);
    hub_tls_free(server.tls);
}
END_TEST

START_TEST(nothing_is_written_by_a_write_of_nothing)
{
    struct hub_tls *client;
    char byte;

    ck_assert_int_eq(meet("good.test", &client), 0);
    ck_assert_int_eq(hub_tls_write(client, NULL, 0, SOON), 0);
    ck_assert_int_eq(hub_tls_read(client, &byte, 0, SOON), 0);
    ck_assert_int_eq(hub_tls_read(server.tls, &byte, 1, hub_deadline(MS)),
                     -ETIMEDOUT);
    part(client);
}
END_TEST

static void writes_for_ever(void *arg)
{
    static char block[50000];
    ssize_t put;

    while ((put = hub_tls_write(ours, block, sizeof block, HUB_FOREVER)) > 0)
        ;
    *(int *)arg = (int)put;
}

/* By a kill, by a close of the session, and by a peer that goes. */
START_TEST(a_write_to_a_peer_that_does_not_read_ends_early)
{
    static const int expected[] = { -ECANCELED, -EBADF, -EPIPE };
    struct greenlet *g;
    int rc = 9;

    ck_assert_int_eq(meet("good.test", &ours), 0);
    g = hub_spawn_raw(writes_for_ever, &rc);
    hub_sleep(5 * MS);
    ck_assert_int_eq(rc, 9);
    if (_i == 0)
        hub_kill(g);
    else if (_i == 1)
        hub_tls_close(ours);
    else
        hub_tls_close(server.tls);
    finish(g);
    if (_i == 2)
        ck_assert(rc == -EPIPE || rc == -ECONNRESET);
    else
        ck_assert_int_eq(rc, expected[_i]);
    part(ours);
}
END_TEST

/* ---- new keys ---- */

static void exchange(struct hub_tls *a, struct hub_tls *b)
{
    char text[8];

    ck_assert_int_eq(hub_tls_write(a, "ping", 4, SOON), 4);
    ck_assert_int_eq(hub_tls_read(b, text, sizeof text, SOON), 4);
    ck_assert_int_eq(hub_tls_write(b, "pong", 4, SOON), 4);
    ck_assert_int_eq(hub_tls_read(a, text, sizeof text, SOON), 4);
}

START_TEST(new_keys_in_the_middle)
{
    struct hub_tls *client;

    ck_assert_int_eq(meet("good.test", &client), 0);
    for (int i = 0; i < 3; i++) {
        SSL *native = hub_tls_native(i % 2 == 0 ? client : server.tls);

        ck_assert_int_eq(SSL_key_update(native, SSL_KEY_UPDATE_REQUESTED), 1);
        exchange(client, server.tls);
        exchange(server.tls, client);
    }
    part(client);
}
END_TEST

/* TLS 1.2: nobody shakes hands again, and the session goes on, or ends with an
 * error; it does not hang. */
START_TEST(shaking_hands_again_is_refused)
{
    struct hub_tls *client;
    char text[8];
    ssize_t got;

    SSL_CTX_set_max_proto_version(hub_tls_context_native(client_context),
                                  TLS1_2_VERSION);
    ck_assert_int_eq(meet("good.test", &client), 0);
    ck_assert_str_eq(hub_tls_version(client), "TLSv1.2");
    exchange(client, server.tls);
    ck_assert_int_eq(SSL_renegotiate(hub_tls_native(client)), 0);
    ERR_clear_error();
    exchange(client, server.tls);
    hub_tls_close(client);
    got = hub_tls_read(server.tls, text, sizeof text, SOON);
    ck_assert_int_eq(got, -ECONNRESET);
    part(client);
}
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("unit");
    int rc;

    make_certificates();
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, begin, end);
    tcase_add_checked_fixture(tcase, unit_setup, unit_teardown);
    tcase_add_loop_test(tcase, a_handshake_ends_early, 0, 3);
    tcase_add_test(tcase, what_is_there_already_does_not_starve_the_others);
    tcase_add_test(tcase, who_was_killed_gets_nothing_more);
    tcase_add_test(tcase, a_stream_over_a_session_loses_nothing);
    tcase_add_test(tcase, nothing_is_written_by_a_write_of_nothing);
    tcase_add_loop_test(tcase, a_write_to_a_peer_that_does_not_read_ends_early,
                        0, 3);
    tcase_add_test(tcase, new_keys_in_the_middle);
    tcase_add_test(tcase, shaking_hands_again_is_refused);
    rc = unit_run("session", tcase);
    remove_certificates();
    return rc;
}
