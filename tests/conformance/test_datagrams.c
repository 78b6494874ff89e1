/* Datagrams and packets: errors that come back, ends, names, error queues */
#include "conformance.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <netinet/in.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { DELAY_MS = 15 };

/* A connected socket to a port where nobody listens. */
static int to_nobody(void)
{
    struct sockaddr_in address = { .sin_family = AF_INET };
    socklen_t size = sizeof address;
    int other = socket(AF_INET, SOCK_DGRAM, 0);
    int fd = socket(AF_INET, SOCK_DGRAM, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ck_assert_int_eq(bind(other, (struct sockaddr *)&address, size), 0);
    ck_assert_int_eq(getsockname(other, (struct sockaddr *)&address, &size),
                     0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, size), 0);
    close(other);
    return fd;
}

static void send_one(void *fd)
{
    CONF_CHECK(send(*(int *)fd, "x", 1, 0) == 1);
}

START_TEST(a_refusal_ends_the_wait)
{
    int fd = to_nobody();
    pthread_t sender = start_later(DELAY_MS, send_one, &fd);
    char byte;

    ck_assert_int_eq(recv(fd, &byte, 1, 0), -1);
    ck_assert_int_eq(errno, ECONNREFUSED);
    join_thread(sender);
    ck_assert_int_eq(send(fd, "x", 1, 0), 1);
    sleep_ms(DELAY_MS);
    ck_assert_int_eq(send(fd, "x", 1, 0), -1);
    ck_assert_int_eq(errno, ECONNREFUSED);
    close(fd);
}
END_TEST

START_TEST(the_queue_of_errors_has_the_details)
{
    int fd = to_nobody(), on = 1;
    char bytes[8];
    struct iovec part = { bytes, sizeof bytes };
    union {
        char bytes[512];
        struct cmsghdr align;
    } control;
    struct msghdr message = { .msg_iov = &part,
                              .msg_iovlen = 1,
                              .msg_control = control.bytes,
                              .msg_controllen = sizeof control };
    struct pollfd ready = { fd, 0, 0 };

    ck_assert_int_eq(setsockopt(fd, IPPROTO_IP, IP_RECVERR, &on, sizeof on),
                     0);
    ck_assert_int_eq(recv(fd, bytes, 8, MSG_ERRQUEUE), -1);
    ck_assert_int_eq(errno, EAGAIN);
    ck_assert_int_eq(send(fd, "detail", 6, 0), 6);
    ck_assert_int_eq(poll(&ready, 1, 10000), 1);
    ck_assert_int_eq(ready.revents, POLLERR);
    ck_assert_int_eq(recvmsg(fd, &message, MSG_ERRQUEUE), 6);
    ck_assert_int_eq(message.msg_flags & MSG_ERRQUEUE, MSG_ERRQUEUE);
    ck_assert_mem_eq(bytes, "detail", 6);
    close(fd);
}
END_TEST

static void close_it(void *fd)
{
    CONF_CHECK(close(*(int *)fd) == 0);
}

START_TEST(packets_have_an_end_and_datagrams_have_none)
{
    int ends[2];
    char bytes[4];
    pthread_t closer;

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
    ck_assert_int_eq(send(ends[1], "abcdefgh", 8, 0), 8);
    ck_assert_int_eq(recv(ends[0], bytes, 4, 0), 4);
    closer = start_later(DELAY_MS, close_it, &ends[1]);
    ck_assert_int_eq(recv(ends[0], bytes, 4, 0), 0);
    ck_assert_int_eq(send(ends[0], "x", 1, MSG_NOSIGNAL), -1);
    ck_assert_int_eq(errno, EPIPE);
    join_thread(closer);
    close(ends[0]);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends), 0);
    close(ends[1]);
    ck_assert_int_eq(send(ends[0], "x", 1, MSG_NOSIGNAL), -1);
    ck_assert_int_eq(errno, ECONNREFUSED);
    ck_assert_int_eq(recv(ends[0], bytes, 4, MSG_DONTWAIT), -1);
    ck_assert_int_eq(errno, EAGAIN);
    close(ends[0]);
}
END_TEST

static void send_three(void *fd)
{
    for (int i = 0; i < 3; i++) {
        CONF_CHECK(send(*(int *)fd, "abc", 3, 0) == 3);
        sleep_ms(DELAY_MS);
    }
}

/* The limit is looked at after each message; what is left of it is told only if
 * there was one. */
START_TEST(recvmmsg_counts_its_time_down)
{
    int ends[2];
    char bytes[4][4];
    struct iovec parts[4];
    struct mmsghdr messages[4] = { { .msg_len = 0 } };
    struct timespec limit = { 0, 2 * DELAY_MS * 1000000L / 3 }, bad = { 0, -1 };
    pthread_t sender;
    int n;

    if (conf_emulated()) {
        conf_skip("qemu gives recvmmsg() no time limit");
        return;
    }
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends), 0);
    for (int i = 0; i < 4; i++) {
        parts[i] = (struct iovec){ bytes[i], 4 };
        messages[i].msg_hdr.msg_iov = &parts[i];
        messages[i].msg_hdr.msg_iovlen = 1;
    }
    ck_assert_int_eq(recvmmsg(ends[0], messages, 4, 0, &bad), -1);
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_int_eq(recvmmsg(ends[0], messages, 4, MSG_DONTWAIT, &limit), -1);
    ck_assert_int_eq(errno, EAGAIN);
    ck_assert_int_eq(limit.tv_nsec, 2 * DELAY_MS * 1000000L / 3);
    sender = start_later(1, send_three, &ends[1]);
    n = recvmmsg(ends[0], messages, 4, 0, &limit);
    ck_assert_int_ge(n, 1);
    ck_assert_int_le(n, 3);
    ck_assert_uint_eq(messages[0].msg_len, 3);
    ck_assert_int_eq(limit.tv_sec, 0);
    join_thread(sender);
    conf_close_both(ends);
}
END_TEST

/* Names that are no files, with zeros in them. */
START_TEST(abstract_names)
{
    struct sockaddr_un name = { .sun_family = AF_UNIX }, from = name;
    socklen_t size = offsetof(struct sockaddr_un, sun_path) + 12, got;
    int server = socket(AF_UNIX, SOCK_DGRAM, 0);
    int client = socket(AF_UNIX, SOCK_DGRAM, 0);
    char bytes[4];

    memcpy(name.sun_path, "\0vireo\0\0conf", 12);
    ck_assert_int_eq(bind(server, (struct sockaddr *)&name, size), 0);
    ck_assert_int_eq(bind(client, (struct sockaddr *)&name, size), -1);
    ck_assert_int_eq(errno, EADDRINUSE);
    name.sun_path[11] = 'g';
    ck_assert_int_eq(bind(client, (struct sockaddr *)&name, size), 0);
    name.sun_path[11] = 'f';
    ck_assert_int_eq(
        sendto(client, "abc", 3, 0, (struct sockaddr *)&name, size), 3);
    got = sizeof from;
    ck_assert_int_eq(
        recvfrom(server, bytes, 4, 0, (struct sockaddr *)&from, &got), 3);
    ck_assert_uint_eq(got, size);
    ck_assert_mem_eq(from.sun_path, "\0vireo\0\0cong", 12);
    close(server);
    close(client);
}
END_TEST

static void add(TCase *tcase)
{
    conf_test(tcase, a_refusal_ends_the_wait, 1);
    conf_test(tcase, the_queue_of_errors_has_the_details, 1);
    conf_test(tcase, packets_have_an_end_and_datagrams_have_none, 1);
    conf_test(tcase, recvmmsg_counts_its_time_down, 1);
    conf_test(tcase, abstract_names, 1);
}

int main(void)
{
    return conf_main("datagrams", add, CONF_THREADS);
}
