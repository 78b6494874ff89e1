/* slots.h - memory of one size, in mappings */
#ifndef HTTP_SLOTS_H
#define HTTP_SLOTS_H

#include <stddef.h>

struct http__slots;

/* NULL: no memory. */
struct http__slots *http__slots_new(size_t size);
/* All were given back.  NULL is fine. */
void http__slots_free(struct http__slots *slots);

/* One whose pages are not there yet, at the beginning of a page; NULL: no
 * memory. */
void *http__slot_take(struct http__slots *slots);
/* Its pages go back to the system. */
void http__slot_give(struct http__slots *slots, void *memory);

#endif
