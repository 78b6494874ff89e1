/* connect(2): waiting, in progress, refused, limited, to the wrong place */
#include "conformance.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

enum { SOME_ERRNO = 4242, DELAY_MS = 10 };

static int by_number(int fd, const struct sockaddr *address, socklen_t size)
{
    return (int)syscall(SYS_connect, fd, address, size);
}

typedef int connect_function(int fd, const struct sockaddr *, socklen_t);

static connect_function *const spellings[] = { connect, by_number };
enum { SPELLINGS = 2 };

static int call(connect_function *function, int fd, struct sockaddr_in *to)
{
    return function(fd, (struct sockaddr *)to, sizeof *to);
}

static int error_of(int fd)
{
    int error = -1;
    socklen_t size = sizeof error;

    ck_assert_int_eq(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size), 0);
    return error;
}

/* An address where nobody listens: bound, and then given up. */
static void nobody(struct sockaddr_in *address)
{
    int listener = conf_listen(address, 1);

    ck_assert_int_eq(close(listener), 0);
}

START_TEST(succeeds_and_leaves_the_fd_blocking)
{
    struct sockaddr_in address;
    int listener = conf_listen(&address, 1);
    int fd = socket(AF_INET, SOCK_STREAM, 0), peer;

    errno = SOME_ERRNO;
    ck_assert_int_eq(call(spellings[_i], fd, &address), 0);
    ck_assert_int_eq(errno, SOME_ERRNO);
    ck_assert_int_eq(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
    ck_assert_int_eq(error_of(fd), 0);
    ck_assert_int_eq(call(spellings[_i], fd, &address), -1);
    ck_assert_int_eq(errno, EISCONN);
    peer = accept(listener, NULL, NULL);
    ck_assert_int_ge(peer, 0);
    close(peer);
    close(fd);
    close(listener);
}
END_TEST

START_TEST(is_refused_where_nobody_listens)
{
    struct sockaddr_in address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    nobody(&address);
    ck_assert_int_eq(call(spellings[_i], fd, &address), -1);
    ck_assert_int_eq(errno, ECONNREFUSED);
    ck_assert_int_eq(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
    ck_assert_int_eq(error_of(fd), 0);
    close(fd);
}
END_TEST

START_TEST(of_a_nonblocking_fd_goes_on_behind)
{
    struct sockaddr_in address;
    int listener = conf_listen(&address, 1);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), peer;
    struct pollfd ready = { fd, POLLOUT, 0 };

    ck_assert_int_eq(call(spellings[_i], fd, &address), -1);
    ck_assert_int_eq(errno, EINPROGRESS);
    ck_assert_int_eq(poll(&ready, 1, 5000), 1);
    ck_assert_int_eq(ready.revents, POLLOUT);
    ck_assert_int_eq(error_of(fd), 0);
    ck_assert_int_eq(fcntl(fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
    peer = accept(listener, NULL, NULL);
    ck_assert_int_ge(peer, 0);
    close(peer);
    close(fd);
    close(listener);
}
END_TEST

START_TEST(of_a_nonblocking_fd_tells_a_refusal_by_so_error)
{
    struct sockaddr_in address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct pollfd ready = { fd, POLLOUT, 0 };

    nobody(&address);
    ck_assert_int_eq(call(spellings[_i], fd, &address), -1);
    if (errno != ECONNREFUSED) {
        ck_assert_int_eq(errno, EINPROGRESS);
        ck_assert_int_eq(poll(&ready, 1, 5000), 1);
        ck_assert_int_eq(ready.revents, POLLOUT | POLLERR | POLLHUP);
        ck_assert_int_eq(error_of(fd), ECONNREFUSED);
        ck_assert_int_eq(error_of(fd), 0);
    }
    close(fd);
}
END_TEST

/* Fills the backlog of `listener`, so that the next call has to wait; the
 * kernel drops a SYN then and tries again after a second. */
static int fill_backlog(const struct sockaddr_in *address, int fds[], int most)
{
    int count = 0;

    for (; count < most; count++) {
        struct pollfd ready = { 0, POLLOUT, 0 };

        fds[count] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        connect(fds[count], (const struct sockaddr *)address, sizeof *address);
        ready.fd = fds[count];
        if (poll(&ready, 1, 20) == 0)
            break;
    }
    ck_assert_int_lt(count, most);
    return count + 1;
}

static void *take_all(void *listener)
{
    int fd;

    while ((fd = accept(*(int *)listener, NULL, NULL)) >= 0)
        close(fd);
    return NULL;
}

START_TEST(waits_for_room_in_the_backlog)
{
    struct sockaddr_in address;
    int listener = conf_listen(&address, 0);
    int fds[20], count = fill_backlog(&address, fds, 20);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    pthread_t taker = start_thread(take_all, &listener);

    ck_assert_int_eq(call(connect, fd, &address), 0);
    ck_assert_int_eq(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
    shutdown(listener, SHUT_RDWR);
    join_thread(taker);
    for (int i = 0; i < count; i++)
        close(fds[i]);
    close(fd);
    close(listener);
}
END_TEST

START_TEST(gives_up_after_its_time_limit)
{
    struct timeval most = { 0, 30000 };
    struct sockaddr_in address;
    int listener = conf_listen(&address, 0);
    int fds[20], count = fill_backlog(&address, fds, 20);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    int64_t began = now_ns();

    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &most, sizeof most);
    ck_assert_int_eq(call(spellings[_i], fd, &address), -1);
    ck_assert_int_eq(errno, EINPROGRESS);
    ck_assert_int_ge(now_ns() - began, 29 * CONF_MS);
    ck_assert_int_eq(call(spellings[_i], fd, &address), -1);
    ck_assert_int_eq(errno, EALREADY);
    ck_assert_int_eq(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
    for (int i = 0; i < count; i++)
        close(fds[i]);
    close(fd);
    close(listener);
}
END_TEST

START_TEST(refuses)
{
    connect_function *function = spellings[_i];
    struct sockaddr_in address = { .sin_family = AF_INET };
    struct sockaddr_un missing = { .sun_family = AF_UNIX,
                                   .sun_path = "/nonexistent/socket" };
    int ends[2], fd = socket(AF_INET, SOCK_STREAM, 0);

    conf_pipe(ends);
    ck_assert_int_eq(call(function, -1, &address), -1);
    ck_assert_int_eq(errno, EBADF);
    ck_assert_int_eq(call(function, ends[0], &address), -1);
    ck_assert_int_eq(errno, ENOTSOCK);
    ck_assert_int_eq(function(fd, (struct sockaddr *)&address, 3), -1);
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_int_eq(function(fd, conf_bad_address(), sizeof address), -1);
    ck_assert_int_eq(errno, EFAULT);
    address.sin_family = AF_UNIX;
    ck_assert_int_eq(call(function, fd, &address), -1);
    ck_assert_int_eq(errno, EAFNOSUPPORT);
    close(fd);
    fd = socket(AF_UNIX, SOCK_STREAM, 0);
    ck_assert_int_eq(
        function(fd, (struct sockaddr *)&missing, sizeof missing), -1);
    ck_assert_int_eq(errno, ENOENT);
    close(fd);
    conf_close_both(ends);
}
END_TEST

START_TEST(of_a_nonblocking_unix_socket_tells_a_full_backlog)
{
    char directory[CONF_PATH];
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int listener = socket(AF_UNIX, SOCK_STREAM, 0), fds[5], count = 0;

    conf_make_dir(directory);
    snprintf(address.sun_path, sizeof address.sun_path, "%.90s/s", directory);
    bind(listener, (struct sockaddr *)&address, sizeof address);
    ck_assert_int_eq(listen(listener, 1), 0);
    for (; count < 5; count++) {
        fds[count] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
        if (spellings[_i](fds[count], (struct sockaddr *)&address,
                          sizeof address) != 0)
            break;
    }
    ck_assert_int_eq(errno, EAGAIN);
    ck_assert_int_eq(count, 2);
    for (int i = 0; i <= count; i++)
        close(fds[i]);
    close(listener);
    unlink(address.sun_path);
    rmdir(directory);
}
END_TEST

START_TEST(of_a_datagram_socket_only_names_the_peer)
{
    struct sockaddr_in address, none = { .sin_family = AF_UNSPEC };
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    char byte;

    nobody(&address);
    ck_assert_int_eq(call(spellings[_i], fd, &address), 0);
    ck_assert_int_eq(send(fd, "x", 1, 0), 1);
    ck_assert_int_eq(recv(fd, &byte, 1, 0), -1); /* told by ICMP */
    ck_assert_int_eq(errno, ECONNREFUSED);
    ck_assert_int_eq(call(spellings[_i], fd, &none), 0);
    ck_assert_int_eq(send(fd, "x", 1, 0), -1);
    ck_assert_int_eq(errno, EDESTADDRREQ);
    close(fd);
}
END_TEST

static void add(TCase *tcase)
{
    conf_test(tcase, succeeds_and_leaves_the_fd_blocking, SPELLINGS);
    conf_test(tcase, is_refused_where_nobody_listens, SPELLINGS);
    conf_test(tcase, of_a_nonblocking_fd_goes_on_behind, SPELLINGS);
    conf_test(tcase, of_a_nonblocking_fd_tells_a_refusal_by_so_error,
              SPELLINGS);
    conf_test(tcase, waits_for_room_in_the_backlog, 1);
    conf_test(tcase, gives_up_after_its_time_limit, SPELLINGS);
    conf_test(tcase, refuses, SPELLINGS);
    conf_test(tcase, of_a_nonblocking_unix_socket_tells_a_full_backlog,
              SPELLINGS);
    conf_test(tcase, of_a_datagram_socket_only_names_the_peer, SPELLINGS);
}

int main(void)
{
    return conf_main("connect", add, CONF_THREADS);
}
