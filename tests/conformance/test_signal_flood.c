/* Signals that come faster than they are handled; and a source of signals that is
 * stopped, and then the handler taken away */
#include "conf_threads.h"

#include <sched.h>
#include <signal.h>
#include <sys/time.h>

enum { TIMES = 1000, TIMES_EMULATED = 100 };
enum { FLOOD = 3000, DEEPEST = 100000 };

static volatile sig_atomic_t handled;
static volatile int stop;

static void count(int number)
{
    (void)number;
    handled++;
}

/* It takes turns with main, and no signal of the timer's. */
static void *yield_too(void *argument)
{
    while (!stop)
        sched_yield();
    return argument;
}

static void set_timer(int every_us)
{
    const struct itimerval value = { { 0, every_us }, { 0, every_us } };

    ck_assert_int_eq(setitimer(ITIMER_REAL, &value, NULL), 0);
}

static void block_alarms(int how)
{
    sigset_t alarms;

    sigemptyset(&alarms);
    sigaddset(&alarms, SIGALRM);
    ck_assert_int_eq(pthread_sigmask(how, &alarms, NULL), 0);
}

/* ---- faster than they are handled ---- */

static uintptr_t lowest, highest;

static void note_depth(int number)
{
    const struct itimerval never = { { 0, 0 }, { 0, 0 } };
    int64_t until = now_ns() + 20000;
    uintptr_t here = (uintptr_t)__builtin_frame_address(0);

    (void)number;
    if (here < lowest)
        lowest = here;
    if (here > highest)
        highest = here;
    while (now_ns() < until)
        continue;
    if (++handled == FLOOD)
        CONF_CHECK(setitimer(ITIMER_REAL, &never, NULL) == 0);
}

static void be_flooded(void)
{
    struct sigaction action = { .sa_handler = note_depth };

    lowest = UINTPTR_MAX;
    highest = 0;
    handled = 0;
    ck_assert_int_eq(sigaction(SIGALRM, &action, NULL), 0);
    set_timer(5);
    while (handled < FLOOD)
        continue;
    ck_assert_uint_lt(highest - lowest, DEEPEST);
    signal(SIGALRM, SIG_DFL);
}

START_TEST(a_handler_has_returned_before_the_next_one_begins)
{
    pthread_t other;

    stop = 0;
    block_alarms(SIG_BLOCK);
    other = start_thread(yield_too, NULL);
    block_alarms(SIG_UNBLOCK);
    be_flooded();
    stop = 1;
    join_thread(other);
}
END_TEST

/* ---- stopped ---- */

/* Most of the time of a thread that yields is the library's or the other's. */
static void ring_and_stop(void (*after)(int))
{
    struct sigaction action = { .sa_handler = count };
    int before = handled;

    ck_assert_int_eq(sigaction(SIGALRM, &action, NULL), 0);
    set_timer(conf_emulated() ? 2000 : 25);
    while (handled - before < 3)
        sched_yield();
    set_timer(0);
    action.sa_handler = after;
    ck_assert_int_eq(sigaction(SIGALRM, &action, NULL), 0);
    before = handled;
    sched_yield();
    ck_assert_int_eq(handled, before);
}

/* By default the signal ends the process. */
START_TEST(no_signal_comes_after_its_source_was_stopped)
{
    int times = conf_emulated() ? TIMES_EMULATED : TIMES;
    pthread_t other;

    stop = 0;
    block_alarms(SIG_BLOCK);
    other = start_thread(yield_too, NULL);
    block_alarms(SIG_UNBLOCK);
    for (int i = 0; i < times; i++)
        ring_and_stop(_i == 0 ? SIG_DFL : SIG_IGN);
    stop = 1;
    join_thread(other);
}
END_TEST

static void add(TCase *tcase)
{
    conf_test(tcase, a_handler_has_returned_before_the_next_one_begins, 1);
    conf_test(tcase, no_signal_comes_after_its_source_was_stopped, 2);
}

int main(void)
{
    return conf_main("signal_flood", add, CONF_THREADS);
}
