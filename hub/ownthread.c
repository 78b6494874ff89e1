/* ownthread.c - real threads of the library
 *
 * All signals are blocked in them: handlers are for the program's threads.  They
 * are counted, so that the loop can tell them from threads of the program, which
 * may yet wake somebody (dry.c). */
#include "hub/hub_impl.h"
#include "hub/sight.h"

#include <pthread.h>
#include <signal.h>

static unsigned running;
static bool child;

/* The function calls hub__own_thread_ends() last.  Returns 0 or -errno. */
int hub__own_thread(void *(*function)(void *arg), void *arg)
{
    sigset_t all, before;
    pthread_attr_t attr;
    pthread_t thread;
    int rc;

    sigfillset(&all);
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    __atomic_add_fetch(&running, 1, __ATOMIC_RELAXED);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = greenlet__libc.pthread_create(&thread, &attr, function, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    if (rc != 0)
        hub__own_thread_ends();
    return -rc;
}

void hub__own_thread_ends(void)
{
    __atomic_sub_fetch(&running, 1, __ATOMIC_RELAXED);
}

unsigned hub__own_threads(void)
{
    return __atomic_load_n(&running, __ATOMIC_RELAXED) + hub__monitor_threads();
}

bool hub__is_child(void)
{
    return child;
}

void hub__own_threads_forked(void)
{
    running = 0;
    child = true;
}
