/* pthread_cancel(3): states, types, handlers, and what no point is */
#include "conf_threads.h"

#include <errno.h>
#include <sched.h>
#include <semaphore.h>
#include <stdlib.h>

static sem_t ready, go_on;
static char trail[32];

static void setup(void)
{
    ck_assert_int_eq(sem_init(&ready, 0, 0), 0);
    ck_assert_int_eq(sem_init(&go_on, 0, 0), 0);
    trail[0] = 0;
}

static void leave_mark(void *mark)
{
    strncat(trail, mark, sizeof trail - strlen(trail) - 1);
}

static void say_ready(void)
{
    CONF_CHECK(sem_post(&ready) == 0);
}

static void wait_until_ready(void)
{
    ck_assert_int_eq(sem_wait(&ready), 0);
}

static void set_state(int state)
{
    CONF_CHECK(pthread_setcancelstate(state, NULL) == 0);
}

/* A thread that gets its cancellation while it may not act on it. */
static void wait_undisturbed(void)
{
    set_state(PTHREAD_CANCEL_DISABLE);
    say_ready();
    CONF_CHECK(sem_wait(&go_on) == 0);
}

static void *sleep_long(void *argument)
{
    say_ready();
    sleep_ms(20000);
    return argument;
}

START_TEST(is_seen_by_the_joiner)
{
    pthread_t thread = start_thread(sleep_long, NULL);

    wait_until_ready();
    ck_assert_int_eq(pthread_cancel(thread), 0);
    ck_assert_ptr_eq(join_thread(thread), PTHREAD_CANCELED);
}
END_TEST

START_TEST(reaches_a_thread_that_has_not_begun)
{
    for (int i = 0; i < 20; i++) {
        pthread_t thread = start_thread(sleep_long, NULL);

        ck_assert_int_eq(pthread_cancel(thread), 0);
        ck_assert_ptr_eq(join_thread(thread), PTHREAD_CANCELED);
    }
}
END_TEST

START_TEST(many_blocked_threads_end)
{
    pthread_t threads[50];

    for (int i = 0; i < 50; i++)
        threads[i] = start_thread(sleep_long, NULL);
    for (int i = 0; i < 50; i++)
        wait_until_ready();
    for (int i = 0; i < 50; i++)
        ck_assert_int_eq(pthread_cancel(threads[i]), 0);
    for (int i = 0; i < 50; i++)
        ck_assert_ptr_eq(join_thread(threads[i]), PTHREAD_CANCELED);
}
END_TEST

static void *sleep_with_handlers(void *argument)
{
    pthread_cleanup_push(leave_mark, "a");
    pthread_cleanup_push(leave_mark, "b");
    pthread_cleanup_push(leave_mark, "c");
    pthread_cleanup_pop(0);
    sleep_long(argument);
    pthread_cleanup_pop(0);
    pthread_cleanup_pop(0);
    return NULL;
}

static pthread_key_t key;

static void destroy(void *value)
{
    leave_mark(value);
}

static void *sleep_with_a_key(void *argument)
{
    CONF_CHECK(pthread_setspecific(key, "k") == 0);
    return sleep_with_handlers(argument);
}

START_TEST(runs_handlers_then_destructors)
{
    pthread_t thread;

    ck_assert_int_eq(pthread_key_create(&key, destroy), 0);
    thread = start_thread(sleep_with_a_key, NULL);
    wait_until_ready();
    ck_assert_int_eq(pthread_cancel(thread), 0);
    join_thread(thread);
    ck_assert_str_eq(trail, "bak");
    ck_assert_int_eq(pthread_key_delete(key), 0);
}
END_TEST

static void check_disabled(void *argument)
{
    (void)argument;
    sleep_ms(5);
    leave_mark("s");
}

static void *sleep_and_sleep_again(void *argument)
{
    pthread_cleanup_push(check_disabled, NULL);
    sleep_long(argument);
    pthread_cleanup_pop(0);
    return NULL;
}

START_TEST(a_handler_may_block_and_is_not_cancelled_again)
{
    pthread_t thread = start_thread(sleep_and_sleep_again, NULL);

    wait_until_ready();
    ck_assert_int_eq(pthread_cancel(thread), 0);
    ck_assert_int_eq(pthread_cancel(thread), 0);
    ck_assert_ptr_eq(join_thread(thread), PTHREAD_CANCELED);
    ck_assert_str_eq(trail, "s");
}
END_TEST

static void *disabled_all_the_time(void *argument)
{
    wait_undisturbed();
    sleep_ms(5);
    pthread_testcancel();
    return argument;
}

START_TEST(waits_while_disabled)
{
    pthread_t thread = start_thread(disabled_all_the_time, &ready);

    wait_until_ready();
    ck_assert_int_eq(pthread_cancel(thread), 0);
    let_block();
    ck_assert_int_eq(sem_post(&go_on), 0);
    ck_assert_ptr_eq(join_thread(thread), &ready);
}
END_TEST

static void *enable_and_test(void *argument)
{
    wait_undisturbed();
    set_state(PTHREAD_CANCEL_ENABLE);
    leave_mark("1");
    pthread_testcancel();
    leave_mark("2");
    return argument;
}

START_TEST(testcancel_acts_on_what_is_pending)
{
    pthread_t thread = start_thread(enable_and_test, NULL);

    wait_until_ready();
    ck_assert_int_eq(pthread_cancel(thread), 0);
    ck_assert_int_eq(sem_post(&go_on), 0);
    ck_assert_ptr_eq(join_thread(thread), PTHREAD_CANCELED);
    ck_assert_str_eq(trail, "1");
}
END_TEST

static void *testcancel_for_nothing(void *argument)
{
    pthread_testcancel();
    return argument;
}

START_TEST(testcancel_alone_does_nothing)
{
    ck_assert_ptr_eq(join_thread(start_thread(testcancel_for_nothing, &key)),
                     &key);
}
END_TEST

static void *become_asynchronous(void *argument)
{
    wait_undisturbed();
    set_state(PTHREAD_CANCEL_ENABLE);
    leave_mark("1");
    CONF_CHECK(pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL) == 0);
    leave_mark("2");
    return argument;
}

START_TEST(asynchronous_acts_on_what_is_pending)
{
    pthread_t thread = start_thread(become_asynchronous, NULL);

    wait_until_ready();
    ck_assert_int_eq(pthread_cancel(thread), 0);
    ck_assert_int_eq(sem_post(&go_on), 0);
    ck_assert_ptr_eq(join_thread(thread), PTHREAD_CANCELED);
    ck_assert_str_eq(trail, "1");
}
END_TEST

static void *sleep_asynchronous(void *argument)
{
    CONF_CHECK(pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL) == 0);
    return sleep_with_handlers(argument);
}

START_TEST(asynchronous_stops_a_sleep)
{
    pthread_t thread = start_thread(sleep_asynchronous, NULL);

    wait_until_ready();
    let_block();
    ck_assert_int_eq(pthread_cancel(thread), 0);
    ck_assert_ptr_eq(join_thread(thread), PTHREAD_CANCELED);
    ck_assert_str_eq(trail, "ba");
}
END_TEST

static void *cancel_oneself(void *argument)
{
    CONF_CHECK(pthread_cancel(pthread_self()) == 0);
    leave_mark("1");
    pthread_testcancel();
    leave_mark("2");
    return argument;
}

START_TEST(a_thread_can_cancel_itself)
{
    ck_assert_ptr_eq(join_thread(start_thread(cancel_oneself, NULL)),
                     PTHREAD_CANCELED);
    ck_assert_str_eq(trail, "1");
}
END_TEST

START_TEST(states_and_types_give_the_old_one)
{
    int old = -1;

    ck_assert_int_eq(pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old), 0);
    ck_assert_int_eq(old, PTHREAD_CANCEL_ENABLE);
    ck_assert_int_eq(pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &old), 0);
    ck_assert_int_eq(old, PTHREAD_CANCEL_DISABLE);
    ck_assert_int_eq(pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &old),
                     0);
    ck_assert_int_eq(old, PTHREAD_CANCEL_DEFERRED);
    ck_assert_int_eq(pthread_setcanceltype(PTHREAD_CANCEL_DEFERRED, &old), 0);
    ck_assert_int_eq(old, PTHREAD_CANCEL_ASYNCHRONOUS);
    ck_assert_int_eq(pthread_setcancelstate(77, &old), EINVAL);
    ck_assert_int_eq(pthread_setcanceltype(77, &old), EINVAL);
}
END_TEST

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_barrier_t barrier;

/* None of these is a cancellation point. */
static void *take_locks(void *argument)
{
    say_ready();
    CONF_CHECK(pthread_mutex_lock(&mutex) == 0);
    CONF_CHECK(pthread_mutex_unlock(&mutex) == 0);
    leave_mark("m");
    CONF_CHECK(pthread_rwlock_wrlock(&rwlock) == 0);
    CONF_CHECK(pthread_rwlock_unlock(&rwlock) == 0);
    leave_mark("r");
    pthread_barrier_wait(&barrier);
    leave_mark("b");
    sched_yield();
    leave_mark("y");
    pthread_testcancel();
    return argument;
}

START_TEST(locks_are_no_cancellation_points)
{
    pthread_t thread;

    ck_assert_int_eq(pthread_barrier_init(&barrier, NULL, 2), 0);
    ck_assert_int_eq(pthread_mutex_lock(&mutex), 0);
    ck_assert_int_eq(pthread_rwlock_rdlock(&rwlock), 0);
    thread = start_thread(take_locks, NULL);
    wait_until_ready();
    let_block();
    ck_assert_int_eq(pthread_cancel(thread), 0);
    let_block();
    ck_assert_str_eq(trail, "");
    ck_assert_int_eq(pthread_mutex_unlock(&mutex), 0);
    let_block();
    ck_assert_int_eq(pthread_rwlock_unlock(&rwlock), 0);
    let_block();
    pthread_barrier_wait(&barrier);
    ck_assert_ptr_eq(join_thread(thread), PTHREAD_CANCELED);
    ck_assert_str_eq(trail, "mrby");
    ck_assert_int_eq(pthread_barrier_destroy(&barrier), 0);
}
END_TEST

static pthread_t main_thread;

static void *cancel_and_join_main(void *argument)
{
    void *value;

    (void)argument;
    let_block();
    CONF_CHECK(pthread_cancel(main_thread) == 0);
    CONF_CHECK(pthread_join(main_thread, &value) == 0);
    _exit(value == PTHREAD_CANCELED ? 7 : 1);
}

static void main_is_cancelled(void)
{
    main_thread = pthread_self();
    start_thread(cancel_and_join_main, NULL);
    sleep_ms(20000);
}

START_TEST(main_can_be_cancelled)
{
    ck_assert_int_eq(run_child(main_is_cancelled), 7);
}
END_TEST

static void add(TCase *tcase)
{
    tcase_add_checked_fixture(tcase, setup, NULL);
    conf_test(tcase, is_seen_by_the_joiner, 1);
    conf_test(tcase, reaches_a_thread_that_has_not_begun, 1);
    conf_test(tcase, many_blocked_threads_end, 1);
    conf_test(tcase, runs_handlers_then_destructors, 1);
    conf_test(tcase, a_handler_may_block_and_is_not_cancelled_again, 1);
    conf_test(tcase, waits_while_disabled, 1);
    conf_test(tcase, testcancel_acts_on_what_is_pending, 1);
    conf_test(tcase, testcancel_alone_does_nothing, 1);
    conf_test(tcase, asynchronous_acts_on_what_is_pending, 1);
    conf_test(tcase, asynchronous_stops_a_sleep, 1);
    conf_test(tcase, a_thread_can_cancel_itself, 1);
    conf_test(tcase, states_and_types_give_the_old_one, 1);
    conf_test(tcase, locks_are_no_cancellation_points, 1);
    conf_test(tcase, main_can_be_cancelled, 1);
}

int main(void)
{
    return conf_main("pthread_cancel", add, CONF_THREADS);
}
