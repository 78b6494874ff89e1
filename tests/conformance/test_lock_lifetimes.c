/* Locks that are gone as soon as POSIX lets them go
 *
 * Whoever learns from a lock that nobody will use it again may destroy it and
 * reuse its memory, though the call of the one that told it has not returned.
 * The memory is overwritten at once: a late look at it would be seen. */
#include "conf_threads.h"

#include <sched.h>
#include <semaphore.h>
#include <stdlib.h>

enum { ROUNDS = 300, WAITERS = 4 };

static void poison_and_free(void *memory, size_t size)
{
    memset(memory, 0xa5, size);
    free(memory);
}

/* An object counted under its own mutex: the last one frees it. */
struct counted {
    pthread_mutex_t mutex;
    int count;
};

static void *drop(void *argument)
{
    struct counted *object = argument;
    int left;

    CONF_CHECK(pthread_mutex_lock(&object->mutex) == 0);
    left = --object->count;
    CONF_CHECK(pthread_mutex_unlock(&object->mutex) == 0);
    if (left == 0) {
        CONF_CHECK(pthread_mutex_destroy(&object->mutex) == 0);
        poison_and_free(object, sizeof *object);
    }
    return NULL;
}

START_TEST(a_mutex_goes_with_the_last_who_unlocks)
{
    for (int round = 0; round < ROUNDS; round++) {
        struct counted *object = malloc(sizeof *object);
        pthread_t threads[WAITERS];

        ck_assert_int_eq(pthread_mutex_init(&object->mutex, NULL), 0);
        object->count = WAITERS;
        ck_assert_int_eq(pthread_mutex_lock(&object->mutex), 0);
        for (int i = 0; i < WAITERS; i++)
            threads[i] = start_thread(drop, object);
        sched_yield();
        ck_assert_int_eq(pthread_mutex_unlock(&object->mutex), 0);
        for (int i = 0; i < WAITERS; i++)
            join_thread(threads[i]);
    }
}
END_TEST

/* A request whose poster waits for the answer and then throws it away. */
static void *answer(void *argument)
{
    CONF_CHECK(sem_post(argument) == 0);
    return NULL;
}

START_TEST(a_semaphore_goes_with_the_one_who_waited)
{
    for (int round = 0; round < ROUNDS; round++) {
        sem_t *sem = malloc(sizeof *sem);
        pthread_t thread;

        ck_assert_int_eq(sem_init(sem, 0, 0), 0);
        thread = start_thread(answer, sem);
        ck_assert_int_eq(sem_wait(sem), 0);
        ck_assert_int_eq(sem_destroy(sem), 0);
        poison_and_free(sem, sizeof *sem);
        join_thread(thread);
    }
}
END_TEST

/* A condition that is destroyed right after the broadcast: those it woke have
 * not left yet. */
struct occasion {
    pthread_cond_t cond;
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct occasion *occasion;
static int waiting;

static void *wait_for_occasion(void *argument)
{
    struct occasion *mine;

    CONF_CHECK(pthread_mutex_lock(&mutex) == 0);
    mine = occasion;
    waiting++;
    CONF_CHECK(pthread_cond_wait(&mine->cond, &mutex) == 0);
    CONF_CHECK(pthread_mutex_unlock(&mutex) == 0);
    return argument;
}

static void await_waiters(void)
{
    CONF_CHECK(pthread_mutex_lock(&mutex) == 0);
    while (waiting < WAITERS) {
        CONF_CHECK(pthread_mutex_unlock(&mutex) == 0);
        sched_yield();
        CONF_CHECK(pthread_mutex_lock(&mutex) == 0);
    }
}

START_TEST(a_condition_goes_after_its_last_broadcast)
{
    for (int round = 0; round < ROUNDS / 3; round++) {
        pthread_t threads[WAITERS];

        occasion = malloc(sizeof *occasion);
        waiting = 0;
        ck_assert_int_eq(pthread_cond_init(&occasion->cond, NULL), 0);
        for (int i = 0; i < WAITERS; i++)
            threads[i] = start_thread(wait_for_occasion, NULL);
        await_waiters();
        ck_assert_int_eq(pthread_cond_broadcast(&occasion->cond), 0);
        ck_assert_int_eq(pthread_mutex_unlock(&mutex), 0);
        ck_assert_int_eq(pthread_cond_destroy(&occasion->cond), 0);
        poison_and_free(occasion, sizeof *occasion);
        for (int i = 0; i < WAITERS; i++)
            join_thread(threads[i]);
    }
}
END_TEST

/* A barrier is destroyed by the one it told, while others still leave. */
static void *meet(void *argument)
{
    pthread_barrier_t *barrier = argument;

    if (pthread_barrier_wait(barrier) == PTHREAD_BARRIER_SERIAL_THREAD) {
        CONF_CHECK(pthread_barrier_destroy(barrier) == 0);
        poison_and_free(barrier, sizeof *barrier);
    }
    return NULL;
}

START_TEST(a_barrier_goes_with_the_one_that_is_told)
{
    for (int round = 0; round < ROUNDS / 3; round++) {
        pthread_barrier_t *barrier = malloc(sizeof *barrier);
        pthread_t threads[WAITERS];

        ck_assert_int_eq(pthread_barrier_init(barrier, NULL, WAITERS), 0);
        for (int i = 0; i < WAITERS; i++)
            threads[i] = start_thread(meet, barrier);
        for (int i = 0; i < WAITERS; i++)
            join_thread(threads[i]);
    }
}
END_TEST

/* The same bytes are one lock after another. */
union any_lock {
    pthread_mutex_t mutex;
    pthread_rwlock_t rwlock;
    sem_t sem;
};

static union any_lock bytes;

static void *use_mutex(void *argument)
{
    CONF_CHECK(pthread_mutex_lock(&bytes.mutex) == 0);
    CONF_CHECK(pthread_mutex_unlock(&bytes.mutex) == 0);
    return argument;
}

static void *use_rwlock(void *argument)
{
    CONF_CHECK(pthread_rwlock_wrlock(&bytes.rwlock) == 0);
    CONF_CHECK(pthread_rwlock_unlock(&bytes.rwlock) == 0);
    return argument;
}

static void *use_sem(void *argument)
{
    CONF_CHECK(sem_wait(&bytes.sem) == 0);
    return argument;
}

/* A thread waits for each, so that each has had a queue. */
START_TEST(memory_of_one_lock_serves_another)
{
    for (int round = 0; round < 20; round++) {
        pthread_t thread;

        memset(&bytes, round % 2 ? 0xff : 0x5a, sizeof bytes);
        ck_assert_int_eq(pthread_mutex_init(&bytes.mutex, NULL), 0);
        ck_assert_int_eq(pthread_mutex_lock(&bytes.mutex), 0);
        thread = start_thread(use_mutex, NULL);
        sleep_ms(1);
        ck_assert_int_eq(pthread_mutex_unlock(&bytes.mutex), 0);
        join_thread(thread);

        ck_assert_int_eq(pthread_rwlock_init(&bytes.rwlock, NULL), 0);
        ck_assert_int_eq(pthread_rwlock_rdlock(&bytes.rwlock), 0);
        thread = start_thread(use_rwlock, NULL);
        sleep_ms(1);
        ck_assert_int_eq(pthread_rwlock_unlock(&bytes.rwlock), 0);
        join_thread(thread);

        ck_assert_int_eq(sem_init(&bytes.sem, 0, 0), 0);
        thread = start_thread(use_sem, NULL);
        sleep_ms(1);
        ck_assert_int_eq(sem_post(&bytes.sem), 0);
        join_thread(thread);
    }
}
END_TEST

static void add(TCase *tcase)
{
    conf_test(tcase, a_mutex_goes_with_the_last_who_unlocks, 1);
    conf_test(tcase, a_semaphore_goes_with_the_one_who_waited, 1);
    conf_test(tcase, a_condition_goes_after_its_last_broadcast, 1);
    conf_test(tcase, a_barrier_goes_with_the_one_that_is_told, 1);
    conf_test(tcase, memory_of_one_lock_serves_another, 1);
}

int main(void)
{
    return conf_main("lock_lifetimes", add, CONF_THREADS);
}
