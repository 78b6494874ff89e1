/* idle_threads.c - what an idle pthread costs
 *
 * usage: idle_threads count [stack-KiB]
 * Makes `count` threads that wait at a condition, and prints RSS + page tables
 * for each in bytes, as one line of JSON; then ends them all.  Without a stack
 * size the attribute is the default one. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static long waiting;
static int go;

static void *idle(void *arg)
{
    pthread_mutex_lock(&lock);
    waiting++;
    pthread_cond_broadcast(&changed);
    while (!go)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
    return arg;
}

/* kB of RSS and page tables together; *threads: OS threads. */
static long memory_kb(long *threads)
{
    FILE *status = fopen("/proc/self/status", "r");
    char line[256];
    long kb = 0;

    while (status && fgets(line, sizeof line, status) != NULL) {
        if (strncmp(line, "VmRSS:", 6) == 0 || strncmp(line, "VmPTE:", 6) == 0)
            kb += atol(line + 6);
        if (strncmp(line, "Threads:", 8) == 0)
            *threads = atol(line + 8);
    }
    if (status)
        fclose(status);
    return kb;
}

int main(int argc, char **argv)
{
    long count = argc > 1 ? atol(argv[1]) : 1000, os_threads = 0;
    pthread_t *threads = calloc((size_t)count, sizeof *threads);
    pthread_attr_t attr;
    long before, after;
    int error;

    pthread_attr_init(&attr);
    if (argc > 2)
        pthread_attr_setstacksize(&attr, strtoul(argv[2], NULL, 10) * 1024);
    memset(threads, 1, (size_t)count * sizeof *threads);
    before = memory_kb(&os_threads);
    for (long i = 0; i < count; i++) {
        error = pthread_create(&threads[i], &attr, idle, NULL);
        if (error) {
            fprintf(stderr, "thread %ld: %s\n", i, strerror(error));
            return 1;
        }
    }
    pthread_mutex_lock(&lock);
    while (waiting < count)
        pthread_cond_wait(&changed, &lock);
    after = memory_kb(&os_threads);
    go = 1;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
    for (long i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
    printf("{\"threads\": %ld, \"bytes\": %.0f, \"os_threads\": %ld}\n", count,
           (double)(after - before) * 1024 / (double)count, os_threads);
    free(threads);
    return 0;
}
