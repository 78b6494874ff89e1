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
    .type greenlet__walk, @function
    .align 16
greenlet__walk:
    .cfi_startproc
    endbr64
    pushq %rbx
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset rbx, 0
    movq %rdx, %rbx
    .cfi_remember_state
    .cfi_def_cfa rbx, FRAME_SIZE
    .cfi_offset r12, FRAME_R12 - FRAME_SIZE
    .cfi_offset r13, FRAME_R13 - FRAME_SIZE
    .cfi_offset r14, FRAME_R14 - FRAME_SIZE
    .cfi_offset r15, FRAME_R15 - FRAME_SIZE
    .cfi_offset rbx, FRAME_RBX - FRAME_SIZE
    .cfi_offset rbp, FRAME_RBP - FRAME_SIZE
    .cfi_offset rip, FRAME_PC - FRAME_SIZE
    call *backtrace@GOTPCREL(%rip)
    .cfi_restore_state
    popq %rbx
    .cfi_adjust_cfa_offset -8
    .cfi_restore rbx
    ret
    .cfi_endproc
    .size greenlet__walk, . - greenlet__walk

    .section .note.GNU-stack, "", @progbits
