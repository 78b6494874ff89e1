/* arena.c - memory that goes all at once */
#include "http/arena.h"

#include "http/memory.h"

#include <stdint.h>

#define ALIGNMENT _Alignof(max_align_t)
#define MORE_SIZE 8192

struct http__arena_more {
    struct http__arena_more *next;
    max_align_t memory[];
};

void http__arena_init(struct http__arena *arena, void *memory, size_t size)
{
    arena->at = memory;
    arena->end = arena->at + size;
    arena->more = NULL;
}

/* What is large has a block of its own: the rest of this one stays good. */
static void *alloc_more(struct http__arena *arena, size_t size)
{
    const bool alone = size > MORE_SIZE / 4;
    size_t room = alone ? size : MORE_SIZE;
    struct http__arena_more *more;

    if (size > SIZE_MAX / 2)
        return NULL;
    more = http__malloc(sizeof *more + room);
    if (more == NULL)
        return NULL;
    more->next = arena->more;
    arena->more = more;
    if (!alone) {
        arena->at = (char *)more->memory + size;
        arena->end = (char *)more->memory + room;
    }
    return more->memory;
}

void *http__arena_alloc(struct http__arena *arena, size_t size)
{
    void *memory = arena->at;

    if (size > SIZE_MAX - ALIGNMENT)
        return NULL;
    size = (size + ALIGNMENT - 1) & ~(ALIGNMENT - 1);
    if (size > (size_t)(arena->end - arena->at))
        return alloc_more(arena, size);
    arena->at += size;
    return memory;
}

char *http__arena_copy(struct http__arena *arena, const char *text,
                       size_t length)
{
    char *copy = http__arena_alloc(arena, length + 1);

    if (copy == NULL)
        return NULL;
    memcpy(copy, text, length);
    copy[length] = '\0';
    return copy;
}

void http__arena_free(struct http__arena *arena)
{
    struct http__arena_more *more = arena->more, *next;

    for (; more != NULL; more = next) {
        next = more->next;
        free(more);
    }
    arena->more = NULL;
}
