/* Condition variables: no wake-up is lost and no deadline missed */
#include "conf_threads.h"

#include <errno.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static int waiting, tokens, taken;

static void setup(void)
{
    waiting = tokens = taken = 0;
}

static void lock(void)
{
    CONF_CHECK(pthread_mutex_lock(&mutex) == 0);
}

static void unlock(void)
{
    CONF_CHECK(pthread_mutex_unlock(&mutex) == 0);
}

static void *take_token(void *argument)
{
    lock();
    waiting++;
    while (tokens == 0)
        CONF_CHECK(pthread_cond_wait(&cond, &mutex) == 0);
    tokens--;
    taken++;
    waiting--;
    unlock();
    return argument;
}

/* All `count` threads are in their wait: the mutex is free. */
static void await_waiters(int count)
{
    lock();
    while (waiting < count) {
        unlock();
        sleep_ms(1);
        lock();
    }
    unlock();
}

static void give_tokens(int count)
{
    lock();
    tokens += count;
    unlock();
}

static int count_taken(void)
{
    int count;

    lock();
    count = taken;
    unlock();
    return count;
}

START_TEST(signal_wakes_a_waiter)
{
    pthread_t thread = start_thread(take_token, NULL);

    await_waiters(1);
    give_tokens(1);
    ck_assert_int_eq(pthread_cond_signal(&cond), 0);
    join_thread(thread);
    ck_assert_int_eq(taken, 1);
}
END_TEST

START_TEST(signal_with_the_mutex_held_wakes_a_waiter)
{
    pthread_t thread = start_thread(take_token, NULL);

    await_waiters(1);
    lock();
    tokens = 1;
    ck_assert_int_eq(pthread_cond_signal(&cond), 0);
    sleep_ms(2);
    ck_assert_int_eq(taken, 0);
    unlock();
    join_thread(thread);
}
END_TEST

START_TEST(each_signal_wakes_one_at_least)
{
    enum { COUNT = 10 };
    pthread_t threads[COUNT];

    for (int i = 0; i < COUNT; i++)
        threads[i] = start_thread(take_token, NULL);
    await_waiters(COUNT);
    for (int i = 0; i < COUNT; i++) {
        give_tokens(1);
        ck_assert_int_eq(pthread_cond_signal(&cond), 0);
        while (count_taken() < i + 1)
            sleep_ms(1);
    }
    for (int i = 0; i < COUNT; i++)
        join_thread(threads[i]);
}
END_TEST

START_TEST(broadcast_wakes_all)
{
    enum { COUNT = 100 };
    pthread_t threads[COUNT];

    conf_expect_threads(COUNT);
    for (int i = 0; i < COUNT; i++)
        threads[i] = start_thread(take_token, NULL);
    await_waiters(COUNT);
    give_tokens(COUNT);
    ck_assert_int_eq(pthread_cond_broadcast(&cond), 0);
    for (int i = 0; i < COUNT; i++)
        join_thread(threads[i]);
    ck_assert_int_eq(taken, COUNT);
}
END_TEST

START_TEST(nobody_waiting_nothing_kept)
{
    struct timespec when;
    int err = 0;

    ck_assert_int_eq(pthread_cond_signal(&cond), 0);
    ck_assert_int_eq(pthread_cond_broadcast(&cond), 0);
    when = deadline_in(CLOCK_REALTIME, 20);
    lock();
    while (err == 0)
        err = pthread_cond_timedwait(&cond, &mutex, &when);
    unlock();
    ck_assert_int_eq(err, ETIMEDOUT);
}
END_TEST

/* Timed waits: timedwait by the clock of the attribute, clockwait by either. */
enum { VARIANTS = 4 };
static const clockid_t clocks[VARIANTS] = {CLOCK_REALTIME, CLOCK_MONOTONIC,
                                           CLOCK_REALTIME, CLOCK_MONOTONIC};
static pthread_cond_t timed;

static void init_timed(int variant)
{
    pthread_condattr_t attr;
    clockid_t clock;

    ck_assert_int_eq(pthread_condattr_init(&attr), 0);
    ck_assert_int_eq(pthread_condattr_getclock(&attr, &clock), 0);
    ck_assert_int_eq(clock, CLOCK_REALTIME);
    if (variant == 1)
        ck_assert_int_eq(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC), 0);
    ck_assert_int_eq(pthread_condattr_setclock(&attr, CLOCK_PROCESS_CPUTIME_ID),
                     EINVAL);
    ck_assert_int_eq(pthread_cond_init(&timed, &attr), 0);
    ck_assert_int_eq(pthread_condattr_destroy(&attr), 0);
}

static int wait_until(int variant, const struct timespec *when)
{
    if (variant < 2)
        return pthread_cond_timedwait(&timed, &mutex, when);
    return pthread_cond_clockwait(&timed, &mutex, clocks[variant], when);
}

START_TEST(a_wait_ends_at_the_deadline)
{
    struct timespec when;
    int64_t before;
    int err = 0;

    init_timed(_i);
    before = now_ns();
    when = deadline_in(clocks[_i], 30);
    lock();
    while (err == 0)
        err = wait_until(_i, &when);
    ck_assert_int_eq(err, ETIMEDOUT);
    ck_assert_int_ge(now_ns() - before, 29 * CONF_MS);
    ck_assert_int_lt(now_ns() - before, 5 * CONF_S);
    ck_assert_int_eq(pthread_mutex_trylock(&mutex), EBUSY);
    when = deadline_in(clocks[_i], -10000);
    ck_assert_int_eq(wait_until(_i, &when), ETIMEDOUT);
    unlock();
    ck_assert_int_eq(pthread_cond_destroy(&timed), 0);
}
END_TEST

static void signal_timed(void *argument)
{
    (void)argument;
    lock();
    tokens = 1;
    CONF_CHECK(pthread_cond_signal(&timed) == 0);
    unlock();
}

START_TEST(a_signal_comes_before_the_deadline)
{
    struct timespec when;
    pthread_t thread;

    init_timed(_i);
    when = deadline_in(clocks[_i], 20000);
    thread = start_later(20, signal_timed, NULL);
    lock();
    while (tokens == 0)
        ck_assert_int_eq(wait_until(_i, &when), 0);
    unlock();
    join_thread(thread);
    ck_assert_int_eq(pthread_cond_destroy(&timed), 0);
}
END_TEST

START_TEST(refuses_a_time_that_is_none)
{
    struct timespec bad = bad_deadline();

    init_timed(_i);
    lock();
    ck_assert_int_eq(wait_until(_i, &bad), EINVAL);
    ck_assert_int_eq(pthread_mutex_trylock(&mutex), EBUSY);
    unlock();
    ck_assert_int_eq(pthread_cond_destroy(&timed), 0);
}
END_TEST

START_TEST(refuses_a_clock_that_nobody_waits_on)
{
    struct timespec when = deadline_in(CLOCK_MONOTONIC, 100);

    lock();
    ck_assert_int_eq(
        pthread_cond_clockwait(&cond, &mutex, CLOCK_PROCESS_CPUTIME_ID, &when),
        EINVAL);
    unlock();
}
END_TEST

/* A signal goes to one who still waits, not to one whose time is up.  It stays
 * counted: its time may be up before the other one comes. */
static void *wait_briefly(void *argument)
{
    struct timespec when = deadline_in(CLOCK_REALTIME, 10);

    lock();
    waiting++;
    pthread_cond_timedwait(&cond, &mutex, &when);
    unlock();
    return argument;
}

START_TEST(one_whose_time_is_up_takes_no_signal)
{
    pthread_t brief = start_thread(wait_briefly, NULL);
    pthread_t patient = start_thread(take_token, NULL);

    await_waiters(2);
    join_thread(brief);
    give_tokens(1);
    ck_assert_int_eq(pthread_cond_signal(&cond), 0);
    join_thread(patient);
    ck_assert_int_eq(taken, 1);
}
END_TEST

/* A recursive mutex is given up wholly only when held once. */
START_TEST(works_with_a_recursive_mutex)
{
    static pthread_mutex_t recursive = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
    struct timespec when = deadline_in(CLOCK_REALTIME, 10);
    int err = 0;

    ck_assert_int_eq(pthread_mutex_lock(&recursive), 0);
    while (err == 0)
        err = pthread_cond_timedwait(&cond, &recursive, &when);
    ck_assert_int_eq(err, ETIMEDOUT);
    ck_assert_int_eq(pthread_mutex_unlock(&recursive), 0);
    ck_assert_int_eq(pthread_mutex_unlock(&recursive), EPERM);
}
END_TEST

START_TEST(refuses_an_errorcheck_mutex_that_is_not_held)
{
    static pthread_mutex_t checked = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP;

    ck_assert_int_eq(pthread_cond_wait(&cond, &checked), EPERM);
}
END_TEST

static void add(TCase *tcase)
{
    tcase_add_checked_fixture(tcase, setup, NULL);
    conf_test(tcase, signal_wakes_a_waiter, 1);
    conf_test(tcase, signal_with_the_mutex_held_wakes_a_waiter, 1);
    conf_test(tcase, each_signal_wakes_one_at_least, 1);
    conf_test(tcase, broadcast_wakes_all, 1);
    conf_test(tcase, nobody_waiting_nothing_kept, 1);
    conf_test(tcase, a_wait_ends_at_the_deadline, VARIANTS);
    conf_test(tcase, a_signal_comes_before_the_deadline, VARIANTS);
    conf_test(tcase, refuses_a_time_that_is_none, VARIANTS);
    conf_test(tcase, refuses_a_clock_that_nobody_waits_on, 1);
    conf_test(tcase, one_whose_time_is_up_takes_no_signal, 1);
    conf_test(tcase, works_with_a_recursive_mutex, 1);
    conf_test(tcase, refuses_an_errorcheck_mutex_that_is_not_held, 1);
}

int main(void)
{
    return conf_main("cond", add, CONF_THREADS);
}
