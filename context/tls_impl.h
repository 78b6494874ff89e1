/* tls_impl.h - what the two makers of TLS blocks share: ld.so's functions */
#ifndef TLS_IMPL_H
#define TLS_IMPL_H

#include <stdbool.h>

/* Found by greenlet__tls_find(). */
extern void *(*greenlet__dl_allocate)(void *pointer);
extern void (*greenlet__dl_deallocate)(void *pointer, bool free_it);

#endif
