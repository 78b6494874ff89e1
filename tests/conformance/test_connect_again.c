/* connect(2) that was interrupted, connect(2) again, and what it may say */
#include "conformance.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { DELAY_MS = 20 };

static struct sockaddr_in address;
static int listener, filler[8], fillers;

/* A listener whose queue is full: the next connection waits for an answer. */
static void fill_queue(void)
{
    listener = conf_listen(&address, 0);
    for (fillers = 0; fillers < 8; fillers++) {
        struct pollfd done;
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

        filler[fillers] = fd;
        connect(fd, (struct sockaddr *)&address, sizeof address);
        done = (struct pollfd){ fd, POLLOUT, 0 };
        if (poll(&done, 1, 100) == 0) {
            fillers++;
            return;
        }
    }
    ck_abort_msg("the queue has no end");
}

static void close_queue(void)
{
    while (fillers > 0)
        close(filler[--fillers]);
    close(listener);
}

static int again(int fd)
{
    return connect(fd, (struct sockaddr *)&address, sizeof address);
}

static void on_signal(int number)
{
    (void)number;
}

static volatile bool over;
static pthread_t main_thread;

static void interrupt(void *unused)
{
    (void)unused;
    while (!over) {
        CONF_CHECK(pthread_kill(main_thread, SIGUSR1) == 0);
        sleep_ms(DELAY_MS);
    }
}

static int connect_interrupted(int fd)
{
    struct sigaction action = { .sa_handler = on_signal };
    pthread_t sender;
    int rc, error;

    ck_assert_int_eq(sigaction(SIGUSR1, &action, NULL), 0);
    main_thread = pthread_self();
    over = false;
    sender = start_later(DELAY_MS, interrupt, NULL);
    rc = again(fd);
    error = errno;
    over = true;
    join_thread(sender);
    signal(SIGUSR1, SIG_DFL);
    errno = error;
    return rc;
}

static volatile bool enough;

/* Whoever calls, until told that it is enough: a call that found no room comes
 * again after a second. */
static void accept_all(void *unused)
{
    (void)unused;
    while (!enough) {
        struct pollfd ready = { listener, POLLIN, 0 };
        int fd = -1;

        if (poll(&ready, 1, 10) == 1)
            fd = accept(listener, NULL, NULL);
        if (fd >= 0)
            close(fd);
    }
}

static pthread_t start_accepting(void)
{
    enough = false;
    return start_later(DELAY_MS, accept_all, NULL);
}

static void end_accepting(pthread_t acceptor)
{
    enough = true;
    join_thread(acceptor);
}

/* POSIX: it goes on behind; Linux: another connect() waits for its end. */
START_TEST(an_interrupted_one_goes_on_and_can_be_waited_for)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct pollfd done = { fd, POLLOUT, 0 };
    pthread_t acceptor;

    fill_queue();
    ck_assert_int_eq(connect_interrupted(fd), -1);
    ck_assert_int_eq(errno, EINTR);
    ck_assert_int_eq(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
    ck_assert_int_eq(poll(&done, 1, 0), 0);
    acceptor = start_accepting();
    ck_assert_int_eq(again(fd), 0);
    end_accepting(acceptor);
    ck_assert_int_eq(again(fd), -1);
    ck_assert_int_eq(errno, EISCONN);
    close(fd);
    close_queue();
}
END_TEST

START_TEST(two_that_do_not_wait)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

    fill_queue();
    ck_assert_int_eq(again(fd), -1);
    ck_assert_int_eq(errno, EINPROGRESS);
    ck_assert_int_eq(again(fd), -1);
    ck_assert_int_eq(errno, EALREADY);
    close(fd);
    close_queue();
}
END_TEST

START_TEST(a_time_limit_says_in_progress_and_then_already)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct timeval limit = { 0, 30000 };

    fill_queue();
    ck_assert_int_eq(
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit), 0);
    ck_assert_int_eq(again(fd), -1);
    ck_assert_int_eq(errno, EINPROGRESS);
    ck_assert_int_eq(again(fd), -1);
    ck_assert_int_eq(errno, EALREADY);
    close(fd);
    close_queue();
}
END_TEST

struct attempt {
    int fd, result, error;
};

static void *connect_it(void *argument)
{
    struct attempt *attempt = argument;

    attempt->result = again(attempt->fd);
    attempt->error = errno;
    return NULL;
}

START_TEST(a_shut_down_ends_the_wait)
{
    struct attempt attempt = { socket(AF_INET, SOCK_STREAM, 0), 0, 0 };
    pthread_t thread;

    fill_queue();
    thread = start_thread(connect_it, &attempt);
    sleep_ms(2 * DELAY_MS);
    ck_assert_int_eq(shutdown(attempt.fd, SHUT_RDWR), 0);
    join_thread(thread);
    ck_assert_int_eq(attempt.result, -1);
    ck_assert_int_eq(attempt.error, ECONNRESET);
    close(attempt.fd);
    close_queue();
}
END_TEST

START_TEST(the_fd_may_be_closed_meanwhile)
{
    struct attempt attempt = { socket(AF_INET, SOCK_STREAM, 0), 0, 0 };
    pthread_t thread, acceptor;

    fill_queue();
    thread = start_thread(connect_it, &attempt);
    sleep_ms(2 * DELAY_MS);
    ck_assert_int_eq(close(attempt.fd), 0);
    acceptor = start_accepting();
    join_thread(thread);
    end_accepting(acceptor);
    ck_assert_int_eq(attempt.result, 0);
    close_queue();
}
END_TEST

/* A refused socket may be used again. */
START_TEST(a_refusal_is_said_once)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0), error = -1;
    int bound = conf_listen(&address, 1);
    socklen_t size = sizeof error;

    close(bound);
    ck_assert_int_eq(again(fd), -1);
    ck_assert_int_eq(errno, ECONNREFUSED);
    ck_assert_int_eq(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size), 0);
    ck_assert_int_eq(error, 0);
    bound = conf_listen(&address, 1);
    ck_assert_int_eq(again(fd), 0);
    close(bound);
    close(fd);
}
END_TEST

START_TEST(of_a_stream_to_everybody_is_unreachable)
{
    struct sockaddr_in far = { .sin_family = AF_INET, .sin_port = htons(9) };
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    far.sin_addr.s_addr = htonl(INADDR_BROADCAST);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&far, sizeof far), -1);
    ck_assert_int_eq(errno, ENETUNREACH);
    close(fd);
}
END_TEST

/* AF_UNSPEC takes a connection apart; a TCP socket can then listen or call. */
START_TEST(an_unspecified_address_disconnects)
{
    struct sockaddr nobody = { .sa_family = AF_UNSPEC };
    int server = conf_listen(&address, 2);
    int fd = socket(AF_INET, _i == 0 ? SOCK_STREAM : SOCK_DGRAM, 0);

    ck_assert_int_eq(again(fd), 0);
    ck_assert_int_eq(connect(fd, &nobody, sizeof nobody), 0);
    ck_assert_int_eq(send(fd, "x", 1, MSG_NOSIGNAL), -1);
    if (_i != 0)
        ck_assert_int_eq(errno, EDESTADDRREQ);
    ck_assert_int_eq(again(fd), 0);
    close(fd);
    close(server);
}
END_TEST

static const struct {
    const char *name;
    int error;
} no_sockets[] = { { "/nowhere/at/all", ENOENT },
                   { "/dev/null", ECONNREFUSED },
                   { "", ECONNREFUSED } }; /* abstract */

START_TEST(of_a_name_that_nobody_has)
{
    struct sockaddr_un name = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    strcpy(name.sun_path, no_sockets[_i].name);
    if (no_sockets[_i].name[0] == '\0')
        strcpy(name.sun_path + 1, "vireo-no-such-name");
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&name, sizeof name), -1);
    ck_assert_int_eq(errno, no_sockets[_i].error);
    close(fd);
}
END_TEST

static void add(TCase *tcase)
{
    conf_test(tcase, an_interrupted_one_goes_on_and_can_be_waited_for, 1);
    conf_test(tcase, two_that_do_not_wait, 1);
    conf_test(tcase, a_time_limit_says_in_progress_and_then_already, 1);
    conf_test(tcase, a_shut_down_ends_the_wait, 1);
    conf_test(tcase, the_fd_may_be_closed_meanwhile, 1);
    conf_test(tcase, a_refusal_is_said_once, 1);
    conf_test(tcase, of_a_stream_to_everybody_is_unreachable, 1);
    conf_test(tcase, an_unspecified_address_disconnects, 2);
    conf_test(tcase, of_a_name_that_nobody_has, 3);
}

int main(void)
{
    return conf_main("connect_again", add, CONF_THREADS);
}
