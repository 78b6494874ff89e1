/* preempt_leaf.c - places in libc where a thread can be stopped all the same
 *
 * Functions that never have a frame of their own (memcpy(), strlen()) hold nothing:
 * one that takes a lock has one, to call who waits for it.  The table by which
 * exceptions find their way says of such a function that nothing changes from its
 * first to its last instruction.  And any function is through when it has come to
 * its `ret`.  In both cases the return address is where it was when the function
 * began; if that is in the program's code nobody in libc waits for it to return. */
#include "monkeypatch/libc_table.h"
#include "monkeypatch/preempt.h"

static bool has_no_frame(uintptr_t pc)
{
    struct mp__libc_function function;

    if (!mp__libc_function(pc, &function))
        return false;
    for (const uint8_t *at = function.first; at < function.last; at++)
        if (*at != 0) /* DW_CFA_nop */
            return false;
    return true;
}

#if defined(__x86_64__)
static bool is_return(uintptr_t pc)
{
    return *(const uint8_t *)pc == 0xc3;
}

static uintptr_t returns_to(const ucontext_t *context)
{
    return *(const uintptr_t *)CONTEXT_SP(context);
}
#elif defined(__aarch64__)
static bool is_return(uintptr_t pc)
{
    return *(const uint32_t *)pc == 0xd65f03c0;
}

static uintptr_t returns_to(const ucontext_t *context)
{
    return (uintptr_t)context->uc_mcontext.regs[30];
}
#endif

bool mp__preempt_at_leaf(const ucontext_t *context)
{
    uintptr_t pc = CONTEXT_PC(context);

    return mp__libc_has(pc) && (is_return(pc) || has_no_frame(pc)) &&
           mp__preempt_in_program(returns_to(context));
}
