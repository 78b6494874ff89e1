/* target.c - the four forms of a target (RFC 9112 3.2) */
#include "http/target.h"

#include "http/chars.h"

/* The end of those of [from, end) that are in a class. */
static const char *span(const char *from, const char *end, unsigned class)
{
    while (from < end && http__char_is(*from, class))
        from++;
    return from;
}

/* Each '%' with two hexadecimal digits behind it (RFC 3986 2.1). */
static bool escapes_valid(const char *at, const char *end)
{
    for (at = memchr(at, '%', (size_t)(end - at)); at != NULL;
         at = memchr(at, '%', (size_t)(end - at))) {
        if (end - at < 3 || !http__char_is(at[1], HTTP__CHAR_HEX) ||
            !http__char_is(at[2], HTTP__CHAR_HEX))
            return false;
        at += 3;
    }
    return true;
}

/* The end of the host's name or address; NULL: it is none. */
static const char *host_end(const char *host, const char *end)
{
    const char *at;

    if (host < end && *host == '[') {
        at = span(host + 1, end, HTTP__CHAR_ADDRESS);
        return at < end && *at == ']' && at > host + 1 ? at + 1 : NULL;
    }
    at = span(host, end, HTTP__CHAR_HOST);
    return escapes_valid(host, at) ? at : NULL;
}

static bool port_valid(const char *at, const char *end)
{
    return at == end ||
           (*at == ':' && span(at + 1, end, HTTP__CHAR_DIGIT) == end &&
            end - at <= 6);
}

static bool host_valid(const char *host, size_t length)
{
    const char *end = host + length;
    const char *at = host_end(host, end);

    /* A port needs a host (RFC 9110 4.2.1). */
    return at != NULL && (at > host || at == end) && port_valid(at, end);
}

/* A server has few names: that which was found valid last is known again. */
bool http__host_valid(const char *host, size_t length)
{
    static __thread struct {
        size_t length;
        char text[56];
    } last;

    if (length == last.length && memcmp(host, last.text, length) == 0)
        return true;
    if (!host_valid(host, length))
        return false;
    if (length <= sizeof last.text) {
        memcpy(last.text, host, length);
        last.length = length;
    }
    return true;
}

/* The length of "http://" or "https://" at the front, or 0. */
static uint32_t scheme(const char *target, uint32_t length)
{
    if (length > 7 && http__same(target, "http", 4)) {
        if (memcmp(target + 4, "://", 3) == 0)
            return 7;
        if (length > 8 && (target[4] | 0x20) == 's' &&
            memcmp(target + 5, "://", 3) == 0)
            return 8;
    }
    return 0;
}

/* An origin server takes these too, and Host counts no more (RFC 9112 3.2.2). A
 * user's name in it is an error (RFC 9110 4.2.4): '@' is no byte of a host. */
static int absolute(const char *data, struct http__head *head)
{
    uint32_t front = scheme(data + head->target, head->target_length);
    uint32_t end = head->target + head->target_length;
    uint32_t at = head->target + front;

    if (front == 0)
        return -400;
    head->form = HTTP__FORM_ABSOLUTE;
    head->host = at;
    while (at < end && data[at] != '/' && data[at] != '?')
        at++;
    head->host_length = at - head->host;
    head->path = at;
    head->path_length = end - at;
    return head->host_length > 0 &&
                   http__host_valid(data + head->host, head->host_length)
               ? 0
               : -400;
}

/* host:port, the port being no choice (RFC 9112 3.2.3). */
static int authority(const char *data, struct http__head *head)
{
    const char *target = data + head->target;
    const char *end = target + head->target_length;
    const char *at = host_end(target, end);

    head->form = HTTP__FORM_AUTHORITY;
    head->host = head->target;
    head->host_length = head->target_length;
    return at != NULL && at > target && end - at >= 2 && port_valid(at, end)
               ? 0
               : -400;
}

static bool method_is(const char *data, const struct http__head *head,
                      const char *name, uint32_t length)
{
    return head->method_length == length &&
           memcmp(data + head->method, name, length) == 0;
}

int http__target(const char *data, struct http__head *head)
{
    char first = data[head->target];

    if (method_is(data, head, "CONNECT", 7))
        return authority(data, head);
    if (first == '/') {
        head->path = head->target;
        head->path_length = head->target_length;
        return 0;
    }
    if (first == '*' && head->target_length == 1 &&
        method_is(data, head, "OPTIONS", 7)) {
        head->form = HTTP__FORM_ASTERISK;
        return 0;
    }
    return absolute(data, head);
}
