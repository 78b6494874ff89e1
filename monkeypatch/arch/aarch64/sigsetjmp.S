/* sigsetjmp.S - __sigsetjmp() and getcontext() that save the mapped thread's
 * mask, too
 *
 * Tail jumps: the originals save their caller's frame.  Frame: the two argument
 * registers and the link.  Without a mask to save there is nothing to do, and
 * the buffer may be a short one of a cleanup handler. */
    .macro keeping, function
    stp x29, x30, [sp, #-32]!
    .cfi_adjust_cfa_offset 32
    .cfi_rel_offset x29, 0
    .cfi_rel_offset x30, 8
    stp x0, x1, [sp, #16]
    bl \function
    ldp x0, x1, [sp, #16]
    ldp x29, x30, [sp], #32
    .cfi_adjust_cfa_offset -32
    .cfi_restore x29
    .cfi_restore x30
    .endm

    .macro jump_to, original
    adrp x16, \original
    ldr x16, [x16, #:lo12:\original]
    cbnz x16, 2f
    keeping mp__init
    adrp x16, \original
    ldr x16, [x16, #:lo12:\original]
2:  br x16
    .endm

    .text
    .globl __sigsetjmp
    .type __sigsetjmp, %function
    .align 4
__sigsetjmp:
    .cfi_startproc
    hint #34
    cbz w1, 1f
    keeping mp__jump_saves
1:  jump_to mp__real_sigsetjmp
    .cfi_endproc
    .size __sigsetjmp, . - __sigsetjmp

    .globl getcontext
    .type getcontext, %function
    .align 4
getcontext:
    .cfi_startproc
    hint #34
    keeping mp__context_saves
    jump_to mp__real_getcontext
    .cfi_endproc
    .size getcontext, . - getcontext

    .section .note.GNU-stack, "", %progbits
