/* Read-write locks: readers share, a writer is alone */
#include "conf_threads.h"

#include <errno.h>
#include <sched.h>

/* Whom a lock prefers decides whether a reader waits behind a writer. */
static const struct {
    int kind;
    bool reader_passes; /* a new reader, when a writer waits for readers */
} kinds[] = {
    {PTHREAD_RWLOCK_PREFER_READER_NP, true},
    {PTHREAD_RWLOCK_PREFER_WRITER_NP, true}, /* as glibc documents it */
    {PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP, false},
};
enum { KINDS = sizeof kinds / sizeof *kinds };

static pthread_rwlock_t lock;

static void init(int which)
{
    pthread_rwlockattr_t attr;
    int kind;

    ck_assert_int_eq(pthread_rwlockattr_init(&attr), 0);
    ck_assert_int_eq(pthread_rwlockattr_getkind_np(&attr, &kind), 0);
    ck_assert_int_eq(kind, PTHREAD_RWLOCK_DEFAULT_NP);
    ck_assert_int_eq(pthread_rwlockattr_setkind_np(&attr, 77), EINVAL);
    ck_assert_int_eq(pthread_rwlockattr_setkind_np(&attr, kinds[which].kind),
                     0);
    ck_assert_int_eq(pthread_rwlock_init(&lock, &attr), 0);
    ck_assert_int_eq(pthread_rwlockattr_destroy(&attr), 0);
}

static void destroy(void)
{
    ck_assert_int_eq(pthread_rwlock_destroy(&lock), 0);
}

typedef int operation(pthread_rwlock_t *);

static void *call(void *function)
{
    operation *operate = *(operation **)function;
    int err = operate(&lock);

    if (err == 0)
        CONF_CHECK(pthread_rwlock_unlock(&lock) == 0);
    return (void *)(long)err;
}

/* Another thread tries, and lets go again. */
static int elsewhere(operation *function)
{
    return (int)(long)join_thread(start_thread(call, &function));
}

START_TEST(readers_share)
{
    init(_i);
    ck_assert_int_eq(pthread_rwlock_rdlock(&lock), 0);
    ck_assert_int_eq(elsewhere(pthread_rwlock_rdlock), 0);
    ck_assert_int_eq(elsewhere(pthread_rwlock_tryrdlock), 0);
    ck_assert_int_eq(elsewhere(pthread_rwlock_trywrlock), EBUSY);
    ck_assert_int_eq(pthread_rwlock_unlock(&lock), 0);
    ck_assert_int_eq(elsewhere(pthread_rwlock_trywrlock), 0);
    destroy();
}
END_TEST

START_TEST(a_writer_is_alone)
{
    init(_i);
    ck_assert_int_eq(pthread_rwlock_wrlock(&lock), 0);
    ck_assert_int_eq(elsewhere(pthread_rwlock_tryrdlock), EBUSY);
    ck_assert_int_eq(elsewhere(pthread_rwlock_trywrlock), EBUSY);
    ck_assert_int_eq(pthread_rwlock_unlock(&lock), 0);
    ck_assert_int_eq(elsewhere(pthread_rwlock_rdlock), 0);
    ck_assert_int_eq(elsewhere(pthread_rwlock_wrlock), 0);
    destroy();
}
END_TEST

START_TEST(readers_count)
{
    init(_i);
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(pthread_rwlock_rdlock(&lock), 0);
    for (int i = 0; i < 100; i++) {
        ck_assert_int_eq(elsewhere(pthread_rwlock_trywrlock), EBUSY);
        ck_assert_int_eq(pthread_rwlock_unlock(&lock), 0);
    }
    ck_assert_int_eq(elsewhere(pthread_rwlock_trywrlock), 0);
    destroy();
}
END_TEST

START_TEST(a_writer_who_asks_again_is_told)
{
    init(_i);
    ck_assert_int_eq(pthread_rwlock_wrlock(&lock), 0);
    ck_assert_int_eq(pthread_rwlock_wrlock(&lock), EDEADLK);
    ck_assert_int_eq(pthread_rwlock_rdlock(&lock), EDEADLK);
    ck_assert_int_eq(pthread_rwlock_trywrlock(&lock), EBUSY);
    ck_assert_int_eq(pthread_rwlock_tryrdlock(&lock), EBUSY);
    ck_assert_int_eq(pthread_rwlock_unlock(&lock), 0);
    destroy();
}
END_TEST

static volatile int entered;

static void *enter(void *function)
{
    CONF_CHECK((*(operation **)function)(&lock) == 0);
    __atomic_add_fetch(&entered, 1, __ATOMIC_SEQ_CST);
    CONF_CHECK(pthread_rwlock_unlock(&lock) == 0);
    return NULL;
}

/* Five that wait while `held` is held, and go on when it is given up. */
static void wait_and_go_on(operation *hold, operation *wanted)
{
    pthread_t threads[5];

    entered = 0;
    ck_assert_int_eq(hold(&lock), 0);
    for (int i = 0; i < 5; i++)
        threads[i] = start_thread(enter, &wanted);
    let_block();
    ck_assert_int_eq(entered, 0);
    ck_assert_int_eq(pthread_rwlock_unlock(&lock), 0);
    for (int i = 0; i < 5; i++)
        join_thread(threads[i]);
    ck_assert_int_eq(entered, 5);
}

START_TEST(those_who_wait_go_on)
{
    init(_i);
    wait_and_go_on(pthread_rwlock_wrlock, pthread_rwlock_rdlock);
    wait_and_go_on(pthread_rwlock_wrlock, pthread_rwlock_wrlock);
    wait_and_go_on(pthread_rwlock_rdlock, pthread_rwlock_wrlock);
    destroy();
}
END_TEST

START_TEST(a_reader_passes_a_waiting_writer_or_not)
{
    operation *write = pthread_rwlock_wrlock;
    pthread_t writer;

    init(_i);
    entered = 0;
    ck_assert_int_eq(pthread_rwlock_rdlock(&lock), 0);
    writer = start_thread(enter, &write);
    sleep_ms(100);
    ck_assert_int_eq(elsewhere(pthread_rwlock_tryrdlock),
                     kinds[_i].reader_passes ? 0 : EBUSY);
    ck_assert_int_eq(entered, 0);
    ck_assert_int_eq(pthread_rwlock_unlock(&lock), 0);
    join_thread(writer);
    ck_assert_int_eq(entered, 1);
    destroy();
}
END_TEST

/* Timed: timedrdlock and timedwrlock, clock variants with either clock. */
enum { VARIANTS = 6 };

static clockid_t clock_of(int variant)
{
    return variant >= 4 ? CLOCK_MONOTONIC : CLOCK_REALTIME;
}

static int lock_until(int variant, const struct timespec *when)
{
    switch (variant) {
    case 0:
        return pthread_rwlock_timedrdlock(&lock, when);
    case 1:
        return pthread_rwlock_timedwrlock(&lock, when);
    case 2:
    case 4:
        return pthread_rwlock_clockrdlock(&lock, clock_of(variant), when);
    default:
        return pthread_rwlock_clockwrlock(&lock, clock_of(variant), when);
    }
}

struct attempt {
    int variant;
    struct timespec when;
};

static void *attempt(void *argument)
{
    struct attempt *self = argument;
    int err = lock_until(self->variant, &self->when);

    if (err == 0)
        CONF_CHECK(pthread_rwlock_unlock(&lock) == 0);
    return (void *)(long)err;
}

START_TEST(gives_up_at_the_deadline)
{
    struct attempt late = {_i, deadline_in(clock_of(_i), -1000)};
    struct attempt soon;
    int64_t before;

    init(0);
    ck_assert_int_eq(pthread_rwlock_wrlock(&lock), 0);
    ck_assert_int_eq((long)join_thread(start_thread(attempt, &late)),
                     ETIMEDOUT);
    before = now_ns();
    soon = (struct attempt){_i, deadline_in(clock_of(_i), 30)};
    ck_assert_int_eq((long)join_thread(start_thread(attempt, &soon)),
                     ETIMEDOUT);
    ck_assert_int_ge(now_ns() - before, 29 * CONF_MS);
    ck_assert_int_eq(pthread_rwlock_unlock(&lock), 0);
    ck_assert_int_eq((long)join_thread(start_thread(attempt, &late)), 0);
    destroy();
}
END_TEST

START_TEST(gets_it_before_the_deadline)
{
    struct attempt in_time = {_i, deadline_in(clock_of(_i), 20000)};
    pthread_t thread;

    init(0);
    ck_assert_int_eq(pthread_rwlock_wrlock(&lock), 0);
    thread = start_thread(attempt, &in_time);
    let_block();
    ck_assert_int_eq(pthread_rwlock_unlock(&lock), 0);
    ck_assert_int_eq((long)join_thread(thread), 0);
    destroy();
}
END_TEST

START_TEST(refuses_a_time_that_is_none)
{
    struct attempt bad = {_i, bad_deadline()};

    init(0);
    ck_assert_int_eq(pthread_rwlock_wrlock(&lock), 0);
    ck_assert_int_eq((long)join_thread(start_thread(attempt, &bad)), EINVAL);
    ck_assert_int_eq(pthread_rwlock_unlock(&lock), 0);
    destroy();
}
END_TEST

/* A writer that gave up does not keep readers out for ever. */
START_TEST(a_writer_who_gave_up_is_forgotten)
{
    struct attempt soon = {1, deadline_in(CLOCK_REALTIME, 20)};

    init(_i);
    ck_assert_int_eq(pthread_rwlock_rdlock(&lock), 0);
    ck_assert_int_eq((long)join_thread(start_thread(attempt, &soon)),
                     ETIMEDOUT);
    ck_assert_int_eq(elsewhere(pthread_rwlock_tryrdlock), 0);
    ck_assert_int_eq(pthread_rwlock_unlock(&lock), 0);
    destroy();
}
END_TEST

static volatile int left, right;
enum { ROUNDS = 1000 };

static void *write_and_read(void *argument)
{
    for (int i = 0; i < ROUNDS; i++) {
        CONF_CHECK(pthread_rwlock_wrlock(&lock) == 0);
        left++;
        if (i % 32 == 0)
            sched_yield();
        right++;
        CONF_CHECK(pthread_rwlock_unlock(&lock) == 0);
        CONF_CHECK(pthread_rwlock_rdlock(&lock) == 0);
        CONF_CHECK(left == right);
        if (i % 32 == 16)
            sched_yield();
        CONF_CHECK(left == right);
        CONF_CHECK(pthread_rwlock_unlock(&lock) == 0);
    }
    return argument;
}

START_TEST(excludes)
{
    pthread_t threads[6];

    init(_i);
    left = right = 0;
    for (int i = 0; i < 6; i++)
        threads[i] = start_thread(write_and_read, NULL);
    for (int i = 0; i < 6; i++)
        join_thread(threads[i]);
    ck_assert_int_eq(left, 6 * ROUNDS);
    destroy();
}
END_TEST

static pthread_rwlock_t ready_made[2] = {
    PTHREAD_RWLOCK_INITIALIZER,
    PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP,
};

START_TEST(static_initialisers_work)
{
    ck_assert_int_eq(pthread_rwlock_rdlock(&ready_made[_i]), 0);
    ck_assert_int_eq(pthread_rwlock_trywrlock(&ready_made[_i]), EBUSY);
    ck_assert_int_eq(pthread_rwlock_unlock(&ready_made[_i]), 0);
    ck_assert_int_eq(pthread_rwlock_trywrlock(&ready_made[_i]), 0);
    ck_assert_int_eq(pthread_rwlock_unlock(&ready_made[_i]), 0);
    ck_assert_int_eq(pthread_rwlock_destroy(&ready_made[_i]), 0);
}
END_TEST

static void add(TCase *tcase)
{
    conf_test(tcase, readers_share, KINDS);
    conf_test(tcase, a_writer_is_alone, KINDS);
    conf_test(tcase, readers_count, KINDS);
    conf_test(tcase, a_writer_who_asks_again_is_told, KINDS);
    conf_test(tcase, those_who_wait_go_on, KINDS);
    conf_test(tcase, a_reader_passes_a_waiting_writer_or_not, KINDS);
    conf_test(tcase, gives_up_at_the_deadline, VARIANTS);
    conf_test(tcase, gets_it_before_the_deadline, VARIANTS);
    conf_test(tcase, refuses_a_time_that_is_none, VARIANTS);
    conf_test(tcase, a_writer_who_gave_up_is_forgotten, KINDS);
    conf_test(tcase, excludes, KINDS);
    conf_test(tcase, static_initialisers_work, 2);
}

int main(void)
{
    return conf_main("rwlock", add, CONF_THREADS);
}
