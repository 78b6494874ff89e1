/* methods.c - methods as bits */
#include "http/app/app_impl.h"

#include <errno.h>
#include <stdio.h>

static const char *const names[] = {"GET",   "HEAD",   "POST",   "PUT",
                                    "PATCH", "DELETE", "OPTIONS"};
enum { GET = 1, HEAD = 2, OPTIONS = 64, COUNT = sizeof names / sizeof *names };
enum { WEBSOCKET = 1 << COUNT }; /* GET that asks for one: no name leads to it */

const uint32_t http__method_get = GET, http__method_head = HEAD,
               http__method_options = OPTIONS, http__method_websocket = WEBSOCKET;

uint32_t http__method_bit(const char *name, size_t length)
{
    if (likely(length == 3 && memcmp(name, "GET", 3) == 0))
        return GET;
    for (unsigned i = 0; i < COUNT; i++)
        if (strlen(names[i]) == length && memcmp(names[i], name, length) == 0)
            return UINT32_C(1) << i;
    return 0;
}

int http__methods_parse(const char *text, uint32_t *methods)
{
    uint32_t bit;
    size_t length;

    for (*methods = 0;; text += length + 1) {
        text += strspn(text, " ");
        length = strcspn(text, ", ");
        bit = http__method_bit(text, length);
        if (bit == 0)
            return -EINVAL;
        *methods |= bit;
        length += strspn(text + length, " ");
        if (text[length] == '\0')
            break;
        if (text[length] != ',')
            return -EINVAL;
    }
    if (*methods & GET)
        *methods |= HEAD; /* V-04: HEAD falls back to GET */
    return 0;
}

const char *http__methods_text(struct http__arena *arena, uint32_t methods)
{
    struct http__text text = {0};

    methods |= OPTIONS; /* V-21: answered unless it is named */
    for (unsigned i = 0; i < COUNT; i++) {
        if (!(methods & UINT32_C(1) << i))
            continue;
        if (http__text_reserve(&text, arena, strlen(names[i]) + 3) < 0)
            return "";
        text.size += (size_t)sprintf(text.data + text.size, "%s%s",
                                     text.size > 0 ? ", " : "", names[i]);
    }
    return text.data;
}
