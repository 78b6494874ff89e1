/* vfork.S - vfork() that tells the child's wrappers to stand aside
 *
 * The child runs first, on the parent's stack, and overwrites what is below: the
 * return address waits in a register.  The word is set in the child, which has
 * the parent's memory, and cleared when the parent goes on. */
    .text
    .globl vfork
    .globl __vfork
    .type vfork, @function
    .set __vfork, vfork
    .align 16
vfork:
    .cfi_startproc
    endbr64
    subq $8, %rsp
    .cfi_adjust_cfa_offset 8
    call mp__vfork_begins
    addq $8, %rsp
    .cfi_adjust_cfa_offset -8
    popq %rdi
    .cfi_adjust_cfa_offset -8
    .cfi_register rip, rdi
    movl $58, %eax
    syscall
    pushq %rdi
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset rip, 0
    testl %eax, %eax
    jnz 1f
    movl $1, mp__in_vfork_child(%rip)
    ret
1:  movl $0, mp__in_vfork_child(%rip)
    pushq %rax
    .cfi_adjust_cfa_offset 8
    call mp__vfork_ends
    popq %rax
    .cfi_adjust_cfa_offset -8
    testl %eax, %eax
    js 2f
    ret
2:  negl %eax
    movl %eax, %edi
    jmp mp__vfork_failed
    .cfi_endproc
    .size vfork, . - vfork

    .section .note.GNU-stack, "", @progbits
