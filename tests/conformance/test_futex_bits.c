/* futex(2): waits and wake-ups by bits, and what is moved with them */
#include "conf_threads.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { WAITERS = 4, ALL = (1 << WAITERS) - 1 };

static uint32_t word, elsewhere;
static const int private_or_not[] = {FUTEX_PRIVATE_FLAG, 0};
enum { KINDS = 2 };

/* Atomic: who is about to wait, and who has been woken, by the bit that it waits
 * for. */
static uint32_t begun, woken;

static long futex(uint32_t *at, int op, uint32_t value, uintptr_t other,
                  uint32_t *second, uint32_t bits)
{
    return syscall(SYS_futex, at, op, value, other, second, bits);
}

static int shared_flag;

static void *wait_for_bit(void *bit)
{
    uint32_t mine = 1u << (uintptr_t)bit;

    __atomic_or_fetch(&begun, mine, __ATOMIC_SEQ_CST);
    CONF_CHECK(
        futex(&word, FUTEX_WAIT_BITSET | shared_flag, 0, 0, NULL, mine) == 0);
    __atomic_or_fetch(&woken, mine, __ATOMIC_SEQ_CST);
    return NULL;
}

static void start_waiters(pthread_t threads[WAITERS], int flag)
{
    word = elsewhere = begun = woken = 0;
    shared_flag = flag;
    for (uintptr_t i = 0; i < WAITERS; i++)
        threads[i] = start_thread(wait_for_bit, (void *)i);
    while (__atomic_load_n(&begun, __ATOMIC_SEQ_CST) != ALL)
        sleep_ms(1);
    sleep_ms(200); /* nothing tells that it waits: a busy machine takes its time */
}

static long wake(uint32_t *at, int n, uint32_t bits)
{
    return futex(at, FUTEX_WAKE_BITSET | shared_flag, (uint32_t)n, 0, NULL,
                 bits);
}

/* So many have been woken, and no more: who. */
static uint32_t who(int count)
{
    uint32_t now;

    do {
        sleep_ms(20);
        now = __atomic_load_n(&woken, __ATOMIC_SEQ_CST);
    } while (__builtin_popcount(now) < count);
    return now;
}

START_TEST(only_those_that_wait_for_it_are_woken)
    {
        pthread_t threads[WAITERS];

        start_waiters(threads, private_or_not[_i]);
        ck_assert_int_eq(wake(&word, INT_MAX, 0x10), 0);
        ck_assert_uint_eq(who(0), 0);
        ck_assert_int_eq(wake(&word, INT_MAX, 4), 1);
        ck_assert_uint_eq(who(1), 4);
        ck_assert_int_eq(wake(&word, 1, 1 | 8), 1);
        ck_assert_int_eq(__builtin_popcount(who(2) & (1 | 8)), 1);
        ck_assert_int_eq(wake(&word, INT_MAX, 1 | 8), 1);
        ck_assert_uint_eq(who(3), 1 | 4 | 8);
        ck_assert_int_eq(wake(&word, INT_MAX, FUTEX_BITSET_MATCH_ANY), 1);
        for (int i = 0; i < WAITERS; i++)
            join_thread(threads[i]);
    }
END_TEST

START_TEST(a_wake_without_bits_is_for_all)
    {
        pthread_t threads[WAITERS];

        start_waiters(threads, private_or_not[_i]);
        ck_assert_int_eq(
            futex(&word, FUTEX_WAKE | shared_flag, INT_MAX, 0, NULL, 0),
            WAITERS);
        for (int i = 0; i < WAITERS; i++)
            join_thread(threads[i]);
    }
END_TEST

START_TEST(bits_stay_with_who_is_moved)
    {
        pthread_t threads[WAITERS];

        start_waiters(threads, private_or_not[_i]);
        ck_assert_int_eq(futex(&word, FUTEX_CMP_REQUEUE | shared_flag, 0,
                               INT_MAX, &elsewhere, 0),
                         WAITERS);
        ck_assert_int_eq(wake(&word, INT_MAX, 2), 0);
        ck_assert_int_eq(wake(&elsewhere, INT_MAX, 2), 1);
        ck_assert_uint_eq(who(1), 2);
        ck_assert_int_eq(wake(&elsewhere, INT_MAX, FUTEX_BITSET_MATCH_ANY),
                         WAITERS - 1);
        for (int i = 0; i < WAITERS; i++)
            join_thread(threads[i]);
    }
END_TEST

static void add(TCase *tcase)
{
    conf_test(tcase, only_those_that_wait_for_it_are_woken, KINDS);
    conf_test(tcase, a_wake_without_bits_is_for_all, KINDS);
    conf_test(tcase, bits_stay_with_who_is_moved, KINDS);
}

int main(void)
{
    return conf_main("futex_bits", add, CONF_THREADS);
}
