/* C11 threads: in glibc they go past the pthread_* names */
#include "conf_threads.h"

#include <threads.h>

static int give_back(void *argument)
{
    return *(int *)argument;
}

static thrd_t start(thrd_start_t function, void *argument)
{
    thrd_t thread;

    CONF_CHECK(thrd_create(&thread, function, argument) == thrd_success);
    return thread;
}

static int finish(thrd_t thread)
{
    int result = -1;

    CONF_CHECK(thrd_join(thread, &result) == thrd_success);
    return result;
}

START_TEST(join_gives_the_result)
{
    int value = 42;

    ck_assert_int_eq(finish(start(give_back, &value)), 42);
    ck_assert_int_eq(thrd_join(start(give_back, &value), NULL), thrd_success);
}
END_TEST

static int exit_early(void *argument)
{
    (void)argument;
    thrd_exit(17);
}

START_TEST(exit_gives_the_result)
{
    ck_assert_int_eq(finish(start(exit_early, NULL)), 17);
}
END_TEST

static int tell_self(void *argument)
{
    *(thrd_t *)argument = thrd_current();
    thrd_yield();
    return thrd_equal(*(thrd_t *)argument, thrd_current()) != 0;
}

START_TEST(knows_itself)
{
    thrd_t seen, thread = start(tell_self, &seen);

    ck_assert_int_eq(finish(thread), 1);
    ck_assert(thrd_equal(seen, thread));
    ck_assert(!thrd_equal(seen, thrd_current()));
    ck_assert(pthread_equal(thrd_current(), pthread_self()));
}
END_TEST

static mtx_t mutex;
static cnd_t cond;
static int tokens, waiting;

static int take_token(void *argument)
{
    (void)argument;
    CONF_CHECK(mtx_lock(&mutex) == thrd_success);
    waiting++;
    while (tokens == 0)
        CONF_CHECK(cnd_wait(&cond, &mutex) == thrd_success);
    tokens--;
    waiting--;
    CONF_CHECK(cnd_signal(&cond) == thrd_success);
    CONF_CHECK(mtx_unlock(&mutex) == thrd_success);
    return 0;
}

static void await_waiters(int count)
{
    int now = 0;

    while (now < count) {
        sleep_ms(1);
        CONF_CHECK(mtx_lock(&mutex) == thrd_success);
        now = waiting;
        CONF_CHECK(mtx_unlock(&mutex) == thrd_success);
    }
}

static void init(int type)
{
    ck_assert_int_eq(mtx_init(&mutex, type), thrd_success);
    ck_assert_int_eq(cnd_init(&cond), thrd_success);
    tokens = waiting = 0;
}

static void destroy(void)
{
    cnd_destroy(&cond);
    mtx_destroy(&mutex);
}

START_TEST(a_detached_thread_runs)
{
    thrd_t thread;

    init(mtx_plain);
    thread = start(take_token, NULL);
    ck_assert_int_eq(thrd_detach(thread), thrd_success);
    await_waiters(1);
    ck_assert_int_eq(mtx_lock(&mutex), thrd_success);
    tokens = 1;
    ck_assert_int_eq(cnd_signal(&cond), thrd_success);
    while (tokens == 1)
        ck_assert_int_eq(cnd_wait(&cond, &mutex), thrd_success);
    ck_assert_int_eq(mtx_unlock(&mutex), thrd_success);
    let_block();
    destroy();
}
END_TEST

START_TEST(signal_and_broadcast_wake)
{
    thrd_t threads[8];

    init(mtx_plain);
    for (int i = 0; i < 8; i++)
        threads[i] = start(take_token, NULL);
    await_waiters(8);
    ck_assert_int_eq(mtx_lock(&mutex), thrd_success);
    tokens = 8;
    ck_assert_int_eq(_i ? cnd_broadcast(&cond) : cnd_signal(&cond),
                     thrd_success);
    ck_assert_int_eq(mtx_unlock(&mutex), thrd_success);
    for (int i = 0; i < 8; i++)
        finish(threads[i]);
    destroy();
}
END_TEST

START_TEST(a_timed_wait_ends)
{
    struct timespec when;
    int64_t before = now_ns();
    int answer = thrd_success;

    init(mtx_plain);
    when = deadline_in(CLOCK_REALTIME, 30);
    ck_assert_int_eq(mtx_lock(&mutex), thrd_success);
    while (answer == thrd_success)
        answer = cnd_timedwait(&cond, &mutex, &when);
    ck_assert_int_eq(answer, thrd_timedout);
    ck_assert_int_ge(now_ns() - before, 29 * CONF_MS);
    ck_assert_int_eq(mtx_unlock(&mutex), thrd_success);
    destroy();
}
END_TEST

static int try_mutex(void *argument)
{
    int answer = mtx_trylock(&mutex);

    (void)argument;
    if (answer == thrd_success)
        CONF_CHECK(mtx_unlock(&mutex) == thrd_success);
    return answer;
}

static int lock_for_20_ms(void *argument)
{
    struct timespec when = deadline_in(CLOCK_REALTIME, 20);

    (void)argument;
    return mtx_timedlock(&mutex, &when);
}

static const int types[] = {mtx_plain, mtx_timed, mtx_plain | mtx_recursive,
                            mtx_timed | mtx_recursive};

START_TEST(mutexes_exclude)
{
    bool recursive = (types[_i] & mtx_recursive) != 0;

    init(types[_i]);
    ck_assert_int_eq(mtx_lock(&mutex), thrd_success);
    ck_assert_int_eq(mtx_trylock(&mutex), recursive ? thrd_success : thrd_busy);
    ck_assert_int_eq(finish(start(try_mutex, NULL)), thrd_busy);
    ck_assert_int_eq(finish(start(lock_for_20_ms, NULL)), thrd_timedout);
    if (recursive)
        ck_assert_int_eq(mtx_unlock(&mutex), thrd_success);
    ck_assert_int_eq(mtx_unlock(&mutex), thrd_success);
    ck_assert_int_eq(finish(start(try_mutex, NULL)), thrd_success);
    destroy();
}
END_TEST

static volatile int left, right;

static int count(void *argument)
{
    for (int i = 0; i < 1000; i++) {
        CONF_CHECK(mtx_lock(&mutex) == thrd_success);
        CONF_CHECK(left == right);
        left++;
        if (i % 16 == 0)
            thrd_yield();
        right++;
        CONF_CHECK(mtx_unlock(&mutex) == thrd_success);
    }
    return argument != NULL;
}

START_TEST(mutexes_exclude_under_stress)
{
    thrd_t threads[6];

    init(types[_i]);
    left = right = 0;
    for (int i = 0; i < 6; i++)
        threads[i] = start(count, NULL);
    for (int i = 0; i < 6; i++)
        finish(threads[i]);
    ck_assert_int_eq(left, 6000);
    destroy();
}
END_TEST

static once_flag flag = ONCE_FLAG_INIT;
static volatile int runs, finished;

static void run_slowly(void)
{
    runs++;
    sleep_ms(10);
    finished = 1;
}

static int run_once(void *argument)
{
    call_once(&flag, run_slowly);
    CONF_CHECK(finished == 1);
    return argument != NULL;
}

START_TEST(call_once_runs_once_and_others_wait)
{
    thrd_t threads[8];

    for (int i = 0; i < 8; i++)
        threads[i] = start(run_once, NULL);
    for (int i = 0; i < 8; i++)
        finish(threads[i]);
    ck_assert_int_eq(runs, 1);
}
END_TEST

static tss_t key;
static int destroyed;

static void destroy_value(void *value)
{
    CONF_CHECK(value == &destroyed);
    destroyed++;
    if (destroyed == 1)
        CONF_CHECK(tss_set(key, value) == thrd_success);
}

static int set_value(void *argument)
{
    CONF_CHECK(tss_get(key) == NULL);
    CONF_CHECK(tss_set(key, argument) == thrd_success);
    thrd_yield();
    CONF_CHECK(tss_get(key) == argument);
    return 0;
}

START_TEST(values_are_per_thread_and_destroyed)
{
    destroyed = 0;
    ck_assert_int_eq(tss_create(&key, destroy_value), thrd_success);
    ck_assert_ptr_null(tss_get(key));
    finish(start(set_value, &destroyed));
    ck_assert_int_eq(destroyed, 2);
    ck_assert_ptr_null(tss_get(key));
    tss_delete(key);
}
END_TEST

START_TEST(sleeps)
{
    struct timespec wait = {0, 20 * CONF_MS};
    int64_t before = now_ns();

    ck_assert_int_eq(thrd_sleep(&wait, NULL), 0);
    ck_assert_int_ge(now_ns() - before, 20 * CONF_MS);
    wait.tv_nsec = CONF_S;
    ck_assert_int_lt(thrd_sleep(&wait, NULL), -1);
}
END_TEST

static int64_t side_by_side;

static int sleep_in_thread(void *argument)
{
    struct timespec wait = {side_by_side / CONF_S, side_by_side % CONF_S};

    CONF_CHECK(thrd_sleep(&wait, NULL) == 0);
    return argument != NULL;
}

static int64_t sleep_in_twenty(void)
{
    thrd_t threads[20];
    int64_t before = now_ns();

    for (int i = 0; i < 20; i++)
        threads[i] = start(sleep_in_thread, NULL);
    for (int i = 0; i < 20; i++)
        finish(threads[i]);
    return now_ns() - before;
}

/* Where it takes long to make twenty threads they sleep longer. */
START_TEST(sleeps_side_by_side)
{
    int64_t took;

    side_by_side = 50 * CONF_MS;
    for (;;) {
        took = sleep_in_twenty();
        ck_assert_int_ge(took, side_by_side);
        if (took < 15 * side_by_side || side_by_side >= CONF_S)
            break;
        side_by_side *= 3;
    }
    ck_assert_int_lt(took, 15 * side_by_side);
}
END_TEST

static void add(TCase *tcase)
{
    conf_test(tcase, join_gives_the_result, 1);
    conf_test(tcase, exit_gives_the_result, 1);
    conf_test(tcase, knows_itself, 1);
    conf_test(tcase, a_detached_thread_runs, 1);
    conf_test(tcase, signal_and_broadcast_wake, 2);
    conf_test(tcase, a_timed_wait_ends, 1);
    conf_test(tcase, mutexes_exclude, 4);
    conf_test(tcase, mutexes_exclude_under_stress, 4);
    conf_test(tcase, call_once_runs_once_and_others_wait, 1);
    conf_test(tcase, values_are_per_thread_and_destroyed, 1);
    conf_test(tcase, sleeps, 1);
    conf_test(tcase, sleeps_side_by_side, 1);
}

int main(void)
{
    return conf_main("c11_threads", add, CONF_THREADS);
}
