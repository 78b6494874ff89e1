/* pthread_cancel(3): a request that is there already acts at the next
 * cancellation point, also where that would not have to wait; and points whose
 * waiting is libc's or the kernel's own affair are left, too */
#include "conf_threads.h"

#include <aio.h>
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <netinet/in.h>
#include <poll.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/msg.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <termios.h>
#include <threads.h>

static char dir[CONF_PATH], path[CONF_PATH + 8], fifo[CONF_PATH + 8];
static int file, locked, ready[2], pair[2], listener, epoll, pty[2];
static struct sockaddr_in address;
static char bytes[64] = "bytes";
static struct iovec vector = { bytes, 8 };
static sem_t one, started;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static mqd_t queue = (mqd_t)-1;
static int messages = -1;
static struct timespec soon = { 0, 1000000 };

/* ---- what would not wait ---- */

#define CALL(name, ...)          \
    static void do_##name(void)  \
    {                            \
        if ((__VA_ARGS__) == 0)  \
            errno = 0;           \
    }

static struct msghdr *message(void)
{
    static struct msghdr it;

    it = (struct msghdr){ .msg_iov = &vector, .msg_iovlen = 1 };
    return &it;
}

static struct mmsghdr *messages_of(void)
{
    static struct mmsghdr it;

    it.msg_hdr = *message();
    return &it;
}

static fd_set *set_of(int fd)
{
    static fd_set set;

    FD_ZERO(&set);
    FD_SET(fd, &set);
    return &set;
}

static struct pollfd *poll_of(int fd)
{
    static struct pollfd it;

    it = (struct pollfd){ .fd = fd, .events = POLLIN };
    return &it;
}

static sigset_t *usr2(void)
{
    static sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    return &set;
}

static struct epoll_event event;
static struct timeval no_time;
static struct timespec no_wait;

static struct timespec *later(void)
{
    static struct timespec when;

    when = deadline_in(CLOCK_REALTIME, 20000);
    return &when;
}

CALL(read, read(ready[0], bytes, 1))
CALL(readv, readv(ready[0], &vector, 1))
CALL(pread, pread(file, bytes, 1, 0))
CALL(preadv, preadv(file, &vector, 1, 0))
CALL(write, write(ready[1], bytes, 1))
CALL(writev, writev(ready[1], &vector, 1))
CALL(pwrite, pwrite(file, bytes, 1, 0))
CALL(pwritev, pwritev(file, &vector, 1, 0))
CALL(read_of_a_file, read(file, bytes, 1))
CALL(write_of_a_file, write(file, bytes, 1))
CALL(recv, recv(pair[0], bytes, 1, 0))
CALL(recv_dontwait, recv(pair[0], bytes, 1, MSG_DONTWAIT))
CALL(recvfrom, recvfrom(pair[0], bytes, 1, 0, NULL, NULL))
CALL(recvmsg, recvmsg(pair[0], message(), 0))
CALL(recvmmsg, recvmmsg(pair[0], messages_of(), 1, 0, NULL))
CALL(send, send(pair[0], bytes, 1, 0))
CALL(sendto, sendto(pair[0], bytes, 1, 0, NULL, 0))
CALL(sendmsg, sendmsg(pair[0], message(), 0))
CALL(sendmmsg, sendmmsg(pair[0], messages_of(), 1, 0))
CALL(accept, accept(listener, NULL, NULL))
CALL(accept4, accept4(listener, NULL, NULL, 0))
CALL(connect, connect(-1, (struct sockaddr *)&address, sizeof address))
CALL(poll, poll(poll_of(ready[0]), 1, 0))
CALL(ppoll, ppoll(poll_of(ready[0]), 1, &no_wait, NULL))
CALL(select, select(ready[0] + 1, set_of(ready[0]), NULL, NULL, &no_time))
CALL(pselect, pselect(ready[0] + 1, set_of(ready[0]), NULL, NULL, &no_wait,
                      NULL))
CALL(epoll_wait, epoll_wait(epoll, &event, 1, 0))
CALL(epoll_pwait, epoll_pwait(epoll, &event, 1, 0, NULL))
CALL(open, close(open(path, O_RDONLY)))
CALL(openat, close(openat(AT_FDCWD, path, O_RDONLY)))
CALL(creat, close(creat(path, 0600)))
CALL(close, close(-1))
CALL(fsync, fsync(file))
CALL(fdatasync, fdatasync(file))
CALL(msync, msync(NULL, 0, MS_SYNC))
CALL(lock_file, fcntl(file, F_SETLKW,
                      &(struct flock){ .l_type = F_WRLCK, .l_len = 1 }))
CALL(lockf, lockf(file, F_LOCK, 1))
CALL(tcdrain, tcdrain(pty[1]))
CALL(nanosleep, nanosleep(&soon, NULL))
CALL(clock_nanosleep, clock_nanosleep(CLOCK_MONOTONIC, 0, &soon, NULL))
CALL(usleep, usleep(0))
CALL(sleep, sleep(0))
CALL(thrd_sleep, thrd_sleep(&soon, NULL))
CALL(sem_wait, sem_wait(&one))
CALL(sem_timedwait, sem_timedwait(&one, later()))
CALL(waitpid, waitpid(-1, NULL, WNOHANG))
CALL(wait, wait(NULL))
CALL(wait4, wait4(-1, NULL, WNOHANG, NULL))
CALL(waitid, waitid(P_ALL, 0, &(siginfo_t){ .si_pid = 0 },
                    WEXITED | WNOHANG))
CALL(sigtimedwait, sigtimedwait(usr2(), NULL, &no_wait))
CALL(system, system("true"))
CALL(mq_send, mq_send(queue, bytes, 1, 0))
CALL(mq_timedsend, mq_timedsend(queue, bytes, 1, 0, later()))
CALL(mq_receive, mq_receive(queue, bytes, 64, NULL))
CALL(mq_timedreceive, mq_timedreceive(queue, bytes, 64, NULL, later()))
CALL(msgsnd, msgsnd(messages, &(long[2]){ 1, 2 }, sizeof(long), IPC_NOWAIT))
CALL(msgrcv, msgrcv(messages, &(long[2]){ 0, 0 }, sizeof(long), 9, IPC_NOWAIT))
CALL(fallocate, fallocate(file, 0, 0, 10))
CALL(splice, splice(ready[0], NULL, ready[1], NULL, 1, SPLICE_F_NONBLOCK))
CALL(tee, tee(ready[0], ready[1], 1, SPLICE_F_NONBLOCK))
CALL(vmsplice, vmsplice(ready[1], &vector, 1, 0))
CALL(sync_file_range, sync_file_range(file, 0, 1, SYNC_FILE_RANGE_WRITE))
CALL(copy_file_range, copy_file_range(file, NULL, file, NULL, 0, 0))

static void do_testcancel(void)
{
    pthread_testcancel();
}

#define POINT(name) { #name, do_##name }
static const struct point {
    const char *name;
    void (*call)(void);
} points[] = {
    POINT(read), POINT(readv), POINT(pread), POINT(preadv), POINT(write),
    POINT(writev), POINT(pwrite), POINT(pwritev), POINT(read_of_a_file),
    POINT(write_of_a_file), POINT(recv), POINT(recv_dontwait),
    POINT(recvfrom), POINT(recvmsg), POINT(recvmmsg), POINT(send),
    POINT(sendto), POINT(sendmsg), POINT(sendmmsg), POINT(accept),
    POINT(accept4), POINT(connect), POINT(poll), POINT(ppoll), POINT(select),
    POINT(pselect), POINT(epoll_wait), POINT(epoll_pwait), POINT(open),
    POINT(openat), POINT(creat), POINT(close), POINT(fsync),
    POINT(fdatasync), POINT(msync), POINT(lock_file), POINT(lockf),
    POINT(tcdrain), POINT(nanosleep), POINT(clock_nanosleep), POINT(usleep),
    POINT(sleep), POINT(thrd_sleep), POINT(sem_wait), POINT(sem_timedwait),
    POINT(waitpid), POINT(wait), POINT(wait4), POINT(waitid),
    POINT(sigtimedwait), POINT(system), POINT(mq_send), POINT(mq_timedsend),
    POINT(mq_receive), POINT(mq_timedreceive), POINT(msgsnd), POINT(msgrcv),
    POINT(fallocate), POINT(splice), POINT(tee),
    POINT(vmsplice), POINT(sync_file_range), POINT(copy_file_range),
    POINT(testcancel),
};
enum { POINTS = sizeof points / sizeof *points };

static void *request_and_call(void *argument)
{
    const struct point *point = argument;

    CONF_CHECK(pthread_cancel(pthread_self()) == 0);
    point->call();
    return NULL;
}

static void *call_disabled(void *argument)
{
    const struct point *point = argument;

    CONF_CHECK(pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL) == 0);
    CONF_CHECK(pthread_cancel(pthread_self()) == 0);
    point->call();
    return NULL;
}

static void make_queues(void)
{
    struct mq_attr attributes = { .mq_maxmsg = 8, .mq_msgsize = 64 };
    char name[32];

    snprintf(name, sizeof name, "/conformance-%d", (int)getpid());
    queue = mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, &attributes);
    if (queue != (mqd_t)-1)
        mq_unlink(name);
    messages = msgget(IPC_PRIVATE, 0600);
}

static void setup(void)
{
    conf_make_dir(dir);
    snprintf(path, sizeof path, "%s/file", dir);
    snprintf(fifo, sizeof fifo, "%s/fifo", dir);
    ck_assert_int_eq(mkfifo(fifo, 0600), 0);
    file = open(path, O_RDWR | O_CREAT, 0600);
    ck_assert_int_ge(file, 0);
    locked = open(path, O_RDWR);
    conf_pipe(ready);
    conf_unix_pair(pair);
    conf_stream(CONF_PTY, pty);
    listener = conf_listen(&address, 5);
    ck_assert_int_eq(fcntl(listener, F_SETFL, O_NONBLOCK), 0);
    epoll = epoll_create1(0);
    ck_assert_int_eq(sem_init(&one, 0, 0), 0);
    ck_assert_int_eq(sem_init(&started, 0, 0), 0);
    make_queues();
}

static void teardown(void)
{
    close(file);
    close(locked);
    conf_close_both(ready);
    conf_close_both(pair);
    conf_close_both(pty);
    close(listener);
    close(epoll);
    unlink(path);
    unlink(fifo);
    rmdir(dir);
    if (queue != (mqd_t)-1)
        mq_close(queue);
    msgctl(messages, IPC_RMID, NULL);
}

/* Enough that none of the calls has to wait. */
static void make_ready(void)
{
    ck_assert_int_eq(write(ready[1], bytes, 8), 8);
    ck_assert_int_eq(write(pair[1], bytes, 8), 8);
    ck_assert_int_eq(sem_post(&one), 0);
    if (queue != (mqd_t)-1)
        ck_assert_int_eq(mq_send(queue, bytes, 1, 0), 0);
}

static bool needs_queue(const char *name)
{
    return strncmp(name, "mq_", 3) == 0 && queue == (mqd_t)-1;
}

START_TEST(acts_at_a_point_that_would_not_wait)
{
    const struct point *point = &points[_i];
    void *result;

    if (needs_queue(point->name)) {
        conf_skip("no POSIX message queues here");
        return;
    }
    make_ready();
    result = join_thread(start_thread(request_and_call, (void *)point));
    ck_assert_msg(result == PTHREAD_CANCELED, "%s did not act", point->name);
}
END_TEST

START_TEST(does_nothing_while_disabled)
{
    const struct point *point = &points[_i];

    if (needs_queue(point->name) || strcmp(point->name, "testcancel") == 0)
        return;
    make_ready();
    ck_assert_ptr_null(
        join_thread(start_thread(call_disabled, (void *)point)));
}
END_TEST

/* ---- what waits in the kernel ---- */

static void wait_mq_receive(void)
{
    mq_receive(queue, bytes, 64, NULL);
}

static void wait_mq_timedreceive(void)
{
    mq_timedreceive(queue, bytes, 64, NULL, later());
}

static void wait_mq_send(void)
{
    for (;;)
        mq_send(queue, bytes, 1, 0);
}

static void wait_msgrcv(void)
{
    long buffer[2];

    msgrcv(messages, buffer, sizeof(long), 9, 0);
}

static void wait_lock_file(void)
{
    struct flock lock = { .l_type = F_WRLCK, .l_len = 1 };

    fcntl(file, F_OFD_SETLKW, &lock);
}

static void wait_open(void)
{
    CONF_CHECK(open(fifo, O_RDONLY) < 0);
}

static void wait_wait(void)
{
    wait(NULL);
}

static void wait_recvmmsg(void)
{
    recvmmsg(pair[0], messages_of(), 1, 0, NULL);
}

static void wait_sendmsg(void)
{
    for (;;)
        sendmsg(pair[0], message(), 0);
}

static void wait_sendto(void)
{
    for (;;)
        sendto(pair[0], bytes, sizeof bytes, 0, NULL, 0);
}

static void wait_aio_suspend(void)
{
    struct aiocb block = { .aio_fildes = ready[0], .aio_buf = bytes,
                           .aio_nbytes = 1 };
    const struct aiocb *list[1] = { &block };

    CONF_CHECK(aio_read(&block) == 0);
    aio_suspend(list, 1, NULL);
}

static void close_both(void *ends)
{
    close(((int *)ends)[0]);
    close(((int *)ends)[1]);
}

static void wait_tee(void)
{
    int other[2];

    CONF_CHECK(pipe(other) == 0);
    pthread_cleanup_push(close_both, other);
    tee(ready[0], other[1], 1, 0);
    pthread_cleanup_pop(1);
}

static void wait_sigwait(void)
{
    int number;

    sigwait(usr2(), &number);
}

static void wait_shared_semaphore(void)
{
    sem_t *shared = shared_memory(4096);

    sem_init(shared, 1, 0);
    sem_wait(shared);
}

static void wait_cnd(void)
{
    mtx_t lock;
    cnd_t condition;

    mtx_init(&lock, mtx_plain);
    cnd_init(&condition);
    mtx_lock(&lock);
    cnd_wait(&condition, &lock);
}

#define WAIT(name) { #name, wait_##name }
static const struct point waits[] = {
    WAIT(mq_receive), WAIT(mq_timedreceive), WAIT(mq_send), WAIT(msgrcv),
    WAIT(lock_file), WAIT(open), WAIT(wait), WAIT(recvmmsg), WAIT(sendmsg),
    WAIT(sendto), WAIT(tee), WAIT(sigwait), WAIT(shared_semaphore), WAIT(cnd),
    WAIT(aio_suspend),
};
enum { WAITS = sizeof waits / sizeof *waits };

static volatile int handler_ran;

static void note_cleanup(void *argument)
{
    (void)argument;
    handler_ran = 1;
}

static void *enter(void *argument)
{
    const struct point *point = argument;

    pthread_sigmask(SIG_BLOCK, usr2(), NULL);
    pthread_cleanup_push(note_cleanup, NULL);
    CONF_CHECK(sem_post(&started) == 0);
    point->call();
    pthread_cleanup_pop(0);
    return NULL;
}

START_TEST(leaves_a_wait_in_the_kernel)
{
    const struct point *point = &waits[_i];
    struct flock lock = { .l_type = F_WRLCK, .l_len = 1 };
    pthread_t thread;
    pid_t child = 0;

    if (needs_queue(point->name)) {
        conf_skip("no POSIX message queues here");
        return;
    }
    if (conf_emulated() && strcmp(point->name, "tee") == 0) {
        conf_skip("this emulator goes on with tee() after a signal");
        return;
    }
    handler_ran = 0;
    if (strcmp(point->name, "wait") == 0 && (child = fork()) == 0) {
        conf_child_begin();
        for (;;)
            pause();
    }
    ck_assert_int_eq(fcntl(locked, F_OFD_SETLK, &lock), 0);
    thread = start_thread(enter, (void *)point);
    ck_assert_int_eq(sem_wait(&started), 0);
    let_block();
    let_block();
    ck_assert_int_eq(pthread_cancel(thread), 0);
    ck_assert_ptr_eq(join_thread(thread), PTHREAD_CANCELED);
    ck_assert_int_eq(handler_ran, 1);
    if (child != 0) {
        kill(child, SIGKILL);
        ck_assert_int_eq(conf_child_status(child), 128 + SIGKILL);
    }
    if (strcmp(point->name, "aio_suspend") == 0) {
        ck_assert_int_eq(write(ready[1], bytes, 1), 1);
        let_block();
    }
}
END_TEST

/* ---- the mutex of a condition ---- */

static void check_mutex_is_ours(void *argument)
{
    CONF_CHECK(pthread_mutex_trylock(&mutex) == EBUSY);
    handler_ran = 1;
    CONF_CHECK(pthread_mutex_unlock(&mutex) == 0);
    (void)argument;
}

static void *wait_on_cond(void *argument)
{
    CONF_CHECK(pthread_mutex_lock(&mutex) == 0);
    pthread_cleanup_push(check_mutex_is_ours, NULL);
    CONF_CHECK(sem_post(&started) == 0);
    pthread_cond_wait(&cond, &mutex);
    pthread_cleanup_pop(1);
    return argument;
}

/* Another holds it when the request comes: the handlers wait for it. */
START_TEST(a_condition_is_left_with_its_mutex)
{
    pthread_t thread = start_thread(wait_on_cond, NULL);

    ck_assert_int_eq(sem_wait(&started), 0);
    let_block();
    handler_ran = 0;
    ck_assert_int_eq(pthread_mutex_lock(&mutex), 0);
    ck_assert_int_eq(pthread_cancel(thread), 0);
    let_block();
    ck_assert_int_eq(handler_ran, 0);
    ck_assert_int_eq(pthread_mutex_unlock(&mutex), 0);
    ck_assert_ptr_eq(join_thread(thread), PTHREAD_CANCELED);
    ck_assert_int_eq(handler_ran, 1);
}
END_TEST

static void add(TCase *tcase)
{
    tcase_add_checked_fixture(tcase, setup, teardown);
    conf_test(tcase, acts_at_a_point_that_would_not_wait, POINTS);
    conf_test(tcase, does_nothing_while_disabled, POINTS);
    conf_test(tcase, leaves_a_wait_in_the_kernel, WAITS);
    conf_test(tcase, a_condition_is_left_with_its_mutex, 1);
}

int main(void)
{
    return conf_main("pthread_cancel_pending", add, CONF_THREADS);
}
