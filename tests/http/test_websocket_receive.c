/* What a client sends, by clauses of RFC 6455: each stream of bytes in pieces of each
 * size. */
#include "websocket_client.h"

struct sent {
    unsigned first;
    const char *data;
    size_t size; /* 0: that of the text */
};

static const struct row {
    const char *clause;
    struct sent sent[6];
    const char *received; /* as say_received() */
    const char *answered; /* as frames_say() */
} rows[] = {
    { "5.6: text, and binary data",
      { { FIN | TEXT, "hello", 0 }, { FIN | BINARY, "\1\2", 0 },
        { FIN | CLOSE, "\x03\xe8", 0 } },
      "T(hello) B(\1\2) closed 1000", "close(1000)" },
    { "5.6: empty messages",
      { { FIN | TEXT, "", 0 }, { FIN | BINARY, "", 0 }, { FIN | CLOSE, "", 0 } },
      "T() B() closed 1005", "close()" },
    { "5.4: a message in fragments, some of them empty",
      { { TEXT, "he", 0 }, { MORE, "", 0 }, { MORE, "l", 0 }, { FIN, "lo", 0 },
        { FIN | CLOSE, "\x03\xe8", 0 } },
      "T(hello) closed 1000", "close(1000)" },
    { "5.4: control frames between fragments",
      { { TEXT, "he", 0 }, { FIN | PING, "1", 0 }, { FIN, "llo", 0 },
        { FIN | PONG, "2", 0 }, { FIN | CLOSE, "\x03\xe8", 0 } },
      "T(hello) closed 1000", "pong(1) close(1000)" },
    { "5.4: a new message inside of another",
      { { TEXT, "he", 0 }, { FIN | TEXT, "x", 0 } }, "bad", "close(1002)" },
    { "5.4: a continuation of nothing",
      { { FIN, "x", 0 } }, "bad", "close(1002)" },
    { "5.4: a continuation behind a whole message",
      { { FIN | TEXT, "a", 0 }, { MORE, "x", 0 } }, "T(a) bad", "close(1002)" },
    { "5.1: not masked",
      { { FIN | TEXT | PLAIN, "x", 0 } }, "bad", "close(1002)" },
    { "5.1: a control frame that is not masked",
      { { FIN | PING | PLAIN, "x", 0 } }, "bad", "close(1002)" },
    { "5.2: RSV1 without an extension",
      { { FIN | RSV1 | TEXT, "x", 0 } }, "bad", "close(1002)" },
    { "5.2: RSV2", { { FIN | RSV2 | TEXT, "x", 0 } }, "bad", "close(1002)" },
    { "5.2: RSV3", { { FIN | RSV3 | PING, "x", 0 } }, "bad", "close(1002)" },
    { "5.2: opcode 3", { { FIN | 3, "x", 0 } }, "bad", "close(1002)" },
    { "5.2: opcode 7", { { FIN | 7, "", 0 } }, "bad", "close(1002)" },
    { "5.2: opcode 11", { { FIN | 11, "", 0 } }, "bad", "close(1002)" },
    { "5.2: opcode 15", { { FIN | 15, "x", 0 } }, "bad", "close(1002)" },
    { "5.2: a length longer than need be, in 2 bytes",
      { { FIN | TEXT | LONG, "x", 0 } }, "bad", "close(1002)" },
    { "5.2: in 8 bytes",
      { { FIN | TEXT | LONGER, "x", 0 } }, "bad", "close(1002)" },
    { "5.2: a length of 64 bits",
      { { FIN | TEXT | HEAD | LONGER, "", (size_t)1 << 63 } },
      "bad", "close(1002)" },
    { "5.5: a fragmented control frame",
      { { PING, "x", 0 } }, "bad", "close(1002)" },
    { "5.5: a control frame of 126 bytes",
      { { FIN | PING | HEAD | LONG, "", 126 } }, "bad", "close(1002)" },
    { "5.5.1: a reason", { { FIN | CLOSE, "\x0b\xb8" "bye", 0 } },
      "closed 3000 bye", "close(3000)" },
    { "5.5.1: one byte", { { FIN | CLOSE, "\x03", 0 } }, "bad", "close(1002)" },
    { "5.5.1: a reason that is not UTF-8",
      { { FIN | CLOSE, "\x03\xe8\xff", 0 } }, "text", "close(1007)" },
    { "5.5.1: what follows a close frame is not looked at",
      { { FIN | CLOSE, "\x03\xe8", 0 }, { FIN | TEXT, "x", 0 } },
      "closed 1000", "close(1000)" },
    { "5.5.2: a ping without data", { { FIN | PING, "", 0 },
      { FIN | CLOSE, "", 0 } }, "closed 1005", "pong() close()" },
    { "5.5.3: a pong that nobody asked for",
      { { FIN | PONG, "x", 0 }, { FIN | TEXT, "a", 0 }, { FIN | CLOSE, "", 0 } },
      "T(a) closed 1005", "close()" },
    { "7.1.4: the end without a close frame",
      { { FIN | TEXT, "a", 0 } }, "T(a) gone", "" },
    { "7.1.4: the end within a message",
      { { TEXT, "a", 0 } }, "gone", "" },
    { "7.1.4: the end within a frame",
      { { FIN | TEXT | HEAD, "", 5 } }, "gone", "" },
    { "7.4.1: code 999", { { FIN | CLOSE, "\x03\xe7", 0 } }, "bad", "close(1002)" },
    { "7.4.1: 1004", { { FIN | CLOSE, "\x03\xec", 0 } }, "bad", "close(1002)" },
    { "7.4.1: 1005", { { FIN | CLOSE, "\x03\xed", 0 } }, "bad", "close(1002)" },
    { "7.4.1: 1006", { { FIN | CLOSE, "\x03\xee", 0 } }, "bad", "close(1002)" },
    { "7.4.1: 1011", { { FIN | CLOSE, "\x03\xf3", 0 } },
      "closed 1011", "close(1011)" },
    { "7.4.1: 1014", { { FIN | CLOSE, "\x03\xf6", 0 } },
      "closed 1014", "close(1014)" },
    { "7.4.1: 1015", { { FIN | CLOSE, "\x03\xf7", 0 } }, "bad", "close(1002)" },
    { "7.4.2: 2999", { { FIN | CLOSE, "\x0b\xb7", 0 } }, "bad", "close(1002)" },
    { "7.4.2: 4999", { { FIN | CLOSE, "\x13\x87", 0 } },
      "closed 4999", "close(4999)" },
    { "7.4.2: 5000", { { FIN | CLOSE, "\x13\x88", 0 } }, "bad", "close(1002)" },
    { "8.1: text", { { FIN | TEXT, "\xce\xba\xf0\x9f\x98\x80", 0 },
      { FIN | CLOSE, "", 0 } }, "T(\xce\xba\xf0\x9f\x98\x80) closed 1005",
      "close()" },
    { "8.1: a character in three frames",
      { { TEXT, "\xe2", 0 }, { MORE, "\x82", 0 }, { FIN, "\xac", 0 },
        { FIN | CLOSE, "", 0 } }, "T(\xe2\x82\xac) closed 1005", "close()" },
    { "8.1: a character that is cut at the end",
      { { FIN | TEXT, "a\xe2\x82", 0 } }, "text", "close(1007)" },
    { "8.1: one that goes wrong in the next frame",
      { { TEXT, "\xe2\x82", 0 }, { FIN, "a", 0 } }, "text", "close(1007)" },
    { "8.1: a surrogate", { { FIN | TEXT, "\xed\xa0\x80", 0 } },
      "text", "close(1007)" },
    { "8.1: not shortest", { { FIN | TEXT, "\xc0\xaf", 0 } },
      "text", "close(1007)" },
    { "8.1: beyond U+10FFFF", { { TEXT, "\xf4\x90\x80\x80", 0 } },
      "text", "close(1007)" },
    { "8.1: binary data is anything",
      { { FIN | BINARY, "\xc0\xaf\xff", 0 }, { FIN | CLOSE, "", 0 } },
      "B(\xc0\xaf\xff) closed 1005", "close()" },
    { "10.4: a frame beyond the limit is not waited for",
      { { FIN | BINARY | HEAD, "", 201 }, { FIN | TEXT, "x", 0 } },
      "big", "close(1009)" },
    { "10.4: nor one of 2^62 bytes",
      { { FIN | BINARY | HEAD | LONGER, "", (size_t)1 << 62 },
        { FIN | TEXT, "x", 0 } }, "big", "close(1009)" },
    { "10.4: a message beyond it in frames",
      { { BINARY, NULL, 150 }, { FIN, NULL, 51 } }, "big", "close(1009)" },
    { "10.4: a message that reaches it",
      { { BINARY, NULL, 150 }, { FIN, NULL, 50 }, { FIN | CLOSE, "", 0 } },
      "B[200] closed 1005", "close()" },
    { "many small frames, a long one",
      { { FIN | TEXT, "1", 0 }, { FIN | TEXT, "2", 0 }, { FIN | TEXT, "3", 0 },
        { FIN | BINARY, NULL, 200 }, { FIN | TEXT, "5", 0 },
        { FIN | CLOSE, "", 0 } },
      "T(1) T(2) T(3) B[200] T(5) closed 1005", "close()" },
};

enum { PIECES = 12 };

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

static void add_all(struct bytes *bytes, const struct row *row)
{
    static const char filler[300];
    const struct sent *sent;
    size_t size;

    for (int i = 0; i < 6 && row->sent[i].first != 0; i++) {
        sent = &row->sent[i];
        size = sent->size != 0 || sent->data == NULL ? sent->size
                                                     : strlen(sent->data);
        frame_add(bytes, sent->first, sent->data != NULL ? sent->data : filler,
                  size);
    }
}


static void play(const struct row *row, size_t piece)
{
    struct http_websocket_options options = { .message_limit = 200 };
    struct http_websocket_message message;
    struct client client = { .piece = piece };
    char received[512] = "", answered[512];
    struct greenlet *greenlet;
    struct ws_pair pair;
    int rc;

    ws_open(&pair, &options, NULL);
    client.fd = pair.client;
    add_all(&client.bytes, row);
    greenlet = hub_spawn_raw(run_client, &client);
    do {
        rc = http_websocket_receive(pair.socket, &message, SOON);
        say_received(received, sizeof received, pair.socket, &message, rc);
    } while (rc == 1);
    ck_assert_int_eq(hub_join(greenlet, SOON), 0);
    greenlet_unref(greenlet);
    ck_assert_ptr_null(pair.socket->in.frames.context);
    ws_finish(&pair, 0);
    frames_say(pair.client, answered, sizeof answered);
    ck_assert_msg(strcmp(received, row->received) == 0 &&
                      strcmp(answered, row->answered) == 0,
                  "%s, in pieces of %zu: received %s, answered %s",
                  row->clause, piece, received, answered);
    bytes_free(&client.bytes);
    ws_close(&pair, 0);
}

START_TEST(a_stream_of_frames)
{
    for (size_t piece = 0; piece <= PIECES; piece++)
        play(&rows[_i], piece);
}
END_TEST

int main(void)
{
    TCase *tcase = unit_case();

    hub_sleep(1); /* makes the hub, and its greenlet */
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, a_stream_of_frames, 0,
                        sizeof rows / sizeof *rows);
    return unit_run("websocket_receive", tcase);
}
