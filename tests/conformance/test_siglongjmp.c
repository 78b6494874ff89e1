/* siglongjmp() out of a handler that interrupted a waiting call, and what a
 * handler sees of the thread it runs in. */
#include "conf_threads.h"

#include <errno.h>
#include <setjmp.h>
#include <stdlib.h>
#include <signal.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

static sigjmp_buf escape;
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

static void ring_in(int ms)
{
    struct itimerval timer = { { 0, 0 }, { 0, ms * 1000 } };

    ck_assert_int_eq(setitimer(ITIMER_REAL, &timer, NULL), 0);
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

START_TEST(leaves_a_waiting_read)
{
    pthread_t other = start_thread(turns, NULL);
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
    pthread_t other = start_thread(turns, NULL);

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

static bool rings_near(const char *here)
{
    rang = 0;
    ring_in(20);
    while (!rang)
        sleep(1);
    ck_assert_int_eq(handler_code, SI_KERNEL);
    return labs((char *)handler_stack - here) < 1 << 20;
}

/* Mostly: Linux takes another thread when the main one is just about to see a
 * signal anyway. */
START_TEST(a_handler_runs_on_the_main_thread_s_stack)
{
    pthread_t other = start_thread(turns, NULL);
    char *here = __builtin_frame_address(0);
    int near = 0;

    handle(NULL, look);
    for (int i = 0; i < 5 && near == 0; i++)
        near += rings_near(here);
    ck_assert_int_eq(near, 1);
    join_thread(other);
}
END_TEST

static void add(TCase *tcase)
{
    conf_test(tcase, leaves_a_waiting_read, 1);
    conf_test(tcase, leaves_again_and_again, 1);
    conf_test(tcase, a_handler_runs_on_the_main_thread_s_stack, 1);
}

int main(void)
{
    return conf_main("siglongjmp", add, CONF_THREADS);
}
