/* Calls that wait until a terminal has sent its output, or for its keyboard */
#include "conformance.h"

#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>
#include <utmp.h>

START_TEST(attributes_are_set_after_the_output)
{
    static const int whens[] = { TCSANOW, TCSADRAIN, TCSAFLUSH };
    struct termios how, now;
    int ends[2];

    conf_assert_mapped();
    conf_stream(CONF_PTY, ends);
    for (size_t i = 0; i < 3; i++) {
        ck_assert_int_eq(tcgetattr(ends[0], &how), 0);
        how.c_cc[VTIME] = (cc_t)(3 + i);
        ck_assert_int_eq(tcsetattr(ends[0], whens[i], &how), 0);
        ck_assert_int_eq(tcgetattr(ends[0], &now), 0);
        ck_assert_int_eq(now.c_cc[VTIME], (int)(3 + i));
    }
    ck_assert_int_eq(ioctl(ends[0], TCSETSW, &how), 0);
    ck_assert_int_eq(ioctl(ends[0], TCSBRK, 1), 0);
    conf_close_both(ends);
}
END_TEST

START_TEST(they_refuse_what_is_no_terminal)
{
    struct termios how = { 0 };
    int ends[2];

    conf_assert_mapped();
    conf_pipe(ends);
    errno = 0;
    ck_assert_int_eq(tcsetattr(ends[0], TCSADRAIN, &how), -1);
    ck_assert_int_eq(errno, ENOTTY);
    ck_assert_int_eq(tcsetattr(ends[0], 77, &how), -1);
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_int_eq(tcsendbreak(ends[0], 0), -1);
    ck_assert_int_eq(errno, ENOTTY);
    ck_assert_int_eq(tcflow(ends[0], TCOON), -1);
    ck_assert_int_eq(errno, ENOTTY);
    ck_assert_int_eq(ioctl(ends[0], TCSBRK, 1), -1);
    ck_assert_int_eq(errno, ENOTTY);
    ck_assert_int_eq(tcdrain(-1), -1);
    ck_assert_int_eq(errno, EBADF);
    conf_close_both(ends);
}
END_TEST

START_TEST(break_and_flow)
{
    int ends[2];

    conf_assert_mapped();
    conf_stream(CONF_PTY, ends);
    ck_assert_int_eq(tcsendbreak(ends[0], 0), 0);
    ck_assert_int_eq(tcflow(ends[0], TCOOFF), 0);
    ck_assert_int_eq(tcflow(ends[0], TCOON), 0);
    conf_close_both(ends);
}
END_TEST

static int counted;

static void *count(void *unused)
{
    for (; counted < 3; counted++)
        sleep_ms(1);
    return unused;
}

/* In a session of its own, with the pty as its terminal. */
static void ask(int terminal)
{
    const char *answer;
    pthread_t thread;

    conf_child_begin();
    CONF_CHECK(login_tty(terminal) == 0);
    counted = 0;
    thread = start_thread(count, NULL);
    answer = getpass("word? ");
    CONF_CHECK(answer != NULL && strcmp(answer, "secret") == 0);
    CONF_CHECK(counted == 3); /* the others ran while it waited */
    join_thread(thread);
    exit(0);
}

START_TEST(getpass_waits_for_a_line)
{
    int ours, theirs;
    char prompt[6];
    pid_t child;

    conf_assert_mapped();
    ck_assert_int_eq(openpty(&ours, &theirs, NULL, NULL, NULL), 0);
    child = fork();
    if (child == 0) {
        close(ours);
        ask(theirs);
    }
    close(theirs);
    conf_read_all(ours, prompt, sizeof prompt);
    ck_assert_mem_eq(prompt, "word? ", 6);
    sleep_ms(50);
    conf_write_all(ours, "secret\n", 7);
    ck_assert_int_eq(conf_child_status(child), 0);
    close(ours);
}
END_TEST

static void add(TCase *tcase)
{
    conf_test(tcase, attributes_are_set_after_the_output, 1);
    conf_test(tcase, they_refuse_what_is_no_terminal, 1);
    conf_test(tcase, break_and_flow, 1);
    conf_test(tcase, getpass_waits_for_a_line, 1);
}

int main(void)
{
    return conf_main("terminal_waits", add, CONF_THREADS);
}
