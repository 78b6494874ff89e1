/* memory.h - heap memory that tests can refuse */
#ifndef HTTP_MEMORY_H
#define HTTP_MEMORY_H

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#ifdef VIREO_TEST_HOOKS

/* memory.c: asked before each allocation, unless it is NULL. */
extern bool (*http__test_fails)(void);

#define HTTP__ALLOCATION_FAILS() \
    (__builtin_expect(http__test_fails != NULL, 0) && http__test_fails())

#else

#define HTTP__ALLOCATION_FAILS() 0

#endif

static inline void *http__malloc(size_t size)
{
    return HTTP__ALLOCATION_FAILS() ? NULL : malloc(size);
}

static inline void *http__calloc(size_t count, size_t size)
{
    return HTTP__ALLOCATION_FAILS() ? NULL : calloc(count, size);
}

/* At the beginning of a cache line; all zero. */
static inline void *http__lines(size_t size)
{
    size_t whole = (size + 63) & ~(size_t)63;
    void *memory =
        HTTP__ALLOCATION_FAILS() ? NULL : aligned_alloc(64, whole);

    return memory != NULL ? memset(memory, 0, whole) : NULL;
}

static inline void *http__realloc(void *memory, size_t size)
{
    return HTTP__ALLOCATION_FAILS() ? NULL : realloc(memory, size);
}

static inline char *http__strdup(const char *text)
{
    return HTTP__ALLOCATION_FAILS() ? NULL : strdup(text);
}

#endif
