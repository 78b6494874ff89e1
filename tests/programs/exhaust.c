/* exhaust.c - pthread_create until there is no memory for stacks
 *
 * usage: exhaust stack-KiB
 * Every thread waits; when pthread_create fails, they are all let go and
 * joined, and one more thread has to work.  Prints the error's name; the number
 * of threads goes to stderr, since it need not be the same everywhere. */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST 20000

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static pthread_t threads[MOST];
static int go;

static void *wait_for_go(void *arg)
{
    pthread_mutex_lock(&lock);
    while (!go)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
    return arg;
}

int main(int argc, char **argv)
{
    pthread_attr_t attr;
    int n = 0, error = 0;

    pthread_attr_init(&attr);
    if (argc > 1)
        pthread_attr_setstacksize(&attr, strtoul(argv[1], NULL, 10) * 1024);
    while (n < MOST && error == 0) {
        error = pthread_create(&threads[n], &attr, wait_for_go, NULL);
        n += error == 0;
    }
    printf("%s\n", error ? strerrorname_np(error) : "no error");
    pthread_mutex_lock(&lock);
    go = 1;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
    for (int i = 0; i < n; i++)
        if (pthread_join(threads[i], NULL))
            return 3;
    if (n == 0 || pthread_create(&threads[0], &attr, wait_for_go, NULL) ||
        pthread_join(threads[0], NULL))
        return 4;
    puts("one more: ok");
    fprintf(stderr, "%d threads\n", n);
    return 0;
}
