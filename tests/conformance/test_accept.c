/* accept(2) and accept4(2): waiting, backlog, flags, errors */
#include "conformance.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

enum { SOME_ERRNO = 4242, DELAY_MS = 10 };

static int by_accept4(int fd, struct sockaddr *address, socklen_t *size)
{
    return accept4(fd, address, size, 0);
}

static int by_number(int fd, struct sockaddr *address, socklen_t *size)
{
    return (int)syscall(SYS_accept4, fd, address, size, 0);
}

typedef int accept_function(int fd, struct sockaddr *address, socklen_t *size);

static accept_function *const spellings[] = { accept, by_accept4, by_number };
enum { SPELLINGS = 3 };

struct caller {
    struct sockaddr_in to;
    struct sockaddr_in from;
    int fd;
};

static void call(void *argument)
{
    struct caller *caller = argument;
    socklen_t size = sizeof caller->from;

    caller->fd = socket(AF_INET, SOCK_STREAM, 0);
    CONF_CHECK(connect(caller->fd, (struct sockaddr *)&caller->to,
                       sizeof caller->to) == 0);
    CONF_CHECK(getsockname(caller->fd, (struct sockaddr *)&caller->from,
                           &size) == 0);
}

START_TEST(waits_for_another_thread_to_connect)
{
    struct caller caller;
    struct sockaddr_in peer;
    socklen_t size = sizeof peer;
    int listener = conf_listen(&caller.to, 5), fd;
    pthread_t thread = start_later(DELAY_MS, call, &caller);

    errno = SOME_ERRNO;
    fd = spellings[_i](listener, (struct sockaddr *)&peer, &size);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(errno, SOME_ERRNO);
    join_thread(thread);
    ck_assert_uint_eq(size, sizeof peer);
    ck_assert_uint_eq(peer.sin_port, caller.from.sin_port);
    ck_assert_int_eq(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
    ck_assert_int_eq(fcntl(fd, F_GETFD), 0);
    close(fd);
    close(caller.fd);
    close(listener);
}
END_TEST

struct server {
    int listener;
    accept_function *function;
    int fd;
};

static void *serve_one(void *argument)
{
    struct server *server = argument;
    char byte;

    server->fd = server->function(server->listener, NULL, NULL);
    CONF_CHECK(server->fd >= 0);
    conf_read_all(server->fd, &byte, 1);
    conf_write_all(server->fd, &byte, 1);
    CONF_CHECK(close(server->fd) == 0);
    return NULL;
}

START_TEST(hands_each_connection_to_one_of_several_waiting_threads)
{
    enum { THREADS = 10 };
    struct server servers[THREADS];
    struct caller callers[THREADS];
    pthread_t threads[THREADS];
    struct sockaddr_in address;
    int listener = conf_listen(&address, THREADS);
    char byte;

    for (int i = 0; i < THREADS; i++) {
        servers[i].listener = listener;
        servers[i].function = spellings[_i];
        threads[i] = start_thread(serve_one, &servers[i]);
    }
    sleep_ms(DELAY_MS);
    for (int i = 0; i < THREADS; i++) {
        callers[i].to = address;
        call(&callers[i]);
    }
    for (int i = THREADS - 1; i >= 0; i--) {
        byte = (char)('a' + i);
        conf_write_all(callers[i].fd, &byte, 1);
        conf_read_all(callers[i].fd, &byte, 1);
        ck_assert_int_eq(byte, 'a' + i);
    }
    for (int i = 0; i < THREADS; i++) {
        join_thread(threads[i]);
        close(callers[i].fd);
    }
    close(listener);
}
END_TEST

enum { ROUNDS = 300, IN_TURN = 8 };

static void *serve_many(void *argument)
{
    const struct server *server = argument;
    char byte = 'x';

    while (byte != 'e') {
        int fd = server->function(server->listener, NULL, NULL);

        CONF_CHECK(fd >= 0);
        conf_read_all(fd, &byte, 1);
        conf_write_all(fd, &byte, 1);
        CONF_CHECK(close(fd) == 0);
    }
    return NULL;
}

static void ask_once(const struct sockaddr_in *address, char byte)
{
    struct caller caller = { .to = *address };
    char answer;

    call(&caller);
    conf_write_all(caller.fd, &byte, 1);
    conf_read_all(caller.fd, &answer, 1);
    ck_assert_int_eq(answer, byte);
    close(caller.fd);
}

/* All who wait see each of them come, and one has it. */
START_TEST(those_who_come_too_late_for_one_stop_nobody)
{
    struct sockaddr_in address;
    struct server server = { .listener = conf_listen(&address, IN_TURN),
                             .function = spellings[_i] };
    pthread_t threads[IN_TURN];

    for (int i = 0; i < IN_TURN; i++)
        threads[i] = start_thread(serve_many, &server);
    for (int i = 0; i < ROUNDS; i++)
        ask_once(&address, 'x');
    for (int i = 0; i < IN_TURN; i++)
        ask_once(&address, 'e');
    for (int i = 0; i < IN_TURN; i++)
        join_thread(threads[i]);
    close(server.listener);
}
END_TEST

START_TEST(of_a_nonblocking_listener_does_not_wait)
{
    struct caller caller;
    int listener = conf_listen(&caller.to, 5), fd;

    ck_assert_int_eq(fcntl(listener, F_SETFL, O_NONBLOCK), 0);
    ck_assert_int_eq(spellings[_i](listener, NULL, NULL), -1);
    ck_assert_int_eq(errno, EAGAIN);
    call(&caller);
    fd = spellings[_i](listener, NULL, NULL);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
    close(fd);
    close(caller.fd);
    close(listener);
}
END_TEST

START_TEST(gives_up_after_its_time_limit)
{
    struct timeval most = { 0, 12000 };
    struct sockaddr_in address;
    int listener = conf_listen(&address, 5);
    int64_t began;

    ck_assert_int_eq(
        setsockopt(listener, SOL_SOCKET, SO_RCVTIMEO, &most, sizeof most), 0);
    began = now_ns();
    ck_assert_int_eq(spellings[_i](listener, NULL, NULL), -1);
    ck_assert_int_eq(errno, EAGAIN);
    ck_assert_int_ge(now_ns() - began, 12 * CONF_MS);
    close(listener);
}
END_TEST

static void shut(void *fd)
{
    CONF_CHECK(shutdown(*(int *)fd, SHUT_RDWR) == 0);
}

START_TEST(ends_when_another_thread_shuts_the_listener_down)
{
    struct sockaddr_in address;
    int listener = conf_listen(&address, 5);
    pthread_t thread = start_later(DELAY_MS, shut, &listener);

    ck_assert_int_eq(spellings[_i](listener, NULL, NULL), -1);
    ck_assert_int_eq(errno, EINVAL);
    join_thread(thread);
    close(listener);
}
END_TEST

START_TEST(accept4_sets_the_flags_of_the_new_fd)
{
    struct caller caller;
    int listener = conf_listen(&caller.to, 5);
    pthread_t thread = start_later(DELAY_MS, call, &caller);
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    char byte;

    join_thread(thread);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(fcntl(fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
    ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
    ck_assert_int_eq(read(fd, &byte, 1), -1);
    ck_assert_int_eq(errno, EAGAIN);
    ck_assert_int_eq(accept4(listener, NULL, NULL, 1), -1);
    ck_assert_int_eq(errno, EINVAL);
    close(fd);
    close(caller.fd);
    close(listener);
}
END_TEST

START_TEST(refuses)
{
    accept_function *function = spellings[_i];
    int ends[2], alone = socket(AF_INET, SOCK_STREAM, 0);
    int datagram = socket(AF_INET, SOCK_DGRAM, 0);

    conf_pipe(ends);
    ck_assert_int_eq(function(-1, NULL, NULL), -1);
    ck_assert_int_eq(errno, EBADF);
    ck_assert_int_eq(function(ends[0], NULL, NULL), -1);
    ck_assert_int_eq(errno, ENOTSOCK);
    ck_assert_int_eq(function(alone, NULL, NULL), -1);
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_int_eq(function(datagram, NULL, NULL), -1);
    ck_assert_int_eq(errno, EOPNOTSUPP);
    conf_close_both(ends);
    close(alone);
    close(datagram);
}
END_TEST

static int listen_unix(struct sockaddr_un *address, const char *directory)
{
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    snprintf(address->sun_path, sizeof address->sun_path, "%.90s/listener",
             directory);
    ck_assert_int_eq(
        bind(fd, (struct sockaddr *)address, sizeof *address), 0);
    ck_assert_int_eq(listen(fd, 0), 0);
    return fd;
}

enum { CALLERS = 6 };

static void *call_unix(void *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    char byte;

    CONF_CHECK(connect(fd, address, sizeof(struct sockaddr_un)) == 0);
    CONF_CHECK(read(fd, &byte, 1) == 1);
    CONF_CHECK(close(fd) == 0);
    return NULL;
}

/* With a full backlog a blocking connect() to a unix socket waits. */
START_TEST(unix_callers_wait_for_room_in_the_backlog)
{
    char directory[CONF_PATH];
    struct sockaddr_un address;
    pthread_t callers[CALLERS];
    int listener, fds[CALLERS];

    conf_make_dir(directory);
    listener = listen_unix(&address, directory);
    for (int i = 0; i < CALLERS; i++)
        callers[i] = start_thread(call_unix, &address);
    sleep_ms(DELAY_MS);
    for (int i = 0; i < CALLERS; i++) {
        fds[i] = spellings[_i](listener, NULL, NULL);
        ck_assert_int_ge(fds[i], 0);
    }
    for (int i = 0; i < CALLERS; i++) {
        conf_write_all(fds[i], "x", 1);
        ck_assert_int_eq(close(fds[i]), 0);
    }
    for (int i = 0; i < CALLERS; i++)
        join_thread(callers[i]);
    close(listener);
    unlink(address.sun_path);
    rmdir(directory);
}
END_TEST

static void add(TCase *tcase)
{
    conf_test(tcase, waits_for_another_thread_to_connect, SPELLINGS);
    conf_test(tcase, hands_each_connection_to_one_of_several_waiting_threads,
              SPELLINGS);
    conf_test(tcase, those_who_come_too_late_for_one_stop_nobody, SPELLINGS);
    conf_test(tcase, of_a_nonblocking_listener_does_not_wait, SPELLINGS);
    conf_test(tcase, gives_up_after_its_time_limit, SPELLINGS);
    conf_test(tcase, ends_when_another_thread_shuts_the_listener_down,
              SPELLINGS);
    conf_test(tcase, accept4_sets_the_flags_of_the_new_fd, 1);
    conf_test(tcase, refuses, SPELLINGS);
    conf_test(tcase, unix_callers_wait_for_room_in_the_backlog, SPELLINGS);
}

int main(void)
{
    return conf_main("accept", add, CONF_THREADS);
}
