/* range.h - the ranges of a file that a request asks for (RFC 9110 14) */
#ifndef HTTP_RANGE_H
#define HTTP_RANGE_H

#include <stddef.h>
#include <stdint.h>

#define HTTP__RANGES_MOST 16

struct http__range {
    uint64_t first, size;
};

/* Read "bytes=0-99,-500" for a file of `size` bytes; ranges[] has room for 16.
 * Returns how many can be satisfied; 0: the field is not to be followed, since
 * it is none, has more than 16, or asks for more than all of the file; -ERANGE:
 * none of them can be satisfied. */
int http__ranges(const char *field, uint64_t size, struct http__range *ranges);

#endif
