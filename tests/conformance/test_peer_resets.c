/* Peers that go away: ECONNRESET and EPIPE to who waits and who comes later,
 * SIGPIPE to the very thread that wrote, and all others go on */
#include "conf_threads.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>

static int ends[2];

static void reset(int fd)
{
    struct linger at_once = {1, 0};

    CONF_CHECK(setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once,
                          sizeof at_once) == 0);
    CONF_CHECK(close(fd) == 0);
}

static void *reset_later(void *argument)
{
    sleep_ms(30);
    reset(ends[1]);
    return argument;
}

/* ---- waits that a reset ends ---- */

static void wait_in_recv(void)
{
    char byte;

    CONF_CHECK(recv(ends[0], &byte, 1, 0) == -1 && errno == ECONNRESET);
    CONF_CHECK(recv(ends[0], &byte, 1, 0) == 0); /* it was told once */
}

static void wait_in_read_all(void)
{
    char bytes[100];

    CONF_CHECK(recv(ends[0], bytes, sizeof bytes, MSG_WAITALL) == -1 &&
               errno == ECONNRESET);
}

static void wait_in_send(void)
{
    static char block[1 << 20];
    ssize_t n;

    do
        n = send(ends[0], block, sizeof block, MSG_NOSIGNAL);
    while (n > 0); /* of the one that was cut short, a part is counted */
    CONF_CHECK(n == -1 && (errno == ECONNRESET || errno == EPIPE));
    CONF_CHECK(send(ends[0], block, 1, MSG_NOSIGNAL) == -1 && errno == EPIPE);
}

static void wait_in_poll(void)
{
    struct pollfd one = {ends[0], POLLIN, 0};
    int error = 0;
    socklen_t size = sizeof error;

    CONF_CHECK(poll(&one, 1, 10000) == 1);
    CONF_CHECK(one.revents == (POLLIN | POLLERR | POLLHUP));
    CONF_CHECK(getsockopt(ends[0], SOL_SOCKET, SO_ERROR, &error, &size) == 0);
    CONF_CHECK(error == ECONNRESET);
}

static void wait_in_epoll(void)
{
    struct epoll_event event = {EPOLLIN, {.u32 = 7}};
    int set = epoll_create1(EPOLL_CLOEXEC);

    CONF_CHECK(epoll_ctl(set, EPOLL_CTL_ADD, ends[0], &event) == 0);
    CONF_CHECK(epoll_wait(set, &event, 1, 10000) == 1);
    CONF_CHECK(event.events == (EPOLLIN | EPOLLERR | EPOLLHUP));
    close(set);
}

static void (*const waits[])(void) = {wait_in_recv, wait_in_read_all,
                                      wait_in_send, wait_in_poll,
                                      wait_in_epoll};
enum { WAITS = sizeof waits / sizeof *waits };

static void *run_wait(void *wait)
{
    waits[*(int *)wait]();
    return NULL;
}

START_TEST(a_reset_ends_a_wait)
{
    pthread_t threads[2];

    conf_tcp_pair(ends);
    threads[0] = start_thread(run_wait, &_i);
    threads[1] = start_thread(reset_later, NULL);
    join_thread(threads[0]);
    join_thread(threads[1]);
    close(ends[0]);
}
END_TEST

/* What came before it can still be read only until it is told. */
START_TEST(a_reset_that_came_before)
{
    char byte;

    conf_tcp_pair(ends);
    reset(ends[1]);
    ck_assert_int_eq(recv(ends[0], &byte, 1, 0), -1);
    ck_assert_int_eq(errno, ECONNRESET);
    ck_assert_int_eq(send(ends[0], "x", 1, MSG_NOSIGNAL), -1);
    ck_assert_int_eq(errno, EPIPE);
    close(ends[0]);
}
END_TEST

START_TEST(the_others_go_on)
{
    int other[2], fds[2];
    char bytes[2];

    conf_tcp_pair(other);
    for (int i = 0; i < 5; i++) {
        pthread_t thread;
        int zero = 0;

        conf_tcp_pair(fds);
        memcpy(ends, fds, sizeof ends);
        thread = start_thread(run_wait, &zero);
        let_block();
        reset(ends[1]);
        conf_write_all(other[1], "ab", 2);
        conf_read_all(other[0], bytes, 2);
        join_thread(thread);
        close(ends[0]);
    }
    conf_close_both(other);
}
END_TEST

START_TEST(nobody_listens)
{
    struct sockaddr_in at;
    int listener = conf_listen(&at, 5), client = socket(AF_INET, SOCK_STREAM, 0);

    close(listener);
    ck_assert_int_eq(connect(client, (struct sockaddr *)&at, sizeof at), -1);
    ck_assert_int_eq(errno, ECONNREFUSED);
    close(client);
}
END_TEST

/* ---- SIGPIPE ---- */

static volatile int signals;
static volatile pthread_t signalled;

static void on_pipe(int number)
{
    CONF_CHECK(number == SIGPIPE);
    signalled = pthread_self();
    signals++;
}

/* A reader that goes while the writer waits. */
static void *write_to_nobody(void *argument)
{
    static char block[1 << 20];
    struct iovec one = {block, sizeof block};
    int fd = ends[1];

    (void)argument;
    CONF_CHECK(write(fd, block, sizeof block) < (ssize_t)sizeof block);
    errno = 0;
    CONF_CHECK(writev(fd, &one, 1) == -1 && errno == EPIPE);
    CONF_CHECK(signals >= 1 && pthread_equal(signalled, pthread_self()));
    return NULL;
}

static void *close_reader(void *argument)
{
    sleep_ms(30);
    close(ends[0]);
    return argument;
}

START_TEST(the_signal_is_of_the_thread_that_wrote)
{
    struct sigaction handler = {.sa_handler = on_pipe}, old;
    pthread_t threads[2];

    ck_assert_int_eq(sigaction(SIGPIPE, &handler, &old), 0);
    if (_i == 0)
        conf_pipe(ends);
    else
        conf_unix_pair(ends);
    signals = 0;
    threads[0] = start_thread(write_to_nobody, NULL);
    threads[1] = start_thread(close_reader, NULL);
    join_thread(threads[0]);
    join_thread(threads[1]);
    close(ends[1]);
    ck_assert_int_eq(sigaction(SIGPIPE, &old, NULL), 0);
}
END_TEST

/* It stays pending for the thread alone. */
static void *write_blocked(void *argument)
{
    struct timespec now = {0, 0};
    sigset_t pipe_only, pending;

    sigemptyset(&pipe_only);
    sigaddset(&pipe_only, SIGPIPE);
    CONF_CHECK(pthread_sigmask(SIG_BLOCK, &pipe_only, NULL) == 0);
    CONF_CHECK(write(ends[1], "x", 1) == -1 && errno == EPIPE);
    CONF_CHECK(sigpending(&pending) == 0 && sigismember(&pending, SIGPIPE));
    CONF_CHECK(sigtimedwait(&pipe_only, NULL, &now) == SIGPIPE);
    CONF_CHECK(sigpending(&pending) == 0 && !sigismember(&pending, SIGPIPE));
    return argument;
}

/* Calls that a runtime may make elsewhere: output of stdio, and what the kernel
 * copies. */
static void by_stdio(void)
{
    FILE *stream = fdopen(dup(ends[1]), "w");

    CONF_CHECK(stream != NULL && fputs("text", stream) >= 0);
    CONF_CHECK(fflush(stream) == EOF && errno == EPIPE);
    fclose(stream);
}

static void by_dprintf(void)
{
    CONF_CHECK(dprintf(ends[1], "text") == -1 && errno == EPIPE);
}

static void by_sendfile(void)
{
    int file = open("/proc/self/exe", O_RDONLY);

    CONF_CHECK(sendfile(ends[1], file, NULL, 1000) == -1 && errno == EPIPE);
    close(file);
}

static void by_splice(void)
{
    int from[2];

    CONF_CHECK(pipe(from) == 0);
    conf_write_all(from[1], "text", 4);
    CONF_CHECK(splice(from[0], NULL, ends[1], NULL, 4, 0) == -1 &&
               errno == EPIPE);
    conf_close_both(from);
}

static void (*const writes[])(void) = {by_stdio, by_dprintf, by_sendfile,
                                       by_splice};
enum { WRITES = sizeof writes / sizeof *writes };

static void *write_so(void *which)
{
    int then = signals;

    writes[*(int *)which]();
    CONF_CHECK(signals > then && pthread_equal(signalled, pthread_self()));
    return NULL;
}

START_TEST(all_that_write_raise_it)
{
    struct sigaction handler = {.sa_handler = on_pipe}, old;

    ck_assert_int_eq(sigaction(SIGPIPE, &handler, &old), 0);
    conf_pipe(ends);
    close(ends[0]);
    for (int i = 0; i < 3; i++)
        join_thread(start_thread(write_so, &_i));
    close(ends[1]);
    ck_assert_int_eq(sigaction(SIGPIPE, &old, NULL), 0);
}
END_TEST

START_TEST(a_blocked_signal_is_pending_for_the_thread)
{
    sigset_t pending;

    conf_pipe(ends);
    close(ends[0]);
    for (int i = 0; i < 3; i++)
        join_thread(start_thread(write_blocked, NULL));
    ck_assert_int_eq(sigpending(&pending), 0);
    ck_assert(!sigismember(&pending, SIGPIPE));
    close(ends[1]);
}
END_TEST

static void *write_once(void *argument)
{
    CONF_CHECK(write(ends[1], "x", 1) == 1);
    return argument;
}

static void write_and_die(void)
{
    CONF_CHECK(signal(SIGPIPE, SIG_DFL) != SIG_ERR);
    CONF_CHECK(pipe(ends) == 0 && close(ends[0]) == 0);
    join_thread(start_thread(write_once, NULL));
}

/* Whoever else runs meanwhile does not get it, nor does it end them. */
static void *write_blocked_and_sleep(void *argument)
{
    sigset_t pipe_only, pending;

    sigemptyset(&pipe_only);
    sigaddset(&pipe_only, SIGPIPE);
    CONF_CHECK(pthread_sigmask(SIG_BLOCK, &pipe_only, NULL) == 0);
    CONF_CHECK(write(ends[1], "x", 1) == -1 && errno == EPIPE);
    sleep_ms(20);
    CONF_CHECK(sigpending(&pending) == 0 && sigismember(&pending, SIGPIPE));
    if (argument != NULL) { /* now it comes */
        CONF_CHECK(signals == 0);
        CONF_CHECK(pthread_sigmask(SIG_UNBLOCK, &pipe_only, NULL) == 0);
        CONF_CHECK(signals == 1 && pthread_equal(signalled, pthread_self()));
    }
    return argument;
}

static void block_among_others(void)
{
    pthread_t threads[5];

    CONF_CHECK(signal(SIGPIPE, SIG_DFL) != SIG_ERR);
    CONF_CHECK(pipe(ends) == 0 && close(ends[0]) == 0);
    for (int i = 0; i < 5; i++)
        threads[i] = start_thread(write_blocked_and_sleep, NULL);
    sleep_ms(40); /* which ends it, if it gets a signal */
    for (int i = 0; i < 5; i++)
        join_thread(threads[i]);
    CONF_CHECK(signal(SIGPIPE, on_pipe) != SIG_ERR);
    sleep_ms(5);
    CONF_CHECK(signals == 0);
    join_thread(start_thread(write_blocked_and_sleep, ends));
    CONF_CHECK(signals == 1);
}

START_TEST(a_blocked_signal_is_of_nobody_else)
{
    signals = 0;
    ck_assert_int_eq(run_child(block_among_others), 0);
}
END_TEST

START_TEST(else_it_ends_the_process)
{
    ck_assert_int_eq(run_child(write_and_die), 128 + SIGPIPE);
}
END_TEST

static void *print_once(void *argument)
{
    FILE *stream = fdopen(ends[1], "w");

    CONF_CHECK(stream != NULL && fputs("text", stream) >= 0);
    fflush(stream);
    return argument;
}

static void print_and_die(void)
{
    CONF_CHECK(signal(SIGPIPE, SIG_DFL) != SIG_ERR);
    CONF_CHECK(pipe(ends) == 0 && close(ends[0]) == 0);
    join_thread(start_thread(print_once, NULL));
}

START_TEST(so_does_output_of_stdio)
{
    ck_assert_int_eq(run_child(print_and_die), 128 + SIGPIPE);
}
END_TEST

static void add(TCase *tcase)
{
    conf_test(tcase, a_reset_ends_a_wait, WAITS);
    conf_test(tcase, a_reset_that_came_before, 1);
    conf_test(tcase, the_others_go_on, 1);
    conf_test(tcase, nobody_listens, 1);
    conf_test(tcase, the_signal_is_of_the_thread_that_wrote, 2);
    conf_test(tcase, a_blocked_signal_is_pending_for_the_thread, 1);
    conf_test(tcase, a_blocked_signal_is_of_nobody_else, 1);
    conf_test(tcase, all_that_write_raise_it, WRITES);
    conf_test(tcase, else_it_ends_the_process, 1);
    conf_test(tcase, so_does_output_of_stdio, 1);
}

int main(void)
{
    return conf_main("peer_resets", add, CONF_THREADS);
}
