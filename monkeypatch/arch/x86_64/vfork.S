/* vfork.S - vfork() that tells the child's wrappers to stand aside
 *
 * The child runs first, on the parent's stack, and overwrites what is below: the
 * return address waits in a register.  The word, of the TLS block that both have,
 * is set in the child, and cleared when the parent goes on. */
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
    movq mp__in_vfork_child@gottpoff(%rip), %rdx
    movl $1, %fs:(%rdx)
    ret
1:  movq mp__in_vfork_child@gottpoff(%rip), %rdx
    movl $0, %fs:(%rdx)
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
