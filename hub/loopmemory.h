/* loopmemory.h - what loop.c gives libev to get memory from */
#ifndef HUB_LOOPMEMORY_H
#define HUB_LOOPMEMORY_H

#include <stdbool.h>

/* True once, and nowhere but where nobody else in the process uses libev. */
bool hub__loop_memory_is_ours(void);

void *hub__loop_memory(void *memory, long size);

#endif
