/* The fields of a WebSocket's handshake: lists, extensions and their parameters.
 *
 * The first byte says what we want, lines follow: the n-th is the value of the n-th
 * name, and then of the first again. */
#include "http/websocket/handshake.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const names[] = {
    "Sec-WebSocket-Extensions", "Sec-WebSocket-Protocol", "Upgrade",
    "Connection", "Sec-WebSocket-Version", "Sec-WebSocket-Key", "Origin", "Host"
};
enum { NAMES = sizeof names / sizeof *names };

struct request {
    const char *text;
    size_t size;
};

/* Values are in memory of their own, of just their size. */
static char *copies[64];
static int count;

static void forget(void)
{
    while (count > 0)
        free(copies[--count]);
}

static bool cut(const struct request *request, size_t n,
                struct http__span *value)
{
    const char *at = request->text, *end = at + request->size, *stop;

    for (;; n--, at = stop + 1) {
        stop = memchr(at, '\n', (size_t)(end - at));
        if (stop == NULL)
            stop = end;
        if (n == 0)
            break;
        if (stop == end)
            return false;
    }
    *value = (struct http__span){ at, (size_t)(stop - at) };
    return true;
}

static bool find(const void *from, const char *name, size_t n,
                 struct http__span *value)
{
    size_t i = 0;
    char *copy;

    while (i < NAMES && strcasecmp(names[i], name) != 0)
        i++;
    if (i == NAMES || !cut(from, i + n * NAMES, value))
        return false;
    if (count == 64)
        return false;
    copy = malloc(value->size);
    if (value->size > 0)
        memcpy(copy, value->data, value->size);
    copies[count++] = copy;
    value->data = copy;
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const protocols[] = { "chat", "v2.chat", NULL };
    static const char *const origins[] = { "same", "https://a.example", NULL };
    struct request request = { (const char *)data + 1, size - 1 };
    struct http_websocket_options options = { .protocols = protocols };
    struct http__handshake_answer answer;
    struct http__handshake asked = { .is_get = true, .is_11 = true,
                                     .fields = { find, &request } };
    char text[HTTP__EXTENSION_SIZE];
    int status;

    if (size < 1)
        return 0;
    options.flags = data[0] & 7;
    options.window_bits = (data[0] & 8) != 0 ? 9 + (data[0] >> 4) % 7 : 0;
    options.origins = (data[0] & 128) != 0 ? origins : NULL;
    status = http__handshake(&asked, &options, &answer);
    forget();
    if (status != 101)
        return status == 400 || status == 403 || status == 426 ? 0 : (abort(), 0);
    if (strlen(answer.accept) != 28)
        abort();
    http__extension_text(&answer.deflate, text);
    if (answer.deflate.on &&
        (answer.deflate.send_bits < 9 || answer.deflate.send_bits > 15 ||
         answer.deflate.receive_bits < 8 || answer.deflate.receive_bits > 15 ||
         strlen(text) + 2 > sizeof text))
        abort();
    return 0;
}
