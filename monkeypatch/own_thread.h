/* own_thread.h - real threads of this library */
#ifndef OWN_THREAD_H
#define OWN_THREAD_H

#include <pthread.h>

/* Start one, detached, with all signals blocked but `open` (0: no exception):
 * handlers are for the program's threads.  `attr` is for its stack; NULL: as libc
 * has it.  Returns 0 or an error number. */
int mp__own_thread(void *(*function)(void *arg), void *arg, int open,
                   pthread_attr_t *attr);

#endif
