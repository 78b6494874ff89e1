/* switch.h - the raw switch, inline for the two layers that live on it
 *
 * Between setting the thread pointer and the jump nothing may touch thread-local
 * data: the block is already the other greenlet's. */
#ifndef GREENLET_SWITCH_H
#define GREENLET_SWITCH_H

#include "context/greenlet_impl.h"
#include "thread_pointer.h"

#include <errno.h>
#include <stddef.h>

struct greenlet__transfer jump_fcontext(greenlet__fcontext to, void *data);
greenlet__fcontext make_fcontext(void *stack_top, size_t size,
                                 void (*function)(struct greenlet__transfer));

/* Of errno, from the thread pointer: the same in every block. */
extern ptrdiff_t greenlet__errno_offset __attribute__((visibility("hidden")));

/* Functions that contain a jump end by an indirect jump instead of `ret`, which
 * the return predictor would miss (it still has the other greenlet's calls).
 * They begin on a cache line: where they lie makes a difference of a quarter. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define GREENLET__SWITCHES \
    __attribute__((function_return("thunk-extern"), aligned(64)))
#else
#define GREENLET__SWITCHES __attribute__((aligned(64)))
#endif

/* On the new stack: note where the previous greenlet was suspended. */
static inline void greenlet__arrived(struct greenlet__transfer transfer)
{
    struct greenlet *previous = transfer.data;

    previous->context = transfer.context;
    if (unlikely(previous->state == GREENLET_LEAVING)) {
        if (likely(previous->on_left == NULL))
            __atomic_store_n(&previous->state, GREENLET_DEAD,
                             __ATOMIC_RELEASE);
        else
            greenlet__left(previous);
    }
}

/* Leaves the identity `left` for `entered`.  errno is the greenlet's own: others
 * that run on its TLS block, the hub among them, change it meanwhile. */
static inline __attribute__((always_inline)) struct greenlet__transfer
greenlet__jump_bare(const struct greenlet__thread *left, struct greenlet *from,
                    struct greenlet__thread *entered, struct greenlet *to)
{
    struct greenlet__transfer transfer;
    int *error = (int *)((char *)left->thread_pointer +
                         greenlet__errno_offset);
    int saved = *error;
    unsigned long fp_control = greenlet__fp_control();

    greenlet__write(entered->current, to);
    transfer = jump_fcontext(to->context, from);
    *error = saved;
    greenlet__set_fp_control(fp_control);
    return transfer;
}

/* tools.c: with exceptions of C++ that are being handled, or with a sanitizer.
 * What is suspended there is resumed there: nothing is asked after a jump. */
void greenlet__jump_slowly(struct greenlet *from, struct greenlet *to);

/* Does somebody have to hear of it?  Of C++ alone only if there are exceptions
 * that are being handled. */
static inline bool greenlet__tools_care(const struct greenlet__thread *thread)
{
    const uintptr_t *cxx = thread->cxx_globals;

    return thread->tools != TOOL_CXX || (cxx[0] | cxx[1]) != 0;
}

/* Suspend the running greenlet `from` and run `to`; returns when somebody
 * resumes `from`. */
static inline __attribute__((always_inline)) void
greenlet__jump_from(struct greenlet__thread *left, struct greenlet *from,
                    struct greenlet__thread *entered, struct greenlet *to)
{
    if (unlikely(left->tools != 0) && greenlet__tools_care(left))
        greenlet__jump_slowly(from, to);
    else
        greenlet__arrived(greenlet__jump_bare(left, from, entered, to));
}

/* The running greenlet is finished, and `to` is of its identity: nothing of it
 * has to be kept. */
static inline __attribute__((always_inline, noreturn)) void
greenlet__leave_in(struct greenlet__thread *thread, struct greenlet *self,
                   struct greenlet *to)
{
    greenlet__write(self->state, GREENLET_LEAVING);
    greenlet__write(thread->current, to);
    if (unlikely(thread->tools != 0))
        greenlet__jump_slowly(self, to);
    else
        jump_fcontext(to->context, self);
    __builtin_trap(); /* nobody resumes a greenlet that left */
}

static inline __attribute__((always_inline)) void
greenlet__jump(struct greenlet *from, struct greenlet *to)
{
    struct greenlet__thread *left = from->thread, *entered = to->thread;

    if (entered != left)
        greenlet__set_thread_pointer(entered->thread_pointer);
    greenlet__jump_from(left, from, entered, to);
}

static inline __attribute__((always_inline)) void
greenlet__resume(struct greenlet *to)
{
    struct greenlet *from = greenlet__word->current;

    if (likely(to != from))
        greenlet__jump(from, to);
}

#endif
