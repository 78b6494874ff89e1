/* websocket_client.c - a client of WebSockets as small as tests need it */
#include "websocket_client.h"

#include <stdarg.h>
#include <sys/socket.h>

/* ---- bytes ---- */

void bytes_add(struct bytes *bytes, const void *data, size_t size)
{
    if (size == 0)
        return;
    if (bytes->size + size > bytes->room) {
        bytes->room = 2 * (bytes->size + size);
        bytes->data = realloc(bytes->data, bytes->room);
        ck_assert_ptr_nonnull(bytes->data);
    }
    memcpy(bytes->data + bytes->size, data, size);
    bytes->size += size;
}

void bytes_free(struct bytes *bytes)
{
    free(bytes->data);
    memset(bytes, 0, sizeof *bytes);
}

/* ---- what a client sends ---- */

static void length_add(struct bytes *bytes, unsigned first, size_t size)
{
    uint8_t mask = (first & PLAIN) != 0 ? 0 : 0x80;
    uint8_t head[9] = { mask | 127 };

    for (int i = 0; i < 8; i++)
        head[1 + i] = (uint8_t)((uint64_t)size >> (56 - 8 * i));
    if ((first & LONGER) != 0 || (size > 65535 && (first & LONG) == 0)) {
        bytes_add(bytes, head, 9);
    } else if ((first & LONG) != 0 || size > 125) {
        head[6] = mask | 126;
        bytes_add(bytes, head + 6, 3);
    } else {
        head[0] = (uint8_t)(mask | size);
        bytes_add(bytes, head, 1);
    }
}

void frame_add(struct bytes *bytes, unsigned first, const void *data,
               size_t size)
{
    static const uint8_t key[4] = { 0x37, 0xfa, 0x21, 0x3d };
    uint8_t byte = (uint8_t)first;

    bytes_add(bytes, &byte, 1);
    length_add(bytes, first, size);
    if ((first & PLAIN) == 0)
        bytes_add(bytes, key, 4);
    for (size_t i = 0; (first & HEAD) == 0 && i < size; i++) {
        byte = ((const uint8_t *)data)[i];
        if ((first & PLAIN) == 0)
            byte ^= key[i % 4];
        bytes_add(bytes, &byte, 1);
    }
}

void send_pieces(int fd, const struct bytes *bytes, size_t piece)
{
    size_t at = 0, size;

    while (at < bytes->size) {
        size = bytes->size - at;
        if (piece != 0 && size > piece)
            size = piece;
        if (hub_send_all(fd, bytes->data + at, size, 0, NULL, SOON) < 0)
            return; /* the server has had enough */
        at += size;
        hub_yield();
    }
}

/* ---- what it gets ---- */

static bool get(int fd, void *data, size_t size)
{
    return hub_recv_all(fd, data, size, NULL, SOON) == 0;
}

bool frame_get(int fd, struct frame *frame)
{
    uint8_t head[2], more[8];
    size_t count;

    if (!get(fd, head, 2))
        return false;
    ck_assert_uint_eq(head[1] & 0x80, 0); /* RFC 6455, 5.1: never masked */
    frame->first = head[0];
    frame->size = head[1];
    count = head[1] == 127 ? 8 : head[1] == 126 ? 2 : 0;
    if (count > 0) {
        ck_assert(get(fd, more, count));
        frame->size = 0;
        for (size_t i = 0; i < count; i++)
            frame->size = frame->size << 8 | more[i];
        ck_assert_uint_ge(frame->size, count == 8 ? 65536 : 126); /* 5.2 */
    }
    frame->data = calloc(1, frame->size + 1);
    ck_assert_ptr_nonnull(frame->data);
    ck_assert(get(fd, frame->data, frame->size));
    return true;
}

static void say(char *text, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void say(char *text, size_t size, const char *format, ...)
{
    size_t at = strlen(text);
    va_list args;

    if (at > 0 && at + 1 < size) {
        text[at++] = ' ';
        text[at] = '\0';
    }
    va_start(args, format);
    vsnprintf(text + at, size - at, format, args);
    va_end(args);
}

static void say_frame(char *text, size_t size, const struct frame *frame)
{
    static const char *const names[16] = {
        "more", "text", "binary", [CLOSE] = "close", "ping", "pong"
    };
    const char *name = names[frame->first & 15];

    ck_assert_ptr_nonnull(name);
    if ((frame->first & 15) != CLOSE)
        say(text, size, "%s%s(%.40s)", name, frame->first & FIN ? "" : "...",
            (const char *)frame->data);
    else if (frame->size == 0)
        say(text, size, "close()");
    else
        say(text, size, "close(%d%.40s)", frame->data[0] << 8 | frame->data[1],
            (const char *)frame->data + 2);
}

void frames_say(int fd, char *text, size_t size)
{
    struct frame frame;

    text[0] = '\0';
    while (frame_get(fd, &frame)) {
        say_frame(text, size, &frame);
        free(frame.data);
    }
}

/* ---- a pair ---- */

void ws_open(struct ws_pair *pair, const struct http_websocket_options *options,
             const struct http__deflate_terms *terms)
{
    static const struct http_websocket_options defaults;
    struct http__handshake_answer answer = { .protocol = NULL };
    int ends[2];

    ck_assert_int_eq(hub_socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    pair->client = ends[0];
    pair->wire = (struct http__wire){ .fd = ends[1] };
    if (terms != NULL)
        answer.deflate = *terms;
    pair->socket = http__websocket_new(
        &pair->wire, options != NULL ? options : &defaults, &answer);
    ck_assert_ptr_nonnull(pair->socket);
}

void ws_finish(struct ws_pair *pair, int rc)
{
    if (pair->socket != NULL)
        http__websocket_finish(pair->socket, rc);
    pair->socket = NULL;
    http__wire_close(&pair->wire);
}

void ws_close(struct ws_pair *pair, int rc)
{
    if (pair->client >= 0)
        hub_shutdown(pair->client, SHUT_RDWR);
    ws_finish(pair, rc);
    if (pair->client >= 0)
        hub_close(pair->client);
    pair->client = -1;
}

/* ---- what a server says ---- */

void say_received(char *text, size_t size, struct http_websocket *socket,
                  const struct http_websocket_message *message, int rc)
{
    const char *reason = http_websocket_close_reason(socket);

    if (rc == 1 && message->size > 40)
        say(text, size, "%c[%zu]", message->type == HTTP_WEBSOCKET_TEXT ? 'T' : 'B',
            message->size);
    else if (rc == 1)
        say(text, size, "%c(%s)", message->type == HTTP_WEBSOCKET_TEXT ? 'T' : 'B',
            message->data);
    else if (rc == 0)
        say(text, size, "closed %d%s%s", http_websocket_close_code(socket),
            reason[0] != '\0' ? " " : "", reason);
    else
        say(text, size, "%s", rc == -EPIPE     ? "gone"
                              : rc == -EBADMSG ? "bad"
                              : rc == -EILSEQ  ? "text"
                              : rc == -EMSGSIZE ? "big"
                                                : strerror(-rc));
}
