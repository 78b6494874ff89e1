/* sigwait, sigwaitinfo, sigtimedwait and pause */
#include "conformance.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

static sigset_t set, before;
static volatile int ticks;
static volatile bool stop;

static void setup(void)
{
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGUSR2);
    ck_assert_int_eq(pthread_sigmask(SIG_BLOCK, &set, &before), 0);
    ticks = 0;
    stop = false;
}

static void teardown(void)
{
    ck_assert_int_eq(pthread_sigmask(SIG_SETMASK, &before, NULL), 0);
}

static void *tick(void *argument)
{
    while (!stop) {
        sleep_ms(1);
        ticks++;
    }
    return argument;
}

static void send(void *number)
{
    CONF_CHECK(kill(getpid(), (int)(intptr_t)number) == 0);
}

/* Sends once the other threads are seen to run. */
static void *send_after_ticks(void *number)
{
    int from = ticks;

    while (ticks < from + 6)
        sleep_ms(1);
    send(number);
    return NULL;
}

static void send_value(void *value)
{
    CONF_CHECK(sigqueue(getpid(), SIGUSR1,
                        (union sigval){ .sival_ptr = value }) == 0);
}

START_TEST(takes_a_pending_signal_at_once)
{
    int number = 0;

    ck_assert_int_eq(kill(getpid(), SIGUSR2), 0);
    errno = 77;
    ck_assert_int_eq(sigwait(&set, &number), 0);
    ck_assert_int_eq(number, SIGUSR2);
    ck_assert_int_eq(errno, 77);
}
END_TEST

START_TEST(waits_while_other_threads_run)
{
    pthread_t ticker = start_thread(tick, NULL), sender;
    int number = 0;

    sender = start_thread(send_after_ticks, (void *)(intptr_t)SIGUSR1);
    ck_assert_int_eq(sigwait(&set, &number), 0);
    ck_assert_int_eq(number, SIGUSR1);
    stop = true;
    join_thread(ticker);
    join_thread(sender);
}
END_TEST

static void *wait_one(void *argument)
{
    int number = 0;

    CONF_CHECK(sigwait(&set, &number) == 0);
    CONF_CHECK(number == SIGUSR1 || number == SIGUSR2);
    (void)argument;
    return (void *)(intptr_t)number;
}

START_TEST(gives_each_signal_to_one_of_several_threads)
{
    pthread_t first = start_thread(wait_one, NULL);
    pthread_t second = start_thread(wait_one, NULL);
    intptr_t sum;

    sleep_ms(20);
    send((void *)(intptr_t)SIGUSR1);
    send((void *)(intptr_t)SIGUSR2);
    sum = (intptr_t)join_thread(first);
    sum += (intptr_t)join_thread(second);
    ck_assert_int_eq(sum, SIGUSR1 + SIGUSR2);
}
END_TEST

static volatile int handled;

static void handler(int number)
{
    handled = number;
}

static volatile int taken[2];

static void *take_own(void *which)
{
    siginfo_t info;

    CONF_CHECK(sigwaitinfo(&set, &info) == SIGUSR1);
    CONF_CHECK(info.si_pid == getpid() && info.si_code == SI_USER);
    taken[(intptr_t)which] = 1;
    return which;
}

/* With a handler (_i == 1), which never runs, and without one. */
START_TEST(a_signal_to_one_thread_is_taken_there)
{
    pthread_t threads[2];

    handled = 0;
    if (_i == 1)
        signal(SIGUSR1, handler);
    taken[0] = taken[1] = 0;
    for (intptr_t i = 0; i < 2; i++)
        threads[i] = start_thread(take_own, (void *)i);
    sleep_ms(10);
    ck_assert_int_eq(pthread_kill(threads[1], SIGUSR1), 0);
    join_thread(threads[1]);
    ck_assert_int_eq(taken[0], 0);
    ck_assert_int_eq(pthread_kill(threads[0], SIGUSR1), 0);
    join_thread(threads[0]);
    ck_assert_int_eq(handled, 0);
    signal(SIGUSR1, SIG_DFL);
}
END_TEST

START_TEST(sigwaitinfo_tells_who_and_what)
{
    int dummy;
    siginfo_t info;
    pthread_t sender = start_later(20, send_value, &dummy);

    ck_assert_int_eq(sigwaitinfo(&set, &info), SIGUSR1);
    ck_assert_int_eq(info.si_signo, SIGUSR1);
    ck_assert_int_eq(info.si_code, SI_QUEUE);
    ck_assert_int_eq(info.si_pid, getpid());
    ck_assert_ptr_eq(info.si_value.sival_ptr, &dummy);
    join_thread(sender);
}
END_TEST

START_TEST(sigtimedwait_gives_up_at_its_time)
{
    const struct timespec wait = { 0, 30 * 1000000 }, none = { 0, 0 };
    int64_t from = now_ns();

    errno = 0;
    ck_assert_int_eq(sigtimedwait(&set, NULL, &wait), -1);
    ck_assert_int_eq(errno, EAGAIN);
    ck_assert_int_ge(now_ns() - from, 30 * CONF_MS);
    errno = 0;
    ck_assert_int_eq(sigtimedwait(&set, NULL, &none), -1);
    ck_assert_int_eq(errno, EAGAIN);
}
END_TEST

START_TEST(sigtimedwait_refuses_a_time_that_is_none)
{
    const struct timespec wrong = { 0, 1000000000 };

    errno = 0;
    ck_assert_int_eq(sigtimedwait(&set, NULL, &wrong), -1);
    ck_assert_int_eq(errno, EINVAL);
}
END_TEST

static void handle_alarm(void)
{
    struct sigaction action = { .sa_handler = handler,
                                .sa_flags = SA_RESTART };

    handled = 0;
    ck_assert_int_eq(sigaction(SIGALRM, &action, NULL), 0);
}

/* Again and again: one that comes before the wait does not end it. */
static void *send_alarms(void *argument)
{
    int from = ticks;

    while (!stop) {
        sleep_ms(10);
        if (ticks > from + 3) /* other threads run */
            send((void *)(intptr_t)SIGALRM);
    }
    return argument;
}

START_TEST(sigwaitinfo_ends_when_a_handler_ran)
{
    pthread_t ticker = start_thread(tick, NULL), sender;

    handle_alarm();
    sender = start_thread(send_alarms, NULL);
    errno = 0;
    ck_assert_int_eq(sigwaitinfo(&set, NULL), -1);
    ck_assert_int_eq(errno, EINTR);
    ck_assert_int_eq(handled, SIGALRM);
    stop = true;
    join_thread(ticker);
    join_thread(sender);
    signal(SIGALRM, SIG_DFL);
}
END_TEST

START_TEST(pause_ends_when_a_handler_ran)
{
    pthread_t ticker = start_thread(tick, NULL), sender;

    handle_alarm();
    sender = start_thread(send_alarms, NULL);
    errno = 0;
    ck_assert_int_eq(pause(), -1);
    ck_assert_int_eq(errno, EINTR);
    ck_assert_int_eq(handled, SIGALRM);
    stop = true;
    join_thread(ticker);
    join_thread(sender);
    signal(SIGALRM, SIG_DFL);
}
END_TEST

START_TEST(sigsuspend_takes_its_mask_for_the_wait_alone)
{
    pthread_t ticker, sender;
    sigset_t open_mask, blocked, now;

    handle_alarm();
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGALRM);
    sigfillset(&open_mask);
    sigdelset(&open_mask, SIGALRM);
    ck_assert_int_eq(pthread_sigmask(SIG_BLOCK, &blocked, NULL), 0);
    ticker = start_thread(tick, NULL); /* blocks it, too */
    if (_i == 0) {
        sender = start_thread(send_after_ticks, (void *)(intptr_t)SIGALRM);
    } else { /* pending already */
        sender = start_later(0, send, (void *)(intptr_t)SIGALRM);
        sleep_ms(30);
    }
    errno = 0;
    ck_assert_int_eq(sigsuspend(&open_mask), -1);
    ck_assert_int_eq(errno, EINTR);
    ck_assert_int_eq(handled, SIGALRM);
    ck_assert_int_eq(pthread_sigmask(SIG_UNBLOCK, &blocked, &now), 0);
    ck_assert(sigismember(&now, SIGALRM) && sigismember(&now, SIGUSR1));
    ck_assert(!sigismember(&now, SIGTERM));
    stop = true;
    join_thread(ticker);
    join_thread(sender);
    signal(SIGALRM, SIG_DFL);
}
END_TEST

static void *wait_for_ever(void *argument)
{
    int number;

    sigwait(&set, &number);
    return argument;
}

START_TEST(sigwait_is_a_cancellation_point)
{
    pthread_t thread = start_thread(wait_for_ever, NULL);

    sleep_ms(10);
    ck_assert_int_eq(pthread_cancel(thread), 0);
    ck_assert_ptr_eq(join_thread(thread), PTHREAD_CANCELED);
}
END_TEST

static void add(TCase *tcase)
{
    tcase_add_checked_fixture(tcase, setup, teardown);
    conf_test(tcase, takes_a_pending_signal_at_once, 1);
    conf_test(tcase, waits_while_other_threads_run, 1);
    conf_test(tcase, gives_each_signal_to_one_of_several_threads, 1);
    conf_test(tcase, a_signal_to_one_thread_is_taken_there, 2);
    conf_test(tcase, sigwaitinfo_tells_who_and_what, 1);
    conf_test(tcase, sigtimedwait_gives_up_at_its_time, 1);
    conf_test(tcase, sigtimedwait_refuses_a_time_that_is_none, 1);
    conf_test(tcase, sigwaitinfo_ends_when_a_handler_ran, 1);
    conf_test(tcase, pause_ends_when_a_handler_ran, 1);
    conf_test(tcase, sigsuspend_takes_its_mask_for_the_wait_alone, 2);
    conf_test(tcase, sigwait_is_a_cancellation_point, 1);
}

int main(void)
{
    return conf_main("sigwait", add, CONF_THREADS);
}
