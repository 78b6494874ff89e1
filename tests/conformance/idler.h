/* idler.h - a thread that waits until it is told to end */
#ifndef CONFORMANCE_IDLER_H
#define CONFORMANCE_IDLER_H

#include "conformance.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <unistd.h>

struct idler {
    pthread_t thread;
    pid_t id;
    sem_t begun, end;
};

static void *idle(void *argument)
{
    struct idler *idler = argument;

    idler->id = gettid();
    CONF_CHECK(sem_post(&idler->begun) == 0);
    while (sem_wait(&idler->end) < 0)
        CONF_CHECK(errno == EINTR);
    return NULL;
}

static void idler_begin(struct idler *idler)
{
    ck_assert_int_eq(sem_init(&idler->begun, 0, 0), 0);
    ck_assert_int_eq(sem_init(&idler->end, 0, 0), 0);
    idler->thread = start_thread(idle, idler);
    while (sem_wait(&idler->begun) < 0)
        continue;
}

/* Natively the kernel tells who joins a thread before it forgets the id. */
static void idler_end(struct idler *idler)
{
    sem_post(&idler->end);
    join_thread(idler->thread);
    for (int i = 0; i < 10000 && getpgid(idler->id) != -1; i++)
        sleep_ms(1);
    sem_destroy(&idler->begun);
    sem_destroy(&idler->end);
}

#endif
