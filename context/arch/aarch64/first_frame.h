/* first_frame.h - what a greenlet that has not run yet is suspended in
 *
 * A frame as frame.h draws it, with nothing in it but the address
 * where it begins. */
#ifndef GREENLET_FIRST_FRAME_H
#define GREENLET_FIRST_FRAME_H

#include "frame.h"

#include <stdint.h>

/* Begins at `entry`, below `top`. */
static inline void *greenlet__first_frame(void *top, void (*entry)(void))
{
    uintptr_t end = (uintptr_t)top & ~(uintptr_t)15;
    char *frame = (char *)end - FRAME_SIZE;

    *(void (**)(void))(void *)(frame + FRAME_PC) = entry;
    return frame;
}

#endif
