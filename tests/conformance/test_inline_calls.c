/* System calls that the program makes by an instruction of its own: a thread that
 * sleeps in one keeps the others waiting for a moment at most, and gets what the
 * kernel would have given it */
#include "conf_threads.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>

static __attribute__((noinline)) long call(long n, long a, long b, long c,
                                           long d)
{
#if defined(__x86_64__)
    register long r10 __asm__("r10") = d;
    long rc;

    __asm__ volatile("syscall"
                     : "=a"(rc)
                     : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10)
                     : "rcx", "r11", "memory");
    return rc;
#elif defined(__aarch64__)
    register long x8 __asm__("x8") = n;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;

    __asm__ volatile("svc 0"
                     : "+r"(x0)
                     : "r"(x8), "r"(x1), "r"(x2), "r"(x3)
                     : "memory");
    return x0;
#endif
}

static bool can_be(void)
{
    if (!conf_emulated())
        return true;
    conf_skip("the emulator does not say what a thread sleeps in");
    return false;
}

static int ends[2];

static void write_some(void *unused)
{
    conf_write_all(ends[1], "abc", 3);
    (void)unused;
}

START_TEST(a_read_ends_when_another_thread_writes)
{
    char bytes[8] = "";
    pthread_t writer;

    if (!can_be())
        return;
    conf_stream((enum conf_stream)_i, ends);
    for (int i = 0; i < 3; i++) {
        writer = start_later(30, write_some, NULL);
        ck_assert_int_eq(call(SYS_read, ends[0], (long)bytes, 8, 0), 3);
        ck_assert_mem_eq(bytes, "abc", 3);
        join_thread(writer);
    }
    conf_close_both(ends);
}
END_TEST

static void *read_inline(void *fd)
{
    char bytes[8];

    CONF_CHECK(call(SYS_read, *(int *)fd, (long)bytes, 8, 0) == 3);
    CONF_CHECK(memcmp(bytes, "abc", 3) == 0);
    return fd;
}

START_TEST(several_threads_sleep_at_once)
{
    int pipes[5][2];
    pthread_t readers[5];

    if (!can_be())
        return;
    for (int i = 0; i < 5; i++) {
        conf_pipe(pipes[i]);
        readers[i] = start_thread(read_inline, &pipes[i][0]);
    }
    sleep_ms(50);
    for (int i = 4; i >= 0; i--)
        conf_write_all(pipes[i][1], "abc", 3);
    for (int i = 0; i < 5; i++) {
        join_thread(readers[i]);
        conf_close_both(pipes[i]);
    }
}
END_TEST

enum { MUCH = 1 << 20 };
static char much[MUCH], copy[MUCH];

static void *read_much(void *unused)
{
    sleep_ms(50);
    conf_read_all(ends[0], copy, MUCH);
    return unused;
}

START_TEST(a_write_ends_when_all_is_written)
{
    pthread_t reader;

    if (!can_be())
        return;
    if (_i == 0)
        conf_pipe(ends);
    else
        conf_unix_pair(ends);
    conf_fill(much, MUCH, 7);
    memset(copy, 0, MUCH);
    reader = start_thread(read_much, NULL);
    ck_assert_int_eq(call(SYS_write, ends[1], (long)much, MUCH, 0), MUCH);
    join_thread(reader);
    ck_assert(conf_filled(copy, MUCH, 7));
    conf_close_both(ends);
}
END_TEST

START_TEST(a_poll_ends_when_another_thread_writes)
{
    struct pollfd one;
    pthread_t writer;

    if (!can_be())
        return;
    conf_pipe(ends);
    one = (struct pollfd){ ends[0], POLLIN, 0 };
    writer = start_later(30, write_some, NULL);
    ck_assert_int_eq(call(SYS_ppoll, (long)&one, 1, 0, 0), 1);
    ck_assert_int_eq(one.revents, POLLIN);
    join_thread(writer);
    conf_close_both(ends);
}
END_TEST

static volatile int stop;

static void *keep_going(void *unused)
{
    while (!stop)
        sleep_ms(1);
    return unused;
}

static volatile sig_atomic_t handled;

static void on_signal(int number)
{
    (void)number;
    handled++;
}

/* Nobody interrupted it that the program knows of; _i: a handler has run, before. */
START_TEST(a_sleep_is_not_ended_early)
{
    const struct timespec span = { 0, 150 * CONF_MS };
    int64_t before;
    pthread_t other;

    if (!can_be())
        return;
    if (_i == 1) {
        signal(SIGUSR1, on_signal);
        raise(SIGUSR1);
        signal(SIGUSR1, SIG_DFL);
    }
    stop = 0;
    other = start_thread(keep_going, NULL);
    before = now_ns();
    ck_assert_int_eq(call(SYS_nanosleep, (long)&span, 0, 0, 0), 0);
    ck_assert_int_ge(now_ns() - before, 150 * CONF_MS);
    stop = 1;
    join_thread(other);
}
END_TEST

static void interrupt(void *thread)
{
    pthread_kill(*(pthread_t *)thread, SIGUSR1);
}

/* The other may not have begun to wait. */
static void interrupt_often(void *thread)
{
    for (; !stop; sleep_ms(60))
        interrupt(thread);
}

START_TEST(a_handler_ends_it)
{
    struct sigaction action = { .sa_handler = on_signal };
    pthread_t self = pthread_self(), other;
    char byte;

    if (!can_be())
        return;
    conf_pipe(ends);
    handled = 0;
    ck_assert_int_eq(sigaction(SIGUSR1, &action, NULL), 0);
    stop = 0;
    other = start_later(60, interrupt_often, &self);
    ck_assert_int_eq(call(SYS_read, ends[0], (long)&byte, 1, 0), -EINTR);
    ck_assert_int_ge(handled, 1);
    stop = 1;
    join_thread(other);
    signal(SIGUSR1, SIG_DFL);
    conf_close_both(ends);
}
END_TEST

START_TEST(a_handler_with_sa_restart_does_not)
{
    struct sigaction action = { .sa_handler = on_signal,
                                .sa_flags = SA_RESTART };
    pthread_t self = pthread_self(), other, writer;
    char bytes[8];

    if (!can_be())
        return;
    conf_pipe(ends);
    handled = 0;
    ck_assert_int_eq(sigaction(SIGUSR1, &action, NULL), 0);
    other = start_later(60, interrupt, &self);
    writer = start_later(120, write_some, NULL);
    ck_assert_int_eq(call(SYS_read, ends[0], (long)bytes, 8, 0), 3);
    ck_assert_int_eq(handled, 1);
    join_thread(other);
    join_thread(writer);
    signal(SIGUSR1, SIG_DFL);
    conf_close_both(ends);
}
END_TEST

static void add(TCase *tcase)
{
    conf_test(tcase, a_read_ends_when_another_thread_writes, CONF_STREAMS);
    conf_test(tcase, several_threads_sleep_at_once, 1);
    conf_test(tcase, a_write_ends_when_all_is_written, 2);
    conf_test(tcase, a_poll_ends_when_another_thread_writes, 1);
    conf_test(tcase, a_sleep_is_not_ended_early, 2);
    conf_test(tcase, a_handler_ends_it, 1);
    conf_test(tcase, a_handler_with_sa_restart_does_not, 1);
}

int main(void)
{
    return conf_main("inline_calls", add, CONF_THREADS);
}
