/* vfork.S - vfork() that tells the child's wrappers to stand aside
 *
 * clone(CLONE_VM | CLONE_VFORK | SIGCHLD): the child runs first, on the parent's
 * stack; the return address stays in x30.  The word, of the TLS block that both
 * have, is set in the child, and cleared when the parent goes on. */
    .text
    .globl vfork
    .globl __vfork
    .type vfork, %function
    .set __vfork, vfork
    .align 4
vfork:
    .cfi_startproc
    hint #34
    stp x29, x30, [sp, #-16]!
    .cfi_adjust_cfa_offset 16
    .cfi_rel_offset x29, 0
    .cfi_rel_offset x30, 8
    bl mp__vfork_begins
    ldp x29, x30, [sp], #16
    .cfi_adjust_cfa_offset -16
    .cfi_restore x29
    .cfi_restore x30
    mov x0, #0x4111
    mov x1, xzr
    mov x2, xzr
    mov x3, xzr
    mov x4, xzr
    mov x8, #220
    svc #0
    adrp x9, :gottprel:mp__in_vfork_child
    ldr x9, [x9, :gottprel_lo12:mp__in_vfork_child]
    mrs x10, tpidr_el0
    add x9, x9, x10
    cbnz x0, 1f
    mov w10, #1
    str w10, [x9]
    ret
1:  str wzr, [x9]
    stp x0, x30, [sp, #-16]!
    .cfi_adjust_cfa_offset 16
    .cfi_rel_offset x30, 8
    bl mp__vfork_ends
    ldp x0, x30, [sp], #16
    .cfi_adjust_cfa_offset -16
    .cfi_restore x30
    tbnz x0, #63, 2f
    ret
2:  neg x0, x0
    b mp__vfork_failed
    .cfi_endproc
    .size vfork, . - vfork

    .section .note.GNU-stack, "", %progbits
