/* The signal masks of ppoll(2), pselect(2), epoll_pwait(2), epoll_pwait2(2)
 *
 * A program blocks a signal and lets it in only while it waits: nothing can
 * come between.  The mask is the calling thread's and is put back. */
#include "conformance.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <time.h>
#include <unistd.h>

enum { DELAY_MS = 10, LONG_MS = 10000 };

static volatile sig_atomic_t rang;

static void ring(int signal_number)
{
    (void)signal_number;
    rang++;
}

/* Each waits on nothing, for `ms`, with `mask`. */

static int by_ppoll(int ms, const sigset_t *mask)
{
    struct timespec limit = { ms / 1000, ms % 1000 * 1000000L };

    return ppoll(NULL, 0, &limit, mask);
}

static int by_pselect(int ms, const sigset_t *mask)
{
    struct timespec limit = { ms / 1000, ms % 1000 * 1000000L };

    return pselect(0, NULL, NULL, NULL, &limit, mask);
}

static int wait_epoll(bool precise, int ms, const sigset_t *mask)
{
    struct timespec limit = { ms / 1000, ms % 1000 * 1000000L };
    struct epoll_event event;
    int epoll = epoll_create1(0), result = -1, error = ENOSYS;

    if (precise) {
        result = epoll_pwait2(epoll, &event, 1, &limit, mask);
        error = errno;
    }
    if (!precise || (result < 0 && error == ENOSYS)) {
        result = epoll_pwait(epoll, &event, 1, ms, mask);
        error = errno;
    }
    close(epoll);
    errno = error;
    return result;
}

static int by_epoll_pwait(int ms, const sigset_t *mask)
{
    return wait_epoll(false, ms, mask);
}

static int by_epoll_pwait2(int ms, const sigset_t *mask)
{
    return wait_epoll(true, ms, mask);
}

static int (*const waits[])(int ms, const sigset_t *mask) = {
    by_ppoll, by_pselect, by_epoll_pwait, by_epoll_pwait2,
};
enum { WAITS = 4 };

static sigset_t none, usr1, before;

static void block(void)
{
    struct sigaction action = { .sa_handler = ring, .sa_flags = SA_RESTART };

    sigemptyset(&none);
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    rang = 0;
    ck_assert_int_eq(sigaction(SIGUSR1, &action, NULL), 0);
    ck_assert_int_eq(pthread_sigmask(SIG_BLOCK, &usr1, &before), 0);
}

static void unblock(void)
{
    ck_assert_int_eq(pthread_sigmask(SIG_SETMASK, &before, NULL), 0);
    signal(SIGUSR1, SIG_DFL);
}

static bool is_blocked(void)
{
    sigset_t now;

    ck_assert_int_eq(pthread_sigmask(SIG_SETMASK, NULL, &now), 0);
    return sigismember(&now, SIGUSR1);
}

static void send_signal(void *argument)
{
    (void)argument;
    CONF_CHECK(kill(getpid(), SIGUSR1) == 0);
}

START_TEST(lets_a_signal_in_while_it_waits)
{
    pthread_t sender;
    int64_t began = now_ns();

    block();
    sender = start_later(DELAY_MS, send_signal, NULL);
    ck_assert_int_eq(waits[_i](LONG_MS, &none), -1);
    ck_assert_int_eq(errno, EINTR);
    ck_assert_int_eq(rang, 1);
    ck_assert_int_lt(now_ns() - began, LONG_MS / 2 * CONF_MS);
    ck_assert(is_blocked());
    join_thread(sender);
    unblock();
}
END_TEST

START_TEST(lets_a_pending_signal_in_at_once)
{
    block();
    ck_assert_int_eq(raise(SIGUSR1), 0);
    ck_assert_int_eq(rang, 0);
    ck_assert_int_eq(waits[_i](LONG_MS, &none), -1);
    ck_assert_int_eq(errno, EINTR);
    ck_assert_int_eq(rang, 1);
    ck_assert(is_blocked());
    unblock();
}
END_TEST

/* The signal waits until the wait is over. */
START_TEST(keeps_a_signal_out_while_it_waits)
{
    pthread_t sender;

    block();
    sender = start_later(DELAY_MS, send_signal, NULL); /* blocks it too */
    ck_assert_int_eq(pthread_sigmask(SIG_UNBLOCK, &usr1, NULL), 0);
    ck_assert_int_eq(waits[_i](4 * DELAY_MS, &usr1), 0);
    if (conf_emulated())
        conf_skip("qemu does not deliver what came while it waited");
    else
        ck_assert_int_eq(rang, 1); /* on the way out */
    ck_assert(!is_blocked());
    join_thread(sender);
    unblock();
}
END_TEST

START_TEST(without_a_mask_leaves_the_threads_own)
{
    pthread_t sender;

    block();
    sender = start_later(DELAY_MS, send_signal, NULL);
    ck_assert_int_eq(waits[_i](3 * DELAY_MS, NULL), 0);
    ck_assert_int_eq(rang, 0);
    join_thread(sender);
    ck_assert_int_eq(pthread_sigmask(SIG_UNBLOCK, &usr1, NULL), 0);
    ck_assert_int_eq(rang, 1); /* and now it comes */
    unblock();
}
END_TEST

static void add(TCase *tcase)
{
    conf_test(tcase, lets_a_signal_in_while_it_waits, WAITS);
    conf_test(tcase, lets_a_pending_signal_in_at_once, WAITS);
    conf_test(tcase, keeps_a_signal_out_while_it_waits, WAITS);
    conf_test(tcase, without_a_mask_leaves_the_threads_own, WAITS);
}

int main(void)
{
    return conf_main("sigmask", add, CONF_THREADS);
}
