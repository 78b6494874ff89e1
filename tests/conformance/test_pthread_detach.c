/* pthread_detach(3) */
#include "conf_threads.h"

#include <errno.h>
#include <semaphore.h>
#include <stdlib.h>

static sem_t go_on, done;

static void setup(void)
{
    ck_assert_int_eq(sem_init(&go_on, 0, 0), 0);
    ck_assert_int_eq(sem_init(&done, 0, 0), 0);
}

static void *wait_to_go_on(void *argument)
{
    CONF_CHECK(sem_wait(&go_on) == 0);
    CONF_CHECK(sem_post(&done) == 0);
    return argument;
}

START_TEST(a_detached_thread_runs_on)
{
    pthread_t thread = start_thread(wait_to_go_on, NULL);

    ck_assert_int_eq(pthread_detach(thread), 0);
    ck_assert_int_eq(sem_post(&go_on), 0);
    ck_assert_int_eq(sem_wait(&done), 0);
    let_block();
}
END_TEST

START_TEST(cannot_be_done_twice)
{
    pthread_t thread = start_thread(wait_to_go_on, NULL);

    ck_assert_int_eq(pthread_detach(thread), 0);
    ck_assert_int_eq(pthread_detach(thread), EINVAL);
    ck_assert_int_eq(sem_post(&go_on), 0);
    ck_assert_int_eq(sem_wait(&done), 0);
    let_block();
}
END_TEST

static void *detach_oneself(void *argument)
{
    CONF_CHECK(pthread_detach(pthread_self()) == 0);
    CONF_CHECK(pthread_detach(pthread_self()) == EINVAL);
    return wait_to_go_on(argument);
}

START_TEST(a_thread_can_detach_itself)
{
    start_thread(detach_oneself, NULL);
    ck_assert_int_eq(sem_post(&go_on), 0);
    ck_assert_int_eq(sem_wait(&done), 0);
    let_block();
}
END_TEST

static void *end_at_once(void *argument)
{
    return argument;
}

START_TEST(frees_a_thread_that_ended)
{
    pthread_t thread = start_thread(end_at_once, NULL);

    sleep_ms(30);
    ck_assert_int_eq(pthread_detach(thread), 0);
}
END_TEST

static pthread_key_t key;

static void say_done(void *value)
{
    CONF_CHECK(value == &key);
    CONF_CHECK(sem_post(&done) == 0);
}

static void *set_and_detach(void *argument)
{
    CONF_CHECK(pthread_detach(pthread_self()) == 0);
    CONF_CHECK(pthread_setspecific(key, &key) == 0);
    return argument;
}

START_TEST(destructors_run)
{
    ck_assert_int_eq(pthread_key_create(&key, say_done), 0);
    start_thread(set_and_detach, NULL);
    ck_assert_int_eq(sem_wait(&done), 0);
    let_block();
    ck_assert_int_eq(pthread_key_delete(key), 0);
}
END_TEST

/* The fixture sees whether their stacks stay mapped. */
START_TEST(a_thousand_leave_nothing_behind)
{
    for (int i = 0; i < 1000; i++) {
        pthread_t thread = start_thread(wait_to_go_on, NULL);

        ck_assert_int_eq(pthread_detach(thread), 0);
        ck_assert_int_eq(sem_post(&go_on), 0);
        ck_assert_int_eq(sem_wait(&done), 0);
    }
    let_block();
}
END_TEST

static void *exit_the_process(void *argument)
{
    (void)argument;
    let_block();
    exit(7);
}

static void sleep_until_the_exit(void)
{
    ck_assert_int_eq(pthread_detach(start_thread(exit_the_process, NULL)), 0);
    for (;;)
        sleep_ms(1000);
}

START_TEST(a_detached_thread_can_end_the_process)
{
    ck_assert_int_eq(run_child(sleep_until_the_exit), 7);
}
END_TEST

static void leave_one_running(void)
{
    pthread_detach(start_thread(wait_to_go_on, NULL));
    let_block();
    exit(3);
}

START_TEST(a_detached_thread_does_not_keep_the_process)
{
    ck_assert_int_eq(run_child(leave_one_running), 3);
}
END_TEST

static void add(TCase *tcase)
{
    tcase_add_checked_fixture(tcase, setup, NULL);
    conf_test(tcase, a_detached_thread_runs_on, 1);
    conf_test(tcase, cannot_be_done_twice, 1);
    conf_test(tcase, a_thread_can_detach_itself, 1);
    conf_test(tcase, frees_a_thread_that_ended, 1);
    conf_test(tcase, destructors_run, 1);
    conf_test(tcase, a_thousand_leave_nothing_behind, 1);
    conf_test(tcase, a_detached_thread_can_end_the_process, 1);
    conf_test(tcase, a_detached_thread_does_not_keep_the_process, 1);
}

int main(void)
{
    return conf_main("pthread_detach", add, CONF_THREADS);
}
