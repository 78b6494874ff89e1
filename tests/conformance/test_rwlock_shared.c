/* Read-write locks that are shared between processes */
#include "conf_threads.h"

#include <errno.h>
#include <sched.h>

static struct {
    pthread_rwlock_t lock;
    volatile int left, right, inside, others_ran;
} * area;

static void setup(void)
{
    pthread_rwlockattr_t attr;
    int shared;

    area = shared_memory(sizeof *area);
    ck_assert_int_eq(pthread_rwlockattr_init(&attr), 0);
    ck_assert_int_eq(pthread_rwlockattr_getpshared(&attr, &shared), 0);
    ck_assert_int_eq(shared, PTHREAD_PROCESS_PRIVATE);
    ck_assert_int_eq(pthread_rwlockattr_setpshared(&attr, 77), EINVAL);
    ck_assert_int_eq(
        pthread_rwlockattr_setpshared(&attr, PTHREAD_PROCESS_SHARED), 0);
    ck_assert_int_eq(pthread_rwlock_init(&area->lock, &attr), 0);
    ck_assert_int_eq(pthread_rwlockattr_destroy(&attr), 0);
}

static void teardown(void)
{
    ck_assert_int_eq(pthread_rwlock_destroy(&area->lock), 0);
    ck_assert_int_eq(munmap(area, sizeof *area), 0);
}

enum { ROUNDS = 500 };

static void *write_and_read(void *argument)
{
    for (int i = 0; i < ROUNDS; i++) {
        CONF_CHECK(pthread_rwlock_wrlock(&area->lock) == 0);
        area->left++;
        if (i % 32 == 0)
            sched_yield();
        area->right++;
        CONF_CHECK(pthread_rwlock_unlock(&area->lock) == 0);
        CONF_CHECK(pthread_rwlock_rdlock(&area->lock) == 0);
        CONF_CHECK(area->left == area->right);
        CONF_CHECK(pthread_rwlock_unlock(&area->lock) == 0);
    }
    return argument;
}

static void use_in_two_threads(void)
{
    pthread_t thread = start_thread(write_and_read, NULL);

    write_and_read(NULL);
    join_thread(thread);
}

START_TEST(processes_and_threads_exclude_each_other)
{
    pid_t child;

    fflush(NULL);
    child = fork();
    CONF_CHECK(child >= 0);
    if (child == 0) {
        conf_child_begin();
        use_in_two_threads();
        _exit(0);
    }
    use_in_two_threads();
    ck_assert_int_eq(conf_child_status(child), 0);
    ck_assert_int_eq(area->left, 4 * ROUNDS);
}
END_TEST

static void look_from_child(void)
{
    struct timespec when = deadline_in(CLOCK_REALTIME, 20);

    CONF_CHECK(pthread_rwlock_tryrdlock(&area->lock) == EBUSY);
    CONF_CHECK(pthread_rwlock_trywrlock(&area->lock) == EBUSY);
    CONF_CHECK(pthread_rwlock_timedrdlock(&area->lock, &when) == ETIMEDOUT);
    CONF_CHECK(pthread_rwlock_timedwrlock(&area->lock, &when) == ETIMEDOUT);
}

START_TEST(a_child_finds_it_locked)
{
    ck_assert_int_eq(pthread_rwlock_wrlock(&area->lock), 0);
    ck_assert_int_eq(run_child(look_from_child), 0);
    ck_assert_int_eq(pthread_rwlock_unlock(&area->lock), 0);
}
END_TEST

static void hold_until_others_ran(void)
{
    CONF_CHECK(pthread_rwlock_wrlock(&area->lock) == 0);
    area->inside = 1;
    wait_until_counted(&area->others_ran);
    CONF_CHECK(pthread_rwlock_unlock(&area->lock) == 0);
}

START_TEST(other_threads_run_while_one_waits_for_a_process)
{
    pthread_t thread;
    pid_t child;

    fflush(NULL);
    child = fork();
    CONF_CHECK(child >= 0);
    if (child == 0) {
        hold_until_others_ran();
        _exit(0);
    }
    while (area->inside == 0)
        sleep_ms(1);
    thread = start_thread(count_meanwhile, (void *)&area->others_ran);
    ck_assert_int_eq(pthread_rwlock_rdlock(&area->lock), 0);
    ck_assert_int_gt(area->others_ran, 0);
    ck_assert_int_eq(pthread_rwlock_unlock(&area->lock), 0);
    join_thread(thread);
    ck_assert_int_eq(conf_child_status(child), 0);
}
END_TEST

static void add(TCase *tcase)
{
    tcase_add_checked_fixture(tcase, setup, teardown);
    conf_test(tcase, processes_and_threads_exclude_each_other, 1);
    conf_test(tcase, a_child_finds_it_locked, 1);
    conf_test(tcase, other_threads_run_while_one_waits_for_a_process, 1);
}

int main(void)
{
    return conf_main("rwlock_shared", add, CONF_THREADS);
}
