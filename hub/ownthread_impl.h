/* ownthread_impl.h - real threads of the library: ownthread.c */
#ifndef HUB_OWNTHREAD_IMPL_H
#define HUB_OWNTHREAD_IMPL_H

/* All signals are blocked in them. */
int hub__own_thread(void *(*function)(void *arg), void *arg); /* detached */
void hub__own_thread_ends(void); /* the last call of such a function */
unsigned hub__own_threads(void); /* in this process */
void hub__own_threads_forked(void);

#endif
