/* entry.S - the outermost frame of a greenlet's stack
 *
 * make_fcontext() jumps here with the transfer in x0 (context) and x1 (data).
 * The link register is marked undefined, so that unwinders and gdb stop here
 * instead of running off the stack. */
    .text
    .globl greenlet__entry
    .hidden greenlet__entry
    .type greenlet__entry, %function
    .align 4
greenlet__entry:
    .cfi_startproc
    .cfi_undefined x30
    hint #34
    mov x29, xzr
    mov x30, xzr
    bl greenlet__first
    brk #1
    .cfi_endproc
    .size greenlet__entry, . - greenlet__entry

    .section .note.GNU-stack, "", %progbits
