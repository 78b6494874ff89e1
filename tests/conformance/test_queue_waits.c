/* What ends a wait for a queue, a semaphore or a lock of a file: a signal's
 * handler, cancellation, time, O_NONBLOCK */
#include "conformance.h"

#include <aio.h>
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct message {
    long type;
    char text[8];
};

static volatile sig_atomic_t handled;

static void on_alarm(int number)
{
    (void)number;
    handled++;
}

/* The handler of SIGALRM runs every 30 ms from now on, until stop_alarms(). */
static void start_alarms(int flags)
{
    struct sigaction action = { .sa_handler = on_alarm, .sa_flags = flags };
    const struct itimerval every = { { 0, 30000 }, { 0, 30000 } };

    handled = 0;
    ck_assert_int_eq(sigaction(SIGALRM, &action, NULL), 0);
    ck_assert_int_eq(setitimer(ITIMER_REAL, &every, NULL), 0);
}

static void stop_alarms(void)
{
    const struct itimerval never = { { 0, 0 }, { 0, 0 } };

    ck_assert_int_eq(setitimer(ITIMER_REAL, &never, NULL), 0);
    signal(SIGALRM, SIG_DFL);
}

static void *sleep_a_while(void *unused)
{
    sleep_ms(5);
    return unused;
}

/* Where threads share a kernel thread they do so from the first one on. */
static void be_threaded(void)
{
    join_thread(start_thread(sleep_a_while, NULL));
}

/* ---- what waits, for ever ---- */

static int queue, set, file;
static mqd_t posix_queue;

static long in_msgrcv(void)
{
    struct message message;

    return msgrcv(queue, &message, sizeof message.text, 0, 0);
}

static void fill_messages(void)
{
    struct message message = { .type = 1 };

    while (msgsnd(queue, &message, sizeof message.text, IPC_NOWAIT) == 0)
        continue;
}

static long in_msgsnd(void)
{
    struct message message = { .type = 1 };

    return msgsnd(queue, &message, sizeof message.text, 0);
}

static long in_semop(void)
{
    struct sembuf down = { 0, -1, 0 };

    return semop(set, &down, 1);
}

static long in_semtimedop(void)
{
    struct sembuf down = { 0, -1, 0 };
    const struct timespec long_time = { 50, 0 };

    return semtimedop(set, &down, 1, &long_time);
}

static long in_mq_receive(void)
{
    char text[16];

    return mq_receive(posix_queue, text, sizeof text, NULL);
}

static void fill_queue(void)
{
    const struct timespec past = { 1, 0 };

    while (mq_timedsend(posix_queue, "x", 1, 0, &past) == 0)
        continue;
}

static long in_mq_send(void)
{
    return mq_send(posix_queue, "x", 1, 0);
}

static long in_setlkw(void)
{
    struct flock all = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

    return fcntl(file, F_SETLKW, &all);
}

static long in_lockf(void)
{
    return lockf(file, F_LOCK, 0);
}

static long in_flock(void)
{
    return flock(file, LOCK_EX);
}

static int aio_ends[2];

/* Its request ends when satisfy() has written, or teardown() has closed. */
static long in_aio_suspend(void)
{
    static char byte;
    static struct aiocb request;
    const struct aiocb *list[] = { &request };

    request = (struct aiocb){ .aio_fildes = aio_ends[0], .aio_buf = &byte,
                              .aio_nbytes = 1 };
    request.aio_sigevent.sigev_notify = SIGEV_NONE;
    CONF_CHECK(aio_read(&request) == 0);
    return aio_suspend(list, 1, NULL);
}

static const struct {
    long (*wait)(void);
    bool restarts, cancels;
} waits[] = {
    { in_msgrcv, false, true },    { in_msgsnd, false, true },
    { in_semop, false, false },    { in_semtimedop, false, false },
    { in_mq_receive, true, true }, { in_mq_send, true, true },
    { in_setlkw, true, true },     { in_lockf, true, true },
    { in_flock, true, false },    { in_aio_suspend, true, true },
};
#define WAITS (int)(sizeof waits / sizeof *waits)

static pid_t holder;
static char dir[CONF_PATH], path[CONF_PATH + 8];

/* Another process has all locks of the file until it is killed. */
static void hold_file(void)
{
    struct flock all = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    int ready[2], own;
    char byte;

    conf_make_dir(dir);
    snprintf(path, sizeof path, "%s/file", dir);
    file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    conf_pipe(ready);
    holder = fork();
    if (holder == 0) {
        conf_child_begin();
        own = open(path, O_RDWR);
        CONF_CHECK(fcntl(own, F_SETLK, &all) == 0);
        CONF_CHECK(flock(own, LOCK_EX) == 0);
        conf_write_all(ready[1], "", 1);
        pause();
        _exit(0);
    }
    conf_read_all(ready[0], &byte, 1);
    conf_close_both(ready);
}

static void setup(void)
{
    struct mq_attr attributes = { .mq_maxmsg = 2, .mq_msgsize = 16 };
    char name[40];

    be_threaded();
    queue = msgget(IPC_PRIVATE, 0600);
    set = semget(IPC_PRIVATE, 1, 0600);
    snprintf(name, sizeof name, "/conf-waits-%d", getpid());
    posix_queue = mq_open(name, O_CREAT | O_EXCL | O_RDWR, 0600, &attributes);
    ck_assert_int_ge(posix_queue, 0);
    ck_assert_int_eq(mq_unlink(name), 0);
    conf_pipe(aio_ends);
    hold_file();
}

/* And full is what is to be full, before anybody makes room. */
static void setup_for(int index)
{
    setup();
    if (waits[index].wait == in_msgsnd)
        fill_messages();
    if (waits[index].wait == in_mq_send)
        fill_queue();
}

static void release_file(void *unused)
{
    (void)unused;
    if (holder > 0) {
        kill(holder, SIGKILL);
        CONF_CHECK(waitpid(holder, NULL, 0) == holder);
    }
    holder = 0;
}

static void teardown(void)
{
    release_file(NULL);
    conf_write_all(aio_ends[1], "", 1);
    sleep_ms(20); /* libc's thread reads it */
    conf_close_both(aio_ends);
    close(file);
    unlink(path);
    rmdir(dir);
    mq_close(posix_queue);
    msgctl(queue, IPC_RMID, NULL);
    semctl(set, 0, IPC_RMID);
}

START_TEST(a_handler_ends_it)
{
    setup_for(_i);
    start_alarms(0);
    errno = 0;
    ck_assert_int_eq(waits[_i].wait(), -1);
    ck_assert_int_eq(errno, EINTR);
    stop_alarms();
    ck_assert_int_ge(handled, 1);
    teardown();
}
END_TEST

/* Whatever it was that it waited for. */
static void satisfy(void *unused)
{
    struct sembuf up = { 0, 1, 0 };
    struct message message = { .type = 1 };
    char text[16];
    const struct timespec past = { 1, 0 };

    release_file(NULL);
    conf_write_all(aio_ends[1], "", 1);
    CONF_CHECK(semop(set, &up, 1) == 0);
    if (msgrcv(queue, &message, sizeof message.text, 0, IPC_NOWAIT) < 0)
        CONF_CHECK(msgsnd(queue, &message, sizeof message.text, 0) == 0);
    if (mq_timedreceive(posix_queue, text, sizeof text, NULL, &past) < 0)
        CONF_CHECK(mq_send(posix_queue, "word", 5, 0) == 0);
    (void)unused;
}

START_TEST(a_handler_that_restarts_ends_some)
{
    pthread_t thread;

    setup_for(_i);
    start_alarms(SA_RESTART);
    thread = start_later(200, satisfy, NULL);
    errno = 0;
    if (waits[_i].restarts) {
        ck_assert_int_ge(waits[_i].wait(), 0);
    } else {
        ck_assert_int_eq(waits[_i].wait(), -1);
        ck_assert_int_eq(errno, EINTR);
    }
    join_thread(thread);
    stop_alarms();
    ck_assert_int_ge(handled, 1);
    teardown();
}
END_TEST

static void *wait_in_thread(void *index)
{
    waits[(intptr_t)index].wait();
    return NULL;
}

START_TEST(cancellation_ends_it)
{
    pthread_t thread;

    if (!waits[_i].cancels)
        return;
    setup_for(_i);
    thread = start_thread(wait_in_thread, (void *)(intptr_t)_i);
    sleep_ms(30);
    ck_assert_int_eq(pthread_cancel(thread), 0);
    ck_assert_ptr_eq(join_thread(thread), PTHREAD_CANCELED);
    teardown();
}
END_TEST

START_TEST(other_threads_run_meanwhile)
{
    pthread_t thread;

    setup_for(_i);
    thread = start_later(30, satisfy, NULL);
    errno = 44;
    ck_assert_int_ge(waits[_i].wait(), 0);
    if (waits[_i].wait == in_semop || waits[_i].wait == in_msgrcv)
        ck_assert_int_eq(errno, 44);
    join_thread(thread);
    teardown();
}
END_TEST

/* ---- POSIX queues by themselves ---- */

static struct timespec in_ms(int ms)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += ms * CONF_MS;
    until.tv_sec += until.tv_nsec / CONF_S;
    until.tv_nsec %= CONF_S;
    return until;
}

START_TEST(mq_waits_until_a_time)
{
    struct timespec until, bad = { 1, -1 };
    int64_t from = now_ns();
    char text[16];

    setup();
    until = in_ms(40);
    errno = 0;
    ck_assert_int_eq(mq_timedreceive(posix_queue, text, sizeof text, NULL,
                                     &until), -1);
    ck_assert_int_eq(errno, ETIMEDOUT);
    ck_assert_int_ge(now_ns() - from, 40 * CONF_MS);
    ck_assert_int_eq(mq_timedreceive(posix_queue, text, sizeof text, NULL,
                                     &bad), -1);
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_int_eq(mq_send(posix_queue, "1", 1, 0), 0);
    ck_assert_int_eq(mq_send(posix_queue, "2", 1, 1), 0);
    until = in_ms(20);
    ck_assert_int_eq(mq_timedsend(posix_queue, "3", 1, 0, &until), -1);
    ck_assert_int_eq(errno, ETIMEDOUT);
    ck_assert_int_eq(mq_receive(posix_queue, text, sizeof text, NULL), 1);
    ck_assert_int_eq(text[0], '2');
    teardown();
}
END_TEST

START_TEST(mq_does_not_wait_when_told_not_to)
{
    struct mq_attr nonblocking = { .mq_flags = O_NONBLOCK }, plain = { 0 };
    struct timespec until;
    char text[16];

    setup();
    ck_assert_int_eq(mq_setattr(posix_queue, &nonblocking, NULL), 0);
    errno = 0;
    ck_assert_int_eq(mq_receive(posix_queue, text, sizeof text, NULL), -1);
    ck_assert_int_eq(errno, EAGAIN);
    until = in_ms(1000);
    ck_assert_int_eq(mq_timedreceive(posix_queue, text, sizeof text, NULL,
                                     &until), -1);
    ck_assert_int_eq(errno, EAGAIN);
    ck_assert_int_eq(mq_send(posix_queue, "1", 1, 0), 0);
    ck_assert_int_eq(mq_send(posix_queue, "2", 1, 0), 0);
    ck_assert_int_eq(mq_send(posix_queue, "3", 1, 0), -1);
    ck_assert_int_eq(errno, EAGAIN);
    ck_assert_int_eq(mq_setattr(posix_queue, &plain, NULL), 0);
    teardown();
}
END_TEST

START_TEST(mq_refuses)
{
    char text[16];

    setup();
    errno = 0;
    ck_assert_int_eq(mq_receive(-1, text, sizeof text, NULL), -1);
    ck_assert_int_eq(errno, EBADF);
    ck_assert_int_eq(mq_receive(posix_queue, text, 15, NULL), -1);
    ck_assert_int_eq(errno, EMSGSIZE);
    ck_assert_int_eq(mq_send(posix_queue, "12345678901234567", 17, 0), -1);
    ck_assert_int_eq(errno, EMSGSIZE);
    ck_assert_int_eq(mq_send(posix_queue, "1", 1, 1 << 20), -1);
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_int_eq(mq_close(-1), -1);
    ck_assert_int_eq(errno, EBADF);
    teardown();
}
END_TEST

START_TEST(semtimedop_that_may_not_wait_says_so)
{
    struct sembuf both[] = { { 0, -1, IPC_NOWAIT }, { 0, 1, 0 } };
    struct sembuf zero = { 0, 0, 0 };

    setup();
    errno = 0;
    ck_assert_int_eq(semop(set, both, 2), -1);
    ck_assert_int_eq(errno, EAGAIN);
    ck_assert_int_eq(semop(set, &zero, 1), 0);
    ck_assert_int_eq(semop(-1, &zero, 1), -1);
    ck_assert_int_eq(errno, EINVAL);
    teardown();
}
END_TEST

static void remove_queues(void *unused)
{
    (void)unused;
    CONF_CHECK(msgctl(queue, IPC_RMID, NULL) == 0);
    CONF_CHECK(semctl(set, 0, IPC_RMID) == 0);
}

START_TEST(removal_ends_it)
{
    pthread_t thread;

    setup();
    thread = start_later(30, remove_queues, NULL);
    errno = 0;
    ck_assert_int_eq(_i ? in_semop() : in_msgrcv(), -1);
    ck_assert_int_eq(errno, EIDRM);
    join_thread(thread);
    teardown();
}
END_TEST

static void add(TCase *tcase)
{
    conf_test(tcase, a_handler_ends_it, WAITS);
    conf_test(tcase, a_handler_that_restarts_ends_some, WAITS);
    conf_test(tcase, cancellation_ends_it, WAITS);
    conf_test(tcase, other_threads_run_meanwhile, WAITS);
    conf_test(tcase, mq_waits_until_a_time, 1);
    conf_test(tcase, mq_does_not_wait_when_told_not_to, 1);
    conf_test(tcase, mq_refuses, 1);
    conf_test(tcase, semtimedop_that_may_not_wait_says_so, 1);
    conf_test(tcase, removal_ends_it, 2);
}

int main(void)
{
    return conf_main("queue_waits", add, CONF_THREADS);
}
