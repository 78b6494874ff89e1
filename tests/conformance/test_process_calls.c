/* Calls that concern the process: credentials, hidden forks, scheduling by id */
#include "conformance.h"

#include <dlfcn.h>
#include <err.h>
#include <errno.h>
#include <grp.h>
#include <pty.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

pid_t _Fork(void);

static volatile bool stop;

static void *idle(void *argument)
{
    while (!stop)
        sleep_ms(1);
    return argument;
}

static pthread_t idler;

static void setup(void)
{
    stop = false;
    idler = start_thread(idle, NULL);
    sleep_ms(2);
}

static void teardown(void)
{
    stop = true;
    join_thread(idler);
}

/* Run in a child with threads of its own, for what cannot be undone. */
static int in_child(void (*function)(void))
{
    pid_t child = fork();

    if (child == 0) {
        conf_child_begin();
        function();
        _exit(0);
    }
    return conf_child_status(child);
}

static uid_t seen_uid;
static gid_t seen_gid;

static void *see_ids(void *argument)
{
    seen_uid = geteuid();
    seen_gid = getegid();
    return argument;
}

/* POSIX: these change the process, whichever thread calls them. */
static void *change_all(void *argument)
{
    gid_t groups[] = { 7, 8 };

    CONF_CHECK(setgroups(2, groups) == 0);
    CONF_CHECK(setegid(1234) == 0 && getegid() == 1234);
    CONF_CHECK(setregid((gid_t)-1, 0) == 0 && getegid() == 0);
    CONF_CHECK(setresgid(5, 6, 7) == 0 && getgid() == 5 && getegid() == 6);
    CONF_CHECK(setgid(77) == 0 && getgid() == 77);
    CONF_CHECK(seteuid(1234) == 0 && geteuid() == 1234);
    CONF_CHECK(seteuid(0) == 0);
    CONF_CHECK(setreuid((uid_t)-1, 4321) == 0 && geteuid() == 4321);
    CONF_CHECK(setreuid((uid_t)-1, 0) == 0);
    CONF_CHECK(setresuid(1, 2, 0) == 0 && getuid() == 1 && geteuid() == 2);
    CONF_CHECK(setresuid(0, 0, 0) == 0);
    CONF_CHECK(setuid(99) == 0 && getuid() == 99 && geteuid() == 99);
    errno = 0;
    CONF_CHECK(setuid(0) == -1 && errno == EPERM);
    return argument;
}

static void change_in_a_thread(void)
{
    gid_t groups[4];

    join_thread(start_thread(change_all, NULL));
    CONF_CHECK(getuid() == 99 && getgid() == 77);
    CONF_CHECK(getgroups(4, groups) == 2 && groups[0] == 7 && groups[1] == 8);
    join_thread(start_thread(see_ids, NULL));
    CONF_CHECK(seen_uid == 99 && seen_gid == 77);
}

START_TEST(credentials_are_the_processs)
{
    if (geteuid() != 0) {
        conf_skip("ids can be changed by root alone");
        return;
    }
    ck_assert_int_eq(in_child(change_in_a_thread), 0);
}
END_TEST

struct cap_header {
    uint32_t version;
    int pid;
};
struct cap_data {
    uint32_t effective, permitted, inheritable;
};
int capset(void *header, const void *data);
int capget(void *header, void *data);

enum { CAP_VERSION = 0x20080522 };

/* Whether it may or not: it must not happen to another thread. */
static void *drop_capabilities(void *argument)
{
    struct cap_header header = { CAP_VERSION, 0 };
    struct cap_data data[2] = { { 0, 0, 0 }, { 0, 0, 0 } };

    (void)!capset(&header, data);
    return argument;
}

START_TEST(capabilities_are_the_threads_own)
{
    struct cap_header header = { CAP_VERSION, 0 };
    struct cap_data before[2], after[2];

    ck_assert_int_eq(capget(&header, before), 0);
    join_thread(start_thread(drop_capabilities, NULL));
    ck_assert_int_eq(capget(&header, after), 0);
    ck_assert_mem_eq(before, after, sizeof before);
}
END_TEST

START_TEST(namespaces_that_are_none_are_refused)
{
    errno = 0;
    ck_assert_int_eq(setns(-1, 0), -1);
    ck_assert(errno == EBADF || errno == EPERM);
    ck_assert_int_eq(unshare(0), 0);
}
END_TEST

START_TEST(fork_without_handlers_gives_a_child)
{
    pid_t child = _Fork();

    if (child == 0)
        _exit(getpid() == getppid() ? 1 : 17);
    ck_assert_int_gt(child, 0);
    ck_assert_int_eq(conf_child_status(child), 17);
}
END_TEST

static int report[2];

static void become_daemon(void)
{
    char dir[10];

    CONF_CHECK(daemon(0, 0) == 0);
    join_thread(start_thread(see_ids, NULL)); /* threads work there */
    CONF_CHECK(getcwd(dir, sizeof dir) != NULL && strcmp(dir, "/") == 0);
    CONF_CHECK(getsid(0) == getpid());
    conf_write_all(report[1], "well", 4);
}

START_TEST(daemon_goes_on_in_a_child)
{
    char word[4];

    conf_pipe(report);
    ck_assert_int_eq(in_child(become_daemon), 0);
    conf_read_all(report[0], word, 4);
    ck_assert_mem_eq(word, "well", 4);
    conf_close_both(report);
}
END_TEST

START_TEST(forkpty_gives_a_child_on_a_terminal)
{
    char word[3];
    int master;
    pid_t child = forkpty(&master, NULL, NULL, NULL);

    if (child == 0) {
        conf_child_begin();
        join_thread(start_thread(see_ids, NULL));
        conf_write_all(STDOUT_FILENO, isatty(STDIN_FILENO) ? "yes" : "no!", 3);
        sleep_ms(20);
        _exit(5);
    }
    ck_assert_int_gt(child, 0);
    conf_read_all(master, word, 3);
    ck_assert_mem_eq(word, "yes", 3);
    ck_assert_int_eq(conf_child_status(child), 5);
    close(master);
}
END_TEST

static void *be_a_batch_thread(void *argument)
{
    struct sched_param param = { 0 };

    CONF_CHECK(sched_setscheduler(0, SCHED_BATCH, &param) == 0);
    CONF_CHECK(sched_getscheduler(0) == SCHED_BATCH);
    CONF_CHECK(sched_setparam(0, &param) == 0);
    param.sched_priority = 9;
    CONF_CHECK(sched_getparam(gettid(), &param) == 0);
    CONF_CHECK(param.sched_priority == 0);
    param.sched_priority = 5;
    errno = 0;
    CONF_CHECK(sched_setparam(0, &param) == -1 && errno == EINVAL);
    errno = 0;
    CONF_CHECK(sched_setscheduler(0, SCHED_BATCH, NULL) == -1);
    CONF_CHECK(errno == EINVAL);
    return argument;
}

START_TEST(scheduling_by_id_is_the_threads_own)
{
    join_thread(start_thread(be_a_batch_thread, NULL));
    ck_assert_int_eq(sched_getscheduler(0), SCHED_OTHER);
}
END_TEST

static volatile int got_value;

static void on_value(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)context;
    got_value = info->si_value.sival_int;
}

START_TEST(a_signal_to_a_thread_carries_a_value)
{
    struct sigaction action = { .sa_sigaction = on_value,
                                .sa_flags = SA_SIGINFO | SA_RESTART };
    union sigval value = { .sival_int = 4711 };
    sigset_t set, now;

    ck_assert_int_eq(sigaction(SIGUSR1, &action, NULL), 0);
    got_value = 0;
    ck_assert_int_eq(pthread_sigqueue(idler, SIGUSR1, value), 0);
    while (got_value == 0)
        sleep_ms(1);
    ck_assert_int_eq(got_value, 4711);
    signal(SIGUSR1, SIG_DFL);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    ck_assert_int_eq(sigprocmask(SIG_BLOCK, &set, NULL), 0);
    ck_assert_int_eq(sigprocmask(SIG_UNBLOCK, &set, &now), 0);
    ck_assert(sigismember(&now, SIGUSR2));
    errno = 0;
    ck_assert_int_eq(sigprocmask(77, &set, NULL), -1);
    ck_assert_int_eq(errno, EINVAL);
}
END_TEST

START_TEST(a_library_may_have_a_namespace_of_its_own)
{
    void *library = dlmopen(LM_ID_NEWLM, "libm.so.6", RTLD_NOW | RTLD_LOCAL);
    double (*square_root)(double);

    ck_assert_ptr_nonnull(library);
    *(void **)&square_root = dlsym(library, "sqrt");
    ck_assert(square_root(49.0) > 6.9 && square_root(49.0) < 7.1);
    sleep_ms(2);
    ck_assert_int_eq(dlclose(library), 0);
}
END_TEST

START_TEST(a_plain_mutex_has_no_ceiling)
{
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    int ceiling = 0;

    ck_assert_int_eq(pthread_mutex_getprioceiling(&mutex, &ceiling), EINVAL);
    ck_assert_int_eq(pthread_mutex_setprioceiling(&mutex, 1, &ceiling), EINVAL);
}
END_TEST

static void tell(bool with_error, const char *format, ...)
{
    va_list list;

    va_start(list, format);
    if (with_error)
        vwarn(format, list);
    else
        vwarnx(format, list);
    va_end(list);
}

static void leave(const char *format, ...)
{
    va_list list;

    va_start(list, format);
    if (errno != 0)
        verr(8, format, list);
    verrx(9, format, list);
    va_end(list);
}

static void leave_with_error(void)
{
    errno = ENOENT;
    leave("%s", "text");
}

static void leave_without(void)
{
    errno = 0;
    leave("%s", "text");
}

START_TEST(messages_with_lists)
{
    siginfo_t info = { .si_signo = SIGTERM };
    int ends[2], old = dup(STDERR_FILENO);
    char text[1000];
    ssize_t n;

    conf_pipe(ends);
    dup2(ends[1], STDERR_FILENO);
    errno = EPERM;
    tell(true, "one %d", 1);
    tell(false, "two %d", 2);
    psiginfo(&info, "three");
    ck_assert_int_eq(in_child(leave_with_error), 8);
    ck_assert_int_eq(in_child(leave_without), 9);
    n = read(ends[0], text, sizeof text - 1);
    dup2(old, STDERR_FILENO);
    close(old);
    conf_close_both(ends);
    ck_assert_int_gt(n, 0);
    text[n] = '\0';
    ck_assert_ptr_nonnull(strstr(text, "one 1: Operation not permitted\n"));
    ck_assert_ptr_nonnull(strstr(text, "two 2\n"));
    ck_assert_ptr_nonnull(strstr(text, "three: Terminated ("));
    ck_assert_ptr_nonnull(strstr(text, "text: No such file or directory\n"));
}
END_TEST

void __syslog_chk(int priority, int flag, const char *format, ...);

/* There may be no server: what can be seen is what goes to stderr as well. */
START_TEST(syslog_says_it_on_stderr_too)
{
    int ends[2], old = dup(STDERR_FILENO);
    char text[1000];
    ssize_t n;

    conf_pipe(ends);
    dup2(ends[1], STDERR_FILENO);
    openlog("conf", LOG_PERROR, LOG_USER);
    syslog(LOG_DEBUG, "number %d", 5);
    __syslog_chk(LOG_DEBUG, 1, "word %s", "x");
    closelog();
    openlog(NULL, 0, LOG_USER);
    n = read(ends[0], text, sizeof text - 1);
    dup2(old, STDERR_FILENO);
    close(old);
    conf_close_both(ends);
    ck_assert_int_gt(n, 0);
    text[n] = '\0';
    ck_assert_str_eq(text, "conf: number 5\nconf: word x\n");
}
END_TEST

static void add(TCase *tcase)
{
    tcase_add_checked_fixture(tcase, setup, teardown);
    conf_test(tcase, credentials_are_the_processs, 1);
    conf_test(tcase, capabilities_are_the_threads_own, 1);
    conf_test(tcase, namespaces_that_are_none_are_refused, 1);
    conf_test(tcase, fork_without_handlers_gives_a_child, 1);
    conf_test(tcase, daemon_goes_on_in_a_child, 1);
    conf_test(tcase, forkpty_gives_a_child_on_a_terminal, 1);
    conf_test(tcase, scheduling_by_id_is_the_threads_own, 1);
    conf_test(tcase, a_signal_to_a_thread_carries_a_value, 1);
    conf_test(tcase, a_library_may_have_a_namespace_of_its_own, 1);
    conf_test(tcase, a_plain_mutex_has_no_ceiling, 1);
    conf_test(tcase, messages_with_lists, 1);
    conf_test(tcase, syslog_says_it_on_stderr_too, 1);
}

int main(void)
{
    return conf_main("process_calls", add, CONF_THREADS);
}
