/* dlopen.S - dlopen() and dlmopen(): prepare, then become the original
 *
 * A tail jump: the original looks at its return address to know whose RUNPATH
 * and $ORIGIN count.  Frame: the three argument registers and the link.
 * They still hold the arguments when the function is called. */
    .macro wrapper name, before
    .globl \name
    .type \name, %function
    .align 4
\name:
    .cfi_startproc
    hint #34
    stp x29, x30, [sp, #-48]!
    .cfi_adjust_cfa_offset 48
    .cfi_rel_offset x29, 0
    .cfi_rel_offset x30, 8
    stp x0, x1, [sp, #16]
    str x2, [sp, #32]
    bl \before
    mov x16, x0
    ldr x2, [sp, #32]
    ldp x0, x1, [sp, #16]
    ldp x29, x30, [sp], #48
    .cfi_adjust_cfa_offset -48
    .cfi_restore x29
    .cfi_restore x30
    br x16
    .cfi_endproc
    .size \name, . - \name
    .endm

    .text
    wrapper dlopen, mp__before_dlopen
    wrapper dlmopen, mp__before_dlmopen

    .section .note.GNU-stack, "", %progbits
