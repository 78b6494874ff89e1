/* syscall(2): calls by number, thread ids and futexes */
#include "conformance.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <poll.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { SOME_ERRNO = 4242, DELAY_MS = 10, THREADS = 20 };

static long futex(uint32_t *word, int operation, uint32_t value,
                  const struct timespec *limit, uint32_t *word2, uint32_t bits)
{
    return syscall(SYS_futex, word, operation, value, limit, word2, bits);
}

/* Ids. */

static pid_t ids[THREADS];
static volatile bool leave;

static void *note_id(void *argument)
{
    int i = (int)(intptr_t)argument;

    ids[i] = (pid_t)syscall(SYS_gettid);
    CONF_CHECK(gettid() == ids[i]);
    while (!leave)
        sleep_ms(1);
    CONF_CHECK(syscall(SYS_gettid) == ids[i]);
    CONF_CHECK(syscall(SYS_getpid) == getpid());
    return NULL;
}

START_TEST(thread_ids_are_unique_and_stay)
{
    pthread_t threads[THREADS];

    leave = false;
    for (int i = 0; i < THREADS; i++)
        threads[i] = start_thread(note_id, (void *)(intptr_t)i);
    sleep_ms(DELAY_MS);
    leave = true;
    for (int i = 0; i < THREADS; i++)
        join_thread(threads[i]);
    for (int i = 0; i < THREADS; i++) {
        ck_assert_int_gt(ids[i], 0);
        ck_assert_int_ne(ids[i], getpid());
        for (int k = 0; k < i; k++)
            ck_assert_int_ne(ids[i], ids[k]);
    }
    ck_assert_int_eq(syscall(SYS_gettid), getpid());
}
END_TEST

/* Futexes. */

static uint32_t word;

static void set_and_wake(void *operation)
{
    __atomic_store_n(&word, 1, __ATOMIC_SEQ_CST);
    CONF_CHECK(futex(&word, (int)(intptr_t)operation, 1, NULL, NULL,
                     FUTEX_BITSET_MATCH_ANY) >= 0);
}

static const struct {
    int wait, wake;
} pairs[] = {
    { FUTEX_WAIT_PRIVATE, FUTEX_WAKE_PRIVATE },
    { FUTEX_WAIT, FUTEX_WAKE },
    { FUTEX_WAIT_BITSET_PRIVATE, FUTEX_WAKE_BITSET_PRIVATE },
    { FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, FUTEX_WAKE_BITSET },
};
enum { PAIRS = 4 };

START_TEST(futex_waits_for_another_thread_to_wake_it)
{
    pthread_t waker;
    long result;

    word = 0;
    waker = start_later(DELAY_MS, set_and_wake,
                        (void *)(intptr_t)pairs[_i].wake);
    errno = SOME_ERRNO;
    result = futex(&word, pairs[_i].wait, 0, NULL, NULL,
                   FUTEX_BITSET_MATCH_ANY);
    ck_assert_int_eq(result, 0);
    ck_assert_int_eq(errno, SOME_ERRNO);
    ck_assert_uint_eq(word, 1);
    join_thread(waker);
}
END_TEST

static int asleep;

static void *wait_on_word(void *operation)
{
    __atomic_fetch_add(&asleep, 1, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(&word, __ATOMIC_SEQ_CST) == 0)
        futex(&word, (int)(intptr_t)operation, 0, NULL, NULL,
              FUTEX_BITSET_MATCH_ANY);
    __atomic_fetch_sub(&asleep, 1, __ATOMIC_SEQ_CST);
    return NULL;
}

START_TEST(futex_wakes_as_many_as_told)
{
    pthread_t threads[6];

    word = 0;
    asleep = 0;
    for (int i = 0; i < 6; i++)
        threads[i] =
            start_thread(wait_on_word, (void *)(intptr_t)pairs[_i].wait);
    while (__atomic_load_n(&asleep, __ATOMIC_SEQ_CST) < 6)
        sleep_ms(1);
    sleep_ms(4 * DELAY_MS);
    __atomic_store_n(&word, 1, __ATOMIC_SEQ_CST);
    ck_assert_int_eq(futex(&word, pairs[_i].wake, 2, NULL, NULL,
                           FUTEX_BITSET_MATCH_ANY),
                     2);
    ck_assert_int_eq(futex(&word, pairs[_i].wake, INT_MAX, NULL, NULL,
                           FUTEX_BITSET_MATCH_ANY),
                     4);
    ck_assert_int_eq(futex(&word, pairs[_i].wake, 1, NULL, NULL,
                           FUTEX_BITSET_MATCH_ANY),
                     0);
    for (int i = 0; i < 6; i++)
        join_thread(threads[i]);
    ck_assert_int_eq(asleep, 0);
}
END_TEST

START_TEST(futex_does_not_wait_for_what_has_happened)
{
    word = 5;
    ck_assert_int_eq(futex(&word, pairs[_i].wait, 4, NULL, NULL,
                           FUTEX_BITSET_MATCH_ANY),
                     -1);
    ck_assert_int_eq(errno, EAGAIN);
}
END_TEST

START_TEST(futex_ends_at_its_time_limit)
{
    struct timespec limit = { 0, 8000000 };
    bool absolute = pairs[_i].wait & FUTEX_WAIT_BITSET;
    int64_t began = now_ns();

    if (absolute) {
        clock_gettime(pairs[_i].wait & FUTEX_CLOCK_REALTIME ? CLOCK_REALTIME
                                                            : CLOCK_MONOTONIC,
                      &limit);
        limit.tv_nsec += 8000000;
        limit.tv_sec += limit.tv_nsec / 1000000000;
        limit.tv_nsec %= 1000000000;
    }
    word = 0;
    ck_assert_int_eq(futex(&word, pairs[_i].wait, 0, &limit, NULL,
                           FUTEX_BITSET_MATCH_ANY),
                     -1);
    ck_assert_int_eq(errno, ETIMEDOUT);
    ck_assert_int_ge(now_ns() - began, 8 * CONF_MS);
    ck_assert_int_lt(now_ns() - began, 10 * CONF_S);
}
END_TEST

static uint32_t word2;

START_TEST(futex_moves_waiters_to_another_word)
{
    pthread_t threads[4];

    word = word2 = asleep = 0;
    for (int i = 0; i < 4; i++)
        threads[i] =
            start_thread(wait_on_word, (void *)(intptr_t)FUTEX_WAIT_PRIVATE);
    while (__atomic_load_n(&asleep, __ATOMIC_SEQ_CST) < 4)
        sleep_ms(1);
    sleep_ms(4 * DELAY_MS);
    /* Wake 1, move 3: the count of both is the answer of the comparing one. */
    ck_assert_int_eq(syscall(SYS_futex, &word, FUTEX_CMP_REQUEUE_PRIVATE, 1,
                             (void *)7, &word2, 9),
                     -1);
    ck_assert_int_eq(errno, EAGAIN);
    __atomic_store_n(&word, 1, __ATOMIC_SEQ_CST);
    ck_assert_int_eq(syscall(SYS_futex, &word, FUTEX_CMP_REQUEUE_PRIVATE, 1,
                             (void *)7, &word2, 1),
                     4);
    ck_assert_int_eq(
        futex(&word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0), 0);
    ck_assert_int_eq(
        futex(&word2, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0), 3);
    for (int i = 0; i < 4; i++)
        join_thread(threads[i]);
}
END_TEST

START_TEST(futex_refuses)
{
    struct timespec odd = { 0, -1 };

    word = 0;
    ck_assert_int_eq(futex(&word, 77, 0, NULL, NULL, 0), -1);
    ck_assert_int_eq(errno, ENOSYS);
    ck_assert_int_eq(futex(&word, FUTEX_WAIT_PRIVATE, 0, &odd, NULL, 0), -1);
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_int_eq(
        futex(&word, FUTEX_WAIT_BITSET_PRIVATE, 0, NULL, NULL, 0), -1);
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_int_eq(futex((uint32_t *)(void *)((char *)&word + 1),
                           FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0),
                     -1);
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_int_eq(
        futex(conf_bad_address(), FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0), -1);
    ck_assert_int_eq(errno, EFAULT);
}
END_TEST

/* Waiting by number is in test_read, test_write, test_poll ... as well. */

static void put_byte(void *fd)
{
    CONF_CHECK(syscall(SYS_write, *(int *)fd, "x", (size_t)1) == 1);
}

START_TEST(read_write_and_poll_by_number_wait)
{
    int ends[2];
    struct pollfd ready = { 0, POLLIN, 0 };
    struct timespec limit = { 10, 0 };
    pthread_t writer;
    char byte = 0;

    conf_stream(_i, ends);
    ready.fd = ends[0];
    writer = start_later(DELAY_MS, put_byte, &ends[1]);
    ck_assert_int_eq(syscall(SYS_ppoll, &ready, 1, &limit, NULL, 8), 1);
    ck_assert_int_eq(syscall(SYS_read, ends[0], &byte, (size_t)1), 1);
    ck_assert_int_eq(byte, 'x');
    join_thread(writer);
    ck_assert_int_eq(syscall(SYS_close, ends[0]), 0);
    ck_assert_int_eq(syscall(SYS_close, ends[0]), -1);
    ck_assert_int_eq(errno, EBADF);
    ck_assert_int_eq(close(ends[1]), 0);
}
END_TEST

START_TEST(an_unknown_number_is_refused)
{
    ck_assert_int_eq(syscall(100000), -1);
    ck_assert_int_eq(errno, ENOSYS);
    ck_assert_int_eq(syscall(-2L), -1);
    ck_assert_int_eq(errno, ENOSYS);
}
END_TEST

static void add(TCase *tcase)
{
    conf_test(tcase, thread_ids_are_unique_and_stay, 1);
    conf_test(tcase, futex_waits_for_another_thread_to_wake_it, PAIRS);
    conf_test(tcase, futex_wakes_as_many_as_told, PAIRS);
    conf_test(tcase, futex_does_not_wait_for_what_has_happened, PAIRS);
    conf_test(tcase, futex_ends_at_its_time_limit, PAIRS);
    conf_test(tcase, futex_moves_waiters_to_another_word, 1);
    conf_test(tcase, futex_refuses, 1);
    conf_test(tcase, read_write_and_poll_by_number_wait, CONF_STREAMS);
    conf_test(tcase, an_unknown_number_is_refused, 1);
}

int main(void)
{
    return conf_main("syscall", add, CONF_THREADS);
}
