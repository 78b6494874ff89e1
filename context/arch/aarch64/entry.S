/* entry.S - the outermost frame of a greenlet's stack
 *
 * make_fcontext() jumps here with the transfer in x0 (context) and x1 (data).
 * The link register is marked undefined, so that unwinders and gdb stop here
 * instead of running off the stack; what was thrown and not caught is told to
 * greenlet__personality() (cxx.c).  The nop is for unwinders that look for the
 * frame of a greenlet that has not yet run: they take what they find for a return
 * address and look at the byte before. */
    .text
    .globl greenlet__entry
    .hidden greenlet__entry
    .type greenlet__entry, %function
    .align 4
    .cfi_startproc
    .cfi_personality 0x1b, greenlet__personality
    .cfi_undefined x30
    nop
greenlet__entry:
    hint #34
    mov x29, xzr
    mov x30, xzr
    bl greenlet__first
    brk #1
    .cfi_endproc
    .size greenlet__entry, . - greenlet__entry

    .section .note.GNU-stack, "", %progbits
