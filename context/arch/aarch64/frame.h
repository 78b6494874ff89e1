/* frame.h - what jump_fcontext() leaves on a stack, by offset from the context
 *
 *     +0x00  d8 ... d15      +0x90  x29, x30
 *     +0x40  x19 ... x28     +0xa0  return address
 *                            +0xb0  the stack as it is after the return
 *
 * The same in Boost 1.74 and 1.83.  The layout is Boost's own affair: the build
 * reads it in the code that is linked (cmake/VireoFrame.cmake), context/arch
 * compares at run time. */
#ifndef GREENLET_FRAME_H
#define GREENLET_FRAME_H

#if !defined(FRAME_REGISTERS) || !defined(FRAME_PC)
#error "cmake/VireoFrame.cmake defines FRAME_REGISTERS and FRAME_PC"
#elif FRAME_REGISTERS != 0x40 || FRAME_PC != 0xa0
#error "a jump_fcontext() that saves other registers: see context/arch"
#endif

#define FRAME_SIZE 0xb0

#endif
