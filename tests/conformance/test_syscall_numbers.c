/* syscall() with the numbers of calls that wait, or that change what a thread
 * has: what the function of that name does */
#include "conformance.h"

#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

static int ends[2];

static void write_word(void *unused)
{
    (void)unused;
    conf_write_all(ends[1], "word", 4);
}

/* Each waits until ends[0] has a word, which the last step takes. */
static long by_preadv2(char *buf)
{
    struct iovec vec = { buf, 4 };

    return syscall(SYS_preadv2, ends[0], &vec, 1, -1L, -1L, 0);
}

static long by_vmsplice(char *buf)
{
    struct iovec vec = { buf, 4 };

    return syscall(SYS_vmsplice, ends[0], &vec, 1, 0);
}

static long by_splice(char *buf)
{
    int own[2];

    conf_pipe(own);
    CONF_CHECK(syscall(SYS_splice, ends[0], NULL, own[1], NULL, 4, 0) == 4);
    conf_read_all(own[0], buf, 4);
    conf_close_both(own);
    return 4;
}

static long by_tee(char *buf)
{
    int own[2];

    conf_pipe(own);
    CONF_CHECK(syscall(SYS_tee, ends[0], own[1], 4, 0) == 4);
    conf_read_all(own[0], buf, 4);
    conf_close_both(own);
    return read(ends[0], buf, 4);
}

static long by_pselect(char *buf)
{
    fd_set set;

    FD_ZERO(&set);
    FD_SET(ends[0], &set);
    CONF_CHECK(syscall(SYS_pselect6, ends[0] + 1, &set, NULL, NULL, NULL,
                       NULL) == 1);
    return read(ends[0], buf, 4);
}

static long by_ppoll(char *buf)
{
    struct pollfd one = { ends[0], POLLIN, 0 };

    CONF_CHECK(syscall(SYS_ppoll, &one, 1, NULL, NULL, 8) == 1);
    return read(ends[0], buf, 4);
}

static long (*const reads[])(char *) = { by_preadv2, by_vmsplice, by_splice,
                                         by_tee, by_pselect, by_ppoll };
#define READS (int)(sizeof reads / sizeof *reads)

START_TEST(bytes_are_waited_for)
{
    pthread_t writer;
    char text[5] = "";

    if (reads[_i] == by_preadv2 && conf_emulated()) {
        conf_skip("qemu has no preadv2()");
        return;
    }
    conf_pipe(ends);
    writer = start_later(20, write_word, NULL);
    ck_assert_int_eq(reads[_i](text), 4);
    ck_assert_str_eq(text, "word");
    join_thread(writer);
    conf_close_both(ends);
}
END_TEST

START_TEST(messages_are_waited_for)
{
    char bytes[2][4];
    struct iovec vec[] = { { bytes[0], 4 }, { bytes[1], 4 } };
    struct mmsghdr messages[] = {
        { .msg_hdr = { .msg_iov = &vec[0], .msg_iovlen = 1 } },
        { .msg_hdr = { .msg_iov = &vec[1], .msg_iovlen = 1 } },
    };
    pthread_t writer;

    conf_unix_pair(ends);
    writer = start_later(20, write_word, NULL);
    ck_assert_int_eq(syscall(SYS_recvmmsg, ends[0], messages, 1, 0, NULL), 1);
    ck_assert_uint_eq(messages[0].msg_len, 4);
    join_thread(writer);
    ck_assert_int_eq(syscall(SYS_sendmmsg, ends[1], messages, 2, 0), 2);
    conf_read_all(ends[0], bytes[1], 4);
    ck_assert_int_eq(syscall(SYS_shutdown, ends[1], SHUT_WR), 0);
    conf_read_all(ends[0], bytes[1], 4);
    ck_assert_int_eq(read(ends[0], bytes[1], 1), 0);
    conf_close_both(ends);
}
END_TEST

static char dir[CONF_PATH], path[CONF_PATH + 8];

START_TEST(files)
{
    int file, other, null;
    off_t at = 0;

    conf_assert_mapped();
    conf_make_dir(dir);
    snprintf(path, sizeof path, "%s/file", dir);
    file = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CREAT, 0600);
    ck_assert_int_ge(file, 0);
    conf_write_all(file, "text", 4);
    ck_assert_int_eq(syscall(SYS_fsync, file), 0);
    ck_assert_int_eq(syscall(SYS_fdatasync, file), 0);
    ck_assert_int_eq(syscall(SYS_syncfs, file), 0);
    ck_assert_int_eq(syscall(SYS_sync), 0);
    ck_assert_int_eq(syscall(SYS_flock, file, LOCK_EX), 0);
    other = open(path, O_RDWR);
    errno = 0;
    ck_assert_int_eq(syscall(SYS_flock, other, LOCK_EX | LOCK_NB), -1);
    ck_assert_int_eq(errno, EWOULDBLOCK);
    null = open("/dev/null", O_WRONLY);
    ck_assert_int_eq(syscall(SYS_sendfile, null, file, &at, 4), 4);
    ck_assert_int_eq(at, 4);
    close(null);
    close(other);
    close(file);
    unlink(path);
    rmdir(dir);
}
END_TEST

static int queue, set;

static void feed(void *unused)
{
    struct { long type; char text[4]; } message = { 1, "abc" };
    struct sembuf up = { 0, 1, 0 };

    (void)unused;
    CONF_CHECK(syscall(SYS_msgsnd, queue, &message, 4, 0) == 0);
    CONF_CHECK(syscall(SYS_semop, set, &up, 1) == 0);
}

START_TEST(queues_are_waited_for)
{
    struct { long type; char text[4]; } message;
    struct sembuf down = { 0, -1, 0 };
    const struct timespec long_time = { 50, 0 };
    pthread_t thread;

    queue = msgget(IPC_PRIVATE, 0600);
    set = semget(IPC_PRIVATE, 1, 0600);
    thread = start_later(20, feed, NULL);
    ck_assert_int_eq(syscall(SYS_msgrcv, queue, &message, 4, 0, 0), 4);
    ck_assert_int_eq(syscall(SYS_semtimedop, set, &down, 1, &long_time), 0);
    join_thread(thread);
    msgctl(queue, IPC_RMID, NULL);
    semctl(set, 0, IPC_RMID);
}
END_TEST

static mqd_t posix_queue;

static void feed_posix(void *unused)
{
    (void)unused;
    CONF_CHECK(syscall(SYS_mq_timedsend, posix_queue, "xy", 2, 0, NULL) == 0);
}

START_TEST(posix_queues_are_waited_for)
{
    struct mq_attr attributes = { .mq_maxmsg = 2, .mq_msgsize = 4 };
    char name[40], text[4];
    pthread_t thread;

    snprintf(name, sizeof name, "/conf-numbers-%d", getpid());
    posix_queue = mq_open(name, O_CREAT | O_EXCL | O_RDWR, 0600, &attributes);
    ck_assert_int_ge(posix_queue, 0);
    mq_unlink(name);
    thread = start_later(20, feed_posix, NULL);
    ck_assert_int_eq(syscall(SYS_mq_timedreceive, posix_queue, text, 4, NULL,
                             NULL), 2);
    join_thread(thread);
    mq_close(posix_queue);
}
END_TEST

static void *let_child_go(void *unused)
{
    sleep_ms(20);
    conf_write_all(ends[1], "word", 4);
    return unused;
}

START_TEST(children_are_waited_for)
{
    pthread_t thread;
    char word[4];
    int status = 0;
    pid_t child;

    conf_pipe(ends);
    conf_assert_mapped();
    child = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
    if (child == 0) {
        conf_child_begin();
        conf_read_all(ends[0], word, 4);
        _exit(6);
    }
    thread = start_thread(let_child_go, NULL);
    if (_i == 0) {
        ck_assert_int_eq(syscall(SYS_wait4, child, &status, 0, NULL), child);
        ck_assert_int_eq(WEXITSTATUS(status), 6);
    } else {
        siginfo_t info = { 0 };

        ck_assert_int_eq(syscall(SYS_waitid, P_PID, child, &info, WEXITED,
                                 NULL), 0);
        ck_assert_int_eq(info.si_status, 6);
    }
    join_thread(thread);
    conf_close_both(ends);
}
END_TEST

/* ---- signals ---- */

struct kernel_action {
    void (*handler)(int);
    unsigned long flags;
    void (*restorer)(void);
    uint64_t mask;
};

static volatile sig_atomic_t handled;

static void handler(int number)
{
    handled = number;
}

/* A program has no restorer of its own to give: ours is libc's. */
START_TEST(handlers_are_asked_for)
{
    struct kernel_action now;
    struct sigaction ignored;

    conf_assert_mapped();
    signal(SIGUSR1, handler);
    ck_assert_int_eq(syscall(SYS_rt_sigaction, SIGUSR1, NULL, &now, 8), 0);
    ck_assert_ptr_eq(now.handler, handler);
    now = (struct kernel_action){ .handler = SIG_IGN };
    ck_assert_int_eq(syscall(SYS_rt_sigaction, SIGUSR1, &now, NULL, 8), 0);
    ck_assert_int_eq(sigaction(SIGUSR1, NULL, &ignored), 0);
    ck_assert_ptr_eq(ignored.sa_handler, SIG_IGN);
    raise(SIGUSR1);
    errno = 0;
    ck_assert_int_eq(syscall(SYS_rt_sigaction, SIGUSR1, NULL, &now, 4), -1);
    ck_assert_int_eq(errno, EINVAL);
    signal(SIGUSR1, SIG_DFL);
}
END_TEST

static void other_mask(void *unused)
{
    sigset_t mask;

    CONF_CHECK(sigprocmask(SIG_BLOCK, NULL, &mask) == 0);
    CONF_CHECK(sigismember(&mask, SIGUSR2) == 0);
    (void)unused;
}

START_TEST(masks_are_the_threads)
{
    uint64_t block = 1ull << (SIGUSR2 - 1), before[2] = { 0, 77 }, now = 0;
    pthread_t thread = start_later(1, other_mask, NULL);
    const struct timespec zero = { 0, 0 };
    sigset_t mask;

    ck_assert_int_eq(syscall(SYS_rt_sigprocmask, SIG_BLOCK, &block, before, 8),
                     0);
    ck_assert_uint_eq(before[1], 77);
    join_thread(thread);
    ck_assert_int_eq(sigprocmask(SIG_BLOCK, NULL, &mask), 0);
    ck_assert_int_eq(sigismember(&mask, SIGUSR2), 1);
    raise(SIGUSR2);
    ck_assert_int_eq(syscall(SYS_rt_sigtimedwait, &block, NULL, &zero, 8),
                     SIGUSR2);
    ck_assert_int_eq(syscall(SYS_rt_sigprocmask, SIG_SETMASK, before, &now, 8),
                     0);
    ck_assert(now & block);
}
END_TEST

static void send_alarm(void *process)
{
    kill((pid_t)(intptr_t)process, SIGALRM);
}

START_TEST(a_signal_is_waited_for)
{
    pthread_t thread;
    sigset_t blocked, none;

    conf_assert_mapped();
    sigemptyset(&none);
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGALRM);
    pthread_sigmask(SIG_BLOCK, &blocked, NULL);
    signal(SIGALRM, handler);
    thread = start_later(20, send_alarm, (void *)(intptr_t)getpid());
    errno = 0;
    ck_assert_int_eq(syscall(SYS_rt_sigsuspend, &none, 8), -1);
    ck_assert_int_eq(errno, EINTR);
    ck_assert_int_eq(handled, SIGALRM);
    join_thread(thread);
    pthread_sigmask(SIG_UNBLOCK, &blocked, NULL);
    signal(SIGALRM, SIG_DFL);
}
END_TEST

/* ---- scheduling ---- */

static void *in_thread(void *unused)
{
    struct sched_param param = { 0 };
    cpu_set_t cpus;
    long size = syscall(SYS_sched_getaffinity, 0, sizeof cpus, &cpus);
    pid_t id = (pid_t)syscall(SYS_gettid);

    CONF_CHECK(size > 0 && size <= (long)sizeof cpus);
    CONF_CHECK(syscall(SYS_sched_getaffinity, id, sizeof cpus, &cpus) == size);
    CONF_CHECK(syscall(SYS_sched_setaffinity, id, size, &cpus) == 0);
    CONF_CHECK(syscall(SYS_sched_setscheduler, id, SCHED_BATCH, &param) == 0);
    CONF_CHECK(syscall(SYS_sched_getscheduler, 0) == SCHED_BATCH);
    CONF_CHECK(sched_getscheduler(0) == SCHED_BATCH);
    CONF_CHECK(syscall(SYS_sched_setparam, id, &param) == 0);
    CONF_CHECK(syscall(SYS_sched_getparam, id, &param) == 0);
    CONF_CHECK(syscall(SYS_setpriority, PRIO_PROCESS, id, 3) == 0);
    CONF_CHECK(syscall(SYS_getpriority, PRIO_PROCESS, id) == 20 - 3);
    CONF_CHECK(getpriority(PRIO_PROCESS, (id_t)id) == 3);
    return unused;
}

START_TEST(scheduling_is_the_threads)
{
    long before = syscall(SYS_getpriority, PRIO_PROCESS, 0);

    join_thread(start_thread(in_thread, NULL));
    ck_assert_int_eq(syscall(SYS_sched_getscheduler, 0), SCHED_OTHER);
    ck_assert_int_eq(syscall(SYS_getpriority, PRIO_PROCESS, 0), before);
}
END_TEST

/* The kernel's first form of it, which no header of ours has. */
struct attributes {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
};

static void *with_attributes(void *unused)
{
    struct attributes wanted = { .size = sizeof wanted, .policy = SCHED_BATCH,
                                 .nice = 4 }, found;

    CONF_CHECK(syscall(SYS_sched_setattr, 0, &wanted, 0) == 0);
    memset(&found, 0, sizeof found);
    CONF_CHECK(syscall(SYS_sched_getattr, 0, &found, sizeof found, 0) == 0);
    CONF_CHECK(found.policy == SCHED_BATCH && found.nice == 4);
    CONF_CHECK(getpriority(PRIO_PROCESS, 0) == 4);
    return unused;
}

START_TEST(attributes_are_the_threads)
{
    struct attributes found = { 0 };

    if (conf_emulated()) {
        conf_skip("qemu does not know these numbers");
        return;
    }
    join_thread(start_thread(with_attributes, NULL));
    ck_assert_int_eq(syscall(SYS_sched_getattr, 0, &found, sizeof found, 0),
                     0);
    ck_assert_int_eq(found.policy, SCHED_OTHER);
}
END_TEST

static void *end_by_number(void *unused)
{
    syscall(SYS_exit, 0);
    return unused;
}

START_TEST(a_thread_ends_alone)
{
    join_thread(start_thread(end_by_number, NULL));
}
END_TEST

static void add(TCase *tcase)
{
    conf_test(tcase, bytes_are_waited_for, READS);
    conf_test(tcase, messages_are_waited_for, 1);
    conf_test(tcase, files, 1);
    conf_test(tcase, queues_are_waited_for, 1);
    conf_test(tcase, posix_queues_are_waited_for, 1);
    conf_test(tcase, children_are_waited_for, 2);
    conf_test(tcase, handlers_are_asked_for, 1);
    conf_test(tcase, masks_are_the_threads, 1);
    conf_test(tcase, a_signal_is_waited_for, 1);
    conf_test(tcase, scheduling_is_the_threads, 1);
    conf_test(tcase, attributes_are_the_threads, 1);
    conf_test(tcase, a_thread_ends_alone, 1);
}

int main(void)
{
    return conf_main("syscall_numbers", add, CONF_THREADS);
}
