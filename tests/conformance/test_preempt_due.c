/* Threads that compute, in their own code, in functions of libc without a lock, or in
 * its allocator, beside one that waits for something: it runs when that comes, and not
 * when a slice of theirs is over.  What is measured is their CPU time, which a busy
 * machine takes from all alike. */
#include "conf_threads.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { HOGS = 2, TIMES = 100, SIZE = 1 << 20 };
/* Of all, for each time: natively 2 ms and a bit, on as many processors as there
 * are hogs.  By slices of 10 ms it is 12 at least. */
enum { MOST_MS = 8, TRIES = 3 };

static volatile int stop;
static volatile unsigned long work[HOGS];
static char *blocks[HOGS][2];
static pthread_t hogs[HOGS];

static void *add(void *argument)
{
    while (!stop)
        work[(long)argument] += 3;
    return NULL;
}

static void *copy(void *argument)
{
    char **block = blocks[(long)argument];

    for (int i = 0; !stop; i++)
        memcpy(block[i % 2], block[1 - i % 2], SIZE);
    return NULL;
}

static void *search(void *argument)
{
    const char *block = blocks[(long)argument][0];

    while (!stop)
        work[(long)argument] += memchr(block, 'x', SIZE) != NULL;
    return NULL;
}

static void *allocate(void *argument)
{
    while (!stop)
        for (int i = 0; i < 100; i++) {
            char *volatile block = malloc((size_t)(i * 40 + 1));

            *block = (char)(long)argument;
            free(block);
        }
    return NULL;
}

static void *(*const kinds[])(void *) = { add, copy, search, allocate };
enum { KINDS = sizeof kinds / sizeof *kinds };

static void start(int kind)
{
    stop = 0;
    for (long i = 0; i < HOGS; i++) {
        for (int j = 0; j < 2; j++)
            ck_assert_ptr_nonnull(blocks[i][j] = calloc(1, SIZE));
        hogs[i] = start_thread(kinds[kind], (void *)i);
    }
    sleep_ms(50); /* until it is known that they compute */
}

static void end(void)
{
    stop = 1;
    for (int i = 0; i < HOGS; i++) {
        join_thread(hogs[i]);
        for (int j = 0; j < 2; j++)
            free(blocks[i][j]);
    }
}

static int64_t cpu_ns(void)
{
    struct timespec used;

    ck_assert_int_eq(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used), 0);
    return used.tv_sec * CONF_S + used.tv_nsec;
}

/* Where many others run on the machine, whoever is to see that something is due may be
 * kept from a processor for long: once of TRIES is enough. */
static void takes_little(void (*wait)(void *), void *arg)
{
    double ms = 0;

    for (int i = 0; i < TRIES; i++) {
        int64_t before = cpu_ns();

        wait(arg);
        ms = (double)(cpu_ns() - before) / CONF_MS / TIMES;
        if (ms < MOST_MS)
            return;
        printf("%.1f ms of CPU time each time\n", ms);
    }
    ck_abort_msg("%.1f ms each time, of %d", ms, MOST_MS);
}

static void sleep_often(void *arg)
{
    (void)arg;
    for (int i = 0; i < TIMES; i++)
        sleep_ms(1);
}

START_TEST(a_sleep_ends)
{
    start(_i);
    takes_little(sleep_often, NULL);
    end();
}
END_TEST

/* A process that answers at once. */
static void answer(int from, int to)
{
    char byte;

    while (read(from, &byte, 1) == 1)
        conf_write_all(to, &byte, 1);
    _exit(0);
}

struct pipes {
    int there[2], back[2];
};

static void ask_often(void *arg)
{
    const struct pipes *pipes = arg;
    char byte;

    for (int i = 0; i < TIMES; i++) {
        conf_write_all(pipes->there[1], "x", 1);
        conf_read_all(pipes->back[0], &byte, 1);
    }
}

START_TEST(an_answer_comes)
{
    struct pipes pipes;
    int *there = pipes.there, *back = pipes.back, status;
    pid_t child;

    conf_pipe(there);
    conf_pipe(back);
    child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        close(there[1]);
        answer(there[0], back[1]);
    }
    close(there[0]);
    close(back[1]);
    start(_i);
    takes_little(ask_often, &pipes);
    end();
    close(there[1]);
    close(back[0]);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
}
END_TEST

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static int turn;

static void take_turn(int mine)
{
    ck_assert_int_eq(pthread_mutex_lock(&mutex), 0);
    while (turn != mine)
        ck_assert_int_eq(pthread_cond_wait(&cond, &mutex), 0);
    turn = 1 - mine;
    ck_assert_int_eq(pthread_cond_signal(&cond), 0);
    ck_assert_int_eq(pthread_mutex_unlock(&mutex), 0);
}

static void *take_turns(void *argument)
{
    for (int i = 0; i < TIMES; i++)
        take_turn(1);
    return argument;
}

static void take_turns_with_another(void *arg)
{
    pthread_t other;

    (void)arg;
    turn = 0;
    other = start_thread(take_turns, NULL);
    for (int i = 0; i < TIMES; i++)
        take_turn(0);
    join_thread(other);
}

START_TEST(another_thread_wakes_it)
{
    start(_i);
    takes_little(take_turns_with_another, NULL);
    end();
}
END_TEST

static void add_tests(TCase *tcase)
{
    conf_test(tcase, a_sleep_ends, KINDS);
    conf_test(tcase, an_answer_comes, KINDS);
    conf_test(tcase, another_thread_wakes_it, KINDS);
}

int main(void)
{
    return conf_main("preempt_due", add_tests, CONF_THREADS);
}
