/* preempt.h - turns for others while a thread computes: preempt.c */
#ifndef PREEMPT_H
#define PREEMPT_H

/* A second thread is there now; on the hub's OS thread. */
void mp__preempt_begin(void);
/* From now on nobody is interrupted. */
void mp__preempt_never(void);
void mp__preempt_forked(void);

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <ucontext.h>

/* For handlers that let others run: whether the interrupted code, the program's
 * own, is at a place for that; and afterwards what returning brings back. */
struct mp__thread;
bool mp__preempt_may(const struct mp__thread *self, const ucontext_t *context);
void mp__preempt_renew(ucontext_t *context);
bool mp__preempt_in_program(uintptr_t pc);

/* compensate.c: a thread that sleeps in a system call of its own.  The signal is
 * preempt.c's. */
void mp__compensate_begin(int number);
bool mp__compensate_is(const siginfo_t *info);
void mp__compensate(struct mp__thread *self, ucontext_t *context);

#endif
