/* control_impl.h - what the control socket (hub/control.h) gets from here */
#ifndef CONTROL_IMPL_H
#define CONTROL_IMPL_H

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

/* In the handler of that signal. */
bool mp__control_is(const siginfo_t *info);
void mp__control_answer(const ucontext_t *context);

#endif
