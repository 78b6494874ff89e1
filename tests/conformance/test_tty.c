/* Terminals: VMIN and VTIME, lines, a master that is closed, job control */
#include "conformance.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

enum { DELAY_MS = 20 };

static int master, slave;

static void set_raw(int least, int tenths)
{
    struct termios how;

    ck_assert_int_eq(tcgetattr(slave, &how), 0);
    cfmakeraw(&how);
    how.c_cc[VMIN] = (cc_t)least;
    how.c_cc[VTIME] = (cc_t)tenths;
    ck_assert_int_eq(tcsetattr(slave, TCSANOW, &how), 0);
}

static void setup(void)
{
    master = posix_openpt(O_RDWR | O_NOCTTY);
    ck_assert_int_ge(master, 0);
    ck_assert_int_eq(grantpt(master), 0);
    ck_assert_int_eq(unlockpt(master), 0);
    slave = open(ptsname(master), O_RDWR | O_NOCTTY);
    ck_assert_int_ge(slave, 0);
}

static void teardown(void)
{
    if (master >= 0)
        close(master);
    close(slave);
}

struct typing {
    const char *text;
    int pause_ms;
};

static void *type(void *argument)
{
    const struct typing *typing = argument;

    for (const char *at = typing->text; *at != '\0'; at++) {
        sleep_ms(typing->pause_ms);
        conf_write_all(master, at, 1);
    }
    return NULL;
}

/* termios(3), the four cases. */
static const struct {
    int least, tenths;
    size_t asked;
    ssize_t got;
    const char *typed;
} cases[] = {
    { 1, 0, 8, 1, "a" },
    { 3, 0, 8, 3, "abc" },
    { 3, 0, 1, 1, "a" },    /* no more than was asked for is waited for */
    { 3, 0, 2, 2, "ab" },
    { 0, 1, 8, 0, "" },     /* a clock that runs from the start */
    { 0, 0, 8, 0, "" },     /* what is there */
    { 5, 1, 8, 1, "a" },    /* a clock between bytes */
    { 0, 50, 8, 1, "a" },
};

START_TEST(a_read_ends_by_count_and_clock)
{
    struct typing typing = { cases[_i].typed, DELAY_MS };
    pthread_t typist;
    char bytes[8];

    set_raw(cases[_i].least, cases[_i].tenths);
    typist = start_thread(type, &typing);
    ck_assert_int_eq(read(slave, bytes, cases[_i].asked), cases[_i].got);
    ck_assert_mem_eq(bytes, cases[_i].typed, (size_t)cases[_i].got);
    join_thread(typist);
}
END_TEST

START_TEST(a_line_comes_when_it_is_ended)
{
    struct typing typing = { "ab\ncd", 2 };
    pthread_t typist;
    char bytes[8];

    typist = start_thread(type, &typing);
    ck_assert_int_eq(read(slave, bytes, sizeof bytes), 3);
    ck_assert_mem_eq(bytes, "ab\n", 3);
    join_thread(typist);
    conf_write_all(master, "\x04", 1); /* ends what is there */
    ck_assert_int_eq(read(slave, bytes, sizeof bytes), 2);
    conf_write_all(master, "\x04", 1); /* and of nothing is the end */
    ck_assert_int_eq(read(slave, bytes, sizeof bytes), 0);
}
END_TEST

static void hang_up(void *unused)
{
    (void)unused;
    CONF_CHECK(close(master) == 0);
    master = -1;
}

START_TEST(a_master_that_goes_is_a_hang_up)
{
    pthread_t closer;
    char byte;
    struct pollfd ready = { slave, POLLIN, 0 };

    set_raw(1, 0);
    closer = start_later(DELAY_MS, hang_up, NULL);
    errno = 0;
    ck_assert_int_le(read(slave, &byte, 1), 0); /* the end, or EIO */
    ck_assert(errno == 0 || errno == EIO);
    join_thread(closer);
    ck_assert_int_eq(poll(&ready, 1, 0), 1);
    ck_assert_int_eq(ready.revents & POLLHUP, POLLHUP);
    ck_assert_int_eq(write(slave, "x", 1), -1);
    ck_assert_int_eq(errno, EIO);
}
END_TEST

static void hang_up_slave(void *unused)
{
    (void)unused;
    CONF_CHECK(close(slave) == 0);
}

START_TEST(a_slave_that_goes_is_an_error_of_the_master)
{
    pthread_t closer = start_later(DELAY_MS, hang_up_slave, NULL);
    char byte;

    ck_assert_int_eq(read(master, &byte, 1), -1);
    ck_assert_int_eq(errno, EIO);
    join_thread(closer);
    slave = open(ptsname(master), O_RDWR | O_NOCTTY);
}
END_TEST

/* ---- job control, in a session of a child's ---- */

enum { READS_IGNORED, WRITES_STOPPED, READS_STOPPED, JOBS };

static volatile sig_atomic_t got_signal;

static void note_signal(int number)
{
    got_signal = number;
}

static void *company(void *unused)
{
    sleep_ms(2);
    return unused;
}

/* What a process in the background meets; its exit status says. */
static void in_background(int job)
{
    struct sigaction note = { .sa_handler = note_signal };
    char byte;

    conf_child_begin();
    setpgid(0, 0);
    join_thread(start_thread(company, NULL));
    if (job == READS_IGNORED)
        signal(SIGTTIN, SIG_IGN);
    sigaction(job == WRITES_STOPPED ? SIGTTOU : SIGTTIN, &note, NULL);
    if (job == READS_IGNORED)
        signal(SIGTTIN, SIG_IGN);
    if (job == WRITES_STOPPED)
        _exit(write(slave, "x", 1) == -1 && errno == EINTR &&
              got_signal == SIGTTOU ? 0 : 1);
    if (read(slave, &byte, 1) != -1)
        _exit(2);
    if (job == READS_IGNORED)
        _exit(errno == EIO ? 0 : 3);
    _exit(errno == EINTR && got_signal == SIGTTIN ? 0 : 4);
}

static void lead_session(int job)
{
    struct termios how;
    pid_t child;

    conf_child_begin();
    CONF_CHECK(setsid() > 0);
    CONF_CHECK(ioctl(slave, TIOCSCTTY, 0) == 0);
    CONF_CHECK(tcgetattr(slave, &how) == 0);
    how.c_lflag |= TOSTOP;
    CONF_CHECK(tcsetattr(slave, TCSANOW, &how) == 0);
    CONF_CHECK(tcgetpgrp(slave) == getpgrp());
    child = fork();
    if (child == 0)
        in_background(job);
    _exit(conf_child_status(child));
}

START_TEST(the_background_is_told)
{
    pid_t leader;

    leader = fork();
    ck_assert_int_ge(leader, 0);
    if (leader == 0)
        lead_session(_i);
    ck_assert_int_eq(conf_child_status(leader), 0);
}
END_TEST

static void add(TCase *tcase)
{
    tcase_add_checked_fixture(tcase, setup, teardown);
    conf_test(tcase, a_read_ends_by_count_and_clock,
              sizeof cases / sizeof *cases);
    conf_test(tcase, a_line_comes_when_it_is_ended, 1);
    conf_test(tcase, a_master_that_goes_is_a_hang_up, 1);
    conf_test(tcase, a_slave_that_goes_is_an_error_of_the_master, 1);
    conf_test(tcase, the_background_is_told, JOBS);
}

int main(void)
{
    return conf_main("tty", add, CONF_THREADS);
}
