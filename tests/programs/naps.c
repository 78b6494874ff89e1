/* naps.c - how long usleep(100) takes in a thread: the median, in ns */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { NAPS = 2001 };

static int64_t took[NAPS];

static int64_t now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static void *nap(void *unused)
{
    for (int i = 0; i < NAPS; i++) {
        int64_t began = now();

        usleep(100);
        took[i] = now() - began;
    }
    return unused;
}

static int by_length(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

int main(void)
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, nap, NULL) != 0)
        return 1;
    pthread_join(thread, NULL);
    qsort(took, NAPS, sizeof took[0], by_length);
    printf("%lld\n", (long long)took[NAPS / 2]);
    return 0;
}
