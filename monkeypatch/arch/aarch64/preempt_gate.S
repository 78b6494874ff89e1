/* preempt_gate.S - mp__gate: returned to in place of the program; preempt_gate.c
 *
 * The allocator's functions return in x0, at most; all else that a call preserves C
 * does.  The place that the return address was in is the callee's, and may be in use
 * again: it is in a place of the gate's own from here on.  Unwinders find it there, or
 * the gate's: then they come to the instruction before it, where there is no way on. */
    .text
    .globl mp__gate
    .hidden mp__gate
    .globl mp__gate_end
    .hidden mp__gate_end
    .type mp__gate, %function
    .align 4
    .cfi_startproc
    .cfi_undefined x30
    nop /* a return address is looked up before */
mp__gate:
    .cfi_restore x30
    sub sp, sp, #32
    .cfi_adjust_cfa_offset 32
    stp x29, x30, [sp]
    .cfi_rel_offset x29, 0
    .cfi_rel_offset x30, 8
    mov x29, sp
    str x0, [sp, #16]
    add x0, sp, #8
    add x1, sp, #32
    bl mp__gate_passed
    ldr x0, [sp, #16]
    ldp x29, x30, [sp]
    add sp, sp, #32
    .cfi_adjust_cfa_offset -32
    .cfi_restore x29
    .cfi_restore x30
    ret
mp__gate_end:
    .cfi_endproc
    .size mp__gate, . - mp__gate

    .section .note.GNU-stack, "", %progbits
