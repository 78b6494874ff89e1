/* warn, error, psignal and their like: they lock stderr inside libc */
#include "conformance.h"

#include <err.h>
#include <errno.h>
#include <error.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int old_stderr, text_ends[2];

/* stderr goes to a pipe that is large enough for what is written here. */
static void setup(void)
{
    conf_pipe(text_ends);
    old_stderr = dup(STDERR_FILENO);
    ck_assert_int_eq(dup2(text_ends[1], STDERR_FILENO), STDERR_FILENO);
}

static void teardown(void)
{
    dup2(old_stderr, STDERR_FILENO);
    close(old_stderr);
    conf_close_both(text_ends);
}

/* What was written, ended by a NUL. */
static const char *written(void)
{
    static char text[2000];
    ssize_t n = read(text_ends[0], text, sizeof text - 1);

    ck_assert_int_gt(n, 0);
    text[n] = '\0';
    return text;
}

START_TEST(tell_name_and_error)
{
    char wanted[500];

    errno = ENOENT;
    warn("number %d", 7);
    warnx("text %s", "x");
    error(0, EPERM, "number %d", 8);
    error_at_line(0, 0, "file", 12, "%c", 'c');
    psignal(SIGTERM, "signal");
    errno = EIO;
    perror("place");
    snprintf(wanted, sizeof wanted,
             "%s: number 7: No such file or directory\n"
             "%s: text x\n"
             "%s: number 8: Operation not permitted\n"
             "%s:file:12: c\n"
             "signal: Terminated\n"
             "place: Input/output error\n",
             program_invocation_short_name, program_invocation_short_name,
             program_invocation_name, program_invocation_name);
    ck_assert_str_eq(written(), wanted);
}
END_TEST

static sem_t held;

static void *hold_stderr(void *argument)
{
    flockfile(stderr);
    sem_post(&held);
    sleep_ms(40);
    fputs("first\n", stderr);
    funlockfile(stderr);
    return argument;
}

static void *tell(void *argument)
{
    warnx("later");
    error(0, 0, "later");
    psignal(SIGINT, "later");
    return argument;
}

START_TEST(wait_for_another_threads_lock)
{
    pthread_t threads[3];
    const char *text;
    int lines = 0;

    ck_assert_int_eq(sem_init(&held, 0, 0), 0);
    threads[0] = start_thread(hold_stderr, NULL);
    ck_assert_int_eq(sem_wait(&held), 0);
    threads[1] = start_thread(tell, NULL);
    threads[2] = start_thread(tell, NULL);
    for (int i = 0; i < 3; i++)
        join_thread(threads[i]);
    text = written();
    ck_assert_int_eq(strncmp(text, "first\n", 6), 0);
    for (; *text != '\0'; text++)
        lines += *text == '\n';
    ck_assert_int_eq(lines, 7);
}
END_TEST

static int status_of(void (*function)(void))
{
    pid_t child = fork();

    if (child == 0) {
        conf_child_begin();
        function();
        _exit(99);
    }
    return conf_child_status(child);
}

static void by_err(void)
{
    errno = EIO;
    err(5, "text");
}

static void by_errx(void)
{
    errx(6, "text");
}

static void by_error(void)
{
    error(7, 0, "text");
}

START_TEST(end_the_process_with_a_status)
{
    ck_assert_int_eq(status_of(by_err), 5);
    ck_assert_int_eq(status_of(by_errx), 6);
    ck_assert_int_eq(status_of(by_error), 7);
    ck_assert_ptr_nonnull(strstr(written(), "text: Input/output error\n"));
}
END_TEST

static void add(TCase *tcase)
{
    tcase_add_checked_fixture(tcase, setup, teardown);
    conf_test(tcase, tell_name_and_error, 1);
    conf_test(tcase, wait_for_another_threads_lock, 1);
    conf_test(tcase, end_the_process_with_a_status, 1);
}

int main(void)
{
    return conf_main("err", add, CONF_THREADS);
}
