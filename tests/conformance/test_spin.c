/* Spin locks.  One who spins must not keep the owner from running. */
#include "conf_threads.h"

#include <errno.h>
#include <sched.h>

static pthread_spinlock_t *spin;
static volatile int *sums;

static void setup(void)
{
    spin = shared_memory(4096);
    sums = (volatile int *)((char *)spin + 1024);
    ck_assert_int_eq(pthread_spin_init(spin, PTHREAD_PROCESS_SHARED), 0);
}

static void teardown(void)
{
    ck_assert_int_eq(pthread_spin_destroy(spin), 0);
    ck_assert_int_eq(munmap((void *)spin, 4096), 0);
}

static void *try_lock(void *argument)
{
    (void)argument;
    return (void *)(long)pthread_spin_trylock(spin);
}

START_TEST(trylock_finds_it_taken)
{
    ck_assert_int_eq(pthread_spin_lock(spin), 0);
    ck_assert_int_eq(pthread_spin_trylock(spin), EBUSY);
    ck_assert_int_eq((long)join_thread(start_thread(try_lock, NULL)), EBUSY);
    ck_assert_int_eq(pthread_spin_unlock(spin), 0);
    ck_assert_int_eq(pthread_spin_trylock(spin), 0);
    ck_assert_int_eq(pthread_spin_unlock(spin), 0);
}
END_TEST

static void *enter(void *argument)
{
    CONF_CHECK(pthread_spin_lock(spin) == 0);
    CONF_CHECK(pthread_spin_unlock(spin) == 0);
    return argument;
}

/* The owner sleeps: the spinner may burn its time slice, not ours. */
START_TEST(the_owner_runs_while_another_spins)
{
    pthread_t thread;

    ck_assert_int_eq(pthread_spin_lock(spin), 0);
    thread = start_thread(enter, NULL);
    sleep_ms(10);
    ck_assert_int_eq(pthread_spin_unlock(spin), 0);
    join_thread(thread);
}
END_TEST

enum { ROUNDS = 300 };

static void *count(void *argument)
{
    for (int i = 0; i < ROUNDS; i++) {
        CONF_CHECK(pthread_spin_lock(spin) == 0);
        CONF_CHECK(sums[0] == sums[1]);
        sums[0]++;
        if (i % 100 == 99)
            sched_yield();
        sums[1]++;
        CONF_CHECK(pthread_spin_unlock(spin) == 0);
    }
    return argument;
}

START_TEST(threads_exclude_each_other)
{
    pthread_t threads[3];

    for (int i = 0; i < 3; i++)
        threads[i] = start_thread(count, NULL);
    for (int i = 0; i < 3; i++)
        join_thread(threads[i]);
    ck_assert_int_eq(sums[0], 3 * ROUNDS);
}
END_TEST

START_TEST(processes_exclude_each_other)
{
    pid_t child;

    fflush(NULL);
    child = fork();
    CONF_CHECK(child >= 0);
    if (child == 0) {
        conf_child_begin();
        count(NULL);
        _exit(0);
    }
    count(NULL);
    ck_assert_int_eq(conf_child_status(child), 0);
    ck_assert_int_eq(sums[0], 2 * ROUNDS);
}
END_TEST

static void add(TCase *tcase)
{
    tcase_add_checked_fixture(tcase, setup, teardown);
    conf_test(tcase, trylock_finds_it_taken, 1);
    conf_test(tcase, the_owner_runs_while_another_spins, 1);
    conf_test(tcase, threads_exclude_each_other, 1);
    conf_test(tcase, processes_exclude_each_other, 1);
}

int main(void)
{
    return conf_main("spin", add, CONF_THREADS);
}
