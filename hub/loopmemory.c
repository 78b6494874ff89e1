/* loopmemory.c - memory for libev, which aborts the process when it gets none
 *
 * What it asks for in a loop that runs is room to note descriptors whose
 * registration changes: four bytes for each, and twice as much as before when
 * that is too little.  A server that has used up its memory takes connections
 * until then, so there is a reserve, for all loops together: enough for the most
 * descriptors that the hub has (reserve.c).  It is only touched when it is
 * needed. */
#include "hub/hub_impl.h"
#include "hub/loopmemory.h"

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
