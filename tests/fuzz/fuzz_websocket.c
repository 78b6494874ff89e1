/* What a client sends by a WebSocket: the same whole and in pieces.
 *
 * The first byte is the size of the pieces, the second says whether there is
 * compression, and whether its contexts are taken over.  The hub is not there: what is
 * here in its place never waits. */
#include "hub/tls.h"
#include "http/websocket/websocket_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 4096, LIMIT = 300 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fuzz_check(bool holds)
{
    if (!holds)
        abort();
}

/* ---- the wire ---- */

static const uint8_t *input;
static size_t left, piece;
static bool may_read; /* a piece for each wait */

struct result {
    size_t size;
    int rc, code;
    uint8_t data[64 * MOST]; /* messages, and what was sent */
};
static struct result *now, whole, pieces;

static void note(const void *data, size_t size)
{
    if (size > sizeof now->data - now->size)
        size = sizeof now->data - now->size;
    if (size > 0)
        memcpy(now->data + now->size, data, size);
    now->size += size;
}

int http__wire_wait(struct http__wire *wire, int64_t deadline_ns)
{
    (void)wire;
    (void)deadline_ns;
    may_read = true;
    return 0;
}

ssize_t http__wire_read(struct http__wire *wire, void *buffer, size_t size,
                        int64_t deadline_ns)
{
    size_t got = piece < left ? piece : left;

    fuzz_check(deadline_ns == HUB_NOWAIT);
    wire->drained = true;
    if (!may_read)
        return -EAGAIN;
    if (got > size)
        got = size;
    if (got > 0)
        memcpy(buffer, input, got);
    input += got;
    left -= got;
    may_read = false;
    return (ssize_t)got;
}

int http__wire_end(struct http__wire *wire, int64_t deadline_ns)
{
    (void)wire;
    (void)deadline_ns;
    return -EPIPE;
}

/* ---- the hub ---- */

ssize_t hub_sendmsg(int fd, const struct msghdr *message, int flags,
                    int64_t deadline_ns)
{
    size_t size = 0;

    (void)fd;
    (void)flags;
    (void)deadline_ns;
    for (size_t i = 0; i < message->msg_iovlen; i++) {
        note(message->msg_iov[i].iov_base, message->msg_iov[i].iov_len);
        size += message->msg_iov[i].iov_len;
    }
    return (ssize_t)size;
}

ssize_t hub_tls_write(struct hub_tls *tls, const void *data, size_t size,
                      int64_t deadline_ns)
{
    (void)tls;
    (void)data;
    (void)deadline_ns;
    return (ssize_t)size;
}

int64_t hub_now(void)
{
    return 0;
}

int64_t hub_deadline(int64_t ns)
{
    return ns;
}

int hub_shutdown(int fd, int how)
{
    (void)fd;
    (void)how;
    return 0;
}

void hub_yield(void)
{
}

struct greenlet *greenlet_current(void)
{
    return NULL;
}

void greenlet_unref(struct greenlet *g)
{
    (void)g;
}

struct greenlet *hub_spawn_raw(void (*function)(void *arg), void *arg)
{
    (void)function;
    (void)arg;
    return NULL;
}

int hub_semaphore_init(struct hub_semaphore *semaphore, int count)
{
    (void)semaphore;
    (void)count;
    return 0;
}

int hub_semaphore_acquire(struct hub_semaphore *semaphore, int64_t deadline_ns)
{
    (void)semaphore;
    (void)deadline_ns;
    return 0;
}

int hub_semaphore_try_acquire(struct hub_semaphore *semaphore)
{
    (void)semaphore;
    return 0;
}

int hub_semaphore_release(struct hub_semaphore *semaphore)
{
    (void)semaphore;
    return 1;
}

void hub_event_init(struct hub_event *event)
{
    (void)event;
}

int hub_event_set(struct hub_event *event)
{
    (void)event;
    return 0;
}

int hub_event_clear(struct hub_event *event)
{
    (void)event;
    return 0;
}

int hub_event_wait(struct hub_event *event, int64_t deadline_ns)
{
    (void)event;
    (void)deadline_ns;
    return 0;
}

int hub_canceled(void)
{
    return 0;
}

void hub_shield_begin(struct hub_shield *shield)
{
    (void)shield;
}

void hub_shield_end(struct hub_shield *shield)
{
    (void)shield;
}

void http__connection_idle(struct http__connection *connection, bool idle)
{
    (void)connection;
    (void)idle;
}

/* ---- a conversation ---- */

static void serve(struct http_websocket *socket)
{
    struct http_websocket_message message;
    uint8_t head[5];

    while ((now->rc = http_websocket_receive(socket, &message, HUB_FOREVER)) ==
           1) {
        fuzz_check(message.size <= LIMIT && message.data[message.size] == 0);
        head[0] = message.type;
        memcpy(head + 1, &(uint32_t){ (uint32_t)message.size }, 4);
        note(head, sizeof head);
        note(message.data, message.size);
        http_websocket_send(socket, message.type, message.data, message.size,
                            HUB_FOREVER);
    }
    now->code = http_websocket_close_code(socket);
    fuzz_check(now->code != 0);
}

static void play(const uint8_t *data, size_t size, size_t at_once,
                 unsigned flags, struct result *result)
{
    static int null = -1;
    struct http_websocket_options options = { .message_limit = LIMIT,
                                              .compress_from = 100 };
    struct http__handshake_answer answer = {
        .deflate = { .on = (flags & 1) != 0,
                     .send_takeover = (flags & 2) != 0,
                     .receive_takeover = (flags & 4) != 0,
                     .send_bits = (flags & 8) != 0 ? 9 : 15,
                     .receive_bits = (flags & 16) != 0 ? 8 : 15 }
    };
    struct http__wire wire;
    struct http_websocket *socket;

    if (null < 0)
        null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    wire = (struct http__wire){ .fd = null };
    input = data;
    left = size;
    piece = at_once;
    may_read = true;
    now = result;
    result->size = 0;
    socket = http__websocket_new(&wire, &options, &answer);
    serve(socket);
    fuzz_check(socket->in.frames.context == NULL && socket->in.data == NULL);
    http__websocket_finish(socket, 0);
}

/* Does inflate() say the same of it in pieces?  A distance beyond a small window is
 * found only where it does not have what lies before in the same output. */
static bool is_exact(unsigned flags)
{
    return (flags & 1) == 0 || (flags & 16) == 0 ||
           (whole.rc != -EILSEQ && pieces.rc != -EILSEQ);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > MOST)
        return 0;
    play(data + 2, size - 2, size, data[1], &whole);
    play(data + 2, size - 2, data[0] == 0 ? 1 : data[0], data[1], &pieces);
    if (!is_exact(data[1]))
        return 0;
    fuzz_check(whole.rc == pieces.rc && whole.code == pieces.code);
    fuzz_check(whole.size == pieces.size &&
               memcmp(whole.data, pieces.data, whole.size) == 0);
    return 0;
}
