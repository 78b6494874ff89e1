/* Files that are owned by who is named by a thread's id, as a process, a group,
 * or a thread: fcntl() and ioctl() */
#include "conformance.h"
#include "idler.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int ends[2];
static volatile sig_atomic_t handled;

static void handler(int number)
{
    (void)number;
    handled = handled + 1;
}

static void setup(void)
{
    struct sigaction action = {.sa_handler = handler};

    ck_assert_int_eq(sigaction(SIGIO, &action, NULL), 0);
    conf_unix_pair(ends);
    handled = 0;
}

static void teardown(void)
{
    conf_close_both(ends);
    signal(SIGIO, SIG_DFL);
}

static int set_own(int fd, pid_t id)
{
    return fcntl(fd, F_SETOWN, id);
}

static int set_own_raw(int fd, pid_t id)
{
    return (int)syscall(SYS_fcntl, fd, F_SETOWN, id);
}

static int set_fio(int fd, pid_t id)
{
    return ioctl(fd, FIOSETOWN, &id);
}

static int set_sioc(int fd, pid_t id)
{
    return ioctl(fd, SIOCSPGRP, &id);
}

static int set_sioc_raw(int fd, pid_t id)
{
    return (int)syscall(SYS_ioctl, fd, SIOCSPGRP, &id);
}

static int set_ex(int fd, pid_t id)
{
    struct f_owner_ex owner = {id < 0 ? F_OWNER_PGRP : F_OWNER_PID,
                               id < 0 ? -id : id};

    return fcntl(fd, F_SETOWN_EX, &owner);
}

static int (*const setters[])(int, pid_t) = {set_own,  set_own_raw,  set_fio,
                                             set_sioc, set_sioc_raw, set_ex};
enum { SETTERS = sizeof setters / sizeof *setters, EX = SETTERS - 1 };

static int asked(unsigned long request)
{
    int id = -1;

    CONF_CHECK(ioctl(ends[0], request, &id) == 0);
    return id;
}

/* By all the ways there are; a group is a negative number. */
static void assert_owner(int type, pid_t id)
{
    struct f_owner_ex owner = {77, 77};
    pid_t number = type == F_OWNER_PGRP ? -id : id;

    CONF_CHECK(fcntl(ends[0], F_GETOWN) == number);
    CONF_CHECK(fcntl(ends[0], F_GETOWN_EX, &owner) == 0);
    CONF_CHECK((int)owner.type == type);
    CONF_CHECK(owner.pid == id);
    CONF_CHECK(asked(FIOGETOWN) == number);
    CONF_CHECK(asked(SIOCGPGRP) == number);
}

/* It is to be told, or not to be, by one signal. */
static void send_byte(int expected)
{
    bool told = handled != expected;
    char byte;

    CONF_CHECK(fcntl(ends[0], F_SETFL, O_ASYNC) == 0);
    conf_write_all(ends[1], "x", 1);
    for (int i = 0; told && i < 2000 && handled != expected; i++)
        sleep_ms(1);
    sleep_ms(5);
    CONF_CHECK(handled == expected);
    conf_read_all(ends[0], &byte, 1);
    CONF_CHECK(fcntl(ends[0], F_SETFL, 0) == 0);
}

/* As a process: that of the thread.  Newer kernels (from 5.9 or so on) say that
 * nobody owns the file, as the id leads no process. */
static void own_by_id(pid_t id)
{
    struct f_owner_ex owner;

    for (int i = 0; i < SETTERS; i++) {
        int before = handled;

        CONF_CHECK(setters[i](ends[0], id) == 0);
        CONF_CHECK(fcntl(ends[0], F_GETOWN_EX, &owner) == 0);
        CONF_CHECK(owner.type == F_OWNER_PID);
        CONF_CHECK(owner.pid == 0 || owner.pid == id);
        assert_owner(F_OWNER_PID, owner.pid);
        send_byte(before + 1);
        CONF_CHECK(setters[i](ends[0], 0) == 0);
    }
}

/* As a group: one without members. */
static void own_by_group(pid_t id)
{
    int before = handled;

    for (int i = 0; i < SETTERS; i++) {
        CONF_CHECK(setters[i](ends[0], -id) == 0);
        assert_owner(F_OWNER_PGRP, 0);
        send_byte(before);
    }
}

static void own_as_thread(pid_t id)
{
    struct f_owner_ex owner = {F_OWNER_TID, id};
    int before = handled;

    CONF_CHECK(fcntl(ends[0], F_SETOWN_EX, &owner) == 0);
    assert_owner(F_OWNER_TID, id);
    if (id != getpid()) { /* as a process it is forgotten */
        CONF_CHECK(set_fio(ends[0], getpid()) == 0);
        assert_owner(F_OWNER_PID, getpid());
        send_byte(before + 1);
    }
}

static void own(pid_t id)
{
    own_by_id(id);
    own_by_group(id);
    own_as_thread(id);
    own_by_id(id);
}

static void *own_own(void *unused)
{
    own(gettid());
    return unused;
}

START_TEST(a_thread_of_the_process_is_named)
    {
        struct idler idler;

        conf_assert_mapped();
        idler_begin(&idler);
        own(idler.id);
        join_thread(start_thread(own_own, NULL));
        idler_end(&idler);
    }
END_TEST

static pid_t group_of_child(void)
{
    pid_t child = fork();

    if (child == 0) {
        conf_child_begin();
        pause();
        _exit(0);
    }
    CONF_CHECK(child > 0);
    CONF_CHECK(setpgid(child, 0) == 0);
    return child;
}

static void *own_by_others(void *unused)
{
    pid_t child = group_of_child();

    for (int i = 0; i < SETTERS; i++) {
        CONF_CHECK(setters[i](ends[0], getpid()) == 0);
        assert_owner(F_OWNER_PID, getpid());
        CONF_CHECK(setters[i](ends[0], child) == 0);
        assert_owner(F_OWNER_PID, child);
        CONF_CHECK(setters[i](ends[0], -child) == 0);
        assert_owner(F_OWNER_PGRP, child);
        CONF_CHECK(setters[i](ends[0], 0) == 0);
    }
    CONF_CHECK(kill(child, SIGKILL) == 0);
    CONF_CHECK(waitpid(child, NULL, 0) == child);
    return unused;
}

START_TEST(processes_and_groups_are_named)
    {
        own_by_others(NULL);
        join_thread(start_thread(own_by_others, NULL));
    }
END_TEST

START_TEST(who_is_not_there_owns_nothing)
    {
        struct idler idler;

        idler_begin(&idler);
        idler_end(&idler);
        for (int i = 0; i < SETTERS; i++) {
            ck_assert_int_eq(setters[i](ends[0], idler.id), -1);
            ck_assert_int_eq(errno, ESRCH);
            ck_assert_int_eq(setters[i](ends[0], -idler.id), -1);
            ck_assert_int_eq(errno, ESRCH);
        }
    }
END_TEST

START_TEST(what_is_refused)
    {
        struct idler idler;
        int pipe_ends[2];

        conf_pipe(pipe_ends);
        idler_begin(&idler);
        for (int i = 0; i < SETTERS; i++) {
            ck_assert_int_eq(setters[i](-1, idler.id), -1);
            ck_assert_int_eq(errno, EBADF);
            ck_assert_int_eq(setters[i](-1, -idler.id), -1);
            ck_assert_int_eq(errno, EBADF);
        }
        ck_assert_int_eq(set_sioc(pipe_ends[0], idler.id), -1);
        ck_assert_int_eq(errno, ENOTTY);
        ck_assert_int_eq(ioctl(ends[0], SIOCSPGRP, conf_bad_address()), -1);
        ck_assert_int_eq(errno, EFAULT);
        ck_assert_int_eq(ioctl(ends[0], SIOCGPGRP, conf_bad_address()), -1);
        ck_assert_int_eq(errno, EFAULT);
        idler_end(&idler);
        conf_close_both(pipe_ends);
    }
END_TEST

static void add(TCase *tcase)
{
    if (conf_emulated()) { /* its kernel has no F_SETOWN_EX */
        conf_skip("F_SETOWN_EX");
        return;
    }
    tcase_add_checked_fixture(tcase, setup, teardown);
    conf_test(tcase, a_thread_of_the_process_is_named, 1);
    conf_test(tcase, processes_and_groups_are_named, 1);
    conf_test(tcase, who_is_not_there_owns_nothing, 1);
    conf_test(tcase, what_is_refused, 1);
}

int main(void)
{
    return conf_main("ids_owners", add, CONF_THREADS);
}
