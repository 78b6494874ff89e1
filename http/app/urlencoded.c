/* urlencoded.c - %XX, and a=b&c=d: queries, paths and forms */
#include "http/app/app_impl.h"

#include <errno.h>

static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

ssize_t http__url_decode(char *to, const char *from, size_t length, bool plus)
{
    char *at = to;

    for (size_t i = 0; i < length; i++) {
        char c = from[i];

        if (c == '+' && plus) {
            c = ' ';
        } else if (c == '%') {
            int high = length - i > 2 ? digit(from[i + 1]) : -1;
            int low = length - i > 2 ? digit(from[i + 2]) : -1;

            if (high < 0 || low < 0)
                return -EINVAL;
            c = (char)(16 * high + low);
            i += 2;
        }
        if (c == '\0')
            return -EINVAL;
        *at++ = c;
    }
    *at = '\0';
    return at - to;
}

static int add_decoded(const char *text, size_t length,
                       struct http__arena *arena, struct http__pairs *pairs)
{
    const char *equals = memchr(text, '=', length);
    size_t name_length = equals != NULL ? (size_t)(equals - text) : length;
    size_t value_length = equals != NULL ? length - name_length - 1 : 0;
    char *name = http__arena_alloc(arena, name_length + value_length + 2);
    char *value;

    if (name == NULL)
        return -ENOMEM;
    value = name + name_length + 1;
    if (http__url_decode(name, text, name_length, true) < 0 ||
        http__url_decode(value, equals != NULL ? equals + 1 : "", value_length,
                         true) < 0)
        return -EBADMSG;
    return http__pairs_add(pairs, arena, name, value);
}

int http__urlencoded(const char *text, size_t length, struct http__arena *arena,
                     struct http__pairs *pairs)
{
    const char *end = text + length;
    int rc = 0;

    while (rc == 0 && text < end) {
        const char *stop = memchr(text, '&', (size_t)(end - text));

        stop = stop != NULL ? stop : end;
        if (stop > text && pairs->count == HTTP__MOST)
            rc = -EMSGSIZE;
        else if (stop > text)
            rc = add_decoded(text, (size_t)(stop - text), arena, pairs);
        text = stop + 1;
    }
    if (rc < 0)
        pairs->count = 0; /* a part of it is not what was sent */
    return rc;
}
