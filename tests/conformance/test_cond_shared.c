/* Condition variables that are shared between processes */
#include "conf_threads.h"

#include <errno.h>

static struct {
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    int turn, waiting, tokens;
} * area;

static void setup(void)
{
    pthread_mutexattr_t mutex_attr;
    pthread_condattr_t attr;
    int shared;

    area = shared_memory(sizeof *area);
    ck_assert_int_eq(pthread_mutexattr_init(&mutex_attr), 0);
    ck_assert_int_eq(
        pthread_mutexattr_setpshared(&mutex_attr, PTHREAD_PROCESS_SHARED), 0);
    ck_assert_int_eq(pthread_mutex_init(&area->mutex, &mutex_attr), 0);
    ck_assert_int_eq(pthread_mutexattr_destroy(&mutex_attr), 0);
    ck_assert_int_eq(pthread_condattr_init(&attr), 0);
    ck_assert_int_eq(pthread_condattr_getpshared(&attr, &shared), 0);
    ck_assert_int_eq(shared, PTHREAD_PROCESS_PRIVATE);
    ck_assert_int_eq(pthread_condattr_setpshared(&attr, 77), EINVAL);
    ck_assert_int_eq(pthread_condattr_setpshared(&attr, PTHREAD_PROCESS_SHARED),
                     0);
    ck_assert_int_eq(pthread_cond_init(&area->cond, &attr), 0);
    ck_assert_int_eq(pthread_condattr_destroy(&attr), 0);
}

static void teardown(void)
{
    ck_assert_int_eq(pthread_cond_destroy(&area->cond), 0);
    ck_assert_int_eq(pthread_mutex_destroy(&area->mutex), 0);
    ck_assert_int_eq(munmap(area, sizeof *area), 0);
}

enum { PASSES = 200 };

static void pass_token(int me)
{
    for (int i = 0; i < PASSES; i++) {
        CONF_CHECK(pthread_mutex_lock(&area->mutex) == 0);
        while (area->turn != me)
            CONF_CHECK(pthread_cond_wait(&area->cond, &area->mutex) == 0);
        area->turn = !me;
        CONF_CHECK(pthread_cond_signal(&area->cond) == 0);
        CONF_CHECK(pthread_mutex_unlock(&area->mutex) == 0);
    }
}

static pid_t start_child(void (*body)(void))
{
    pid_t child;

    fflush(NULL);
    child = fork();
    CONF_CHECK(child >= 0);
    if (child == 0) {
        conf_child_begin();
        body();
        _exit(0);
    }
    return child;
}

static void pass_as_one(void)
{
    pass_token(1);
}

START_TEST(processes_wake_each_other)
{
    pid_t child = start_child(pass_as_one);

    pass_token(0);
    ck_assert_int_eq(conf_child_status(child), 0);
}
END_TEST

static void *pass_in_thread(void *argument)
{
    pass_token((int)(long)argument);
    return NULL;
}

START_TEST(threads_wake_each_other)
{
    pthread_t thread = start_thread(pass_in_thread, (void *)1L);

    pass_token(0);
    join_thread(thread);
}
END_TEST

static void *take_token(void *argument)
{
    CONF_CHECK(pthread_mutex_lock(&area->mutex) == 0);
    area->waiting++;
    while (area->tokens == 0)
        CONF_CHECK(pthread_cond_wait(&area->cond, &area->mutex) == 0);
    area->tokens--;
    CONF_CHECK(pthread_mutex_unlock(&area->mutex) == 0);
    return argument;
}

static void take_three(void)
{
    pthread_t threads[3];

    for (int i = 0; i < 3; i++)
        threads[i] = start_thread(take_token, NULL);
    for (int i = 0; i < 3; i++)
        join_thread(threads[i]);
}

static void broadcast_tokens(int count)
{
    int waiting = 0;

    while (waiting < count) {
        sleep_ms(1);
        CONF_CHECK(pthread_mutex_lock(&area->mutex) == 0);
        waiting = area->waiting;
        CONF_CHECK(pthread_mutex_unlock(&area->mutex) == 0);
    }
    CONF_CHECK(pthread_mutex_lock(&area->mutex) == 0);
    area->tokens = count;
    CONF_CHECK(pthread_cond_broadcast(&area->cond) == 0);
    CONF_CHECK(pthread_mutex_unlock(&area->mutex) == 0);
}

/* Three threads wait here and three in the child. */
START_TEST(broadcast_wakes_threads_of_both_processes)
{
    pid_t child = start_child(take_three);
    pthread_t threads[3];

    for (int i = 0; i < 3; i++)
        threads[i] = start_thread(take_token, NULL);
    broadcast_tokens(6);
    for (int i = 0; i < 3; i++)
        join_thread(threads[i]);
    ck_assert_int_eq(conf_child_status(child), 0);
    ck_assert_int_eq(area->tokens, 0);
}
END_TEST

static void broadcast_three(void)
{
    broadcast_tokens(3);
}

START_TEST(a_process_wakes_threads_of_another)
{
    pid_t child = start_child(broadcast_three);

    take_three();
    ck_assert_int_eq(conf_child_status(child), 0);
}
END_TEST

START_TEST(a_wait_ends_at_the_deadline)
{
    int64_t before = now_ns();
    struct timespec when = deadline_in(CLOCK_REALTIME, 20);
    int err = 0;

    ck_assert_int_eq(pthread_mutex_lock(&area->mutex), 0);
    while (err == 0)
        err = pthread_cond_timedwait(&area->cond, &area->mutex, &when);
    ck_assert_int_eq(err, ETIMEDOUT);
    ck_assert_int_ge(now_ns() - before, 19 * CONF_MS);
    ck_assert_int_eq(pthread_mutex_unlock(&area->mutex), 0);
}
END_TEST

static void add(TCase *tcase)
{
    tcase_add_checked_fixture(tcase, setup, teardown);
    conf_test(tcase, processes_wake_each_other, 1);
    conf_test(tcase, threads_wake_each_other, 1);
    conf_test(tcase, broadcast_wakes_threads_of_both_processes, 1);
    conf_test(tcase, a_process_wakes_threads_of_another, 1);
    conf_test(tcase, a_wait_ends_at_the_deadline, 1);
}

int main(void)
{
    return conf_main("cond_shared", add, CONF_THREADS);
}
