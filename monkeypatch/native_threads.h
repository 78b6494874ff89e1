/* native_threads.h - threads that stay threads of the kernel */
#ifndef NATIVE_THREADS_H
#define NATIVE_THREADS_H

#include "monkeypatch/monkeypatch_impl.h"

/* The value of VIREO_NATIVE_THREADS, which stays where it is.  False: a part is
 * too long. */
bool mp__native_threads_parse(const char *text);
/* A thread of that start routine, made by the caller, is to be native. */
bool mp__native_thread(void *(*start)(void *));
/* All that are made from now on are: `why` is printed with VIREO_VERBOSE=2.  Until
 * a fork, in the child. */
void mp__native_threads_from_now(const char *why);
/* The object that the address is in carries the note of Go's linker. */
bool mp__object_has_own_waits(const void *address);
/* As pthread_create(). */
int mp__native_thread_create(pthread_t *handle, const pthread_attr_t *attr,
                             void *(*start)(void *), void *arg);
/* A mapped thread of that start routine has given itself a name. */
void mp__native_thread_named(void *(*start)(void *), const char *name);

/* The caller's variable that says so; the word is no other thread's. */
const void *mp__native_self(void);

/* Its waits in a lot: begins is false in a thread that none of ours made. */
bool mp__native_wait_begins(struct hub__waiter *waiter);
void mp__native_wait_ends(void);
/* After libc's pthread_cancel(): its wait ends, and it looks. */
void mp__native_cancelled(pthread_t handle);
void mp__natives_forked(void);

extern uint32_t mp__natives; /* lot word: native ones of the program alive */

#endif
