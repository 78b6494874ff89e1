/* Each allocation of a conversation fails once: somebody is told -ENOMEM, the client
 * of the end, nothing hangs, and (by the sanitizers) nothing is lost. */
#include "websocket_client.h"

static long calls, fails_at;

static bool fails(void)
{
    return ++calls == fails_at;
}

static struct ws_pair pair;
static int no_memory;

static int see(int rc)
{
    if (rc == -ENOMEM)
        no_memory++;
    else if (rc < 0 && rc != -EPIPE)
        ck_abort_msg("%s", strerror(-rc));
    return rc;
}

/* ---- the client ---- */

static void run_writer(void *arg)
{
    static const char hello[] = "\xf2\x48\xcd\xc9\xc9\x07";
    static const char large[10000];
    struct bytes bytes = { 0 };

    frame_add(&bytes, FIN | RSV1 | TEXT, hello, sizeof hello);
    frame_add(&bytes, TEXT, "he", 2);
    frame_add(&bytes, FIN | PING, "p", 1);
    frame_add(&bytes, FIN, "llo", 3);
    frame_add(&bytes, FIN | BINARY, large, sizeof large);
    frame_add(&bytes, FIN | RSV1 | TEXT, hello, sizeof hello);
    frame_add(&bytes, FIN | CLOSE, "\x03\xe8", 2);
    send_pieces(pair.client, &bytes, (size_t)(intptr_t)arg);
    hub_shutdown(pair.client, SHUT_WR);
    bytes_free(&bytes);
}

static void run_reader(void *arg)
{
    frames_say(pair.client, arg, 256);
}

/* ---- the server ---- */

/* A failed receive may be tried again; a message that could not be taken ends it. */
static void answer(void)
{
    static char words[40000];
    struct http_websocket_message message;
    struct http_websocket *socket = pair.socket;
    int rc, tries = 0;

    memset(words, 'w', sizeof words);
    do {
        rc = see(http_websocket_receive(socket, &message, SOON));
        if (rc == 1 && message.size == 5)
            ck_assert_str_eq(message.data[0] == 'H' ? "Hello" : "hello",
                             message.data);
        if (rc != 1)
            continue;
        see(http_websocket_send(socket, message.type, message.data,
                                message.size, SOON));
        see(http_websocket_send(socket, HTTP_WEBSOCKET_BINARY, words,
                                sizeof words, SOON));
        if (see(http_websocket_send_part(socket, HTTP_WEBSOCKET_TEXT, words,
                                         500, false, SOON)) == 0)
            while (see(http_websocket_send_part(socket, HTTP_WEBSOCKET_TEXT,
                                                "", 0, true, SOON)) == -ENOMEM)
                ;
    } while (rc == 1 || (rc == -ENOMEM && tries++ < 1));
}

static void finish(struct greenlet *g)
{
    ck_assert_int_eq(hub_join(g, SOON), 0);
    greenlet_unref(g);
}

/* Returns how many allocations there were. */
static long play(const struct http__deflate_terms *terms, size_t piece, long n)
{
    char said[256] = "";
    struct greenlet *writer, *reader;

    no_memory = 0;
    ws_open(&pair, NULL, terms);
    writer = hub_spawn_raw(run_writer, (void *)(intptr_t)piece);
    reader = hub_spawn_raw(run_reader, said);
    calls = 0;
    fails_at = n;
    http__test_fails = fails;
    answer();
    ws_finish(&pair, 0);
    http__test_fails = NULL;
    finish(writer);
    finish(reader);
    ws_close(&pair, 0);
    hub_yield();
    if (n == 0)
        ck_assert_ptr_nonnull(strstr(said, "text"));
    return calls;
}

static const struct http__deflate_terms all_terms[] = {
    { .on = true, .send_bits = 12, .receive_bits = 15 },
    { .on = true, .send_bits = 12, .receive_bits = 15, .send_takeover = true,
      .receive_takeover = true },
};

START_TEST(each_allocation_fails_once)
{
    const struct http__deflate_terms *terms = &all_terms[_i / 2];
    size_t piece = _i % 2 == 0 ? 0 : 7;
    long count = play(terms, piece, 0), told = 0;

    ck_assert_int_gt(count, 20);
    for (long n = 1; n <= count; n++) {
        play(terms, piece, n);
        told += no_memory > 0;
    }
    /* Of some nobody is told: of a pong's, and of a close frame's. */
    ck_assert_int_ge(told, count * 3 / 4);
}
END_TEST

START_TEST(without_memory_there_is_none)
{
    static const struct http_websocket_options options;
    struct http__handshake_answer accepted = { .protocol = NULL };
    struct http__wire wire = { .fd = -1 };

    calls = 0;
    fails_at = 1;
    http__test_fails = fails;
    ck_assert_ptr_null(http__websocket_new(&wire, &options, &accepted));
    http__test_fails = NULL;
}
END_TEST

int main(void)
{
    TCase *tcase = unit_case();

    hub_sleep(1); /* makes the hub, and its greenlet */
    tcase_set_timeout(tcase, 300);
    tcase_add_loop_test(tcase, each_allocation_fails_once, 0, 4);
    tcase_add_test(tcase, without_memory_there_is_none);
    return unit_run("websocket_torture", tcase);
}
