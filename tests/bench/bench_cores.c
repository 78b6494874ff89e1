/* bench_cores.c - `bench_cores serve THREADS REQUESTS ROUNDS`: threads that answer
 * requests, each of which takes some computing
 *
 * A server as thread-per-connection ones are: pairs of clients' and servers' threads
 * over socket pairs, so that all of it is in one process; the answer is a checksum of
 * ROUNDS rounds.  `hold THREADS` only keeps them waiting.  Built plainly: it is run
 * natively and preloaded. */
#include "bench.h"

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static long requests, rounds;

struct pair {
    int ends[2];
    pthread_t server, client;
    uint64_t sum;
};

static uint64_t work(uint64_t value)
{
    for (long i = 0; i < rounds; i++)
        value = (value ^ (value >> 29)) * UINT64_C(0xbf58476d1ce4e5b9) + 1;
    return value;
}

static void must(ssize_t rc, size_t size, const char *what)
{
    if (rc != (ssize_t)size) {
        perror(what);
        exit(1);
    }
}

static void *serve(void *arg)
{
    struct pair *pair = arg;
    uint64_t value;

    while (read(pair->ends[1], &value, sizeof value) == sizeof value) {
        value = work(value);
        must(write(pair->ends[1], &value, sizeof value), sizeof value, "write");
    }
    return NULL;
}

static void *ask(void *arg)
{
    struct pair *pair = arg;

    for (long i = 0; i < requests; i++) {
        uint64_t value = (uint64_t)i;

        must(write(pair->ends[0], &value, sizeof value), sizeof value, "write");
        must(read(pair->ends[0], &value, sizeof value), sizeof value, "read");
        pair->sum += value;
    }
    shutdown(pair->ends[0], SHUT_RDWR);
    return NULL;
}

static int64_t now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static void start(pthread_t *thread, void *(*function)(void *), void *arg)
{
    if (pthread_create(thread, NULL, function, arg) != 0) {
        fprintf(stderr, "no thread\n");
        exit(1);
    }
}

static long kilobytes(void)
{
    char line[128];
    FILE *status = fopen("/proc/self/status", "r");
    long size = 0, tasks = 0, value;

    while (status != NULL && fgets(line, sizeof line, status) != NULL)
        if (sscanf(line, "VmRSS: %ld", &value) == 1 ||
            sscanf(line, "VmPTE: %ld", &value) == 1)
            size += value;
        else if (sscanf(line, "Threads: %ld", &value) == 1)
            tasks = value;
    if (status != NULL)
        fclose(status);
    return size + tasks * 16; /* a kernel stack is 16 KB */
}

int main(int argc, char **argv)
{
    long count = argc > 2 ? atol(argv[2]) : 20;
    struct pair *pairs = calloc((size_t)count, sizeof *pairs);
    uint64_t sum = 0;
    int64_t begin;

    if (argc < 5 || pairs == NULL)
        return 2;
    requests = atol(argv[3]);
    rounds = atol(argv[4]);
    for (long i = 0; i < count; i++)
        if (socketpair(AF_UNIX, SOCK_STREAM, 0, pairs[i].ends) != 0) {
            perror("socketpair");
            return 1;
        }
    begin = now();
    for (long i = 0; i < count; i++)
        start(&pairs[i].server, serve, &pairs[i]);
    if (strcmp(argv[1], "hold") == 0) {
        usleep(500000);
        printf("kb_each %.2f\n", (double)kilobytes() / (double)count);
        return 0;
    }
    for (long i = 0; i < count; i++)
        start(&pairs[i].client, ask, &pairs[i]);
    for (long i = 0; i < count; i++) {
        pthread_join(pairs[i].client, NULL);
        pthread_join(pairs[i].server, NULL);
        sum += pairs[i].sum;
    }
    printf("wall_ns %.1f\n", (double)(now() - begin) /
                                 ((double)count * (double)requests));
    return sum == 0;
}
