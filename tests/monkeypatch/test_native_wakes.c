/* What real threads do to mapped ones that wait: cancel them, send them signals.
 * The real ones are made by libc's own pthread_create(), behind the preload
 * library's back.  As it is, all threads are real. */
#include "../runner.h"

#include <check.h>
#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

typedef int create(pthread_t *, const pthread_attr_t *, void *(*)(void *),
                   void *);
typedef int join(pthread_t, void **);

enum { TARGETS = 4, SENDERS = 2, ROUNDS = 2000, LIVES = 200 };

static create *real_create;
static join *real_join;

static pthread_t targets[TARGETS];
static volatile pid_t tids[TARGETS];
static volatile int ends, handled, broken;
static sem_t never;

/* Check's failures are for the main thread only. */
#define HOLDS(condition)                                           \
    do {                                                           \
        if (!(condition)) {                                        \
            fprintf(stderr, "%s:%d: not %s\n", __FILE__, __LINE__, \
                    #condition);                                   \
            broken = 1;                                            \
        }                                                          \
    } while (0)

static void on_signal(int number)
{
    (void)number;
    __atomic_add_fetch(&handled, 1, __ATOMIC_SEQ_CST);
}

static void setup(void)
{
    void *libc = dlopen("libc.so.6", RTLD_NOW);
    struct sigaction action = { .sa_handler = on_signal };

    ck_assert_ptr_nonnull(libc);
    *(void **)&real_create = dlsym(libc, "pthread_create");
    *(void **)&real_join = dlsym(libc, "pthread_join");
    ck_assert(real_create != NULL && real_join != NULL);
    ck_assert_int_eq(sigaction(SIGUSR1, &action, NULL), 0);
    ck_assert_int_eq(sem_init(&never, 0, 0), 0);
    ends = handled = broken = 0;
}

static void wait_a_little(int way)
{
    struct timespec until, little = { 0, 20000 };

    switch (way % 4) {
    case 0:
        nanosleep(&little, NULL);
        break;
    case 1:
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec = (until.tv_nsec + 20000) % 1000000000;
        HOLDS(sem_timedwait(&never, &until) == -1);
        break;
    case 2:
        poll(NULL, 0, 1);
        break;
    default:
        usleep(1);
    }
}

static void *wait_and_wait(void *argument)
{
    long number = (long)argument;

    tids[number] = (pid_t)syscall(SYS_gettid);
    for (int way = 0; !ends; way++)
        wait_a_little(way);
    return NULL;
}

static void *by_handle(void *argument)
{
    for (int i = 0; i < ROUNDS; i++) {
        HOLDS(pthread_kill(targets[i % TARGETS], SIGUSR1) == 0);
        if (i % 16 == 0)
            usleep(50);
    }
    return argument;
}

/* Threads come and go under it. */
static void *by_id(void *argument)
{
    for (int i = 0; i < ROUNDS; i++) {
        pid_t tid = tids[i % TARGETS];
        int way = i % 3;

        if (tid != 0 && way == 0)
            syscall(SYS_tgkill, getpid(), tid, SIGUSR1);
        else if (tid != 0 && way == 1)
            syscall(SYS_tkill, tid, SIGUSR1);
        else if (tid != 0)
            tgkill(getpid(), tid, SIGUSR1);
        if (i % 16 == 0)
            usleep(50);
    }
    return argument;
}

static void begin(pthread_t *senders, void *(*send)(void *))
{
    for (int i = 0; i < SENDERS; i++)
        ck_assert_int_eq(real_create(&senders[i], NULL, send, NULL), 0);
}

static void make_targets(void)
{
    for (long i = 0; i < TARGETS; i++)
        ck_assert_int_eq(pthread_create(&targets[i], NULL, wait_and_wait,
                                        (void *)i),
                         0);
}

static void join_targets(void)
{
    for (int i = 0; i < TARGETS; i++)
        ck_assert_int_eq(pthread_join(targets[i], NULL), 0);
}

/* libc's join would stop all mapped threads. */
static volatile int left_to_send;

static void *send_and_tell(void *argument)
{
    void *(*send)(void *);

    *(void **)&send = argument;
    send(NULL);
    __atomic_sub_fetch(&left_to_send, 1, __ATOMIC_SEQ_CST);
    return NULL;
}

static void send_all(void *(*send)(void *))
{
    pthread_t senders[SENDERS];
    void *argument;

    *(void *(**)(void *))&argument = send;
    left_to_send = SENDERS;
    for (int i = 0; i < SENDERS; i++)
        ck_assert_int_eq(
            real_create(&senders[i], NULL, send_and_tell, argument), 0);
    while (left_to_send > 0)
        usleep(1000);
    for (int i = 0; i < SENDERS; i++)
        ck_assert_int_eq(real_join(senders[i], NULL), 0);
}

START_TEST(signals_by_handle_reach_threads_that_wait)
    {
        make_targets();
        send_all(by_handle);
        ends = 1;
        join_targets();
        ck_assert_int_gt(handled, 0);
        ck_assert_int_eq(broken, 0);
    }
END_TEST

/* ---- more signals than can be handled ---- */

enum { SLEEPERS = 200, FLOODERS = 4, FLOOD = 5000 };

/* The least, or nearly. */
static size_t small_size(void)
{
    size_t least = (size_t)sysconf(_SC_THREAD_STACK_MIN);

    return least > 65536 ? least : 65536;
}

static void *sleep_on(void *argument)
{
    while (sem_wait(&never) != 0)
        continue;
    return argument;
}

static void *compute_and_wait(void *argument)
{
    while (!ends) {
        for (volatile int i = 0; i < 1000; i++)
            ;
        usleep(1);
    }
    return argument;
}

static void *flood(void *argument)
{
    for (int i = 0; i < FLOOD; i++)
        HOLDS(pthread_kill(targets[i % TARGETS], SIGUSR1) == 0);
    __atomic_sub_fetch(&left_to_send, 1, __ATOMIC_SEQ_CST);
    return argument;
}

/* Their handlers run one after the other: stacks for one are enough. */
START_TEST(signals_without_end_fit_on_small_stacks)
    {
        static pthread_t sleepers[SLEEPERS];
        pthread_t flooders[FLOODERS];
        pthread_attr_t small;

        ck_assert_int_eq(pthread_attr_init(&small), 0);
        ck_assert_int_eq(pthread_attr_setstacksize(&small, small_size()), 0);
        for (int i = 0; i < SLEEPERS; i++)
            ck_assert_int_eq(
                pthread_create(&sleepers[i], &small, sleep_on, NULL), 0);
        for (int i = 0; i < TARGETS; i++)
            ck_assert_int_eq(pthread_create(&targets[i], &small,
                                            compute_and_wait, NULL),
                             0);
        left_to_send = FLOODERS;
        for (int i = 0; i < FLOODERS; i++)
            ck_assert_int_eq(real_create(&flooders[i], NULL, flood, NULL), 0);
        while (left_to_send > 0)
            usleep(1000);
        for (int i = 0; i < FLOODERS; i++)
            ck_assert_int_eq(real_join(flooders[i], NULL), 0);
        ends = 1;
        join_targets();
        for (int i = 0; i < SLEEPERS; i++)
            ck_assert_int_eq(sem_post(&never), 0);
        for (int i = 0; i < SLEEPERS; i++)
            ck_assert_int_eq(pthread_join(sleepers[i], NULL), 0);
        ck_assert_int_gt(handled, 0);
        ck_assert_int_eq(broken, 0);
        pthread_attr_destroy(&small);
    }
END_TEST

static void *come_and_go(void *argument)
{
    long number = (long)argument;

    tids[number] = (pid_t)syscall(SYS_gettid);
    for (int way = 0; way < 8; way++)
        wait_a_little(way);
    tids[number] = 0;
    return NULL;
}

START_TEST(signals_by_id_come_to_threads_or_to_none)
    {
        pthread_t senders[SENDERS];

        begin(senders, by_id);
        for (int life = 0; life < LIVES; life++) {
            for (long i = 0; i < TARGETS; i++)
                ck_assert_int_eq(pthread_create(&targets[i], NULL, come_and_go,
                                                (void *)i),
                                 0);
            join_targets();
        }
        for (int i = 0; i < SENDERS; i++)
            ck_assert_int_eq(real_join(senders[i], NULL), 0);
        ck_assert_int_eq(broken, 0);
    }
END_TEST

static void *wait_to_be_cancelled(void *argument)
{
    for (int way = 0;; way++) {
        wait_a_little(way);
        pthread_testcancel();
    }
    return argument;
}

static volatile pthread_t victim;
static volatile int cancelled;

static void *cancel_each(void *argument)
{
    for (int i = 0; i < LIVES; i++) {
        while (cancelled != i || victim == 0)
            usleep(10);
        HOLDS(pthread_cancel(victim) == 0);
        victim = 0;
        cancelled = i + 1;
    }
    return argument;
}

START_TEST(a_cancellation_ends_a_wait)
    {
        pthread_t sender;
        void *result;

        victim = 0;
        cancelled = 0;
        ck_assert_int_eq(real_create(&sender, NULL, cancel_each, NULL), 0);
        for (int i = 0; i < LIVES; i++) {
            pthread_t thread;

            ck_assert_int_eq(
                pthread_create(&thread, NULL, wait_to_be_cancelled, NULL), 0);
            victim = thread;
            while (cancelled != i + 1)
                usleep(10);
            ck_assert_int_eq(pthread_join(thread, &result), 0);
            ck_assert_ptr_eq(result, PTHREAD_CANCELED);
        }
        ck_assert_int_eq(real_join(sender, NULL), 0);
        ck_assert_int_eq(broken, 0);
    }
END_TEST

static void *wait_for_ever(void *argument)
{
    while (sem_wait(&never) != 0)
        continue;
    return argument;
}

static void *cancel_one(void *argument)
{
    usleep(2000);
    HOLDS(pthread_cancel(targets[0]) == 0);
    return argument;
}

/* Nothing else would wake the loop. */
START_TEST(a_cancellation_ends_the_only_wait)
    {
        pthread_t sender;
        void *result;

        for (int i = 0; i < 20; i++) {
            ck_assert_int_eq(
                pthread_create(&targets[0], NULL, wait_for_ever, NULL), 0);
            ck_assert_int_eq(real_create(&sender, NULL, cancel_one, NULL), 0);
            ck_assert_int_eq(pthread_join(targets[0], &result), 0);
            ck_assert_ptr_eq(result, PTHREAD_CANCELED);
            ck_assert_int_eq(real_join(sender, NULL), 0);
        }
        ck_assert_int_eq(broken, 0);
    }
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("native wakes");

    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, NULL);
    tcase_add_test(tcase, signals_by_handle_reach_threads_that_wait);
    tcase_add_test(tcase, signals_without_end_fit_on_small_stacks);
    tcase_add_test(tcase, signals_by_id_come_to_threads_or_to_none);
    tcase_add_test(tcase, a_cancellation_ends_a_wait);
    tcase_add_test(tcase, a_cancellation_ends_the_only_wait);
    return runner_run("native_wakes", tcase, CK_FORK_GETENV);
}
