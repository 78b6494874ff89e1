/* clone.h - threads that libc did not make */
#ifndef CLONE_H
#define CLONE_H

#include "monkeypatch/monkeypatch_impl.h"

/* Some thread asked the kernel to clear a word when it ends and to wake who waits
 * for that in the kernel, by a futex that is not private. */
extern bool mp__tids_cleared;
void mp__clones_forked(void);

/* fork.c: in a child that no handler of fork() was called in. */
void mp__fork_child_begins(void);
/* init.c: the layout of TLS blocks, before the first thread too. */
int mp__tls_find(const char **why);

#endif
