/* fork(2) and vfork(2), from the main thread and from others
 *
 * The child has the calling thread alone, and a program must be able to go on
 * in it: wait, make threads, exec. */
#include "conformance.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { DELAY_MS = 10 };

extern char **environ;

static void put_byte(void *fd)
{
    conf_write_all(*(int *)fd, "x", 1);
}

static void *wait_for_byte(void *fd)
{
    char byte = 0;

    conf_read_all(*(int *)fd, &byte, 1);
    CONF_CHECK(byte == 'x');
    return fd;
}

/* Threads work: one waits, this one wakes it. */
static void check_threads(void)
{
    int ends[2];
    pthread_t threads[5];

    CONF_CHECK(pipe(ends) == 0);
    for (int i = 0; i < 5; i++)
        threads[i] = start_thread(wait_for_byte, &ends[0]);
    sleep_ms(1);
    for (int i = 0; i < 5; i++)
        put_byte(&ends[1]);
    for (int i = 0; i < 5; i++)
        join_thread(threads[i]);
    CONF_CHECK(close(ends[0]) == 0 && close(ends[1]) == 0);
}

static volatile bool stop;
static volatile int ticks;

static void *tick(void *argument)
{
    while (!stop) {
        ticks++;
        sleep_ms(1);
    }
    return argument;
}

/* What the child does; its status says what was wrong. */
static int be_alone(void)
{
    int before = ticks;

    sleep_ms(5 * DELAY_MS / 2);
    if (ticks != before)
        return 10; /* another thread runs here */
    if (conf_count_tasks() != 1)
        return 11;
    return 0;
}

static int be_busy(void)
{
    check_threads();
    return 0;
}

/* The child's waits go through a loop of its own. */
static int be_waiting(void)
{
    int ends[2];
    struct pollfd ready;
    pthread_t writer;

    CONF_CHECK(pipe(ends) == 0);
    ready = (struct pollfd){ ends[0], POLLIN, 0 };
    CONF_CHECK(poll(&ready, 1, 5) == 0);
    writer = start_later(DELAY_MS, put_byte, &ends[1]);
    wait_for_byte(&ends[0]);
    join_thread(writer);
    return 0;
}

static int be_parent(void)
{
    pid_t child = fork();

    if (child == 0) {
        check_threads();
        _exit(7);
    }
    return conf_child_status(child) == 7 ? 0 : 12;
}

static int be_another(void)
{
    execl("/bin/sh", "sh", "-c", "exit 0", (char *)NULL);
    return 13;
}

static int (*const lives[])(void) = { be_alone, be_busy, be_waiting, be_parent,
                                      be_another };
enum { LIVES = 5 };

static int live_in_child(int life)
{
    pid_t child = fork();

    CONF_CHECK(child >= 0);
    if (child == 0) {
        conf_child_begin();
        _exit(lives[life]());
    }
    return conf_child_status(child);
}

static void *live_from_thread(void *life)
{
    return (void *)(intptr_t)live_in_child((int)(intptr_t)life);
}

START_TEST(in_the_main_thread_gives_a_working_child)
{
    pthread_t ticker;

    stop = false;
    ticker = start_thread(tick, NULL);
    sleep_ms(2);
    ck_assert_int_eq(live_in_child(_i), 0);
    stop = true;
    join_thread(ticker);
}
END_TEST

START_TEST(in_a_thread_gives_a_working_child)
{
    pthread_t ticker, thread;
    int before;

    stop = false;
    ticker = start_thread(tick, NULL);
    sleep_ms(2);
    thread = start_thread(live_from_thread, (void *)(intptr_t)_i);
    ck_assert_ptr_eq(join_thread(thread), NULL);
    before = ticks;
    while (ticks == before) /* the parent's other threads run on */
        sleep_ms(1);
    stop = true;
    join_thread(ticker);
}
END_TEST

START_TEST(of_several_threads_at_once_gives_each_its_child)
{
    pthread_t threads[6];

    if (conf_emulated()) {
        conf_skip("qemu's own locks can stay taken in such a child");
        return;
    }
    for (int i = 0; i < 6; i++)
        threads[i] = start_thread(live_from_thread,
                                  (void *)(intptr_t)(i % (LIVES - 1)));
    stop = true;
    for (int i = 0; i < 6; i++)
        ck_assert_ptr_eq(join_thread(threads[i]), NULL);
}
END_TEST

/* Parent and child share pipes, not waits: each byte reaches who reads it. */
START_TEST(a_parked_reader_of_the_parent_loses_nothing_to_the_child)
{
    int ends[2];
    pthread_t reader;
    pid_t child;

    conf_stream(_i, ends);
    reader = start_thread(wait_for_byte, &ends[0]);
    sleep_ms(DELAY_MS);
    child = fork();
    if (child == 0) {
        conf_child_begin();
        check_threads();
        _exit(0);
    }
    ck_assert_int_eq(conf_child_status(child), 0);
    put_byte(&ends[1]);
    join_thread(reader);
    conf_close_both(ends);
}
END_TEST

START_TEST(the_child_may_talk_to_a_thread_of_the_parent)
{
    int ends[2];
    pthread_t reader;
    pid_t child;

    conf_stream(_i, ends);
    reader = start_thread(wait_for_byte, &ends[0]);
    child = fork();
    if (child == 0) {
        conf_child_begin();
        sleep_ms(DELAY_MS);
        put_byte(&ends[1]);
        _exit(0);
    }
    join_thread(reader);
    ck_assert_int_eq(conf_child_status(child), 0);
    conf_close_both(ends);
}
END_TEST

static __thread int own;

static void *fork_with_own(void *argument)
{
    pid_t child;
    pthread_t me = pthread_self();

    own = 41;
    child = fork();
    if (child == 0) {
        conf_child_begin();
        own++;
        _exit(own == 42 && pthread_equal(me, pthread_self()) ? 0 : 1);
    }
    CONF_CHECK(conf_child_status(child) == 0 && own == 41);
    return argument;
}

START_TEST(the_child_is_the_thread_that_forked)
{
    join_thread(start_thread(fork_with_own, NULL));
}
END_TEST

static char order[10];

static void note(char step)
{
    order[strlen(order)] = step;
}

static void before_fork(void) { note('b'); }
static void after_in_parent(void) { note('p'); }
static void after_in_child(void) { note('c'); }

START_TEST(runs_what_pthread_atfork_named)
{
    static bool named;
    pid_t child;

    if (!named)
        ck_assert_int_eq(
            pthread_atfork(before_fork, after_in_parent, after_in_child), 0);
    named = true;
    memset(order, 0, sizeof order);
    child = fork();
    if (child == 0)
        _exit(strcmp(order, "bc") == 0 ? 0 : 1);
    ck_assert_str_eq(order, "bp");
    ck_assert_int_eq(conf_child_status(child), 0);
}
END_TEST

/* vfork() is for exec; the parent's other threads go on after it. */
static void *vfork_and_exec(void *status)
{
    char *arguments[] = { (char *)"sh", (char *)"-c", status, NULL };
    pid_t child = vfork();

    if (child == 0) {
        execve("/bin/sh", arguments, environ);
        _exit(127);
    }
    CONF_CHECK(child > 0);
    return (void *)(intptr_t)conf_child_status(child);
}

START_TEST(vfork_runs_another_program)
{
    pthread_t thread;
    char status[] = "exit 5";

    ck_assert_ptr_eq(vfork_and_exec(status), (void *)5);
    thread = start_thread(vfork_and_exec, status);
    ck_assert_ptr_eq(join_thread(thread), (void *)5);
    check_threads();
}
END_TEST

static void *vfork_and_leave(void *argument)
{
    pid_t child = vfork();

    if (child == 0)
        _exit(6);
    CONF_CHECK(conf_child_status(child) == 6);
    return argument;
}

START_TEST(vfork_may_leave_at_once)
{
    vfork_and_leave(NULL);
    join_thread(start_thread(vfork_and_leave, NULL));
    check_threads();
}
END_TEST

static void add(TCase *tcase)
{
    conf_test(tcase, in_the_main_thread_gives_a_working_child, LIVES);
    conf_test(tcase, in_a_thread_gives_a_working_child, LIVES);
    conf_test(tcase, of_several_threads_at_once_gives_each_its_child, 1);
    conf_test(tcase, a_parked_reader_of_the_parent_loses_nothing_to_the_child,
              CONF_STREAMS);
    conf_test(tcase, the_child_may_talk_to_a_thread_of_the_parent,
              CONF_STREAMS);
    conf_test(tcase, the_child_is_the_thread_that_forked, 1);
    conf_test(tcase, runs_what_pthread_atfork_named, 2);
    conf_test(tcase, vfork_runs_another_program, 1);
    conf_test(tcase, vfork_may_leave_at_once, 1);
}

int main(void)
{
    return conf_main("fork", add, CONF_THREADS);
}
