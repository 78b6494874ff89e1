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
/* arch/: half a jump each, over the same frames.  The first time to `to`, which
 * greenlet__run() gets; the last time from `from`, which nobody resumes. */
struct greenlet__transfer greenlet__begin(struct greenlet *from,
                                          struct greenlet *to);
void greenlet__finish(greenlet__fcontext to, struct greenlet *from);
_Static_assert(offsetof(struct greenlet, context) == 0, "see entry.S");

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

/* The same, compiled with the sanitizer that looks, for tools.c which is not: it
 * must see that the previous one's end is announced to other threads. */
void greenlet__arrived_seen(struct greenlet__transfer transfer);

/* What is the running greenlet's own besides its registers.  errno: others that
 * run on its TLS block, the hub among them, change it meanwhile. */
struct greenlet__own {
    int *error, saved;
    unsigned long fp_control;
};

static inline __attribute__((always_inline)) struct greenlet__own
greenlet__keep_own(const struct greenlet__thread *thread)
{
    struct greenlet__own own;

    own.error =
        (int *)((char *)thread->thread_pointer + greenlet__errno_offset);
    own.saved = *own.error;
    own.fp_control = greenlet__fp_control();
    return own;
}

static inline __attribute__((always_inline)) void
greenlet__restore_own(struct greenlet__own own)
{
    *own.error = own.saved;
    greenlet__set_fp_control(own.fp_control);
}

/* Leaves the identity `left` for `entered`. */
static inline __attribute__((always_inline)) struct greenlet__transfer
greenlet__jump_bare(const struct greenlet__thread *left, struct greenlet *from,
                    struct greenlet__thread *entered, struct greenlet *to)
{
    struct greenlet__own own = greenlet__keep_own(left);
    struct greenlet__transfer transfer;

    greenlet__write(entered->current, to);
    transfer = jump_fcontext(to->context, from);
    greenlet__restore_own(own);
    return transfer;
}

/* The same to one of this identity that never ran. */
static inline __attribute__((always_inline)) struct greenlet__transfer
greenlet__jump_new(struct greenlet__thread *self, struct greenlet *from,
                   struct greenlet *to)
{
    struct greenlet__own own = greenlet__keep_own(self);
    struct greenlet__transfer transfer;

    self->started = 1;
    __atomic_store_n(&to->state, GREENLET_ACTIVE, __ATOMIC_RELEASE);
    greenlet__write(self->current, to);
    transfer = greenlet__begin(from, to);
    greenlet__restore_own(own);
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

/* The running greenlet is finished: nothing of it has to be kept. */
static inline __attribute__((always_inline, noreturn)) void
greenlet__leave_for(const struct greenlet__thread *left, struct greenlet *self,
                    struct greenlet__thread *entered, struct greenlet *to)
{
    greenlet__write(self->state, GREENLET_LEAVING);
    if (unlikely(left->tools != 0) && greenlet__tools_care(left)) {
        greenlet__jump_slowly(self, to);
    } else {
        greenlet__write(entered->current, to);
        greenlet__finish(to->context, self);
    }
    __builtin_trap(); /* nobody resumes a greenlet that left */
}

/* The same, where `to` is of its identity. */
static inline __attribute__((always_inline, noreturn)) void
greenlet__leave_in(struct greenlet__thread *thread, struct greenlet *self,
                   struct greenlet *to)
{
    greenlet__leave_for(thread, self, thread, to);
}

/* All of an OS thread have its cache and its arena of malloc.  A malloc that finds no
 * memory may take another arena, which is then everybody's: libc counts the threads
 * of each, and this OS thread is one. */
static inline __attribute__((always_inline)) void
greenlet__enter_block(const struct greenlet__thread *left,
                      const struct greenlet__thread *entered)
{
    const char *from = left->thread_pointer;
    char *to = entered->thread_pointer;

    for (unsigned i = 0; i < greenlet__tls.shared_count; i++) {
        uintptr_t word = *(const uintptr_t *)(from + greenlet__tls.shared[i]);

        if (unlikely(*(uintptr_t *)(to + greenlet__tls.shared[i]) != word))
            *(uintptr_t *)(to + greenlet__tls.shared[i]) = word;
    }
    greenlet__set_thread_pointer(to);
}

static inline __attribute__((always_inline)) void
greenlet__jump(struct greenlet *from, struct greenlet *to)
{
    struct greenlet__thread *left = greenlet__read(from->thread),
                            *entered = greenlet__read(to->thread);

    if (entered != left)
        greenlet__enter_block(left, entered);
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
