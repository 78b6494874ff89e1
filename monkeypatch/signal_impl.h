/* signal_impl.h - what the signal*.c files share */
#ifndef SIGNAL_IMPL_H
#define SIGNAL_IMPL_H

#include "monkeypatch/per_thread.h"

#include <signal.h>
#include <string.h>
#include <ucontext.h>

enum { MP_SIGNALS = 64, MP_FIRST_REAL_TIME = 32 };

static inline uint64_t mp__signal_bit(int number)
{
    return (uint64_t)1 << (number - 1);
}

static inline uint64_t mp__signal_word(const sigset_t *set)
{
    uint64_t word;

    memcpy(&word, set, sizeof word);
    return word;
}

static inline void mp__signal_set(sigset_t *set, uint64_t word)
{
    memset(set, 0, sizeof *set);
    memcpy(set, &word, sizeof word);
}

/* signal.c */
int mp__signal_flags(int number);
void mp__signal_forget_handler(int number);
/* Its disposition is to be forgotten: what is ignored is not kept pending. */
bool mp__signal_is_ignored(int number);

/* signal_mask.c */
void mp__signal_masks_start(void);
void mp__signal_mask_set(struct mp__thread *self, uint64_t word);
/* At the end of a handler that the kernel called: its mask is set by the return. */
void mp__signal_mask_return(struct mp__thread *self, uint64_t word);
/* Of one that mp__signals_bring() calls: the kernel lets nothing in until ... */
void mp__signal_mask_leave(struct mp__thread *self, uint64_t word);
void mp__signal_mask_let_in(struct mp__thread *self);
/* signal_thread.c: one after the other, as mp__signals_deliver(), but that has let
 * in what the kernel has when it returns.  False: there was none. */
bool mp__signals_bring(struct mp__thread *self);
/* The mask of the kernel thread, which all mapped threads share. */
uint64_t mp__signal_mask_applied(void);

/* signal_queue.c: signals that wait for one thread.  All are
 * async-signal-safe and thread-safe. */

/* 0, or EAGAIN: no room for another value. */
int mp__signal_enqueue(struct mp__thread *thread, const siginfo_t *info);
/* The first of the lowest number in `set`.  False: none. */
bool mp__signal_dequeue(struct mp__thread *thread, uint64_t set,
                        siginfo_t *info);
void mp__signal_discard(struct mp__thread *thread, uint64_t set);
void mp__signal_queue_forked(void);

/* signal_stack.c */
void mp__signal_stacks_start(void);
/* Call function(number, info, context) where the handler `number` belongs. */
/* function(argument) with the stack that ends at `top`: arch/. */
void mp__call_on_stack(void *argument, void (*function)(void *), uintptr_t top);
void mp__signal_on_its_stack(int number, siginfo_t *info, void *context,
                             void (*function)(int, siginfo_t *, void *));

#endif
