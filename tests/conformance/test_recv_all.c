/* recv(2) and its kin where they give less or more than one piece: MSG_WAITALL
 * with fds and urgent data in between, SO_RCVLOWAT, flags that come back */
#include "conformance.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { DELAY_MS = 15 };

struct sending {
    int fd;
    const char *text;
    int with; /* -1, or an fd that travels with it */
    int flags;
};

static void send_it(const struct sending *sending)
{
    struct iovec part = { (char *)sending->text, strlen(sending->text) };
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control = { { 0 } };
    struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };

    if (sending->with >= 0) {
        struct cmsghdr *head = &control.align;

        message.msg_control = control.bytes;
        message.msg_controllen = sizeof control.bytes;
        head->cmsg_level = SOL_SOCKET;
        head->cmsg_type = SCM_RIGHTS;
        head->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(head), &sending->with, sizeof(int));
    }
    CONF_CHECK(sendmsg(sending->fd, &message, sending->flags) ==
               (ssize_t)part.iov_len);
}

/* Each a while after the other. */
static void *send_all(void *argument)
{
    const struct sending *sending = argument;

    for (; sending->text != NULL; sending++) {
        sleep_ms(DELAY_MS);
        send_it(sending);
    }
    return NULL;
}

static int count_fds_in(struct msghdr *message)
{
    int count = 0, fd;

    for (struct cmsghdr *head = CMSG_FIRSTHDR(message); head != NULL;
         head = CMSG_NXTHDR(message, head)) {
        if (head->cmsg_type != SCM_RIGHTS)
            continue;
        memcpy(&fd, CMSG_DATA(head), sizeof fd);
        CONF_CHECK(close(fd) == 0);
        count++;
    }
    return count;
}

static ssize_t receive(int fd, char *bytes, size_t length, int flags,
                       int *fds, int *told)
{
    struct iovec parts[2] = { { bytes, 3 }, { bytes + 3, length - 3 } };
    union {
        char bytes[CMSG_SPACE(4 * sizeof(int))];
        struct cmsghdr align;
    } control;
    struct msghdr message = { .msg_iov = parts,
                              .msg_iovlen = 2,
                              .msg_control = control.bytes,
                              .msg_controllen = sizeof control };
    ssize_t got = recvmsg(fd, &message, flags);

    *fds = got >= 0 ? count_fds_in(&message) : 0;
    *told = message.msg_flags;
    return got;
}

/* The kernel goes on over pieces until one comes with fds; those it delivers. */
START_TEST(an_fd_in_a_later_piece_arrives)
{
    int ends[2], fds, told;
    char bytes[16];
    pthread_t sender;

    conf_unix_pair(ends);
    struct sending sending[] = { { ends[1], "first", -1, 0 },
                                 { ends[1], "second", ends[1], 0 },
                                 { ends[1], "third", -1, 0 },
                                 { -1, NULL, -1, 0 } };
    sender = start_thread(send_all, sending);
    ck_assert_int_eq(receive(ends[0], bytes, 11, MSG_WAITALL, &fds, &told),
                     11);
    ck_assert_mem_eq(bytes, "firstsecond", 11);
    ck_assert_int_eq(fds, 1);
    ck_assert_int_eq(receive(ends[0], bytes, 5, MSG_WAITALL, &fds, &told), 5);
    ck_assert_int_eq(fds, 0);
    join_thread(sender);
    conf_close_both(ends);
}
END_TEST

START_TEST(pieces_with_fds_are_not_glued)
{
    int ends[2], fds, told;
    char bytes[16];
    pthread_t sender;

    conf_unix_pair(ends);
    struct sending sending[] = { { ends[1], "first", ends[0], 0 },
                                 { ends[1], "second", ends[1], 0 },
                                 { -1, NULL, -1, 0 } };
    sender = start_thread(send_all, sending);
    ck_assert_int_eq(receive(ends[0], bytes, 11, MSG_WAITALL, &fds, &told), 5);
    ck_assert_int_eq(fds, 1);
    ck_assert_int_eq(receive(ends[0], bytes, 11, 0, &fds, &told), 6);
    ck_assert_int_eq(fds, 1);
    join_thread(sender);
    conf_close_both(ends);
}
END_TEST

/* Without room for control data an fd that comes is dropped, and that is told. */
START_TEST(control_data_that_is_cut_is_told)
{
    int ends[2], before = conf_count_fds();
    char bytes[16];
    struct iovec part = { bytes, sizeof bytes };
    struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
    pthread_t sender;

    conf_unix_pair(ends);
    struct sending sending[] = { { ends[1], "first", ends[0], 0 },
                                 { -1, NULL, -1, 0 } };
    sender = start_thread(send_all, sending);
    ck_assert_int_eq(recvmsg(ends[0], &message, 0), 5);
    ck_assert_int_eq(message.msg_flags & MSG_CTRUNC, MSG_CTRUNC);
    join_thread(sender);
    conf_close_both(ends);
    ck_assert_int_eq(conf_count_fds(), before);
}
END_TEST

/* Credentials differ not within one process, so the pieces are glued. */
START_TEST(credentials_come_with_all_pieces)
{
    int ends[2], on = 1;
    char bytes[16];
    struct iovec part = { bytes, 11 };
    union {
        char bytes[CMSG_SPACE(sizeof(struct ucred))];
        struct cmsghdr align;
    } control;
    struct msghdr message = { .msg_iov = &part,
                              .msg_iovlen = 1,
                              .msg_control = control.bytes,
                              .msg_controllen = sizeof control };
    struct cmsghdr *head;
    struct ucred who;
    pthread_t sender;

    conf_unix_pair(ends);
    ck_assert_int_eq(
        setsockopt(ends[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof on), 0);
    struct sending sending[] = { { ends[1], "first", -1, 0 },
                                 { ends[1], "second", -1, 0 },
                                 { -1, NULL, -1, 0 } };
    sender = start_thread(send_all, sending);
    ck_assert_int_eq(recvmsg(ends[0], &message, MSG_WAITALL), 11);
    head = CMSG_FIRSTHDR(&message);
    ck_assert_ptr_nonnull(head);
    ck_assert_int_eq(head->cmsg_type, SCM_CREDENTIALS);
    memcpy(&who, CMSG_DATA(head), sizeof who);
    ck_assert_int_eq(who.pid, getpid());
    ck_assert_int_eq(who.uid, getuid());
    join_thread(sender);
    conf_close_both(ends);
}
END_TEST

/* ---- urgent data ---- */

START_TEST(waiting_for_all_stops_at_the_urgent_mark)
{
    int ends[2];
    char bytes[16];
    pthread_t sender;

    conf_tcp_pair(ends);
    struct sending sending[] = { { ends[1], "abc", -1, 0 },
                                 { ends[1], "!", -1, MSG_OOB },
                                 { ends[1], "defgh", -1, 0 },
                                 { -1, NULL, -1, 0 } };
    sender = start_thread(send_all, sending);
    ck_assert_int_eq(recv(ends[0], bytes, 8, MSG_WAITALL), 3);
    ck_assert_mem_eq(bytes, "abc", 3);
    ck_assert_int_eq(sockatmark(ends[0]), 1);
    ck_assert_int_eq(recv(ends[0], bytes, 1, MSG_OOB), 1);
    ck_assert_int_eq(bytes[0], '!');
    ck_assert_int_eq(recv(ends[0], bytes, 5, MSG_WAITALL), 5);
    ck_assert_mem_eq(bytes, "defgh", 5);
    ck_assert_int_eq(sockatmark(ends[0]), 0);
    join_thread(sender);
    conf_close_both(ends);
}
END_TEST

START_TEST(urgent_data_inline_is_marked)
{
    int ends[2], on = 1;
    char bytes[16];
    struct pollfd ready;
    pthread_t sender;

    conf_tcp_pair(ends);
    ck_assert_int_eq(
        setsockopt(ends[0], SOL_SOCKET, SO_OOBINLINE, &on, sizeof on), 0);
    struct sending sending[] = { { ends[1], "abc", -1, 0 },
                                 { ends[1], "!", -1, MSG_OOB },
                                 { ends[1], "de", -1, 0 },
                                 { -1, NULL, -1, 0 } };
    ready = (struct pollfd){ ends[0], POLLPRI, 0 };
    sender = start_thread(send_all, sending);
    ck_assert_int_eq(poll(&ready, 1, 10000), 1);
    ck_assert_int_eq(ready.revents, POLLPRI);
    ck_assert_int_eq(recv(ends[0], bytes, sizeof bytes, 0), 3);
    ck_assert_int_eq(sockatmark(ends[0]), 1);
    join_thread(sender);
    ck_assert_int_eq(recv(ends[0], bytes, sizeof bytes, 0), 3);
    ck_assert_mem_eq(bytes, "!de", 3);
    conf_close_both(ends);
}
END_TEST

START_TEST(there_is_no_urgent_data_to_wait_for)
{
    int ends[2];
    char byte;

    conf_tcp_pair(ends);
    ck_assert_int_eq(recv(ends[0], &byte, 1, MSG_OOB), -1);
    ck_assert_int_eq(errno, EINVAL);
    conf_close_both(ends);
}
END_TEST

static volatile sig_atomic_t urged;

static void on_urgent(int number)
{
    (void)number;
    urged++;
}

START_TEST(the_owner_is_told_of_urgent_data_by_sigurg)
{
    int ends[2];
    char byte;

    conf_tcp_pair(ends);
    urged = 0;
    signal(SIGURG, on_urgent);
    ck_assert_int_eq(ioctl(ends[0], FIOSETOWN, &(int){ getpid() }), 0);
    ck_assert_int_eq(send(ends[1], "!", 1, MSG_OOB), 1);
    for (int i = 0; i < 1000 && !urged; i++)
        sleep_ms(1);
    ck_assert_int_eq(urged, 1);
    ck_assert_int_eq(recv(ends[0], &byte, 1, MSG_OOB), 1);
    signal(SIGURG, SIG_DFL);
    conf_close_both(ends);
}
END_TEST

/* ---- how much is enough ---- */

static void pair_of(int i, int ends[2])
{
    if (i == 0)
        conf_unix_pair(ends);
    else
        conf_tcp_pair(ends);
}

START_TEST(the_low_water_mark_is_waited_for)
{
    int ends[2], least = 6;
    char bytes[16];
    pthread_t sender;

    pair_of(_i / 2, ends);
    ck_assert_int_eq(setsockopt(ends[0], SOL_SOCKET, SO_RCVLOWAT, &least,
                                sizeof least),
                     0);
    struct sending sending[] = { { ends[1], "abc", -1, 0 },
                                 { ends[1], "def", -1, 0 },
                                 { -1, NULL, -1, 0 } };
    sender = start_thread(send_all, sending);
    if (_i % 2 == 0)
        ck_assert_int_eq(recv(ends[0], bytes, sizeof bytes, 0), 6);
    else
        ck_assert_int_eq(read(ends[0], bytes, sizeof bytes), 6);
    join_thread(sender);
    conf_close_both(ends);
}
END_TEST

START_TEST(all_in_a_vector_of_many)
{
    enum { MANY = 40 };
    int ends[2];
    char bytes[MANY][2];
    struct iovec parts[MANY];
    struct msghdr message = { .msg_iov = parts, .msg_iovlen = MANY };
    pthread_t sender;

    pair_of(_i, ends);
    for (int i = 0; i < MANY; i++)
        parts[i] = (struct iovec){ bytes[i], i % 3 == 0 ? 0 : 2 };
    struct sending sending[] = {
        { ends[1], "abcdefghijklmnopqrs", -1, 0 },
        { ends[1], "tuvwxyzabcdefghijklmn", -1, 0 },
        { ends[1], "opqrstuvwxyz", -1, 0 },
        { -1, NULL, -1, 0 }
    };
    sender = start_thread(send_all, sending);
    ck_assert_int_eq(recvmsg(ends[0], &message, MSG_WAITALL), 52);
    ck_assert_mem_eq(bytes[1], "ab", 2);
    ck_assert_mem_eq(bytes[38], "yz", 2);
    ck_assert_uint_eq(message.msg_iovlen, MANY);
    ck_assert_uint_eq(parts[1].iov_len, 2);
    join_thread(sender);
    conf_close_both(ends);
}
END_TEST

START_TEST(peeking_for_all_waits_and_takes_nothing)
{
    int ends[2];
    char bytes[16];
    pthread_t sender;

    conf_tcp_pair(ends);
    struct sending sending[] = { { ends[1], "abc", -1, 0 },
                                 { ends[1], "def", -1, 0 },
                                 { -1, NULL, -1, 0 } };
    sender = start_thread(send_all, sending);
    ck_assert_int_eq(recv(ends[0], bytes, 6, MSG_PEEK | MSG_WAITALL), 6);
    ck_assert_int_eq(recv(ends[0], bytes, 16, MSG_DONTWAIT), 6);
    join_thread(sender);
    conf_close_both(ends);
}
END_TEST

/* A length that is told with MSG_TRUNC is the datagram's own. */
START_TEST(the_true_length_of_a_datagram_is_told)
{
    int ends[2];
    char bytes[4];
    pthread_t sender;

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends), 0);
    struct sending sending[] = { { ends[1], "abcdefgh", -1, 0 },
                                 { -1, NULL, -1, 0 } };
    sender = start_thread(send_all, sending);
    ck_assert_int_eq(recv(ends[0], bytes, 4, MSG_PEEK | MSG_TRUNC), 8);
    ck_assert_int_eq(recv(ends[0], bytes, 4, MSG_TRUNC | MSG_WAITALL), 8);
    ck_assert_mem_eq(bytes, "abcd", 4);
    join_thread(sender);
    conf_close_both(ends);
}
END_TEST

/* TCP throws away what it counts. */
START_TEST(truncated_bytes_of_a_stream_are_thrown_away)
{
    int ends[2];
    char bytes[8] = "-------";

    conf_tcp_pair(ends);
    struct sending sending[] = { { ends[1], "abc", -1, 0 },
                                 { ends[1], "def", -1, 0 },
                                 { -1, NULL, -1, 0 } };
    pthread_t sender = start_thread(send_all, sending);

    ck_assert_int_eq(recv(ends[0], bytes, 6, MSG_TRUNC | MSG_WAITALL), 6);
    ck_assert_str_eq(bytes, "-------");
    join_thread(sender);
    conf_close_both(ends);
}
END_TEST

static void add(TCase *tcase)
{
    conf_test(tcase, an_fd_in_a_later_piece_arrives, 1);
    conf_test(tcase, pieces_with_fds_are_not_glued, 1);
    conf_test(tcase, control_data_that_is_cut_is_told, 1);
    conf_test(tcase, credentials_come_with_all_pieces, 1);
    conf_test(tcase, waiting_for_all_stops_at_the_urgent_mark, 1);
    conf_test(tcase, urgent_data_inline_is_marked, 1);
    conf_test(tcase, there_is_no_urgent_data_to_wait_for, 1);
    conf_test(tcase, the_owner_is_told_of_urgent_data_by_sigurg, 1);
    conf_test(tcase, the_low_water_mark_is_waited_for, 4);
    conf_test(tcase, all_in_a_vector_of_many, 2);
    conf_test(tcase, peeking_for_all_waits_and_takes_nothing, 1);
    conf_test(tcase, the_true_length_of_a_datagram_is_told, 1);
    conf_test(tcase, truncated_bytes_of_a_stream_are_thrown_away, 1);
}

int main(void)
{
    return conf_main("recv_all", add, CONF_THREADS);
}
