/* first_frame.h - what a greenlet that has not run yet is suspended in
 *
 * A frame as frame.h draws it, with nothing in it but the control
 * words of whoever makes it and the address where it begins.  make_fcontext()
 * makes one more frame, and an indirect jump out of it. */
#ifndef GREENLET_FIRST_FRAME_H
#define GREENLET_FIRST_FRAME_H

#include "frame.h"

#include <stdint.h>

/* Begins at `entry`, with the stack as after a call, below `top`. */
static inline void *greenlet__first_frame(void *top, void (*entry)(void))
{
    uintptr_t end = ((uintptr_t)top & ~(uintptr_t)15) - 8;
    char *frame = (char *)end - FRAME_SIZE;

    __asm__ volatile("stmxcsr %0\n\tfnstcw %1"
                     : "=m"(*(uint32_t *)(void *)(frame + FRAME_MXCSR)),
                       "=m"(*(uint16_t *)(void *)(frame + FRAME_X87)));
    *(void (**)(void))(void *)(frame + FRAME_PC) = entry;
    return frame;
}

#endif
