/* What is said of a thread that has ended and that nobody has joined */
#include "conf_threads.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>

static pthread_t thread;

static void *end_at_once(void *argument)
{
    return argument;
}

static void setup(void)
{
    thread = start_thread(end_at_once, NULL);
    sleep_ms(100);
}

static void teardown(void)
{
    join_thread(thread);
}

START_TEST(it_takes_signals_and_cancellation_in_silence)
    {
        ck_assert_int_eq(pthread_kill(thread, 0), 0);
        ck_assert_int_eq(pthread_kill(thread, SIGUSR1), 0);
        ck_assert_int_eq(pthread_cancel(thread), 0);
    }
END_TEST

START_TEST(a_signal_with_a_value_finds_nobody)
    {
        union sigval value = {0};

        ck_assert_int_eq(pthread_sigqueue(thread, SIGUSR1, value), ESRCH);
    }
END_TEST

START_TEST(it_has_no_clock)
    {
        clockid_t clock;

        ck_assert_int_eq(pthread_getcpuclockid(thread, &clock), ESRCH);
    }
END_TEST

START_TEST(it_has_no_policy)
    {
        struct sched_param param = {0};
        int policy;

        ck_assert_int_eq(pthread_getschedparam(thread, &policy, &param), ESRCH);
        ck_assert_int_eq(pthread_setschedparam(thread, SCHED_OTHER, &param),
                         ESRCH);
        ck_assert_int_eq(pthread_setschedprio(thread, 0), ESRCH);
    }
END_TEST

START_TEST(it_has_no_name)
    {
        char name[16];

        ck_assert_int_eq(pthread_getname_np(thread, name, sizeof name), ENOENT);
        ck_assert_int_eq(pthread_setname_np(thread, "late"), ENOENT);
    }
END_TEST

static void add(TCase *tcase)
{
    tcase_add_checked_fixture(tcase, setup, teardown);
    conf_test(tcase, it_takes_signals_and_cancellation_in_silence, 1);
    conf_test(tcase, a_signal_with_a_value_finds_nobody, 1);
    conf_test(tcase, it_has_no_clock, 1);
    conf_test(tcase, it_has_no_policy, 1);
    conf_test(tcase, it_has_no_name, 1);
}

int main(void)
{
    return conf_main("pthread_ended", add, CONF_THREADS);
}
