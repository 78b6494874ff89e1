/* clocks.c - two threads that wait until times of the clocks that they read
 *
 * Each wait is to take 50 ms; none may take a minute, and none end before its
 * clock says so. */
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static struct timespec in_50_ms(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    t.tv_nsec += 50 * 1000 * 1000;
    t.tv_sec += t.tv_nsec / 1000000000;
    t.tv_nsec %= 1000000000;
    return t;
}

static int is_past(clockid_t clock, const struct timespec *then)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return now.tv_sec > then->tv_sec ||
           (now.tv_sec == then->tv_sec && now.tv_nsec >= then->tv_nsec);
}

static void wait_at(clockid_t clock, pthread_cond_t *cond)
{
    struct timespec end = in_50_ms(clock);

    pthread_mutex_lock(&lock);
    while (pthread_cond_timedwait(cond, &lock, &end) == 0)
        ;
    pthread_mutex_unlock(&lock);
    if (!is_past(clock, &end)) {
        printf("a condition's time came too early, clock %d\n", (int)clock);
        exit(1);
    }
}

static void *work(void *arg)
{
    struct timespec nap = {0, 50 * 1000 * 1000}, end;
    pthread_condattr_t attr;
    pthread_cond_t cond;
    sem_t never;

    (void)arg;
    nanosleep(&nap, NULL);
    pthread_cond_init(&cond, NULL);
    wait_at(CLOCK_REALTIME, &cond);
    pthread_cond_destroy(&cond);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&cond, &attr);
    wait_at(CLOCK_MONOTONIC, &cond);
    pthread_cond_destroy(&cond);
    end = in_50_ms(CLOCK_REALTIME);
    sem_init(&never, 0, 0);
    sem_timedwait(&never, &end);
    sem_destroy(&never);
    return NULL;
}

int main(void)
{
    pthread_t threads[2];

    for (int i = 0; i < 2; i++)
        if (pthread_create(&threads[i], NULL, work, NULL) != 0)
            return 2;
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    puts("all waits ended in time");
    return 0;
}
