/* sigsetjmp.S - __sigsetjmp() that saves the mapped thread's mask, too
 *
 * A tail jump: the original saves its caller's frame.  Frame: the two argument
 * registers, aligned.  Without a mask to save there is nothing to do, and the
 * buffer may be a short one of a cleanup handler. */
    .text
    .globl __sigsetjmp
    .type __sigsetjmp, @function
    .align 16
__sigsetjmp:
    .cfi_startproc
    endbr64
    movq mp__real_sigsetjmp(%rip), %rax
    testl %esi, %esi
    jz 1f
    pushq %rdi
    .cfi_adjust_cfa_offset 8
    pushq %rsi
    .cfi_adjust_cfa_offset 8
    pushq %rax
    .cfi_adjust_cfa_offset 8
    call mp__jump_saves
    popq %rax
    .cfi_adjust_cfa_offset -8
    popq %rsi
    .cfi_adjust_cfa_offset -8
    popq %rdi
    .cfi_adjust_cfa_offset -8
1:  testq %rax, %rax
    jz 2f
    jmp *%rax
2:  pushq %rdi
    .cfi_adjust_cfa_offset 8
    pushq %rsi
    .cfi_adjust_cfa_offset 8
    subq $8, %rsp
    .cfi_adjust_cfa_offset 8
    call mp__init
    addq $8, %rsp
    .cfi_adjust_cfa_offset -8
    popq %rsi
    .cfi_adjust_cfa_offset -8
    popq %rdi
    .cfi_adjust_cfa_offset -8
    jmp *mp__real_sigsetjmp(%rip)
    .cfi_endproc
    .size __sigsetjmp, . - __sigsetjmp

    .section .note.GNU-stack, "", @progbits
