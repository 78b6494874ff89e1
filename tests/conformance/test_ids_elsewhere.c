/* Ids of threads, used on a thread that libc made for itself: that of a timer
 */
#include "conformance.h"
#include "idler.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <semaphore.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int capget(void *header, void *data);

static struct idler idler;
static sem_t done;
static volatile sig_atomic_t handled;
static volatile pid_t handled_by;

static void handler(int number)
{
    (void)number;
    handled_by = gettid();
    handled = handled + 1;
}

static void (*body)(pid_t);

static void notified(union sigval value)
{
    body(value.sival_int);
    CONF_CHECK(sem_post(&done) == 0);
}

static void run_elsewhere(void (*function)(pid_t), pid_t id)
{
    struct sigevent event = {.sigev_notify = SIGEV_THREAD,
                             .sigev_notify_function = notified};
    struct itimerspec soon = {.it_value = {0, CONF_MS}};
    timer_t timer;

    body = function;
    event.sigev_value.sival_int = id;
    ck_assert_int_eq(sem_init(&done, 0, 0), 0);
    ck_assert_int_eq(timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
    ck_assert_int_eq(timer_settime(timer, 0, &soon, NULL), 0);
    while (sem_wait(&done) < 0)
        continue;
    ck_assert_int_eq(timer_delete(timer), 0);
    sem_destroy(&done);
}

static void name_process(pid_t id)
{
    struct rlimit limit;

    CONF_CHECK(getpgid(id) == getpgrp());
    CONF_CHECK(syscall(SYS_getpgid, id) == getpgrp());
    CONF_CHECK(syscall(SYS_getsid, id) == getsid(0));
    CONF_CHECK(syscall(SYS_prlimit64, id, RLIMIT_NOFILE, NULL, &limit) == 0);
    CONF_CHECK(setpgid(id, 0) == -1 && errno == EINVAL);
    CONF_CHECK(syscall(SYS_setpgid, id, 0) == -1 && errno == EINVAL);
    CONF_CHECK(kill(id, 0) == 0);
    CONF_CHECK(syscall(SYS_kill, id, 0) == 0);
    CONF_CHECK(tgkill(getpid(), id, 0) == 0);
    CONF_CHECK(syscall(SYS_tgkill, getpid(), id, 0) == 0);
    CONF_CHECK(syscall(SYS_tkill, id, 0) == 0);
    CONF_CHECK(syscall(SYS_tkill, id, 99) == -1 && errno == EINVAL);
}

static void name_in_words(pid_t id)
{
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, id};
    struct __user_cap_data_struct data[2];

    CONF_CHECK(syscall(SYS_capget, &header, data) == 0);
    header.pid = id;
    CONF_CHECK(capget(&header, data) == 0);
}

static void name_nobody(pid_t id)
{
    CONF_CHECK(syscall(SYS_getpgid, id) == -1 && errno == ESRCH);
    CONF_CHECK(syscall(SYS_kill, id, 0) == -1 && errno == ESRCH);
    CONF_CHECK(syscall(SYS_tgkill, getpid(), id, 0) == -1 && errno == ESRCH);
    CONF_CHECK(syscall(SYS_tkill, id, 0) == -1 && errno == ESRCH);
    CONF_CHECK(setpgid(id, 0) == -1 && errno == ESRCH);
}

START_TEST(an_id_names_the_process)
    {
        conf_assert_mapped();
        idler_begin(&idler);
        run_elsewhere(name_process, idler.id);
        run_elsewhere(name_in_words, idler.id);
        idler_end(&idler);
        for (int i = 0; i < 10000 && getpgid(idler.id) != -1; i++)
            sleep_ms(1);
        run_elsewhere(name_nobody, idler.id);
    }
END_TEST

static void send_by_group(pid_t id)
{
    CONF_CHECK(syscall(SYS_tgkill, getpid(), id, SIGUSR1) == 0);
}

static void send_by_id(pid_t id)
{
    CONF_CHECK(syscall(SYS_tkill, id, SIGUSR1) == 0);
}

static void send_value(pid_t id)
{
    siginfo_t info;

    memset(&info, 0, sizeof info);
    info.si_code = SI_USER;
    CONF_CHECK(syscall(SYS_rt_tgsigqueueinfo, getpid(), id, SIGUSR1, &info) ==
                   -1 &&
               errno == EPERM);
    info.si_code = SI_QUEUE;
    CONF_CHECK(syscall(SYS_rt_tgsigqueueinfo, getpid(), id, SIGUSR1, &info) ==
               0);
}

static void send_by_timer(pid_t id)
{
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID,
                             .sigev_signo = SIGUSR1};
    struct itimerspec soon = {.it_value = {0, CONF_MS}};
    timer_t timer;
    int number;

    event._sigev_un._tid = id;
    CONF_CHECK(syscall(SYS_timer_create, CLOCK_MONOTONIC, &event, &number) ==
               0);
    CONF_CHECK(syscall(SYS_timer_delete, number) == 0);
    CONF_CHECK(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
    CONF_CHECK(timer_settime(timer, 0, &soon, NULL) == 0);
    for (int i = 0; i < 2000 && handled == 0; i++)
        sleep_ms(1);
    CONF_CHECK(timer_delete(timer) == 0);
}

static void (*const senders[])(pid_t) = {send_by_group, send_by_id,
                                         send_by_timer, send_value};
enum {
    SENDERS = sizeof senders / sizeof *senders,
    TIMER = SENDERS - 2,
    VALUE = SENDERS - 1
};

START_TEST(a_signal_goes_to_the_thread)
    {
        if (conf_emulated() && _i == TIMER) {
            conf_skip(
                "this emulator's signals name another timer than it made");
            return;
        }
        if (conf_emulated() && _i == VALUE) {
            conf_skip("the emulator passes on what it is told");
            return;
        }
        signal(SIGUSR1, handler);
        handled = 0;
        idler_begin(&idler);
        run_elsewhere(senders[_i], idler.id);
        for (int i = 0; i < 2000 && handled == 0; i++)
            sleep_ms(1);
        ck_assert_int_eq(handled, 1);
        ck_assert_int_eq(handled_by, idler.id);
        idler_end(&idler);
        signal(SIGUSR1, SIG_DFL);
    }
END_TEST

static int ends[2];

static void own_file(pid_t id)
{
    struct f_owner_ex owner = {F_OWNER_PID, id};

    CONF_CHECK(fcntl(ends[0], F_SETOWN, id) == 0);
    CONF_CHECK(fcntl(ends[0], F_SETFL, O_ASYNC) == 0);
    conf_write_all(ends[1], "x", 1);
    if (!conf_emulated()) {
        CONF_CHECK(fcntl(ends[0], F_SETOWN_EX, &owner) == 0);
        CONF_CHECK(fcntl(ends[0], F_SETOWN, -id) == 0);
        CONF_CHECK(fcntl(ends[0], F_GETOWN) == 0);
    }
    conf_write_all(ends[1], "x", 1);
}

START_TEST(a_file_is_owned_by_the_process)
    {
        signal(SIGIO, handler);
        handled = 0;
        conf_unix_pair(ends);
        idler_begin(&idler);
        run_elsewhere(own_file, idler.id);
        for (int i = 0; i < 2000 && handled == 0; i++)
            sleep_ms(1);
        if (conf_emulated())
            ck_assert_int_ge(handled, 1);
        else
            ck_assert_int_eq(handled, 1);
        idler_end(&idler);
        conf_close_both(ends);
        signal(SIGIO, SIG_DFL);
    }
END_TEST

static void add(TCase *tcase)
{
    conf_test(tcase, an_id_names_the_process, 1);
    conf_test(tcase, a_signal_goes_to_the_thread, SENDERS);
    conf_test(tcase, a_file_is_owned_by_the_process, 1);
}

int main(void)
{
    return conf_main("ids_elsewhere", add, CONF_THREADS);
}
