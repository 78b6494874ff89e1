/* on_stack.S - mp__call_on_stack(): a call whose frames are on another stack
 *
 * Frame: the caller's %rbp, by which unwinders, too, find the way back. */
    .text
    .globl mp__call_on_stack
    .type mp__call_on_stack, @function
    .align 16
mp__call_on_stack:
    .cfi_startproc
    endbr64
    pushq %rbp
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset rbp, 0
    movq %rsp, %rbp
    .cfi_def_cfa_register rbp
    movq %rdx, %rsp
    call *%rsi
    movq %rbp, %rsp
    .cfi_def_cfa_register rsp
    popq %rbp
    .cfi_adjust_cfa_offset -8
    .cfi_restore rbp
    ret
    .cfi_endproc
    .size mp__call_on_stack, . - mp__call_on_stack

    .section .note.GNU-stack, "", @progbits
