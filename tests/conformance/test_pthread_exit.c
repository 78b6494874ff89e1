/* pthread_exit(3): from threads, from main, and what runs on the way out */
#include "conf_threads.h"

#include <limits.h>
#include <signal.h>
#include <stdlib.h>

/* What ran, in its order. */
static char trail[64];

static void leave(const char *mark)
{
    strncat(trail, mark, sizeof trail - strlen(trail) - 1);
}

static void setup(void)
{
    trail[0] = 0;
}

static void leave_mark(void *mark)
{
    leave(mark);
}

static int __attribute__((noinline)) exit_below(int depth, void *value)
{
    volatile char frame[256] = {0};

    if (depth == 0)
        pthread_exit(value);
    if (depth < 0)
        return 0;
    return exit_below(depth - 1, value) + frame[depth % 256];
}

static void *exit_from_the_depths(void *argument)
{
    exit_below(100, argument);
    leave("returned");
    return NULL;
}

START_TEST(ends_the_thread_from_deep_in_calls)
{
    ck_assert_ptr_eq(join_thread(start_thread(exit_from_the_depths, trail)),
                     trail);
    ck_assert_str_eq(trail, "");
}
END_TEST

static void *exit_with_handlers(void *argument)
{
    pthread_cleanup_push(leave_mark, "a");
    pthread_cleanup_push(leave_mark, "b");
    pthread_cleanup_push(leave_mark, "c");
    exit_below(5, argument);
    pthread_cleanup_pop(0);
    pthread_cleanup_pop(0);
    pthread_cleanup_pop(0);
    return NULL;
}

START_TEST(runs_the_cleanup_handlers_last_in_first_out)
{
    ck_assert_ptr_eq(join_thread(start_thread(exit_with_handlers, trail)),
                     trail);
    ck_assert_str_eq(trail, "cba");
}
END_TEST

static void *pop_handlers(void *argument)
{
    pthread_cleanup_push(leave_mark, "a");
    pthread_cleanup_push(leave_mark, "b");
    pthread_cleanup_pop(1);
    leave("-");
    pthread_cleanup_pop(0);
    pthread_exit(argument);
}

START_TEST(popped_handlers_do_not_run)
{
    join_thread(start_thread(pop_handlers, NULL));
    ck_assert_str_eq(trail, "b-");
}
END_TEST

static void sleep_a_little(void *ms)
{
    sleep_ms((int)(long)ms);
}

static void *handlers_that_block(void *argument)
{
    pthread_cleanup_push(leave_mark, "a");
    pthread_cleanup_push(sleep_a_little, (void *)5L);
    pthread_exit(argument);
    pthread_cleanup_pop(0);
    pthread_cleanup_pop(0);
    return NULL;
}

START_TEST(handlers_may_block)
{
    ck_assert_ptr_eq(join_thread(start_thread(handlers_that_block, trail)),
                     trail);
    ck_assert_str_eq(trail, "a");
}
END_TEST

static pthread_key_t key;
static int rounds;

static void set_again(void *value)
{
    rounds++;
    leave("d");
    CONF_CHECK(pthread_setspecific(key, value) == 0);
}

static void *exit_with_a_key(void *argument)
{
    CONF_CHECK(pthread_setspecific(key, &rounds) == 0);
    return exit_with_handlers(argument);
}

START_TEST(destructors_follow_handlers_for_a_bounded_number_of_rounds)
{
    rounds = 0;
    ck_assert_int_eq(pthread_key_create(&key, set_again), 0);
    join_thread(start_thread(exit_with_a_key, NULL));
    ck_assert_int_eq(pthread_key_delete(key), 0);
    ck_assert_int_eq(rounds, PTHREAD_DESTRUCTOR_ITERATIONS);
    ck_assert_str_eq(trail, "cbadddd");
}
END_TEST

static void *outlive_main(void *argument)
{
    sleep_ms(40);
    return argument;
}

static void status_five(void)
{
    _exit(5);
}

static void main_leaves_first(void)
{
    CONF_CHECK(atexit(status_five) == 0);
    start_thread(outlive_main, NULL);
    pthread_exit(NULL);
}

START_TEST(the_last_thread_runs_the_exit_handlers)
{
    ck_assert_int_eq(run_child(main_leaves_first), 5);
}
END_TEST

static volatile pthread_t last_thread;
static volatile pid_t last_tid;

static void answer_if_in_the_last_thread(void)
{
    _exit(pthread_equal(pthread_self(), last_thread) && gettid() == last_tid &&
                  pthread_getspecific(key) == NULL
              ? 7
              : 8);
}

static void *end_last(void *before)
{
    CONF_CHECK(pthread_join((pthread_t)before, NULL) == 0);
    CONF_CHECK(pthread_setspecific(key, before) == 0);
    last_thread = pthread_self();
    last_tid = gettid();
    return NULL;
}

static void main_and_others_leave(void)
{
    pthread_t last = pthread_self();

    CONF_CHECK(pthread_key_create(&key, NULL) == 0);
    CONF_CHECK(atexit(answer_if_in_the_last_thread) == 0);
    for (int i = 0; i < 5; i++)
        last = start_thread(end_last, (void *)last);
    let_block();
    pthread_exit(NULL);
}

START_TEST(the_exit_handlers_run_in_the_last_thread)
{
    ck_assert_int_eq(run_child(main_and_others_leave), 7);
}
END_TEST

/* Those who have ended before it do not matter. */
static void main_leaves_last(void)
{
    CONF_CHECK(pthread_key_create(&key, NULL) == 0);
    CONF_CHECK(atexit(answer_if_in_the_last_thread) == 0);
    join_thread(start_thread(outlive_main, NULL));
    last_thread = pthread_self();
    last_tid = gettid();
    pthread_exit(NULL);
}

START_TEST(the_exit_handlers_run_in_main_if_that_is_last)
{
    ck_assert_int_eq(run_child(main_leaves_last), 7);
}
END_TEST

static void main_leaves_alone(void)
{
    pthread_exit((void *)3L);
}

START_TEST(a_program_whose_main_alone_leaves_ends_with_zero)
{
    ck_assert_int_eq(run_child(main_leaves_alone), 0);
}
END_TEST

static void status_nine(void *argument)
{
    (void)argument;
    exit(9);
}

static void main_leaves_and_a_thread_exits(void)
{
    start_later(30, status_nine, NULL);
    pthread_exit(NULL);
}

START_TEST(a_thread_that_outlives_main_can_give_the_status)
{
    ck_assert_int_eq(run_child(main_leaves_and_a_thread_exits), 9);
}
END_TEST

static void raise_the_default(void)
{
    kill(getpid(), SIGUSR1);
}

static void *wait_for_the_one_before(void *argument)
{
    CONF_CHECK(pthread_join((pthread_t)argument, NULL) == 0);
    return NULL;
}

static void main_leaves_and_a_signal_comes_at_exit(void)
{
    pthread_t last = pthread_self();

    atexit(raise_the_default);
    for (int i = 0; i < 5; i++)
        last = start_thread(wait_for_the_one_before, (void *)last);
    pthread_exit(NULL);
}

START_TEST(signals_come_while_exit_handlers_run)
{
    ck_assert_int_eq(run_child(main_leaves_and_a_signal_comes_at_exit),
                     128 + SIGUSR1);
}
END_TEST

static pthread_t main_thread;

static void *join_main(void *argument)
{
    void *value = NULL;

    (void)argument;
    CONF_CHECK(pthread_join(main_thread, &value) == 0);
    CONF_CHECK(value == &main_thread);
    _exit(11);
}

static void main_is_joined(void)
{
    main_thread = pthread_self();
    start_thread(join_main, NULL);
    let_block();
    pthread_exit(&main_thread);
}

START_TEST(main_can_be_joined)
{
    ck_assert_int_eq(run_child(main_is_joined), 11);
}
END_TEST

static void check_trail_of_main(void *value)
{
    CONF_CHECK(value == &key);
    leave("k");
}

static void *look_at_the_trail(void *argument)
{
    (void)argument;
    CONF_CHECK(pthread_join(main_thread, NULL) == 0);
    _exit(strcmp(trail, "hk") == 0 ? 0 : 1);
}

static void main_with_handlers(void)
{
    main_thread = pthread_self();
    CONF_CHECK(pthread_key_create(&key, check_trail_of_main) == 0);
    CONF_CHECK(pthread_setspecific(key, &key) == 0);
    start_thread(look_at_the_trail, NULL);
    pthread_cleanup_push(leave_mark, "h");
    pthread_exit(NULL);
    pthread_cleanup_pop(0);
}

START_TEST(handlers_and_destructors_of_main_run)
{
    ck_assert_int_eq(run_child(main_with_handlers), 0);
}
END_TEST

static void *block_for_good(void *argument)
{
    for (;;)
        sleep_ms(1000);
    return argument;
}

static void leave_threads_blocked(void)
{
    for (int i = 0; i < 10; i++)
        start_thread(block_for_good, NULL);
    let_block();
    exit(4);
}

START_TEST(exit_does_not_wait_for_threads)
{
    int64_t before = now_ns();

    ck_assert_int_eq(run_child(leave_threads_blocked), 4);
    ck_assert_int_lt(now_ns() - before, 20 * CONF_S);
}
END_TEST

static void *exit_now(void *argument)
{
    exit((int)(long)argument);
}

static void exit_from_a_thread(void)
{
    CONF_CHECK(atexit(status_five) == 0);
    join_thread(start_thread(exit_now, (void *)6L));
}

START_TEST(exit_in_a_thread_runs_the_exit_handlers)
{
    ck_assert_int_eq(run_child(exit_from_a_thread), 5);
}
END_TEST

static void add(TCase *tcase)
{
    tcase_add_checked_fixture(tcase, setup, NULL);
    conf_test(tcase, ends_the_thread_from_deep_in_calls, 1);
    conf_test(tcase, runs_the_cleanup_handlers_last_in_first_out, 1);
    conf_test(tcase, popped_handlers_do_not_run, 1);
    conf_test(tcase, handlers_may_block, 1);
    conf_test(tcase, destructors_follow_handlers_for_a_bounded_number_of_rounds,
              1);
    conf_test(tcase, the_last_thread_runs_the_exit_handlers, 1);
    conf_test(tcase, the_exit_handlers_run_in_the_last_thread, 1);
    conf_test(tcase, the_exit_handlers_run_in_main_if_that_is_last, 1);
    conf_test(tcase, a_program_whose_main_alone_leaves_ends_with_zero, 1);
    conf_test(tcase, a_thread_that_outlives_main_can_give_the_status, 1);
    conf_test(tcase, signals_come_while_exit_handlers_run, 1);
    conf_test(tcase, main_can_be_joined, 1);
    conf_test(tcase, handlers_and_destructors_of_main_run, 1);
    conf_test(tcase, exit_does_not_wait_for_threads, 1);
    conf_test(tcase, exit_in_a_thread_runs_the_exit_handlers, 1);
}

int main(void)
{
    return conf_main("pthread_exit", add, CONF_THREADS);
}
