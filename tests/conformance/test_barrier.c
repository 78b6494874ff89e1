/* Barriers: all arrive before one leaves, and one is told so */
#include "conf_threads.h"

#include <errno.h>

enum { THREADS = 8, ROUNDS = 200 };

struct meeting {
    pthread_barrier_t barrier;
    int arrived[ROUNDS], told[ROUNDS];
};

static struct meeting *meeting;

static void init(int shared)
{
    pthread_barrierattr_t attr;
    int value;

    meeting = shared_memory(sizeof *meeting);
    ck_assert_int_eq(pthread_barrierattr_init(&attr), 0);
    ck_assert_int_eq(pthread_barrierattr_getpshared(&attr, &value), 0);
    ck_assert_int_eq(value, PTHREAD_PROCESS_PRIVATE);
    ck_assert_int_eq(pthread_barrierattr_setpshared(&attr, 77), EINVAL);
    ck_assert_int_eq(pthread_barrierattr_setpshared(&attr, shared), 0);
    ck_assert_int_eq(pthread_barrier_init(&meeting->barrier, &attr, THREADS),
                     0);
    ck_assert_int_eq(pthread_barrierattr_destroy(&attr), 0);
}

static void check_and_destroy(void)
{
    for (int i = 0; i < ROUNDS; i++)
        ck_assert_int_eq(meeting->told[i], 1);
    ck_assert_int_eq(pthread_barrier_destroy(&meeting->barrier), 0);
    ck_assert_int_eq(munmap(meeting, sizeof *meeting), 0);
}

static void *meet(void *argument)
{
    for (int i = 0; i < ROUNDS; i++) {
        int answer;

        __atomic_add_fetch(&meeting->arrived[i], 1, __ATOMIC_SEQ_CST);
        answer = pthread_barrier_wait(&meeting->barrier);
        CONF_CHECK(answer == 0 || answer == PTHREAD_BARRIER_SERIAL_THREAD);
        CONF_CHECK(__atomic_load_n(&meeting->arrived[i], __ATOMIC_SEQ_CST) ==
                   THREADS);
        if (answer == PTHREAD_BARRIER_SERIAL_THREAD)
            __atomic_add_fetch(&meeting->told[i], 1, __ATOMIC_SEQ_CST);
    }
    return argument;
}

static void meet_in_threads(int count)
{
    pthread_t threads[THREADS];

    for (int i = 0; i < count; i++)
        threads[i] = start_thread(meet, NULL);
    for (int i = 0; i < count; i++)
        join_thread(threads[i]);
}

/* Reused at once: a fast thread is in round n + 1 when a slow one leaves n. */
START_TEST(all_arrive_before_one_leaves)
{
    init(_i ? PTHREAD_PROCESS_SHARED : PTHREAD_PROCESS_PRIVATE);
    meet_in_threads(THREADS);
    check_and_destroy();
}
END_TEST

START_TEST(threads_of_two_processes_meet)
{
    pid_t child;

    init(PTHREAD_PROCESS_SHARED);
    fflush(NULL);
    child = fork();
    CONF_CHECK(child >= 0);
    if (child == 0) {
        conf_child_begin();
        meet_in_threads(THREADS / 2);
        _exit(0);
    }
    meet_in_threads(THREADS / 2);
    ck_assert_int_eq(conf_child_status(child), 0);
    check_and_destroy();
}
END_TEST

START_TEST(one_thread_meets_itself)
{
    pthread_barrier_t barrier;

    ck_assert_int_eq(pthread_barrier_init(&barrier, NULL, 1), 0);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(pthread_barrier_wait(&barrier),
                         PTHREAD_BARRIER_SERIAL_THREAD);
    ck_assert_int_eq(pthread_barrier_destroy(&barrier), 0);
}
END_TEST

START_TEST(refuses_a_meeting_of_none)
{
    pthread_barrier_t barrier;

    ck_assert_int_eq(pthread_barrier_init(&barrier, NULL, 0), EINVAL);
}
END_TEST

static pthread_barrier_t pair;
static volatile int passed;

static void *pass(void *argument)
{
    pthread_barrier_wait(&pair);
    passed = 1;
    return argument;
}

START_TEST(the_first_waits_for_the_last)
{
    pthread_t thread;

    passed = 0;
    ck_assert_int_eq(pthread_barrier_init(&pair, NULL, 2), 0);
    thread = start_thread(pass, NULL);
    let_block();
    ck_assert_int_eq(passed, 0);
    pthread_barrier_wait(&pair);
    join_thread(thread);
    ck_assert_int_eq(passed, 1);
    ck_assert_int_eq(pthread_barrier_destroy(&pair), 0);
}
END_TEST

/* The one that is told may destroy it at once, while others still leave. */
static void *meet_and_destroy(void *argument)
{
    pthread_barrier_t *barrier = argument;

    if (pthread_barrier_wait(barrier) == PTHREAD_BARRIER_SERIAL_THREAD) {
        CONF_CHECK(pthread_barrier_destroy(barrier) == 0);
        return barrier;
    }
    return NULL;
}

START_TEST(can_be_destroyed_by_the_one_that_is_told)
{
    for (int round = 0; round < 50; round++) {
        pthread_barrier_t barrier;
        pthread_t threads[4];
        int told = 0;

        ck_assert_int_eq(pthread_barrier_init(&barrier, NULL, 4), 0);
        for (int i = 0; i < 4; i++)
            threads[i] = start_thread(meet_and_destroy, &barrier);
        for (int i = 0; i < 4; i++)
            told += join_thread(threads[i]) != NULL;
        ck_assert_int_eq(told, 1);
    }
}
END_TEST

static void add(TCase *tcase)
{
    conf_test(tcase, all_arrive_before_one_leaves, 2);
    conf_test(tcase, threads_of_two_processes_meet, 1);
    conf_test(tcase, one_thread_meets_itself, 1);
    conf_test(tcase, refuses_a_meeting_of_none, 1);
    conf_test(tcase, the_first_waits_for_the_last, 1);
    conf_test(tcase, can_be_destroyed_by_the_one_that_is_told, 1);
}

int main(void)
{
    return conf_main("barrier", add, CONF_THREADS);
}
