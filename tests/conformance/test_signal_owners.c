/* Files whose signals are for one thread: F_SETOWN_EX with its id */
#include "conformance.h"
#include "idler.h"

#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static volatile sig_atomic_t handled, handled_code, handled_fd;
static volatile pid_t handled_by;

static void handler(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)context;
    handled_by = gettid();
    handled_code = info->si_code;
    handled_fd = info->si_fd;
    handled = handled + 1;
}

static void setup(void)
{
    struct sigaction action = { .sa_sigaction = handler,
                                .sa_flags = SA_SIGINFO };

    ck_assert_int_eq(sigaction(SIGIO, &action, NULL), 0);
    ck_assert_int_eq(sigaction(SIGRTMIN + 3, &action, NULL), 0);
    handled = 0;
    handled_by = 0;
}

static void teardown(void)
{
    signal(SIGIO, SIG_DFL);
    signal(SIGRTMIN + 3, SIG_DFL);
}

static void await_handled(int times)
{
    for (int i = 0; i < 2000 && handled < times; i++)
        sleep_ms(1);
    ck_assert_int_eq(handled, times);
}

static void own(int fd, pid_t id, int number)
{
    struct f_owner_ex owner = { F_OWNER_TID, id };

    ck_assert_int_eq(fcntl(fd, F_SETOWN_EX, &owner), 0);
    ck_assert_int_eq(fcntl(fd, F_SETSIG, number), 0);
    ck_assert_int_eq(fcntl(fd, F_SETFL, O_ASYNC | fcntl(fd, F_GETFL)), 0);
}

static const int numbers[] = { 0, SIGIO };

START_TEST(a_thread_owns_a_file)
{
    int number = _i < 2 ? numbers[_i] : SIGRTMIN + 3;
    struct f_owner_ex owner = { F_OWNER_PID, 1 };
    struct idler one, two;
    int first[2], second[2];

    conf_unix_pair(first);
    conf_unix_pair(second);
    idler_begin(&one);
    idler_begin(&two);
    own(first[0], one.id, number);
    own(second[0], two.id, number);
    ck_assert_int_eq(fcntl(first[0], F_GETOWN_EX, &owner), 0);
    ck_assert_int_eq(owner.type, F_OWNER_TID);
    ck_assert_int_eq(owner.pid, one.id);
    ck_assert_int_eq(fcntl(second[0], F_GETOWN), two.id);
    ck_assert_int_eq(fcntl(second[0], F_GETSIG), number);
    conf_write_all(second[1], "x", 1);
    await_handled(1);
    ck_assert_int_eq(handled_by, two.id);
    ck_assert_int_eq(handled_code, number == 0 ? SI_KERNEL : POLL_IN);
    if (number != 0)
        ck_assert_int_eq(handled_fd, second[0]);
    conf_read_all(second[0], (char[1]){ 0 }, 1);
    conf_write_all(first[1], "x", 1);
    await_handled(2);
    ck_assert_int_eq(handled_by, one.id);
    own(first[0], getpid(), number);
    ck_assert_int_eq(fcntl(first[0], F_GETOWN), getpid());
    conf_read_all(first[0], (char[1]){ 0 }, 1);
    conf_write_all(first[1], "x", 1);
    await_handled(3);
    ck_assert_int_eq(handled_by, getpid());
    idler_end(&one);
    idler_end(&two);
    conf_close_both(first);
    conf_close_both(second);
}
END_TEST

START_TEST(who_has_ended_owns_nothing)
{
    struct f_owner_ex owner = { F_OWNER_PID, 1 };
    struct idler idler;
    int ends[2];

    conf_unix_pair(ends);
    idler_begin(&idler);
    own(ends[0], idler.id, 0);
    idler_end(&idler);
    conf_write_all(ends[1], "x", 1);
    sleep_ms(20);
    ck_assert_int_eq(handled, 0);
    ck_assert_int_eq(fcntl(ends[0], F_GETOWN_EX, &owner), 0);
    ck_assert_int_eq(owner.pid, 0);
    owner = (struct f_owner_ex){ F_OWNER_TID, idler.id };
    ck_assert_int_eq(fcntl(ends[0], F_SETOWN_EX, &owner), -1);
    ck_assert_int_eq(errno, ESRCH);
    conf_close_both(ends);
}
END_TEST

START_TEST(what_is_refused)
{
    struct f_owner_ex owner = { 77, gettid() };
    int ends[2];

    conf_assert_mapped();
    conf_unix_pair(ends);
    ck_assert_int_eq(fcntl(ends[0], F_SETOWN_EX, &owner), -1);
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_int_eq(fcntl(ends[0], F_SETOWN_EX, conf_bad_address()), -1);
    ck_assert_int_eq(errno, EFAULT);
    ck_assert_int_eq(fcntl(ends[0], F_GETOWN_EX, conf_bad_address()), -1);
    ck_assert_int_eq(errno, EFAULT);
    owner.type = F_OWNER_TID;
    ck_assert_int_eq(fcntl(-1, F_SETOWN_EX, &owner), -1);
    ck_assert_int_eq(errno, EBADF);
    ck_assert_int_eq(fcntl(ends[0], F_GETOWN), 0);
    conf_close_both(ends);
}
END_TEST

static void add(TCase *tcase)
{
    tcase_add_checked_fixture(tcase, setup, teardown);
    if (conf_emulated()) { /* its kernel has no F_SETSIG */
        conf_skip("F_SETOWN_EX");
        return;
    }
    conf_test(tcase, a_thread_owns_a_file, 3);
    conf_test(tcase, who_has_ended_owns_nothing, 1);
    conf_test(tcase, what_is_refused, 1);
}

int main(void)
{
    return conf_main("signal_owners", add, CONF_THREADS);
}
