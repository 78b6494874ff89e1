/* own_thread.c - real threads of this library
 *
 * They are not counted among those that cannot wake anybody (hub/ownthread.c): these
 * can, all of them but those that watch, which are counted by preempt_watch.c. */
#include "monkeypatch/own_thread.h"
#include "monkeypatch/real.h"

#include <signal.h>

int mp__own_thread(void *(*function)(void *arg), void *arg, int open,
                   pthread_attr_t *attr)
{
    pthread_attr_t plain;
    sigset_t most, before;
    pthread_t thread;
    int rc;

    pthread_attr_init(&plain);
    if (attr == NULL)
        attr = &plain;
    pthread_attr_setdetachstate(attr, PTHREAD_CREATE_DETACHED);
    sigfillset(&most);
    if (open > 0)
        sigdelset(&most, open);
    mp__real.pthread_sigmask(SIG_SETMASK, &most, &before);
    rc = mp__real.pthread_create(&thread, attr, function, arg);
    mp__real.pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&plain);
    return rc;
}
