/* bench_pthread.c - pthreads: run natively, and with the runtime preloaded
 *
 * Nothing in this program knows which; the native run is the anchor. */
#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

enum { ALIVE = 1000 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;

static void start_thread(pthread_t *thread, const pthread_attr_t *attr,
                         void *(*run)(void *), void *arg)
{
    int rc = pthread_create(thread, attr, run, arg);

    if (rc)
        bench_fail("pthread_create", rc);
}

static void *nothing(void *arg)
{
    return arg;
}

static void create_many(pthread_t *threads, long count)
{
    for (long i = 0; i < count; i++)
        start_thread(&threads[i], NULL, nothing, NULL);
    for (long i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
}

static void run_create(long count, long extra)
{
    pthread_t thread;
    struct bench_clock start;

    (void)extra;
    create_many(&thread, 1);
    start = bench_now();
    for (long i = 0; i < count; i++)
        create_many(&thread, 1);
    bench_report(start, count);
}

static void run_create_many(long count, long extra)
{
    static pthread_t threads[ALIVE];
    struct bench_clock start;

    (void)extra;
    create_many(threads, ALIVE);
    start = bench_now();
    for (long round = 0; round < count / ALIVE; round++)
        create_many(threads, ALIVE);
    bench_report(start, count);
}

/* Yield: a second thread that does nothing else, so each call is a switch. */

static volatile int stop;

static void *yielder(void *arg)
{
    while (!stop)
        sched_yield();
    return arg;
}

static void run_yield(long count, long extra)
{
    pthread_t thread;
    struct bench_clock start;

    (void)extra;
    start_thread(&thread, NULL, yielder, NULL);
    sched_yield();
    start = bench_now();
    for (long i = 0; i < count / 2; i++)
        sched_yield();
    bench_report(start, count);
    stop = 1;
    pthread_join(thread, NULL);
}

/* Hand-over: two threads take turns by one mutex and one condition. */

static long turn, turns;

static void take_turns(long mine)
{
    pthread_mutex_lock(&lock);
    while (turn < turns) {
        while (turn < turns && turn % 2 != mine)
            pthread_cond_wait(&changed, &lock);
        turn++;
        pthread_cond_signal(&changed);
    }
    pthread_mutex_unlock(&lock);
}

static void *second_player(void *arg)
{
    take_turns(1);
    return arg;
}

static void run_handover(long count, long extra)
{
    pthread_t thread;
    struct bench_clock start;

    (void)extra;
    turns = count;
    start_thread(&thread, NULL, second_player, NULL);
    start = bench_now();
    take_turns(0);
    pthread_join(thread, NULL);
    bench_report(start, count);
}

/* Parked: threads that wait for a condition that never comes. */

static long parked;

static void *park(void *arg)
{
    pthread_mutex_lock(&lock);
    parked++;
    for (;;)
        pthread_cond_wait(&changed, &lock);
    return arg;
}

static void wait_until_parked(long count)
{
    struct timespec pause = { 0, 1000 * 1000 };
    long reached;

    do {
        nanosleep(&pause, NULL);
        pthread_mutex_lock(&lock);
        reached = parked;
        pthread_mutex_unlock(&lock);
    } while (reached < count);
}

/* The first thread is not counted: it pays for what a runtime starts once. */
static void run_parked(long count, long stack)
{
    pthread_t thread;
    pthread_attr_t attr;
    struct bench_memory start;

    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    start_thread(&thread, &attr, park, NULL);
    if (stack)
        pthread_attr_setstacksize(&attr, (size_t)stack);
    wait_until_parked(1);
    start = bench_memory_now();
    for (long i = 0; i < count; i++)
        start_thread(&thread, &attr, park, NULL);
    wait_until_parked(count + 1);
    bench_report_memory(start, count);
    fflush(stdout);
    _exit(EXIT_SUCCESS);
}

/* usleep() in a thread, for `extra` us: the median of the calls, as wall time
 * (sleeping costs no CPU). */

static double *slept;
static long naps, nap_us;

static void *sleeper(void *arg)
{
    for (long i = 0; i < naps; i++) {
        double before = bench_now().wall;

        usleep((useconds_t)nap_us);
        slept[i] = bench_now().wall - before;
    }
    return arg;
}

static int by_value(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;

    return (a > b) - (a < b);
}

static void run_usleep(long count, long extra)
{
    pthread_t thread;

    naps = count;
    nap_us = extra;
    slept = calloc((size_t)count, sizeof *slept);
    if (!slept)
        bench_fail("calloc", ENOMEM);
    start_thread(&thread, NULL, sleeper, NULL);
    pthread_join(thread, NULL);
    qsort(slept, (size_t)count, sizeof *slept, by_value);
    printf("wall_us %.3f\n", slept[count / 2] / 1e3);
    free(slept);
}

/* A program that never makes a thread: the wrappers' own cost. */
static void run_no_thread(long count, long extra)
{
    char byte = 0;
    int fd = open("/dev/zero", O_RDWR | O_CLOEXEC);
    struct bench_clock start;

    (void)extra;
    if (fd < 0)
        bench_fail("/dev/zero", errno);
    start = bench_now();
    for (long i = 0; i < count; i++)
        if (read(fd, &byte, 1) != 1 || write(fd, &byte, 1) != 1)
            bench_fail("/dev/zero", errno);
    bench_report(start, count);
    close(fd);
}

static const struct bench_case cases[] = {
    { "create", run_create },
    { "create-many", run_create_many },
    { "yield", run_yield },
    { "handover", run_handover },
    { "parked", run_parked },
    { "usleep", run_usleep },
    { "no-thread", run_no_thread },
};

int main(int argc, char **argv)
{
    return bench_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
