/* Beside a thread that computes, masks and the alternate stack stay what they
 * were set to */
#include "conf_threads.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/types.h>
#include <unistd.h>

enum { ROUNDS = 40, SPARE = 64 * 1024 };

static volatile int stop;
static volatile unsigned long work;
static volatile sig_atomic_t handled;
static pthread_t hog;

static void on_usr1(int number)
{
    (void)number;
    handled++;
}

static void *compute(void *argument)
{
    while (!stop)
        work = work + 1;
    return argument;
}

static void change_mask(int how)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    ck_assert_int_eq(pthread_sigmask(how, &set, NULL), 0);
}

/* The thread that computes has SIGUSR1 blocked for ever. */
static void setup(void)
{
    struct sigaction action = {.sa_handler = on_usr1};

    stop = handled = 0;
    ck_assert_int_eq(sigaction(SIGUSR1, &action, NULL), 0);
    change_mask(SIG_BLOCK);
    hog = start_thread(compute, NULL);
    change_mask(SIG_UNBLOCK);
    sleep_ms(1); /* it is first interrupted with main's mask as it is now */
}

static void teardown(void)
{
    stop = 1;
    join_thread(hog);
    signal(SIGUSR1, SIG_DFL);
}

START_TEST(a_blocked_signal_stays_pending)
{
    for (int i = 0; i < ROUNDS; i++) {
        change_mask(SIG_BLOCK);
        sleep_ms(1);
        ck_assert_int_eq(kill(getpid(), SIGUSR1), 0);
        sleep_ms(1);
        ck_assert_int_eq(handled, i);
        change_mask(SIG_UNBLOCK);
        ck_assert_int_eq(handled, i + 1);
    }
}
END_TEST

START_TEST(a_signal_that_main_lets_through_comes)
{
    for (int i = 0; i < ROUNDS; i++) {
        int64_t limit = now_ns() + 10 * CONF_S;

        sleep_ms(1);
        ck_assert_int_eq(kill(getpid(), SIGUSR1), 0);
        while (handled == i)
            ck_assert_int_lt(now_ns(), limit);
        ck_assert_int_eq(handled, i + 1);
    }
}
END_TEST

START_TEST(the_alternate_stack_is_the_last_one_set)
{
    stack_t off = {.ss_flags = SS_DISABLE}, now;
    char *spares = malloc(2 * SPARE);

    ck_assert_ptr_nonnull(spares);
    for (int i = 0; i < ROUNDS; i++) {
        stack_t next = {.ss_sp = spares + (i % 2) * SPARE, .ss_size = SPARE};

        ck_assert_int_eq(sigaltstack(&next, NULL), 0);
        sleep_ms(1);
        ck_assert_int_eq(sigaltstack(NULL, &now), 0);
        ck_assert_ptr_eq(now.ss_sp, next.ss_sp);
    }
    ck_assert_int_eq(sigaltstack(&off, NULL), 0);
    free(spares);
}
END_TEST

static void add(TCase *tcase)
{
    tcase_add_checked_fixture(tcase, setup, teardown);
    conf_test(tcase, a_blocked_signal_stays_pending, 1);
    conf_test(tcase, a_signal_that_main_lets_through_comes, 1);
    conf_test(tcase, the_alternate_stack_is_the_last_one_set, 1);
}

int main(void)
{
    return conf_main("preempt_signals", add, CONF_THREADS);
}
