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

#if defined(__SANITIZE_ADDRESS__)
#define GREENLET__ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define GREENLET__ASAN 1
#endif
#endif

#ifdef GREENLET__ASAN
void greenlet__asan_start(struct greenlet *from, struct greenlet *to);
void greenlet__asan_finish(struct greenlet *self);
void greenlet__asan_fresh(char *bottom, char *top);
#else
static inline void greenlet__asan_start(struct greenlet *from,
                                        struct greenlet *to)
{
    (void)from;
    (void)to;
}
static inline void greenlet__asan_finish(struct greenlet *self)
{
    (void)self;
}
static inline void greenlet__asan_fresh(char *bottom, char *top)
{
    (void)bottom;
    (void)top;
}
#endif

/* Functions that contain a jump end by an indirect jump instead of `ret`, which
 * the return predictor would miss (it still has the other greenlet's calls). */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(GREENLET__ASAN)
#define GREENLET__SWITCHES __attribute__((function_return("thunk-extern")))
#else
#define GREENLET__SWITCHES
#endif

/* On the new stack: note where the previous greenlet was suspended. */
static inline void greenlet__arrived(struct greenlet__transfer transfer)
{
    struct greenlet *previous = transfer.data;

    previous->context = transfer.context;
    if (unlikely(previous->state == GREENLET_LEAVING))
        greenlet__left(previous);
}

/* Suspend the running greenlet `from` and run `to`; returns when somebody
 * resumes `from`.  errno is the greenlet's own: others that run on its TLS block,
 * the hub among them, change it meanwhile. */
static inline __attribute__((always_inline)) void
greenlet__jump_same(struct greenlet *from, struct greenlet *to)
{
    struct greenlet__transfer transfer;
    int *error = (int *)((char *)from->thread->thread_pointer +
                         greenlet__errno_offset);
    int saved = *error;
    unsigned long fp_control = greenlet__fp_control();

    to->thread->current = to;
    greenlet__asan_start(from, to);
    transfer = jump_fcontext(to->context, from);
    *error = saved;
    greenlet__set_fp_control(fp_control);
    greenlet__asan_finish(from);
    greenlet__arrived(transfer);
}

static inline __attribute__((always_inline)) void
greenlet__jump(struct greenlet *from, struct greenlet *to)
{
    if (to->thread != from->thread)
        greenlet__set_thread_pointer(to->thread->thread_pointer);
    greenlet__jump_same(from, to);
}

static inline __attribute__((always_inline)) void
greenlet__resume(struct greenlet *to)
{
    struct greenlet *from = greenlet__word->current;

    if (likely(to != from))
        greenlet__jump(from, to);
}

#endif
