/* Locks over fork(2): threads that waited in the parent are not in the child,
 * and the child's locks must not wait for them, nor wake them */
#include "conf_threads.h"

#include <sched.h>
#include <semaphore.h>

enum { WAITERS = 4 };

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static sem_t sem;
static volatile int woken, stop;

static void *take_mutex(void *argument)
{
    CONF_CHECK(pthread_mutex_lock(&mutex) == 0);
    woken++;
    CONF_CHECK(pthread_mutex_unlock(&mutex) == 0);
    return argument;
}

static void take_in_threads(void)
{
    pthread_t threads[WAITERS];

    woken = 0;
    for (int i = 0; i < WAITERS; i++)
        threads[i] = start_thread(take_mutex, NULL);
    for (int i = 0; i < WAITERS; i++)
        join_thread(threads[i]);
    CONF_CHECK(woken == WAITERS);
}

/* The child has the mutex, which the parent's threads wait for. */
static void use_mutex_in_child(void)
{
    CONF_CHECK(pthread_mutex_unlock(&mutex) == 0);
    sleep_ms(2);
    CONF_CHECK(woken == 0);
    for (int i = 0; i < 3; i++)
        take_in_threads();
    CONF_CHECK(pthread_mutex_trylock(&mutex) == 0);
}

START_TEST(a_mutex_with_waiters_serves_the_child)
{
    pthread_t threads[WAITERS];

    woken = 0;
    ck_assert_int_eq(pthread_mutex_lock(&mutex), 0);
    for (int i = 0; i < WAITERS; i++)
        threads[i] = start_thread(take_mutex, NULL);
    let_block();
    ck_assert_int_eq(run_child(use_mutex_in_child), 0);
    ck_assert_int_eq(woken, 0);
    ck_assert_int_eq(pthread_mutex_unlock(&mutex), 0);
    for (int i = 0; i < WAITERS; i++)
        join_thread(threads[i]);
    ck_assert_int_eq(woken, WAITERS);
}
END_TEST

static void *take_post(void *argument)
{
    CONF_CHECK(sem_wait(&sem) == 0);
    woken++;
    return argument;
}

static void use_sem_in_child(void)
{
    pthread_t thread;
    int value;

    CONF_CHECK(sem_post(&sem) == 0);
    sleep_ms(2);
    CONF_CHECK(sem_getvalue(&sem, &value) == 0 && value == 1);
    CONF_CHECK(sem_wait(&sem) == 0);
    thread = start_thread(take_post, NULL);
    sleep_ms(2);
    CONF_CHECK(woken == 0);
    CONF_CHECK(sem_post(&sem) == 0);
    join_thread(thread);
    CONF_CHECK(woken == 1);
}

START_TEST(a_semaphore_with_waiters_serves_the_child)
{
    pthread_t threads[WAITERS];

    woken = 0;
    ck_assert_int_eq(sem_init(&sem, 0, 0), 0);
    for (int i = 0; i < WAITERS; i++)
        threads[i] = start_thread(take_post, NULL);
    let_block();
    ck_assert_int_eq(run_child(use_sem_in_child), 0);
    ck_assert_int_eq(woken, 0);
    for (int i = 0; i < WAITERS; i++)
        ck_assert_int_eq(sem_post(&sem), 0);
    for (int i = 0; i < WAITERS; i++)
        join_thread(threads[i]);
}
END_TEST

/* Threads that sleep, read, wait: none of it happens in the child, and none of
 * it is disturbed in the parent. */
static int ends[2];

static void *read_a_byte(void *argument)
{
    char byte;

    conf_read_all(ends[0], &byte, 1);
    woken++;
    return argument;
}

static void *sleep_50_ms(void *argument)
{
    sleep_ms(50);
    woken++;
    return argument;
}

static void *wait_for_cond(void *argument)
{
    CONF_CHECK(pthread_mutex_lock(&mutex) == 0);
    while (!stop)
        CONF_CHECK(pthread_cond_wait(&cond, &mutex) == 0);
    woken++;
    CONF_CHECK(pthread_mutex_unlock(&mutex) == 0);
    return argument;
}

static void wait_in_child(void)
{
    char byte;

    conf_write_all(ends[1], "x", 1);
    conf_read_all(ends[0], &byte, 1);
    CONF_CHECK(pthread_cond_broadcast(&cond) == 0);
    sleep_ms(60);
    CONF_CHECK(woken == 0);
    take_in_threads();
}

static void *fork_here(void *argument)
{
    (void)argument;
    return (void *)(long)run_child(wait_in_child);
}

START_TEST(waits_of_the_parent_stay_with_the_parent)
{
    pthread_t threads[2];

    conf_pipe(ends);
    woken = stop = 0;
    threads[0] = start_thread(wait_for_cond, NULL);
    threads[1] = start_thread(sleep_50_ms, NULL);
    sleep_ms(1);
    ck_assert_ptr_null(join_thread(start_thread(fork_here, NULL)));
    join_thread(threads[1]);
    threads[1] = start_thread(read_a_byte, NULL);
    ck_assert_int_eq(pthread_mutex_lock(&mutex), 0);
    stop = 1;
    ck_assert_int_eq(pthread_cond_broadcast(&cond), 0);
    ck_assert_int_eq(pthread_mutex_unlock(&mutex), 0);
    conf_write_all(ends[1], "x", 1);
    for (int i = 0; i < 2; i++)
        join_thread(threads[i]);
    ck_assert_int_eq(woken, 3);
    close(ends[0]);
    close(ends[1]);
}
END_TEST

/* The classic: handlers hold the lock over fork(), so that it is whole in the
 * child, while other threads fight for it. */
static pthread_mutex_t guarded = PTHREAD_MUTEX_INITIALIZER;
static int left, right;

static void lock_guarded(void)
{
    CONF_CHECK(pthread_mutex_lock(&guarded) == 0);
}

static void unlock_guarded(void)
{
    CONF_CHECK(pthread_mutex_unlock(&guarded) == 0);
}

static void *change_guarded(void *argument)
{
    while (!stop) {
        lock_guarded();
        left++;
        sched_yield();
        right++;
        unlock_guarded();
        usleep(50);
    }
    return argument;
}

static void look_in_child(void)
{
    for (int i = 0; i < 3; i++) {
        lock_guarded();
        CONF_CHECK(left == right);
        unlock_guarded();
    }
}

START_TEST(handlers_hold_a_lock_over_the_fork)
{
    pthread_t threads[WAITERS];

    stop = 0;
    ck_assert_int_eq(
        pthread_atfork(lock_guarded, unlock_guarded, unlock_guarded), 0);
    for (int i = 0; i < WAITERS; i++)
        threads[i] = start_thread(change_guarded, NULL);
    for (int i = 0; i < 10; i++)
        ck_assert_int_eq(run_child(look_in_child), 0);
    stop = 1;
    for (int i = 0; i < WAITERS; i++)
        join_thread(threads[i]);
    ck_assert_int_gt(left, 0);
}
END_TEST

static void add(TCase *tcase)
{
    conf_test(tcase, a_mutex_with_waiters_serves_the_child, 1);
    conf_test(tcase, a_semaphore_with_waiters_serves_the_child, 1);
    conf_test(tcase, waits_of_the_parent_stay_with_the_parent, 1);
    conf_test(tcase, handlers_hold_a_lock_over_the_fork, 1);
}

int main(void)
{
    return conf_main("fork_locks", add, CONF_THREADS);
}
