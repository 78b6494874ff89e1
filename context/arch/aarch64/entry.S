/* entry.S - the ends of a greenlet's stack: its outermost frame, and the two
 * jumps that need only half of jump_fcontext()
 *
 * They work on the frames that frame.h draws.  Who begins has nothing to load, who
 * ends has nothing to keep. */
#include "frame.h"

    .text

/* The first jump to a greenlet (first_frame.h) ends here, with the transfer in x0
 * (context) and x1 (data).
 * The link register is marked undefined, so that unwinders and gdb stop here
 * instead of running off the stack; what was thrown and not caught is told to
 * greenlet__personality() (cxx.c).  The nop is for unwinders that look for the
 * frame of a greenlet that has not yet run: they take what they find for a return
 * address and look at the byte before. */
    .globl greenlet__entry
    .hidden greenlet__entry
    .type greenlet__entry, %function
    .align 4
    .cfi_startproc
    .cfi_personality 0x1b, greenlet__personality
    .cfi_undefined x30
    nop
greenlet__entry:
    hint #34
    mov x29, xzr
    mov x30, xzr
    bl greenlet__first
    brk #1
.Lplain:
    mov x29, xzr
    mov x0, x1
    bl greenlet__run
    brk #1
    .cfi_endproc
    .size greenlet__entry, . - greenlet__entry

/* struct greenlet__transfer greenlet__begin(struct greenlet *from,
 *                                           struct greenlet *to)
 *
 * Suspend `from`, whose first field is its context, and run `to` for the first
 * time, on the stack that ends where it lies.  Returns what jump_fcontext() does,
 * as soon as that one resumes `from`. */
    .globl greenlet__begin
    .hidden greenlet__begin
    .type greenlet__begin, %function
    .align 4
greenlet__begin:
    .cfi_startproc
    hint #34
    sub sp, sp, #FRAME_SIZE
    .cfi_adjust_cfa_offset FRAME_SIZE
    stp d8, d9, [sp, #0x00]
    stp d10, d11, [sp, #0x10]
    stp d12, d13, [sp, #0x20]
    stp d14, d15, [sp, #0x30]
    stp x19, x20, [sp, #0x40]
    stp x21, x22, [sp, #0x50]
    stp x23, x24, [sp, #0x60]
    stp x25, x26, [sp, #0x70]
    stp x27, x28, [sp, #0x80]
    stp x29, x30, [sp, #0x90]
    str x30, [sp, #FRAME_PC]
    mov x2, sp
    str x2, [x0]
    mov sp, x1
    .cfi_undefined x30
    b .Lplain
    .cfi_endproc
    .size greenlet__begin, . - greenlet__begin

/* void greenlet__finish(greenlet__fcontext to, struct greenlet *from)
 *
 * Resume `to` and never come back.  There the transfer has `from`, and no
 * context. */
    .globl greenlet__finish
    .hidden greenlet__finish
    .type greenlet__finish, %function
    .align 4
greenlet__finish:
    .cfi_startproc
    .cfi_undefined x30
    hint #34
    ldp d8, d9, [x0, #0x00]
    ldp d10, d11, [x0, #0x10]
    ldp d12, d13, [x0, #0x20]
    ldp d14, d15, [x0, #0x30]
    ldp x19, x20, [x0, #0x40]
    ldp x21, x22, [x0, #0x50]
    ldp x23, x24, [x0, #0x60]
    ldp x25, x26, [x0, #0x70]
    ldp x27, x28, [x0, #0x80]
    ldp x29, x30, [x0, #0x90]
    ldr x4, [x0, #FRAME_PC]
    add x2, x0, #FRAME_SIZE
    mov sp, x2
    mov x0, xzr
    ret x4
    .cfi_endproc
    .size greenlet__finish, . - greenlet__finish

    .section .note.GNU-stack, "", %progbits
