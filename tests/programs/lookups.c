/* lookups.c - many slow name look-ups at once, beside a thread that ticks
 *
 * usage: lookups count
 * Every thread asks for hostN.test; prints one line of JSON: how many answers
 * were right (127.1.0.N), how long all took together, and how often meanwhile
 * a thread that sleeps 10 ms at a time came round. */
#include <arpa/inet.h>
#include <netdb.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int right, done;
static volatile int over;
static long ticks;

static void *look_up(void *arg)
{
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    unsigned n = (unsigned)(uintptr_t)arg;
    char name[32];
    int good = 0;

    snprintf(name, sizeof name, "host%u.test", n);
    if (getaddrinfo(name, "80", &hints, &found) == 0) {
        struct sockaddr_in *in = (struct sockaddr_in *)(void *)found->ai_addr;

        good = in->sin_addr.s_addr == htonl(0x7f010000 + n) &&
               in->sin_port == htons(80);
        freeaddrinfo(found);
    }
    pthread_mutex_lock(&lock);
    right += good;
    done++;
    pthread_mutex_unlock(&lock);
    return NULL;
}

static void *tick(void *arg)
{
    while (!over) {
        usleep(10 * 1000);
        ticks++;
    }
    return arg;
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    int count = argc > 1 ? atoi(argv[1]) : 50;
    pthread_t ticker, threads[1000];
    double start = now();

    if (count > 1000 || pthread_create(&ticker, NULL, tick, NULL))
        return 2;
    for (int i = 0; i < count; i++)
        if (pthread_create(&threads[i], NULL, look_up, (void *)(intptr_t)i))
            return 2;
    for (int i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
    start = now() - start;
    over = 1;
    pthread_join(ticker, NULL);
    printf("{\"asked\": %d, \"right\": %d, \"done\": %d, \"seconds\": %.3f, "
           "\"ticks\": %ld}\n",
           count, right, done, start, ticks);
    return 0;
}
