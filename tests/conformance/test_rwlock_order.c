/* pthread_rwlockattr_setkind_np(3): who gets a lock first, and who is kept out */
#include "conf_threads.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

static const int kinds[] = { PTHREAD_RWLOCK_PREFER_READER_NP,
                             PTHREAD_RWLOCK_PREFER_WRITER_NP,
                             PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP };
enum { KINDS = 3, NONRECURSIVE = 2 };

static pthread_rwlock_t lock;
static char order[16];
static int entered, inside, most_inside; /* atomic */

static void make_lock(int kind)
{
    pthread_rwlockattr_t attributes;

    pthread_rwlockattr_init(&attributes);
    ck_assert_int_eq(pthread_rwlockattr_setkind_np(&attributes, kinds[kind]),
                     0);
    ck_assert_int_eq(pthread_rwlock_init(&lock, &attributes), 0);
    pthread_rwlockattr_destroy(&attributes);
    memset(order, 0, sizeof order);
    entered = inside = most_inside = 0;
}

static void enter(char name)
{
    int now = __atomic_add_fetch(&inside, 1, __ATOMIC_SEQ_CST);

    if (now > most_inside)
        most_inside = now;
    order[__atomic_fetch_add(&entered, 1, __ATOMIC_SEQ_CST)] = name;
    sleep_ms(60);
    __atomic_fetch_sub(&inside, 1, __ATOMIC_SEQ_CST);
    CONF_CHECK(pthread_rwlock_unlock(&lock) == 0);
}

static void *read_it(void *name)
{
    CONF_CHECK(pthread_rwlock_rdlock(&lock) == 0);
    enter((char)(intptr_t)name);
    return NULL;
}

static void *write_it(void *name)
{
    CONF_CHECK(pthread_rwlock_wrlock(&lock) == 0);
    enter((char)(intptr_t)name);
    return NULL;
}

/* One thread a letter, in this order: r and R read, w and W write. */
static void run_all(const char *who)
{
    pthread_t threads[8];
    size_t count = strlen(who);

    for (size_t i = 0; i < count; i++) {
        bool writes = who[i] == 'w' || who[i] == 'W';

        threads[i] = start_thread(writes ? write_it : read_it,
                                  (void *)(intptr_t)who[i]);
        sleep_ms(60);
    }
    ck_assert_int_eq(pthread_rwlock_unlock(&lock), 0);
    for (size_t i = 0; i < count; i++)
        join_thread(threads[i]);
    ck_assert_int_eq(pthread_rwlock_destroy(&lock), 0);
}

START_TEST(a_writer_that_ends_is_followed_by_readers_or_a_writer)
{
    static const char *const expected[KINDS] = { "rw", "wr", "wr" };

    make_lock(_i);
    ck_assert_int_eq(pthread_rwlock_wrlock(&lock), 0);
    run_all("rw");
    ck_assert_str_eq(order, expected[_i]);
    make_lock(_i);
    ck_assert_int_eq(pthread_rwlock_wrlock(&lock), 0);
    run_all("wr");
    ck_assert_str_eq(order, expected[_i]);
}
END_TEST

START_TEST(readers_pass_a_writer_that_waits_unless_the_kind_forbids_it)
{
    static const char *const expected[KINDS] = { "rw", "rw", "wr" };

    make_lock(_i);
    ck_assert_int_eq(pthread_rwlock_rdlock(&lock), 0);
    run_all("wr");
    ck_assert_str_eq(order, expected[_i]);
}
END_TEST

static void *try_both(void *unused)
{
    CONF_CHECK(pthread_rwlock_trywrlock(&lock) == EBUSY);
    if (unused != NULL) {
        CONF_CHECK(pthread_rwlock_tryrdlock(&lock) == EBUSY);
    } else {
        CONF_CHECK(pthread_rwlock_tryrdlock(&lock) == 0);
        CONF_CHECK(pthread_rwlock_unlock(&lock) == 0);
    }
    return NULL;
}

START_TEST(so_does_who_only_tries)
{
    pthread_t writer;

    make_lock(_i);
    ck_assert_int_eq(pthread_rwlock_rdlock(&lock), 0);
    writer = start_thread(write_it, (void *)(intptr_t)'w');
    sleep_ms(60);
    join_thread(start_thread(try_both, _i == NONRECURSIVE ? &lock : NULL));
    ck_assert_int_eq(pthread_rwlock_unlock(&lock), 0);
    join_thread(writer);
    ck_assert_int_eq(pthread_rwlock_destroy(&lock), 0);
}
END_TEST

/* Readers that waited enter together. */
START_TEST(all_readers_enter_together)
{
    make_lock(_i);
    ck_assert_int_eq(pthread_rwlock_wrlock(&lock), 0);
    run_all("rrrw");
    ck_assert_int_eq(order[_i == 0 ? 3 : 0], 'w');
    ck_assert_int_eq(most_inside, 3);
}
END_TEST

static const struct timespec long_ago = { 1, 0 };

/* A writer that gave up keeps nobody out. */
static void *give_up(void *unused)
{
    struct timespec until;

    CONF_CHECK(pthread_rwlock_timedwrlock(&lock, &long_ago) == ETIMEDOUT);
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += 150 * CONF_MS;
    if (until.tv_nsec >= CONF_S)
        until.tv_nsec -= CONF_S, until.tv_sec++;
    CONF_CHECK(pthread_rwlock_timedwrlock(&lock, &until) == ETIMEDOUT);
    return unused;
}

START_TEST(a_writer_that_gave_up_keeps_nobody_out)
{
    pthread_t writer, reader;

    make_lock(_i);
    ck_assert_int_eq(pthread_rwlock_rdlock(&lock), 0);
    writer = start_thread(give_up, NULL);
    sleep_ms(60);
    reader = start_thread(read_it, (void *)(intptr_t)'r');
    join_thread(writer);
    join_thread(reader); /* main still has it */
    ck_assert_int_eq(pthread_rwlock_unlock(&lock), 0);
    ck_assert_str_eq(order, "r");
    ck_assert_int_eq(pthread_rwlock_destroy(&lock), 0);
}
END_TEST

static void add(TCase *tcase)
{
    conf_test(tcase, a_writer_that_ends_is_followed_by_readers_or_a_writer,
              KINDS);
    conf_test(tcase, readers_pass_a_writer_that_waits_unless_the_kind_forbids_it,
              KINDS);
    conf_test(tcase, so_does_who_only_tries, KINDS);
    conf_test(tcase, all_readers_enter_together, KINDS);
    conf_test(tcase, a_writer_that_gave_up_keeps_nobody_out, KINDS);
}

int main(void)
{
    return conf_main("rwlock_order", add, CONF_THREADS);
}
