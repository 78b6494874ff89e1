/* recvmsg(2), recvfrom(2) and sendmsg(2), sendto(2) beyond bytes: addresses,
 * datagrams, control data, fds that travel */
#include "conformance.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { DELAY_MS = 10 };

static int open_datagram(struct sockaddr_in *address)
{
    socklen_t size = sizeof *address;
    int fd = socket(AF_INET, SOCK_DGRAM, 0);

    memset(address, 0, sizeof *address);
    address->sin_family = AF_INET;
    address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)address, size), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)address, &size), 0);
    return fd;
}

struct parcel {
    int fd;
    struct sockaddr_in to;
};

static void send_parcel(void *argument)
{
    struct parcel *parcel = argument;

    CONF_CHECK(sendto(parcel->fd, "parcel", 6, 0,
                      (struct sockaddr *)&parcel->to, sizeof parcel->to) == 6);
}

START_TEST(recvfrom_waits_and_tells_the_sender)
{
    struct sockaddr_in ours, theirs, from;
    struct parcel parcel;
    socklen_t size = sizeof from;
    char bytes[10] = "";
    int fd = open_datagram(&ours);
    pthread_t sender;

    parcel.fd = open_datagram(&theirs);
    parcel.to = ours;
    sender = start_later(DELAY_MS, send_parcel, &parcel);
    ck_assert_int_eq(
        recvfrom(fd, bytes, 10, 0, (struct sockaddr *)&from, &size), 6);
    ck_assert_str_eq(bytes, "parcel");
    ck_assert_uint_eq(size, sizeof from);
    ck_assert_uint_eq(from.sin_port, theirs.sin_port);
    join_thread(sender);
    close(fd);
    close(parcel.fd);
}
END_TEST

START_TEST(a_datagram_is_cut_and_says_so)
{
    struct sockaddr_in ours;
    char bytes[4] = "";
    struct iovec part = { bytes, 3 };
    struct sockaddr_in from;
    struct msghdr message = { .msg_name = &from, .msg_namelen = sizeof from,
                              .msg_iov = &part, .msg_iovlen = 1 };
    struct parcel parcel;

    parcel.fd = open_datagram(&ours);
    parcel.to = ours;
    send_parcel(&parcel);
    ck_assert_int_eq(recv(parcel.fd, bytes, 3, MSG_TRUNC | MSG_PEEK), 6);
    ck_assert_int_eq(recvmsg(parcel.fd, &message, 0), 3);
    ck_assert_int_eq(message.msg_flags, MSG_TRUNC);
    ck_assert_uint_eq(message.msg_namelen, sizeof from);
    ck_assert_str_eq(bytes, "par");
    ck_assert_int_eq(recv(parcel.fd, bytes, 3, MSG_DONTWAIT), -1);
    ck_assert_int_eq(errno, EAGAIN);
    close(parcel.fd);
}
END_TEST

START_TEST(an_empty_datagram_is_no_end)
{
    int ends[2];
    char bytes[4];

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends), 0);
    ck_assert_int_eq(send(ends[0], "", 0, 0), 0);
    ck_assert_int_eq(send(ends[0], "more", 4, 0), 4);
    ck_assert_int_eq(recv(ends[1], bytes, 4, 0), 0);
    ck_assert_int_eq(recv(ends[1], bytes, 4, 0), 4);
    conf_close_both(ends);
}
END_TEST

/* A blocking send to a full datagram queue waits for the receiver. */
static void *send_many(void *fd)
{
    for (int i = 0; i < 2000; i++)
        CONF_CHECK(send(*(int *)fd, &i, sizeof i, 0) == sizeof i);
    return NULL;
}

START_TEST(datagrams_keep_their_order_and_none_is_lost)
{
    int ends[2], got;
    pthread_t sender;

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends), 0);
    sender = start_thread(send_many, &ends[0]);
    sleep_ms(DELAY_MS);
    for (int i = 0; i < 2000; i++) {
        ck_assert_int_eq(recv(ends[1], &got, sizeof got, 0), sizeof got);
        ck_assert_int_eq(got, i);
    }
    join_thread(sender);
    conf_close_both(ends);
}
END_TEST

struct control {
    _Alignas(struct cmsghdr) char room[CMSG_SPACE(sizeof(int))];
};

struct handing_over {
    int through;
    int what;
};

static void hand_over(void *argument)
{
    struct handing_over *job = argument;
    struct control control = { "" };
    struct iovec part = { "fd", 2 };
    struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1,
                              .msg_control = control.room,
                              .msg_controllen = sizeof control.room };
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);

    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &job->what, sizeof(int));
    CONF_CHECK(sendmsg(job->through, &message, 0) == 2);
}

static void put_byte(void *fd)
{
    conf_write_all(*(int *)fd, "!", 1);
}

START_TEST(an_fd_travels_and_works)
{
    int ends[2], pipe_ends[2], arrived = -1;
    struct handing_over job;
    struct control control;
    char bytes[3] = "";
    struct iovec part = { bytes, 2 };
    struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1,
                              .msg_control = control.room,
                              .msg_controllen = sizeof control.room };
    pthread_t sender, writer;

    conf_unix_pair(ends);
    conf_pipe(pipe_ends);
    job = (struct handing_over){ ends[0], pipe_ends[0] };
    sender = start_later(DELAY_MS, hand_over, &job);
    ck_assert_int_eq(recvmsg(ends[1], &message, MSG_CMSG_CLOEXEC), 2);
    join_thread(sender);
    ck_assert_ptr_nonnull(CMSG_FIRSTHDR(&message));
    memcpy(&arrived, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof arrived);
    ck_assert_int_gt(arrived, 2);
    /* One can wait in the fd that travelled. */
    writer = start_later(DELAY_MS, put_byte, &pipe_ends[1]);
    ck_assert_int_eq(read(arrived, bytes, 2), 1);
    ck_assert_int_eq(bytes[0], '!');
    join_thread(writer);
    close(arrived);
    conf_close_both(pipe_ends);
    conf_close_both(ends);
}
END_TEST

START_TEST(sendmsg_gathers_and_recvmsg_scatters)
{
    int ends[2];
    char one[3] = "", two[10] = "";
    struct iovec out[] = { { "ab", 2 }, { NULL, 0 }, { "cdef", 4 } };
    struct iovec in[] = { { one, 2 }, { two, 9 } };
    struct msghdr sent = { .msg_iov = out, .msg_iovlen = 3 };
    struct msghdr got = { .msg_iov = in, .msg_iovlen = 2 };

    conf_tcp_pair(ends);
    ck_assert_int_eq(sendmsg(ends[0], &sent, 0), 6);
    ck_assert_int_eq(recvmsg(ends[1], &got, 0), 6);
    ck_assert_str_eq(one, "ab");
    ck_assert_str_eq(two, "cdef");
    ck_assert_uint_eq(got.msg_controllen, 0);
    conf_close_both(ends);
}
END_TEST

START_TEST(refuses_bad_messages)
{
    int ends[2];
    char byte = 0;
    struct iovec part = { &byte, 1 };
    struct msghdr message = { .msg_iov = &part, .msg_iovlen = 5000 };

    conf_unix_pair(ends);
    ck_assert_int_eq(recvmsg(ends[0], &message, 0), -1);
    ck_assert_int_eq(errno, EMSGSIZE);
    ck_assert_int_eq(sendmsg(ends[0], &message, 0), -1);
    ck_assert_int_eq(errno, EMSGSIZE);
    ck_assert_int_eq(recvmsg(ends[0], conf_bad_address(), 0), -1);
    ck_assert_int_eq(errno, EFAULT);
    ck_assert_int_eq(sendmsg(ends[0], conf_bad_address(), 0), -1);
    ck_assert_int_eq(errno, EFAULT);
    ck_assert_int_eq(send(ends[1], conf_bad_address(), 1, 0), -1);
    ck_assert_int_eq(errno, EFAULT);
    ck_assert_int_eq(send(ends[1], "x", 1, 0), 1);
    ck_assert_int_eq(recv(ends[0], conf_bad_address(), 1, 0), -1);
    ck_assert_int_eq(errno, EFAULT);
    ck_assert_int_eq(recv(ends[0], &byte, 1, 0), 1);
    conf_close_both(ends);
}
END_TEST

static void send_three(void *fd)
{
    struct iovec parts[] = { { "one", 3 }, { "three", 5 }, { "seventy", 7 } };
    struct mmsghdr messages[3] = { { { 0 }, 0 } };

    for (int i = 0; i < 3; i++) {
        messages[i].msg_hdr.msg_iov = &parts[i];
        messages[i].msg_hdr.msg_iovlen = 1;
    }
    CONF_CHECK(sendmmsg(*(int *)fd, messages, 3, 0) == 3);
    CONF_CHECK(messages[2].msg_len == 7);
}

START_TEST(several_messages_come_with_one_call)
{
    int ends[2];
    char room[4][10] = { "" };
    struct iovec parts[4];
    struct mmsghdr messages[4] = { { { 0 }, 0 } };
    pthread_t sender;

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends), 0);
    for (int i = 0; i < 4; i++) {
        parts[i] = (struct iovec){ room[i], 9 };
        messages[i].msg_hdr.msg_iov = &parts[i];
        messages[i].msg_hdr.msg_iovlen = 1;
    }
    sender = start_later(DELAY_MS, send_three, &ends[0]);
    ck_assert_int_eq(recvmmsg(ends[1], messages, 3, 0, NULL), 3);
    join_thread(sender);
    ck_assert_str_eq(room[0], "one");
    ck_assert_str_eq(room[1], "three");
    ck_assert_str_eq(room[2], "seventy");
    ck_assert_uint_eq(messages[1].msg_len, 5);
    ck_assert_int_eq(recvmmsg(ends[1], messages, 4, MSG_DONTWAIT, NULL), -1);
    ck_assert_int_eq(errno, EAGAIN);
    sender = start_later(DELAY_MS, send_three, &ends[0]);
    ck_assert_int_ge(recvmmsg(ends[1], messages, 4, MSG_WAITFORONE, NULL), 1);
    join_thread(sender);
    conf_close_both(ends);
}
END_TEST

START_TEST(urgent_data_comes_apart)
{
    int ends[2];
    char bytes[4] = "";

    conf_tcp_pair(ends);
    ck_assert_int_eq(recv(ends[1], bytes, 1, MSG_OOB), -1);
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_int_eq(send(ends[0], "!", 1, MSG_OOB), 1);
    ck_assert_int_eq(send(ends[0], "ab", 2, 0), 2);
    ck_assert_int_eq(recv(ends[1], bytes, 1, MSG_OOB), 1);
    ck_assert_int_eq(bytes[0], '!');
    ck_assert_int_eq(recv(ends[1], bytes, 2, MSG_WAITALL), 2);
    ck_assert_str_eq(bytes, "ab");
    conf_close_both(ends);
}
END_TEST

static void add(TCase *tcase)
{
    conf_test(tcase, recvfrom_waits_and_tells_the_sender, 1);
    conf_test(tcase, a_datagram_is_cut_and_says_so, 1);
    conf_test(tcase, an_empty_datagram_is_no_end, 1);
    conf_test(tcase, datagrams_keep_their_order_and_none_is_lost, 1);
    conf_test(tcase, an_fd_travels_and_works, 1);
    conf_test(tcase, sendmsg_gathers_and_recvmsg_scatters, 1);
    conf_test(tcase, refuses_bad_messages, 1);
    conf_test(tcase, several_messages_come_with_one_call, 1);
    conf_test(tcase, urgent_data_comes_apart, 1);
}

int main(void)
{
    return conf_main("recvmsg", add, CONF_THREADS);
}
