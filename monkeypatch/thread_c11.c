/* thread_c11.c - thrd_*: glibc's own go past pthread_create() */
#include "monkeypatch/monkeypatch_impl.h"

#include <stdlib.h>
#include <threads.h>

/* A thrd function returns int where a pthread's returns a pointer: its frame is
 * ours, its result travels in the pointer. */
struct c11_start {
    thrd_start_t function;
    void *arg;
};

static void *run_c11(void *data)
{
    struct c11_start start = *(struct c11_start *)data;

    free(data);
    return (void *)(intptr_t)start.function(start.arg);
}

static int to_thrd(int error)
{
    switch (error) {
    case 0:
        return thrd_success;
    case ENOMEM:
    case EAGAIN:
        return thrd_nomem;
    case ETIMEDOUT:
        return thrd_timedout;
    case EBUSY:
        return thrd_busy;
    default:
        return thrd_error;
    }
}

MP_EXPORT int thrd_create(thrd_t *thread, thrd_start_t function, void *arg)
{
    struct c11_start *start = malloc(sizeof *start);
    int rc;

    if (start == NULL)
        return thrd_nomem;
    *start = (struct c11_start){ function, arg };
    rc = pthread_create(thread, NULL, run_c11, start);
    if (rc != 0)
        free(start);
    return to_thrd(rc);
}

MP_EXPORT int thrd_join(thrd_t thread, int *result)
{
    void *pointer;
    int rc = pthread_join(thread, &pointer);

    if (rc == 0 && result != NULL)
        *result = (int)(intptr_t)pointer;
    return to_thrd(rc);
}

MP_EXPORT int thrd_detach(thrd_t thread)
{
    return to_thrd(pthread_detach(thread));
}

MP_EXPORT void thrd_exit(int result)
{
    pthread_exit((void *)(intptr_t)result);
}
