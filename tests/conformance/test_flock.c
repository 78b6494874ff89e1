/* flock and lockf: a thread that waits for a lock of another one */
#include "conformance.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

static char path[CONF_PATH + 8], dir[CONF_PATH];
static int ours, theirs;
static volatile bool released;

static void setup(void)
{
    conf_make_dir(dir);
    snprintf(path, sizeof path, "%s/file", dir);
    ours = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    theirs = open(path, O_RDWR | O_CLOEXEC);
    ck_assert_int_ge(theirs, 0);
    released = false;
}

static void teardown(void)
{
    close(ours);
    close(theirs);
    unlink(path);
    rmdir(dir);
}

static void release(void *unused)
{
    (void)unused;
    released = true;
    CONF_CHECK(flock(theirs, LOCK_UN) == 0);
}

/* The holder is a thread of this program: it must run while we wait. */
START_TEST(flock_waits_for_the_lock_of_another_open_file)
{
    pthread_t thread;

    ck_assert_int_eq(flock(theirs, LOCK_EX), 0);
    thread = start_later(30, release, NULL);
    errno = 55;
    ck_assert_int_eq(flock(ours, LOCK_EX), 0);
    ck_assert_int_eq(errno, 55);
    ck_assert(released);
    ck_assert_int_eq(flock(theirs, LOCK_EX | LOCK_NB), -1);
    ck_assert_int_eq(errno, EWOULDBLOCK);
    ck_assert_int_eq(flock(ours, LOCK_UN), 0);
    join_thread(thread);
}
END_TEST

START_TEST(flock_shares)
{
    ck_assert_int_eq(flock(theirs, LOCK_SH), 0);
    ck_assert_int_eq(flock(ours, LOCK_SH), 0);
    ck_assert_int_eq(flock(ours, LOCK_EX | LOCK_NB), -1);
    ck_assert_int_eq(errno, EWOULDBLOCK);
}
END_TEST

START_TEST(flock_refuses_what_is_no_file)
{
    errno = 0;
    ck_assert_int_eq(flock(-1, LOCK_EX), -1);
    ck_assert_int_eq(errno, EBADF);
    errno = 0;
    ck_assert_int_eq(flock(ours, 0), -1);
    ck_assert_int_eq(errno, EINVAL);
}
END_TEST

static int tell[2];

static void let_go(void *unused)
{
    (void)unused;
    released = true;
    conf_write_all(tell[1], "x", 1);
}

/* lockf()'s locks are a process's: the other one is a child. */
START_TEST(lockf_waits_for_another_process)
{
    int ready[2];
    char byte;
    pid_t child;
    pthread_t thread;

    conf_pipe(ready);
    conf_pipe(tell);
    child = fork();
    if (child == 0) {
        conf_child_begin();
        CONF_CHECK(lockf(theirs, F_LOCK, 0) == 0);
        conf_write_all(ready[1], "x", 1);
        conf_read_all(tell[0], &byte, 1);
        _exit(0);
    }
    conf_read_all(ready[0], &byte, 1);
    errno = 0;
    ck_assert_int_eq(lockf(ours, F_TLOCK, 0), -1);
    ck_assert(errno == EACCES || errno == EAGAIN);
    thread = start_later(20, let_go, NULL);
    ck_assert_int_eq(lockf(ours, F_LOCK, 0), 0);
    ck_assert(released);
    ck_assert_int_eq(lockf(ours, F_ULOCK, 0), 0);
    ck_assert_int_eq(conf_child_status(child), 0);
    join_thread(thread);
    conf_close_both(ready);
    conf_close_both(tell);
}
END_TEST

static void add(TCase *tcase)
{
    tcase_add_checked_fixture(tcase, setup, teardown);
    conf_test(tcase, flock_waits_for_the_lock_of_another_open_file, 1);
    conf_test(tcase, flock_shares, 1);
    conf_test(tcase, flock_refuses_what_is_no_file, 1);
    conf_test(tcase, lockf_waits_for_another_process, 1);
}

int main(void)
{
    return conf_main("flock", add, CONF_THREADS);
}
