/* Sockets that listen: opened, dealt out, named. */
#include "../unit.h"

#include "http/listeners.h"
#include "http/memory.h"

#include "hub/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/socket.h>
#include <unistd.h>

static struct http__listeners listeners;

static void setup(void)
{
    memset(&listeners, 0, sizeof listeners);
}

static void teardown(void)
{
    http__listeners_free(&listeners);
}

static int open_these(const char *const *addresses, unsigned units)
{
    const char *failed = NULL;

    return http__listeners_open(&listeners, addresses, 16, units, &failed);
}

static const char *const names[] = {
    "127.0.0.1:80", "[::1]:80", "unix:/run/a b", "%", "unix:@x\xff", ""};

START_TEST(a_name_is_what_it_was)
    {
        char *name = http__listeners_encode(names[_i]), *text;

        ck_assert_ptr_null(strchr(name, ':'));
        for (const char *at = name; *at != '\0'; at++)
            ck_assert(*at > ' ' && (unsigned char)*at < 127);
        text = http__listeners_decode(name, strlen(name));
        ck_assert_str_eq(text, names[_i]);
        free(text);
        free(name);
    }
END_TEST

START_TEST(each_unit_has_a_socket_at_the_same_port)
    {
        static const char *const one[] = {"127.0.0.1:0", NULL};
        struct hub_address first, other;

        ck_assert_int_eq(open_these(one, 4), 0);
        ck_assert_uint_eq(listeners.count, 4);
        hub_local_address(listeners.list[0].fd, &first);
        for (size_t i = 1; i < 4; i++) {
            hub_local_address(listeners.list[i].fd, &other);
            ck_assert_mem_eq(&first.storage, &other.storage, first.length);
            ck_assert_str_eq(listeners.list[i].name, "127.0.0.1:0");
        }
    }
END_TEST

START_TEST(those_that_are_there_are_taken_and_no_others_opened)
    {
        static const char *const one[] = {"127.0.0.1:0", NULL};

        ck_assert_int_eq(open_these(one, 2), 0);
        for (size_t i = 0; i < 2; i++) { /* as if they had been handed over */
            listeners.list[i].which = UINT_MAX;
            listeners.list[i].made = false;
        }
        ck_assert_int_eq(open_these(one, 3), 0);
        ck_assert_uint_eq(listeners.count, 3);
        ck_assert(!listeners.list[0].made && listeners.list[2].made);
    }
END_TEST

/* systemd gives no name of ours: then the address counts. */
START_TEST(a_socket_without_a_name_is_known_by_its_address)
    {
        int fd = hub_listen_on("127.0.0.1:0", 16, 0);
        struct hub_address at;
        char text[64];
        const char *const one[] = {text, NULL};

        hub_local_address(fd, &at);
        hub_address_format(&at, text, sizeof text);
        ck_assert_int_eq(http__listeners_add(&listeners, fd, NULL), 0);
        ck_assert_int_eq(open_these(one, 3), 0);
        ck_assert_uint_eq(listeners.count, 1); /* shared: not of SO_REUSEPORT */
        ck_assert_uint_eq(listeners.list[0].which, 0);
    }
END_TEST

START_TEST(nothing_asked_for_takes_what_is_there)
    {
        ck_assert_int_eq(open_these(NULL, 2), -EINVAL);
        http__listeners_add(&listeners, hub_listen_on("127.0.0.1:0", 16, 0),
                            NULL);
        http__listeners_add(&listeners, hub_listen_on("127.0.0.1:0", 16, 0),
                            "x");
        ck_assert_int_eq(open_these(NULL, 2), 0);
        ck_assert_uint_eq(listeners.list[0].which, 0);
        ck_assert_uint_eq(listeners.list[1].which, 1);
    }
END_TEST

/* However many there are: none is nobody's, and nobody has none. */
START_TEST(all_are_dealt_out)
    {
        for (size_t sockets = 1; sockets <= 5; sockets++) {
            struct http__listener list[5];
            const struct http__listeners some = {list, sockets};

            for (size_t i = 0; i < sockets; i++)
                list[i] = (struct http__listener){.fd = -1};
            for (unsigned units = 1; units <= 7; units++) {
                unsigned has[7] = {0};

                for (size_t i = 0; i < sockets; i++) {
                    unsigned owners = 0;

                    for (unsigned unit = 0; unit < units; unit++)
                        if (http__listeners_is_of(&some, i, unit, units)) {
                            owners++;
                            has[unit]++;
                        }
                    ck_assert_uint_ge(owners, 1);
                    ck_assert(owners == 1 || sockets < units);
                }
                for (unsigned unit = 0; unit < units; unit++)
                    ck_assert_uint_ge(has[unit], 1);
            }
        }
    }
END_TEST

START_TEST(the_address_that_failed_is_named)
    {
        static const char *const two[] = {"127.0.0.1:0", "203.0.113.1:1", NULL};
        const char *failed = NULL;

        ck_assert_int_eq(http__listeners_open(&listeners, two, 16, 2, &failed),
                         -EADDRNOTAVAIL);
        ck_assert_str_eq(failed, two[1]);
    }
END_TEST

static int left;

static bool fails(void)
{
    return left-- == 0;
}

START_TEST(without_memory_nothing_is_left_behind)
    {
        static const char *const two[] = {"127.0.0.1:0", "127.0.0.1:0", NULL};
        int rc;

        for (int n = 0;; n++) {
            left = n;
            http__test_fails = fails;
            rc = open_these(two, 2);
            http__test_fails = NULL;
            http__listeners_free(&listeners);
            if (rc == 0)
                break;
            ck_assert_int_eq(rc, -ENOMEM);
        }
        ck_assert_int_lt(left, 0x7fffffff);
    }
END_TEST

/* Each with a name of its own; of Unix sockets, the files count. */
static int add(const char *path, const char *name, bool made)
{
    int fd = hub_listen_on(path, 1, 0);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(http__listeners_add(&listeners, fd, name), 0);
    listeners.list[listeners.count - 1].made = made;
    return fd;
}

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

START_TEST(what_a_program_dropped_is_closed_when_it_serves)
    {
        char folder[] = "/tmp/vireo-listeners-XXXXXX", path[3][64];
        int fd[3];

        ck_assert_ptr_nonnull(mkdtemp(folder));
        for (int i = 0; i < 3; i++)
            snprintf(path[i], sizeof path[i], "%s/%d", folder, i);
        fd[0] = add(path[0], "stays", true);
        fd[1] = add(path[1], "goes", true);
        fd[2] = add(path[2], "goes", false); /* systemd's */
        http__listeners_drop(&listeners, "goes");
        http__listeners_drop(&listeners, "nobody's");
        ck_assert_uint_eq(listeners.count, 3);
        if (_i == 0) { /* it does not */
            http__listeners_settle(&listeners, false);
            ck_assert_uint_eq(listeners.count, 3);
        }
        http__listeners_settle(&listeners, true);
        ck_assert_uint_eq(listeners.count, _i == 0 ? 3 : 2);
        ck_assert(is_open(fd[0]) && is_open(fd[2]));
        ck_assert_int_eq(is_open(fd[1]), _i == 0);
        ck_assert_int_eq(access(path[1], F_OK) == 0, _i == 0);
        for (int i = 0; i < 3; i++) {
            ck_assert(i == 1 || access(path[i], F_OK) == 0);
            unlink(path[i]);
        }
        rmdir(folder);
    }
END_TEST

START_TEST(what_a_program_made_is_closed_when_it_does_not_serve)
    {
        int fd[2] = {add("127.0.0.1:0", "a", true),
                     add("127.0.0.1:0", "b", true)};

        listeners.list[1].fresh = true;
        http__listeners_settle(&listeners, _i == 1);
        ck_assert(is_open(fd[0]));
        ck_assert_int_eq(is_open(fd[1]), _i == 1);
        http__listeners_settle(&listeners, false); /* settled is settled */
        ck_assert_uint_eq(listeners.count, 1 + (size_t)_i);
    }
END_TEST

START_TEST(a_path_that_is_listened_on_by_another_socket_keeps_its_file)
    {
        char path[] = "/tmp/vireo-listeners-XXXXXX";
        int fd = mkstemp(path), copy;

        close(fd);
        unlink(path);
        fd = add(path, "a", true);
        copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
        ck_assert_int_eq(http__listeners_add(&listeners, copy, "b"), 0);
        http__listeners_drop(&listeners, "a");
        http__listeners_settle(&listeners, true);
        ck_assert_uint_eq(listeners.count, 1);
        ck_assert_int_eq(access(path, F_OK), 0);
        unlink(path);
    }
END_TEST

START_TEST(those_of_no_address_are_unused_unless_their_name_is_in_use)
    {
        static const unsigned which[] = {0, UINT_MAX, UINT_MAX};
        static const char *const name[] = {"app.socket", "app.socket", "b"};

        for (int i = 0; i < 3; i++) {
            add("127.0.0.1:0", name[i], false);
            listeners.list[i].which = which[i];
        }
        ck_assert(!http__listeners_is_unused(&listeners, 0));
        ck_assert(!http__listeners_is_unused(&listeners, 1));
        ck_assert(http__listeners_is_unused(&listeners, 2));
        http__listeners_close_unused(&listeners);
        ck_assert_uint_eq(listeners.count, 1);
        ck_assert_uint_eq(listeners.list[0].which, 0);
    }
END_TEST

int main(void)
{
    TCase *tcase = unit_case();

    hub_sleep(1);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_loop_test(tcase, a_name_is_what_it_was, 0,
                        (int)(sizeof names / sizeof *names));
    tcase_add_test(tcase, each_unit_has_a_socket_at_the_same_port);
    tcase_add_test(tcase, those_that_are_there_are_taken_and_no_others_opened);
    tcase_add_test(tcase, a_socket_without_a_name_is_known_by_its_address);
    tcase_add_test(tcase, nothing_asked_for_takes_what_is_there);
    tcase_add_test(tcase, all_are_dealt_out);
    tcase_add_test(tcase, the_address_that_failed_is_named);
    tcase_add_test(tcase, without_memory_nothing_is_left_behind);
    tcase_add_loop_test(tcase, what_a_program_dropped_is_closed_when_it_serves,
                        0, 2);
    tcase_add_loop_test(
        tcase, what_a_program_made_is_closed_when_it_does_not_serve, 0, 2);
    tcase_add_test(tcase,
                   a_path_that_is_listened_on_by_another_socket_keeps_its_file);
    tcase_add_test(tcase,
                   those_of_no_address_are_unused_unless_their_name_is_in_use);
    return unit_run("listeners", tcase);
}
