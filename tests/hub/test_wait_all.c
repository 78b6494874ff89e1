/* MSG_WAITALL: receiving until all is there. */
#include "pair.h"

#include <errno.h>
#include <unistd.h>

struct receiver {
    ssize_t got;
    char data[8];
};

static void sends_x(void *arg)
{
    (void)arg;
    ck_assert_int_eq(hub_send(theirs, "x", 1, 0, HUB_FOREVER), 1);
}

static void sends_in_pieces(void *arg)
{
    for (int i = 0; i < 4; i++) {
        hub_sleep(MS);
        ck_assert_int_eq(hub_send(theirs, arg, 2, 0, SOON), 2);
    }
}

static ssize_t receive_by(int how, char *data, size_t size, int flags,
                          int64_t deadline)
{
    struct iovec parts[3] = { { data, 3 }, { data + 3, 0 },
                              { data + 3, size - 3 } };
    struct msghdr message = { .msg_iov = parts, .msg_iovlen = 3 };

    if (how == 0)
        return hub_recv(ours, data, size, flags, deadline);
    if (how == 1)
        return hub_recvfrom(ours, data, size, flags, NULL, NULL, deadline);
    return hub_recvmsg(ours, &message, flags, deadline);
}

START_TEST(all_that_is_asked_for_is_waited_for)
{
    char data[9] = "";
    struct greenlet *g = hub_spawn_raw(sends_in_pieces, "ab");

    ck_assert_int_eq(receive_by(_i, data, 8, MSG_WAITALL, SOON), 8);
    ck_assert_str_eq(data, "abababab");
    finish(g);
    sends_x(NULL);
    ck_assert_int_eq(
        receive_by(_i, data, 8, MSG_WAITALL, hub_now() + MS), 1);
    sends_x(NULL);
    ck_assert_int_eq(receive_by(_i, data, 8, MSG_WAITALL, HUB_NOWAIT), 1);
    sends_x(NULL);
    ck_assert_int_eq(
        receive_by(_i, data, 8, MSG_WAITALL | MSG_DONTWAIT, SOON), 1);
    sends_x(NULL);
    ck_assert_int_eq(receive_by(_i, data, 8, MSG_WAITALL | MSG_PEEK, SOON), 1);
    ck_assert_int_eq(hub_shutdown(theirs, SHUT_WR), 0);
    ck_assert_int_eq(receive_by(_i, data, 8, MSG_WAITALL, SOON), 1);
    ck_assert_int_eq(receive_by(_i, data, 8, MSG_WAITALL, SOON), 0);
}
END_TEST

START_TEST(all_of_a_datagram_is_one)
{
    char data[8];
    int pair[2] = { ours, theirs };

    ck_assert_int_eq(hub_socketpair(AF_UNIX, SOCK_DGRAM, 0, pair), 0);
    ck_assert_int_eq(hub_send(pair[1], "x", 1, 0, SOON), 1);
    ck_assert_int_eq(hub_send(pair[1], "yz", 2, 0, SOON), 2);
    ck_assert_int_eq(hub_recv(pair[0], data, 8, MSG_WAITALL, SOON), 1);
    ck_assert_int_eq(hub_recv(pair[0], data, 8, MSG_WAITALL, SOON), 2);
    hub_close(pair[0]);
    hub_close(pair[1]);
}
END_TEST

static void waits_for_all(void *arg)
{
    struct receiver *r = arg;

    r->got = hub_recv(ours, r->data, sizeof r->data, MSG_WAITALL, HUB_FOREVER);
}

START_TEST(who_is_killed_while_he_waits_for_all_has_what_came)
{
    struct receiver a = { .got = 9 };
    struct greenlet *g = hub_spawn_raw(waits_for_all, &a);

    hub_yield();
    sends_x(NULL);
    hub_sleep(MS);
    hub_kill(g);
    finish(g);
    ck_assert_int_eq(a.got, 1);
}
END_TEST

/* With the second piece comes a descriptor: it goes no further. */
START_TEST(descriptors_end_a_wait_for_all)
{
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(sizeof(int))];
    } control;
    char data[8];
    struct iovec part = { data, sizeof data };
    struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1,
                              .msg_control = &control,
                              .msg_controllen = sizeof control };
    int fd;

    ck_assert_int_eq(hub_send(theirs, "ab", 2, 0, SOON), 2);
    ck_assert_int_eq(hub_send_fds(theirs, "c", 1, &ours, 1, SOON), 1);
    ck_assert_int_eq(hub_send(theirs, "de", 2, 0, SOON), 2);
    ck_assert_int_eq(hub_recvmsg(ours, &message, MSG_WAITALL, SOON), 3);
    ck_assert_ptr_nonnull(CMSG_FIRSTHDR(&message));
    memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof fd);
    close(fd);
    ck_assert_int_eq(hub_recv(ours, data, 8, 0, SOON), 2);
}
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("unit");

    hub_yield();
    tcase_add_checked_fixture(tcase, unit_setup, unit_teardown);
    tcase_add_checked_fixture(tcase, open_pair, close_pair);
    tcase_add_loop_test(tcase, all_that_is_asked_for_is_waited_for, 0, 3);
    tcase_add_test(tcase, all_of_a_datagram_is_one);
    tcase_add_test(tcase, who_is_killed_while_he_waits_for_all_has_what_came);
    tcase_add_test(tcase, descriptors_end_a_wait_for_all);
    return unit_run("wait_all", tcase);
}
