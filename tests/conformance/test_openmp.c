/* OpenMP, whose threads wait for each other by system calls of their own */
#include "conf_threads.h"

#ifdef _OPENMP
#include <omp.h>

enum { LAST = 100000 };

static long sum_in_parallel(void)
{
    long sum = 0;

#pragma omp parallel for reduction(+ : sum) num_threads(4)
    for (int i = 1; i <= LAST; i++)
        sum += i;
    return sum;
}

static void *sum(void *argument)
{
    for (int i = 0; i < 20; i++) {
        CONF_CHECK(sum_in_parallel() == (long)LAST * (LAST + 1) / 2);
        sleep_ms(1);
    }
    return argument;
}

START_TEST(threads_compute_in_parallel)
{
    pthread_t threads[3];

    for (int i = 0; i < 3; i++)
        threads[i] = start_thread(sum, NULL);
    sum(NULL);
    for (int i = 0; i < 3; i++)
        join_thread(threads[i]);
}
END_TEST

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static volatile bool stop;
static volatile long visits;

static void *visit(void *argument)
{
    while (!stop) {
        CONF_CHECK(pthread_mutex_lock(&mutex) == 0);
        visits++;
        CONF_CHECK(pthread_mutex_unlock(&mutex) == 0);
        sleep_ms(1);
    }
    return argument;
}

START_TEST(its_threads_may_use_locks_of_others)
{
    pthread_t visitor = start_thread(visit, NULL);
    long added = 0;

#pragma omp parallel num_threads(4)
    for (int i = 0; i < 500; i++) {
        CONF_CHECK(pthread_mutex_lock(&mutex) == 0);
        added++;
        CONF_CHECK(pthread_mutex_unlock(&mutex) == 0);
    }
    stop = true;
    join_thread(visitor);
    ck_assert_int_eq(added, 2000);
}
END_TEST
#endif

static void add(TCase *tcase)
{
#ifdef _OPENMP
    conf_test(tcase, threads_compute_in_parallel, 1);
    conf_test(tcase, its_threads_may_use_locks_of_others, 1);
#else
    (void)tcase;
    conf_skip("the compiler has no OpenMP");
#endif
}

int main(void)
{
    return conf_main("openmp", add, CONF_THREADS);
}
