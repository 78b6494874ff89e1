/* threaded.c - a small threaded program whose output is always the same
 *
 * usage: threaded [-l] [count]
 * Each thread sleeps, passes a byte through a pipe of its own, adds to a sum
 * under a mutex and waits for all the others at a condition.  Prints the sum;
 * with -l "light" or "heavy" on a second line: whether the process had an OS
 * thread for each of them. */
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static long sum, arrived, count = 100;
static int go;
static __thread long own;

static void *work(void *arg)
{
    char byte = (char)(intptr_t)arg;
    int ends[2];

    own = (long)(intptr_t)arg;
    usleep(1000);
    while (pipe(ends) < 0)
        if (errno != EMFILE || usleep(1000) < 0) /* others have them all */
            abort();
    if (write(ends[1], &byte, 1) != 1 ||
        read(ends[0], &byte, 1) != 1)
        abort();
    close(ends[0]);
    close(ends[1]);
    pthread_mutex_lock(&lock);
    sum += own + (byte != (char)own);
    arrived++;
    pthread_cond_broadcast(&changed);
    while (!go)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
    return (void *)own;
}

static long os_threads(void)
{
    DIR *tasks = opendir("/proc/self/task");
    long n = 0;

    if (tasks == NULL)
        return -1;
    while (readdir(tasks) != NULL)
        n++;
    closedir(tasks);
    return n - 2;
}

int main(int argc, char **argv)
{
    int tell = argc > 1 && strcmp(argv[1], "-l") == 0;
    pthread_t *threads;
    long threads_seen;

    if (argc > 1 + tell)
        count = atol(argv[1 + tell]);
    threads = calloc((size_t)count, sizeof *threads);
    for (long i = 0; i < count; i++)
        if (pthread_create(&threads[i], NULL, work, (void *)(intptr_t)i))
            return 2;
    pthread_mutex_lock(&lock);
    while (arrived < count)
        pthread_cond_wait(&changed, &lock);
    threads_seen = os_threads();
    go = 1;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
    for (long i = 0; i < count; i++) {
        void *result;

        if (pthread_join(threads[i], &result) || (long)(intptr_t)result != i)
            return 3;
    }
    free(threads);
    printf("sum %ld\n", sum);
    if (tell)
        puts(threads_seen > count ? "heavy" : "light");
    return 0;
}
