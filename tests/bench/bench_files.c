/* bench_files.c - what VIREO_FILES costs and gives: run it natively, and preloaded
 * with `direct` and with `pool`
 *
 * Reads of 4 KiB and of names that are in memory, by the nanosecond; and how long
 * a thread that naps 1 ms is kept waiting while four others read what is not. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { SIZE = 64 << 20, PAGE = 4096, READERS = 4, CALLS = 100000 };

static int file;
static char path[] = "/var/tmp/bench_files-XXXXXX";
static volatile bool over;

static int64_t now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static void make_file(void)
{
    char *bytes = calloc(1, 1 << 20);

    file = mkstemp(path);
    for (int i = 0; file >= 0 && i < SIZE >> 20; i++)
        if (write(file, bytes, 1 << 20) != 1 << 20)
            exit(1);
    if (file < 0 || fsync(file) != 0)
        exit(1);
    free(bytes);
}

static void in_memory(const char *what, int call)
{
    char bytes[PAGE];
    struct stat st;
    int64_t from = now();

    lseek(file, 0, SEEK_SET);
    for (int i = 0; i < CALLS; i++) {
        off_t at = (off_t)(i % 64) * PAGE;

        if (call == 0 && pread(file, bytes, PAGE, at) != PAGE)
            exit(1);
        if (call == 1 && read(file, bytes, PAGE) != PAGE)
            exit(1);
        if (call == 2 && pwrite(file, bytes, PAGE, at) != PAGE)
            exit(1);
        if (call == 3 && stat(path, &st) != 0)
            exit(1);
        if (call == 4)
            close(open(path, O_RDONLY));
        if (call == 1 && i % 64 == 63)
            lseek(file, 0, SEEK_SET);
    }
    printf("%-8s %6lld ns\n", what, (long long)((now() - from) / CALLS));
}

static void *nap(void *unused)
{
    int64_t worst = 0, sum = 0;
    int naps = 0;

    while (!over) {
        struct timespec ms = { 0, 1000000 };
        int64_t from = now(), late;

        nanosleep(&ms, NULL);
        late = now() - from - 1000000;
        worst = late > worst ? late : worst;
        sum += late;
        naps++;
    }
    printf("a nap of 1 ms is late by %lld us, at worst %lld us\n",
           (long long)(sum / (naps ? naps : 1) / 1000),
           (long long)(worst / 1000));
    return unused;
}

static void *read_cold(void *argument)
{
    static char bytes[READERS][1 << 20];
    long reads = 0;

    while (!over) {
        off_t at = (off_t)(rand() % (SIZE >> 20)) << 20;

        posix_fadvise(file, at, 1 << 20, POSIX_FADV_DONTNEED);
        if (pread(file, bytes[(intptr_t)argument], 1 << 20, at) < 0)
            exit(1);
        reads++;
    }
    return (void *)reads;
}

static void cold(void)
{
    pthread_t readers[READERS], napper;
    long reads = 0;
    void *result;

    over = false;
    pthread_create(&napper, NULL, nap, NULL);
    for (intptr_t i = 0; i < READERS; i++)
        pthread_create(&readers[i], NULL, read_cold, (void *)i);
    sleep(2);
    over = true;
    for (int i = 0; i < READERS; i++) {
        pthread_join(readers[i], &result);
        reads += (long)result;
    }
    pthread_join(napper, NULL);
    printf("%ld reads of 1 MiB a second that are not in memory\n", reads / 2);
}

int main(void)
{
    pthread_t company;

    make_file();
    pthread_create(&company, NULL, nap, NULL);
    in_memory("pread", 0);
    in_memory("read", 1);
    in_memory("pwrite", 2);
    in_memory("stat", 3);
    in_memory("open", 4);
    over = true;
    pthread_join(company, NULL);
    cold();
    unlink(path);
    return 0;
}
