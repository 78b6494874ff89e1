/* entry.S - the ends of a greenlet's stack: its outermost frame, and the two
 * jumps that need only half of jump_fcontext()
 *
 * They work on the frames that frame.h draws.  To read mxcsr takes as long as all
 * the rest of a jump: who begins has nothing to load, who ends nothing to keep. */
#include "frame.h"

    .text

/* The first jump to a greenlet (first_frame.h) ends here, with the transfer in rdi
 * (context) and rsi (data) and the stack as after a call.  The return address is marked undefined, so
 * that unwinders and gdb stop here instead of running off the stack; what was
 * thrown and not caught is told to greenlet__personality() (cxx.c).  The nop is
 * for unwinders that look for the frame of a greenlet that has not yet run: they
 * take what they find for a return address and look at the byte before. */
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
.Lplain:
    xorl %ebp, %ebp
    movq %rsi, %rdi
    call greenlet__run@PLT
    ud2
    .cfi_endproc
    .size greenlet__entry, . - greenlet__entry

/* struct greenlet__transfer greenlet__begin(struct greenlet *from,
 *                                           struct greenlet *to)
 *
 * Suspend `from`, whose first field is its context, and run `to` for the first
 * time, on the stack that ends where it lies.  Returns what jump_fcontext() does,
 * as soon as that one resumes `from`. */
    .globl greenlet__begin
    .hidden greenlet__begin
    .type greenlet__begin, @function
    .align 16
greenlet__begin:
    .cfi_startproc
    endbr64
    leaq -FRAME_PC(%rsp), %rsp
    .cfi_adjust_cfa_offset FRAME_PC
    stmxcsr FRAME_MXCSR(%rsp)
    fnstcw FRAME_X87(%rsp)
    movq %r12, FRAME_R12(%rsp)
    movq %r13, FRAME_R13(%rsp)
    movq %r14, FRAME_R14(%rsp)
    movq %r15, FRAME_R15(%rsp)
    movq %rbx, FRAME_RBX(%rsp)
    movq %rbp, FRAME_RBP(%rsp)
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    .cfi_undefined rip
    jmp .Lplain
    .cfi_endproc
    .size greenlet__begin, . - greenlet__begin

/* void greenlet__finish(greenlet__fcontext to, struct greenlet *from)
 *
 * Resume `to` and never come back.  There the transfer has `from`, and no
 * context. */
    .globl greenlet__finish
    .hidden greenlet__finish
    .type greenlet__finish, @function
    .align 16
greenlet__finish:
    .cfi_startproc
    .cfi_undefined rip
    endbr64
    movq %rsi, %rdx
    xorl %eax, %eax
    ldmxcsr FRAME_MXCSR(%rdi)
    fldcw FRAME_X87(%rdi)
    movq FRAME_R12(%rdi), %r12
    movq FRAME_R13(%rdi), %r13
    movq FRAME_R14(%rdi), %r14
    movq FRAME_R15(%rdi), %r15
    movq FRAME_RBX(%rdi), %rbx
    movq FRAME_RBP(%rdi), %rbp
    movq FRAME_PC(%rdi), %rcx
    leaq FRAME_SIZE(%rdi), %rsp
    jmp *%rcx
    .cfi_endproc
    .size greenlet__finish, . - greenlet__finish

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
