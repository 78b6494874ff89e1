/* loopmemory.c - memory for libev, which aborts the process when it gets none
 *
 * What it asks for in a loop that runs is room to note descriptors whose
 * registration changes: four bytes for each, and twice as much as before when
 * that is too little.  A server that has used up its memory takes connections
 * until then, so there is a reserve, for all loops together: enough for the most
 * descriptors that the hub has (reserve.c).  It is only touched when it is
 * needed.
 *
 * There is one libev in a process, with one source of memory.  Where the program
 * uses it, too, what it has got from its own is given back to that: then libev
 * stays as it is. */
#include "hub/hub_impl.h"
#include "hub/loopmemory.h"

#include <link.h>
#include <malloc.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#define RESERVE ((size_t)512 * 1024)

struct block {
    size_t size;
    char memory[] __attribute__((aligned(16)));
};

static struct {
    uint32_t locked; /* hubs of several threads */
    unsigned blocks; /* in use: with the last one all is free again */
    size_t used;
    char memory[RESERVE] __attribute__((aligned(16)));
} reserve;

static void lock(void)
{
    while (__atomic_exchange_n(&reserve.locked, 1, __ATOMIC_ACQUIRE) != 0)
        sched_yield();
}

static void unlock(void)
{
    __atomic_store_n(&reserve.locked, 0, __ATOMIC_RELEASE);
}

static bool is_ours(const void *memory)
{
    return (uintptr_t)memory - (uintptr_t)reserve.memory < RESERVE;
}

static void *take(size_t size)
{
    size_t whole = (sizeof(struct block) + size + 15) & ~(size_t)15;
    struct block *block = NULL;

    lock();
    if (whole > size && whole <= RESERVE - reserve.used) {
        block = (struct block *)(void *)(reserve.memory + reserve.used);
        block->size = size;
        reserve.used += whole;
        reserve.blocks++;
    }
    unlock();
    return block != NULL ? block->memory : NULL;
}

static void give(void)
{
    lock();
    if (--reserve.blocks == 0)
        reserve.used = 0;
    unlock();
}

static size_t size_of(void *memory)
{
    if (is_ours(memory))
        return ((struct block *)(void *)((char *)memory -
                                         offsetof(struct block, memory)))
            ->size;
    return malloc_usable_size(memory);
}

static void release(void *memory)
{
    if (memory != NULL && is_ours(memory))
        give();
    else
        free(memory);
}

static void *move(void *memory, void *to, size_t size)
{
    size_t old;

    if (to == NULL || memory == NULL)
        return to;
    old = size_of(memory);
    memcpy(to, memory, old < size ? old : size);
    release(memory);
    return to;
}

/* As realloc(), and free() where `size` is 0. */
void *hub__loop_memory(void *memory, long size)
{
    bool ours = memory != NULL && is_ours(memory);
    void *to;

    if (size == 0) {
        release(memory);
        return NULL;
    }
    to = ours ? malloc((size_t)size) : realloc(memory, (size_t)size);
    if (to != NULL)
        return ours ? move(memory, to, (size_t)size) : to;
    return move(memory, take((size_t)size), (size_t)size);
}

/* ---- who else uses libev ---- */

#define LIBEV "libev.so."

struct dynamic {
    const ElfW(Dyn) *entries;
    bool is_us;
};

static struct dynamic dynamic_of(const struct dl_phdr_info *object)
{
    uintptr_t here = (uintptr_t)reserve.memory;
    struct dynamic found = { NULL, false };

    for (int i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &object->dlpi_phdr[i];
        uintptr_t start = object->dlpi_addr + part->p_vaddr;

        if (part->p_type == PT_DYNAMIC)
            found.entries = (const void *)start;
        if (part->p_type == PT_LOAD && here - start < part->p_memsz)
            found.is_us = true;
    }
    return found;
}

/* NULL where ld.so has not relocated the address (the vdso). */
static const char *strings_of(const ElfW(Dyn) *entries, uintptr_t base)
{
    for (; entries->d_tag != DT_NULL; entries++)
        if (entries->d_tag == DT_STRTAB && entries->d_un.d_ptr >= base)
            return (const void *)entries->d_un.d_ptr;
    return NULL;
}

static int needs_libev(struct dl_phdr_info *object, size_t size, void *unused)
{
    struct dynamic dynamic = dynamic_of(object);
    const char *strings;

    (void)size;
    (void)unused;
    if (dynamic.entries == NULL || dynamic.is_us)
        return 0;
    strings = strings_of(dynamic.entries, object->dlpi_addr);
    for (const ElfW(Dyn) *entry = dynamic.entries;
         strings != NULL && entry->d_tag != DT_NULL; entry++)
        if (entry->d_tag == DT_NEEDED &&
            strncmp(strings + entry->d_un.d_val, LIBEV, strlen(LIBEV)) == 0)
            return 1;
    return 0;
}

bool hub__loop_memory_is_ours(void)
{
    static uint32_t asked;

    return __atomic_exchange_n(&asked, 1, __ATOMIC_RELAXED) == 0 &&
           dl_iterate_phdr(needs_libev, NULL) == 0;
}
