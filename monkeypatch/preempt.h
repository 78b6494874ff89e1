/* preempt.h - turns for others while a thread computes: preempt.c */
#ifndef PREEMPT_H
#define PREEMPT_H

#include <dlfcn.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <ucontext.h>

/* A second thread is there now; on the hub's OS thread. */
void mp__preempt_begin(void);
/* From now on nobody is interrupted. */
void mp__preempt_never(void);
void mp__preempt_forked(void);
struct mp__carrier;
/* The thread that runs there gives way, as at the end of its slice.  Of another
 * carrier; it may be too early or too late. */
void mp__preempt_poke(struct mp__carrier *carrier);
/* The library's signal to that carrier, one of a kind at a time: it is queued as often
 * as it is sent, and handlers are on top of each other.  `word`, of the carrier, says
 * that it is under way.  False: it cannot be sent. */
bool mp__carrier_send(const struct mp__carrier *carrier, uint32_t *word);
/* It is that one, which has come; and from here on the next may be sent. */
bool mp__carrier_is(const uint32_t *word, const siginfo_t *info);
bool mp__carrier_takes(uint32_t *word, const siginfo_t *info);

/* For handlers that let others run: whether the interrupted code, the program's
 * own, is at a place for that; and afterwards what returning brings back. */
struct mp__thread;
bool mp__preempt_may(const struct mp__thread *self, const ucontext_t *context);
/* In the signal handler, before anybody else runs. */
void mp__preempt_let_in(void);
void mp__preempt_renew(ucontext_t *context);
bool mp__preempt_in_program(uintptr_t pc);

/* preempt_leaf.c: places in libc */
bool mp__preempt_at_leaf(const ucontext_t *context);

/* preempt_gate.c: who is in libc's allocator gives way as it returns.  False: it is not,
 * or its way out is not known. */
void mp__gate_begin(void);
bool mp__gate_place(struct mp__thread *self, const ucontext_t *context);
/* Its stack is as the program made it again. */
void mp__gate_remove(struct mp__thread *self, ucontext_t *context);
extern const char mp__gate[], mp__gate_end[];
void mp__gate_passed(uintptr_t *place, uintptr_t frame);
static inline bool mp__gate_has(uintptr_t pc)
{
    return pc >= (uintptr_t)mp__gate && pc < (uintptr_t)mp__gate_end;
}
/* There the running thread gives way, if it has computed since it went on. */
void mp__preempt_now(struct mp__thread *self, uintptr_t sp);

/* In glibc from 2.35; takes no lock. */
extern int mp__find_object(void *address, struct dl_find_object *result)
    __asm__("_dl_find_object") __attribute__((weak));

#if defined(__x86_64__)
#define CONTEXT_PC(context) ((uintptr_t)(context)->uc_mcontext.gregs[REG_RIP])
#define CONTEXT_SP(context) ((uintptr_t)(context)->uc_mcontext.gregs[REG_RSP])
#elif defined(__aarch64__)
#define CONTEXT_PC(context) ((uintptr_t)(context)->uc_mcontext.pc)
#define CONTEXT_SP(context) ((uintptr_t)(context)->uc_mcontext.sp)
#endif

/* signal_late.c: signals that interrupt the library's own code.  `number` is the
 * signal of its timer, which is preempt.c's. */
void mp__late_begin(struct mp__carrier *carrier, int number);
/* Have another carrier look for what has come for the thread that runs there. */
void mp__late_poke(struct mp__carrier *carrier);
bool mp__late_is(const siginfo_t *info);
/* The timer's: `running` is NULL in the hub. */
void mp__late_look(struct mp__thread *running, const siginfo_t *info,
                   const ucontext_t *context);
/* True: what interrupted `context` is to be kept for the running thread, and will
 * be brought to it.  in_list: it has interrupted who had mp__all_lock(). */
bool mp__late_keeps(const struct mp__thread *running,
                    const ucontext_t *context, bool in_list);

/* compensate.c: a thread that sleeps in a system call of its own.  The signal is
 * preempt.c's. */
void mp__compensate_begin(int number);
bool mp__compensate_is(const siginfo_t *info);
void mp__compensate(struct mp__thread *self, ucontext_t *context);

#endif
