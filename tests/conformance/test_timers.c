/* Timers: timer_create(2) by signal, to a thread, and by a new thread;
 * setitimer(2), alarm(2); and the CPU clocks of threads */
#include "conf_threads.h"

#include <errno.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

static volatile int handled, value_of_last, code_of_last;
static volatile pthread_t handled_by;
static sem_t started, rang;

static void note(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)context;
    handled++;
    handled_by = pthread_self();
    value_of_last = info->si_value.sival_int;
    code_of_last = info->si_code;
}

static void setup(void)
{
    struct sigaction action = { .sa_sigaction = note,
                                .sa_flags = SA_SIGINFO };

    handled = 0;
    ck_assert_int_eq(sem_init(&started, 0, 0), 0);
    ck_assert_int_eq(sem_init(&rang, 0, 0), 0);
    ck_assert_int_eq(sigaction(SIGUSR1, &action, NULL), 0);
    ck_assert_int_eq(sigaction(SIGALRM, &action, NULL), 0);
}

static void teardown(void)
{
    signal(SIGUSR1, SIG_DFL);
    signal(SIGALRM, SIG_DFL);
}

static void set(timer_t timer, int ms, int every_ms)
{
    struct itimerspec when = { { every_ms / 1000,
                                 every_ms % 1000 * 1000000L },
                               { ms / 1000, ms % 1000 * 1000000L } };

    CONF_CHECK(timer_settime(timer, 0, &when, NULL) == 0);
}

static void *have_a_timer(void *argument)
{
    struct sigevent event = { .sigev_notify = SIGEV_SIGNAL,
                              .sigev_signo = SIGUSR1,
                              .sigev_value = { .sival_int = 12 } };
    timer_t timer;

    CONF_CHECK(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
    set(timer, 10, 10);
    for (int i = 0; i < 400 && handled < 3; i++)
        sleep_ms(5);
    CONF_CHECK(handled >= 3 && value_of_last == 12);
    CONF_CHECK(code_of_last == SI_TIMER);
    CONF_CHECK(timer_getoverrun(timer) >= 0);
    CONF_CHECK(timer_delete(timer) == 0);
    errno = 0;
    CONF_CHECK(timer_delete(timer) == -1 && errno == EINVAL);
    return argument;
}

START_TEST(a_timer_signals_again_and_again)
{
    have_a_timer(NULL);
    handled = 0;
    join_thread(start_thread(have_a_timer, NULL));
}
END_TEST

static struct sigevent event_for_me(void)
{
    struct sigevent event = { .sigev_notify = SIGEV_THREAD_ID,
                              .sigev_signo = SIGUSR1,
                              .sigev_value = { .sival_int = 13 } };

    event.sigev_notify_thread_id = gettid();
    return event;
}

static void wait_for_it(void)
{
    CONF_CHECK(pause() == -1 && errno == EINTR);
    CONF_CHECK(pthread_equal(handled_by, pthread_self()));
    CONF_CHECK(value_of_last == 13);
}

static void *have_a_timer_of_its_own(void *argument)
{
    struct sigevent event = event_for_me();
    timer_t timer;

    CONF_CHECK(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
    set(timer, 20, 0);
    wait_for_it();
    CONF_CHECK(timer_delete(timer) == 0);
    return argument;
}

static void *have_one_by_number(void *argument)
{
    struct itimerspec when = { { 0, 0 }, { 0, 20 * CONF_MS } };
    struct sigevent event = event_for_me();
    int timer;

    CONF_CHECK(syscall(SYS_timer_create, CLOCK_MONOTONIC, &event, &timer) == 0);
    CONF_CHECK(syscall(SYS_timer_settime, timer, 0, &when, NULL) == 0);
    wait_for_it();
    CONF_CHECK(syscall(SYS_timer_delete, timer) == 0);
    errno = 0;
    CONF_CHECK(syscall(SYS_timer_delete, timer) == -1 && errno == EINVAL);
    return argument;
}

static bool emulator_renumbers_timers(void)
{
    if (!conf_emulated())
        return false;
    conf_skip("this emulator's signals name another timer than it made");
    return true;
}

START_TEST(a_timer_for_one_thread_may_be_made_by_its_number)
{
    if (emulator_renumbers_timers())
        return;
    for (int i = 0; i < 3; i++)
        join_thread(start_thread(have_one_by_number, NULL));
    ck_assert_int_eq(handled, 3);
    have_one_by_number(NULL);
}
END_TEST

START_TEST(a_timer_may_be_for_one_thread)
{
    if (emulator_renumbers_timers())
        return;
    for (int i = 0; i < 3; i++)
        join_thread(start_thread(have_a_timer_of_its_own, NULL));
    ck_assert_int_eq(handled, 3);
    have_a_timer_of_its_own(NULL);
}
END_TEST

static void ring(union sigval value)
{
    value_of_last = value.sival_int;
    CONF_CHECK(sem_post(&rang) == 0);
}

START_TEST(a_timer_may_call_in_a_thread)
{
    struct sigevent event = { .sigev_notify = SIGEV_THREAD,
                              .sigev_notify_function = ring,
                              .sigev_value = { .sival_int = 14 } };
    timer_t timer;

    ck_assert_int_eq(timer_create(CLOCK_REALTIME, &event, &timer), 0);
    set(timer, 10, 10);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(sem_wait(&rang), 0);
    ck_assert_int_eq(value_of_last, 14);
    ck_assert_int_eq(timer_delete(timer), 0);
    let_block();
}
END_TEST

START_TEST(a_timer_may_only_be_looked_at)
{
    struct sigevent event = { .sigev_notify = SIGEV_NONE };
    struct itimerspec left;
    timer_t timer;

    ck_assert_int_eq(timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
    set(timer, 30000, 0);
    sleep_ms(2);
    ck_assert_int_eq(timer_gettime(timer, &left), 0);
    ck_assert_int_le(left.it_value.tv_sec, 29);
    ck_assert_int_eq(timer_delete(timer), 0);
}
END_TEST

START_TEST(timers_refuse_nonsense)
{
    struct sigevent event = { .sigev_notify = SIGEV_SIGNAL,
                              .sigev_signo = 1000 };
    timer_t timer;

    errno = 0;
    ck_assert_int_eq(timer_create(CLOCK_MONOTONIC, &event, &timer), -1);
    ck_assert_int_eq(errno, EINVAL);
    event.sigev_signo = SIGUSR1;
    errno = 0;
    ck_assert_int_eq(timer_create(777, &event, &timer), -1);
    ck_assert_int_eq(errno, EINVAL);
    event.sigev_notify = SIGEV_THREAD_ID;
    event.sigev_notify_thread_id = 1;
    errno = 0;
    ck_assert_int_eq(timer_create(CLOCK_MONOTONIC, &event, &timer), -1);
    ck_assert_int_eq(errno, EINVAL);
}
END_TEST

static void *set_alarm(void *argument)
{
    struct itimerval when = { { 0, 0 }, { 0, 20000 } };

    CONF_CHECK(setitimer(ITIMER_REAL, &when, NULL) == 0);
    sleep_ms(60);
    return argument;
}

/* The process's, and main does not block it. */
START_TEST(an_alarm_that_a_thread_set_ends_mains_wait)
{
    pthread_t thread = start_thread(set_alarm, NULL);

    ck_assert_int_eq(sem_wait(&started), -1);
    ck_assert_int_eq(errno, EINTR);
    ck_assert_int_eq(handled, 1);
    join_thread(thread);
    ck_assert_int_eq(alarm(100), 0);
    ck_assert_int_ge(alarm(0), 99);
}
END_TEST

/* ---- CPU clocks ---- */

static int64_t cpu_ns(clockid_t clock)
{
    struct timespec now, same;

    CONF_CHECK(clock_gettime(clock, &now) == 0);
    CONF_CHECK(syscall(SYS_clock_gettime, clock, &same) == 0);
    CONF_CHECK(same.tv_sec - now.tv_sec <= 1);
    return now.tv_sec * CONF_S + now.tv_nsec;
}

static void burn_ms(int ms)
{
    int64_t from = cpu_ns(CLOCK_THREAD_CPUTIME_ID);

    while (cpu_ns(CLOCK_THREAD_CPUTIME_ID) < from + ms * CONF_MS)
        ;
}

static volatile int64_t burnt, slept;
static volatile int looked; /* at the clock of who sleeps, which goes with it */

static void *burn(void *argument)
{
    struct rusage usage;

    for (int i = 0; i < 5; i++) {
        burn_ms(10);
        sleep_ms(1);
    }
    burnt = cpu_ns(CLOCK_THREAD_CPUTIME_ID);
    CONF_CHECK(getrusage(RUSAGE_THREAD, &usage) == 0);
    return argument;
}

static void *sleep_only(void *argument)
{
    sleep_ms(80);
    while (!looked)
        sleep_ms(10);
    slept = cpu_ns(CLOCK_THREAD_CPUTIME_ID);
    return argument;
}

START_TEST(each_thread_has_its_own_cpu_time)
{
    pthread_t first, second;
    struct timespec unit;
    clockid_t clock;

    cpu_ns(CLOCK_THREAD_CPUTIME_ID);
    first = start_thread(burn, NULL);
    second = start_thread(sleep_only, NULL);
    ck_assert_int_eq(pthread_getcpuclockid(second, &clock), 0);
    sleep_ms(30);
    ck_assert_int_lt(cpu_ns(clock), 20 * CONF_MS);
    ck_assert_int_eq(clock_getres(clock, &unit), 0);
    ck_assert_int_gt(unit.tv_nsec, 0);
    looked = 1;
    ck_assert_int_eq(pthread_getcpuclockid(pthread_self(), &clock), 0);
    ck_assert_int_le(cpu_ns(clock), cpu_ns(CLOCK_THREAD_CPUTIME_ID));
    join_thread(first);
    join_thread(second);
    ck_assert_int_ge(burnt, 50 * CONF_MS);
    ck_assert_int_lt(slept, 20 * CONF_MS);
}
END_TEST

static void add(TCase *tcase)
{
    tcase_add_checked_fixture(tcase, setup, teardown);
    conf_test(tcase, a_timer_signals_again_and_again, 1);
    conf_test(tcase, a_timer_may_be_for_one_thread, 1);
    conf_test(tcase, a_timer_for_one_thread_may_be_made_by_its_number, 1);
    conf_test(tcase, a_timer_may_call_in_a_thread, 1);
    conf_test(tcase, a_timer_may_only_be_looked_at, 1);
    conf_test(tcase, timers_refuse_nonsense, 1);
    conf_test(tcase, an_alarm_that_a_thread_set_ends_mains_wait, 1);
    conf_test(tcase, each_thread_has_its_own_cpu_time, 1);
}

int main(void)
{
    return conf_main("timers", add, CONF_THREADS);
}
