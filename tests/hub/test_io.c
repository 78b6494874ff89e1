/* Calls on descriptors: fairness, callbacks of the loop, system calls. */
#include "pair.h"

#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static bool stop;
static long turns;

static void counts(void *arg)
{
    (void)arg;
    while (!stop) {
        turns++;
        hub_yield();
    }
}

static void answers_once(void *arg)
{
    char byte;

    ck_assert_int_eq(hub_recv(*(int *)arg, &byte, 1, 0, HUB_FOREVER), 1);
    strcat(order, "w");
}

/* Neither those who are ready nor those who wait for the loop are starved. */
START_TEST(a_peer_that_is_always_ready_does_not_starve_the_others)
{
    int ends[2];
    struct greenlet *g, *waits;
    char byte = 'b';

    stop = false;
    turns = 0;
    ck_assert_int_eq(hub_socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    waits = hub_spawn_raw(answers_once, &ends[0]);
    g = hub_spawn_raw(counts, NULL);
    hub_yield();
    ck_assert_int_eq(write(ends[1], "x", 1), 1);
    for (int i = 0; i < 2000; i++) {
        ck_assert_int_eq(hub_send(theirs, &byte, 1, 0, HUB_FOREVER), 1);
        ck_assert_int_eq(hub_recv(ours, &byte, 1, 0, HUB_NOWAIT), 1);
    }
    ck_assert_int_gt(turns, 20);
    ck_assert_str_eq(order, "w");
    stop = true;
    finish(g);
    finish(waits);
    hub_close(ends[0]);
    hub_close(ends[1]);
}
END_TEST

static ssize_t in_callback;

static void receives_in_the_loop(void *arg)
{
    char byte;

    (void)arg;
    in_callback = hub_recv(ours, &byte, 1, 0, HUB_FOREVER);
}

START_TEST(a_callback_of_the_loop_receives_what_is_there_and_cannot_wait)
{
    ck_assert_int_eq(hub_send(theirs, "x", 1, 0, SOON), 1);
    ck_assert_ptr_nonnull(hub_call_soon(receives_in_the_loop, NULL));
    hub_yield();
    ck_assert_int_eq(in_callback, 1);
    ck_assert_ptr_nonnull(hub_call_soon(receives_in_the_loop, NULL));
    hub_yield();
    ck_assert_int_eq(in_callback, -EDEADLK);
}
END_TEST

/* ---- system calls ---- */

static long ctls;

int epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event)
{
    ctls++;
    return (int)syscall(SYS_epoll_ctl, epoll, operation, fd, event);
}

static long receives_made;

ssize_t recv(int fd, void *buffer, size_t size, int flags)
{
    receives_made++;
    return (ssize_t)syscall(SYS_recvfrom, fd, buffer, size, flags, NULL, NULL);
}

static void echoes(void *arg)
{
    char buffer[64];
    ssize_t got;

    (void)arg;
    while ((got = hub_recv(theirs, buffer, sizeof buffer, 0, HUB_FOREVER)) > 0)
        hub_send(theirs, buffer, (size_t)got, 0, HUB_FOREVER);
}

START_TEST(a_request_takes_one_receive_and_no_registration)
{
    struct greenlet *g = hub_spawn_raw(echoes, NULL);
    char buffer[64];

    ck_assert_int_eq(hub_send(ours, "hello", 5, 0, SOON), 5);
    ck_assert_int_eq(hub_recv(ours, buffer, sizeof buffer, 0, SOON), 5);
    ctls = receives_made = 0;
    for (int i = 0; i < 100; i++) {
        ck_assert_int_eq(hub_send(ours, "hello", 5, 0, SOON), 5);
        ck_assert_int_eq(hub_recv(ours, buffer, sizeof buffer, 0, SOON), 5);
    }
    ck_assert_int_le(ctls, 2);
    ck_assert_int_le(receives_made, 204);
    hub_shutdown(ours, SHUT_WR);
    finish(g);
}
END_TEST

/* ---- all system calls of a server, counted by its parent ---- */

enum { CONNECTIONS = 50, ROUNDS = 20, ANSWERS = CONNECTIONS * ROUNDS };

static int clients[CONNECTIONS], servers[CONNECTIONS];

static void answers(void *arg)
{
    char buffer[64];
    ssize_t got;

    while ((got = hub_recv(*(int *)arg, buffer, sizeof buffer, 0,
                           HUB_FOREVER)) > 0)
        hub_send(*(int *)arg, buffer, (size_t)got, 0, HUB_FOREVER);
}

/* In the child: traced from here on. */
static void serve(void)
{
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
        _exit(77);
    raise(SIGSTOP);
    for (int i = 0; i < CONNECTIONS; i++) {
        hub_fd_wrap(servers[i]);
        hub_spawn_raw(answers, &servers[i]);
    }
    for (;;)
        hub_sleep(3600 * HUB_SECOND);
}

static void send_all_requests(void)
{
    for (int i = 0; i < CONNECTIONS; i++)
        ck_assert_int_eq(write(clients[i], "hello", 5), 5);
}

/* Returns how many have come. */
static int take_answers(void)
{
    char buffer[64];
    int taken = 0;

    for (int i = 0; i < CONNECTIONS; i++)
        taken += recv(clients[i], buffer, sizeof buffer, MSG_DONTWAIT) == 5;
    return taken;
}

static bool looks_for_events(long number)
{
#ifdef SYS_epoll_wait
    if (number == SYS_epoll_wait)
        return true;
#endif
    return number == SYS_epoll_pwait || number == SYS_epoll_pwait2;
}

/* On to its next call; false: it has ended. */
static bool next_call(pid_t child, long *number)
{
    struct __ptrace_syscall_info info;
    int status;

    do {
        if (ptrace(PTRACE_SYSCALL, child, NULL, NULL) < 0 ||
            waitpid(child, &status, 0) != child || !WIFSTOPPED(status))
            return false;
        if (WSTOPSIG(status) != (SIGTRAP | 0x80))
            continue;
        if (ptrace(PTRACE_GET_SYSCALL_INFO, child, sizeof info, &info) < 0)
            return false;
    } while (WSTOPSIG(status) != (SIGTRAP | 0x80) ||
             info.op != PTRACE_SYSCALL_INFO_ENTRY);
    *number = (long)info.entry.nr;
    return true;
}

/* The calls of all rounds; each begins where the server looks for events, so that
 * it finds all requests at once.  -1: it has ended. */
static long count_calls(pid_t child)
{
    long calls = 0, number;
    int round = 0, answered = CONNECTIONS;

    while (next_call(child, &number)) {
        calls += round > 1; /* the first one registers */
        if (!looks_for_events(number))
            continue;
        if (answered < CONNECTIONS)
            answered += take_answers();
        if (answered < CONNECTIONS)
            continue;
        if (round++ == ROUNDS + 1)
            return calls;
        answered = 0;
        send_all_requests();
    }
    return -1;
}

static long trace(pid_t child)
{
    int status;

    if (waitpid(child, &status, 0) != child || !WIFSTOPPED(status) ||
        ptrace(PTRACE_SETOPTIONS, child, NULL,
               PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL) < 0)
        return -1;
    return count_calls(child);
}

START_TEST(a_request_takes_two_system_calls_and_little_more)
{
    int ends[2], status;
    pid_t child;
    long calls;

    for (int i = 0; i < CONNECTIONS; i++) {
        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
        clients[i] = ends[0];
        servers[i] = ends[1];
    }
    child = fork();
    if (child == 0)
        serve();
    calls = trace(child);
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    for (int i = 0; i < CONNECTIONS; i++) {
        close(clients[i]);
        close(servers[i]);
    }
    if (calls < 0)
        puts("not counted: no process may be traced here");
    else
        printf("%d requests, %ld system calls: %.3f each\n", ANSWERS, calls,
               (double)calls / ANSWERS);
    ck_assert(calls < 0 || calls * 10 <= ANSWERS * 21);
    ck_assert(calls < 0 || calls >= ANSWERS * 2);
}
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("unit");

    hub_yield();
    tcase_add_checked_fixture(tcase, unit_setup, unit_teardown);
    tcase_add_checked_fixture(tcase, open_pair, close_pair);
    tcase_add_test(tcase,
                   a_peer_that_is_always_ready_does_not_starve_the_others);
    tcase_add_test(
        tcase, a_callback_of_the_loop_receives_what_is_there_and_cannot_wait);
    tcase_add_test(tcase, a_request_takes_one_receive_and_no_registration);
    tcase_add_test(tcase, a_request_takes_two_system_calls_and_little_more);
    return unit_run("io", tcase);
}
