/* siglongjmp() out of a handler that interrupted a waiting call, and what a
 * handler sees of the thread it runs in. */
#include "conf_threads.h"
#include "jump_once.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static int ends[2];
static volatile sig_atomic_t rang;
static volatile int handler_code;
static void *volatile handler_stack;

static void jump(int number)
{
    rang = number;
    siglongjmp(escape, 1);
}

static void look(int number, siginfo_t *info, void *context)
{
    (void)context;
    rang = number;
    handler_code = info->si_code;
    handler_stack = __builtin_frame_address(0);
}

/* Nothing that passes is checked once the timer runs: a check takes a lock, which
 * who is jumped out of it keeps. */
static void ring(long us, long again_us)
{
    struct itimerval timer = { { 0, again_us }, { 0, us } };

    if (setitimer(ITIMER_REAL, &timer, NULL) != 0)
        ck_abort_msg("setitimer: %s", strerror(errno));
}

static void ring_in(int ms)
{
    ring(ms * 1000L, 0);
}

static void handle(void (*simple)(int), void (*full)(int, siginfo_t *, void *))
{
    struct sigaction action;

    memset(&action, 0, sizeof action);
    if (full != NULL) {
        action.sa_sigaction = full;
        action.sa_flags = SA_SIGINFO;
    } else {
        action.sa_handler = simple;
    }
    ck_assert_int_eq(sigaction(SIGALRM, &action, NULL), 0);
}

static void *turns(void *argument)
{
    for (int i = 0; i < 20; i++)
        sleep_ms(5);
    return argument;
}

/* It blocks the alarm: no other thread shall jump to main's stack. */
static pthread_t start_without_alarm(void *(*function)(void *))
{
    pthread_t thread;
    sigset_t alarm;

    sigemptyset(&alarm);
    sigaddset(&alarm, SIGALRM);
    ck_assert_int_eq(pthread_sigmask(SIG_BLOCK, &alarm, NULL), 0);
    thread = start_thread(function, NULL);
    ck_assert_int_eq(pthread_sigmask(SIG_UNBLOCK, &alarm, NULL), 0);
    return thread;
}

START_TEST(leaves_a_waiting_read)
{
    pthread_t other = start_without_alarm(turns);
    char byte;

    conf_pipe(ends);
    rang = 0;
    handle(jump, NULL);
    if (sigsetjmp(escape, 1) == 0) {
        ring_in(20);
        ck_assert_int_eq(read(ends[0], &byte, 1), -2); /* never comes back */
    }
    ck_assert_int_eq(rang, SIGALRM);
    /* All is well afterwards: waits, and other threads. */
    ck_assert_int_eq(write(ends[1], "x", 1), 1);
    ck_assert_int_eq(read(ends[0], &byte, 1), 1);
    sleep_ms(10);
    join_thread(other);
    close(ends[0]);
    close(ends[1]);
}
END_TEST

START_TEST(leaves_again_and_again)
{
    pthread_t other = start_without_alarm(turns);

    handle(jump, NULL);
    for (volatile int i = 0; i < 10; i++) {
        rang = 0;
        if (sigsetjmp(escape, 1) == 0) {
            ring_in(5);
            sleep(5);
        }
        ck_assert_int_eq(rang, SIGALRM);
    }
    join_thread(other);
}
END_TEST

static __attribute__((noinline)) void overwrite_stack(void)
{
    volatile char room[16384];

    for (size_t i = 0; i < sizeof room; i++)
        room[i] = 0x11;
}

/* shutdown() has a look at all who wait to write. */
START_TEST(leaves_a_waiting_write)
{
    pthread_t other = start_without_alarm(turns);
    static char much[4096];
    int pair[2];

    conf_unix_pair(pair);
    handle(jump, NULL);
    for (volatile int i = 0; i < 3; i++) {
        rang = 0;
        if (sigsetjmp(escape, 1) == 0) {
            ring_in(20);
            for (;;)
                write(pair[1], much, sizeof much);
        }
        ck_assert_int_eq(rang, SIGALRM);
    }
    overwrite_stack();
    ck_assert_int_eq(shutdown(pair[1], SHUT_WR), 0);
    join_thread(other);
    close(pair[0]);
    close(pair[1]);
}
END_TEST

/* All that may be jumped out of: signal-safety(7). */
static void call_what_is_safe(int round)
{
    struct pollfd fd = { .fd = ends[0], .events = POLLIN };
    struct timespec short_time = { 0, 50000 };
    char byte;

    switch (round % 5) {
    case 0: nanosleep(&short_time, NULL); break;
    case 1: poll(&fd, 1, 1); break;
    case 2: sched_yield(); break;
    case 3: read(ends[0], &byte, 1); break;
    default: write(ends[1], "x", 1); break;
    }
}

/* At whatever instruction it comes. */
START_TEST(leaves_from_anywhere)
{
    pthread_t others[3];

    conf_pipe(ends);
    for (int i = 0; i < 3; i++)
        others[i] = start_without_alarm(turns);
    handle(jump_once, NULL);
    ring(2000, 2000);
    for (volatile int round = 0; round < 250; round++)
        if (sigsetjmp(escape, 1) == 0)
            for (armed = 1;;)
                call_what_is_safe(round);
    ring(0, 0);
    for (int i = 0; i < 3; i++)
        join_thread(others[i]);
    close(ends[0]);
    close(ends[1]);
}
END_TEST

static volatile int come_and_gone, stop;

static void *return_it(void *argument)
{
    return argument;
}

static void *make_and_join(void *argument)
{
    while (!stop) {
        join_thread(start_thread(return_it, NULL));
        come_and_gone++;
    }
    return argument;
}

static void ignore_usr2(void)
{
    struct sigaction ignore;

    memset(&ignore, 0, sizeof ignore);
    ignore.sa_handler = SIG_IGN;
    sigaction(SIGUSR2, &ignore, NULL);
}

/* Out of a call that has to do with all threads, beside some that change them. */
START_TEST(leaves_while_threads_come_and_go)
{
    enum { OTHERS = 8, MAKERS = 3 };
    pthread_t others[OTHERS], makers[MAKERS];
    int seen;

    for (int i = 0; i < OTHERS; i++)
        others[i] = start_without_alarm(turns);
    stop = 0;
    for (int i = 0; i < MAKERS; i++)
        makers[i] = start_without_alarm(make_and_join);
    handle(jump_once, NULL);
    ring(1000, 1000);
    for (volatile int round = 0; round < 300; round++)
        if (sigsetjmp(escape, 1) == 0)
            for (armed = 1;;)
                ignore_usr2();
    ring(0, 0);
    seen = come_and_gone;
    while (come_and_gone < seen + 10)
        sleep_ms(1);
    stop = 1;
    for (int i = 0; i < MAKERS; i++)
        join_thread(makers[i]);
    for (int i = 0; i < OTHERS; i++)
        join_thread(others[i]);
}
END_TEST

START_TEST(a_handler_runs_on_the_main_thread_s_stack)
{
    pthread_t other = start_without_alarm(turns);
    char *here = __builtin_frame_address(0);

    rang = 0;
    handle(NULL, look);
    ring_in(20);
    while (!rang)
        sleep(1);
    ck_assert_int_eq(handler_code, SI_KERNEL);
    ck_assert(labs((char *)handler_stack - here) < 1 << 20);
    join_thread(other);
}
END_TEST

static void add(TCase *tcase)
{
    conf_test(tcase, leaves_a_waiting_read, 1);
    conf_test(tcase, leaves_a_waiting_write, 1);
    conf_test(tcase, leaves_again_and_again, 1);
    conf_test(tcase, leaves_from_anywhere, 1);
    conf_test(tcase, leaves_while_threads_come_and_go, 1);
    conf_test(tcase, a_handler_runs_on_the_main_thread_s_stack, 1);
}

int main(void)
{
    return conf_main("siglongjmp", add, CONF_THREADS);
}
