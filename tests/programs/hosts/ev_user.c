/* ev_user.c - a program that is linked to libev and runs a loop of it in each
 * of its threads
 *
 * usage: ev_user
 * Each thread's loop has a timer and a pipe that another thread writes to.
 * Prints how many came to their end. */
#include <ev.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#define THREADS 20

static int pipes[THREADS][2];
static int ended;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

struct own {
    ev_io io;
    ev_timer timer;
    int bytes, ticks;
};

static void maybe_end(struct ev_loop *loop, struct own *own)
{
    if (own->bytes >= 3 && own->ticks >= 3)
        ev_break(loop, EVBREAK_ALL);
}

static void readable(struct ev_loop *loop, ev_io *io, int events)
{
    struct own *own = ev_userdata(loop);
    char byte;

    (void)events;
    own->bytes += (int)read(io->fd, &byte, 1);
    maybe_end(loop, own);
}

static void ticked(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct own *own = ev_userdata(loop);

    (void)timer;
    (void)events;
    own->ticks++;
    maybe_end(loop, own);
}

static void *run_loop(void *arg)
{
    int i = (int)(intptr_t)arg;
    struct own own = {.bytes = 0};
    struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);

    ev_set_userdata(loop, &own);
    ev_io_init(&own.io, readable, pipes[i][0], EV_READ);
    ev_timer_init(&own.timer, ticked, 0.01, 0.01);
    ev_io_start(loop, &own.io);
    ev_timer_start(loop, &own.timer);
    ev_run(loop, 0);
    ev_loop_destroy(loop);
    pthread_mutex_lock(&lock);
    ended++;
    pthread_mutex_unlock(&lock);
    return NULL;
}

int main(void)
{
    pthread_t threads[THREADS];

    for (int i = 0; i < THREADS; i++)
        if (pipe(pipes[i]) < 0 ||
            pthread_create(&threads[i], NULL, run_loop, (void *)(intptr_t)i))
            return 2;
    for (int round = 0; round < 3; round++) {
        usleep(5000);
        for (int i = 0; i < THREADS; i++)
            if (write(pipes[i][1], "x", 1) != 1)
                return 3;
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    printf("%d loops ended\n", ended);
    return 0;
}
