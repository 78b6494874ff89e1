/* entry.S - the outermost frame of a greenlet's stack
 *
 * make_fcontext() jumps here with the transfer in rdi (context) and rsi (data)
 * and the stack as after a call.  The return address is marked undefined, so
 * that unwinders and gdb stop here instead of running off the stack; what was
 * thrown and not caught is told to greenlet__personality() (cxx.c).  The nop is
 * for unwinders that look for the frame of a greenlet that has not yet run: they
 * take what they find for a return address and look at the byte before. */
    .text
    .globl greenlet__entry
    .hidden greenlet__entry
    .type greenlet__entry, @function
    .align 16
    .cfi_startproc
    .cfi_personality 0x1b, greenlet__personality
    .cfi_undefined rip
    nop
greenlet__entry:
    endbr64
    xorl %ebp, %ebp
    subq $8, %rsp
    .cfi_adjust_cfa_offset 8
    call greenlet__first@PLT
    ud2
    .cfi_endproc
    .size greenlet__entry, . - greenlet__entry

/* Where functions marked GREENLET__SWITCHES end (gcc's thunk-extern).  No register
 * that carries a result is touched. */
    .globl __x86_return_thunk
    .hidden __x86_return_thunk
    .type __x86_return_thunk, @function
    .align 64
__x86_return_thunk:
    .cfi_startproc
    popq %rcx
    .cfi_adjust_cfa_offset -8
    .cfi_register rip, rcx
    jmp *%rcx
    .cfi_endproc
    .size __x86_return_thunk, . - __x86_return_thunk

    .section .note.GNU-stack, "", @progbits
