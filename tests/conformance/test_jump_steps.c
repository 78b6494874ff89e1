/* siglongjmp() out of a handler that comes after each instruction of a call: the
 * parent steps through a child's call, and sends the alarm there. */
#include "conf_threads.h"
#include "jump_once.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* CONF_STRIDE=1: after each; else after each 17th. */
enum { STRIDE = 17, STEPS_MOST = 2000 };

struct stage {
    volatile int round;   /* of the child */
    volatile int calls;   /* it is in the call */
    volatile int jumped;  /* times */
    volatile int finish;  /* said by the parent */
};

static struct stage *stage;
static int ends[2], own[2];

static void *write_on(void *argument)
{
    while (!stage->finish) {
        sleep_ms(1);
        if (argument != NULL)
            CONF_CHECK(write(ends[1], "x", 1) == 1);
    }
    return NULL;
}

static void call_nanosleep(void)
{
    struct timespec short_time = { 0, 50000 };

    nanosleep(&short_time, NULL);
}

static void call_poll(void)
{
    struct pollfd fds[2] = { { .fd = own[0], .events = POLLIN },
                             { .fd = own[1], .events = POLLERR } };

    poll(fds, 2, 1);
}

static void call_read(void)
{
    char byte;

    read(ends[0], &byte, 1);
}

static void call_yield(void)
{
    for (int i = 0; i < 3; i++)
        sched_yield();
}

static void (*const calls[])(void) = { call_nanosleep, call_poll, call_read,
                                       call_yield };
static int which;

/* Waits of all kinds go on as if nothing had been left. */
static void all_is_well(void)
{
    struct timespec short_time = { 0, 1000 };
    struct pollfd fd = { .fd = own[0], .events = POLLIN };
    char byte;

    CONF_CHECK(nanosleep(&short_time, NULL) == 0);
    CONF_CHECK(poll(&fd, 1, 0) == 0);
    CONF_CHECK(write(own[1], "x", 1) == 1);
    CONF_CHECK(poll(&fd, 1, 1000) == 1);
    CONF_CHECK(read(own[0], &byte, 1) == 1);
    sched_yield();
}

static pthread_t start_without_alarm(void *argument)
{
    pthread_t thread;
    sigset_t alarm;

    sigemptyset(&alarm);
    sigaddset(&alarm, SIGALRM);
    CONF_CHECK(pthread_sigmask(SIG_BLOCK, &alarm, NULL) == 0);
    thread = start_thread(write_on, argument);
    CONF_CHECK(pthread_sigmask(SIG_UNBLOCK, &alarm, NULL) == 0);
    return thread;
}

static void be_stepped(void)
{
    pthread_t others[3];

    CONF_CHECK(signal(SIGALRM, jump_once) != SIG_ERR);
    CONF_CHECK(signal(SIGUSR1, SIG_IGN) != SIG_ERR);
    for (int i = 0; i < 3; i++)
        others[i] = start_without_alarm(calls[which] == call_read ? ends : NULL);
    CONF_CHECK(ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0);
    while (!stage->finish) {
        stage->round++;
        raise(SIGUSR1); /* the parent sees it, and steps from here */
        if (sigsetjmp(escape, 1) == 0) {
            armed = 1;
            stage->calls = 1;
            calls[which]();
            armed = 0;
            stage->calls = 2;
            /* One that has come was handled: it does not end the process. */
            CONF_CHECK(signal(SIGALRM, SIG_DFL) == jump_once);
            CONF_CHECK(signal(SIGALRM, jump_once) == SIG_DFL);
        } else {
            stage->jumped++;
        }
        stage->calls = 0;
        all_is_well();
    }
    for (int i = 0; i < 3; i++)
        join_thread(others[i]);
}

/* __WALL: one that nothing parks for, since there are many. */
static int stop_of(pid_t child)
{
    int status;

    ck_assert_int_eq(waitpid(child, &status, __WALL), child);
    ck_assert_msg(WIFSTOPPED(status), "round %d (jumped %d): status %x",
                  stage->round, stage->jumped, (unsigned)status);
    return WSTOPSIG(status);
}

static void go_on(pid_t child, int request, int number)
{
    ck_assert_int_eq(ptrace(request, child, NULL, number), 0);
}

/* Until the next round begins. */
static void wait_for_round(pid_t child)
{
    int number;

    while ((number = stop_of(child)) != SIGUSR1)
        go_on(child, PTRACE_CONT, number);
}

/* False: the call was over before, and nothing was sent. */
static bool step(pid_t child, int steps)
{
    int number = 0, done = 0;
    bool in_call;

    while (done < steps && stage->calls != 2) {
        go_on(child, PTRACE_SINGLESTEP, number);
        number = stop_of(child);
        if (number == SIGTRAP)
            number = 0;
        done += stage->calls == 1;
    }
    in_call = stage->calls == 1;
    go_on(child, PTRACE_CONT, in_call ? SIGALRM : number);
    return in_call;
}

static int stride(void)
{
    const char *text = getenv("CONF_STRIDE");
    int value = text != NULL ? atoi(text) : 0;

    return value > 0 ? value : STRIDE;
}

static bool can_trace(void)
{
    pid_t child = fork();
    int status;

    if (child == 0)
        _exit(ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0 ? 0 : 1);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    return status == 0;
}

START_TEST(leaves_after_any_instruction)
{
    pid_t child;
    int steps = 1, status;

    if (!can_trace()) {
        conf_skip("there is no ptrace() here");
        return;
    }
    which = _i;
    stage = shared_memory(sizeof *stage);
    conf_pipe(ends);
    conf_pipe(own);
    child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        be_stepped();
        _exit(0);
    }
    wait_for_round(child);
    while (step(child, steps) && steps < STEPS_MOST) {
        wait_for_round(child);
        steps += stride();
    }
    wait_for_round(child);
    stage->finish = 1;
    go_on(child, PTRACE_CONT, 0);
    while (waitpid(child, &status, 0) == child && WIFSTOPPED(status))
        go_on(child, PTRACE_CONT, WSTOPSIG(status));
    ck_assert_int_eq(status, 0);
    ck_assert_int_gt(stage->jumped, 0);
    close(ends[0]);
    close(ends[1]);
    close(own[0]);
    close(own[1]);
}
END_TEST

static void add(TCase *tcase)
{
    conf_test(tcase, leaves_after_any_instruction,
              sizeof calls / sizeof *calls);
}

int main(void)
{
    return conf_main("jump_steps", add, CONF_THREADS);
}
