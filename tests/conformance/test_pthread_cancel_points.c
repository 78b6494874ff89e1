/* pthread_cancel(3) of a thread that is blocked in a cancellation point */
#include "conf_threads.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <threads.h>

/* What the points wait for; it never comes. */
static int empty[2], full[2], sockets[2], listener, epoll;
static sem_t zero;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static pthread_t sleeper;
static pid_t child;
static char bytes[4096];
static struct iovec vector = {bytes, sizeof bytes};

static struct timespec later(clockid_t clock)
{
    return deadline_in(clock, 20000);
}

static void in_read(void)
{
    CONF_CHECK(read(empty[0], bytes, 1) == 0);
}
static void in_readv(void)
{
    CONF_CHECK(readv(empty[0], &vector, 1) == 0);
}
static void in_write(void)
{
    CONF_CHECK(write(full[1], bytes, sizeof bytes) == 0);
}
static void in_writev(void)
{
    CONF_CHECK(writev(full[1], &vector, 1) == 0);
}
static void in_recv(void)
{
    recv(sockets[0], bytes, 1, 0);
}
static void in_recvfrom(void)
{
    recvfrom(sockets[0], bytes, 1, 0, NULL, NULL);
}
static void in_recvmsg(void)
{
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};

    recvmsg(sockets[0], &message, 0);
}
static void in_send(void)
{
    for (;;)
        send(sockets[0], bytes, sizeof bytes, 0);
}
static void in_accept(void)
{
    accept(listener, NULL, NULL);
}
static void in_accept4(void)
{
    accept4(listener, NULL, NULL, SOCK_CLOEXEC);
}

static void in_poll(void)
{
    struct pollfd entry = {.fd = empty[0], .events = POLLIN};

    poll(&entry, 1, 20000);
}
static void in_poll_of_nothing(void)
{
    poll(NULL, 0, -1);
}
static void in_ppoll(void)
{
    struct pollfd entry = {.fd = sockets[0], .events = POLLIN};

    ppoll(&entry, 1, NULL, NULL);
}
static void in_select(void)
{
    struct timeval wait = {20, 0};
    fd_set set;

    FD_ZERO(&set);
    FD_SET(empty[0], &set);
    select(empty[0] + 1, &set, NULL, NULL, &wait);
}
static void in_pselect(void)
{
    pselect(0, NULL, NULL, NULL, NULL, NULL);
}
static void in_epoll_wait(void)
{
    struct epoll_event event;

    epoll_wait(epoll, &event, 1, -1);
}
static void in_epoll_pwait(void)
{
    struct epoll_event event;

    epoll_pwait(epoll, &event, 1, 20000, NULL);
}

static void in_nanosleep(void)
{
    struct timespec wait = {20, 0};

    nanosleep(&wait, NULL);
}
static void in_clock_nanosleep(void)
{
    struct timespec when = later(CLOCK_MONOTONIC);

    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &when, NULL);
}
static void in_usleep(void)
{
    usleep(20000000);
}
static void in_sleep(void)
{
    sleep(20);
}
static void in_thrd_sleep(void)
{
    struct timespec wait = {20, 0};

    thrd_sleep(&wait, NULL);
}

static void unlock_mutex(void *argument)
{
    (void)argument;
    CONF_CHECK(pthread_mutex_unlock(&mutex) == 0);
}

/* The mutex is the waiter's again when its handlers run. */
static void wait_on_cond(int variant)
{
    struct timespec when =
        later(variant == 2 ? CLOCK_MONOTONIC : CLOCK_REALTIME);

    CONF_CHECK(pthread_mutex_lock(&mutex) == 0);
    pthread_cleanup_push(unlock_mutex, NULL);
    if (variant == 0)
        pthread_cond_wait(&cond, &mutex);
    if (variant == 1)
        pthread_cond_timedwait(&cond, &mutex, &when);
    if (variant == 2)
        pthread_cond_clockwait(&cond, &mutex, CLOCK_MONOTONIC, &when);
    pthread_cleanup_pop(1);
}

static void in_cond_wait(void)
{
    wait_on_cond(0);
}
static void in_cond_timedwait(void)
{
    wait_on_cond(1);
}
static void in_cond_clockwait(void)
{
    wait_on_cond(2);
}

static void in_sem_wait(void)
{
    CONF_CHECK(sem_wait(&zero) == 0);
}
static void in_sem_timedwait(void)
{
    struct timespec when = later(CLOCK_REALTIME);

    sem_timedwait(&zero, &when);
}
static void in_sem_clockwait(void)
{
    struct timespec when = later(CLOCK_MONOTONIC);

    sem_clockwait(&zero, CLOCK_MONOTONIC, &when);
}
static void in_join(void)
{
    pthread_join(sleeper, NULL);
}
static void in_timedjoin(void)
{
    struct timespec when = later(CLOCK_REALTIME);

    pthread_timedjoin_np(sleeper, NULL, &when);
}
static void in_waitpid(void)
{
    waitpid(child, NULL, 0);
}
static void in_waitid(void)
{
    siginfo_t info;

    waitid(P_PID, (id_t)child, &info, WEXITED);
}
static void in_pause(void)
{
    pause();
}
static void in_sigsuspend(void)
{
    sigset_t none;

    sigemptyset(&none);
    sigsuspend(&none);
}
static void in_sigtimedwait(void)
{
    struct timespec wait = {20, 0};
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    sigtimedwait(&set, NULL, &wait);
}
static void in_sigwaitinfo(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    sigwaitinfo(&set, NULL);
}

#define POINT(name)      \
    {                    \
#name, in_##name \
    }
static const struct {
    const char *name;
    void (*enter)(void);
} points[] = {
    POINT(read),           POINT(readv),
    POINT(write),          POINT(writev),
    POINT(recv),           POINT(recvfrom),
    POINT(recvmsg),        POINT(send),
    POINT(accept),         POINT(accept4),
    POINT(poll),           POINT(poll_of_nothing),
    POINT(ppoll),          POINT(select),
    POINT(pselect),        POINT(epoll_wait),
    POINT(epoll_pwait),    POINT(nanosleep),
    POINT(usleep),         POINT(clock_nanosleep),
    POINT(sleep),          POINT(thrd_sleep),
    POINT(cond_wait),      POINT(cond_timedwait),
    POINT(cond_clockwait), POINT(sem_wait),
    POINT(sem_timedwait),  POINT(sem_clockwait),
    POINT(join),           POINT(timedjoin),
    POINT(waitpid),        POINT(waitid),
    POINT(pause),          POINT(sigsuspend),
    POINT(sigtimedwait),   POINT(sigwaitinfo),
};
enum { POINTS = sizeof points / sizeof *points };

/* The victim says where it is. */
static volatile int stage;
static sem_t cancel_sent;

static void note_cleanup(void *argument)
{
    (void)argument;
    stage = 2;
}

static void *enter_point(void *argument)
{
    pthread_cleanup_push(note_cleanup, NULL);
    stage = 1;
    points[(long)argument].enter();
    pthread_cleanup_pop(0);
    return NULL;
}

/* The request is there before the point is reached. */
static void *enter_point_late(void *argument)
{
    int old;

    CONF_CHECK(pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old) == 0);
    CONF_CHECK(sem_wait(&cancel_sent) == 0);
    CONF_CHECK(pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &old) == 0);
    CONF_CHECK(old == PTHREAD_CANCEL_DISABLE);
    return enter_point(argument);
}

static void *wait_for_zero(void *argument)
{
    CONF_CHECK(sem_wait(argument) == 0);
    return NULL;
}

static void fill(int fd)
{
    int flags = fcntl(fd, F_GETFL);

    CONF_CHECK(fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0);
    while (write(fd, bytes, sizeof bytes) > 0)
        ;
    CONF_CHECK(fcntl(fd, F_SETFL, flags) == 0);
}

static void setup(void)
{
    struct sockaddr_in address;

    conf_pipe(empty);
    conf_pipe(full);
    fill(full[1]);
    conf_unix_pair(sockets);
    listener = conf_listen(&address, 1);
    epoll = epoll_create1(EPOLL_CLOEXEC);
    ck_assert_int_ge(epoll, 0);
    ck_assert_int_eq(sem_init(&zero, 0, 0), 0);
    ck_assert_int_eq(sem_init(&cancel_sent, 0, 0), 0);
    sleeper = start_thread(wait_for_zero, &zero);
    fflush(NULL);
    child = fork();
    CONF_CHECK(child >= 0);
    if (child == 0)
        for (conf_child_begin();;)
            pause();
    stage = 0;
}

static void teardown(void)
{
    kill(child, SIGKILL);
    ck_assert_int_eq(conf_child_status(child), 128 + SIGKILL);
    sem_post(&zero);
    join_thread(sleeper);
    close(epoll);
    close(listener);
    for (int i = 0; i < 2; i++) {
        close(empty[i]);
        close(full[i]);
        close(sockets[i]);
    }
}

START_TEST(ends_a_thread_that_is_blocked)
{
    pthread_t thread = start_thread(enter_point, (void *)(long)_i);
    void *value;

    while (stage == 0)
        sleep_ms(1);
    sleep_ms(5);
    ck_assert_int_eq(pthread_cancel(thread), 0);
    value = join_thread(thread);
    ck_assert_msg(value == PTHREAD_CANCELED, "%s was not", points[_i].name);
    ck_assert_msg(stage == 2, "%s: no cleanup", points[_i].name);
    ck_assert_int_eq(pthread_mutex_trylock(&mutex), 0);
    ck_assert_int_eq(pthread_mutex_unlock(&mutex), 0);
}
END_TEST

START_TEST(ends_a_thread_that_comes_to_block)
{
    pthread_t thread = start_thread(enter_point_late, (void *)(long)_i);
    void *value;

    ck_assert_int_eq(pthread_cancel(thread), 0);
    ck_assert_int_eq(sem_post(&cancel_sent), 0);
    value = join_thread(thread);
    ck_assert_msg(value == PTHREAD_CANCELED, "%s was not", points[_i].name);
    ck_assert_msg(stage == 2, "%s: no cleanup", points[_i].name);
}
END_TEST

static void add(TCase *tcase)
{
    tcase_add_checked_fixture(tcase, setup, teardown);
    conf_test(tcase, ends_a_thread_that_is_blocked, POINTS);
    conf_test(tcase, ends_a_thread_that_comes_to_block, POINTS);
}

int main(void)
{
    return conf_main("pthread_cancel_points", add, CONF_THREADS);
}
