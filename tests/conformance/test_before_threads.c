/* A process that has made no thread: waits until a time, and the first one */
#include "conf_threads.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <semaphore.h>

static const clockid_t clocks[] = {CLOCK_REALTIME, CLOCK_MONOTONIC};
enum { CLOCKS = 2 };

/* The beginning of 1970, and of this system. */
static const struct timespec zero;

START_TEST(cond_ends_at_a_time_long_ago)
    {
        pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
        pthread_cond_t cond = PTHREAD_COND_INITIALIZER;

        ck_assert_int_eq(pthread_mutex_lock(&mutex), 0);
        ck_assert_int_eq(
            pthread_cond_clockwait(&cond, &mutex, clocks[_i], &zero),
            ETIMEDOUT);
        ck_assert_int_eq(pthread_cond_timedwait(&cond, &mutex, &zero),
                         ETIMEDOUT);
        ck_assert_int_eq(pthread_mutex_unlock(&mutex), 0);
        ck_assert_int_eq(pthread_cond_destroy(&cond), 0);
    }
END_TEST

START_TEST(mutex_ends_at_a_time_long_ago)
    {
        pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

        ck_assert_int_eq(pthread_mutex_lock(&mutex), 0);
        ck_assert_int_eq(pthread_mutex_clocklock(&mutex, clocks[_i], &zero),
                         ETIMEDOUT);
        ck_assert_int_eq(pthread_mutex_unlock(&mutex), 0);
    }
END_TEST

START_TEST(rwlock_ends_at_a_time_long_ago)
    {
        pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;

        ck_assert_int_eq(pthread_rwlock_rdlock(&lock), 0);
        ck_assert_int_eq(pthread_rwlock_clockwrlock(&lock, clocks[_i], &zero),
                         ETIMEDOUT);
        ck_assert_int_eq(pthread_rwlock_unlock(&lock), 0);
    }
END_TEST

START_TEST(sem_ends_at_a_time_long_ago)
    {
        sem_t sem;

        ck_assert_int_eq(sem_init(&sem, 0, 0), 0);
        errno = 0;
        ck_assert_int_eq(sem_clockwait(&sem, clocks[_i], &zero), -1);
        ck_assert_int_eq(errno, ETIMEDOUT);
        ck_assert_int_eq(sem_destroy(&sem), 0);
    }
END_TEST

static void *use_it(void *key)
{
    CONF_CHECK(pthread_setspecific(*(pthread_key_t *)key, key) == 0);
    return pthread_getspecific(*(pthread_key_t *)key);
}

/* Who makes all keys that there are can make threads all the same.  These tests
 * are the last: there is a thread then. */
START_TEST(the_first_when_there_is_no_key_left)
    {
        static pthread_key_t keys[PTHREAD_KEYS_MAX];
        int count = 0;

        while (count < PTHREAD_KEYS_MAX &&
               pthread_key_create(&keys[count], NULL) == 0)
            count++;
        ck_assert_int_gt(count, 0);
        ck_assert_ptr_eq(join_thread(start_thread(use_it, &keys[count - 1])),
                         &keys[count - 1]);
        while (count-- > 0)
            ck_assert_int_eq(pthread_key_delete(keys[count]), 0);
    }
END_TEST

static int nth_cpu(const cpu_set_t *set, int n)
{
    int cpu = 0;

    while (!CPU_ISSET(cpu, set) || n-- > 0)
        cpu++;
    return cpu;
}

static void *see_cpu(void *cpu)
{
    cpu_set_t now;

    CONF_CHECK(sched_getaffinity(0, sizeof now, &now) == 0);
    CONF_CHECK(CPU_COUNT(&now) == 1 && CPU_ISSET(*(int *)cpu, &now));
    return cpu;
}

/* A process that has restricted itself may give its threads other processors. */
START_TEST(the_first_may_have_what_main_gave_up)
    {
        pthread_attr_t attributes;
        cpu_set_t all, first, second;
        pthread_t thread;
        int cpu;

        ck_assert_int_eq(sched_getaffinity(0, sizeof all, &all), 0);
        if (CPU_COUNT(&all) < 2) {
            conf_skip("there is one processor");
            return;
        }
        CPU_ZERO(&first);
        CPU_SET(nth_cpu(&all, 0), &first);
        cpu = nth_cpu(&all, 1);
        CPU_ZERO(&second);
        CPU_SET(cpu, &second);
        ck_assert_int_eq(sched_setaffinity(0, sizeof first, &first), 0);
        pthread_attr_init(&attributes);
        ck_assert_int_eq(
            pthread_attr_setaffinity_np(&attributes, sizeof second, &second),
            0);
        ck_assert_int_eq(pthread_create(&thread, &attributes, see_cpu, &cpu),
                         0);
        join_thread(thread);
        pthread_attr_destroy(&attributes);
        ck_assert_int_eq(sched_getaffinity(0, sizeof second, &second), 0);
        ck_assert(CPU_EQUAL(&first, &second));
        ck_assert_int_eq(sched_setaffinity(0, sizeof all, &all), 0);
        ck_assert_int_eq(sched_getaffinity(0, sizeof second, &second), 0);
        ck_assert(CPU_EQUAL(&all, &second));
    }
END_TEST

static void add(TCase *tcase)
{
    conf_test(tcase, cond_ends_at_a_time_long_ago, CLOCKS);
    conf_test(tcase, mutex_ends_at_a_time_long_ago, CLOCKS);
    conf_test(tcase, rwlock_ends_at_a_time_long_ago, CLOCKS);
    conf_test(tcase, sem_ends_at_a_time_long_ago, CLOCKS);
    conf_test(tcase, the_first_when_there_is_no_key_left, 1);
    conf_test(tcase, the_first_may_have_what_main_gave_up, 1);
}

int main(void)
{
    return conf_main("before_threads", add, 0);
}
