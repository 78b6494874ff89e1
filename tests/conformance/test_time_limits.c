/* SO_RCVTIMEO and SO_SNDTIMEO on every call that they limit: socket(7) */
#include "conf_waits.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { LIMIT_MS = 40, LARGE = 32 << 20 };

static int limit(int fd, int ms)
{
    struct timeval time = { ms / 1000, ms % 1000 * 1000 };

    if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time) != 0)
        return -1;
    return setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof time);
}

static bool on_a_socket(const struct conf_wait *wait)
{
    return strstr(wait->name, "(tcp)") != NULL ||
           strstr(wait->name, "(unix)") != NULL ||
           strncmp(wait->name, "recv", 4) == 0 ||
           strncmp(wait->name, "send", 4) == 0 ||
           strncmp(wait->name, "accept", 6) == 0 ||
           strcmp(wait->name, "connect") == 0;
}

START_TEST(each_call_gives_up_then)
{
    const struct conf_wait *wait = conf_wait_at(_i);
    struct conf_scene scene;
    int64_t began;
    long rc;

    if (!on_a_socket(wait))
        return;
    memset(&scene, 0, sizeof scene);
    wait->open(&scene);
    ck_assert_int_eq(limit(scene.ends[0], LIMIT_MS), 0);
    began = now_ns();
    errno = 0;
    rc = wait->call(&scene);
    ck_assert_msg(rc == -1 && errno == EAGAIN, "%s: %ld, errno %d",
                  wait->name, rc, errno);
    ck_assert_msg(now_ns() - began >= LIMIT_MS * CONF_MS, "%s: too early",
                  wait->name);
    wait->close(&scene);
}
END_TEST

/* The limit is gone again: what came in time is not lost on the next call. */
START_TEST(each_call_works_without_it_again)
{
    const struct conf_wait *wait = conf_wait_at(_i);
    struct conf_scene scene;
    pthread_t releaser;
    long rc;

    if (!on_a_socket(wait) || strchr(wait->name, 'O') != NULL)
        return;
    memset(&scene, 0, sizeof scene);
    wait->open(&scene);
    ck_assert_int_eq(limit(scene.ends[0], 5), 0);
    ck_assert_int_eq(wait->call(&scene), -1);
    ck_assert_int_eq(errno, EAGAIN);
    ck_assert_int_eq(limit(scene.ends[0], 0), 0);
    releaser = start_later(LIMIT_MS, (void (*)(void *))wait->release, &scene);
    rc = wait->call(&scene);
    ck_assert_msg(rc >= 0, "%s: %ld, errno %d", wait->name, rc, errno);
    join_thread(releaser);
    wait->close(&scene);
}
END_TEST

START_TEST(what_went_before_is_the_result)
{
    int ends[2];
    char *bytes = calloc(1, LARGE), few[8];
    struct iovec parts[2] = { { bytes, LARGE / 2 },
                              { bytes + LARGE / 2, LARGE / 2 } };
    struct msghdr message = { .msg_iov = parts, .msg_iovlen = 2 };
    ssize_t sent = 0;

    conf_stream(_i % 2 == 0 ? CONF_UNIX : CONF_TCP, ends);
    ck_assert_int_eq(limit(ends[1], LIMIT_MS), 0);
    switch (_i / 2) {
    case 0:
        sent = write(ends[1], bytes, LARGE);
        break;
    case 1:
        sent = send(ends[1], bytes, LARGE, 0);
        break;
    case 2:
        sent = writev(ends[1], parts, 2);
        break;
    case 3:
        sent = sendmsg(ends[1], &message, 0);
        break;
    }
    ck_assert_int_gt(sent, 0);
    ck_assert_int_lt(sent, LARGE);
    for (ssize_t got = 0; got < sent;) {
        ssize_t n = recv(ends[0], bytes, LARGE, MSG_DONTWAIT);

        if (n < 0)
            sleep_ms(1);
        else
            got += n;
    }
    ck_assert_int_eq(recv(ends[0], few, 8, MSG_DONTWAIT), -1);
    free(bytes);
    conf_close_both(ends);
}
END_TEST

START_TEST(a_part_of_all_is_the_result)
{
    int ends[2];
    char bytes[8];
    struct iovec part = { bytes, 8 };
    struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };

    conf_stream(_i % 2 == 0 ? CONF_UNIX : CONF_TCP, ends);
    ck_assert_int_eq(limit(ends[0], LIMIT_MS), 0);
    conf_write_all(ends[1], "abc", 3);
    if (_i / 2 == 0)
        ck_assert_int_eq(recv(ends[0], bytes, 8, MSG_WAITALL), 3);
    else
        ck_assert_int_eq(recvmsg(ends[0], &message, MSG_WAITALL), 3);
    ck_assert_int_eq(recv(ends[0], bytes, 8, 0), -1);
    ck_assert_int_eq(errno, EAGAIN);
    conf_close_both(ends);
}
END_TEST

/* select(2), poll(2) and epoll have limits of their own. */
START_TEST(polls_do_not_know_it)
{
    int ends[2];
    struct pollfd ready;
    int64_t began = now_ns();

    conf_unix_pair(ends);
    ck_assert_int_eq(limit(ends[0], 5), 0);
    ready = (struct pollfd){ ends[0], POLLIN, 0 };
    ck_assert_int_eq(poll(&ready, 1, LIMIT_MS), 0);
    ck_assert_int_ge(now_ns() - began, LIMIT_MS * CONF_MS);
    conf_close_both(ends);
}
END_TEST

START_TEST(splice_from_a_socket_gives_up_then)
{
    int ends[2], pipe_ends[2];

    conf_unix_pair(ends);
    conf_pipe(pipe_ends);
    ck_assert_int_eq(limit(ends[0], LIMIT_MS), 0);
    ck_assert_int_eq(splice(ends[0], NULL, pipe_ends[1], NULL, 10, 0), -1);
    ck_assert_int_eq(errno, EAGAIN);
    conf_close_both(ends);
    conf_close_both(pipe_ends);
}
END_TEST

START_TEST(an_accepted_socket_inherits_it)
{
    struct sockaddr_in address;
    int listener = conf_listen(&address, 1), fd, caller;
    struct timeval time;
    socklen_t size = sizeof time;
    char byte;

    ck_assert_int_eq(limit(listener, LIMIT_MS), 0);
    caller = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(
        connect(caller, (struct sockaddr *)&address, sizeof address), 0);
    fd = accept(listener, NULL, NULL);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(getsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &time, &size), 0);
    ck_assert_int_eq(time.tv_usec / 1000, LIMIT_MS);
    ck_assert_int_eq(read(fd, &byte, 1), -1);
    ck_assert_int_eq(errno, EAGAIN);
    close(fd);
    close(caller);
    close(listener);
}
END_TEST

struct stranger {
    int fd;
    ssize_t got;
    int error;
};

static void *read_one(void *argument)
{
    struct stranger *stranger = argument;
    char byte;

    stranger->got = read(stranger->fd, &byte, 1);
    stranger->error = errno;
    return NULL;
}

/* A limit that comes during a call is for the next. */
START_TEST(a_call_keeps_the_limit_that_it_began_with)
{
    int ends[2];
    struct stranger stranger = { 0 };
    pthread_t reader;

    conf_unix_pair(ends);
    stranger.fd = ends[0];
    reader = start_thread(read_one, &stranger);
    sleep_ms(20);
    ck_assert_int_eq(limit(ends[0], 1), 0);
    sleep_ms(LIMIT_MS);
    conf_write_all(ends[1], "x", 1);
    join_thread(reader);
    ck_assert_int_eq(stranger.got, 1);
    conf_close_both(ends);
}
END_TEST

START_TEST(refuses_times_that_are_none)
{
    struct timeval bad = { 0, 1000000 };
    int ends[2];

    conf_unix_pair(ends);
    ck_assert_int_eq(
        setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &bad, sizeof bad), -1);
    ck_assert_int_eq(errno, EDOM);
    bad.tv_sec = -1;
    bad.tv_usec = 0;
    /* Taken, and means: not at all. */
    ck_assert_int_eq(
        setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &bad, sizeof bad), 0);
    ck_assert_int_eq(read(ends[0], &bad, 1), -1);
    ck_assert_int_eq(errno, EAGAIN);
    conf_close_both(ends);
}
END_TEST

static void add(TCase *tcase)
{
    int count = 0;

    while (conf_wait_at(count) != NULL)
        count++;
    conf_test(tcase, each_call_gives_up_then, count);
    conf_test(tcase, each_call_works_without_it_again, count);
    conf_test(tcase, what_went_before_is_the_result, 8);
    conf_test(tcase, a_part_of_all_is_the_result, 4);
    conf_test(tcase, polls_do_not_know_it, 1);
    conf_test(tcase, splice_from_a_socket_gives_up_then, 1);
    conf_test(tcase, an_accepted_socket_inherits_it, 1);
    conf_test(tcase, a_call_keeps_the_limit_that_it_began_with, 1);
    conf_test(tcase, refuses_times_that_are_none, 1);
}

int main(void)
{
    return conf_main("time_limits", add, CONF_THREADS);
}
