/* walk.S - backtrace() of a stack that is not the running one
 *
 * int greenlet__walk(void **frames, int max, greenlet__fcontext context)
 *
 * To an unwinder the caller of this function is the frame that `context` was
 * suspended in: while backtrace() runs, the registers of the caller are those
 * that jump_fcontext() has stored there.
 *
 *     context  +0x00  mxcsr, x87 control     +0x20  r15
 *              +0x08  r12                    +0x28  rbx
 *              +0x10  r13                    +0x30  rbp
 *              +0x18  r14                    +0x38  return address
 *              +0x40  the stack after the return: the canonical frame address */
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
    .cfi_def_cfa rbx, 0x40
    .cfi_offset r12, -0x38
    .cfi_offset r13, -0x30
    .cfi_offset r14, -0x28
    .cfi_offset r15, -0x20
    .cfi_offset rbx, -0x18
    .cfi_offset rbp, -0x10
    .cfi_offset rip, -0x08
    call *backtrace@GOTPCREL(%rip)
    .cfi_restore_state
    popq %rbx
    .cfi_adjust_cfa_offset -8
    .cfi_restore rbx
    ret
    .cfi_endproc
    .size greenlet__walk, . - greenlet__walk

    .section .note.GNU-stack, "", @progbits
