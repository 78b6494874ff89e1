/* loopmemory.h - what loop.c gives libev to get memory from */
#ifndef HUB_LOOPMEMORY_H
#define HUB_LOOPMEMORY_H

void *hub__loop_memory(void *memory, long size);

#endif
