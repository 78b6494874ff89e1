/* Compressed messages, by clauses of RFC 7692. */
#include "websocket_client.h"

#include <zlib.h>

static const struct http__deflate_terms plain_terms = {
    .on = true, .send_bits = 15, .receive_bits = 15
};
static const struct http__deflate_terms takeover = {
    .on = true, .send_bits = 15, .receive_bits = 15, .send_takeover = true,
    .receive_takeover = true
};

/* ---- what a client sends ---- */

#define HELLO "\xf2\x48\xcd\xc9\xc9\x07\x00"
#define BYE { FIN | CLOSE, "", 0 }
#define D(text) text, sizeof text - 1

static const struct row {
    const char *clause;
    const struct http__deflate_terms *terms;
    struct {
        unsigned first;
        const char *data;
        size_t size;
    } sent[5];
    const char *received;
} rows[] = {
    { "7.2.3.1: one block", &plain_terms,
      { { FIN | RSV1 | TEXT, D(HELLO) }, BYE }, "T(Hello) closed 1005" },
    { "in fragments", &plain_terms,
      { { RSV1 | TEXT, D("\xf2\x48\xcd") }, { FIN, D("\xc9\xc9\x07\x00") },
        BYE }, "T(Hello) closed 1005" },
    { "a last fragment without data", &plain_terms,
      { { RSV1 | TEXT, D(HELLO) }, { FIN, "", 0 }, BYE },
      "T(Hello) closed 1005" },
    { "7.2.3.2: the window goes on", &takeover,
      { { FIN | RSV1 | TEXT, D(HELLO) },
        { FIN | RSV1 | TEXT, D("\xf2\x00\x11\x00\x00") }, BYE },
      "T(Hello) T(Hello) closed 1005" },
    { "and not where that was not agreed on", &plain_terms,
      { { FIN | RSV1 | TEXT, D(HELLO) },
        { FIN | RSV1 | TEXT, D("\xf2\x00\x11\x00\x00") }, BYE },
      "T(Hello) text" },
    { "7.2.3.3: a block without compression", &plain_terms,
      { { FIN | RSV1 | TEXT, D("\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00") },
        BYE }, "T(Hello) closed 1005" },
    { "7.2.3.4: BFINAL", &plain_terms,
      { { FIN | RSV1 | TEXT, D("\xf3\x48\xcd\xc9\xc9\x07\x00\x00") }, BYE },
      "T(Hello) closed 1005" },
    { "the window goes on behind it", &takeover,
      { { FIN | RSV1 | TEXT, D("\xf3\x48\xcd\xc9\xc9\x07\x00\x00") },
        { FIN | RSV1 | TEXT, D("\xf2\x00\x11\x00\x00") }, BYE },
      "T(Hello) T(Hello) closed 1005" },
    { "7.2.3.5: two blocks", &plain_terms,
      { { FIN | RSV1 | TEXT, D("\xf2\x48\x05\x00\x00\x00\xff\xff"
                               "\xca\xc9\xc9\x07\x00") }, BYE },
      "T(Hello) closed 1005" },
    { "7.2.3.6: an empty message", &plain_terms,
      { { FIN | RSV1 | TEXT, D("\x00") }, BYE }, "T() closed 1005" },
    { "6: messages that are not compressed", &plain_terms,
      { { FIN | TEXT, D("a") }, { FIN | RSV1 | TEXT, D(HELLO) },
        { FIN | BINARY, D("b") }, BYE }, "T(a) T(Hello) B(b) closed 1005" },
    { "6.1: RSV1 of a continuation", &plain_terms,
      { { RSV1 | TEXT, D("\xf2\x48\xcd") },
        { FIN | RSV1, D("\xc9\xc9\x07\x00") } }, "bad" },
    { "6.1: of a control frame", &plain_terms,
      { { FIN | RSV1 | PING, D(HELLO) } }, "bad" },
    { "RSV2", &plain_terms, { { FIN | RSV1 | RSV2 | TEXT, D(HELLO) } }, "bad" },
    { "no deflate data", &plain_terms,
      { { FIN | RSV1 | TEXT, D("\xff\xff\xff\xff") } }, "text" },
    { "data that is cut", &plain_terms,
      { { FIN | RSV1 | TEXT, D("\xf2\x48\xcd") } }, "text" },
    { "a block that is cut", &plain_terms,
      { { FIN | RSV1 | BINARY, D("\x00\x09\x00\xf6\xff\x48") } }, "text" },
    { "none at all", &plain_terms, { { FIN | RSV1 | TEXT, "", 0 } }, "text" },
    { "text that is none when inflated", &plain_terms,
      { { FIN | RSV1 | TEXT, D("\x00\x02\x00\xfd\xff\xc3\x28\x00") } }, "text" },
    { "binary data may be so", &plain_terms,
      { { FIN | RSV1 | BINARY, D("\x00\x02\x00\xfd\xff\xc3\x28\x00") }, BYE },
      "B(\xc3() closed 1005" },
};

struct client {
    int fd;
    size_t piece;
    struct bytes bytes;
};

static void run_client(void *arg)
{
    struct client *client = arg;

    send_pieces(client->fd, &client->bytes, client->piece);
    hub_shutdown(client->fd, SHUT_WR);
}

static void receive_all(struct client *client, struct ws_pair *pair,
                        char *text, size_t size)
{
    struct http_websocket_message message;
    struct greenlet *greenlet;
    int rc;

    text[0] = '\0';
    client->fd = pair->client;
    greenlet = hub_spawn_raw(run_client, client);
    do {
        rc = http_websocket_receive(pair->socket, &message, SOON);
        say_received(text, size, pair->socket, &message, rc);
    } while (rc == 1);
    ck_assert_int_eq(hub_join(greenlet, SOON), 0);
    greenlet_unref(greenlet);
    bytes_free(&client->bytes);
}

START_TEST(a_compressed_stream)
{
    const struct row *row = &rows[_i];
    char text[256];

    for (size_t piece = 0; piece < 12; piece++) {
        struct client client = { .piece = piece };
        struct ws_pair pair;

        ws_open(&pair, NULL, row->terms);
        for (int i = 0; i < 5 && row->sent[i].first != 0; i++)
            frame_add(&client.bytes, row->sent[i].first, row->sent[i].data,
                      row->sent[i].size);
        receive_all(&client, &pair, text, sizeof text);
        ck_assert_msg(strcmp(text, row->received) == 0,
                      "%s, in pieces of %zu: %s", row->clause, piece, text);
        ws_close(&pair, 0);
    }
}
END_TEST

/* So many zero bytes, compressed. */
static void squeeze(struct bytes *bytes, size_t size)
{
    z_stream stream = { .zalloc = NULL };
    uint8_t out[4096], *zeros = calloc(1, size);

    deflateInit2(&stream, 9, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY);
    stream.next_in = zeros;
    stream.avail_in = (unsigned)size;
    do {
        stream.next_out = out;
        stream.avail_out = sizeof out;
        deflate(&stream, Z_SYNC_FLUSH);
        bytes_add(bytes, out, sizeof out - stream.avail_out);
    } while (stream.avail_out == 0);
    bytes->size -= 4;
    deflateEnd(&stream);
    free(zeros);
}

static const struct {
    size_t size;
    const char *received;
} bombs[] = {
    { 1 << 20, "B[1048576] gone" }, { (1 << 20) + 1, "big" }, { 50 << 20, "big" }
};

START_TEST(the_limit_counts_what_is_inflated)
{
    struct client client = { .piece = 0 };
    struct bytes data = { 0 };
    struct ws_pair pair;
    char text[64];

    squeeze(&data, bombs[_i].size);
    frame_add(&client.bytes, FIN | RSV1 | BINARY, data.data, data.size);
    ws_open(&pair, NULL, &plain_terms);
    receive_all(&client, &pair, text, sizeof text);
    ck_assert_str_eq(text, bombs[_i].received);
    ck_assert_uint_le(pair.socket->in.room, 2 << 20);
    ws_close(&pair, 0);
    bytes_free(&data);
}
END_TEST

START_TEST(nothing_is_held_between_messages)
{
    struct http_websocket_message message;
    struct bytes bytes = { 0 };
    struct ws_pair pair;

    ws_open(&pair, NULL, &plain_terms);
    frame_add(&bytes, FIN | RSV1 | TEXT, HELLO, sizeof HELLO - 1);
    send_pieces(pair.client, &bytes, 0);
    ck_assert_int_eq(http_websocket_receive(pair.socket, &message, SOON), 1);
    ck_assert_int_eq(http_websocket_receive(pair.socket, &message, HUB_NOWAIT),
                     -EAGAIN);
    ck_assert_ptr_null(pair.socket->in.frames.context);
    ck_assert_ptr_null(pair.socket->in.inflate.stream);
    ck_assert_ptr_null(pair.socket->in.data);
    ck_assert_int_eq(http_websocket_send(pair.socket, HTTP_WEBSOCKET_BINARY,
                                         rows, sizeof rows, SOON), 0);
    ck_assert_ptr_null(pair.socket->out.deflate.stream);
    bytes_free(&bytes);
    ws_close(&pair, 0);
}
END_TEST

/* ---- what a client gets ---- */

/* One that inflates messages, with or without what was before them. */
struct inflater {
    z_stream stream;
    bool takeover;
    unsigned frames, compressed;
};

static void inflate_frame(struct inflater *inflater, struct bytes *message,
                          const void *data, size_t size)
{
    uint8_t out[4096];

    inflater->stream.next_in = (Bytef *)(uintptr_t)data;
    inflater->stream.avail_in = (unsigned)size;
    do {
        int rc;

        inflater->stream.next_out = out;
        inflater->stream.avail_out = sizeof out;
        rc = inflate(&inflater->stream, Z_SYNC_FLUSH);
        ck_assert(rc == Z_OK || rc == Z_BUF_ERROR);
        bytes_add(message, out, sizeof out - inflater->stream.avail_out);
    } while (inflater->stream.avail_out == 0);
}

static void get_message(struct inflater *inflater, int fd,
                        struct bytes *message)
{
    struct frame frame;
    bool compressed = false, last;

    inflater->frames = 0;
    do {
        ck_assert(frame_get(fd, &frame));
        last = (frame.first & FIN) != 0;
        ck_assert_int_eq((frame.first & 15) == 0, inflater->frames > 0);
        if (inflater->frames++ == 0)
            compressed = (frame.first & RSV1) != 0;
        else
            ck_assert_uint_eq(frame.first & RSV1, 0);
        if (compressed)
            inflate_frame(inflater, message, frame.data, frame.size);
        else
            bytes_add(message, frame.data, frame.size);
        free(frame.data);
    } while (!last);
    if (compressed) {
        inflate_frame(inflater, message, "\0\0\xff\xff", 4);
        inflater->compressed++;
    }
    if (compressed && !inflater->takeover)
        inflateReset(&inflater->stream);
}

enum kind { ZEROS, NOISE, WORDS };

static char *make_data(enum kind kind, size_t size)
{
    char *data = malloc(size + 1);
    uint32_t random = 12345;

    for (size_t i = 0; i < size; i++) {
        random = random * 1103515245 + 12345;
        data[i] = kind == ZEROS   ? 'z'
                  : kind == NOISE ? (char)(random >> 16)
                                  : "etaoin shrdlu"[(random >> 20) % 13];
    }
    return data;
}

struct sending {
    struct http_websocket *socket;
    char *data;
    size_t size, part; /* 0: whole */
};

static void run_send(void *arg)
{
    struct sending *s = arg;
    size_t at = 0, size;

    if (s->part == 0) {
        ck_assert_int_eq(http_websocket_send(s->socket, HTTP_WEBSOCKET_BINARY,
                                             s->data, s->size, SOON), 0);
        return;
    }
    do {
        size = s->size - at < s->part ? s->size - at : s->part;
        ck_assert_int_eq(http_websocket_send_part(
                             s->socket, HTTP_WEBSOCKET_BINARY, s->data + at,
                             size, false, SOON), 0);
        at += size;
    } while (at < s->size);
    ck_assert_int_eq(http_websocket_send_part(s->socket, HTTP_WEBSOCKET_BINARY,
                                              "", 0, true, SOON), 0);
}

static const size_t sizes[] = { 0, 1, 255, 256, 257, 1000, 16379, 16380, 16384,
                                20000, 65536, 300000 };

static void send_all(const struct http__deflate_terms *terms, enum kind kind,
                     size_t part)
{
    struct inflater inflater = { .takeover = terms->send_takeover };
    struct ws_pair pair;

    ws_open(&pair, NULL, terms);
    ck_assert_int_eq(inflateInit2(&inflater.stream, -terms->send_bits), Z_OK);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct sending sending = { pair.socket, make_data(kind, sizes[i]),
                                   sizes[i], part };
        struct greenlet *sender = hub_spawn_raw(run_send, &sending);
        struct bytes message = { 0 };

        get_message(&inflater, pair.client, &message);
        ck_assert_uint_eq(message.size, sizes[i]);
        ck_assert_int_eq(memcmp(message.data != NULL ? (void *)message.data : "",
                                sending.data, sizes[i]), 0);
        ck_assert_int_eq(hub_join(sender, SOON), 0);
        greenlet_unref(sender);
        bytes_free(&message);
        free(sending.data);
    }
    if (kind != NOISE)
        ck_assert_uint_ge(inflater.compressed, 8);
    inflateEnd(&inflater.stream);
    ws_close(&pair, 0);
}

static const struct http__deflate_terms all_terms[] = {
    { .on = true, .send_bits = 15, .receive_bits = 15 },
    { .on = true, .send_bits = 9, .receive_bits = 15 },
    { .on = true, .send_bits = 15, .receive_bits = 15, .send_takeover = true },
    { .on = true, .send_bits = 10, .receive_bits = 15, .send_takeover = true },
};

START_TEST(what_is_sent_can_be_inflated)
{
    for (enum kind kind = ZEROS; kind <= WORDS; kind++)
        for (size_t part = 0; part < 2; part++)
            send_all(&all_terms[_i], kind, part * 7000);
}
END_TEST

/* "12 34" is as good as nothing: it is sent as it is. */
START_TEST(what_does_not_become_smaller_is_sent_as_it_is)
{
    struct ws_pair pair;
    char *data = make_data(NOISE, 1000);
    struct frame frame;

    ws_open(&pair, NULL, &plain_terms);
    ck_assert_int_eq(http_websocket_send(pair.socket, HTTP_WEBSOCKET_BINARY,
                                         data, 1000, SOON), 0);
    ck_assert(frame_get(pair.client, &frame));
    ck_assert_uint_eq(frame.first, FIN | BINARY);
    ck_assert_uint_eq(frame.size, 1000);
    free(frame.data);
    free(data);
    ws_close(&pair, 0);
}
END_TEST

#define COUNT(rows) (int)(sizeof(rows) / sizeof *(rows))

int main(void)
{
    TCase *tcase = unit_case();

    hub_sleep(1); /* makes the hub, and its greenlet */
    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, a_compressed_stream, 0, COUNT(rows));
    tcase_add_loop_test(tcase, the_limit_counts_what_is_inflated, 0,
                        COUNT(bombs));
    tcase_add_test(tcase, nothing_is_held_between_messages);
    tcase_add_loop_test(tcase, what_is_sent_can_be_inflated, 0,
                        COUNT(all_terms));
    tcase_add_test(tcase, what_does_not_become_smaller_is_sent_as_it_is);
    return unit_run("websocket_deflate", tcase);
}
