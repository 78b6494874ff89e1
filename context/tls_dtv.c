/* tls_dtv.c - the vector of a block's TLS modules, no longer than it has to be
 *
 * ld.so gives each new vector 14 entries to spare, 224 bytes of 304 in a C program:
 * as much as all else that a mapped thread takes from malloc.  So after the first
 * one vectors are made here, with as many entries as there are modules.  ld.so makes
 * a longer one of any that is too short, when a block is made or when its thread
 * first uses a module that came later. */
#include "context/greenlet_impl.h"
#include "context/tls_impl.h"

#include <stdatomic.h>

/* ld.so's, the first of which says how many follow the second. */
struct entry {
    uintptr_t value;
    uintptr_t to_free;
};

/* More than any program has modules with TLS. */
#define MOST 100000

static void *(*initialise)(void *pointer, bool all);
static ptrdiff_t place; /* of its address, in struct pthread; -1: not found */
static _Atomic size_t modules; /* entries in use; 0: not known */

void greenlet__dtv_find(void *init, ptrdiff_t where)
{
    *(void **)&initialise = init;
    place = init != NULL ? where : -1;
}

static struct entry **vector_of(char *pointer)
{
    return (struct entry **)(pointer + greenlet__tls.pthread_start + place);
}

/* What is not used is zero, as ld.so leaves it. */
static void learn(char *pointer)
{
    const struct entry *vector = *vector_of(pointer);
    size_t used = vector[-1].value;

    if (used == 0 || used > MOST)
        return;
    while (used > 0 && vector[used].value == 0)
        used--;
    atomic_store_explicit(&modules, used, memory_order_relaxed);
}

/* ld.so will free it, or make it longer. */
static void *allocate_short(char *pointer, size_t used)
{
    struct entry *vector = greenlet__libc.calloc(used + 2, sizeof *vector);

    if (vector == NULL)
        return NULL;
    vector[0].value = used;
    *vector_of(pointer) = vector + 1;
    initialise(pointer, true);
    if ((*vector_of(pointer))[-1].value != used)
        learn(pointer); /* there are more modules now */
    return pointer;
}

void *greenlet__dtv_allocate(char *pointer)
{
    size_t used = atomic_load_explicit(&modules, memory_order_relaxed);

    if (used > 0)
        return allocate_short(pointer, used);
    if (greenlet__dl_allocate(pointer) == NULL)
        return NULL;
    if (place >= 0)
        learn(pointer);
    return pointer;
}
