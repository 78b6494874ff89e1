/* fuzz.h - what the fuzzers share
 *
 * The first byte of an input is the size of the pieces in which the rest comes.
 * The limits are small, so that short inputs reach them. */
#ifndef VIREO_TESTS_FUZZ_H
#define VIREO_TESTS_FUZZ_H

#include "http/strict.h"

#include <stdlib.h>
#include <string.h>

#define FUZZ_FIELDS 12

static const struct http__strict_limits fuzz_limits = {200, 1000, FUZZ_FIELDS};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void fuzz_check(bool holds)
{
    if (!holds)
        abort();
}

/* In memory of its own, of just this size. */
static inline char *fuzz_copy(const char *data, size_t size)
{
    char *copy = malloc(size);

    if (size > 0)
        memcpy(copy, data, size);
    return copy;
}

#endif
