/* offload_impl.h - system calls that wait on a helper thread, and end with EINTR
 * when their thread has a signal to handle or is cancelled */
#ifndef OFFLOAD_IMPL_H
#define OFFLOAD_IMPL_H

#include "monkeypatch/monkeypatch_impl.h"

/* Run it on a helper; a cancellation point, before it begins.  Then, after a
 * result of EINTR, ask mp__offload_again():
 *
 *     do {
 *         seen = mp__offload_seen(restarts);
 *         mp__offload_call(function, &call);
 *     } while (call.error == EINTR && mp__offload_again(seen, restarts));
 *
 * restarts: the kernel goes on with this call after a handler with
 * SA_RESTART. */
void mp__offload_call(void (*function)(void *), void *arg);
uint32_t mp__offload_seen(bool restarts);
bool mp__offload_again(uint32_t seen, bool restarts); /* may unwind */

/* The thread's call, if it is in one, is to end.  Async-signal-safe. */
void mp__job_interrupt(struct mp__thread *thread);
/* The number is ours: the program sees it as untouched. */
bool mp__job_signal(int number);
void mp__jobs_forked(void);

#endif
