/* on_stack.S - mp__call_on_stack(): a call whose frames are on another stack
 *
 * Frame: the caller's x29 and the link, by which unwinders, too, find the way back. */
    .text
    .globl mp__call_on_stack
    .type mp__call_on_stack, %function
    .align 4
mp__call_on_stack:
    .cfi_startproc
    hint #34
    stp x29, x30, [sp, #-16]!
    .cfi_adjust_cfa_offset 16
    .cfi_rel_offset x29, 0
    .cfi_rel_offset x30, 8
    mov x29, sp
    .cfi_def_cfa_register x29
    mov sp, x2
    blr x1
    mov sp, x29
    .cfi_def_cfa_register sp
    ldp x29, x30, [sp], #16
    .cfi_adjust_cfa_offset -16
    .cfi_restore x29
    .cfi_restore x30
    ret
    .cfi_endproc
    .size mp__call_on_stack, . - mp__call_on_stack

    .section .note.GNU-stack, "", %progbits
