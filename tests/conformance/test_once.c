/* pthread_once(3): once, whoever else comes while it runs */
#include "conf_threads.h"

#include <errno.h>
#include <semaphore.h>

static pthread_once_t once;
static int runs;
static volatile int finished;
static sem_t started, go_on;

static void setup(void)
{
    static const pthread_once_t fresh = PTHREAD_ONCE_INIT;

    once = fresh;
    runs = finished = 0;
    ck_assert_int_eq(sem_init(&started, 0, 0), 0);
    ck_assert_int_eq(sem_init(&go_on, 0, 0), 0);
}

static void run_at_once(void)
{
    runs++;
}

START_TEST(runs_once)
{
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(pthread_once(&once, run_at_once), 0);
    ck_assert_int_eq(runs, 1);
}
END_TEST

static void run_and_block(void)
{
    runs++;
    CONF_CHECK(sem_post(&started) == 0);
    CONF_CHECK(sem_wait(&go_on) == 0);
    finished = 1;
}

static void *call_once_blocking(void *argument)
{
    CONF_CHECK(pthread_once(&once, run_and_block) == 0);
    CONF_CHECK(finished == 1);
    return argument;
}

START_TEST(others_wait_until_it_has_run)
{
    enum { COUNT = 10 };
    pthread_t threads[COUNT];

    for (int i = 0; i < COUNT; i++)
        threads[i] = start_thread(call_once_blocking, NULL);
    ck_assert_int_eq(sem_wait(&started), 0);
    let_block();
    ck_assert_int_eq(runs, 1);
    ck_assert_int_eq(sem_post(&go_on), 0);
    for (int i = 0; i < COUNT; i++)
        join_thread(threads[i]);
    ck_assert_int_eq(runs, 1);
}
END_TEST

/* A cancelled initialiser has not run: the next one runs it. */
START_TEST(one_that_is_cancelled_is_run_again)
{
    pthread_t first = start_thread(call_once_blocking, NULL);
    pthread_t second;

    ck_assert_int_eq(sem_wait(&started), 0);
    second = start_thread(call_once_blocking, NULL);
    let_block();
    ck_assert_int_eq(pthread_cancel(first), 0);
    ck_assert_ptr_eq(join_thread(first), PTHREAD_CANCELED);
    ck_assert_int_eq(sem_wait(&started), 0);
    ck_assert_int_eq(runs, 2);
    ck_assert_int_eq(sem_post(&go_on), 0);
    join_thread(second);
    ck_assert_int_eq(pthread_once(&once, run_and_block), 0);
    ck_assert_int_eq(runs, 2);
}
END_TEST

static void run_and_exit(void)
{
    if (runs++ == 0)
        pthread_exit(&runs);
}

static void *call_once_exiting(void *argument)
{
    CONF_CHECK(pthread_once(&once, run_and_exit) == 0);
    return argument;
}

START_TEST(one_that_exits_is_run_again)
{
    ck_assert_ptr_eq(join_thread(start_thread(call_once_exiting, NULL)), &runs);
    ck_assert_ptr_null(join_thread(start_thread(call_once_exiting, NULL)));
    ck_assert_int_eq(pthread_once(&once, run_and_exit), 0);
    ck_assert_int_eq(runs, 2);
}
END_TEST

static pthread_once_t inner_once = PTHREAD_ONCE_INIT;
static int inner_runs;

static void run_inner(void)
{
    inner_runs++;
    sleep_ms(2);
}

static void run_outer(void)
{
    CONF_CHECK(pthread_once(&inner_once, run_inner) == 0);
    runs++;
}

static void *call_outer(void *argument)
{
    CONF_CHECK(pthread_once(&once, run_outer) == 0);
    CONF_CHECK(runs == 1 && inner_runs == 1);
    return argument;
}

START_TEST(one_may_call_another)
{
    pthread_t threads[5];

    for (int i = 0; i < 5; i++)
        threads[i] = start_thread(call_outer, NULL);
    for (int i = 0; i < 5; i++)
        join_thread(threads[i]);
}
END_TEST

static void exit_in_child(void)
{
    CONF_CHECK(pthread_once(&once, run_at_once) == 0);
    CONF_CHECK(runs == 1);
}

static void *fork_meanwhile(void *argument)
{
    (void)argument;
    return (void *)(long)run_child(exit_in_child);
}

/* In a child nobody finishes what a thread of the parent had begun. */
START_TEST(one_that_runs_at_fork_is_run_again_in_the_child)
{
    pthread_t first = start_thread(call_once_blocking, NULL);

    ck_assert_int_eq(sem_wait(&started), 0);
    runs = 0;
    ck_assert_ptr_null(join_thread(start_thread(fork_meanwhile, NULL)));
    ck_assert_int_eq(sem_post(&go_on), 0);
    join_thread(first);
}
END_TEST

static void add(TCase *tcase)
{
    tcase_add_checked_fixture(tcase, setup, NULL);
    conf_test(tcase, runs_once, 1);
    conf_test(tcase, others_wait_until_it_has_run, 1);
    conf_test(tcase, one_that_is_cancelled_is_run_again, 1);
    conf_test(tcase, one_that_exits_is_run_again, 1);
    conf_test(tcase, one_may_call_another, 1);
    conf_test(tcase, one_that_runs_at_fork_is_run_again_in_the_child, 1);
}

int main(void)
{
    return conf_main("once", add, CONF_THREADS);
}
