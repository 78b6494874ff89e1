/* sd_notify's protocol: what is sent is what is heard. */
#include "../unit.h"

#include "http/notify.h"

#include "hub/socket.h"

#include <errno.h>
#include <sys/resource.h>
#include <unistd.h>

static char message[256], name[128];
static int from; /* whence it is sent */

START_TEST(a_message_comes_with_its_sender)
    {
        int socket = http__notify_listen(name, sizeof name), fd;
        pid_t sender;

        ck_assert_int_ge(socket, 0);
        ck_assert_int_eq(name[0], '@');
        ck_assert_int_eq(http__notify_send(from, name, "READY=1\nSTATUS=well", -1,
                                           HUB_NOWAIT),
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
            http__notify_send(from, name, "FDSTORE=1\nFDNAME=a", ends[0],
                              HUB_NOWAIT),
            0);
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

/* As many as the kernel takes for somebody who does not listen. */
static int fill(void)
{
    int count = 0, rc;

    while ((rc = http__notify_send(from, name, "STATUS=full", -1, HUB_NOWAIT)) == 0)
        ck_assert_int_lt(++count, 100000);
    ck_assert_int_eq(rc, -EAGAIN);
    return count;
}

static void receive_some(void *arg)
{
    int fd;
    pid_t sender;

    hub_sleep(20 * HUB_MILLISECOND);
    for (int i = 0; i < 3; i++)
        http__notify_receive(*(int *)arg, message, sizeof message, &sender,
                             &fd);
}

START_TEST(it_waits_for_room)
    {
        int socket = http__notify_listen(name, sizeof name), count = fill();
        struct greenlet *g = hub_spawn_raw(receive_some, &socket);
        pid_t sender;
        int fd;

        ck_assert_int_eq(
            http__notify_send(from, name, "READY=1", -1, hub_deadline(HUB_SECOND * 10)),
            0);
        hub_join(g, HUB_FOREVER);
        greenlet_unref(g);
        for (int i = 0; i < count - 3 + 1; i++)
            http__notify_receive(socket, message, sizeof message, &sender, &fd);
        ck_assert_str_eq(message, "READY=1");
        hub_close(socket);
    }
END_TEST

START_TEST(who_does_not_listen_is_waited_for_until_the_deadline)
    {
        int socket = http__notify_listen(name, sizeof name);

        fill();
        ck_assert_int_eq(http__notify_send(from, name, "READY=1", -1,
                                           hub_deadline(HUB_MILLISECOND * 20)),
                         -ETIMEDOUT);
        hub_close(socket);
    }
END_TEST

START_TEST(nobody_to_tell_is_no_error)
    {
        static const struct {
            const char *to;
            int rc;
        } cases[] = {{NULL, 0},
                     {"@vireo-nobody-here", -ECONNREFUSED},
                     {"relative", -EINVAL},
                     {"", -EINVAL}};

        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
            ck_assert_int_eq(
                http__notify_send(from, cases[i].to, "READY=1", -1, HUB_FOREVER),
                cases[i].rc);
    }
END_TEST

START_TEST(no_descriptor_is_needed_to_say_something)
    {
        int socket = http__notify_listen(name, sizeof name), fd;
        struct rlimit limit;
        pid_t sender;

        ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
        limit.rlim_cur = 0; /* those that are open stay open */
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
        ck_assert_int_eq(http__notify_send(from, name, "READY=1", -1, HUB_NOWAIT),
                         0);
        http__notify_receive(socket, message, sizeof message, &sender, &fd);
        ck_assert_str_eq(message, "READY=1");
        limit.rlim_cur = limit.rlim_max;
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
        hub_close(socket);
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
    from = http__notify_open();
    tcase_add_test(tcase, a_message_comes_with_its_sender);
    tcase_add_test(tcase, a_descriptor_comes_along);
    tcase_add_test(tcase, it_waits_for_room);
    tcase_add_test(tcase, who_does_not_listen_is_waited_for_until_the_deadline);
    tcase_add_test(tcase, nobody_to_tell_is_no_error);
    tcase_add_test(tcase, no_descriptor_is_needed_to_say_something);
    tcase_add_test(tcase, lines_are_looked_at_whole);
    return unit_run("notify", tcase);
}
