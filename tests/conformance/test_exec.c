/* exec(3), posix_spawn(3), system(3) and popen(3) in programs with threads */
#include "conformance.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { DELAY_MS = 10, TOP = 1000 };

extern char **environ;

static void put_line(void *fd)
{
    conf_write_all(*(int *)fd, "line\n", 5);
}

static void *wait_for_ever(void *fd)
{
    char byte;

    CONF_CHECK(read(*(int *)fd, &byte, 1) >= 0);
    return NULL;
}

/* How many fds this program was given at numbers that nobody here uses. */
static int count_top(void)
{
    struct rlimit limit;
    int count = 0;

    CONF_CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    for (int fd = TOP; fd < (int)limit.rlim_cur && fd < 200000; fd++) {
        char path[40];

        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        count += access(path, F_OK) == 0;
    }
    return count;
}

static void *exec_shell(void *argument)
{
    execl("/bin/sh", "sh", "-c", "exit 8", (char *)NULL);
    return argument;
}

static void *exec_self(void *argument)
{
    execl("/proc/self/exe", "self", "count-top", (char *)NULL);
    if (errno == ENOEXEC)
        _exit(97);
    return argument;
}

/* Threads wait in the child; the one that execs takes all of them with it. */
static int exec_with_threads(void *(*exec)(void *), bool from_thread)
{
    pid_t child = fork();
    int ends[2];

    if (child == 0) {
        conf_child_begin();
        CONF_CHECK(pipe2(ends, O_CLOEXEC) == 0);
        for (int i = 0; i < 5; i++)
            start_thread(wait_for_ever, &ends[0]);
        sleep_ms(1);
        if (from_thread)
            join_thread(start_thread(exec, NULL));
        else
            exec(NULL);
        _exit(99);
    }
    return conf_child_status(child);
}

START_TEST(exec_replaces_a_program_with_threads)
{
    ck_assert_int_eq(exec_with_threads(exec_shell, _i == 0), 8);
}
END_TEST

START_TEST(exec_hands_on_no_fd_of_a_runtime)
{
    int status = exec_with_threads(exec_self, _i == 0);

    if (status == 97)
        conf_skip("this kernel cannot run this program by itself");
    else
        ck_assert_int_eq(status, 0);
}
END_TEST

/* The signals that a program begins with: SIGUSR1 is bit 9. */
#define GREP "/bin/grep"
#define PATTERN pattern, "/proc/self/status"

static const char *pattern;

static void exec_by(int what)
{
    char *argv[] = { "grep", "-q", (char *)PATTERN, NULL };

    switch (what) {
    case 0:
        execve(GREP, argv, environ);
        break;
    case 1:
        execv(GREP, argv);
        break;
    case 2:
        execvp("grep", argv);
        break;
    case 3:
        execvpe("grep", argv, environ);
        break;
    case 4:
        fexecve(open(GREP, O_RDONLY | O_CLOEXEC), argv, environ);
        break;
    case 5:
        execl(GREP, "grep", "-q", PATTERN, (char *)NULL);
        break;
    case 6:
        execlp("grep", "grep", "-q", PATTERN, (char *)NULL);
        break;
    case 7:
        execle(GREP, "grep", "-q", PATTERN, (char *)NULL, environ);
        break;
    case 8:
        execveat(AT_FDCWD, GREP, argv, environ, 0);
        break;
    default:
        syscall(SYS_execve, GREP, argv, environ);
    }
}

static int what_to_call;

static void *exec_with_signals(void *argument)
{
    char *none[] = { NULL };
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    CONF_CHECK(pthread_sigmask(SIG_BLOCK, &set, NULL) == 0);
    CONF_CHECK(pthread_kill(pthread_self(), SIGUSR1) == 0);
    errno = 0;
    CONF_CHECK(execv("/nonexistent", none) == -1 && errno == ENOENT);
    CONF_CHECK(sigpending(&set) == 0 && sigismember(&set, SIGUSR1) == 1);
    exec_by(what_to_call);
    return argument;
}

START_TEST(exec_hands_on_the_signals_of_its_thread)
{
    if (conf_emulated()) {
        conf_skip("an emulator's own mask is what the new program has");
        return;
    }
    what_to_call = _i / 2;
    pattern = _i % 2 ? "^SigBlk:.*2..$" : "^SigPnd:.*2..$";
    ck_assert_int_eq(exec_with_threads(exec_with_signals, true), 0);
    ck_assert_int_eq(exec_with_threads(exec_with_signals, false), 0);
}
END_TEST

static void *exec_nothing(void *argument)
{
    CONF_CHECK(execl("/nonexistent", "none", (char *)NULL) == -1);
    CONF_CHECK(errno == ENOENT);
    return argument;
}

START_TEST(exec_that_fails_changes_nothing)
{
    int ends[2];
    pthread_t reader;

    conf_pipe(ends);
    reader = start_thread(wait_for_ever, &ends[0]);
    exec_nothing(NULL);
    join_thread(start_thread(exec_nothing, NULL));
    put_line(&ends[1]);
    join_thread(reader);
    conf_close_both(ends);
}
END_TEST

/* A shell command that reads a line from fd `from`, which another thread of
 * this program writes: so that one must run on. */
static void name_command(char *command, size_t size, int from, const char *more)
{
    snprintf(command, size, "read word </proc/self/fd/%d; %s", from, more);
}

static void *run_system(void *command)
{
    CONF_CHECK(WEXITSTATUS(system(command)) == 3);
    return NULL;
}

START_TEST(system_lets_other_threads_run)
{
    int ends[2];
    char command[80];
    pthread_t writer;

    conf_pipe(ends);
    name_command(command, sizeof command, ends[0], "exit 3");
    writer = start_later(DELAY_MS, put_line, &ends[1]);
    if (_i == 0)
        run_system(command);
    else
        join_thread(start_thread(run_system, command));
    join_thread(writer);
    ck_assert_int_ne(system(NULL), 0);
    conf_close_both(ends);
}
END_TEST

static void *run_popen(void *command)
{
    char line[20] = "";
    FILE *in = popen(command, "r");

    CONF_CHECK(in != NULL);
    CONF_CHECK(fgets(line, sizeof line, in) == line);
    CONF_CHECK(strcmp(line, "got line\n") == 0);
    CONF_CHECK(WEXITSTATUS(pclose(in)) == 0);
    return NULL;
}

START_TEST(popen_lets_other_threads_run)
{
    int ends[2];
    char command[80];
    pthread_t writer;

    conf_pipe(ends);
    name_command(command, sizeof command, ends[0], "echo got $word");
    writer = start_later(DELAY_MS, put_line, &ends[1]);
    if (_i == 0)
        run_popen(command);
    else
        join_thread(start_thread(run_popen, command));
    join_thread(writer);
    conf_close_both(ends);
}
END_TEST

START_TEST(pclose_waits_and_lets_other_threads_run)
{
    int ends[2];
    char command[80];
    pthread_t writer;
    FILE *out;

    conf_pipe(ends);
    name_command(command, sizeof command, ends[0], "exit 5");
    writer = start_later(DELAY_MS, put_line, &ends[1]);
    out = popen(command, "w");
    ck_assert_ptr_nonnull(out);
    ck_assert_int_ge(fputs("unread", out), 0);
    ck_assert_int_eq(WEXITSTATUS(pclose(out)), 5);
    join_thread(writer);
    conf_close_both(ends);
}
END_TEST

static void *spawn_shell(void *argument)
{
    char *arguments[] = { (char *)"sh", (char *)"-c", (char *)"exit 4", NULL };
    pid_t child = 0;

    CONF_CHECK(posix_spawnp(&child, "sh", NULL, NULL, arguments, environ) ==
               0);
    CONF_CHECK(conf_child_status(child) == 4);
    if (posix_spawn(&child, "/nonexistent", NULL, NULL, arguments, environ) ==
        0) /* POSIX allows it, and without a real vfork() it is so */
        CONF_CHECK(conf_child_status(child) == 127);
    return argument;
}

START_TEST(spawn_works_from_many_threads)
{
    pthread_t threads[8];

    for (int i = 0; i < 8; i++)
        threads[i] = start_thread(spawn_shell, NULL);
    for (int i = 0; i < 8; i++)
        join_thread(threads[i]);
}
END_TEST

START_TEST(spawn_follows_its_file_actions)
{
    char *arguments[] = { (char *)"sh", (char *)"-c", (char *)"echo $0 >&7",
                          NULL };
    char text[10] = "";
    posix_spawn_file_actions_t actions;
    int ends[2];
    pid_t child;

    conf_pipe(ends);
    ck_assert_int_eq(posix_spawn_file_actions_init(&actions), 0);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 7);
    posix_spawn_file_actions_addclosefrom_np(&actions, 8);
    ck_assert_int_eq(
        posix_spawn(&child, "/bin/sh", &actions, NULL, arguments, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    ck_assert_int_eq(read(ends[0], text, 9), 3);
    ck_assert_str_eq(text, "sh\n");
    ck_assert_int_eq(conf_child_status(child), 0);
    conf_close_both(ends);
}
END_TEST

static void add(TCase *tcase)
{
    conf_test(tcase, exec_replaces_a_program_with_threads, 2);
    conf_test(tcase, exec_hands_on_no_fd_of_a_runtime, 2);
    conf_test(tcase, exec_hands_on_the_signals_of_its_thread, 20);
    conf_test(tcase, exec_that_fails_changes_nothing, 1);
    conf_test(tcase, system_lets_other_threads_run, 2);
    conf_test(tcase, popen_lets_other_threads_run, 2);
    conf_test(tcase, pclose_waits_and_lets_other_threads_run, 1);
    conf_test(tcase, spawn_works_from_many_threads, 1);
    conf_test(tcase, spawn_follows_its_file_actions, 1);
}

int main(int count, char **arguments)
{
    if (count > 1 && strcmp(arguments[1], "count-top") == 0)
        return count_top();
    return conf_main("exec", add, CONF_THREADS);
}
