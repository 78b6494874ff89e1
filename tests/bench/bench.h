/* bench.h - what the benchmark programs share: clocks, memory, the report
 *
 * A program runs one case, "program case count [extra]", and prints lines of
 * "key value".  run.py runs programs in turn and takes the medians.  CPU time
 * (user + system) is the figure: on a busy machine wall time is noise. */
#ifndef BENCH_H
#define BENCH_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

struct bench_case {
    const char *name;
    void (*run)(long count, long extra);
};

/* Wall and CPU time, in ns. */
struct bench_clock {
    double wall, cpu;
};

static inline struct bench_clock bench_now(void)
{
    struct bench_clock now;
    struct timespec wall;
    struct rusage used;

    clock_gettime(CLOCK_MONOTONIC, &wall);
    getrusage(RUSAGE_SELF, &used);
    now.wall = (double)wall.tv_sec * 1e9 + (double)wall.tv_nsec;
    now.cpu = (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1e9 +
              (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) * 1e3;
    return now;
}

/* What `count` operations since `start` took, each. */
static inline void bench_report(struct bench_clock start, long count)
{
    struct bench_clock now = bench_now();

    printf("cpu_ns %.3f\n", (now.cpu - start.cpu) / (double)count);
    printf("wall_ns %.3f\n", (now.wall - start.wall) / (double)count);
}

/* One figure in kB out of a file of "Key:  value kB" lines; 0 if absent. */
static inline double bench_field(const char *path, const char *key)
{
    char line[256];
    double value = 0;
    FILE *file = fopen(path, "r");

    if (!file)
        return 0;
    while (fgets(line, sizeof line, file))
        if (!strncmp(line, key, strlen(key)))
            value = atof(line + strlen(key));
    fclose(file);
    return value;
}

/* Memory of this process, in bytes: resident pages with their page tables, and
 * the kernel stacks of the machine (the kernel does not count them by process). */
struct bench_memory {
    double user, kernel;
};

static inline struct bench_memory bench_memory_now(void)
{
    struct bench_memory now;

    now.user = (bench_field("/proc/self/status", "VmRSS:") +
                bench_field("/proc/self/status", "VmPTE:")) * 1024;
    now.kernel = bench_field("/proc/meminfo", "KernelStack:") * 1024;
    return now;
}

static inline void bench_report_memory(struct bench_memory start, long count)
{
    struct bench_memory now = bench_memory_now();
    double user = (now.user - start.user) / (double)count;
    double kernel = (now.kernel - start.kernel) / (double)count;

    printf("bytes %.1f\n", user);
    printf("with_kernel_stack %.1f\n", user + (kernel > 0 ? kernel : 0));
}

/* A benchmark that cannot go on has no figure: say why, and print none. */
static inline void bench_fail(const char *what, int error)
{
    fflush(stdout);
    fprintf(stderr, "%s: %s\n", what, strerror(error < 0 ? -error : error));
    exit(EXIT_FAILURE);
}

static inline int bench_main(int argc, char **argv,
                             const struct bench_case *cases, size_t ncases)
{
    size_t i;

    for (i = 0; argc >= 3 && i < ncases; i++) {
        if (strcmp(argv[1], cases[i].name))
            continue;
        cases[i].run(atol(argv[2]), argc > 3 ? atol(argv[3]) : 0);
        fflush(stdout);
        return EXIT_SUCCESS;
    }
    fprintf(stderr, "usage: %s case count [extra]\ncases:", argv[0]);
    for (i = 0; i < ncases; i++)
        fprintf(stderr, " %s", cases[i].name);
    fprintf(stderr, "\n");
    return EXIT_FAILURE;
}

#endif
