/* sleep(3), usleep(3), nanosleep(2) and clock_nanosleep(2) */
#include "conformance.h"

#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { SOME_ERRNO = 4242, REST_NS = 5000000 };

static int by_usleep(int64_t ns)
{
    return usleep((useconds_t)(ns / 1000));
}

static int by_nanosleep(int64_t ns)
{
    struct timespec rest = { ns / CONF_S, ns % CONF_S };

    return nanosleep(&rest, NULL);
}

static int by_clock_nanosleep(int64_t ns)
{
    struct timespec rest = { ns / CONF_S, ns % CONF_S };

    return clock_nanosleep(CLOCK_REALTIME, 0, &rest, NULL);
}

static int by_monotonic(int64_t ns)
{
    struct timespec rest = { ns / CONF_S, ns % CONF_S };

    return clock_nanosleep(CLOCK_MONOTONIC, 0, &rest, &rest);
}

static int until(clockid_t clock, int64_t ns)
{
    struct timespec then;

    clock_gettime(clock, &then);
    then.tv_nsec += ns;
    then.tv_sec += then.tv_nsec / CONF_S;
    then.tv_nsec %= CONF_S;
    return clock_nanosleep(clock, TIMER_ABSTIME, &then, NULL);
}

static int until_monotonic(int64_t ns)
{
    return until(CLOCK_MONOTONIC, ns);
}

static int until_real(int64_t ns)
{
    return until(CLOCK_REALTIME, ns);
}

static int until_boottime(int64_t ns)
{
    return until(CLOCK_BOOTTIME, ns);
}

static int by_number(int64_t ns)
{
    struct timespec rest = { ns / CONF_S, ns % CONF_S };

    return (int)syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &rest, NULL);
}

static int (*const spellings[])(int64_t ns) = {
    by_usleep,  by_nanosleep,   by_clock_nanosleep, by_monotonic, by_number,
    until_real, until_monotonic, until_boottime,
};
enum { SPELLINGS = 8 };

START_TEST(takes_the_time_asked_for)
{
    int64_t began = now_ns();

    errno = SOME_ERRNO;
    ck_assert_int_eq(spellings[_i](REST_NS), 0);
    ck_assert_int_eq(errno, SOME_ERRNO);
    ck_assert_int_ge(now_ns() - began, REST_NS);
    ck_assert_int_lt(now_ns() - began, REST_NS + 10 * CONF_S);
}
END_TEST

/* Sleepers of one program sleep side by side. */

static int64_t long_rest;

static void *rest_long(void *spelling)
{
    CONF_CHECK(spellings[(intptr_t)spelling](long_rest) == 0);
    return NULL;
}

static int64_t rest_in_twenty(int spelling)
{
    pthread_t threads[20];
    int64_t began = now_ns();

    for (int i = 0; i < 20; i++)
        threads[i] = start_thread(rest_long, (void *)(intptr_t)spelling);
    for (int i = 0; i < 20; i++)
        join_thread(threads[i]);
    return now_ns() - began;
}

/* A busy machine takes its time to make twenty threads: then a longer one. */
START_TEST(of_twenty_threads_is_one_wait)
{
    int64_t took;

    long_rest = 40 * CONF_MS;
    for (;;) {
        took = rest_in_twenty(_i);
        ck_assert_int_ge(took, long_rest);
        if (took < 10 * long_rest || long_rest >= CONF_S)
            break;
        long_rest *= 3;
    }
    ck_assert_int_lt(took, 10 * long_rest);
}
END_TEST

static int woken, step_ms;
static struct sleeper {
    int steps, place;
} sleepers[] = { { 3, 0 }, { 1, 0 }, { 5, 0 }, { 2, 0 }, { 4, 0 } };

static void *sleep_and_note(void *argument)
{
    struct sleeper *sleeper = argument;

    sleep_ms(sleeper->steps * step_ms);
    sleeper->place = __atomic_add_fetch(&woken, 1, __ATOMIC_SEQ_CST);
    return NULL;
}

static bool wakes_in_order(void)
{
    pthread_t threads[5];
    bool in_order = true;

    woken = 0;
    for (int i = 0; i < 5; i++)
        threads[i] = start_thread(sleep_and_note, &sleepers[i]);
    for (int i = 0; i < 5; i++)
        join_thread(threads[i]);
    for (int i = 0; i < 5; i++)
        in_order &= sleepers[i].place == sleepers[i].steps;
    return in_order;
}

/* A busy machine may run a native thread late: then longer ones. */
START_TEST(wakes_sleepers_in_the_order_of_their_times)
{
    step_ms = 30;
    while (!wakes_in_order()) {
        ck_assert_int_lt(step_ms, 1000);
        step_ms *= 3;
    }
}
END_TEST

START_TEST(of_nothing_returns)
{
    struct timespec none = { 0, 0 }, past = { 1, 0 };

    ck_assert_uint_eq(sleep(0), 0);
    ck_assert_int_eq(usleep(0), 0);
    ck_assert_int_eq(nanosleep(&none, NULL), 0);
    ck_assert_int_eq(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &past,
                                     NULL),
                     0);
    ck_assert_int_eq(clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &none,
                                     NULL),
                     0);
}
END_TEST

START_TEST(sleep_counts_seconds)
{
    int64_t began = now_ns();

    errno = SOME_ERRNO;
    ck_assert_uint_eq(sleep(1), 0);
    ck_assert_int_eq(errno, SOME_ERRNO);
    ck_assert_int_ge(now_ns() - began, CONF_S);
    ck_assert_int_lt(now_ns() - began, 20 * CONF_S);
}
END_TEST

static const struct timespec wrong[] = {
    { 0, -1 }, { 0, 1000000000 }, { -1, 0 }, { 0, INT64_MAX },
    { INT64_MIN, 0 },
};

START_TEST(refuses_what_is_no_time)
{
    ck_assert_int_eq(nanosleep(&wrong[_i], NULL), -1);
    ck_assert_int_eq(errno, EINVAL);
    errno = SOME_ERRNO;
    ck_assert_int_eq(clock_nanosleep(CLOCK_MONOTONIC, 0, &wrong[_i], NULL),
                     EINVAL);
    ck_assert_int_eq(
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &wrong[_i], NULL),
        EINVAL);
    ck_assert_int_eq(errno, SOME_ERRNO); /* it returns its errors */
}
END_TEST

START_TEST(refuses_what_is_no_clock_or_address)
{
    struct timespec rest = { 0, 1000 };

    errno = SOME_ERRNO;
    ck_assert_int_eq(clock_nanosleep(12345, 0, &rest, NULL), EINVAL);
    ck_assert_int_eq(
        clock_nanosleep(CLOCK_THREAD_CPUTIME_ID, 0, &rest, NULL), EINVAL);
    ck_assert_int_eq(
        clock_nanosleep(CLOCK_MONOTONIC, 0, conf_bad_address(), NULL), EFAULT);
    ck_assert_int_eq(errno, SOME_ERRNO);
    ck_assert_int_eq(nanosleep(conf_bad_address(), NULL), -1);
    ck_assert_int_eq(errno, EFAULT);
}
END_TEST

START_TEST(leaves_the_rest_alone_when_nothing_is_left)
{
    struct timespec rest = { 0, 1000 }, left = { 7, 7 };

    ck_assert_int_eq(nanosleep(&rest, &left), 0);
    ck_assert_int_eq(left.tv_sec, 7);
    ck_assert_int_eq(left.tv_nsec, 7);
}
END_TEST

/* Sleeps of 100 us may be late on a busy machine, but hardly each of 200; on
 * a clock that counts milliseconds each of them is. */
START_TEST(of_a_moment_is_a_moment)
{
    int quick = 0;

    for (int i = 0; i < 200; i++) {
        int64_t began = now_ns(), took;

        ck_assert_int_eq(usleep(100), 0);
        took = now_ns() - began;
        ck_assert_int_ge(took, 100000);
        quick += took < 700000;
    }
    ck_assert_int_ge(quick, 20);
}
END_TEST

static void add(TCase *tcase)
{
    conf_test(tcase, takes_the_time_asked_for, SPELLINGS);
    conf_test(tcase, of_twenty_threads_is_one_wait, SPELLINGS);
    conf_test(tcase, wakes_sleepers_in_the_order_of_their_times, 1);
    conf_test(tcase, of_nothing_returns, 1);
    conf_test(tcase, sleep_counts_seconds, 1);
    conf_test(tcase, refuses_what_is_no_time,
              sizeof wrong / sizeof wrong[0]);
    conf_test(tcase, refuses_what_is_no_clock_or_address, 1);
    conf_test(tcase, leaves_the_rest_alone_when_nothing_is_left, 1);
    conf_test(tcase, of_a_moment_is_a_moment, 1);
}

int main(void)
{
    return conf_main("sleep", add, CONF_THREADS);
}
