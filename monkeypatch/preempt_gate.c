/* preempt_gate.c - who is in libc's allocator gives way as it returns
 *
 * A program that allocates all the time is nearly always in malloc() or free(), where
 * it must not be stopped, so to look again and again finds it in its own code rarely.
 * But these hold nothing any more when they return: the place on the stack that the
 * return address is in gets the address of the gate, which lets others run and then
 * goes on at that address.
 *
 * Only the allocator, for it calls nothing of the program's, is not left by
 * exceptions, and returns a pointer or a number at most.  Where the program's handler
 * of a signal comes in between, which may look at the stack, the address is put back. */
#include "monkeypatch/carrier.h"
#include "monkeypatch/libc_table.h"
#include "monkeypatch/preempt.h"
#include "monkeypatch/sys.h"

#include <stdlib.h>
#include <sys/syscall.h>

enum {
    DEPTH = 8,        /* of libc's functions, from the one that was interrupted on */
    FRAMES_MOST = 4096, /* bytes of their frames; more than the allocator has */
    ABOVE_MOST = 65536  /* the same, and our handler's on top with all registers */
};

static uintptr_t allocators[8]; /* where they begin */

/* Where the processor keeps return addresses of its own none can be exchanged. */
static bool has_shadow_stack(void)
{
    unsigned long status = 0;

#if defined(__x86_64__)
    enum { ARCH_SHSTK_STATUS = 0x5005 };

    return SYS_CALL(SYS_arch_prctl, ARCH_SHSTK_STATUS, &status, 0, 0, 0, 0) == 0 &&
           status != 0;
#elif defined(__aarch64__)
    enum { PR_GET_SHADOW_STACK_STATUS = 74 };

    return SYS_CALL(SYS_prctl, PR_GET_SHADOW_STACK_STATUS, &status, 0, 0, 0,
                    0) == 0 &&
           status != 0;
#endif
}

void mp__gate_begin(void)
{
    static const char *const names[] = {
        "malloc", "free", "calloc", "realloc", "aligned_alloc", "posix_memalign"
    };
    struct mp__libc_function function;
    unsigned count = 0;

    if (has_shadow_stack())
        return;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        uintptr_t address = (uintptr_t)mp__real_next(names[i]);

        if (mp__libc_function(address, &function) && function.start == address)
            allocators[count++] = address;
    }
}

static bool is_allocator(const struct mp__libc_function *function)
{
    for (unsigned i = 0; allocators[i] != 0; i++)
        if (allocators[i] == function->start)
            return true;
    return false;
}

/* From the function that has `pc` to the one that the program called: where that
 * one's return address is, and its frame; NULL: it is not on the stack, or not known. */
static uintptr_t *way_out(uintptr_t pc, uintptr_t sp, uintptr_t *frame)
{
    const uintptr_t most = sp + FRAMES_MOST;
    struct mp__libc_function function;
    struct mp__libc_row row;

    for (unsigned i = 0; i < DEPTH; i++) {
        uintptr_t *place;

        if (!mp__libc_function(pc, &function) ||
            !mp__libc_row(&function, pc, &row) || !row.link_saved)
            return NULL;
        *frame = sp + (uintptr_t)row.cfa;
        place = (uintptr_t *)(*frame + (uintptr_t)row.link);
        if ((uintptr_t)place < sp || (uintptr_t)place >= most)
            return NULL;
        if (*place == (uintptr_t)mp__gate ||
            (is_allocator(&function) && mp__preempt_in_program(*place)))
            return place;
        pc = *place - 1;
        sp = *frame;
    }
    return NULL;
}

bool mp__gate_place(struct mp__thread *self, const ucontext_t *context)
{
    uintptr_t frame = 0;
    uintptr_t *place = way_out(CONTEXT_PC(context), CONTEXT_SP(context), &frame);

    if (place == NULL)
        return false;
    if (*place == (uintptr_t)mp__gate)
        return true;
    self->gate.place = place;
    self->gate.address = *place;
    self->gate.frame = frame;
    *place = (uintptr_t)mp__gate;
    return true;
}

/* Whether it may still be passed: the stack was not left by a jump. */
static bool is_above(uintptr_t place, uintptr_t sp)
{
    return place + sizeof place - sp < ABOVE_MOST;
}

/* Its copies, too: what passes it finds that it is not there any more. */
void mp__gate_remove(struct mp__thread *self, ucontext_t *context)
{
    uintptr_t *place = self->gate.place;

    if (place == NULL || !is_above((uintptr_t)place, CONTEXT_SP(context)))
        return;
    if (*place == (uintptr_t)mp__gate)
        *place = self->gate.address;
#if defined(__aarch64__)
    if (context->uc_mcontext.regs[30] == (uintptr_t)mp__gate)
        context->uc_mcontext.regs[30] = self->gate.address;
    place = (uintptr_t *)(self->gate.frame - 24); /* preempt_gate.S */
    if (mp__gate_has(CONTEXT_PC(context)) && *place == (uintptr_t)mp__gate)
        *place = self->gate.address;
#endif
}

/* The gate's.  The address is on the stack as if it had always been there before
 * anybody else runs. */
void mp__gate_passed(uintptr_t *place, uintptr_t frame)
{
    struct mp__thread *self = mp__self;
    int before = errno;

    if (*place == (uintptr_t)mp__gate) {
        if (self == NULL || self->gate.frame != frame)
            abort(); /* nobody knows the way back */
        *place = self->gate.address;
    }
    if (self == NULL)
        return;
    self->gate.place = NULL;
    mp__preempt_now(self, frame);
    errno = before;
}
