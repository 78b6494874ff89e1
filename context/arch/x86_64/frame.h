/* frame.h - what jump_fcontext() leaves on a stack, by offset from the context
 *
 *     +0x00  mxcsr, x87 control         after the registers, at +0x38 or +0x40:
 *     +0x08  Boost 1.74: r12 r13 r14 r15 rbx rbp, 8 bytes each
 *     +0x10  Boost 1.83: the same; +0x08 is for a shadow stack pointer
 *                                       the return address; above it is the
 *                                       stack as it is after the return
 *
 * The layout is Boost's own affair and changes.  The build reads it in the code
 * that is linked (cmake/VireoFrame.cmake), context/arch compares at run time. */
#ifndef GREENLET_FRAME_H
#define GREENLET_FRAME_H

#if !defined(FRAME_REGISTERS) || !defined(FRAME_PC)
#error "cmake/VireoFrame.cmake defines FRAME_REGISTERS and FRAME_PC"
#elif FRAME_PC != FRAME_REGISTERS + 0x30
#error "a jump_fcontext() that saves other registers: see context/arch"
#endif

#define FRAME_MXCSR 0x00
#define FRAME_X87 0x04
#define FRAME_R12 FRAME_REGISTERS
#define FRAME_R13 (FRAME_REGISTERS + 0x08)
#define FRAME_R14 (FRAME_REGISTERS + 0x10)
#define FRAME_R15 (FRAME_REGISTERS + 0x18)
#define FRAME_RBX (FRAME_REGISTERS + 0x20)
#define FRAME_RBP (FRAME_REGISTERS + 0x28)
#define FRAME_SIZE (FRAME_PC + 8)

#endif
