/* slots.c - memory of one size, in mappings
 *
 * The place of a request is large, and few of its pages are touched.  In a heap
 * places move, since smaller pieces come between them, until all pages have been
 * touched by somebody: four times as many as are in use.  Here a place remains
 * where it is, and its pages can be given back one by one. */
#include "http/slots.h"

#include "http/memory.h"

#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#define IN_ONE 16 /* those that are kept may lie in as many mappings */

struct mapping {
    struct mapping *next, **back; /* of those with a place that is free */
    char *memory;
    uint16_t free; /* a bit each */
};

/* At the beginning of a place that is taken. */
struct head {
    _Alignas(max_align_t) struct mapping *mapping;
};

struct http__slots {
    size_t size; /* of one, in whole pages */
    struct mapping *free;
};

struct http__slots *http__slots_new(size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    struct http__slots *slots = http__calloc(1, sizeof *slots);

    if (slots != NULL)
        slots->size = (sizeof(struct head) + size + page - 1) / page * page;
    return slots;
}

void http__slots_free(struct http__slots *slots)
{
    free(slots); /* the last place to be given took its mapping with it */
}

/* ---- mappings ---- */

static void link_in(struct http__slots *slots, struct mapping *mapping)
{
    mapping->next = slots->free;
    mapping->back = &slots->free;
    if (mapping->next != NULL)
        mapping->next->back = &mapping->next;
    slots->free = mapping;
}

static void link_out(struct mapping *mapping)
{
    *mapping->back = mapping->next;
    if (mapping->next != NULL)
        mapping->next->back = mapping->back;
}

static struct mapping *map(struct http__slots *slots)
{
    struct mapping *mapping = http__malloc(sizeof *mapping);
    void *memory;

    if (mapping == NULL)
        return NULL;
    memory = mmap(NULL, IN_ONE * slots->size, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
        free(mapping);
        return NULL;
    }
    /* A huge page would be there as a whole. */
    madvise(memory, IN_ONE * slots->size, MADV_NOHUGEPAGE);
    mapping->memory = memory;
    mapping->free = UINT16_MAX;
    link_in(slots, mapping);
    return mapping;
}

/* ---- places ---- */

void *http__slot_take(struct http__slots *slots)
{
    struct mapping *mapping = slots->free != NULL ? slots->free : map(slots);
    struct head *head;
    int i;

    if (mapping == NULL)
        return NULL;
    i = __builtin_ctz(mapping->free);
    mapping->free &= mapping->free - 1;
    if (mapping->free == 0)
        link_out(mapping);
    head = (struct head *)(void *)(mapping->memory + (size_t)i * slots->size);
    head->mapping = mapping;
    return head + 1;
}

void http__slot_give(struct http__slots *slots, void *memory)
{
    struct head *head = (struct head *)memory - 1;
    struct mapping *mapping = head->mapping;
    size_t i = (size_t)((char *)head - mapping->memory) / slots->size;

    if (mapping->free == 0)
        link_in(slots, mapping);
    mapping->free |= 1u << i;
    if (mapping->free != UINT16_MAX) {
        madvise(head, slots->size, MADV_DONTNEED);
        return;
    }
    link_out(mapping);
    munmap(mapping->memory, IN_ONE * slots->size);
    free(mapping);
}
