/* cookies.c - a Cookie field (RFC 6265 5.4, 4.2.1) */
#include "http/app/app_impl.h"

#include "http/chars.h"

#include <errno.h>

/* What is no pair says nothing. */
static int add_cookie(struct http__pairs *cookies, struct http__arena *arena,
                      const char *text, size_t length)
{
    const char *equals;
    char *name;

    while (length > 0 && http__blank(*text))
        text++, length--;
    while (length > 0 && http__blank(text[length - 1]))
        length--;
    equals = memchr(text, '=', length);
    if (equals == NULL || equals == text || cookies->count == HTTP__MOST)
        return 0;
    name = http__arena_copy(arena, text, length);
    if (name == NULL)
        return -ENOMEM;
    name[equals - text] = '\0';
    return http__pairs_add(cookies, arena, name, name + (equals - text) + 1);
}

int http__cookies_read(struct http__pairs *cookies, struct http__arena *arena,
                       const char *field)
{
    int rc = 0;

    for (;;) {
        size_t length = strcspn(field, ";");

        rc = add_cookie(cookies, arena, field, length);
        if (rc < 0 || field[length] == '\0')
            return rc;
        field += length + 1;
    }
}
