/* entry.S - the ends of a greenlet's stack: its outermost frame, and the two
 * jumps that need only half of jump_fcontext()
 *
 *     what is suspended, upwards from its context:
 *              +0x00  mxcsr, x87 control     +0x20  r15
 *              +0x08  r12                    +0x28  rbx
 *              +0x10  r13                    +0x30  rbp
 *              +0x18  r14                    +0x38  return address
 *
 * To read mxcsr takes as long as all the rest of a jump: who begins has nothing
 * to load, who ends has nothing to keep. */
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
    leaq -0x38(%rsp), %rsp
    .cfi_adjust_cfa_offset 0x38
    stmxcsr (%rsp)
    fnstcw 0x4(%rsp)
    movq %r12, 0x8(%rsp)
    movq %r13, 0x10(%rsp)
    movq %r14, 0x18(%rsp)
    movq %r15, 0x20(%rsp)
    movq %rbx, 0x28(%rsp)
    movq %rbp, 0x30(%rsp)
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
    ldmxcsr (%rdi)
    fldcw 0x4(%rdi)
    movq 0x8(%rdi), %r12
    movq 0x10(%rdi), %r13
    movq 0x18(%rdi), %r14
    movq 0x20(%rdi), %r15
    movq 0x28(%rdi), %rbx
    movq 0x30(%rdi), %rbp
    movq 0x38(%rdi), %rcx
    leaq 0x40(%rdi), %rsp
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
