/* Signals that are asked for by a thread's id: rt_tgsigqueueinfo(), tgkill(), kill() */
#include "conformance.h"
#include "idler.h"

#include <errno.h>
#include <semaphore.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static volatile sig_atomic_t handled, handled_code, handled_value;
static volatile pid_t handled_by;

static void handler(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)context;
    handled_by = gettid();
    handled_code = info->si_code;
    handled_value = info->si_value.sival_int;
    handled = handled + 1;
}

static void setup(void)
{
    struct sigaction action = { .sa_sigaction = handler,
                                .sa_flags = SA_SIGINFO };

    ck_assert_int_eq(sigaction(SIGIO, &action, NULL), 0);
    ck_assert_int_eq(sigaction(SIGUSR1, &action, NULL), 0);
    ck_assert_int_eq(sigaction(SIGRTMIN + 3, &action, NULL), 0);
    handled = 0;
    handled_by = 0;
}

static void teardown(void)
{
    signal(SIGIO, SIG_DFL);
    signal(SIGUSR1, SIG_DFL);
    signal(SIGRTMIN + 3, SIG_DFL);
}

static void await_handled(int times)
{
    for (int i = 0; i < 2000 && handled < times; i++)
        sleep_ms(1);
    ck_assert_int_eq(handled, times);
}

/* ---- rt_tgsigqueueinfo() ---- */

static long queue(pid_t id, int number, int code)
{
    siginfo_t info;

    memset(&info, 0, sizeof info);
    info.si_code = code;
    info.si_pid = getpid();
    info.si_uid = getuid();
    info.si_value.sival_int = 71;
    return syscall(SYS_rt_tgsigqueueinfo, getpid(), id, number, &info);
}

START_TEST(a_value_is_queued_by_id)
{
    struct idler idler;

    conf_assert_mapped();
    idler_begin(&idler);
    ck_assert_int_eq(queue(idler.id, SIGUSR1, SI_QUEUE), 0);
    await_handled(1);
    ck_assert_int_eq(handled_by, idler.id);
    ck_assert_int_eq(handled_code, SI_QUEUE);
    ck_assert_int_eq(handled_value, 71);
    ck_assert_int_eq(queue(idler.id, SIGUSR1, SI_MESGQ), 0);
    await_handled(2);
    ck_assert_int_eq(handled_by, idler.id);
    ck_assert_int_eq(handled_code, SI_MESGQ);
    ck_assert_int_eq(queue(gettid(), SIGUSR1, SI_QUEUE), 0);
    await_handled(3);
    ck_assert_int_eq(handled_by, gettid());
    ck_assert_int_eq(queue(idler.id, 0, SI_QUEUE), 0);
    ck_assert_int_eq(queue(idler.id, 99, SI_QUEUE), -1);
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_int_eq(queue(0, SIGUSR1, SI_QUEUE), -1);
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_int_eq(syscall(SYS_rt_tgsigqueueinfo, getpid(), idler.id,
                             SIGUSR1, conf_bad_address()), -1);
    ck_assert_int_eq(errno, EFAULT);
    idler_end(&idler);
    ck_assert_int_eq(queue(idler.id, SIGUSR1, SI_QUEUE), -1);
    ck_assert_int_eq(errno, ESRCH);
}
END_TEST

static void *signal_main(void *by_tgkill)
{
    if (by_tgkill != NULL)
        CONF_CHECK(tgkill(getpid(), getpid(), SIGUSR1) == 0);
    else
        CONF_CHECK(queue(getpid(), SIGUSR1, SI_QUEUE) == 0);
    CONF_CHECK(handled_by != gettid());
    return NULL;
}

START_TEST(main_is_signalled_by_its_id)
{
    join_thread(start_thread(signal_main, _i ? &_i : NULL));
    await_handled(1);
    ck_assert_int_eq(handled_by, getpid());
}
END_TEST

/* Any thread's id names the process. */
static void *signal_by_own_id(void *unused)
{
    union sigval value = { .sival_int = 72 };
    siginfo_t info = { .si_signo = SIGRTMIN + 3, .si_code = SI_QUEUE };

    CONF_CHECK(kill(gettid(), 0) == 0);
    CONF_CHECK(syscall(SYS_kill, gettid(), 0) == 0);
    CONF_CHECK(kill(gettid(), SIGUSR1) == 0);
    CONF_CHECK(sigqueue(gettid(), SIGRTMIN + 3, value) == 0);
    info.si_pid = getpid();
    CONF_CHECK(syscall(SYS_rt_sigqueueinfo, gettid(), SIGRTMIN + 3, &info) ==
               0);
    return unused;
}

START_TEST(the_process_is_signalled_by_a_threads_id)
{
    join_thread(start_thread(signal_by_own_id, NULL));
    await_handled(3);
}
END_TEST

static void add(TCase *tcase)
{
    tcase_add_checked_fixture(tcase, setup, teardown);
    conf_test(tcase, a_value_is_queued_by_id, 1);
    conf_test(tcase, main_is_signalled_by_its_id, 2);
    conf_test(tcase, the_process_is_signalled_by_a_threads_id, 1);
}

int main(void)
{
    return conf_main("signal_ids", add, CONF_THREADS);
}
