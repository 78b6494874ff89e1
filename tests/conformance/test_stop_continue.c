/* SIGSTOP and SIGCONT while threads wait: who waits goes on waiting, or is told
 * EINTR where signal(7) says so; what came due in the meantime is due; a handler
 * of SIGCONT runs */
#include "conf_threads.h"

#include <errno.h>
#include <poll.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/wait.h>

#define STOPPED_MS 150

/* ---- the child: threads that wait ---- */

static int ends[2], pairs[2];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static sem_t never;
static volatile int continued;

static bool passed(int64_t begin, int ms)
{
    return now_ns() - begin >= ms * CONF_MS;
}

/* 60 ms pass while the process is stopped; 900 ms do not. */
static void *sleep_for(void *ms)
{
    int64_t begin = now_ns();
    int wanted = *(int *)ms;
    struct timespec time = {0, wanted * CONF_MS}, left;
    int rc = nanosleep(&time, &left);

    if (continued == 0)
        CONF_CHECK(rc == 0);
    if (rc == 0)
        CONF_CHECK(passed(begin, wanted));
    else
        CONF_CHECK(errno == EINTR && left.tv_nsec <= wanted * CONF_MS);
    return NULL;
}

static void *poll_for(void *ms)
{
    int64_t begin = now_ns();
    struct pollfd one = {ends[0], POLLIN, 0};
    int rc = poll(&one, 1, *(int *)ms);

    CONF_CHECK((rc == 0 && passed(begin, *(int *)ms)) ||
               (rc == -1 && errno == EINTR));
    return NULL;
}

static void *epoll_for(void *ms)
{
    int64_t begin = now_ns();
    struct epoll_event event = {EPOLLIN, {.u32 = 7}};
    int set = epoll_create1(0), rc;

    CONF_CHECK(epoll_ctl(set, EPOLL_CTL_ADD, ends[0], &event) == 0);
    rc = epoll_wait(set, &event, 1, *(int *)ms);
    CONF_CHECK((rc == 0 && passed(begin, *(int *)ms)) ||
               (rc == -1 && errno == EINTR));
    close(set);
    return NULL;
}

static void *wait_for_cond(void *ms)
{
    int64_t begin = now_ns();
    struct timespec until = deadline_in(CLOCK_REALTIME, *(int *)ms);
    int rc;

    CONF_CHECK(pthread_mutex_lock(&lock) == 0);
    do
        rc = pthread_cond_timedwait(&changed, &lock, &until);
    while (rc == 0);
    CONF_CHECK(rc == ETIMEDOUT && passed(begin, *(int *)ms - 1));
    CONF_CHECK(pthread_mutex_unlock(&lock) == 0);
    return NULL;
}

static void *wait_for_sem(void *ms)
{
    struct timespec until = deadline_in(CLOCK_REALTIME, *(int *)ms);
    int rc;

    do
        rc = sem_timedwait(&never, &until);
    while (rc == -1 && errno == EINTR);
    CONF_CHECK(rc == -1 && errno == ETIMEDOUT);
    return NULL;
}

static void *wait_for_timer(void *ms)
{
    struct itimerspec when = {{0, 5 * CONF_MS}, {0, *(int *)ms * CONF_MS}};
    int fd = timerfd_create(CLOCK_MONOTONIC, 0);
    uint64_t count = 0;
    ssize_t n;

    CONF_CHECK(timerfd_settime(fd, 0, &when, NULL) == 0);
    do
        n = read(fd, &count, sizeof count);
    while (n == -1 && errno == EINTR);
    CONF_CHECK(n == sizeof count && count >= 1);
    close(fd);
    return NULL;
}

static void *receive(void *argument)
{
    struct timeval limit = {20, 0};
    char byte;
    ssize_t n;

    (void)argument;
    CONF_CHECK(setsockopt(pairs[0], SOL_SOCKET, SO_RCVTIMEO, &limit,
                          sizeof limit) == 0);
    do
        n = recv(pairs[0], &byte, 1, 0);
    while (n == -1 && errno == EINTR);
    CONF_CHECK(n == 1 && byte == 'x');
    return NULL;
}

static void *(*const waits[])(void *) = {sleep_for,     poll_for,
                                         epoll_for,     wait_for_cond,
                                         wait_for_sem,  wait_for_timer};
enum { WAITS = sizeof waits / sizeof *waits };

static void on_continue(int number)
{
    CONF_CHECK(number == SIGCONT);
    continued++;
}

static int told[2]; /* the child tells that its threads wait, ... */
static int over[2]; /* ... and is told that it will not be stopped again */

static void wait_over_a_stop(void)
{
    static int short_ms = 60, long_ms = 900;
    pthread_t threads[2 * WAITS + 1];
    int count = 0;
    char byte;

    CONF_CHECK(pipe(ends) == 0 && sem_init(&never, 0, 0) == 0);
    CONF_CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pairs) == 0);
    for (int i = 0; i < WAITS; i++) {
        threads[count++] = start_thread(waits[i], &short_ms);
        threads[count++] = start_thread(waits[i], &long_ms);
    }
    threads[count++] = start_thread(receive, NULL);
    let_block();
    conf_write_all(told[1], "w", 1);
    for (int i = 0; i < count - 1; i++)
        join_thread(threads[i]);
    while (read(over[0], &byte, 1) != 1)
        CONF_CHECK(errno == EINTR);
    conf_write_all(pairs[1], "x", 1);
    join_thread(threads[count - 1]);
}

static void wait_with_a_handler(void)
{
    struct sigaction handler = {.sa_handler = on_continue};

    CONF_CHECK(sigaction(SIGCONT, &handler, NULL) == 0);
    wait_over_a_stop();
    CONF_CHECK(continued >= 1); /* a stop discards one that is pending */
}

/* ---- the parent ---- */

static int stop_child(void (*body)(void), int times)
{
    pid_t child;
    int status;

    conf_pipe(told);
    conf_pipe(over);
    fflush(NULL);
    child = fork();
    CONF_CHECK(child >= 0);
    if (child == 0) {
        conf_child_begin();
        body();
        _exit(0);
    }
    conf_read_all(told[0], (char[1]){0}, 1);
    for (int i = 0; i < times; i++) {
        CONF_CHECK(kill(child, SIGSTOP) == 0);
        CONF_CHECK(waitpid(child, &status, WUNTRACED) == child);
        CONF_CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
        sleep_ms(STOPPED_MS);
        CONF_CHECK(kill(child, SIGCONT) == 0);
        CONF_CHECK(waitpid(child, &status, WCONTINUED) == child);
        CONF_CHECK(WIFCONTINUED(status));
        sleep_ms(10);
    }
    conf_write_all(over[1], "o", 1);
    status = conf_child_status(child);
    conf_close_both(told);
    conf_close_both(over);
    return status;
}

START_TEST(who_waits_goes_on_waiting)
{
    ck_assert_int_eq(stop_child(wait_over_a_stop, 1), 0);
}
END_TEST

START_TEST(a_handler_runs_when_it_goes_on)
{
    ck_assert_int_eq(stop_child(wait_with_a_handler, 3), 0);
}
END_TEST

static void add(TCase *tcase)
{
    conf_test(tcase, who_waits_goes_on_waiting, 1);
    conf_test(tcase, a_handler_runs_when_it_goes_on, 1);
}

int main(void)
{
    return conf_main("stop_continue", add, CONF_THREADS);
}
