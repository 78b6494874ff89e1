/* alloc.c - memory of the client session's own */
#include "http/client/client_impl.h"

#include <stdlib.h>
#include <string.h>

#ifdef VIREO_TEST_HOOKS
bool (*http__client_fails)(void);
#define FAILS (http__client_fails != NULL && http__client_fails())
#else
#define FAILS false
#endif

void *http__client_alloc(size_t size)
{
    return FAILS ? NULL : calloc(1, size);
}

void *http__client_resize(void *memory, size_t size)
{
    return FAILS ? NULL : realloc(memory, size);
}

char *http__client_copy(const char *text)
{
    return FAILS ? NULL : strdup(text);
}
