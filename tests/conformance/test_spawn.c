/* posix_spawn, popen, system, wordexp: what a program that is started begins
 * with, and what goes on meanwhile */
#include "conformance.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <wordexp.h>

extern char **environ;

static int by_posix_spawn(const char *command)
{
    char *argv[] = { "sh", "-c", (char *)command, NULL };
    int status;
    pid_t child;

    CONF_CHECK(posix_spawn(&child, "/bin/sh", NULL, NULL, argv, environ) == 0);
    CONF_CHECK(waitpid(child, &status, 0) == child);
    return status;
}

static int by_posix_spawnp(const char *command)
{
    char *argv[] = { "sh", "-c", (char *)command, NULL };
    int status;
    pid_t child;

    CONF_CHECK(posix_spawnp(&child, "sh", NULL, NULL, argv, environ) == 0);
    CONF_CHECK(waitpid(child, &status, 0) == child);
    return status;
}

static int by_popen(const char *command)
{
    FILE *output = popen(command, "r");

    CONF_CHECK(output != NULL);
    return pclose(output);
}

static int (*const starters[])(const char *) = { by_posix_spawn,
                                                 by_posix_spawnp, by_popen,
                                                 system };
#define STARTERS (int)(sizeof starters / sizeof *starters)

/* The mask with which a program begins; a shell would clear it. */
static bool begins_blocked(bool by_path)
{
    char *argv[] = { "grep", "-q", "^SigBlk:.*2..$", "/proc/self/status",
                     NULL }; /* SIGUSR1 is bit 9 */
    int status;
    pid_t child;

    CONF_CHECK((by_path ? posix_spawnp : posix_spawn)(
                   &child, by_path ? "grep" : "/bin/grep", NULL, NULL, argv,
                   environ) == 0);
    CONF_CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status));
    return WEXITSTATUS(status) == 0;
}

static void *spawn_with_mask(void *by_path)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    CONF_CHECK(pthread_sigmask(SIG_BLOCK, &set, NULL) == 0);
    CONF_CHECK(begins_blocked(by_path != NULL));
    CONF_CHECK(pthread_sigmask(SIG_UNBLOCK, &set, NULL) == 0);
    CONF_CHECK(!begins_blocked(by_path != NULL));
    return NULL;
}

START_TEST(it_has_the_mask_of_the_thread)
{
    join_thread(start_thread(spawn_with_mask, _i ? "" : NULL));
    ck_assert(!begins_blocked(_i != 0));
}
END_TEST

START_TEST(its_status_comes_back)
{
    int status;

    conf_assert_mapped();
    status = starters[_i]("exit 5");
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 5);
    status = starters[_i]("kill -TERM $$");
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
}
END_TEST

static int go_on[2];

static void release(void *unused)
{
    (void)unused;
    conf_write_all(go_on[1], "\n", 1);
}

/* The command ends when another thread has written a line. */
START_TEST(other_threads_run_meanwhile)
{
    char command[60];
    pthread_t thread;

    conf_pipe(go_on);
    snprintf(command, sizeof command, "read line <&%d", go_on[0]);
    thread = start_later(20, release, NULL);
    ck_assert_int_eq(starters[_i](command), 0);
    join_thread(thread);
    conf_close_both(go_on);
}
END_TEST

static volatile sig_atomic_t handled;

static void handler(int number)
{
    handled = number;
}

START_TEST(system_ignores_what_a_terminal_sends)
{
    char command[60];
    struct sigaction now;

    conf_assert_mapped();
    handled = 0;
    signal(SIGINT, handler);
    snprintf(command, sizeof command, "kill -INT %d; exit 3", getpid());
    ck_assert_int_eq(WEXITSTATUS(system(command)), 3);
    ck_assert_int_eq(handled, 0);
    ck_assert_int_eq(sigaction(SIGINT, NULL, &now), 0);
    ck_assert_ptr_eq(now.sa_handler, handler);
    ck_assert_int_eq(WTERMSIG(system("kill -INT $$")), SIGINT);
    signal(SIGINT, SIG_DFL);
}
END_TEST

START_TEST(system_of_null_asks_for_a_shell)
{
    conf_assert_mapped();
    ck_assert_int_ne(system(NULL), 0);
    ck_assert_int_eq(WEXITSTATUS(system("no-such-command-here 2>/dev/null")),
                     127);
}
END_TEST

static void *run_long(void *unused)
{
    system("exec sleep 50");
    return unused;
}

START_TEST(cancellation_ends_system)
{
    struct sigaction now;
    pthread_t thread;

    conf_assert_mapped();
    thread = start_thread(run_long, NULL);
    sleep_ms(50);
    ck_assert_int_eq(pthread_cancel(thread), 0);
    ck_assert_ptr_eq(join_thread(thread), PTHREAD_CANCELED);
    ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
    ck_assert_int_eq(errno, ECHILD);
    ck_assert_int_eq(sigaction(SIGINT, NULL, &now), 0);
    ck_assert_ptr_eq(now.sa_handler, SIG_DFL);
}
END_TEST

START_TEST(what_is_not_there_is_an_error)
{
    char *argv[] = { "x", NULL };
    pid_t child;

    if (conf_emulated()) {
        conf_skip("qemu's vfork() does not share memory");
        return;
    }
    conf_assert_mapped();
    ck_assert_int_eq(posix_spawn(&child, "/no/such/file", NULL, NULL, argv,
                                 environ), ENOENT);
    ck_assert_int_eq(posix_spawnp(&child, "no-such-file", NULL, NULL, argv,
                                  environ), ENOENT);
    errno = 0;
    ck_assert_ptr_null(popen("true", "x"));
    ck_assert_int_eq(errno, EINVAL);
}
END_TEST

START_TEST(wordexp_runs_commands)
{
    char text[60];
    wordexp_t words;
    pthread_t thread;

    conf_pipe(go_on);
    snprintf(text, sizeof text, "a$(read line <&%d; echo b) $HOME c",
             go_on[0]);
    ck_assert_int_eq(setenv("HOME", "/home", 1), 0);
    thread = start_later(20, release, NULL);
    ck_assert_int_eq(wordexp(text, &words, 0), 0);
    join_thread(thread);
    ck_assert_uint_eq(words.we_wordc, 3);
    ck_assert_str_eq(words.we_wordv[0], "ab");
    ck_assert_str_eq(words.we_wordv[1], "/home");
    wordfree(&words);
    ck_assert_int_eq(wordexp("$(", &words, 0), WRDE_SYNTAX);
    conf_close_both(go_on);
}
END_TEST

static void add(TCase *tcase)
{
    conf_test(tcase, it_has_the_mask_of_the_thread, 2);
    conf_test(tcase, its_status_comes_back, STARTERS);
    conf_test(tcase, other_threads_run_meanwhile, STARTERS);
    conf_test(tcase, system_ignores_what_a_terminal_sends, 1);
    conf_test(tcase, system_of_null_asks_for_a_shell, 1);
    conf_test(tcase, cancellation_ends_system, 1);
    conf_test(tcase, what_is_not_there_is_an_error, 1);
    conf_test(tcase, wordexp_runs_commands, 1);
}

int main(void)
{
    return conf_main("spawn", add, CONF_THREADS);
}
