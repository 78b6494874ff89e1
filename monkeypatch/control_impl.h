/* control_impl.h - what the control socket (hub/control.h) gets from here */
#ifndef CONTROL_IMPL_H
#define CONTROL_IMPL_H

#include "hub/control_wire.h"

#include <signal.h>
#include <stdbool.h>
#include <ucontext.h>

/* VIREO_CONTROL: 0, 1, or a directory.  False: none of these. */
bool mp__control_option(const char *value);
/* As the program begins: what it is not to read later, when others may change it. */
void mp__control_environment(const char *runtime_directory);
/* A second thread is there now.  `number`: preempt.c's signal, or 0. */
void mp__control_begin(int number);
void mp__control_forked(void);

/* Have that OS thread say its registers and copy its stack, from its stack pointer
 * on; how much of it; 0, registers too, if it does not answer.  From a thread that
 * is none of the program's. */
size_t mp__control_interrupt(pid_t tid, uint64_t registers[CONTROL_REGISTERS],
                             void *stack, size_t most);

/* In the handler of that signal. */
bool mp__control_is(const siginfo_t *info);
void mp__control_answer(const ucontext_t *context);

#endif
