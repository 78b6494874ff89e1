/* close(2) and dup2(2) of an fd that another thread waits on
 *
 * On Linux the waiting call holds the open file, not its number: it goes on
 * with the file it began with, whatever becomes of the number. */
#include "conformance.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/resource.h>
#include <unistd.h>

enum { DELAY_MS = 20, LARGE = 300 * 1024 };

struct wait {
    int fd;
    char bytes[8];
    ssize_t result;
    int error;
    short revents;
    volatile bool began;
};

/* Until the thread waits: from `began` on it has nothing else to do. */
static void let_wait(struct wait *wait)
{
    while (!wait->began)
        sleep_ms(1);
    sleep_ms(DELAY_MS);
}

static void *wait_in_read(void *argument)
{
    struct wait *wait = argument;

    wait->began = true;
    wait->result = read(wait->fd, wait->bytes, sizeof wait->bytes);
    wait->error = errno;
    return NULL;
}

START_TEST(lets_a_waiting_read_go_on_with_its_file)
{
    int ends[2], ends_kept;
    struct wait wait = { 0 };
    pthread_t reader;

    conf_stream(_i, ends);
    ends_kept = dup(ends[0]); /* a peer without reader would be broken */
    wait.fd = ends[0];
    reader = start_thread(wait_in_read, &wait);
    let_wait(&wait);
    ck_assert_int_eq(close(ends[0]), 0);
    conf_write_all(ends[1], "four", 4);
    join_thread(reader);
    ck_assert_int_eq(wait.result, 4);
    ck_assert_mem_eq(wait.bytes, "four", 4);
    close(ends_kept);
    close(ends[1]);
}
END_TEST

START_TEST(keeps_the_file_open_for_a_waiting_read_alone)
{
    int ends[2];
    struct wait wait = { 0 };
    pthread_t reader;

    conf_stream(_i, ends);
    wait.fd = ends[0];
    reader = start_thread(wait_in_read, &wait);
    let_wait(&wait);
    ck_assert_int_eq(close(ends[0]), 0);
    ck_assert_int_eq(write(ends[1], "four", 4), 4);
    join_thread(reader);
    ck_assert_int_eq(wait.result, 4);
    ck_assert_int_eq(close(ends[1]), 0);
}
END_TEST

/* The number goes to another file at once, and its data to nobody else. */
START_TEST(a_reused_number_does_not_feed_the_old_reader)
{
    int ends[2], other[2];
    struct wait wait = { 0 };
    char bytes[8] = "";
    pthread_t reader;

    conf_stream(_i, ends);
    conf_pipe(other);
    wait.fd = ends[0];
    reader = start_thread(wait_in_read, &wait);
    let_wait(&wait);
    ck_assert_int_eq(close(ends[0]), 0);
    ck_assert_int_eq(fcntl(other[0], F_DUPFD, ends[0]), ends[0]);
    conf_write_all(other[1], "secret", 6);
    sleep_ms(DELAY_MS);
    conf_write_all(ends[1], "four", 4);
    join_thread(reader);
    ck_assert_int_eq(wait.result, 4);
    ck_assert_mem_eq(wait.bytes, "four", 4);
    ck_assert_int_eq(read(other[0], bytes, 8), 6);
    ck_assert_str_eq(bytes, "secret");
    conf_close_both(ends);
    conf_close_both(other);
}
END_TEST

START_TEST(dup2_over_a_waiting_fd_does_not_feed_the_old_reader)
{
    int ends[2], other[2];
    struct wait waits[2] = { { 0 } };
    pthread_t readers[2];

    conf_stream(_i, ends);
    conf_pipe(other);
    waits[0].fd = ends[0];
    readers[0] = start_thread(wait_in_read, &waits[0]);
    let_wait(&waits[0]);
    ck_assert_int_eq(dup2(other[0], ends[0]), ends[0]);
    /* A second thread waits in the same number: that is another file now. */
    waits[1].fd = ends[0];
    readers[1] = start_thread(wait_in_read, &waits[1]);
    let_wait(&waits[1]);
    conf_write_all(other[1], "new", 3);
    join_thread(readers[1]);
    ck_assert_int_eq(waits[1].result, 3);
    ck_assert_mem_eq(waits[1].bytes, "new", 3);
    conf_write_all(ends[1], "old", 3);
    join_thread(readers[0]);
    ck_assert_int_eq(waits[0].result, 3);
    ck_assert_mem_eq(waits[0].bytes, "old", 3);
    conf_close_both(ends);
    conf_close_both(other);
}
END_TEST

START_TEST(a_waiting_read_sees_the_end_of_its_closed_file)
{
    int ends[2];
    struct wait wait = { 0 };
    pthread_t reader;

    conf_stream(_i, ends);
    wait.fd = ends[0];
    reader = start_thread(wait_in_read, &wait);
    let_wait(&wait);
    ck_assert_int_eq(close(ends[0]), 0);
    ck_assert_int_eq(close(ends[1]), 0);
    join_thread(reader);
    ck_assert_int_eq(wait.result, 0);
}
END_TEST

static void *write_large(void *argument)
{
    struct wait *wait = argument;
    char *bytes = malloc(LARGE);

    CONF_CHECK(bytes != NULL);
    conf_fill(bytes, LARGE, 1);
    wait->began = true;
    wait->result = write(wait->fd, bytes, LARGE);
    wait->error = errno;
    free(bytes);
    return NULL;
}

START_TEST(lets_a_waiting_write_go_on_with_its_file)
{
    int ends[2], other[2];
    struct wait wait = { 0 };
    char *bytes = malloc(LARGE), byte;
    pthread_t writer;

    conf_stream(_i, ends);
    wait.fd = ends[1];
    writer = start_thread(write_large, &wait);
    let_wait(&wait);
    ck_assert_int_eq(close(ends[1]), 0);
    conf_pipe(other); /* takes the number, as reader or as writer */
    ck_assert(other[0] == ends[1] || other[1] == ends[1]);
    conf_read_all(ends[0], bytes, LARGE);
    ck_assert(conf_filled(bytes, LARGE, 1));
    join_thread(writer);
    ck_assert_int_eq(wait.result, LARGE);
    ck_assert_int_eq(read(ends[0], &byte, 1), 0);
    ck_assert_int_eq(fcntl(other[0], F_SETFL, O_NONBLOCK), 0);
    ck_assert_int_eq(read(other[0], &byte, 1), -1);
    ck_assert_int_eq(errno, EAGAIN);
    free(bytes);
    close(ends[0]);
    conf_close_both(other);
}
END_TEST

static void *wait_in_accept(void *argument)
{
    struct wait *wait = argument;

    wait->began = true;
    wait->result = accept(wait->fd, NULL, NULL);
    wait->error = errno;
    return NULL;
}

START_TEST(lets_a_waiting_accept_go_on)
{
    struct sockaddr_in address;
    struct wait wait = { 0 };
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    pthread_t acceptor;

    wait.fd = conf_listen(&address, 1);
    acceptor = start_thread(wait_in_accept, &wait);
    let_wait(&wait);
    ck_assert_int_eq(close(wait.fd), 0);
    ck_assert_int_eq(
        connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    join_thread(acceptor);
    ck_assert_int_ge(wait.result, 0);
    close((int)wait.result);
    close(fd);
}
END_TEST

static void *wait_in_poll(void *argument)
{
    struct wait *wait = argument;
    struct pollfd ready = { wait->fd, POLLIN, 0 };

    wait->began = true;
    wait->result = poll(&ready, 1, 10000);
    wait->revents = ready.revents;
    return NULL;
}

/* poll() looks its numbers up again when one of its files wakes it. */
START_TEST(poll_finds_the_number_closed_when_it_wakes)
{
    int ends[2], kept;
    struct wait wait = { 0 };
    pthread_t poller;

    conf_pipe(ends);
    kept = dup(ends[0]);
    wait.fd = ends[0];
    poller = start_thread(wait_in_poll, &wait);
    let_wait(&wait);
    ck_assert_int_eq(close(ends[0]), 0);
    conf_write_all(ends[1], "x", 1);
    join_thread(poller);
    ck_assert_int_eq(wait.result, 1);
    ck_assert_int_eq(wait.revents, POLLNVAL);
    close(kept);
    close(ends[1]);
}
END_TEST

static void *wait_in_epoll(void *argument)
{
    struct wait *wait = argument;
    struct epoll_event event;

    wait->began = true;
    wait->result = epoll_wait(wait->fd, &event, 1, 10000);
    wait->error = errno;
    return NULL;
}

START_TEST(lets_a_waiting_epoll_wait_go_on)
{
    int ends[2];
    struct wait wait = { .fd = epoll_create1(0) };
    struct epoll_event event = { .events = EPOLLIN };
    pthread_t waiter;

    conf_pipe(ends);
    ck_assert_int_eq(epoll_ctl(wait.fd, EPOLL_CTL_ADD, ends[0], &event), 0);
    waiter = start_thread(wait_in_epoll, &wait);
    let_wait(&wait);
    ck_assert_int_eq(close(wait.fd), 0);
    conf_write_all(ends[1], "x", 1);
    join_thread(waiter);
    ck_assert_int_eq(wait.result, 1);
    conf_close_both(ends);
}
END_TEST

START_TEST(refuses_what_is_not_open)
{
    int ends[2];

    conf_pipe(ends);
    conf_close_both(ends);
    ck_assert_int_eq(close(ends[0]), -1);
    ck_assert_int_eq(errno, EBADF);
    ck_assert_int_eq(close(-1), -1);
    ck_assert_int_eq(errno, EBADF);
}
END_TEST

enum { FIRST = 100, LAST = 100000 };
static bool inherited[LAST];

/* Before any thread: the numbers that are not ours to close. */
static void note_inherited(void)
{
    for (int fd = FIRST; fd < LAST; fd++)
        inherited[fd] = fcntl(fd, F_GETFD) >= 0;
}

/* Daemons close every number there is. */
START_TEST(of_every_unused_number_hurts_nobody)
{
    struct rlimit limit;
    int ends[2];
    struct wait wait = { 0 };
    pthread_t reader;

    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    conf_stream(_i, ends);
    wait.fd = ends[0];
    reader = start_thread(wait_in_read, &wait);
    for (int fd = FIRST; fd < (int)limit.rlim_cur && fd < LAST; fd++) {
        if (inherited[fd])
            continue;
        ck_assert_int_eq(close(fd), -1);
        ck_assert_int_eq(errno, EBADF);
    }
    conf_write_all(ends[1], "four", 4);
    join_thread(reader);
    ck_assert_int_eq(wait.result, 4);
    conf_close_both(ends);
}
END_TEST

static void add(TCase *tcase)
{
    conf_test(tcase, lets_a_waiting_read_go_on_with_its_file, CONF_STREAMS);
    conf_test(tcase, keeps_the_file_open_for_a_waiting_read_alone,
              CONF_STREAMS);
    conf_test(tcase, a_reused_number_does_not_feed_the_old_reader,
              CONF_STREAMS);
    conf_test(tcase, dup2_over_a_waiting_fd_does_not_feed_the_old_reader,
              CONF_STREAMS);
    conf_test(tcase, a_waiting_read_sees_the_end_of_its_closed_file,
              CONF_PTY);
    conf_test(tcase, lets_a_waiting_write_go_on_with_its_file, CONF_TCP);
    conf_test(tcase, lets_a_waiting_accept_go_on, 1);
    conf_test(tcase, poll_finds_the_number_closed_when_it_wakes, 1);
    conf_test(tcase, lets_a_waiting_epoll_wait_go_on, 1);
    conf_test(tcase, refuses_what_is_not_open, 1);
    conf_test(tcase, of_every_unused_number_hurts_nobody, 2);
}

int main(void)
{
    note_inherited();
    return conf_main("close", add, CONF_THREADS);
}
