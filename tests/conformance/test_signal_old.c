/* The older forms of sigaction(), sigprocmask() and sigsuspend(): they and the
 * newer ones see the same masks and handlers. */
#include "conformance.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

/* <signal.h> has only one of them, or none. */
int old_sigpause(int mask) __asm__("sigpause");
int xpg_sigpause(int number) __asm__("__xpg_sigpause");
int any_sigpause(int what, int is_signal) __asm__("__sigpause");

#define BIT(number) (1 << ((number) - 1))

static volatile sig_atomic_t handled;

static void handler(int number)
{
    handled = number;
}

static void be_threaded(void)
{
    conf_assert_mapped();
    handled = 0;
}

static bool is_blocked(int number)
{
    sigset_t set;

    CONF_CHECK(sigprocmask(SIG_BLOCK, NULL, &set) == 0);
    return sigismember(&set, number) == 1;
}

START_TEST(masks_in_an_int)
{
    int before;

    be_threaded();
    before = sigsetmask(BIT(SIGUSR1));
    ck_assert(is_blocked(SIGUSR1) && !is_blocked(SIGUSR2));
    ck_assert_int_eq(sigblock(BIT(SIGUSR2)), BIT(SIGUSR1));
    ck_assert(is_blocked(SIGUSR1) && is_blocked(SIGUSR2));
    ck_assert_int_eq(siggetmask(), BIT(SIGUSR1) | BIT(SIGUSR2));
    ck_assert_int_eq(sigsetmask(before),
                     BIT(SIGUSR1) | BIT(SIGUSR2));
    ck_assert(!is_blocked(SIGUSR1) && !is_blocked(SIGUSR2));
}
END_TEST

START_TEST(hold_and_release)
{
    be_threaded();
    signal(SIGUSR1, handler);
    ck_assert_int_eq(sighold(SIGUSR1), 0);
    ck_assert(is_blocked(SIGUSR1));
    kill(getpid(), SIGUSR1);
    ck_assert_int_eq(handled, 0);
    ck_assert_int_eq(sigrelse(SIGUSR1), 0);
    ck_assert_int_eq(handled, SIGUSR1);
    ck_assert_int_eq(sigignore(SIGUSR1), 0);
    handled = 0;
    kill(getpid(), SIGUSR1);
    ck_assert_int_eq(handled, 0);
    errno = 0;
    ck_assert_int_eq(sighold(1000), -1);
    ck_assert_int_eq(errno, EINVAL);
    signal(SIGUSR1, SIG_DFL);
}
END_TEST

START_TEST(sigset_sets_or_holds)
{
    be_threaded();
    ck_assert_ptr_eq(sigset(SIGUSR1, handler), SIG_DFL);
    raise(SIGUSR1);
    ck_assert_int_eq(handled, SIGUSR1);
    ck_assert_ptr_eq(sigset(SIGUSR1, SIG_HOLD), handler);
    ck_assert(is_blocked(SIGUSR1));
    ck_assert_ptr_eq(sigset(SIGUSR1, SIG_DFL), SIG_HOLD);
    ck_assert(!is_blocked(SIGUSR1));
    errno = 0;
    ck_assert_ptr_eq(sigset(SIGKILL, handler), SIG_ERR);
    ck_assert_int_eq(errno, EINVAL);
}
END_TEST

START_TEST(sysv_signal_is_reset_by_the_first)
{
    struct sigaction now;

    be_threaded();
    ck_assert_ptr_eq(sysv_signal(SIGUSR2, handler), SIG_DFL);
    ck_assert_int_eq(sigaction(SIGUSR2, NULL, &now), 0);
    ck_assert_ptr_eq(now.sa_handler, handler);
    ck_assert_int_eq(now.sa_flags & SA_RESTART, 0);
    raise(SIGUSR2);
    ck_assert_int_eq(handled, SIGUSR2);
    ck_assert_int_eq(sigaction(SIGUSR2, NULL, &now), 0);
    ck_assert_ptr_eq(now.sa_handler, SIG_DFL);
}
END_TEST

static void send_alarm(void *process)
{
    kill((pid_t)(intptr_t)process, SIGALRM);
}

/* Also for a handler that signal() sets later. */
START_TEST(siginterrupt_ends_waits)
{
    pthread_t thread;
    int ends[2];
    char byte;

    be_threaded();
    conf_pipe(ends);
    if (_i == 0)
        signal(SIGALRM, handler);
    ck_assert_int_eq(siginterrupt(SIGALRM, 1), 0);
    if (_i == 1)
        signal(SIGALRM, handler);
    thread = start_later(30, send_alarm, (void *)(intptr_t)getpid());
    errno = 0;
    ck_assert_int_eq(read(ends[0], &byte, 1), -1);
    ck_assert_int_eq(errno, EINTR);
    join_thread(thread);
    ck_assert_int_eq(siginterrupt(SIGALRM, 0), 0);
    signal(SIGALRM, SIG_DFL);
    conf_close_both(ends);
}
END_TEST

START_TEST(sigpause_waits_for_a_signal)
{
    pthread_t thread;

    be_threaded();
    signal(SIGALRM, handler);
    sighold(SIGALRM);
    thread = start_later(30, send_alarm, (void *)(intptr_t)getpid());
    errno = 0;
    ck_assert_int_eq(_i == 0   ? xpg_sigpause(SIGALRM)
                     : _i == 1 ? old_sigpause(0)
                     : _i == 2 ? any_sigpause(SIGALRM, 1)
                               : any_sigpause(0, 0),
                     -1);
    ck_assert_int_eq(errno, EINTR);
    ck_assert_int_eq(handled, SIGALRM);
    ck_assert(is_blocked(SIGALRM));
    sigrelse(SIGALRM);
    join_thread(thread);
    signal(SIGALRM, SIG_DFL);
}
END_TEST

static void add(TCase *tcase)
{
    conf_test(tcase, masks_in_an_int, 1);
    conf_test(tcase, hold_and_release, 1);
    conf_test(tcase, sigset_sets_or_holds, 1);
    conf_test(tcase, sysv_signal_is_reset_by_the_first, 1);
    conf_test(tcase, siginterrupt_ends_waits, 2);
    conf_test(tcase, sigpause_waits_for_a_signal, 4);
}

int main(void)
{
    return conf_main("signal_old", add, CONF_THREADS);
}
