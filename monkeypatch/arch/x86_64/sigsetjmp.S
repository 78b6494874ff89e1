/* sigsetjmp.S - __sigsetjmp() and getcontext() that save the mapped thread's
 * mask, too
 *
 * Tail jumps: the originals save their caller's frame.  Frame: the two argument
 * registers, aligned.  Without a mask to save there is nothing to do, and the
 * buffer may be a short one of a cleanup handler. */
    .macro keeping, function
    pushq %rdi
    .cfi_adjust_cfa_offset 8
    pushq %rsi
    .cfi_adjust_cfa_offset 8
    subq $8, %rsp
    .cfi_adjust_cfa_offset 8
    call \function
    addq $8, %rsp
    .cfi_adjust_cfa_offset -8
    popq %rsi
    .cfi_adjust_cfa_offset -8
    popq %rdi
    .cfi_adjust_cfa_offset -8
    .endm

    .macro jump_to, original
    cmpq $0, \original(%rip)
    jne 2f
    keeping mp__init
2:  jmp *\original(%rip)
    .endm

    .text
    .globl __sigsetjmp
    .type __sigsetjmp, @function
    .align 16
__sigsetjmp:
    .cfi_startproc
    endbr64
    testl %esi, %esi
    jz 1f
    keeping mp__jump_saves
1:  jump_to mp__real_sigsetjmp
    .cfi_endproc
    .size __sigsetjmp, . - __sigsetjmp

    .globl getcontext
    .type getcontext, @function
    .align 16
getcontext:
    .cfi_startproc
    endbr64
    keeping mp__context_saves
    jump_to mp__real_getcontext
    .cfi_endproc
    .size getcontext, . - getcontext

    .section .note.GNU-stack, "", @progbits
