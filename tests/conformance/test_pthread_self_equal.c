/* pthread_self(3) and pthread_equal(3) */
#include "conf_threads.h"

#include <sched.h>
#include <semaphore.h>

static sem_t go_on;

static void setup(void)
{
    ck_assert_int_eq(sem_init(&go_on, 0, 0), 0);
}

START_TEST(a_thread_equals_itself)
{
    ck_assert(pthread_equal(pthread_self(), pthread_self()));
}
END_TEST

static void *compare_after_blocking(void *argument)
{
    pthread_t self = pthread_self();

    CONF_CHECK(sem_wait(&go_on) == 0);
    CONF_CHECK(pthread_equal(self, pthread_self()));
    sleep_ms(2);
    CONF_CHECK(pthread_equal(self, pthread_self()));
    sched_yield();
    CONF_CHECK(pthread_equal(self, pthread_self()));
    *(pthread_t *)argument = self;
    return NULL;
}

START_TEST(stays_the_same_across_waits)
{
    enum { COUNT = 20 };
    pthread_t made[COUNT], seen[COUNT], self = pthread_self();

    for (int i = 0; i < COUNT; i++)
        made[i] = start_thread(compare_after_blocking, &seen[i]);
    for (int i = 0; i < COUNT; i++)
        ck_assert_int_eq(sem_post(&go_on), 0);
    for (int i = 0; i < COUNT; i++)
        join_thread(made[i]);
    for (int i = 0; i < COUNT; i++) {
        ck_assert(pthread_equal(made[i], seen[i]));
        ck_assert(!pthread_equal(made[i], self));
        for (int j = 0; j < i; j++)
            ck_assert(!pthread_equal(made[i], made[j]));
    }
    ck_assert(pthread_equal(self, pthread_self()));
}
END_TEST

static pthread_t before_fork;

static void compare_in_child(void)
{
    CONF_CHECK(pthread_equal(before_fork, pthread_self()));
}

static void *fork_here(void *argument)
{
    (void)argument;
    before_fork = pthread_self();
    return (void *)(long)run_child(compare_in_child);
}

START_TEST(stays_the_same_across_fork)
{
    ck_assert_ptr_null(fork_here(NULL));
    ck_assert_ptr_null(join_thread(start_thread(fork_here, NULL)));
}
END_TEST

static void add(TCase *tcase)
{
    tcase_add_checked_fixture(tcase, setup, NULL);
    conf_test(tcase, a_thread_equals_itself, 1);
    conf_test(tcase, stays_the_same_across_waits, 1);
    conf_test(tcase, stays_the_same_across_fork, 1);
}

int main(void)
{
    return conf_main("pthread_self_equal", add, CONF_THREADS);
}
