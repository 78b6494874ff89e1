/* first_frame.h - what a greenlet that has not run yet is suspended in
 *
 * The frame that the drawing in entry.S has, with nothing in it but the address
 * where it begins. */
#ifndef GREENLET_FIRST_FRAME_H
#define GREENLET_FIRST_FRAME_H

#include <stdint.h>

/* Begins at `entry`, below `top`. */
static inline void *greenlet__first_frame(void *top, void (*entry)(void))
{
    uintptr_t end = (uintptr_t)top & ~(uintptr_t)15;
    char *frame = (char *)end - 0xb0;

    *(void (**)(void))(void *)(frame + 0xa0) = entry;
    return frame;
}

#endif
