/* Attributes of all locks, static initialisers, misuse that is told, and time
 * limits that are none */
#include "conf_threads.h"

#include <errno.h>
#include <limits.h>
#include <semaphore.h>

/* ---- mutexes ---- */

START_TEST(mutex_attributes_keep_what_is_set)
{
    pthread_mutexattr_t attr;
    int value = -1;

    ck_assert_int_eq(pthread_mutexattr_init(&attr), 0);
    ck_assert_int_eq(pthread_mutexattr_gettype(&attr, &value), 0);
    ck_assert_int_eq(value, PTHREAD_MUTEX_DEFAULT);
    ck_assert_int_eq(pthread_mutexattr_getpshared(&attr, &value), 0);
    ck_assert_int_eq(value, PTHREAD_PROCESS_PRIVATE);
    ck_assert_int_eq(pthread_mutexattr_getrobust(&attr, &value), 0);
    ck_assert_int_eq(value, PTHREAD_MUTEX_STALLED);
    ck_assert_int_eq(pthread_mutexattr_getprotocol(&attr, &value), 0);
    ck_assert_int_eq(value, PTHREAD_PRIO_NONE);
    ck_assert_int_eq(pthread_mutexattr_setprotocol(&attr,
                                                   PTHREAD_PRIO_PROTECT),
                     0);
    ck_assert_int_eq(pthread_mutexattr_setprioceiling(&attr, 7), 0);
    ck_assert_int_eq(pthread_mutexattr_getprioceiling(&attr, &value), 0);
    ck_assert_int_eq(value, 7);
    ck_assert_int_eq(pthread_mutexattr_getprotocol(&attr, &value), 0);
    ck_assert_int_eq(value, PTHREAD_PRIO_PROTECT);
    ck_assert_int_eq(pthread_mutexattr_destroy(&attr), 0);
}
END_TEST

START_TEST(mutex_attributes_refuse_nonsense)
{
    pthread_mutexattr_t attr;

    ck_assert_int_eq(pthread_mutexattr_init(&attr), 0);
    ck_assert_int_eq(pthread_mutexattr_settype(&attr, 77), EINVAL);
    ck_assert_int_eq(pthread_mutexattr_settype(&attr, -1), EINVAL);
    ck_assert_int_eq(pthread_mutexattr_setpshared(&attr, 77), EINVAL);
    ck_assert_int_eq(pthread_mutexattr_setrobust(&attr, 77), EINVAL);
    ck_assert_int_eq(pthread_mutexattr_setprotocol(&attr, 77), EINVAL);
    ck_assert_int_eq(pthread_mutexattr_setprioceiling(&attr, 1000), EINVAL);
    ck_assert_int_eq(pthread_mutexattr_setprioceiling(&attr, -1), EINVAL);
    ck_assert_int_eq(pthread_mutexattr_destroy(&attr), 0);
}
END_TEST

enum { PLAIN, SHARED, ROBUST, INHERIT, ROBUST_INHERIT, KINDS };
static const int types[] = { PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_RECURSIVE,
                             PTHREAD_MUTEX_ERRORCHECK,
                             PTHREAD_MUTEX_ADAPTIVE_NP };
enum { TYPES = sizeof types / sizeof *types };

static void make_mutex(pthread_mutex_t *mutex, int kind, int type)
{
    pthread_mutexattr_t attr;

    ck_assert_int_eq(pthread_mutexattr_init(&attr), 0);
    ck_assert_int_eq(pthread_mutexattr_settype(&attr, type), 0);
    if (kind == SHARED)
        pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    if (kind == ROBUST || kind == ROBUST_INHERIT)
        pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
    if (kind == INHERIT || kind == ROBUST_INHERIT)
        pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_INHERIT);
    ck_assert_int_eq(pthread_mutex_init(mutex, &attr), 0);
    pthread_mutexattr_destroy(&attr);
}

struct attempt {
    pthread_mutex_t *mutex;
    int tried, timed, clocked, bad, past, unlocked;
};

static void *try_all(void *argument)
{
    struct attempt *attempt = argument;
    struct timespec bad = bad_deadline();
    struct timespec past = deadline_in(CLOCK_REALTIME, -10);
    struct timespec soon = deadline_in(CLOCK_REALTIME, 15);
    struct timespec soon_too = deadline_in(CLOCK_MONOTONIC, 15);

    attempt->tried = pthread_mutex_trylock(attempt->mutex);
    attempt->timed = pthread_mutex_timedlock(attempt->mutex, &soon);
    attempt->clocked = pthread_mutex_clocklock(attempt->mutex,
                                               CLOCK_MONOTONIC, &soon_too);
    attempt->bad = pthread_mutex_timedlock(attempt->mutex, &bad);
    attempt->past = pthread_mutex_timedlock(attempt->mutex, &past);
    attempt->unlocked = pthread_mutex_unlock(attempt->mutex);
    return NULL;
}

/* Whoever does not hold it: each kind, each type. */
START_TEST(another_thread_is_refused_as_it_should)
{
    int kind = _i / TYPES, type = types[_i % TYPES];
    pthread_mutex_t mutex;
    struct attempt attempt = { .mutex = &mutex };
    bool checks = type == PTHREAD_MUTEX_RECURSIVE ||
                  type == PTHREAD_MUTEX_ERRORCHECK || kind >= ROBUST;

    make_mutex(&mutex, kind, type);
    ck_assert_int_eq(pthread_mutex_lock(&mutex), 0);
    /* Else, to unlock what another holds is undefined. */
    if (checks) {
        join_thread(start_thread(try_all, &attempt));
        ck_assert_int_eq(attempt.tried, EBUSY);
        ck_assert_int_eq(attempt.timed, ETIMEDOUT);
        if (kind < INHERIT)
            ck_assert_int_eq(attempt.clocked, ETIMEDOUT);
        ck_assert_int_eq(attempt.bad, EINVAL);
        ck_assert_int_eq(attempt.past, ETIMEDOUT);
        ck_assert_int_eq(attempt.unlocked, EPERM);
    }
    ck_assert_int_eq(pthread_mutex_unlock(&mutex), 0);
    ck_assert_int_eq(pthread_mutex_destroy(&mutex), 0);
}
END_TEST

START_TEST(its_owner_is_told_as_it_should)
{
    int kind = _i / TYPES, type = types[_i % TYPES];
    struct timespec soon;
    pthread_mutex_t mutex;

    make_mutex(&mutex, kind, type);
    ck_assert_int_eq(pthread_mutex_lock(&mutex), 0);
    if (type == PTHREAD_MUTEX_RECURSIVE) {
        ck_assert_int_eq(pthread_mutex_lock(&mutex), 0);
        ck_assert_int_eq(pthread_mutex_trylock(&mutex), 0);
        ck_assert_int_eq(pthread_mutex_unlock(&mutex), 0);
        ck_assert_int_eq(pthread_mutex_unlock(&mutex), 0);
    } else if (type == PTHREAD_MUTEX_ERRORCHECK) {
        soon = deadline_in(CLOCK_REALTIME, 15);
        ck_assert_int_eq(pthread_mutex_lock(&mutex), EDEADLK);
        ck_assert_int_eq(pthread_mutex_timedlock(&mutex, &soon), EDEADLK);
    } else {
        ck_assert_int_eq(pthread_mutex_trylock(&mutex), EBUSY);
    }
    if (kind != ROBUST && kind != ROBUST_INHERIT) /* libc does not look */
        ck_assert_int_eq(pthread_mutex_destroy(&mutex), EBUSY);
    ck_assert_int_eq(pthread_mutex_unlock(&mutex), 0);
    if (type == PTHREAD_MUTEX_ERRORCHECK || kind >= ROBUST)
        ck_assert_int_eq(pthread_mutex_unlock(&mutex), EPERM);
    ck_assert_int_eq(pthread_mutex_destroy(&mutex), 0);
}
END_TEST

START_TEST(a_mutex_of_the_process_alone_is_consistent)
{
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    int ceiling;

    ck_assert_int_eq(pthread_mutex_consistent(&mutex), EINVAL);
    ck_assert_int_eq(pthread_mutex_getprioceiling(&mutex, &ceiling), EINVAL);
    ck_assert_int_eq(pthread_mutex_setprioceiling(&mutex, 1, &ceiling),
                     EINVAL);
}
END_TEST

/* ---- conditions ---- */

START_TEST(condition_attributes)
{
    pthread_condattr_t attr;
    clockid_t clock = -1;
    int shared = -1;

    ck_assert_int_eq(pthread_condattr_init(&attr), 0);
    ck_assert_int_eq(pthread_condattr_getclock(&attr, &clock), 0);
    ck_assert_int_eq(clock, CLOCK_REALTIME);
    ck_assert_int_eq(pthread_condattr_getpshared(&attr, &shared), 0);
    ck_assert_int_eq(shared, PTHREAD_PROCESS_PRIVATE);
    ck_assert_int_eq(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC), 0);
    ck_assert_int_eq(pthread_condattr_getclock(&attr, &clock), 0);
    ck_assert_int_eq(clock, CLOCK_MONOTONIC);
    ck_assert_int_eq(
        pthread_condattr_setclock(&attr, CLOCK_PROCESS_CPUTIME_ID), EINVAL);
    ck_assert_int_eq(pthread_condattr_setpshared(&attr, 77), EINVAL);
    ck_assert_int_eq(pthread_condattr_destroy(&attr), 0);
}
END_TEST

/* With either clock in the attribute, private and shared. */
START_TEST(a_condition_counts_by_its_clock)
{
    clockid_t clock = _i % 2 ? CLOCK_MONOTONIC : CLOCK_REALTIME;
    pthread_mutex_t mutex;
    pthread_condattr_t attr;
    struct timespec until, bad = bad_deadline();
    pthread_cond_t cond;

    make_mutex(&mutex, _i / 2 ? SHARED : PLAIN, PTHREAD_MUTEX_NORMAL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, clock);
    if (_i / 2)
        pthread_condattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    ck_assert_int_eq(pthread_cond_init(&cond, &attr), 0);
    pthread_condattr_destroy(&attr);
    pthread_mutex_lock(&mutex);
    until = deadline_in(clock, 30);
    while (pthread_cond_timedwait(&cond, &mutex, &until) == 0)
        ;
    ck_assert_int_eq(pthread_cond_timedwait(&cond, &mutex, &until),
                     ETIMEDOUT);
    ck_assert_int_eq(pthread_cond_timedwait(&cond, &mutex, &bad), EINVAL);
    bad.tv_nsec = -1;
    ck_assert_int_eq(pthread_cond_timedwait(&cond, &mutex, &bad), EINVAL);
    ck_assert_int_eq(pthread_cond_clockwait(&cond, &mutex, 77, &until),
                     EINVAL);
    pthread_mutex_unlock(&mutex);
    ck_assert_int_eq(pthread_cond_destroy(&cond), 0);
    pthread_mutex_destroy(&mutex);
}
END_TEST

/* ---- read-write locks, barriers, spin locks ---- */

START_TEST(rwlock_attributes)
{
    pthread_rwlockattr_t attr;
    int value = -1;

    ck_assert_int_eq(pthread_rwlockattr_init(&attr), 0);
    ck_assert_int_eq(pthread_rwlockattr_getpshared(&attr, &value), 0);
    ck_assert_int_eq(value, PTHREAD_PROCESS_PRIVATE);
    ck_assert_int_eq(pthread_rwlockattr_setpshared(&attr, 77), EINVAL);
    ck_assert_int_eq(pthread_rwlockattr_getkind_np(&attr, &value), 0);
    ck_assert_int_eq(value, PTHREAD_RWLOCK_DEFAULT_NP);
    ck_assert_int_eq(pthread_rwlockattr_setkind_np(&attr, 77), EINVAL);
    ck_assert_int_eq(pthread_rwlockattr_destroy(&attr), 0);
}
END_TEST

static void *try_rwlock(void *argument)
{
    pthread_rwlock_t *lock = argument;
    struct timespec bad = bad_deadline();
    struct timespec past = deadline_in(CLOCK_REALTIME, -10);

    CONF_CHECK(pthread_rwlock_tryrdlock(lock) == EBUSY);
    CONF_CHECK(pthread_rwlock_trywrlock(lock) == EBUSY);
    CONF_CHECK(pthread_rwlock_timedrdlock(lock, &bad) == EINVAL);
    CONF_CHECK(pthread_rwlock_timedwrlock(lock, &bad) == EINVAL);
    CONF_CHECK(pthread_rwlock_timedrdlock(lock, &past) == ETIMEDOUT);
    CONF_CHECK(pthread_rwlock_timedwrlock(lock, &past) == ETIMEDOUT);
    CONF_CHECK(pthread_rwlock_clockrdlock(lock, 77, &past) == EINVAL);
    CONF_CHECK(pthread_rwlock_clockwrlock(lock, 77, &past) == EINVAL);
    return NULL;
}

START_TEST(a_rwlock_refuses_as_it_should)
{
    pthread_rwlockattr_t attr;
    pthread_rwlock_t lock;

    pthread_rwlockattr_init(&attr);
    if (_i == 1)
        pthread_rwlockattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    ck_assert_int_eq(pthread_rwlock_init(&lock, &attr), 0);
    ck_assert_int_eq(pthread_rwlock_wrlock(&lock), 0);
    ck_assert_int_eq(pthread_rwlock_wrlock(&lock), EDEADLK);
    ck_assert_int_eq(pthread_rwlock_rdlock(&lock), EDEADLK);
    join_thread(start_thread(try_rwlock, &lock));
    ck_assert_int_eq(pthread_rwlock_unlock(&lock), 0);
    ck_assert_int_eq(pthread_rwlock_destroy(&lock), 0);
}
END_TEST

START_TEST(barrier_attributes)
{
    pthread_barrierattr_t attr;
    pthread_barrier_t barrier;
    int value = -1;

    ck_assert_int_eq(pthread_barrierattr_init(&attr), 0);
    ck_assert_int_eq(pthread_barrierattr_getpshared(&attr, &value), 0);
    ck_assert_int_eq(value, PTHREAD_PROCESS_PRIVATE);
    ck_assert_int_eq(pthread_barrierattr_setpshared(&attr, 77), EINVAL);
    ck_assert_int_eq(
        pthread_barrierattr_setpshared(&attr, PTHREAD_PROCESS_SHARED), 0);
    ck_assert_int_eq(pthread_barrier_init(&barrier, &attr, 0), EINVAL);
    ck_assert_int_eq(pthread_barrier_init(&barrier, &attr, 1), 0);
    ck_assert_int_eq(pthread_barrier_wait(&barrier),
                     PTHREAD_BARRIER_SERIAL_THREAD);
    ck_assert_int_eq(pthread_barrier_destroy(&barrier), 0);
    ck_assert_int_eq(pthread_barrierattr_destroy(&attr), 0);
}
END_TEST

START_TEST(semaphores_refuse_as_they_should)
{
    struct timespec bad = bad_deadline();
    struct timespec past = deadline_in(CLOCK_REALTIME, -10);
    sem_t semaphore;

    errno = 0;
    ck_assert_int_eq(sem_init(&semaphore, _i, (unsigned)SEM_VALUE_MAX + 1),
                     -1);
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_int_eq(sem_init(&semaphore, _i, 1), 0);
    ck_assert_int_eq(sem_timedwait(&semaphore, &past), 0);
    ck_assert_int_eq(sem_timedwait(&semaphore, &past), -1);
    ck_assert_int_eq(errno, ETIMEDOUT);
    ck_assert_int_eq(sem_timedwait(&semaphore, &bad), -1);
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_int_eq(sem_clockwait(&semaphore, 77, &past), -1);
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_int_eq(sem_trywait(&semaphore), -1);
    ck_assert_int_eq(errno, EAGAIN);
    ck_assert_int_eq(sem_destroy(&semaphore), 0);
}
END_TEST

static void add(TCase *tcase)
{
    conf_test(tcase, mutex_attributes_keep_what_is_set, 1);
    conf_test(tcase, mutex_attributes_refuse_nonsense, 1);
    conf_test(tcase, another_thread_is_refused_as_it_should, KINDS * TYPES);
    conf_test(tcase, its_owner_is_told_as_it_should, KINDS * TYPES);
    conf_test(tcase, a_mutex_of_the_process_alone_is_consistent, 1);
    conf_test(tcase, condition_attributes, 1);
    conf_test(tcase, a_condition_counts_by_its_clock, 4);
    conf_test(tcase, rwlock_attributes, 1);
    conf_test(tcase, a_rwlock_refuses_as_it_should, 2);
    conf_test(tcase, barrier_attributes, 1);
    conf_test(tcase, semaphores_refuse_as_they_should, 2);
}

int main(void)
{
    return conf_main("sync_attributes", add, CONF_THREADS);
}
