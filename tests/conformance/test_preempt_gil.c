/* Fairness: who waits with a deadline, again and again, gets the lock in the
 * end.  The lock is taken and dropped as CPython does with its GIL. */
#include "conf_threads.h"

#include <errno.h>

enum { HOGS_MAX = 3, TURNS = 3, LIMIT_MS = 8000 };

static struct {
    pthread_mutex_t mutex, switch_mutex;
    pthread_cond_t cond, switch_cond;
    bool locked;
    volatile int drop_request;
    unsigned long switches;
    int holder;
} gil;

static int interval_ms; /* how long who waits is patient */
static int turns[HOGS_MAX];
static volatile int stop;

/* Waits for the lock; a wait that ended without a switch asks the holder to
 * drop it. */
static void wait_for_gil(void)
{
    while (gil.locked) {
        unsigned long before = gil.switches;
        struct timespec when = deadline_in(CLOCK_MONOTONIC, interval_ms);
        int err = pthread_cond_timedwait(&gil.cond, &gil.mutex, &when);

        CONF_CHECK(err == 0 || err == ETIMEDOUT);
        if (err == ETIMEDOUT && gil.locked && gil.switches == before)
            __atomic_store_n(&gil.drop_request, 1, __ATOMIC_SEQ_CST);
    }
}

static void take_gil(int me)
{
    CONF_CHECK(pthread_mutex_lock(&gil.mutex) == 0);
    wait_for_gil();
    CONF_CHECK(pthread_mutex_lock(&gil.switch_mutex) == 0);
    gil.locked = true;
    if (gil.holder != me) {
        gil.holder = me;
        gil.switches++;
    }
    CONF_CHECK(pthread_cond_signal(&gil.switch_cond) == 0);
    CONF_CHECK(pthread_mutex_unlock(&gil.switch_mutex) == 0);
    __atomic_store_n(&gil.drop_request, 0, __ATOMIC_SEQ_CST);
    CONF_CHECK(pthread_mutex_unlock(&gil.mutex) == 0);
}

/* A holder that was asked to drop the lock waits until another has it. */
static void drop_gil(int me)
{
    CONF_CHECK(pthread_mutex_lock(&gil.mutex) == 0);
    gil.holder = me;
    gil.locked = false;
    CONF_CHECK(pthread_cond_signal(&gil.cond) == 0);
    CONF_CHECK(pthread_mutex_unlock(&gil.mutex) == 0);
    if (!__atomic_load_n(&gil.drop_request, __ATOMIC_SEQ_CST))
        return;
    CONF_CHECK(pthread_mutex_lock(&gil.switch_mutex) == 0);
    if (gil.holder == me && !stop) {
        __atomic_store_n(&gil.drop_request, 0, __ATOMIC_SEQ_CST);
        CONF_CHECK(pthread_cond_wait(&gil.switch_cond, &gil.switch_mutex) == 0);
    }
    CONF_CHECK(pthread_mutex_unlock(&gil.switch_mutex) == 0);
}

/* Computes with the lock held until it is asked to drop it. */
static volatile int work;

static void compute(void)
{
    while (!stop && !__atomic_load_n(&gil.drop_request, __ATOMIC_SEQ_CST))
        for (int i = 0; i < 100; i++)
            work = i;
}

static void *hog(void *argument)
{
    int me = (int)(long)argument;

    while (!stop) {
        take_gil(me);
        __atomic_add_fetch(&turns[me], 1, __ATOMIC_SEQ_CST);
        compute();
        drop_gil(me);
    }
    return NULL;
}

static bool all_had_turns(int hogs)
{
    for (int i = 0; i < hogs; i++)
        if (__atomic_load_n(&turns[i], __ATOMIC_SEQ_CST) < TURNS)
            return false;
    return true;
}

/* The last ones to drop must not wait for a taker that never comes. */
static void stop_hogs(void)
{
    CONF_CHECK(pthread_mutex_lock(&gil.switch_mutex) == 0);
    stop = 1;
    CONF_CHECK(pthread_cond_broadcast(&gil.switch_cond) == 0);
    CONF_CHECK(pthread_mutex_unlock(&gil.switch_mutex) == 0);
}

static void init_gil(int interval)
{
    pthread_condattr_t attr;

    interval_ms = interval;
    memset(&gil, 0, sizeof gil);
    gil.holder = -1;
    CONF_CHECK(pthread_condattr_init(&attr) == 0);
    CONF_CHECK(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0);
    CONF_CHECK(pthread_mutex_init(&gil.mutex, NULL) == 0);
    CONF_CHECK(pthread_mutex_init(&gil.switch_mutex, NULL) == 0);
    CONF_CHECK(pthread_cond_init(&gil.cond, &attr) == 0);
    CONF_CHECK(pthread_cond_init(&gil.switch_cond, &attr) == 0);
    CONF_CHECK(pthread_condattr_destroy(&attr) == 0);
    memset(turns, 0, sizeof turns);
    stop = 0;
}

/* Two or three threads that would never let go by themselves. */
START_TEST(every_hog_gets_its_turns)
{
    int hogs = _i + 2;
    int64_t limit = now_ns() + LIMIT_MS * CONF_MS;
    pthread_t threads[HOGS_MAX];

    init_gil(5);
    for (long i = 0; i < hogs; i++)
        threads[i] = start_thread(hog, (void *)i);
    while (!all_had_turns(hogs) && now_ns() < limit)
        sleep_ms(5);
    stop_hogs();
    for (int i = 0; i < hogs; i++)
        join_thread(threads[i]);
    for (int i = 0; i < hogs; i++)
        ck_assert_msg(turns[i] >= TURNS, "thread %d had %d turns of %d (%d, %d, %d)", i,
                      turns[i], TURNS, turns[0], turns[1], turns[2]);
}
END_TEST

/* A third that takes the lock for a moment, sleeps, and comes back: a server's
 * request threads beside two that compute. */
static void *visit(void *argument)
{
    int me = (int)(long)argument;

    while (!stop) {
        take_gil(me);
        __atomic_add_fetch(&turns[me], 1, __ATOMIC_SEQ_CST);
        drop_gil(me);
        sleep_ms(1);
    }
    return NULL;
}

/* With 1 ms all that wait have lost patience before anybody gives way. */
START_TEST(a_visitor_gets_in_between_hogs)
{
    int64_t limit = now_ns() + LIMIT_MS * CONF_MS;
    pthread_t threads[HOGS_MAX];

    init_gil(_i == 0 ? 5 : 1);
    for (long i = 0; i < 2; i++)
        threads[i] = start_thread(hog, (void *)i);
    threads[2] = start_thread(visit, (void *)2L);
    while (!all_had_turns(HOGS_MAX) && now_ns() < limit)
        sleep_ms(5);
    stop_hogs();
    for (int i = 0; i < HOGS_MAX; i++)
        join_thread(threads[i]);
    for (int i = 0; i < HOGS_MAX; i++)
        ck_assert_msg(turns[i] >= TURNS, "thread %d had %d turns of %d (%d, %d, %d)", i,
                      turns[i], TURNS, turns[0], turns[1], turns[2]);
}
END_TEST

static void add(TCase *tcase)
{
    conf_test(tcase, every_hog_gets_its_turns, 2);
    conf_test(tcase, a_visitor_gets_in_between_hogs, 2);
}

int main(void)
{
    return conf_main("preempt_gil", add, CONF_THREADS);
}
