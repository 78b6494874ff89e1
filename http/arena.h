/* arena.h - memory that goes all at once: that of one request */
#ifndef HTTP_ARENA_H
#define HTTP_ARENA_H

#include <stddef.h>

struct http__arena_more;

/* Cut from memory of the caller's, and when that is used up from blocks of its
 * own. */
struct http__arena {
    char *at, *end;
    struct http__arena_more *more;
};

void http__arena_init(struct http__arena *arena, void *memory, size_t size);
/* Aligned for anything; NULL: no memory. */
void *http__arena_alloc(struct http__arena *arena, size_t size);
/* A copy with a 0 behind it; NULL: no memory. */
char *http__arena_copy(struct http__arena *arena, const char *text,
                       size_t length);
void http__arena_free(struct http__arena *arena);

#endif
