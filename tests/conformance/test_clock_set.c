/* CLOCK_REALTIME is set while threads wait until a time of it: they wait for what
 * that clock says, and those that wait for a while, or by another clock, do not
 * notice.
 *
 * It sets the machine's clock, by a minute and back within a second, so it is only
 * run where TEST_SET_CLOCK=1 allows that. */
#include "conf_threads.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <mqueue.h>
#include <semaphore.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/timex.h>

enum { JUMP_S = 60, BEFORE_MS = 50000, SOON_MS = 300, LONG_MS = 10000 };

static sem_t never, shared_never;
static pthread_mutex_t held = PTHREAD_MUTEX_INITIALIZER, shared_held;
static pthread_rwlock_t written = PTHREAD_RWLOCK_INITIALIZER;
static mqd_t empty = (mqd_t)-1;

static int move_clock(int seconds)
{
    struct timex change = {.modes = ADJ_SETOFFSET, .time = {seconds, 0}};

    return clock_adjtime(CLOCK_REALTIME, &change);
}

/* ---- one of each ---- */

static void by_sem(const struct timespec *until)
{
    CONF_CHECK(sem_timedwait(&never, until) == -1 && errno == ETIMEDOUT);
}

static void by_shared_sem(const struct timespec *until)
{
    CONF_CHECK(sem_timedwait(&shared_never, until) == -1 &&
               errno == ETIMEDOUT);
}

static void by_cond(const struct timespec *until)
{
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t cond = PTHREAD_COND_INITIALIZER;

    CONF_CHECK(pthread_mutex_lock(&mutex) == 0);
    CONF_CHECK(pthread_cond_timedwait(&cond, &mutex, until) == ETIMEDOUT);
    CONF_CHECK(pthread_mutex_unlock(&mutex) == 0);
}

static void by_mutex(const struct timespec *until)
{
    CONF_CHECK(pthread_mutex_timedlock(&held, until) == ETIMEDOUT);
}

static void by_shared_mutex(const struct timespec *until)
{
    CONF_CHECK(pthread_mutex_timedlock(&shared_held, until) == ETIMEDOUT);
}

static void by_rwlock(const struct timespec *until)
{
    CONF_CHECK(pthread_rwlock_timedrdlock(&written, until) == ETIMEDOUT);
}

static void by_sleep(const struct timespec *until)
{
    CONF_CHECK(clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, until, NULL) ==
               0);
}

static void by_futex(const struct timespec *until)
{
    uint32_t word = 0;

    CONF_CHECK(syscall(SYS_futex, &word,
                       FUTEX_WAIT_BITSET_PRIVATE | FUTEX_CLOCK_REALTIME, 0,
                       until, NULL, FUTEX_BITSET_MATCH_ANY) == -1 &&
               errno == ETIMEDOUT);
}

static void by_queue(const struct timespec *until)
{
    char letter[64];

    CONF_CHECK(mq_timedreceive(empty, letter, sizeof letter, NULL, until) ==
                   -1 &&
               errno == ETIMEDOUT);
}

typedef void wait_function(const struct timespec *until);

static wait_function *const waits[] = {
    by_sem,    by_shared_sem, by_cond,  by_mutex, by_shared_mutex,
    by_rwlock, by_sleep,      by_futex, by_queue};
enum { WAITS = sizeof waits / sizeof *waits };

struct waiting {
    wait_function *function;
    struct timespec until;
    int over; /* atomic */
};

static void *wait_until(void *argument)
{
    struct waiting *waiting = argument;

    waiting->function(&waiting->until);
    __atomic_store_n(&waiting->over, 1, __ATOMIC_SEQ_CST);
    return NULL;
}

static int count_over(struct waiting *all)
{
    int count = 0;

    for (int i = 0; i < WAITS; i++)
        count += __atomic_load_n(&all[i].over, __ATOMIC_SEQ_CST);
    return count;
}

/* Until all are over, or for `ms`. */
static int over_within(struct waiting *all, int ms)
{
    int64_t end = now_ns() + ms * CONF_MS;

    while (count_over(all) < WAITS && now_ns() < end)
        sleep_ms(5);
    return count_over(all);
}

static void start(struct waiting *all, pthread_t *threads, int ms)
{
    for (int i = 0; i < WAITS; i++) {
        all[i] = (struct waiting){waits[i], deadline_in(CLOCK_REALTIME, ms),
                                  0};
        threads[i] = start_thread(wait_until, &all[i]);
    }
    sleep_ms(50);
}

static void *wait_a_while(void *argument)
{
    struct timespec time = {0, SOON_MS * CONF_MS}, until;
    int64_t begin = now_ns();

    CONF_CHECK(clock_nanosleep(CLOCK_REALTIME, 0, &time, NULL) == 0);
    CONF_CHECK(now_ns() - begin >= SOON_MS * CONF_MS);
    until = deadline_in(CLOCK_MONOTONIC, SOON_MS);
    begin = now_ns();
    CONF_CHECK(sem_clockwait(&never, CLOCK_MONOTONIC, &until) == -1);
    CONF_CHECK(now_ns() - begin >= SOON_MS * CONF_MS - CONF_MS);
    return argument;
}

/* ---- what is waited for ---- */

static void make(void)
{
    struct mq_attr attr = {.mq_maxmsg = 1, .mq_msgsize = 64};
    static bool made;
    pthread_mutexattr_t shared;
    char name[64];

    snprintf(name, sizeof name, "/clock_set.%d", (int)getpid());
    empty = mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, &attr);
    mq_unlink(name);
    if (made)
        return;
    made = true;
    CONF_CHECK(sem_init(&never, 0, 0) == 0);
    CONF_CHECK(sem_init(&shared_never, 1, 0) == 0);
    pthread_mutexattr_init(&shared);
    pthread_mutexattr_setpshared(&shared, PTHREAD_PROCESS_SHARED);
    CONF_CHECK(pthread_mutex_init(&shared_held, &shared) == 0);
    CONF_CHECK(pthread_mutex_lock(&held) == 0);
    CONF_CHECK(pthread_mutex_lock(&shared_held) == 0);
    CONF_CHECK(pthread_rwlock_wrlock(&written) == 0);
}

static bool may_set(void)
{
    const char *allowed = getenv("TEST_SET_CLOCK");

    if (allowed == NULL || strcmp(allowed, "1") != 0) {
        conf_skip("it sets the machine's clock: TEST_SET_CLOCK=1 allows "
                  "that");
        return false;
    }
    if (move_clock(0) < 0) {
        conf_skip("the clock may not be set here");
        return false;
    }
    return true;
}

START_TEST(those_whose_time_has_come_end)
{
    struct waiting all[WAITS];
    pthread_t threads[WAITS], other;
    int over;

    if (!may_set())
        return;
    make();
    start(all, threads, BEFORE_MS);
    other = start_thread(wait_a_while, NULL);
    ck_assert_int_eq(count_over(all), 0);
    ck_assert_int_ge(move_clock(JUMP_S), 0);
    over = over_within(all, LONG_MS);
    ck_assert_int_ge(move_clock(-JUMP_S), 0);
    ck_assert_int_eq(over, WAITS);
    for (int i = 0; i < WAITS; i++)
        join_thread(threads[i]);
    join_thread(other);
    mq_close(empty);
}
END_TEST

START_TEST(those_whose_time_has_gone_away_go_on)
{
    struct waiting all[WAITS];
    pthread_t threads[WAITS];
    int over;

    if (!may_set())
        return;
    make();
    start(all, threads, SOON_MS);
    ck_assert_int_ge(move_clock(-JUMP_S), 0);
    sleep_ms(3 * SOON_MS);
    over = count_over(all);
    ck_assert_int_ge(move_clock(JUMP_S), 0);
    ck_assert_int_eq(over, 0);
    ck_assert_int_eq(over_within(all, LONG_MS), WAITS);
    for (int i = 0; i < WAITS; i++)
        join_thread(threads[i]);
    mq_close(empty);
}
END_TEST

static void add(TCase *tcase)
{
    conf_test(tcase, those_whose_time_has_come_end, 1);
    conf_test(tcase, those_whose_time_has_gone_away_go_on, 1);
}

int main(void)
{
    return conf_main("clock_set", add, CONF_THREADS);
}
