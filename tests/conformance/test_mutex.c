/* Mutexes of every type: who excludes whom, and which misuse is told */
#include "conf_threads.h"

#include <errno.h>
#include <sched.h>

/* The types, each with what glibc answers to misuse. */
static const struct {
    const char *name;
    int type;
    int relock;         /* the owner locks again; -1: it would hang */
    int relock_try;     /* the owner tries again */
    int foreign_unlock; /* another thread unlocks */
    int idle_unlock;    /* nobody holds it */
} types[] = {
    {"normal", PTHREAD_MUTEX_NORMAL, -1, EBUSY, 0, 0},
    {"recursive", PTHREAD_MUTEX_RECURSIVE, 0, 0, EPERM, EPERM},
    {"errorcheck", PTHREAD_MUTEX_ERRORCHECK, EDEADLK, EBUSY, EPERM, EPERM},
    {"adaptive", PTHREAD_MUTEX_ADAPTIVE_NP, -1, EBUSY, 0, 0},
};
enum { TYPES = sizeof types / sizeof *types };

static pthread_mutex_t mutex;

static void init(int which)
{
    pthread_mutexattr_t attr;

    ck_assert_int_eq(pthread_mutexattr_init(&attr), 0);
    ck_assert_int_eq(pthread_mutexattr_settype(&attr, types[which].type), 0);
    ck_assert_int_eq(pthread_mutex_init(&mutex, &attr), 0);
    ck_assert_int_eq(pthread_mutexattr_destroy(&attr), 0);
}

/* One call, by another thread; what it returned. */
static void *call(void *function)
{
    return (void *)(long)(*(int (**)(pthread_mutex_t *))function)(&mutex);
}

static int elsewhere(int (*function)(pthread_mutex_t *))
{
    return (int)(long)join_thread(start_thread(call, &function));
}

START_TEST(locks_and_unlocks)
{
    init(_i);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(pthread_mutex_lock(&mutex), 0);
        ck_assert_int_eq(elsewhere(pthread_mutex_trylock), EBUSY);
        ck_assert_int_eq(pthread_mutex_unlock(&mutex), 0);
    }
    ck_assert_int_eq(pthread_mutex_trylock(&mutex), 0);
    ck_assert_int_eq(elsewhere(pthread_mutex_trylock), EBUSY);
    ck_assert_int_eq(pthread_mutex_unlock(&mutex), 0);
    ck_assert_int_eq(pthread_mutex_destroy(&mutex), 0);
}
END_TEST

static volatile int inside;

static void *enter(void *argument)
{
    CONF_CHECK(pthread_mutex_lock(&mutex) == 0);
    inside = 1;
    CONF_CHECK(pthread_mutex_unlock(&mutex) == 0);
    return argument;
}

START_TEST(a_waiter_enters_when_the_owner_leaves)
{
    pthread_t thread;

    init(_i);
    inside = 0;
    ck_assert_int_eq(pthread_mutex_lock(&mutex), 0);
    thread = start_thread(enter, NULL);
    let_block();
    ck_assert_int_eq(inside, 0);
    ck_assert_int_eq(pthread_mutex_unlock(&mutex), 0);
    join_thread(thread);
    ck_assert_int_eq(inside, 1);
    ck_assert_int_eq(pthread_mutex_destroy(&mutex), 0);
}
END_TEST

/* Only exclusion makes the sum right: the owner leaves the CPU while the two
 * halves differ. */
static volatile int left, right;

static void *count(void *rounds)
{
    for (long i = 0; i < (long)rounds; i++) {
        CONF_CHECK(pthread_mutex_lock(&mutex) == 0);
        CONF_CHECK(left == right);
        left++;
        if (i % 16 == 0)
            sched_yield();
        right++;
        CONF_CHECK(pthread_mutex_unlock(&mutex) == 0);
    }
    return NULL;
}

START_TEST(excludes)
{
    enum { THREADS = 8, ROUNDS = 2000 };
    pthread_t threads[THREADS];

    init(_i);
    left = right = 0;
    for (int i = 0; i < THREADS; i++)
        threads[i] = start_thread(count, (void *)(long)ROUNDS);
    for (int i = 0; i < THREADS; i++)
        join_thread(threads[i]);
    ck_assert_int_eq(left, THREADS * ROUNDS);
    ck_assert_int_eq(right, THREADS * ROUNDS);
    ck_assert_int_eq(pthread_mutex_destroy(&mutex), 0);
}
END_TEST

/* One that sleeps while it holds the mutex. */
static void *hold_and_sleep(void *argument)
{
    for (int i = 0; i < 5; i++) {
        CONF_CHECK(pthread_mutex_lock(&mutex) == 0);
        CONF_CHECK(inside == 0);
        inside = 1;
        sleep_ms(1);
        inside = 0;
        CONF_CHECK(pthread_mutex_unlock(&mutex) == 0);
    }
    return argument;
}

START_TEST(excludes_while_the_owner_sleeps)
{
    pthread_t threads[8];

    init(_i);
    inside = 0;
    for (int i = 0; i < 8; i++)
        threads[i] = start_thread(hold_and_sleep, NULL);
    for (int i = 0; i < 8; i++)
        join_thread(threads[i]);
    ck_assert_int_eq(pthread_mutex_destroy(&mutex), 0);
}
END_TEST

START_TEST(tells_the_owner_who_locks_again)
{
    init(_i);
    ck_assert_int_eq(pthread_mutex_lock(&mutex), 0);
    ck_assert_int_eq(pthread_mutex_trylock(&mutex), types[_i].relock_try);
    if (types[_i].relock_try == 0)
        ck_assert_int_eq(pthread_mutex_unlock(&mutex), 0);
    if (types[_i].relock >= 0)
        ck_assert_int_eq(pthread_mutex_lock(&mutex), types[_i].relock);
    if (types[_i].relock == 0) {
        ck_assert_int_eq(pthread_mutex_unlock(&mutex), 0);
        ck_assert_int_eq(elsewhere(pthread_mutex_trylock), EBUSY);
    }
    ck_assert_int_eq(pthread_mutex_unlock(&mutex), 0);
    ck_assert_int_eq(pthread_mutex_destroy(&mutex), 0);
}
END_TEST

START_TEST(tells_one_who_unlocks_what_is_not_his)
{
    init(_i);
    ck_assert_int_eq(pthread_mutex_lock(&mutex), 0);
    ck_assert_int_eq(elsewhere(pthread_mutex_unlock), types[_i].foreign_unlock);
    if (types[_i].foreign_unlock != 0)
        ck_assert_int_eq(pthread_mutex_unlock(&mutex), 0);
    if (types[_i].idle_unlock != 0)
        ck_assert_int_eq(pthread_mutex_unlock(&mutex), types[_i].idle_unlock);
    ck_assert_int_eq(pthread_mutex_destroy(&mutex), 0);
}
END_TEST

START_TEST(is_not_destroyed_while_locked)
{
    init(_i);
    ck_assert_int_eq(pthread_mutex_lock(&mutex), 0);
    ck_assert_int_eq(pthread_mutex_destroy(&mutex), EBUSY);
    ck_assert_int_eq(pthread_mutex_unlock(&mutex), 0);
    ck_assert_int_eq(pthread_mutex_destroy(&mutex), 0);
}
END_TEST

START_TEST(recursion_counts)
{
    init(1);
    for (int i = 0; i < 1000; i++)
        ck_assert_int_eq(pthread_mutex_lock(&mutex), 0);
    for (int i = 0; i < 1000; i++) {
        if (i % 100 == 0)
            ck_assert_int_eq(elsewhere(pthread_mutex_trylock), EBUSY);
        ck_assert_int_eq(pthread_mutex_unlock(&mutex), 0);
    }
    ck_assert_int_eq(elsewhere(pthread_mutex_lock), 0);
}
END_TEST

/* The threads that took and never gave are gone, the mutex is still theirs. */
START_TEST(stays_locked_when_its_owner_is_gone)
{
    init(_i);
    ck_assert_int_eq(elsewhere(pthread_mutex_lock), 0);
    ck_assert_int_eq(pthread_mutex_trylock(&mutex), EBUSY);
    ck_assert_int_eq(elsewhere(pthread_mutex_trylock), EBUSY);
}
END_TEST

static pthread_mutex_t ready_made[TYPES] = {
    PTHREAD_MUTEX_INITIALIZER,
    PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP,
    PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP,
    PTHREAD_ADAPTIVE_MUTEX_INITIALIZER_NP,
};

START_TEST(static_initialisers_have_their_type)
{
    pthread_mutex_t *lock = &ready_made[_i];

    ck_assert_int_eq(pthread_mutex_lock(lock), 0);
    ck_assert_int_eq(pthread_mutex_trylock(lock), types[_i].relock_try);
    if (types[_i].relock_try == 0)
        ck_assert_int_eq(pthread_mutex_unlock(lock), 0);
    ck_assert_int_eq(pthread_mutex_unlock(lock), 0);
    if (types[_i].idle_unlock != 0)
        ck_assert_int_eq(pthread_mutex_unlock(lock), types[_i].idle_unlock);
    ck_assert_int_eq(pthread_mutex_destroy(lock), 0);
}
END_TEST

START_TEST(bytes_of_zero_are_a_normal_mutex)
{
    memset(&mutex, 0, sizeof mutex);
    ck_assert_int_eq(pthread_mutex_lock(&mutex), 0);
    ck_assert_int_eq(elsewhere(pthread_mutex_trylock), EBUSY);
    ck_assert_int_eq(pthread_mutex_unlock(&mutex), 0);
}
END_TEST

START_TEST(attributes_keep_what_is_set)
{
    pthread_mutexattr_t attr;
    int value;

    ck_assert_int_eq(pthread_mutexattr_init(&attr), 0);
    ck_assert_int_eq(pthread_mutexattr_gettype(&attr, &value), 0);
    ck_assert_int_eq(value, PTHREAD_MUTEX_DEFAULT);
    ck_assert_int_eq(pthread_mutexattr_getpshared(&attr, &value), 0);
    ck_assert_int_eq(value, PTHREAD_PROCESS_PRIVATE);
    ck_assert_int_eq(pthread_mutexattr_getrobust(&attr, &value), 0);
    ck_assert_int_eq(value, PTHREAD_MUTEX_STALLED);
    ck_assert_int_eq(pthread_mutexattr_getprotocol(&attr, &value), 0);
    ck_assert_int_eq(value, PTHREAD_PRIO_NONE);
    ck_assert_int_eq(pthread_mutexattr_settype(&attr, types[_i].type), 0);
    ck_assert_int_eq(pthread_mutexattr_gettype(&attr, &value), 0);
    ck_assert_int_eq(value, types[_i].type);
    ck_assert_int_eq(pthread_mutexattr_settype(&attr, 77), EINVAL);
    ck_assert_int_eq(pthread_mutexattr_setpshared(&attr, 77), EINVAL);
    ck_assert_int_eq(pthread_mutexattr_setrobust(&attr, 77), EINVAL);
    ck_assert_int_eq(pthread_mutexattr_setprotocol(&attr, 77), EINVAL);
    ck_assert_int_eq(pthread_mutexattr_destroy(&attr), 0);
}
END_TEST

static void lock_in_child(void)
{
    CONF_CHECK(pthread_mutex_unlock(&mutex) == 0);
    CONF_CHECK(pthread_mutex_lock(&mutex) == 0);
    CONF_CHECK(pthread_mutex_unlock(&mutex) == 0);
}

/* Of the types that do not look at who unlocks: a child is another owner. */
START_TEST(a_child_has_its_own_copy)
{
    init(_i == 0 ? 0 : 3);
    ck_assert_int_eq(pthread_mutex_lock(&mutex), 0);
    ck_assert_int_eq(run_child(lock_in_child), 0);
    ck_assert_int_eq(elsewhere(pthread_mutex_trylock), EBUSY);
    ck_assert_int_eq(pthread_mutex_unlock(&mutex), 0);
}
END_TEST

static void add(TCase *tcase)
{
    conf_test(tcase, locks_and_unlocks, TYPES);
    conf_test(tcase, a_waiter_enters_when_the_owner_leaves, TYPES);
    conf_test(tcase, excludes, TYPES);
    conf_test(tcase, excludes_while_the_owner_sleeps, TYPES);
    conf_test(tcase, tells_the_owner_who_locks_again, TYPES);
    conf_test(tcase, tells_one_who_unlocks_what_is_not_his, TYPES);
    conf_test(tcase, is_not_destroyed_while_locked, TYPES);
    conf_test(tcase, recursion_counts, 1);
    conf_test(tcase, stays_locked_when_its_owner_is_gone, TYPES);
    conf_test(tcase, static_initialisers_have_their_type, TYPES);
    conf_test(tcase, bytes_of_zero_are_a_normal_mutex, 1);
    conf_test(tcase, attributes_keep_what_is_set, TYPES);
    conf_test(tcase, a_child_has_its_own_copy, 2);
}

int main(void)
{
    return conf_main("mutex", add, CONF_THREADS);
}
