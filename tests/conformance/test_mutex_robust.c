/* Robust mutexes: what the next one learns of an owner that died */
#include "conf_threads.h"

#include <errno.h>
#include <sys/syscall.h>

/* Private or shared, by type. */
static const struct {
    int shared, type;
} kinds[] = {
    {PTHREAD_PROCESS_PRIVATE, PTHREAD_MUTEX_NORMAL},
    {PTHREAD_PROCESS_SHARED, PTHREAD_MUTEX_NORMAL},
    {PTHREAD_PROCESS_PRIVATE, PTHREAD_MUTEX_RECURSIVE},
    {PTHREAD_PROCESS_SHARED, PTHREAD_MUTEX_RECURSIVE},
    {PTHREAD_PROCESS_PRIVATE, PTHREAD_MUTEX_ERRORCHECK},
    {PTHREAD_PROCESS_SHARED, PTHREAD_MUTEX_ERRORCHECK},
};
enum { KINDS = sizeof kinds / sizeof *kinds };

static pthread_mutex_t *mutex;

static void init(int which)
{
    pthread_mutexattr_t attr;

    mutex = shared_memory(4096);
    ck_assert_int_eq(pthread_mutexattr_init(&attr), 0);
    ck_assert_int_eq(pthread_mutexattr_settype(&attr, kinds[which].type), 0);
    ck_assert_int_eq(pthread_mutexattr_setpshared(&attr, kinds[which].shared),
                     0);
    ck_assert_int_eq(pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST),
                     0);
    ck_assert_int_eq(pthread_mutex_init(mutex, &attr), 0);
    ck_assert_int_eq(pthread_mutexattr_destroy(&attr), 0);
}

/* An emulator may lack the call that tells the kernel of a thread's mutexes;
 * glibc does not look. */
static bool made(int which)
{
    size_t size;
    void *list;

    if (syscall(SYS_get_robust_list, 0, &list, &size) != 0) {
        conf_skip("this kernel has no robust mutexes");
        return false;
    }
    init(which);
    return true;
}

static void unmake(void)
{
    ck_assert_int_eq(pthread_mutex_destroy(mutex), 0);
    ck_assert_int_eq(munmap(mutex, 4096), 0);
}

static void *die_holding(void *argument)
{
    CONF_CHECK(pthread_mutex_lock(mutex) == 0);
    return argument;
}

static void let_owner_die(void)
{
    join_thread(start_thread(die_holding, NULL));
}

START_TEST(works_as_any_mutex)
{
    if (!made(_i))
        return;
    for (int i = 0; i < 100; i++) {
        ck_assert_int_eq(pthread_mutex_lock(mutex), 0);
        ck_assert_int_eq(pthread_mutex_unlock(mutex), 0);
    }
    unmake();
}
END_TEST

START_TEST(the_next_is_told_and_may_repair)
{
    if (!made(_i))
        return;
    let_owner_die();
    ck_assert_int_eq(pthread_mutex_lock(mutex), EOWNERDEAD);
    ck_assert_int_eq(pthread_mutex_consistent(mutex), 0);
    ck_assert_int_eq(pthread_mutex_unlock(mutex), 0);
    ck_assert_int_eq(pthread_mutex_lock(mutex), 0);
    ck_assert_int_eq(pthread_mutex_unlock(mutex), 0);
    unmake();
}
END_TEST

START_TEST(trylock_and_timedlock_are_told_too)
{
    struct timespec when = deadline_in(CLOCK_REALTIME, 20000);

    if (!made(_i))
        return;
    let_owner_die();
    ck_assert_int_eq(pthread_mutex_trylock(mutex), EOWNERDEAD);
    ck_assert_int_eq(pthread_mutex_consistent(mutex), 0);
    ck_assert_int_eq(pthread_mutex_unlock(mutex), 0);
    let_owner_die();
    ck_assert_int_eq(pthread_mutex_timedlock(mutex, &when), EOWNERDEAD);
    ck_assert_int_eq(pthread_mutex_consistent(mutex), 0);
    ck_assert_int_eq(pthread_mutex_unlock(mutex), 0);
    unmake();
}
END_TEST

START_TEST(is_lost_when_nobody_repairs)
{
    if (!made(_i))
        return;
    let_owner_die();
    ck_assert_int_eq(pthread_mutex_lock(mutex), EOWNERDEAD);
    ck_assert_int_eq(pthread_mutex_unlock(mutex), 0);
    ck_assert_int_eq(pthread_mutex_lock(mutex), ENOTRECOVERABLE);
    ck_assert_int_eq(pthread_mutex_trylock(mutex), ENOTRECOVERABLE);
    unmake();
}
END_TEST

START_TEST(only_the_told_may_repair)
{
    if (!made(_i))
        return;
    ck_assert_int_eq(pthread_mutex_consistent(mutex), EINVAL);
    ck_assert_int_eq(pthread_mutex_lock(mutex), 0);
    ck_assert_int_eq(pthread_mutex_consistent(mutex), EINVAL);
    ck_assert_int_eq(pthread_mutex_unlock(mutex), 0);
    unmake();
}
END_TEST

static volatile int owner_may_die;

static void *hold_and_die(void *argument)
{
    CONF_CHECK(pthread_mutex_lock(mutex) == 0);
    owner_may_die = 1;
    sleep_ms(30);
    return argument;
}

START_TEST(wakes_one_who_waits_for_the_dead)
{
    pthread_t owner;

    if (!made(_i))
        return;
    owner_may_die = 0;
    owner = start_thread(hold_and_die, NULL);
    while (!owner_may_die)
        sleep_ms(1);
    ck_assert_int_eq(pthread_mutex_lock(mutex), EOWNERDEAD);
    ck_assert_int_eq(pthread_mutex_consistent(mutex), 0);
    ck_assert_int_eq(pthread_mutex_unlock(mutex), 0);
    join_thread(owner);
    unmake();
}
END_TEST

static void *wait_for_it(void *argument)
{
    *(int *)argument = pthread_mutex_lock(mutex);
    if (*(int *)argument == EOWNERDEAD)
        CONF_CHECK(pthread_mutex_consistent(mutex) == 0);
    CONF_CHECK(pthread_mutex_unlock(mutex) == 0);
    return NULL;
}

START_TEST(of_many_who_wait_one_is_told)
{
    pthread_t owner, threads[6];
    int told = 0, answers[6];

    if (!made(_i))
        return;
    owner_may_die = 0;
    owner = start_thread(hold_and_die, NULL);
    while (!owner_may_die)
        sleep_ms(1);
    for (int i = 0; i < 6; i++)
        threads[i] = start_thread(wait_for_it, &answers[i]);
    join_thread(owner);
    for (int i = 0; i < 6; i++) {
        join_thread(threads[i]);
        ck_assert(answers[i] == 0 || answers[i] == EOWNERDEAD);
        told += answers[i] == EOWNERDEAD;
    }
    ck_assert_int_eq(told, 1);
    unmake();
}
END_TEST

static void *get_cancelled_holding(void *argument)
{
    CONF_CHECK(pthread_mutex_lock(mutex) == 0);
    owner_may_die = 1;
    sleep_ms(20000);
    return argument;
}

START_TEST(a_cancelled_owner_is_dead)
{
    pthread_t owner;

    if (!made(_i))
        return;
    owner_may_die = 0;
    owner = start_thread(get_cancelled_holding, NULL);
    while (!owner_may_die)
        sleep_ms(1);
    ck_assert_int_eq(pthread_mutex_trylock(mutex), EBUSY);
    ck_assert_int_eq(pthread_cancel(owner), 0);
    ck_assert_ptr_eq(join_thread(owner), PTHREAD_CANCELED);
    ck_assert_int_eq(pthread_mutex_lock(mutex), EOWNERDEAD);
    ck_assert_int_eq(pthread_mutex_consistent(mutex), 0);
    ck_assert_int_eq(pthread_mutex_unlock(mutex), 0);
    unmake();
}
END_TEST

static void lock_and_leave(void)
{
    CONF_CHECK(pthread_mutex_lock(mutex) == 0);
}

/* Kinds 1, 3 and 5 are shared. */
START_TEST(a_process_that_ends_is_a_dead_owner)
{
    if (!made(_i * 2 + 1))
        return;
    ck_assert_int_eq(run_child(lock_and_leave), 0);
    ck_assert_int_eq(pthread_mutex_lock(mutex), EOWNERDEAD);
    ck_assert_int_eq(pthread_mutex_consistent(mutex), 0);
    ck_assert_int_eq(pthread_mutex_unlock(mutex), 0);
    unmake();
}
END_TEST

static void add(TCase *tcase)
{
    conf_test(tcase, works_as_any_mutex, KINDS);
    conf_test(tcase, the_next_is_told_and_may_repair, KINDS);
    conf_test(tcase, trylock_and_timedlock_are_told_too, KINDS);
    conf_test(tcase, is_lost_when_nobody_repairs, KINDS);
    conf_test(tcase, only_the_told_may_repair, KINDS);
    conf_test(tcase, wakes_one_who_waits_for_the_dead, KINDS);
    conf_test(tcase, of_many_who_wait_one_is_told, KINDS);
    conf_test(tcase, a_cancelled_owner_is_dead, KINDS);
    conf_test(tcase, a_process_that_ends_is_a_dead_owner, KINDS / 2);
}

int main(void)
{
    return conf_main("mutex_robust", add, CONF_THREADS);
}
