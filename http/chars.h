/* chars.h - which bytes may stand where (RFC 9110, 9112, 3986)
 *
 * CR, LF and NUL are in none of these classes: a scan over bytes of one class
 * ends at the end of its line at the latest. */
#ifndef HTTP_CHARS_H
#define HTTP_CHARS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
    HTTP__CHAR_TOKEN = 1,   /* RFC 9110 5.6.2 */
    HTTP__CHAR_VALUE = 2,   /* of a field's value, with blanks: 5.5 */
    HTTP__CHAR_TARGET = 4,  /* printable ASCII but '#': see docs/http.md */
    HTTP__CHAR_HOST = 8,    /* RFC 3986 3.2.2, reg-name */
    HTTP__CHAR_QUOTED = 16, /* RFC 9110 5.6.4, qdtext */
    HTTP__CHAR_DIGIT = 32,
    HTTP__CHAR_HEX = 64,
    HTTP__CHAR_ADDRESS = 128 /* what stands between [ and ] */
};

extern const uint8_t http__chars[256];

static inline bool http__char_is(char c, unsigned classes)
{
    return (http__chars[(uint8_t)c] & classes) != 0;
}

static inline bool http__blank(char c)
{
    return c == ' ' || c == '\t';
}

static inline uint64_t http__load8(const char *from)
{
    uint64_t word;

    memcpy(&word, from, sizeof word);
    return word;
}

/* Are the `length` bytes at `text` those of `lower`, whatever their case?
 * `lower` has no upper case, and only letters, digits and '-' (0x2d, of which
 * `text` must not have the likeness 0x0d). */
static inline bool http__same(const char *text, const char *lower,
                              size_t length)
{
    const uint64_t low = 0x2020202020202020u;
    size_t i = 0;

    for (; length - i >= 8; i += 8)
        if ((http__load8(text + i) | low) != http__load8(lower + i))
            return false;
    for (; i < length; i++)
        if ((text[i] | 0x20) != lower[i])
            return false;
    return true;
}

#endif
