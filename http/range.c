/* range.c - ranges of bytes (RFC 9110 14.1.2) */
#include "http/range.h"

#include <errno.h>
#include <stdbool.h>
#include <strings.h>

static const char *skip_blanks(const char *at)
{
    while (*at == ' ' || *at == '\t')
        at++;
    return at;
}

/* Digits, of which there is one at least; what is too much stays the most. */
static bool take_number(const char **at, uint64_t *number)
{
    const char *first = *at;

    *number = 0;
    for (; **at >= '0' && **at <= '9'; ++*at) {
        uint64_t digit = (uint64_t)(**at - '0');

        *number = *number > (UINT64_MAX - digit) / 10 ? UINT64_MAX
                                                      : *number * 10 + digit;
    }
    return *at > first;
}

/* The last `most` bytes. */
static bool take_suffix(const char **at, uint64_t size,
                        struct http__range *range)
{
    uint64_t most;

    ++*at;
    if (!take_number(at, &most))
        return false;
    range->size = most < size ? most : size;
    range->first = size - range->size;
    return true;
}

/* One of them; its size is 0 when it cannot be satisfied.  False: it is none.
 */
static bool take_range(const char **at, uint64_t size,
                       struct http__range *range)
{
    uint64_t last = UINT64_MAX;

    if (**at == '-')
        return take_suffix(at, size, range);
    if (!take_number(at, &range->first) || **at != '-')
        return false;
    ++*at;
    if (**at >= '0' && **at <= '9')
        take_number(at, &last);
    if (last < range->first)
        return false;
    range->size = 0;
    if (range->first >= size)
        return true;
    if (last >= size)
        last = size - 1;
    range->size = last - range->first + 1;
    return true;
}

int http__ranges(const char *field, uint64_t size, struct http__range *ranges)
{
    const char *at = field + 6;
    unsigned asked = 0;
    uint64_t all = 0;
    int count = 0;

    if (strncasecmp(field, "bytes=", 6) != 0)
        return 0;
    for (;; at++) {
        struct http__range range;

        at = skip_blanks(at);
        /* An empty element is none (RFC 9110 5.6.1). */
        if (*at != ',' && *at != '\0') {
            if (!take_range(&at, size, &range) || ++asked > HTTP__RANGES_MOST)
                return 0;
            if (range.size > 0)
                ranges[count++] = range;
            all += range.size;
        }
        at = skip_blanks(at);
        if (*at == '\0')
            break;
        if (*at != ',')
            return 0;
    }
    if (asked == 0 || (count > 0 && all > size))
        return 0;
    return count > 0 ? count : -ERANGE;
}
