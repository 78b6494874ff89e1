/* gettid(2), and the calls that take what it gives */
#include "conf_threads.h"

#include <errno.h>
#include <linux/capability.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>

enum { THREADS = 50 };

static sem_t noted, go_on;

static void setup(void)
{
    ck_assert_int_eq(sem_init(&noted, 0, 0), 0);
    ck_assert_int_eq(sem_init(&go_on, 0, 0), 0);
}

START_TEST(main_has_the_id_of_the_process)
{
    ck_assert_int_eq(gettid(), getpid());
    ck_assert_int_eq(syscall(SYS_gettid), getpid());
}
END_TEST

static void *note_id(void *argument)
{
    pid_t id = gettid();

    *(pid_t *)argument = id;
    CONF_CHECK(syscall(SYS_gettid) == id);
    CONF_CHECK(sem_post(&noted) == 0);
    CONF_CHECK(sem_wait(&go_on) == 0);
    CONF_CHECK(gettid() == id);
    sched_yield();
    CONF_CHECK(syscall(SYS_gettid) == id);
    return NULL;
}

START_TEST(living_threads_have_different_ids)
{
    pthread_t threads[THREADS];
    pid_t ids[THREADS];

    for (int i = 0; i < THREADS; i++)
        threads[i] = start_thread(note_id, &ids[i]);
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(sem_wait(&noted), 0);
    for (int i = 0; i < THREADS; i++) {
        ck_assert_int_gt(ids[i], 0);
        ck_assert_int_ne(ids[i], getpid());
        for (int j = 0; j < i; j++)
            ck_assert_int_ne(ids[i], ids[j]);
    }
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(sem_post(&go_on), 0);
    for (int i = 0; i < THREADS; i++)
        join_thread(threads[i]);
    ck_assert_int_eq(gettid(), getpid());
}
END_TEST

static void ids_in_child(void)
{
    CONF_CHECK(gettid() == getpid());
    CONF_CHECK(syscall(SYS_gettid) == getpid());
}

static void *fork_here(void *argument)
{
    (void)argument;
    return (void *)(long)run_child(ids_in_child);
}

START_TEST(the_only_thread_of_a_child_is_its_main)
{
    ck_assert_ptr_null(fork_here(NULL));
    ck_assert_ptr_null(join_thread(start_thread(fork_here, NULL)));
}
END_TEST

static int64_t cpu_time(pthread_t thread)
{
    struct timespec now;
    clockid_t clock;

    CONF_CHECK(pthread_getcpuclockid(thread, &clock) == 0);
    CONF_CHECK(clock_gettime(clock, &now) == 0);
    return now.tv_sec * CONF_S + now.tv_nsec;
}

static volatile int stop;

static bool no_preemption; /* qemu keeps its signal for itself */

static void *burn(void *argument)
{
    pid_t id = gettid();

    (void)argument;
    while (!stop) {
        CONF_CHECK(gettid() == id);
        if (no_preemption)
            sched_yield();
    }
    return NULL;
}

START_TEST(a_thread_has_a_cpu_clock)
{
    pthread_t thread;
    int64_t before = cpu_time(pthread_self());

    stop = 0;
    no_preemption = conf_emulated();
    thread = start_thread(burn, NULL);
    for (int tries = 0; cpu_time(thread) == 0; tries++) {
        ck_assert_int_lt(tries, 2000);
        sleep_ms(1);
    }
    stop = 1;
    join_thread(thread);
    ck_assert_int_ge(cpu_time(pthread_self()), before);
}
END_TEST

static void *ask_for_oneself(void *argument)
{
    struct sched_param param;
    pid_t id = gettid();
    cpu_set_t cpus;

    CONF_CHECK(sched_getscheduler(id) == SCHED_OTHER);
    CONF_CHECK(sched_getparam(id, &param) == 0);
    CONF_CHECK(param.sched_priority == 0);
    CONF_CHECK(sched_getaffinity(id, sizeof cpus, &cpus) == 0);
    CONF_CHECK(CPU_COUNT(&cpus) > 0);
    CONF_CHECK(syscall(SYS_tgkill, getpid(), id, 0) == 0);
    CONF_CHECK(syscall(SYS_tkill, id, 0) == 0);
    return argument;
}

START_TEST(calls_take_the_id)
{
    ask_for_oneself(NULL);
    join_thread(start_thread(ask_for_oneself, NULL));
}
END_TEST

/* To calls about a process any of its threads' ids names it. */
static void ask_for_process(pid_t id)
{
    struct rlimit limit, named;
    char from[4] = "abc", to[4] = "";
    struct iovec local = { to, sizeof to }, remote = { from, sizeof from };

    CONF_CHECK(getpgid(id) == getpgrp());
    CONF_CHECK(syscall(SYS_getpgid, id) == getpgrp());
    CONF_CHECK(getsid(id) == getsid(0));
    CONF_CHECK(syscall(SYS_getsid, id) == getsid(0));
    CONF_CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    CONF_CHECK(prlimit(id, RLIMIT_NOFILE, NULL, &named) == 0);
    CONF_CHECK(named.rlim_cur == limit.rlim_cur);
    CONF_CHECK(prlimit(id, RLIMIT_NOFILE, &named, NULL) == 0);
    CONF_CHECK(syscall(SYS_prlimit64, id, RLIMIT_NOFILE, NULL, &named) == 0);
    CONF_CHECK(named.rlim_cur == limit.rlim_cur);
    CONF_CHECK(kill(id, 0) == 0);
    if (!conf_emulated()) { /* where some is ENOSYS */
        CONF_CHECK(process_vm_readv(id, &local, 1, &remote, 1, 0) == 4);
        CONF_CHECK(strcmp(to, "abc") == 0);
        CONF_CHECK(process_vm_writev(id, &remote, 1, &local, 1, 0) == 4);
        CONF_CHECK(syscall(SYS_kcmp, id, getpid(), 2, 0, 0) <= 0 ||
                   errno == ENOSYS);
    }
}

static void ask_for_rights(pid_t id)
{
    struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3,
                                               id };
    struct __user_cap_data_struct own[2], named[2];

    CONF_CHECK(syscall(SYS_capget, &header, named) == 0);
    header.pid = 0;
    CONF_CHECK(syscall(SYS_capget, &header, own) == 0);
    CONF_CHECK(memcmp(own, named, sizeof own) == 0);
}

static void *name_process(void *argument)
{
    ask_for_process(gettid());
    ask_for_rights(gettid());
    return argument;
}

static void ask_from_fork(void)
{
    name_process(NULL);
}

/* Natively the kernel tells who joins a thread before it forgets the id. */
static void wait_until_forgotten(pid_t id)
{
    for (int i = 0; i < 10000 && getpgid(id) != -1; i++)
        usleep(1000);
}

START_TEST(an_id_names_the_process)
{
    pthread_t thread;
    pid_t id;

    name_process(NULL);
    join_thread(start_thread(name_process, NULL));
    thread = start_thread(note_id, &id);
    ck_assert_int_eq(sem_wait(&noted), 0);
    ask_for_process(id);
    ask_for_rights(id);
    ck_assert_int_eq(run_child(ask_from_fork), 0);
    ck_assert_int_eq(sem_post(&go_on), 0);
    join_thread(thread);
    wait_until_forgotten(id);
    ck_assert_int_eq(getpgid(id), -1);
    ck_assert_int_eq(errno, ESRCH);
    ck_assert_int_eq(getsid(id), -1);
    ck_assert_int_eq(errno, ESRCH);
    ck_assert_int_eq(prlimit(id, RLIMIT_NOFILE, NULL, NULL), -1);
    ck_assert_int_eq(errno, ESRCH);
}
END_TEST

static volatile sig_atomic_t handled_by;

static void note_handler(int signo)
{
    (void)signo;
    handled_by = gettid();
}

static void *wait_for_signal(void *argument)
{
    *(pid_t *)argument = gettid();
    CONF_CHECK(sem_post(&noted) == 0);
    for (int tries = 0; handled_by == 0; tries++) {
        CONF_CHECK(tries < 5000);
        sleep_ms(1);
    }
    return NULL;
}

START_TEST(a_signal_goes_to_the_thread_of_the_id)
{
    struct sigaction action, before;
    pthread_t thread;
    pid_t id;

    memset(&action, 0, sizeof action);
    action.sa_handler = note_handler;
    ck_assert_int_eq(sigaction(SIGUSR1, &action, &before), 0);
    handled_by = 0;
    thread = start_thread(wait_for_signal, &id);
    ck_assert_int_eq(sem_wait(&noted), 0);
    if (_i == 0)
        ck_assert_int_eq(tgkill(getpid(), id, SIGUSR1), 0);
    else
        ck_assert_int_eq(pthread_kill(thread, SIGUSR1), 0);
    join_thread(thread);
    ck_assert_int_eq(handled_by, id);
    ck_assert_int_eq(sigaction(SIGUSR1, &before, NULL), 0);
}
END_TEST

static void add(TCase *tcase)
{
    tcase_add_checked_fixture(tcase, setup, NULL);
    conf_test(tcase, main_has_the_id_of_the_process, 1);
    conf_test(tcase, living_threads_have_different_ids, 1);
    conf_test(tcase, the_only_thread_of_a_child_is_its_main, 1);
    conf_test(tcase, a_thread_has_a_cpu_clock, 1);
    conf_test(tcase, calls_take_the_id, 1);
    conf_test(tcase, an_id_names_the_process, 1);
    conf_test(tcase, a_signal_goes_to_the_thread_of_the_id, 2);
}

int main(void)
{
    return conf_main("thread_ids", add, CONF_THREADS);
}
