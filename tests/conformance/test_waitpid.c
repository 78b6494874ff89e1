/* waitpid(2), wait(2), waitid(2), wait3(2), wait4(2) while other threads run */
#include "conformance.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SOME_ERRNO = 4242, DELAY_MS = 15 };

static pid_t by_waitpid(pid_t child, int *status)
{
    return waitpid(child, status, 0);
}

static pid_t by_wait(pid_t child, int *status)
{
    (void)child;
    return wait(status);
}

static pid_t by_wait3(pid_t child, int *status)
{
    struct rusage usage;

    (void)child;
    return wait3(status, 0, &usage);
}

static pid_t by_wait4(pid_t child, int *status)
{
    struct rusage usage = { .ru_maxrss = -1 };
    pid_t got = wait4(child, status, 0, &usage);

    CONF_CHECK(got < 0 || usage.ru_maxrss > 0);
    return got;
}

static pid_t by_waitid(pid_t child, int *status)
{
    siginfo_t info = { 0 };

    if (waitid(P_PID, (id_t)child, &info, WEXITED) != 0)
        return -1;
    *status = info.si_code == CLD_EXITED ? info.si_status << 8
                                         : info.si_status;
    return info.si_pid;
}

static pid_t by_group(pid_t child, int *status)
{
    (void)child;
    return waitpid(0, status, 0);
}

typedef pid_t wait_function(pid_t child, int *status);

static wait_function *const spellings[] = { by_waitpid, by_wait,   by_wait3,
                                            by_wait4,   by_waitid, by_group };
enum { SPELLINGS = 6 };

/* A child that ends after `ms` with status 9, or by SIGKILL. */
static pid_t start_child(int ms, bool killed)
{
    pid_t child = fork();

    CONF_CHECK(child >= 0);
    if (child == 0) {
        conf_child_begin();
        sleep_ms(ms);
        if (killed)
            raise(SIGKILL);
        _exit(9);
    }
    return child;
}

/* Lets the child end after a while of its own. */
static void *count_and_release(void *fd)
{
    for (int i = 0; i < 5; i++)
        sleep_ms(1);
    conf_write_all(*(int *)fd, "x", 1);
    return NULL;
}

START_TEST(lets_other_threads_run_until_the_child_ends)
{
    int ends[2], status = -1;
    char byte;
    pthread_t thread;
    pid_t child;

    conf_pipe(ends);
    child = fork();
    if (child == 0) {
        conf_child_begin();
        conf_read_all(ends[0], &byte, 1);
        _exit(9);
    }
    thread = start_thread(count_and_release, &ends[1]);
    errno = SOME_ERRNO;
    ck_assert_int_eq(spellings[_i](child, &status), child);
    ck_assert_int_eq(errno, SOME_ERRNO);
    ck_assert_int_eq(status, 9 << 8);
    join_thread(thread);
    conf_close_both(ends);
}
END_TEST

struct waiting {
    wait_function *function;
    pid_t child, got;
    int status;
};

static void *wait_in_thread(void *argument)
{
    struct waiting *waiting = argument;

    waiting->got = waiting->function(waiting->child, &waiting->status);
    return NULL;
}

START_TEST(waits_in_a_thread)
{
    struct waiting waiting = { .function = spellings[_i] };

    waiting.child = start_child(DELAY_MS, true);
    join_thread(start_thread(wait_in_thread, &waiting));
    ck_assert_int_eq(waiting.got, waiting.child);
    ck_assert(WIFSIGNALED(waiting.status));
    ck_assert_int_eq(WTERMSIG(waiting.status), SIGKILL);
}
END_TEST

/* Each thread gets the child it asked for, in whatever order they end. */
START_TEST(threads_wait_for_children_of_their_own)
{
    enum { CHILDREN = 5 };
    struct waiting waitings[CHILDREN];
    pthread_t threads[CHILDREN];

    for (int i = 0; i < CHILDREN; i++) {
        waitings[i].function = by_waitpid;
        waitings[i].child = start_child((CHILDREN - i) * 8, false);
        threads[i] = start_thread(wait_in_thread, &waitings[i]);
    }
    for (int i = 0; i < CHILDREN; i++) {
        join_thread(threads[i]);
        ck_assert_int_eq(waitings[i].got, waitings[i].child);
        ck_assert_int_eq(waitings[i].status, 9 << 8);
    }
}
END_TEST

START_TEST(threads_that_wait_for_any_child_get_one_each)
{
    enum { CHILDREN = 5 };
    struct waiting waitings[CHILDREN];
    pthread_t threads[CHILDREN];

    for (int i = 0; i < CHILDREN; i++) {
        waitings[i] = (struct waiting){ .function = by_wait };
        start_child(DELAY_MS, false);
    }
    for (int i = 0; i < CHILDREN; i++)
        threads[i] = start_thread(wait_in_thread, &waitings[i]);
    for (int i = 0; i < CHILDREN; i++) {
        join_thread(threads[i]);
        ck_assert_int_gt(waitings[i].got, 0);
        for (int k = 0; k < i; k++)
            ck_assert_int_ne(waitings[i].got, waitings[k].got);
    }
    ck_assert_int_eq(wait(NULL), -1);
    ck_assert_int_eq(errno, ECHILD);
}
END_TEST

static void *start_in_thread(void *argument)
{
    *(pid_t *)argument = start_child(DELAY_MS, false);
    return NULL;
}

START_TEST(any_thread_may_wait_for_the_child_of_another)
{
    pid_t child = 0;
    int status;

    join_thread(start_thread(start_in_thread, &child));
    ck_assert_int_eq(spellings[_i](child, &status), child);
    ck_assert_int_eq(status, 9 << 8);
}
END_TEST

START_TEST(does_not_wait_when_told_not_to)
{
    int status = 77;
    siginfo_t info = { .si_pid = 55 };
    pid_t child = start_child(3 * DELAY_MS, false);

    errno = SOME_ERRNO;
    ck_assert_int_eq(waitpid(child, &status, WNOHANG), 0);
    ck_assert_int_eq(waitpid(-1, &status, WNOHANG), 0);
    ck_assert_int_eq(wait4(child, &status, WNOHANG, NULL), 0);
    ck_assert_int_eq(waitid(P_ALL, 0, &info, WEXITED | WNOHANG), 0);
    ck_assert_int_eq(info.si_pid, 0);
    ck_assert_int_eq(status, 77);
    ck_assert_int_eq(errno, SOME_ERRNO);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(waitpid(child, &status, WNOHANG), -1);
    ck_assert_int_eq(errno, ECHILD);
}
END_TEST

START_TEST(sees_a_child_stop_and_go_on)
{
    int status = 0;
    pid_t child = start_child(10000, false);

    ck_assert_int_eq(kill(child, SIGSTOP), 0);
    ck_assert_int_eq(waitpid(child, &status, WUNTRACED), child);
    ck_assert(WIFSTOPPED(status));
    ck_assert_int_eq(kill(child, SIGCONT), 0);
    ck_assert_int_eq(waitpid(child, &status, WCONTINUED), child);
    ck_assert(WIFCONTINUED(status));
    ck_assert_int_eq(kill(child, SIGKILL), 0);
    ck_assert_int_eq(waitpid(child, &status, WUNTRACED), child);
    ck_assert(WIFSIGNALED(status));
}
END_TEST

static pid_t by_its_group(pid_t child, int *status)
{
    return waitpid(-child, status, 0);
}

START_TEST(one_waits_for_an_end_and_another_for_a_stop)
{
    struct waiting waiting = { .function = by_its_group,
                               .child = start_child(10000, false) };
    pid_t stopping = start_child(10000, false);
    pthread_t thread;
    int status = 0;

    ck_assert_int_eq(setpgid(waiting.child, waiting.child), 0);
    thread = start_thread(wait_in_thread, &waiting);
    sleep_ms(DELAY_MS);
    ck_assert_int_eq(kill(stopping, SIGSTOP), 0);
    ck_assert_int_eq(waitpid(stopping, &status, WUNTRACED), stopping);
    ck_assert(WIFSTOPPED(status));
    ck_assert_int_eq(kill(stopping, SIGKILL), 0);
    ck_assert_int_eq(waitpid(stopping, &status, 0), stopping);
    ck_assert_int_eq(kill(waiting.child, SIGKILL), 0);
    join_thread(thread);
    ck_assert_int_eq(waiting.got, waiting.child);
}
END_TEST

START_TEST(waitid_may_leave_the_child_waitable)
{
    siginfo_t info = { 0 };
    int status;
    pid_t child = start_child(DELAY_MS, false);

    ck_assert_int_eq(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT), 0);
    ck_assert_int_eq(info.si_pid, child);
    ck_assert_int_eq(info.si_status, 9);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
}
END_TEST

START_TEST(a_pidfd_is_ready_when_the_child_ends)
{
    pid_t child = start_child(DELAY_MS, false);
    struct pollfd ready = { (int)syscall(SYS_pidfd_open, child, 0), POLLIN,
                            0 };
    siginfo_t info = { 0 };
    int status;

    if (ready.fd < 0 && errno == ENOSYS) {
        conf_skip("this kernel has no pidfd");
        ck_assert_int_eq(waitpid(child, &status, 0), child);
        return;
    }
    ck_assert_int_eq(poll(&ready, 1, 10000), 1);
    ck_assert_int_eq(waitid((idtype_t)P_PIDFD, (id_t)ready.fd, &info, WEXITED),
                     0);
    ck_assert_int_eq(info.si_pid, child);
    close(ready.fd);
    child = start_child(DELAY_MS, false);
    ready.fd = (int)syscall(SYS_pidfd_open, child, 0);
    ck_assert_int_eq(waitid((idtype_t)P_PIDFD, (id_t)ready.fd, &info, WEXITED),
                     0);
    ck_assert_int_eq(info.si_status, 9);
    close(ready.fd);
}
END_TEST

START_TEST(refuses)
{
    siginfo_t info;
    int status;

    ck_assert_int_eq(spellings[_i](getpid(), &status), -1);
    ck_assert_int_eq(errno, ECHILD);
    ck_assert_int_eq(waitpid(-1, &status, 1 << 20), -1);
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_int_eq(waitid(P_ALL, 0, &info, 0), -1);
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_int_eq(waitid(99, 0, &info, WEXITED), -1);
    ck_assert_int_eq(errno, EINVAL);
}
END_TEST

static void add(TCase *tcase)
{
    conf_test(tcase, lets_other_threads_run_until_the_child_ends, SPELLINGS);
    conf_test(tcase, waits_in_a_thread, SPELLINGS);
    conf_test(tcase, threads_wait_for_children_of_their_own, 1);
    conf_test(tcase, threads_that_wait_for_any_child_get_one_each, 1);
    conf_test(tcase, any_thread_may_wait_for_the_child_of_another, SPELLINGS);
    conf_test(tcase, does_not_wait_when_told_not_to, 1);
    conf_test(tcase, sees_a_child_stop_and_go_on, 1);
    conf_test(tcase, one_waits_for_an_end_and_another_for_a_stop, 1);
    conf_test(tcase, waitid_may_leave_the_child_waitable, 1);
    conf_test(tcase, a_pidfd_is_ready_when_the_child_ends, 1);
    conf_test(tcase, refuses, SPELLINGS);
}

int main(void)
{
    return conf_main("waitpid", add, CONF_THREADS);
}
