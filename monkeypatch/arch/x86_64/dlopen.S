/* dlopen.S - dlopen() and dlmopen(): prepare, then become the original
 *
 * A tail jump: the original looks at its return address to know whose RUNPATH
 * and $ORIGIN count.  Frame: the three argument registers, aligned.
 * They still hold the arguments when the function is called. */
    .macro wrapper name, before
    .globl \name
    .type \name, @function
    .align 16
\name:
    .cfi_startproc
    endbr64
    pushq %rdi
    .cfi_adjust_cfa_offset 8
    pushq %rsi
    .cfi_adjust_cfa_offset 8
    pushq %rdx
    .cfi_adjust_cfa_offset 8
    call \before
    popq %rdx
    .cfi_adjust_cfa_offset -8
    popq %rsi
    .cfi_adjust_cfa_offset -8
    popq %rdi
    .cfi_adjust_cfa_offset -8
    jmp *%rax
    .cfi_endproc
    .size \name, . - \name
    .endm

    .text
    wrapper dlopen, mp__before_dlopen
    wrapper dlmopen, mp__before_dlmopen

    .section .note.GNU-stack, "", @progbits
