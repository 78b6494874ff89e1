/* testsocket.c - the client's side of a WebSocket, for tests (V-36): RFC 6455
 * without extensions */
#include "http/app/testclient_impl.h"

#include "hub/socket.h"

#include <endian.h>
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONTINUATION = 0, CLOSE = 8, PING = 9, PONG = 10, FINAL = 0x80 };
enum { HEAD_MOST = 14, KEEP = 4096 };

struct bytes {
    char *data;
    size_t size, room;
};

struct http_testsocket {
    struct http_testclient *client;
    int server_fd, fd;
    struct greenlet *server;
    char *protocol;
    struct bytes in; /* what came, from `used` on not looked at */
    size_t used;
    struct bytes message; /* what of it is there; with a 0 behind it */
    uint8_t type;         /* of it; 0: none is inside */
    bool whole;
    int close_code;
    bool close_sent;
};

static int reserve(struct bytes *bytes, size_t more)
{
    size_t room = bytes->size + more + KEEP;
    char *data;

    if (bytes->room - bytes->size >= more + 1)
        return 0;
    data = http__realloc(bytes->data, room);
    if (data == NULL)
        return -ENOMEM;
    bytes->data = data;
    bytes->room = room;
    return 0;
}

/* ---- frames out ---- */

/* The mask of a test may be known to all. */
static size_t put_head(unsigned char *head, int first, size_t size)
{
    static const unsigned char mask[4] = {0x5a, 0xa5, 0x3c, 0xc3};
    size_t at = 2;

    head[0] = (unsigned char)first;
    if (size < 126) {
        head[1] = (unsigned char)(0x80 | size);
    } else if (size < 65536) {
        uint16_t wide = htobe16((uint16_t)size);

        head[1] = 0x80 | 126;
        memcpy(head + at, &wide, sizeof wide);
        at += sizeof wide;
    } else {
        uint64_t wide = htobe64(size);

        head[1] = 0x80 | 127;
        memcpy(head + at, &wide, sizeof wide);
        at += sizeof wide;
    }
    memcpy(head + at, mask, sizeof mask);
    return at + sizeof mask;
}

static int send_frame(struct http_testsocket *socket, int opcode,
                      const void *data, size_t size)
{
    const unsigned char *from = data;
    unsigned char *frame;
    size_t head;
    int rc;

    if (socket->close_sent || socket->close_code != 0)
        return -EPIPE;
    frame = http__malloc(size + HEAD_MOST);
    if (frame == NULL)
        return -ENOMEM;
    head = put_head(frame, FINAL | opcode, size);
    for (size_t i = 0; i < size; i++)
        frame[head + i] = from[i] ^ frame[head - 4 + i % 4];
    rc = hub_send_all(socket->fd, frame, head + size, MSG_NOSIGNAL, NULL,
                      HUB_FOREVER);
    free(frame);
    return rc == -ECONNRESET ? -EPIPE : rc;
}

int http_testsocket_send(struct http_testsocket *socket,
                         enum http_websocket_type type, const void *data,
                         size_t size)
{
    return send_frame(socket, (int)type, data, size);
}

static int send_close(struct http_testsocket *socket, int code)
{
    unsigned char text[2] = {(unsigned char)(code >> 8), (unsigned char)code};
    int rc = send_frame(socket, CLOSE, text, code != 0 ? 2 : 0);

    socket->close_sent = true;
    return rc;
}

/* ---- frames in ---- */

struct frame {
    int first;
    const char *data;
    size_t size;
};

/* Returns 1; 0: more has to come; -EPROTO. */
static int next_frame(struct http_testsocket *socket, struct frame *frame)
{
    const unsigned char *at;
    size_t there = socket->in.size - socket->used, head = 2;
    uint64_t size;

    if (there < head)
        return 0;
    at = (const unsigned char *)socket->in.data + socket->used;
    if (at[1] & 0x80)
        return -EPROTO; /* 5.1: a server does not mask */
    size = at[1];
    head += size == 126 ? 2 : size == 127 ? 8 : 0;
    if (there < head)
        return 0;
    if (head > 2)
        size = 0;
    for (size_t i = 2; i < head; i++)
        size = size << 8 | at[i];
    if (size > there - head)
        return 0;
    *frame = (struct frame){at[0], (const char *)at + head, (size_t)size};
    socket->used += head + (size_t)size;
    return 1;
}

static int take_close(struct http_testsocket *socket, const struct frame *frame)
{
    const unsigned char *text = (const unsigned char *)frame->data;
    int code =
        frame->size >= 2 ? text[0] << 8 | text[1] : HTTP_WEBSOCKET_NO_CODE;

    if (!socket->close_sent)
        send_close(socket, frame->size >= 2 ? code : 0);
    socket->close_code = code;
    return 0;
}

/* Returns 1: it ends a message; 0; or an error. */
static int take_data(struct http_testsocket *socket, const struct frame *frame)
{
    struct bytes *message = &socket->message;
    int opcode = frame->first & 0x7f;

    if ((opcode == CONTINUATION) != (socket->type != 0) ||
        opcode > HTTP_WEBSOCKET_BINARY)
        return -EPROTO;
    if (reserve(message, frame->size) < 0)
        return -ENOMEM;
    if (opcode != CONTINUATION)
        socket->type = (uint8_t)opcode;
    if (frame->size > 0)
        memcpy(message->data + message->size, frame->data, frame->size);
    message->size += frame->size;
    message->data[message->size] = '\0';
    socket->whole = (frame->first & FINAL) != 0;
    return socket->whole;
}

static int take(struct http_testsocket *socket, const struct frame *frame)
{
    switch (frame->first & 0x7f) {
    case CLOSE:
        return take_close(socket, frame);
    case PING:
        return send_frame(socket, PONG, frame->data, frame->size);
    case PONG:
        return 0;
    default:
        return take_data(socket, frame);
    }
}

/* Returns 0 with more in `in`. */
static int read_more(struct http_testsocket *socket, int64_t deadline_ns)
{
    struct bytes *in = &socket->in;
    ssize_t got;

    if (socket->used > 0) {
        memmove(in->data, in->data + socket->used, in->size - socket->used);
        in->size -= socket->used;
        socket->used = 0;
    }
    if (reserve(in, KEEP) < 0)
        return -ENOMEM;
    got = hub_recv(socket->fd, in->data + in->size, KEEP, 0, deadline_ns);
    if (got == 0 || got == -ECONNRESET) {
        socket->close_code = HTTP_WEBSOCKET_ABNORMAL;
        return -EPIPE;
    }
    if (got > 0)
        in->size += (size_t)got;
    return got > 0 ? 0 : (int)got;
}

int http_testsocket_receive(struct http_testsocket *socket,
                            struct http_websocket_message *message,
                            int64_t deadline_ns)
{
    struct frame frame;
    int rc = 0;

    if (socket->whole)
        socket->message.size = socket->type = socket->whole = 0;
    while (rc == 0 && socket->close_code == 0) {
        rc = next_frame(socket, &frame);
        if (rc == 1)
            rc = take(socket, &frame);
        else if (rc == 0)
            rc = read_more(socket, deadline_ns);
    }
    if (rc == 1)
        *message = (struct http_websocket_message){
            socket->type, socket->message.data, socket->message.size};
    if (rc == 0 && socket->close_code == HTTP_WEBSOCKET_ABNORMAL)
        rc = -EPIPE;
    return rc;
}

/* ---- the end ---- */

int http_testsocket_close(struct http_testsocket *socket, int code)
{
    struct http_websocket_message message;
    int rc = socket->close_code == 0 ? send_close(socket, code) : 0;

    while (rc == 0 || rc == 1) {
        rc = http_testsocket_receive(socket, &message, HUB_FOREVER);
        if (rc == 0)
            break;
    }
    return rc;
}

int http_testsocket_close_code(const struct http_testsocket *socket)
{
    return socket->close_code;
}

const char *http_testsocket_protocol(const struct http_testsocket *socket)
{
    return socket->protocol;
}

void http_testsocket_free(struct http_testsocket *socket)
{
    struct hub_shield shield;

    if (socket == NULL)
        return;
    hub_shield_begin(&shield);
    hub_close(socket->fd);
    hub_join(socket->server, HUB_FOREVER);
    hub_shield_end(&shield);
    greenlet_unref(socket->server);
    free(socket->protocol);
    free(socket->in.data);
    free(socket->message.data);
    free(socket);
}

/* ---- the beginning ---- */

static void serve(void *arg)
{
    struct http_testsocket *socket = arg;

    http_server_connection(socket->client->server, socket->server_fd, NULL);
}

static int connect_to(struct http_testsocket *socket)
{
    int fds[2], rc;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
        return -errno;
    socket->server_fd = fds[0];
    socket->fd = fds[1];
    rc = hub_fd_wrap(socket->fd);
    if (rc == 0) {
        socket->server = hub_spawn_raw(serve, socket);
        rc = socket->server != NULL ? 0 : -ENOMEM;
    }
    if (rc < 0) {
        hub_close(fds[0]);
        hub_close(fds[1]);
    }
    return rc;
}

static int make_head(const struct http_testclient *client, const char *target,
                     const char *protocols, struct bytes *head)
{
    FILE *to = HTTP__ALLOCATION_FAILS()
                   ? NULL
                   : open_memstream(&head->data, &head->size);
    bool failed;

    if (to == NULL)
        return -ENOMEM;
    fprintf(to,
            "GET %s HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade, close\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
            target);
    if (protocols != NULL)
        fprintf(to, "Sec-WebSocket-Protocol: %s\r\n", protocols);
    http__testclient_fields(to, client);
    fprintf(to, "\r\n");
    failed = ferror(to) != 0;
    return fclose(to) != 0 || failed ? -ENOMEM : 0;
}

/* Returns the status, or why there is none. */
static int shake_hands(struct http_testsocket *socket, const char *target,
                       const char *protocols)
{
    struct http_testclient *client = socket->client;
    struct http__testtext text = {0};
    struct bytes head = {0};
    const char *chosen;
    int rc = make_head(client, target, protocols, &head);

    if (rc == 0)
        rc = hub_send_all(socket->fd, head.data, head.size, MSG_NOSIGNAL, NULL,
                          HUB_FOREVER);
    free(head.data);
    if (rc == 0)
        rc = http__testclient_read_head(&text, socket->fd);
    if (rc == 0)
        rc = http__testclient_read_rest(&text, socket->fd);
    rc = http__testclient_take(client, &text, rc);
    chosen = http_testclient_header(client, "Sec-WebSocket-Protocol");
    if (rc == 101 && chosen != NULL) {
        socket->protocol = http__malloc(strlen(chosen) + 1);
        if (socket->protocol == NULL)
            return -ENOMEM;
        strcpy(socket->protocol, chosen);
    }
    return rc;
}

int http_testsocket_open(struct http_testclient *client, const char *target,
                         const char *protocols, struct http_testsocket **socket)
{
    struct http_testsocket *made;
    int saved = errno, rc;

    *socket = NULL;
    if (!http__testclient_is_target(target) ||
        (protocols != NULL && !http__is_value(protocols)))
        return -EINVAL;
    made = http__calloc(1, sizeof *made);
    if (made == NULL)
        return -ENOMEM;
    made->client = client;
    rc = connect_to(made);
    if (rc < 0) {
        free(made);
        return rc;
    }
    rc = shake_hands(made, target, protocols);
    errno = saved;
    if (rc == 101)
        *socket = made;
    else
        http_testsocket_free(made);
    return rc;
}
