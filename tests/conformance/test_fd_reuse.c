/* A number that was waited on is closed, by each way there is, and given to
 * another file, by each way there is: waits on it work at once */
#include "conformance.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <unistd.h>

/* Low enough to be below what the tests open, and free by then. */
static int number;

/* ---- ways to close `number` ---- */

static void by_close(void)
{
    ck_assert_int_eq(close(number), 0);
}

static void by_number(void)
{
    ck_assert_int_eq(syscall(SYS_close, number), 0);
}

static void by_close_range(void)
{
    ck_assert_int_eq(close_range((unsigned)number, (unsigned)number, 0), 0);
}

static void by_range_number(void)
{
    ck_assert_int_eq(syscall(SYS_close_range, number, number, 0), 0);
}

static void by_fclose(void)
{
    ck_assert_int_eq(fclose(fdopen(number, "r")), 0);
}

/* dup2() closes what has the number; the copy is closed in turn. */
static void by_dup2(void)
{
    ck_assert_int_eq(dup2(0, number), number);
    ck_assert_int_eq(close(number), 0);
}

static void by_dup3(void)
{
    ck_assert_int_eq(dup3(0, number, O_CLOEXEC), number);
    ck_assert_int_eq(close(number), 0);
}

static void by_freopen(void)
{
    FILE *file = freopen("/dev/null", "r", fdopen(number, "r"));

    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(fclose(file), 0);
}

static void by_closedir(void)
{
    DIR *dir = NULL;
    int fd = open("/", O_RDONLY | O_DIRECTORY);

    /* The number must be a folder's to be closedir()'s. */
    ck_assert_int_eq(dup2(fd, number), number);
    close(fd);
    dir = fdopendir(number);
    ck_assert_ptr_nonnull(dir);
    ck_assert_int_eq(closedir(dir), 0);
}

static void (*const closers[])(void) = {
    by_close, by_number, by_close_range, by_range_number, by_fclose,
    by_dup2,  by_dup3,   by_freopen,     by_closedir,
};
enum { CLOSERS = 9 };

/* ---- ways to open: the new fd, which is `number`; *other writes to it ---- */

static int from_pipe(int *other)
{
    int ends[2];

    conf_pipe(ends);
    *other = ends[1];
    return ends[0];
}

static int from_socketpair(int *other)
{
    int ends[2];

    conf_unix_pair(ends);
    *other = ends[1];
    return ends[0];
}

/* Everything else is opened above first, so that the accept gets the number. */
static int from_accept(int *other)
{
    struct sockaddr_in address;
    int low = dup(0), listener = conf_listen(&address, 1), fd;

    *other = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(
        connect(*other, (struct sockaddr *)&address, sizeof address), 0);
    ck_assert_int_eq(low, number);
    ck_assert_int_eq(close(low), 0);
    fd = accept(listener, NULL, NULL);
    ck_assert_int_eq(close(listener), 0);
    return fd;
}

static int from_copy(int way, int *other)
{
    int low = dup(0), ends[2], fd;

    conf_pipe(ends);
    ck_assert_int_eq(low, number);
    ck_assert_int_eq(close(low), 0);
    if (way == 0)
        fd = dup(ends[0]);
    else if (way == 1)
        fd = dup2(ends[0], number);
    else if (way == 2)
        fd = fcntl(ends[0], F_DUPFD, number);
    else
        fd = (int)syscall(SYS_dup, ends[0]);
    ck_assert_int_eq(close(ends[0]), 0);
    *other = ends[1];
    return fd;
}

static int from_dup(int *other)
{
    return from_copy(0, other);
}

static int from_dup2(int *other)
{
    return from_copy(1, other);
}

static int from_fcntl(int *other)
{
    return from_copy(2, other);
}

static int from_number(int *other)
{
    return from_copy(3, other);
}

/* A named fifo, opened for both so that open() does not wait. */
static int from_open(int *other)
{
    char dir[CONF_PATH], path[CONF_PATH + 8];
    int fd;

    conf_make_dir(dir);
    snprintf(path, sizeof path, "%s/fifo", dir);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    fd = open(path, O_RDWR);
    *other = open(path, O_WRONLY);
    unlink(path);
    rmdir(dir);
    return fd;
}

/* Sent by a socket to this very process. */
static int from_message(int *other)
{
    int low = dup(0), ends[2], data[2], fd = -1;
    _Alignas(struct cmsghdr) char room[CMSG_SPACE(sizeof(int))] = "";
    char byte = 0;
    struct iovec part = { &byte, 1 };
    struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1,
                              .msg_control = room,
                              .msg_controllen = sizeof room };
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);

    conf_unix_pair(ends);
    conf_pipe(data);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &data[0], sizeof(int));
    ck_assert_int_eq(sendmsg(ends[0], &message, 0), 1);
    ck_assert_int_eq(low, number);
    ck_assert_int_eq(close(low), 0);
    ck_assert_int_eq(recvmsg(ends[1], &message, 0), 1);
    memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof fd);
    ck_assert_int_eq(close(data[0]), 0);
    conf_close_both(ends);
    *other = data[1];
    return fd;
}

static int from_eventfd(int *other)
{
    int fd = eventfd(0, 0);

    *other = fcntl(fd, F_DUPFD, fd + 1);
    return fd;
}

static int (*const openers[])(int *other) = {
    from_pipe,  from_socketpair, from_accept, from_dup,     from_dup2,
    from_fcntl, from_number,     from_open,   from_message, from_eventfd,
};
enum { OPENERS = 10 };

/* ---- the wait ---- */

static void *wait_for_data(void *fd)
{
    char bytes[8];

    CONF_CHECK(read(*(int *)fd, bytes, sizeof bytes) > 0);
    return NULL;
}

static void put_eight(void *fd)
{
    uint64_t one = 1;

    conf_write_all(*(int *)fd, &one, sizeof one);
}

/* One thread waits, then another does: first here, then there. */
static void use(int fd, int other)
{
    pthread_t thread = start_thread(wait_for_data, &fd);

    sleep_ms(1);
    put_eight(&other);
    join_thread(thread);
    thread = start_later(1, put_eight, &other);
    wait_for_data(&fd);
    join_thread(thread);
}

START_TEST(waits_work_on_a_number_that_was_closed_and_opened)
{
    void (*closer)(void) = closers[_i / OPENERS];
    int (*opener)(int *) = openers[_i % OPENERS];
    int ends[2], other, fd;

    conf_unix_pair(ends);
    number = ends[0];
    use(number, ends[1]);
    closer();
    ck_assert_int_eq(close(ends[1]), 0);
    fd = opener(&other);
    ck_assert_int_eq(fd, number);
    use(fd, other);
    ck_assert_int_eq(close(other), 0);
    closer();
}
END_TEST

/* Faster than a loop can notice: no time between the close and the wait. */
START_TEST(waits_work_when_numbers_change_hands_quickly)
{
    for (int round = 0; round < 60; round++) {
        int other, fd = openers[round % OPENERS](&other);
        pthread_t thread;

        number = fd;
        thread = start_thread(wait_for_data, &fd);
        if (round % 3 == 0)
            sched_yield();
        put_eight(&other);
        join_thread(thread);
        ck_assert_int_eq(close(other), 0);
        closers[round % CLOSERS]();
    }
}
END_TEST

/* popen() and pclose() open and close inside libc. */
START_TEST(popen_and_pclose_change_hands_too)
{
    for (int round = 0; round < 4; round++) {
        char line[10] = "";
        FILE *in = popen("sleep 0.01; echo word", "r");

        ck_assert_ptr_nonnull(in);
        ck_assert_ptr_nonnull(fgets(line, sizeof line, in));
        ck_assert_str_eq(line, "word\n");
        ck_assert_int_eq(pclose(in), 0);
    }
}
END_TEST

static void first_number(void)
{
    number = dup(0);
    close(number);
}

static void add(TCase *tcase)
{
    tcase_add_checked_fixture(tcase, first_number, NULL);
    conf_test(tcase, waits_work_on_a_number_that_was_closed_and_opened,
              CLOSERS * OPENERS);
    conf_test(tcase, waits_work_when_numbers_change_hands_quickly, 3);
    conf_test(tcase, popen_and_pclose_change_hands_too, 1);
}

int main(void)
{
    return conf_main("fd_reuse", add, CONF_THREADS);
}
