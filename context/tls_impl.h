/* tls_impl.h - what the two makers of TLS blocks share: ld.so's functions */
#ifndef TLS_IMPL_H
#define TLS_IMPL_H

#include "context/greenlet_impl.h"

#include <stdbool.h>
#include <stddef.h>

/* Found by greenlet__tls_find(). */
extern void *(*greenlet__dl_allocate)(void *pointer);
extern void (*greenlet__dl_deallocate)(void *pointer, bool free_it);

/* tls_dtv.c.  ld.so's _dl_allocate_tls_init(), or NULL, and where struct pthread has
 * the vector's address; -1: nobody knows. */
void greenlet__dtv_find(void *init, ptrdiff_t where);
/* greenlet__dl_allocate(), with a short vector where it can be. */
void *greenlet__dtv_allocate(char *pointer);

/* libc's struct of a thread, in the block of that pointer. */
static inline char *greenlet__pthread_of(void *thread_pointer)
{
    return (char *)thread_pointer + greenlet__tls.pthread_start;
}

/* tls.c.  The head of ld.so's list of stacks that it did not make; NULL: not found. */
struct greenlet__node {
    struct greenlet__node *next, *prev;
};
struct greenlet__node *greenlet__tls_stacks(void);

#endif
