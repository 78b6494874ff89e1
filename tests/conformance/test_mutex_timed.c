/* pthread_mutex_timedlock(3) and pthread_mutex_clocklock(3) */
#include "conf_threads.h"

#include <errno.h>
#include <semaphore.h>

static const int types[] = {PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_RECURSIVE,
                            PTHREAD_MUTEX_ERRORCHECK,
                            PTHREAD_MUTEX_ADAPTIVE_NP};

/* timedlock, and clocklock with either clock. */
enum { TYPES = sizeof types / sizeof *types, VARIANTS = 3 };

static pthread_mutex_t mutex;
static sem_t locked, let_go;

static int lock_until(int variant, const struct timespec *when)
{
    if (variant == 0)
        return pthread_mutex_timedlock(&mutex, when);
    return pthread_mutex_clocklock(
        &mutex, variant == 1 ? CLOCK_REALTIME : CLOCK_MONOTONIC, when);
}

static int lock_within(int variant, int ms)
{
    struct timespec when =
        deadline_in(variant == 2 ? CLOCK_MONOTONIC : CLOCK_REALTIME, ms);

    return lock_until(variant, &when);
}

static void init(int which)
{
    pthread_mutexattr_t attr;

    ck_assert_int_eq(pthread_mutexattr_init(&attr), 0);
    ck_assert_int_eq(pthread_mutexattr_settype(&attr, types[which]), 0);
    ck_assert_int_eq(pthread_mutex_init(&mutex, &attr), 0);
    ck_assert_int_eq(pthread_mutexattr_destroy(&attr), 0);
    ck_assert_int_eq(sem_init(&locked, 0, 0), 0);
    ck_assert_int_eq(sem_init(&let_go, 0, 0), 0);
}

static void *hold(void *argument)
{
    CONF_CHECK(pthread_mutex_lock(&mutex) == 0);
    CONF_CHECK(sem_post(&locked) == 0);
    CONF_CHECK(sem_wait(&let_go) == 0);
    CONF_CHECK(pthread_mutex_unlock(&mutex) == 0);
    return argument;
}

static void post(void *semaphore)
{
    CONF_CHECK(sem_post(semaphore) == 0);
}

static pthread_t start_holder(void)
{
    pthread_t holder = start_thread(hold, NULL);

    ck_assert_int_eq(sem_wait(&locked), 0);
    return holder;
}

START_TEST(gives_up_at_the_deadline)
{
    int variant = _i / TYPES;
    pthread_t holder;
    int64_t before;

    init(_i % TYPES);
    holder = start_holder();
    before = now_ns();
    ck_assert_int_eq(lock_within(variant, 30), ETIMEDOUT);
    ck_assert_int_ge(now_ns() - before, 29 * CONF_MS);
    ck_assert_int_lt(now_ns() - before, 5 * CONF_S);
    ck_assert_int_eq(lock_within(variant, -1000), ETIMEDOUT);
    post(&let_go);
    join_thread(holder);
    ck_assert_int_eq(pthread_mutex_lock(&mutex), 0);
    ck_assert_int_eq(pthread_mutex_unlock(&mutex), 0);
    ck_assert_int_eq(pthread_mutex_destroy(&mutex), 0);
}
END_TEST

START_TEST(gets_it_before_the_deadline)
{
    pthread_t holder, helper;

    init(_i % TYPES);
    holder = start_holder();
    helper = start_later(20, post, &let_go);
    ck_assert_int_eq(lock_within(_i / TYPES, 20000), 0);
    ck_assert_int_eq(pthread_mutex_unlock(&mutex), 0);
    join_thread(holder);
    join_thread(helper);
}
END_TEST

START_TEST(a_free_mutex_needs_no_time)
{
    struct timespec bad = bad_deadline();

    init(_i % TYPES);
    ck_assert_int_eq(lock_within(_i / TYPES, -1000), 0);
    ck_assert_int_eq(pthread_mutex_unlock(&mutex), 0);
    ck_assert_int_eq(lock_until(_i / TYPES, &bad), 0);
    ck_assert_int_eq(pthread_mutex_unlock(&mutex), 0);
}
END_TEST

START_TEST(refuses_a_time_that_is_none)
{
    struct timespec bad = bad_deadline();
    pthread_t holder;

    init(_i % TYPES);
    holder = start_holder();
    ck_assert_int_eq(lock_until(_i / TYPES, &bad), EINVAL);
    bad.tv_nsec = -1;
    ck_assert_int_eq(lock_until(_i / TYPES, &bad), EINVAL);
    post(&let_go);
    join_thread(holder);
}
END_TEST

START_TEST(refuses_a_clock_that_nobody_waits_on)
{
    struct timespec when = deadline_in(CLOCK_MONOTONIC, 1000);

    init(_i);
    ck_assert_int_eq(
        pthread_mutex_clocklock(&mutex, CLOCK_PROCESS_CPUTIME_ID, &when),
        EINVAL);
    ck_assert_int_eq(pthread_mutex_trylock(&mutex), 0);
    ck_assert_int_eq(pthread_mutex_unlock(&mutex), 0);
}
END_TEST

/* What the owner gets who locks again, with time. */
START_TEST(answers_its_owner)
{
    static const int answers[TYPES] = {ETIMEDOUT, 0, EDEADLK, ETIMEDOUT};
    int which = _i % TYPES;

    init(which);
    ck_assert_int_eq(pthread_mutex_lock(&mutex), 0);
    ck_assert_int_eq(lock_within(_i / TYPES, 20), answers[which]);
    if (answers[which] == 0)
        ck_assert_int_eq(pthread_mutex_unlock(&mutex), 0);
    ck_assert_int_eq(pthread_mutex_unlock(&mutex), 0);
    ck_assert_int_eq(pthread_mutex_destroy(&mutex), 0);
}
END_TEST

static void *give_up_often(void *argument)
{
    long got = 0;

    (void)argument;
    for (int i = 0; i < 20; i++) {
        int err = lock_within(i % VARIANTS, 1);

        CONF_CHECK(err == 0 || err == ETIMEDOUT);
        if (err == 0) {
            got++;
            sleep_ms(1);
            CONF_CHECK(pthread_mutex_unlock(&mutex) == 0);
        }
    }
    return (void *)got;
}

/* Those who gave up leave nothing behind that blocks those who did not. */
START_TEST(survives_many_who_give_up)
{
    pthread_t threads[10];
    long got = 0;

    init(_i);
    for (int i = 0; i < 10; i++)
        threads[i] = start_thread(give_up_often, NULL);
    for (int i = 0; i < 10; i++)
        got += (long)join_thread(threads[i]);
    ck_assert_int_gt(got, 0);
    ck_assert_int_eq(pthread_mutex_trylock(&mutex), 0);
    ck_assert_int_eq(pthread_mutex_unlock(&mutex), 0);
    ck_assert_int_eq(pthread_mutex_destroy(&mutex), 0);
}
END_TEST

static void add(TCase *tcase)
{
    conf_test(tcase, gives_up_at_the_deadline, TYPES * VARIANTS);
    conf_test(tcase, gets_it_before_the_deadline, TYPES * VARIANTS);
    conf_test(tcase, a_free_mutex_needs_no_time, TYPES * VARIANTS);
    conf_test(tcase, refuses_a_time_that_is_none, TYPES * VARIANTS);
    conf_test(tcase, refuses_a_clock_that_nobody_waits_on, TYPES);
    conf_test(tcase, answers_its_owner, TYPES * VARIANTS);
    conf_test(tcase, survives_many_who_give_up, TYPES);
}

int main(void)
{
    return conf_main("mutex_timed", add, CONF_THREADS);
}
