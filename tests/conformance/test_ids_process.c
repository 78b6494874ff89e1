/* The id of a thread in calls that want a process, and some that want a thread
 */
#include "conformance.h"
#include "idler.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef PIDFD_NONBLOCK
#define PIDFD_NONBLOCK O_NONBLOCK
#endif
int pidfd_open(pid_t id, unsigned flags) __attribute__((weak)); /* glibc 2.36 */

enum { NO_ID = 0x3ffff0 };

#define FAILS(call, error)            \
    do {                              \
        errno = 0;                    \
        CONF_CHECK((call) == -1);     \
        CONF_CHECK(errno == (error)); \
    } while (0)

static pid_t ended_id(void)
{
    struct idler idler;

    idler_begin(&idler);
    idler_end(&idler);
    return idler.id;
}

/* `body` is told an id; by main and by a thread. */
static void *run_body(void *body)
{
    void (*function)(pid_t) = *(void (**)(pid_t))body;

    function(gettid());
    return NULL;
}

static void of_both(void (*body)(pid_t))
{
    struct idler idler;

    conf_assert_mapped();
    idler_begin(&idler);
    body(idler.id);
    join_thread(start_thread(run_body, &body));
    idler_end(&idler);
}

/* ---- setpgid() ---- */

static void set_group(pid_t id)
{
    FAILS(setpgid(id, 0), EINVAL);
    FAILS(setpgid(id, id), EINVAL);
    FAILS(setpgid(id, getpgrp()), EINVAL);
    FAILS(setpgid(id, -1), EINVAL);
    FAILS(syscall(SYS_setpgid, id, 0), EINVAL);
    FAILS(setpgid(0, id), EPERM);
}

START_TEST(a_thread_has_no_group)
    {
        pid_t gone = ended_id();

        of_both(set_group);
        FAILS(setpgid(gone, 0), ESRCH);
        FAILS(syscall(SYS_setpgid, gone, 0), ESRCH);
        FAILS(setpgid(NO_ID, 0), ESRCH);
    }
END_TEST

static void *group_child(void *unused)
{
    pid_t child = fork();

    if (child == 0) {
        conf_child_begin();
        CONF_CHECK(setpgid(0, 0) == 0);
        CONF_CHECK(getpgrp() == getpid());
        _exit(7);
    }
    CONF_CHECK(setpgid(child, child) == 0 || errno == EACCES || errno == ESRCH);
    CONF_CHECK(conf_child_status(child) == 7);
    return unused;
}

START_TEST(a_child_has_one)
    {
        join_thread(start_thread(group_child, NULL));
    }
END_TEST

/* ---- pidfd_open() ---- */

/* EINVAL; from Linux 6.16 on ENOENT. */
static void open_thread(pid_t id)
{
    errno = 0;
    CONF_CHECK(syscall(SYS_pidfd_open, id, 0) == -1);
    CONF_CHECK(errno == EINVAL || errno == ENOENT);
    if (pidfd_open != NULL) {
        CONF_CHECK(pidfd_open(id, PIDFD_NONBLOCK) == -1);
        CONF_CHECK(errno == EINVAL || errno == ENOENT);
        FAILS(pidfd_open(id, 1), EINVAL);
    }
    FAILS(syscall(SYS_pidfd_open, id, 1), EINVAL);
}

START_TEST(a_thread_is_no_process_to_open)
    {
        pid_t gone = ended_id();
        int fd = (int)syscall(SYS_pidfd_open, getpid(), 0);

        if (fd < 0 && errno == ENOSYS) {
            conf_skip("pidfd_open(): ENOSYS");
            return;
        }
        ck_assert_int_ge(fd, 0);
        close(fd);
        of_both(open_thread);
        FAILS(syscall(SYS_pidfd_open, gone, 0), ESRCH);
        FAILS(syscall(SYS_pidfd_open, NO_ID, 0), ESRCH);
    }
END_TEST

/* ---- ptrace(), perf_event_open() ---- */

static void trace_thread(pid_t id)
{
    FAILS(ptrace(PTRACE_ATTACH, id, NULL, NULL), EPERM);
    FAILS(ptrace(PTRACE_SEIZE, id, NULL, NULL), EPERM);
    FAILS(syscall(SYS_ptrace, PTRACE_ATTACH, id, NULL, NULL), EPERM);
    FAILS(ptrace(PTRACE_CONT, id, NULL, NULL), ESRCH);
    FAILS(ptrace(PTRACE_PEEKDATA, id, &id, NULL), ESRCH);
}

START_TEST(nobody_traces_himself)
    {
        pid_t gone = ended_id();

        if (conf_emulated()) {
            conf_skip("the emulator has no ptrace()");
            return;
        }
        of_both(trace_thread);
        FAILS(ptrace(PTRACE_ATTACH, gone, NULL, NULL), ESRCH);
        FAILS(ptrace(PTRACE_ATTACH, NO_ID, NULL, NULL), ESRCH);
    }
END_TEST

static int count_clock(pid_t id)
{
    struct perf_event_attr attributes;

    memset(&attributes, 0, sizeof attributes);
    attributes.type = PERF_TYPE_SOFTWARE;
    attributes.size = sizeof attributes;
    attributes.config = PERF_COUNT_SW_TASK_CLOCK;
    attributes.exclude_kernel = 1;
    return (int)syscall(SYS_perf_event_open, &attributes, id, -1, -1, 0);
}

static void count_thread(pid_t id)
{
    int fd = count_clock(id);

    CONF_CHECK(fd >= 0);
    close(fd);
}

START_TEST(a_thread_is_counted)
    {
        pid_t gone = ended_id();
        int fd = count_clock(0);

        if (fd < 0) {
            conf_skip(strerror(errno)); /* of perf_event_open() */
            return;
        }
        close(fd);
        of_both(count_thread);
        FAILS(count_clock(gone), ESRCH);
    }
END_TEST

/* ---- what only the kernel says of a signal ---- */

static long queue_to_process(pid_t id, int code)
{
    siginfo_t info;

    memset(&info, 0, sizeof info);
    info.si_code = code;
    return syscall(SYS_rt_sigqueueinfo, id, 0, &info);
}

static long queue_to_thread(pid_t id, int code)
{
    siginfo_t info;

    memset(&info, 0, sizeof info);
    info.si_code = code;
    return syscall(SYS_rt_tgsigqueueinfo, getpid(), id, 0, &info);
}

static const int not_for_others[] = {SI_USER, SI_KERNEL, SI_TKILL, 1};

static void queue_to(pid_t id)
{
    bool self = id == gettid();

    for (int i = 0; i < 4; i++) {
        int code = not_for_others[i];

        errno = 0;
        CONF_CHECK(queue_to_thread(id, code) == (self ? 0 : -1));
        CONF_CHECK(errno == (self ? 0 : EPERM));
        errno = 0;
        CONF_CHECK(queue_to_process(id, code) == (self ? 0 : -1));
        CONF_CHECK(errno == (self ? 0 : EPERM));
    }
    CONF_CHECK(queue_to_thread(id, SI_QUEUE) == 0);
    CONF_CHECK(queue_to_process(id, SI_QUEUE) == 0);
    if (gettid() != getpid())
        FAILS(queue_to_process(getpid(), SI_USER), EPERM);
    FAILS(queue_to_thread(NO_ID, SI_USER), EPERM);
    FAILS(queue_to_thread(NO_ID, SI_QUEUE), ESRCH);
}

START_TEST(a_signal_is_not_said_to_be_anothers)
    {
        if (conf_emulated())
            conf_skip("the emulator passes on what it is told");
        else
            of_both(queue_to);
    }
END_TEST

/* ---- CPUs, clocks, timers ---- */

START_TEST(who_comes_before_where)
    {
        if (conf_emulated()) {
            conf_skip("the emulator looks at addresses first");
            return;
        }
        FAILS(syscall(SYS_sched_getaffinity, NO_ID, 128, conf_bad_address()),
              ESRCH);
        FAILS(
            syscall(SYS_sched_getaffinity, ended_id(), 128, conf_bad_address()),
            ESRCH);
        FAILS(syscall(SYS_sched_getaffinity, gettid(), 128, conf_bad_address()),
              EFAULT);
    }
END_TEST

static clockid_t clock_of(pid_t id, int kind)
{
    return (clockid_t)(~(unsigned)id << 3 | (unsigned)kind);
}

static void *read_own_clocks(void *unused)
{
    struct timespec process, named;

    for (int kind = 0; kind < 3; kind++) {
        CONF_CHECK(clock_gettime(clock_of(0, kind), &process) == 0);
        CONF_CHECK(clock_gettime(clock_of(gettid(), kind), &named) == 0);
        CONF_CHECK(named.tv_sec > process.tv_sec ||
                   (named.tv_sec == process.tv_sec &&
                    named.tv_nsec >= process.tv_nsec));
    }
    CONF_CHECK(clock_gettime(clock_of(gettid(), 6), &named) == 0);
    return unused;
}

START_TEST(own_id_names_the_clock_of_the_process)
    {
        struct timespec now;
        struct idler idler;

        join_thread(start_thread(read_own_clocks, NULL));
        idler_begin(&idler);
        ck_assert_int_eq(clock_gettime(clock_of(idler.id, 2), &now), -1);
        ck_assert_int_eq(errno, EINVAL);
        idler_end(&idler);
    }
END_TEST

static volatile sig_atomic_t handled;

static void handler(int number)
{
    (void)number;
    handled = handled + 1;
}

static timer_t timer;

static void *leave_timer(void *unused)
{
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID,
                             .sigev_signo = SIGUSR1};
    struct itimerspec soon = {.it_value = {0, 50 * CONF_MS}};

    event._sigev_un._tid = gettid();
    CONF_CHECK(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
    CONF_CHECK(timer_settime(timer, 0, &soon, NULL) == 0);
    return unused;
}

/* One for a thread that is there comes through. */
START_TEST(a_timer_outlives_its_thread)
    {
        struct itimerspec left;

        if (conf_emulated()) {
            conf_skip(
                "this emulator's signals name another timer than it made");
            return;
        }
        handled = 0;
        signal(SIGUSR1, handler);
        join_thread(start_thread(leave_timer, NULL));
        sleep_ms(150);
        ck_assert_int_eq(timer_gettime(timer, &left), 0);
        ck_assert_int_eq(timer_delete(timer), 0);
        ck_assert_int_eq(handled, 0);
        leave_timer(NULL);
        for (int i = 0; i < 2000 && handled == 0; i++)
            sleep_ms(1);
        ck_assert_int_eq(handled, 1);
        ck_assert_int_eq(timer_delete(timer), 0);
        signal(SIGUSR1, SIG_DFL);
    }
END_TEST

static void add(TCase *tcase)
{
    conf_test(tcase, a_thread_has_no_group, 1);
    conf_test(tcase, a_child_has_one, 1);
    conf_test(tcase, a_thread_is_no_process_to_open, 1);
    conf_test(tcase, nobody_traces_himself, 1);
    conf_test(tcase, a_thread_is_counted, 1);
    conf_test(tcase, a_signal_is_not_said_to_be_anothers, 1);
    conf_test(tcase, who_comes_before_where, 1);
    conf_test(tcase, own_id_names_the_clock_of_the_process, 1);
    conf_test(tcase, a_timer_outlives_its_thread, 1);
}

int main(void)
{
    return conf_main("ids_process", add, CONF_THREADS);
}
