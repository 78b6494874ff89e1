/* sd_notify's protocol: what is sent is what is heard. */
#include "../unit.h"

#include "http/notify.h"

#include "hub/socket.h"

#include <errno.h>
#include <unistd.h>

static char message[256], name[128];

START_TEST(a_message_comes_with_its_sender)
    {
        int socket = http__notify_listen(name, sizeof name), fd;
        pid_t sender;

        ck_assert_int_ge(socket, 0);
        ck_assert_int_eq(name[0], '@');
        ck_assert_int_eq(http__notify_send(name, "READY=1\nSTATUS=well", -1),
                         0);
        ck_assert_int_eq(
            http__notify_receive(socket, message, sizeof message, &sender, &fd),
            19);
        ck_assert_str_eq(message, "READY=1\nSTATUS=well");
        ck_assert_int_eq(sender, getpid());
        ck_assert_int_eq(fd, -1);
        hub_close(socket);
    }
END_TEST

START_TEST(a_descriptor_comes_along)
    {
        int socket = http__notify_listen(name, sizeof name), fd, ends[2];
        pid_t sender;
        char byte = 'x';

        ck_assert_int_eq(hub_socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
        ck_assert_int_eq(
            http__notify_send(name, "FDSTORE=1\nFDNAME=a", ends[0]), 0);
        http__notify_receive(socket, message, sizeof message, &sender, &fd);
        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(write(fd, &byte, 1), 1);
        ck_assert_int_eq(read(ends[1], &byte, 1), 1);
        close(fd);
        hub_close(ends[0]);
        hub_close(ends[1]);
        hub_close(socket);
    }
END_TEST

START_TEST(nobody_to_tell_is_no_error)
    {
        ck_assert_int_eq(http__notify_send(NULL, "READY=1", -1), 0);
        ck_assert_int_eq(http__notify_send("@vireo-nobody-here", "READY=1", -1),
                         -ECONNREFUSED);
        ck_assert_int_eq(http__notify_send("relative", "READY=1", -1), -EINVAL);
        ck_assert_int_eq(http__notify_send("", "READY=1", -1), -EINVAL);
    }
END_TEST

START_TEST(lines_are_looked_at_whole)
    {
        char value[8];

        ck_assert(http__notify_says("READY=1", "READY=1"));
        ck_assert(http__notify_says("A=1\nREADY=1\nB=2", "READY=1"));
        ck_assert(!http__notify_says("XREADY=1", "READY=1"));
        ck_assert(!http__notify_says("READY=10", "READY=1"));
        ck_assert(!http__notify_says("", "READY=1"));
        http__notify_value("A=1\nFDNAME=name\nB=2", "FDNAME", value,
                           sizeof value);
        ck_assert_str_eq(value, "name");
        http__notify_value("\n\nFDNAME=muchlonger", "FDNAME", value,
                           sizeof value);
        ck_assert_str_eq(value, "muchlon");
        http__notify_value("XFDNAME=1\nFDNAMES=2", "FDNAME", value,
                           sizeof value);
        ck_assert_str_eq(value, "");
    }
END_TEST

int main(void)
{
    TCase *tcase = unit_case();

    hub_sleep(1);
    tcase_add_test(tcase, a_message_comes_with_its_sender);
    tcase_add_test(tcase, a_descriptor_comes_along);
    tcase_add_test(tcase, nobody_to_tell_is_no_error);
    tcase_add_test(tcase, lines_are_looked_at_whole);
    return unit_run("notify", tcase);
}
