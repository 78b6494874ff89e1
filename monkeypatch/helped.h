/* helped.h - waits that only a real thread can make, and that can be ended
 *
 * For what the kernel can neither poll nor time: queues and semaphores of System
 * V, locks of files. */
#ifndef HELPED_H
#define HELPED_H

#include "monkeypatch/monkeypatch_impl.h"

/* A system call that may wait: its result, or -errno.  It is made by another
 * thread, and again after -EINTR until the wait is to end. */
typedef long mp__helped_call(void *call);

/* Park until function(call) has returned.  When a signal's handler ends the wait
 * (flags as for mp__wait_fd()) the call is interrupted: -EINTR, unless it had
 * done its work by then; so it is by a cancellation, which then unwinds.  Where
 * there is no thread to be had it waits here. */
long mp__helped_wait(mp__helped_call *function, void *call, unsigned flags);
void mp__helped_forked(void);
/* It is ours, and the program is not to see it. */
bool mp__helped_handler(void (*handler)(int));

#endif
