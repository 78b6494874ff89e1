/* read(2) and write(2) on what is no stream: eventfd, timerfd, inotify, files
 * and devices */
#include "conformance.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum { DELAY_MS = 20 };

static void add_seven(void *fd)
{
    CONF_CHECK(eventfd_write(*(int *)fd, 7) == 0);
}

START_TEST(eventfd_waits_for_another_thread_to_add)
{
    int fd = eventfd(0, 0);
    uint64_t value = 0;
    pthread_t adder = start_later(DELAY_MS, add_seven, &fd);

    ck_assert_int_eq(read(fd, &value, 8), 8);
    ck_assert_uint_eq(value, 7);
    join_thread(adder);
    close(fd);
}
END_TEST

static void *take_value(void *fd)
{
    uint64_t value = 0;

    CONF_CHECK(read(*(int *)fd, &value, 8) == 8);
    return (void *)(uintptr_t)value;
}

START_TEST(eventfd_semaphore_lets_one_reader_pass_for_each_count)
{
    int fd = eventfd(0, EFD_SEMAPHORE);
    pthread_t takers[7];
    uint64_t value;

    for (int i = 0; i < 7; i++)
        takers[i] = start_thread(take_value, &fd);
    sleep_ms(DELAY_MS);
    add_seven(&fd);
    for (int i = 0; i < 7; i++)
        ck_assert_ptr_eq(join_thread(takers[i]), (void *)1);
    ck_assert_int_eq(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    ck_assert_int_eq(read(fd, &value, 8), -1);
    ck_assert_int_eq(errno, EAGAIN);
    close(fd);
}
END_TEST

START_TEST(eventfd_write_waits_until_the_value_fits)
{
    int fd = eventfd(0, 0);
    uint64_t most = UINT64_MAX - 1;
    pthread_t adder;

    ck_assert_int_eq(write(fd, &most, 8), 8);
    adder = start_later(0, add_seven, &fd);
    sleep_ms(DELAY_MS);
    ck_assert_ptr_eq(take_value(&fd), (void *)(uintptr_t)most);
    join_thread(adder);
    ck_assert_ptr_eq(take_value(&fd), (void *)7);
    close(fd);
}
END_TEST

START_TEST(eventfd_refuses)
{
    int fd = eventfd(3, EFD_NONBLOCK);
    uint64_t value = UINT64_MAX;

    ck_assert_int_eq(read(fd, &value, 7), -1);
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_int_eq(read(fd, &value, 0), -1);
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_int_eq(write(fd, &value, 4), -1);
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_int_eq(write(fd, &value, 8), -1);
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_int_eq(write(fd, conf_bad_address(), 8), -1);
    ck_assert_int_eq(errno, EFAULT);
    value = UINT64_MAX - 1;
    ck_assert_int_eq(write(fd, &value, 8), -1);
    ck_assert_int_eq(errno, EAGAIN);
    ck_assert_int_eq(read(fd, &value, 8), 8);
    ck_assert_int_eq(read(fd, &value, 8), -1);
    ck_assert_int_eq(errno, EAGAIN);
    close(fd);
}
END_TEST

static void arm(int fd, int64_t first, int64_t interval)
{
    struct itimerspec when = {
        .it_value = { first / CONF_S, first % CONF_S },
        .it_interval = { interval / CONF_S, interval % CONF_S },
    };

    CONF_CHECK(timerfd_settime(fd, 0, &when, NULL) == 0);
}

START_TEST(timerfd_waits_for_its_time)
{
    int fd = timerfd_create(CLOCK_MONOTONIC, 0);
    int64_t began = now_ns();

    arm(fd, 15 * CONF_MS, 0);
    ck_assert_ptr_eq(take_value(&fd), (void *)1);
    ck_assert_int_ge(now_ns() - began, 15 * CONF_MS);
    close(fd);
}
END_TEST

START_TEST(timerfd_counts_what_was_missed)
{
    int fd = timerfd_create(CLOCK_MONOTONIC, 0);
    int64_t began = now_ns(), count;

    arm(fd, CONF_MS, CONF_MS);
    sleep_ms(DELAY_MS);
    count = (intptr_t)take_value(&fd);
    ck_assert_int_ge(count, DELAY_MS - 1);
    ck_assert_int_le(count, (now_ns() - began) / CONF_MS);
    close(fd);
}
END_TEST

static void arm_soon(void *fd)
{
    arm(*(int *)fd, CONF_MS, 0);
}

START_TEST(timerfd_may_be_armed_while_another_thread_waits)
{
    int fd = timerfd_create(CLOCK_MONOTONIC, 0);
    pthread_t armer = start_later(DELAY_MS, arm_soon, &fd);

    ck_assert_ptr_eq(take_value(&fd), (void *)1);
    join_thread(armer);
    close(fd);
}
END_TEST

START_TEST(timerfd_refuses)
{
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    uint64_t value;

    ck_assert_int_eq(read(fd, &value, 4), -1);
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_int_eq(read(fd, &value, 8), -1);
    ck_assert_int_eq(errno, EAGAIN);
    ck_assert_int_eq(write(fd, &value, 8), -1);
    ck_assert_int_eq(errno, EINVAL);
    close(fd);
}
END_TEST

static void make_file(void *directory)
{
    char path[CONF_PATH + 8];
    int fd;

    snprintf(path, sizeof path, "%s/made", (char *)directory);
    fd = open(path, O_CREAT | O_WRONLY, 0600);
    CONF_CHECK(fd >= 0 && close(fd) == 0 && unlink(path) == 0);
}

START_TEST(inotify_waits_for_another_thread_to_make_a_file)
{
    char directory[CONF_PATH];
    union {
        struct inotify_event event;
        char room[4096];
    } seen;
    int fd = inotify_init1(0);
    pthread_t maker;

    conf_make_dir(directory);
    ck_assert_int_ge(inotify_add_watch(fd, directory, IN_CREATE), 0);
    maker = start_later(DELAY_MS, make_file, directory);
    ck_assert_int_ge(read(fd, &seen, sizeof seen), sizeof seen.event);
    ck_assert_uint_eq(seen.event.mask, IN_CREATE);
    ck_assert_str_eq(seen.event.name, "made");
    join_thread(maker);
    close(fd);
    rmdir(directory);
}
END_TEST

static void send_signal(void *argument)
{
    (void)argument;
    CONF_CHECK(kill(getpid(), SIGUSR2) == 0);
}

START_TEST(signalfd_waits_for_another_thread_to_signal)
{
    sigset_t set;
    struct signalfd_siginfo info;
    int fd;
    pthread_t sender;

    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    ck_assert_int_eq(pthread_sigmask(SIG_BLOCK, &set, NULL), 0);
    fd = signalfd(-1, &set, 0);
    sender = start_later(DELAY_MS, send_signal, NULL);
    ck_assert_int_eq(read(fd, &info, sizeof info), sizeof info);
    ck_assert_uint_eq(info.ssi_signo, SIGUSR2);
    ck_assert_uint_eq(info.ssi_pid, (uint32_t)getpid());
    join_thread(sender);
    close(fd);
    ck_assert_int_eq(pthread_sigmask(SIG_UNBLOCK, &set, NULL), 0);
}
END_TEST

static int open_scratch(int flags)
{
    char path[CONF_PATH];
    const char *base = getenv("TMPDIR");
    int fd;

    snprintf(path, sizeof path, "%s/conformance-XXXXXX", base ? base : "/tmp");
    fd = mkostemp(path, flags);
    ck_assert_int_ge(fd, 0);
    unlink(path);
    return fd;
}

START_TEST(a_file_ends_and_its_offset_is_shared)
{
    int fd = open_scratch(0), twin = dup(fd);
    char bytes[10] = "";

    ck_assert_int_eq(write(fd, "abcdef", 6), 6);
    ck_assert_int_eq(read(fd, bytes, 6), 0);
    ck_assert_int_eq(lseek(fd, 0, SEEK_SET), 0);
    ck_assert_int_eq(read(fd, bytes, 4), 4);
    ck_assert_int_eq(read(twin, bytes + 4, 6), 2);
    ck_assert_str_eq(bytes, "abcdef");
    close(fd);
    close(twin);
}
END_TEST

enum { RECORDS = 200, WRITERS = 4, RECORD = 100 };

static void *append_records(void *fd)
{
    static int next;
    char record[RECORD];

    memset(record, 'a' + __atomic_fetch_add(&next, 1, __ATOMIC_RELAXED) % 26,
           RECORD);
    for (int i = 0; i < RECORDS; i++)
        CONF_CHECK(write(*(int *)fd, record, RECORD) == RECORD);
    return NULL;
}

START_TEST(appended_records_of_several_threads_stay_whole)
{
    int fd = open_scratch(O_APPEND);
    pthread_t writers[WRITERS];
    char record[RECORD];

    for (int i = 0; i < WRITERS; i++)
        writers[i] = start_thread(append_records, &fd);
    for (int i = 0; i < WRITERS; i++)
        join_thread(writers[i]);
    ck_assert_int_eq(lseek(fd, 0, SEEK_CUR), RECORDS * WRITERS * RECORD);
    ck_assert_int_eq(lseek(fd, 0, SEEK_SET), 0);
    for (int i = 0; i < RECORDS * WRITERS; i++) {
        ck_assert_int_eq(read(fd, record, RECORD), RECORD);
        ck_assert_mem_eq(record, record + 1, RECORD - 1);
    }
    close(fd);
}
END_TEST

START_TEST(devices_do_what_they_do)
{
    int zero = open("/dev/zero", O_RDWR), null = open("/dev/null", O_RDWR);
    int full = open("/dev/full", O_RDWR);
    char bytes[100000];

    memset(bytes, 'x', sizeof bytes);
    errno = 4242;
    ck_assert_int_eq(read(zero, bytes, sizeof bytes), sizeof bytes);
    ck_assert_int_eq(bytes[0], 0);
    ck_assert_mem_eq(bytes, bytes + 1, sizeof bytes - 1);
    ck_assert_int_eq(write(zero, bytes, sizeof bytes), sizeof bytes);
    ck_assert_int_eq(read(null, bytes, 1), 0);
    ck_assert_int_eq(write(null, bytes, sizeof bytes), sizeof bytes);
    ck_assert_int_eq(errno, 4242);
    ck_assert_int_eq(write(full, bytes, 1), -1);
    ck_assert_int_eq(errno, ENOSPC);
    ck_assert_int_eq(read(zero, conf_bad_address(), 1), -1);
    ck_assert_int_eq(errno, EFAULT);
    close(zero);
    close(null);
    close(full);
}
END_TEST

static void add(TCase *tcase)
{
    conf_test(tcase, eventfd_waits_for_another_thread_to_add, 1);
    conf_test(tcase, eventfd_semaphore_lets_one_reader_pass_for_each_count, 1);
    conf_test(tcase, eventfd_write_waits_until_the_value_fits, 1);
    conf_test(tcase, eventfd_refuses, 1);
    conf_test(tcase, timerfd_waits_for_its_time, 1);
    conf_test(tcase, timerfd_counts_what_was_missed, 1);
    conf_test(tcase, timerfd_may_be_armed_while_another_thread_waits, 1);
    conf_test(tcase, timerfd_refuses, 1);
    conf_test(tcase, inotify_waits_for_another_thread_to_make_a_file, 1);
    conf_test(tcase, signalfd_waits_for_another_thread_to_signal, 1);
    conf_test(tcase, a_file_ends_and_its_offset_is_shared, 1);
    conf_test(tcase, appended_records_of_several_threads_stay_whole, 1);
    conf_test(tcase, devices_do_what_they_do, 1);
}

int main(void)
{
    return conf_main("read_special", add, CONF_THREADS);
}
