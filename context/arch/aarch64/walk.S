/* walk.S - backtrace() of a stack that is not the running one
 *
 * int greenlet__walk(void **frames, int max, greenlet__fcontext context)
 *
 * To an unwinder the caller of this function is the frame that `context` was
 * suspended in: while backtrace() runs, the registers of the caller are those
 * that jump_fcontext() has stored there (frame.h), and the canonical frame address
 * is the stack after its return. */
#include "frame.h"

    .text
    .globl greenlet__walk
    .hidden greenlet__walk
    .type greenlet__walk, %function
    .align 4
greenlet__walk:
    .cfi_startproc
    hint #34
    stp x19, x30, [sp, #-16]!
    .cfi_adjust_cfa_offset 16
    .cfi_rel_offset x19, 0
    .cfi_rel_offset x30, 8
    mov x19, x2
    .cfi_remember_state
    .cfi_def_cfa x19, FRAME_SIZE
    .cfi_offset x19, -0x70
    .cfi_offset x20, -0x68
    .cfi_offset x21, -0x60
    .cfi_offset x22, -0x58
    .cfi_offset x23, -0x50
    .cfi_offset x24, -0x48
    .cfi_offset x25, -0x40
    .cfi_offset x26, -0x38
    .cfi_offset x27, -0x30
    .cfi_offset x28, -0x28
    .cfi_offset x29, -0x20
    .cfi_offset x30, FRAME_PC - FRAME_SIZE
    .cfi_offset d8, -0xb0
    .cfi_offset d9, -0xa8
    .cfi_offset d10, -0xa0
    .cfi_offset d11, -0x98
    .cfi_offset d12, -0x90
    .cfi_offset d13, -0x88
    .cfi_offset d14, -0x80
    .cfi_offset d15, -0x78
    bl backtrace
    .cfi_restore_state
    ldp x19, x30, [sp], #16
    .cfi_adjust_cfa_offset -16
    .cfi_restore x19
    .cfi_restore x30
    ret
    .cfi_endproc
    .size greenlet__walk, . - greenlet__walk

    .section .note.GNU-stack, "", %progbits
