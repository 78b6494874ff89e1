/* sanitized.c - a program that a sanitizer watches, with a library that none does
 *
 * argument: fine, or a mistake to be found in a greenlet: overflow (of a buffer on
 * its stack), race (of two threads' greenlets) */
#include <vireo/greenlet.h>

#include <pthread.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GREENLETS = 20, ROUNDS = 50, THREADS = 2 };

static volatile int one = 1;
static int shared;
static pthread_barrier_t start;

static void to_parent(void)
{
    greenlet_switch(greenlet_parent(greenlet_current()), NULL, NULL);
}

/* Red zones in each frame, switched away from at each depth. */
static __attribute__((noinline)) int dig(int depth)
{
    char room[100];
    int sum = 0;

    memset(room, depth, sizeof room);
    if (depth % 3 == 0)
        to_parent();
    if (depth > 0)
        sum = dig(depth - 1);
    for (size_t i = 0; i < sizeof room; i++)
        sum += room[i] == (char)depth;
    return sum;
}

/* Frames that are left without a return, below others that go on. */
static __attribute__((noinline)) void jumps_out(void)
{
    jmp_buf here;

    if (setjmp(here) == 0) {
        char room[64];

        memset(room, 1, sizeof room);
        if (room[one] != 0)
            longjmp(here, 1);
    }
}

static int works(void *value, void **result)
{
    char *memory = malloc(100); /* that this stack alone knows of */

    (void)value;
    for (int i = 0; i < 3; i++) {
        if (dig(10) != 11 * 100)
            abort();
        jumps_out();
        to_parent();
    }
    free(memory);
    *result = NULL;
    return 0;
}

static int holds(void *value, void **result)
{
    char *volatile memory = malloc(1000);

    (void)value;
    to_parent();
    free(memory);
    *result = NULL;
    return 0;
}

static int overflows(void *value, void **result)
{
    char room[16];

    (void)value;
    memset(room, 0, sizeof room);
    room[15 + one] = 1;
    *result = NULL;
    return room[one];
}

static int races(void *value, void **result)
{
    for (int i = 0; i < 1000; i++)
        shared += one;
    *result = value;
    return 0;
}

static void run_all(greenlet_run *run)
{
    struct greenlet *all[GREENLETS];

    for (int i = 0; i < GREENLETS; i++)
        all[i] = greenlet_new(run, NULL, 0);
    for (int left = GREENLETS; left > 0;)
        for (int i = 0; i < GREENLETS; i++) {
            if (greenlet_dead(all[i]))
                continue;
            greenlet_switch(all[i], NULL, NULL);
            left -= greenlet_dead(all[i]);
        }
    for (int i = 0; i < GREENLETS; i++)
        greenlet_unref(all[i]);
}

static void *thread(void *run)
{
    greenlet_run *function;

    *(void **)&function = run;
    pthread_barrier_wait(&start);
    for (int i = 0; i < ROUNDS / 10; i++)
        run_all(function);
    return NULL;
}

static void run_in_threads(greenlet_run *run)
{
    pthread_t all[THREADS];

    pthread_barrier_init(&start, NULL, THREADS);
    for (int i = 0; i < THREADS; i++)
        if (pthread_create(&all[i], NULL, thread, *(void **)&run) != 0)
            abort();
    for (int i = 0; i < THREADS; i++)
        pthread_join(all[i], NULL);
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "fine";

    if (strcmp(what, "overflow") == 0)
        run_all(overflows);
    else if (strcmp(what, "race") == 0)
        run_in_threads(races);
    for (int i = 0; i < ROUNDS; i++)
        run_all(works);
    run_in_threads(works);
    /* Suspended at the end: what it has is not lost. */
    greenlet_switch(greenlet_new(holds, NULL, 0), NULL, NULL);
    puts("fine");
    return 0;
}
