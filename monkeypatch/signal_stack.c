/* signal_stack.c - sigaltstack() for threads that share one kernel thread
 *
 * The kernel has one such stack for them all.  Threads that set one of their own
 * find it there while they run: from the first such call on, each switch looks
 * whose is set.  All others have ours, which is there to tell of overflows; a
 * handler on it must not park, since the next would begin at its top. */
#include "monkeypatch/carrier.h"
#include "monkeypatch/io_impl.h"
#include "monkeypatch/signal_impl.h"

#include <sys/mman.h>

#define OURS ((size_t)64 * 1024)

bool mp__signal_stacks;

static bool has_one(const struct mp__thread *thread)
{
    return thread->signal_stack.ss_size != 0;
}

static bool is_on(const struct mp__thread *thread)
{
    uintptr_t here = (uintptr_t)__builtin_frame_address(0);

    return here - (uintptr_t)thread->signal_stack.ss_sp <
           thread->signal_stack.ss_size;
}

/* One that disarms itself is the kernel's to give back. */
void mp__signal_stack_enter(struct mp__thread *self)
{
    struct mp__carrier *carrier = self->carrier;
    const struct mp__thread *wanted = has_one(self) ? self : NULL;
    int saved = errno;

    if (wanted == carrier->stack_of)
        return;
    carrier->stack_of = wanted;
    mp__real.sigaltstack(wanted != NULL ? &self->signal_stack
                                        : &carrier->stack, NULL);
    errno = saved;
}

void mp__signal_stack_leave(struct mp__thread *self)
{
    self->signal_stack.ss_size = 0;
    if (mp__signal_stacks)
        mp__signal_stack_enter(self);
}

static stack_t new_stack(void)
{
    void *memory = mmap(NULL, OURS, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return memory != MAP_FAILED
               ? (stack_t){ .ss_sp = memory, .ss_size = OURS }
               : (stack_t){ .ss_flags = SS_DISABLE };
}

static void note_start(struct mp__carrier *carrier)
{
    if ((carrier->stack.ss_flags & SS_DISABLE) == 0)
        carrier->stack_start = (uintptr_t)carrier->stack.ss_sp;
}

/* Main's is what the program had set before. */
void mp__signal_stacks_start(void)
{
    struct mp__carrier *carrier = mp__main.carrier;
    stack_t now = { .ss_flags = SS_DISABLE };

    carrier->stack = now;
    mp__real.sigaltstack(NULL, &now);
    if ((now.ss_flags & SS_DISABLE) == 0) {
        mp__main.signal_stack = now;
        mp__main.signal_stack.ss_flags &= ~SS_ONSTACK;
        mp__signal_stacks = true;
        carrier->stack_of = &mp__main;
        carrier->stack = new_stack();
    }
    mp__hub->overflow_watch();
    if (carrier->stack_of == NULL)
        mp__real.sigaltstack(NULL, &carrier->stack);
    note_start(carrier);
}

void mp__signal_stack_carrier_starts(struct mp__carrier *carrier)
{
    carrier->stack = new_stack();
    mp__real.sigaltstack(&carrier->stack, NULL);
    note_start(carrier);
}

bool mp__signal_on_ours(void)
{
    const struct mp__carrier *carrier = mp__carrier_now();
    uintptr_t here = (uintptr_t)__builtin_frame_address(0);

    return here - (carrier != NULL ? carrier : mp__carriers)->stack_start <
           OURS;
}

static void report(const struct mp__thread *self, stack_t *old)
{
    *old = self->signal_stack;
    if (!has_one(self))
        *old = (stack_t){ .ss_flags = SS_DISABLE };
    else if (is_on(self))
        old->ss_flags |= SS_ONSTACK;
}

/* The kernel checks it, and has it. */
static int change(struct mp__thread *self, const stack_t *wanted)
{
    bool off = (wanted->ss_flags & SS_DISABLE) != 0;

    if (mp__real.sigaltstack(wanted, NULL) < 0)
        return -1;
    mp__signal_stacks = true;
    self->signal_stack = *wanted;
    self->carrier->stack_of = self;
    if (off) {
        self->signal_stack = (stack_t){ .ss_size = 0 };
        mp__signal_stack_enter(self);
    }
    return 0;
}

MP_EXPORT int sigaltstack(const stack_t *wanted, stack_t *old)
{
    struct mp__thread *self = mp__self;
    stack_t before;

    mp__init();
    if (self == NULL || mp__in_vfork_child)
        return mp__real.sigaltstack(wanted, old);
    if ((wanted != NULL && !mp__readable(wanted, sizeof *wanted)) ||
        (old != NULL && !mp__readable(old, sizeof *old)))
        return mp__fail(-EFAULT);
    report(self, &before);
    if (wanted != NULL && has_one(self) && is_on(self))
        return mp__fail(-EPERM);
    if (wanted != NULL && change(self, wanted) < 0)
        return -1;
    if (old != NULL)
        *old = before;
    return 0;
}

/* ---- handlers that we call, not the kernel ---- */

struct call {
    int number;
    siginfo_t *info;
    void *context;
    void (*function)(int, siginfo_t *, void *);
};

static void call_there(void *argument)
{
    struct call *call = argument;

    call->function(call->number, call->info, call->context);
}

/* A plain call but for the stack: who unwinds out of the handler, by pthread_exit(), by
 * cancellation or by an exception, comes to the frames that it interrupted. */
void mp__signal_on_its_stack(int number, siginfo_t *info, void *context,
                             void (*function)(int, siginfo_t *, void *))
{
    struct call call = { number, info, context, function };
    struct mp__thread *self = mp__self;
    uintptr_t top;

    if ((mp__signal_flags(number) & SA_ONSTACK) == 0 || !has_one(self) ||
        is_on(self)) {
        function(number, info, context);
        return;
    }
    top = (uintptr_t)self->signal_stack.ss_sp + self->signal_stack.ss_size;
    mp__call_on_stack(&call, call_there, top & ~(uintptr_t)15);
}
