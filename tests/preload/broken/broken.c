/* broken.c - preloaded in front of the library, it is wrong about three
 * functions
 *
 * `vireo conformance --preload` is to find that out. */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <unistd.h>

/* Right in all but errno. */
int sem_trywait(sem_t *sem)
{
    (void)sem;
    errno = EDOM;
    return -1;
}

/* It crashes. */
int pthread_once(pthread_once_t *once, void (*function)(void))
{
    (void)once;
    (void)function;
    abort();
}

/* It hangs. */
int pthread_barrier_wait(pthread_barrier_t *barrier)
{
    (void)barrier;
    for (;;)
        sleep(1);
}
