/* Locks between mapped threads and real ones: what libc's own pthread_create()
 * makes behind the preload library's back, as helpers of other libraries are.
 * As it is, all threads are real. */
#include "../runner.h"

#include <check.h>
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef int create(pthread_t *, const pthread_attr_t *, void *(*)(void *),
                   void *);
typedef int join(pthread_t, void **);

enum { REAL = 2, MAPPED = 6, ROUNDS = 3000 };

static create *real_create;
static join *real_join;

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static sem_t semaphore;
static pthread_barrier_t barrier;
static volatile long left, right, turn;
static volatile int broken;

/* Check's failures are for the main thread only. */
#define HOLDS(condition)                                           \
    do {                                                           \
        if (!(condition)) {                                        \
            fprintf(stderr, "%s:%d: not %s\n", __FILE__, __LINE__, \
                    #condition);                                   \
            broken = 1;                                            \
        }                                                          \
    } while (0)

static void setup(void)
{
    void *libc = dlopen("libc.so.6", RTLD_NOW);

    ck_assert_ptr_nonnull(libc);
    *(void **)&real_create = dlsym(libc, "pthread_create");
    *(void **)&real_join = dlsym(libc, "pthread_join");
    ck_assert(real_create != NULL && real_join != NULL);
    left = right = turn = broken = 0;
}

/* All threads call `body` with their number at the same time. */
static void together(void *(*body)(void *))
{
    pthread_t threads[REAL + MAPPED];

    for (long i = 0; i < REAL + MAPPED; i++)
        ck_assert_int_eq((i < REAL ? real_create : pthread_create)(
                             &threads[i], NULL, body, (void *)i),
                         0);
    /* libc's join stops all mapped threads: they come first. */
    for (int i = REAL; i < REAL + MAPPED; i++)
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    for (int i = 0; i < REAL; i++)
        ck_assert_int_eq(real_join(threads[i], NULL), 0);
    ck_assert_int_eq(broken, 0);
}

/* What is done with the lock held: now and then a park. */
static void touch(int round)
{
    HOLDS(left == right);
    left++;
    if (round % 64 == 0)
        usleep(10);
    right++;
}

static void *use_mutex(void *argument)
{
    for (int i = 0; i < ROUNDS; i++) {
        HOLDS(pthread_mutex_lock(&mutex) == 0);
        touch(i);
        HOLDS(pthread_mutex_unlock(&mutex) == 0);
    }
    return argument;
}

START_TEST(a_mutex_excludes)
    {
        together(use_mutex);
        ck_assert_int_eq(left, (REAL + MAPPED) * ROUNDS);
    }
END_TEST

static void *take_turns(void *argument)
{
    for (int i = 0; i < ROUNDS / 10; i++) {
        HOLDS(pthread_mutex_lock(&mutex) == 0);
        while (turn != (long)argument)
            HOLDS(pthread_cond_wait(&cond, &mutex) == 0);
        turn = (turn + 1) % (REAL + MAPPED);
        HOLDS(pthread_cond_broadcast(&cond) == 0);
        HOLDS(pthread_mutex_unlock(&mutex) == 0);
    }
    return argument;
}

START_TEST(a_cond_passes_turns)
    {
        together(take_turns);
        ck_assert_int_eq(turn, 0);
    }
END_TEST

static void *read_and_write(void *argument)
{
    for (int i = 0; i < ROUNDS; i++) {
        if (i % 4 == 0) {
            HOLDS(pthread_rwlock_wrlock(&rwlock) == 0);
            touch(i);
        } else {
            HOLDS(pthread_rwlock_rdlock(&rwlock) == 0);
            HOLDS(left == right);
            if (i % 64 == 1)
                usleep(10);
        }
        HOLDS(pthread_rwlock_unlock(&rwlock) == 0);
    }
    return argument;
}

START_TEST(a_rwlock_excludes)
    {
        together(read_and_write);
        ck_assert_int_eq(left, (REAL + MAPPED) * (ROUNDS / 4));
    }
END_TEST

static void *wait_and_post(void *argument)
{
    for (int i = 0; i < ROUNDS; i++) {
        HOLDS(sem_wait(&semaphore) == 0);
        touch(i);
        HOLDS(sem_post(&semaphore) == 0);
    }
    return argument;
}

START_TEST(a_semaphore_of_one_excludes)
    {
        ck_assert_int_eq(sem_init(&semaphore, 0, 1), 0);
        together(wait_and_post);
        ck_assert_int_eq(left, (REAL + MAPPED) * ROUNDS);
        ck_assert_int_eq(sem_destroy(&semaphore), 0);
    }
END_TEST

static void *meet(void *argument)
{
    for (long i = 0; i < ROUNDS / 10; i++) {
        if (pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD)
            left++;
        HOLDS(left == i || left == i + 1);
        pthread_barrier_wait(&barrier);
        HOLDS(left == i + 1);
    }
    return argument;
}

START_TEST(a_barrier_lets_all_go_on)
    {
        ck_assert_int_eq(pthread_barrier_init(&barrier, NULL, REAL + MAPPED),
                         0);
        together(meet);
        ck_assert_int_eq(left, ROUNDS / 10);
        ck_assert_int_eq(pthread_barrier_destroy(&barrier), 0);
    }
END_TEST

static void on_signal(int number)
{
    (void)number;
}

static void *send_signal(void *main_thread)
{
    usleep(20000);
    HOLDS(pthread_kill(*(pthread_t *)main_thread, SIGUSR1) == 0);
    return NULL;
}

/* A shared semaphore is waited for by a real thread for main. */
START_TEST(a_handler_ends_mains_wait_for_a_shared_semaphore)
    {
        struct sigaction action, before;
        pthread_t self = pthread_self(), sender;

        memset(&action, 0, sizeof action);
        action.sa_handler = on_signal;
        ck_assert_int_eq(sigaction(SIGUSR1, &action, &before), 0);
        ck_assert_int_eq(sem_init(&semaphore, 1, 0), 0);
        ck_assert_int_eq(pthread_create(&sender, NULL, send_signal, &self), 0);
        errno = 0;
        ck_assert_int_eq(sem_wait(&semaphore), -1);
        ck_assert_int_eq(errno, EINTR);
        ck_assert_int_eq(pthread_join(sender, NULL), 0);
        ck_assert_int_eq(sem_destroy(&semaphore), 0);
        ck_assert_int_eq(sigaction(SIGUSR1, &before, NULL), 0);
    }
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("real and mapped");

    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, NULL);
    tcase_add_test(tcase, a_mutex_excludes);
    tcase_add_test(tcase, a_cond_passes_turns);
    tcase_add_test(tcase, a_rwlock_excludes);
    tcase_add_test(tcase, a_semaphore_of_one_excludes);
    tcase_add_test(tcase, a_barrier_lets_all_go_on);
    tcase_add_test(tcase, a_handler_ends_mains_wait_for_a_shared_semaphore);
    return runner_run("sync_mixed", tcase, CK_FORK_GETENV);
}
