/* preempt_gate.S - mp__gate: returned to in place of the program; preempt_gate.c
 *
 * The allocator's functions return in %rax, at most; all else that a call preserves C
 * does.  Unwinders find the return address below the caller's frame, if it is there
 * again; else they come to the instruction before the gate, where they find none. */
    .text
    .globl mp__gate
    .hidden mp__gate
    .globl mp__gate_end
    .hidden mp__gate_end
    .type mp__gate, @function
    .align 16
    .cfi_startproc
    .cfi_def_cfa rsp, 0
    .cfi_undefined rip
    nop /* a return address is looked up one byte before */
mp__gate:
    .cfi_offset rip, -8
    leaq -8(%rsp), %rsp
    .cfi_adjust_cfa_offset 8
    pushq %rbp
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset rbp, 0
    movq %rsp, %rbp
    .cfi_def_cfa_register rbp
    pushq %rax
    andq $-16, %rsp
    leaq 8(%rbp), %rdi
    leaq 16(%rbp), %rsi
    call mp__gate_passed
    movq -8(%rbp), %rax
    movq %rbp, %rsp
    .cfi_def_cfa_register rsp
    popq %rbp
    .cfi_adjust_cfa_offset -8
    .cfi_restore rbp
    ret
mp__gate_end:
    .cfi_endproc
    .size mp__gate, . - mp__gate

    .section .note.GNU-stack, "", @progbits
