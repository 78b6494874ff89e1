/* signalfd(2): what a thread sends itself is read there, and others go on */
#include "conf_threads.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>

static sigset_t set;
static int fd;

/* All threads block them: those that a test makes inherit it. */
static void setup(void)
{
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGRTMIN);
    ck_assert_int_eq(pthread_sigmask(SIG_BLOCK, &set, NULL), 0);
    fd = signalfd(-1, &set, SFD_CLOEXEC);
    ck_assert_int_ge(fd, 0);
}

static void teardown(void)
{
    close(fd);
    ck_assert_int_eq(pthread_sigmask(SIG_UNBLOCK, &set, NULL), 0);
}

static void check_one(int number, int code, int value)
{
    struct pollfd entry = {fd, POLLIN, 0};
    struct signalfd_siginfo info;

    CONF_CHECK(poll(&entry, 1, 10000) == 1);
    CONF_CHECK(read(fd, &info, sizeof info) == sizeof info);
    CONF_CHECK(info.ssi_signo == (unsigned)number);
    CONF_CHECK(info.ssi_code == code);
    CONF_CHECK(code != SI_QUEUE || info.ssi_int == value);
}

static void *send_to_self(void *argument)
{
    union sigval value = {.sival_int = 7};

    CONF_CHECK(raise(SIGUSR1) == 0);
    check_one(SIGUSR1, SI_TKILL, 0);
    CONF_CHECK(pthread_kill(pthread_self(), SIGUSR1) == 0);
    check_one(SIGUSR1, SI_TKILL, 0);
    CONF_CHECK(pthread_sigqueue(pthread_self(), SIGRTMIN, value) == 0);
    check_one(SIGRTMIN, SI_QUEUE, 7);
    CONF_CHECK(kill(getpid(), SIGUSR1) == 0);
    check_one(SIGUSR1, SI_USER, 0);
    return argument;
}

START_TEST(shows_what_main_sends_itself)
    {
        pthread_t other = start_thread(count_meanwhile, &(int){0});

        send_to_self(NULL);
        join_thread(other);
    }
END_TEST

START_TEST(shows_what_a_thread_sends_itself)
    {
        join_thread(start_thread(send_to_self, NULL));
    }
END_TEST

START_TEST(made_by_its_number_it_shows_the_same)
    {
        close(fd);
        fd = (int)syscall(SYS_signalfd4, -1, &set, _NSIG / 8, SFD_CLOEXEC);
        ck_assert_int_ge(fd, 0);
        join_thread(start_thread(send_to_self, NULL));
        errno = 0;
        ck_assert_int_eq(syscall(SYS_signalfd4, -1, &set, 3, 0), -1);
        ck_assert_int_eq(errno, EINVAL);
    }
END_TEST

static void send_usr1(void *argument)
{
    (void)argument;
    kill(getpid(), SIGUSR1);
}

START_TEST(a_read_waits_while_others_run)
    {
        struct signalfd_siginfo info;
        int counter = 0;
        pthread_t other = start_thread(count_meanwhile, &counter);
        pthread_t sender = start_later(50, send_usr1, NULL);

        ck_assert_int_eq(read(fd, &info, sizeof info), sizeof info);
        ck_assert_int_gt(counter, 0);
        join_thread(sender);
        join_thread(other);
    }
END_TEST

START_TEST(refuses_what_is_none)
    {
        errno = 0;
        ck_assert_int_eq(signalfd(-1, &set, 0x1234), -1);
        ck_assert_int_eq(errno, EINVAL);
        errno = 0;
        ck_assert_int_eq(signalfd(9999, &set, 0), -1);
        ck_assert_int_eq(errno, EBADF);
    }
END_TEST

static void add(TCase *tcase)
{
    if (conf_emulated()) {
        conf_skip("the emulator keeps signals that are blocked to itself");
        return;
    }
    tcase_add_checked_fixture(tcase, setup, teardown);
    conf_test(tcase, shows_what_main_sends_itself, 1);
    conf_test(tcase, shows_what_a_thread_sends_itself, 1);
    conf_test(tcase, made_by_its_number_it_shows_the_same, 1);
    conf_test(tcase, a_read_waits_while_others_run, 1);
    conf_test(tcase, refuses_what_is_none, 1);
}

int main(void)
{
    return conf_main("signalfd", add, CONF_THREADS);
}
