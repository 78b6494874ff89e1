/* base64url.c - RFC 4648 5, without padding */
#include "http/app/app_impl.h"

#include <errno.h>

static const char digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    "0123456789-_";

size_t http__base64url_encode(char *to, const void *from, size_t size)
{
    const unsigned char *at = from;
    uint32_t bits = 0;
    unsigned have = 0;
    char *begin = to;

    for (size_t i = 0; i < size; i++) {
        bits = bits << 8 | at[i];
        for (have += 8; have >= 6; have -= 6)
            *to++ = digits[bits >> (have - 6) & 63];
    }
    if (have > 0)
        *to++ = digits[bits << (6 - have) & 63];
    *to = '\0';
    return (size_t)(to - begin);
}

/* One text for one value: bits that are left over are 0. */
ssize_t http__base64url_decode(void *to, const char *from, size_t length)
{
    unsigned char *at = to;
    uint32_t bits = 0;
    unsigned have = 0;

    if (length % 4 == 1)
        return -EINVAL;
    for (size_t i = 0; i < length; i++) {
        const char *digit = from[i] != '\0' ? strchr(digits, from[i]) : NULL;

        if (digit == NULL)
            return -EINVAL;
        bits = bits << 6 | (uint32_t)(digit - digits);
        have += 6;
        if (have >= 8) {
            have -= 8;
            *at++ = (unsigned char)(bits >> have);
        }
    }
    if ((bits & ((1u << have) - 1)) != 0)
        return -EINVAL;
    return at - (unsigned char *)to;
}
