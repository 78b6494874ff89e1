/* pieces.h - heads and trailers, fed to the strict check in pieces of one size
 *
 * Each call gets all bytes so far, in memory of just their size, at another
 * address: who reads beyond them or keeps a pointer is seen by a sanitizer. */
#ifndef HTTP_TESTS_PIECES_H
#define HTTP_TESTS_PIECES_H

#include "http/strict.h"

#include <stdlib.h>
#include <string.h>

#define PIECES_FIELDS 100

static const struct http__strict_limits pieces_limits = {8190, 16384,
                                                         PIECES_FIELDS};

typedef int pieces_function(struct http__strict *strict,
                            const struct http__strict_limits *limits,
                            const char *data, size_t size,
                            struct http__head *head);

/* What `look` says at last, about `size` bytes that come in pieces of `piece`.
 */
static inline int pieces_feed(pieces_function *look,
                              const struct http__strict_limits *limits,
                              const char *text, size_t size, size_t piece,
                              struct http__head *head)
{
    struct http__strict strict = {0};
    size_t there = 0;
    int rc = 0;

    while (there < size && rc == 0) {
        char *copy;

        there += piece < size - there ? piece : size - there;
        copy = malloc(there);
        memcpy(copy, text, there);
        rc = look(&strict, limits, copy, there, head);
        free(copy);
    }
    return rc;
}

#endif
