/* utf8.h - is it UTF-8, asked piece by piece */
#ifndef HTTP_UTF8_H
#define HTTP_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How far it has looked; all zero at the beginning. */
struct http__utf8 {
    uint8_t more;      /* bytes that the character still lacks */
    uint8_t low, high; /* what the next of them may be */
};

/* Look at the next bytes of a text (RFC 3629: no surrogates, none beyond U+10FFFF,
 * nothing longer than it need be).  False: the text is none, whatever follows. */
bool http__utf8_feed(struct http__utf8 *utf8, const void *data, size_t size);

/* Whole characters so far? */
static inline bool http__utf8_whole(const struct http__utf8 *utf8)
{
    return utf8->more == 0;
}

#endif
