/* utf8.c - is it UTF-8, asked piece by piece */
#include "http/websocket/utf8.h"

#include <string.h>

/* The byte that begins a character: how many follow, and what the first of them may
 * be (table 3-7 of the Unicode standard; RFC 3629, 4).  False: none begins so. */
static bool begin(struct http__utf8 *utf8, uint8_t byte)
{
    utf8->low = 0x80;
    utf8->high = 0xbf;
    if (byte < 0xc2 || byte > 0xf4)
        return false;
    utf8->more = byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3;
    if (byte == 0xe0)
        utf8->low = 0xa0; /* shorter ones say the same */
    else if (byte == 0xed)
        utf8->high = 0x9f; /* no surrogates */
    else if (byte == 0xf0)
        utf8->low = 0x90;
    else if (byte == 0xf4)
        utf8->high = 0x8f; /* U+10FFFF is the last */
    return true;
}

/* How many bytes of ASCII there are, by eight. */
static size_t plain(const uint8_t *data, size_t size)
{
    size_t at = 0;
    uint64_t eight;

    for (; size - at >= sizeof eight; at += sizeof eight) {
        memcpy(&eight, data + at, sizeof eight);
        if ((eight & UINT64_C(0x8080808080808080)) != 0)
            break;
    }
    return at;
}

bool http__utf8_feed(struct http__utf8 *utf8, const void *data, size_t size)
{
    const uint8_t *byte = data;

    for (size_t i = 0; i < size; i++) {
        if (utf8->more > 0) {
            if (byte[i] < utf8->low || byte[i] > utf8->high)
                return false;
            utf8->more--;
            utf8->low = 0x80;
            utf8->high = 0xbf;
            continue;
        }
        i += plain(byte + i, size - i);
        if (i < size && byte[i] >= 0x80 && !begin(utf8, byte[i]))
            return false;
    }
    return true;
}
