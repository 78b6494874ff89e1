/* Mutexes in glibc's own memory format: shared between processes, and with
 * priority inheritance */
#include "conf_threads.h"

#include <errno.h>
#include <sched.h>

static const struct {
    int shared, protocol, type;
} kinds[] = {
    {PTHREAD_PROCESS_SHARED, PTHREAD_PRIO_NONE, PTHREAD_MUTEX_NORMAL},
    {PTHREAD_PROCESS_SHARED, PTHREAD_PRIO_NONE, PTHREAD_MUTEX_RECURSIVE},
    {PTHREAD_PROCESS_SHARED, PTHREAD_PRIO_NONE, PTHREAD_MUTEX_ERRORCHECK},
    {PTHREAD_PROCESS_SHARED, PTHREAD_PRIO_INHERIT, PTHREAD_MUTEX_NORMAL},
    {PTHREAD_PROCESS_SHARED, PTHREAD_PRIO_INHERIT, PTHREAD_MUTEX_RECURSIVE},
    {PTHREAD_PROCESS_SHARED, PTHREAD_PRIO_INHERIT, PTHREAD_MUTEX_ERRORCHECK},
    {PTHREAD_PROCESS_PRIVATE, PTHREAD_PRIO_INHERIT, PTHREAD_MUTEX_NORMAL},
    {PTHREAD_PROCESS_PRIVATE, PTHREAD_PRIO_INHERIT, PTHREAD_MUTEX_RECURSIVE},
    {PTHREAD_PROCESS_PRIVATE, PTHREAD_PRIO_INHERIT, PTHREAD_MUTEX_ERRORCHECK},
};
enum { KINDS = sizeof kinds / sizeof *kinds, SHARED_KINDS = 6 };

static struct {
    pthread_mutex_t mutex;
    volatile int left, right, inside, others_ran;
} * area;

static bool made(int which)
{
    pthread_mutexattr_t attr;
    int err;

    area = shared_memory(sizeof *area);
    ck_assert_int_eq(pthread_mutexattr_init(&attr), 0);
    ck_assert_int_eq(pthread_mutexattr_settype(&attr, kinds[which].type), 0);
    ck_assert_int_eq(pthread_mutexattr_setpshared(&attr, kinds[which].shared),
                     0);
    ck_assert_int_eq(
        pthread_mutexattr_setprotocol(&attr, kinds[which].protocol), 0);
    err = pthread_mutex_init(&area->mutex, &attr);
    ck_assert_int_eq(pthread_mutexattr_destroy(&attr), 0);
    if (err == ENOTSUP) {
        conf_skip("this kernel has no priority inheritance");
        munmap(area, sizeof *area);
        return false;
    }
    ck_assert_int_eq(err, 0);
    return true;
}

static void unmake(void)
{
    ck_assert_int_eq(pthread_mutex_destroy(&area->mutex), 0);
    ck_assert_int_eq(munmap(area, sizeof *area), 0);
}

static int lock(void)
{
    return pthread_mutex_lock(&area->mutex);
}

static int unlock(void)
{
    return pthread_mutex_unlock(&area->mutex);
}

static int try_lock(void)
{
    return pthread_mutex_trylock(&area->mutex);
}

static int lock_for_20_ms(void)
{
    struct timespec when = deadline_in(CLOCK_REALTIME, 20);

    return pthread_mutex_timedlock(&area->mutex, &when);
}

static void *call(void *function)
{
    return (void *)(long)(*(int (**)(void))function)();
}

static int elsewhere(int (*function)(void))
{
    return (int)(long)join_thread(start_thread(call, &function));
}

/* A gate that took all threads of a process for one would let both in. */
START_TEST(two_threads_exclude_each_other)
{
    if (!made(_i))
        return;
    ck_assert_int_eq(lock(), 0);
    ck_assert_int_eq(elsewhere(try_lock), EBUSY);
    ck_assert_int_eq(elsewhere(lock_for_20_ms), ETIMEDOUT);
    ck_assert_int_eq(unlock(), 0);
    ck_assert_int_eq(elsewhere(try_lock), 0);
    munmap(area, sizeof *area);
}
END_TEST

static void *enter_alone(void *argument)
{
    CONF_CHECK(lock() == 0);
    CONF_CHECK(area->inside == 0);
    area->inside = 1;
    sleep_ms(2);
    area->inside = 0;
    CONF_CHECK(unlock() == 0);
    return argument;
}

START_TEST(waiting_threads_enter_one_by_one)
{
    pthread_t threads[6];

    if (!made(_i))
        return;
    ck_assert_int_eq(lock(), 0);
    for (int i = 0; i < 6; i++)
        threads[i] = start_thread(enter_alone, NULL);
    let_block();
    ck_assert_int_eq(unlock(), 0);
    for (int i = 0; i < 6; i++)
        join_thread(threads[i]);
    unmake();
}
END_TEST

/* glibc: a PI mutex that checks errors tells its owner EDEADLK here too. */
static int own_try(int which)
{
    return kinds[which].protocol == PTHREAD_PRIO_INHERIT &&
                   kinds[which].type == PTHREAD_MUTEX_ERRORCHECK
               ? EDEADLK
               : EBUSY;
}

START_TEST(knows_its_owner)
{
    if (!made(_i))
        return;
    ck_assert_int_eq(lock(), 0);
    if (kinds[_i].type == PTHREAD_MUTEX_RECURSIVE) {
        ck_assert_int_eq(lock(), 0);
        ck_assert_int_eq(try_lock(), 0);
        ck_assert_int_eq(unlock(), 0);
        ck_assert_int_eq(unlock(), 0);
    } else {
        ck_assert_int_eq(try_lock(), own_try(_i));
    }
    if (kinds[_i].type == PTHREAD_MUTEX_ERRORCHECK)
        ck_assert_int_eq(lock(), EDEADLK);
    if (kinds[_i].type != PTHREAD_MUTEX_NORMAL)
        ck_assert_int_eq(elsewhere(unlock), EPERM);
    ck_assert_int_eq(elsewhere(try_lock), EBUSY);
    ck_assert_int_eq(unlock(), 0);
    if (kinds[_i].type != PTHREAD_MUTEX_NORMAL)
        ck_assert_int_eq(unlock(), EPERM);
    unmake();
}
END_TEST

enum { ROUNDS = 1000 };

static void *count(void *argument)
{
    for (int i = 0; i < ROUNDS; i++) {
        CONF_CHECK(lock() == 0);
        CONF_CHECK(area->left == area->right);
        area->left++;
        if (i % 64 == 0)
            sched_yield();
        area->right++;
        CONF_CHECK(unlock() == 0);
    }
    return argument;
}

static void count_in_two_threads(void)
{
    pthread_t thread = start_thread(count, NULL);

    count(NULL);
    join_thread(thread);
}

/* Two processes of two threads each. */
START_TEST(processes_exclude_each_other)
{
    pid_t child;

    if (!made(_i))
        return;
    fflush(NULL);
    child = fork();
    CONF_CHECK(child >= 0);
    if (child == 0) {
        conf_child_begin();
        count_in_two_threads();
        _exit(0);
    }
    count_in_two_threads();
    ck_assert_int_eq(conf_child_status(child), 0);
    ck_assert_int_eq(area->left, 4 * ROUNDS);
    ck_assert_int_eq(area->right, 4 * ROUNDS);
    unmake();
}
END_TEST

static void hold_until_others_ran(void)
{
    CONF_CHECK(lock() == 0);
    area->inside = 1;
    wait_until_counted(&area->others_ran);
    CONF_CHECK(unlock() == 0);
}

/* A wait for another process stops only the thread that waits. */
START_TEST(other_threads_run_while_one_waits_for_a_process)
{
    pthread_t thread;
    pid_t child;

    if (!made(_i))
        return;
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
    ck_assert_int_eq(lock(), 0);
    ck_assert_int_gt(area->others_ran, 0);
    ck_assert_int_eq(unlock(), 0);
    join_thread(thread);
    ck_assert_int_eq(conf_child_status(child), 0);
    unmake();
}
END_TEST

static void check_in_child(void)
{
    CONF_CHECK(try_lock() == EBUSY);
    CONF_CHECK(lock_for_20_ms() == ETIMEDOUT);
}

START_TEST(a_child_finds_it_locked)
{
    if (!made(_i))
        return;
    ck_assert_int_eq(lock(), 0);
    ck_assert_int_eq(run_child(check_in_child), 0);
    ck_assert_int_eq(unlock(), 0);
    unmake();
}
END_TEST

static void add(TCase *tcase)
{
    conf_test(tcase, two_threads_exclude_each_other, KINDS);
    conf_test(tcase, waiting_threads_enter_one_by_one, KINDS);
    conf_test(tcase, knows_its_owner, KINDS);
    conf_test(tcase, processes_exclude_each_other, SHARED_KINDS);
    conf_test(tcase, other_threads_run_while_one_waits_for_a_process,
              SHARED_KINDS);
    conf_test(tcase, a_child_finds_it_locked, SHARED_KINDS);
}

int main(void)
{
    return conf_main("mutex_shared", add, CONF_THREADS);
}
