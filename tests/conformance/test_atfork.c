/* fork(2) in programs with threads, and pthread_atfork(3) */
#include "conf_threads.h"

#include <errno.h>
#include <semaphore.h>
#include <stdlib.h>
#include <sys/wait.h>

/* What the handlers did, in order. */
static char trail[32];

static void leave(const char *mark)
{
    strncat(trail, mark, sizeof trail - strlen(trail) - 1);
}

static void prepare_1(void)
{
    leave("p1");
}
static void prepare_2(void)
{
    leave("p2");
}
static void parent_1(void)
{
    leave("a1");
}
static void parent_2(void)
{
    leave("a2");
}
static void child_1(void)
{
    leave("c1");
}
static void child_2(void)
{
    leave("c2");
}

static void check_trail_in_child(void)
{
    CONF_CHECK(strcmp(trail, "p2p1c1c2") == 0);
}

static void *fork_and_look(void *argument)
{
    (void)argument;
    trail[0] = 0;
    CONF_CHECK(run_child(check_trail_in_child) == 0);
    CONF_CHECK(strcmp(trail, "p2p1a1a2") == 0);
    return NULL;
}

/* Handlers cannot be taken back: they are there for all tests that follow. */
START_TEST(handlers_run_in_their_order)
{
    static bool registered;

    if (!registered) {
        ck_assert_int_eq(pthread_atfork(prepare_1, parent_1, child_1), 0);
        ck_assert_int_eq(pthread_atfork(NULL, NULL, NULL), 0);
        ck_assert_int_eq(pthread_atfork(prepare_2, parent_2, child_2), 0);
        registered = true;
    }
    fork_and_look(NULL);
    join_thread(start_thread(fork_and_look, NULL));
}
END_TEST

static sem_t go_on;
static volatile int others;

static void *run_after_post(void *argument)
{
    CONF_CHECK(sem_wait(&go_on) == 0);
    others++;
    return argument;
}

static void nobody_else_runs(void)
{
    sem_post(&go_on);
    sleep_ms(10);
    CONF_CHECK(others == 0);
}

static void *fork_here(void *body)
{
    return (void *)(long)run_child(*(void (**)(void))body);
}

static int fork_in_thread(void (*body)(void))
{
    return (int)(long)join_thread(start_thread(fork_here, &body));
}

START_TEST(only_the_thread_that_forks_is_in_the_child)
{
    pthread_t thread;

    ck_assert_int_eq(sem_init(&go_on, 0, 0), 0);
    others = 0;
    thread = start_thread(run_after_post, NULL);
    let_block();
    ck_assert_int_eq(run_child(nobody_else_runs), 0);
    ck_assert_int_eq(fork_in_thread(nobody_else_runs), 0);
    ck_assert_int_eq(others, 0);
    ck_assert_int_eq(sem_post(&go_on), 0);
    join_thread(thread);
    ck_assert_int_eq(others, 1);
}
END_TEST

static pthread_key_t key;
static __thread int local = 3;

static void *set_values(void *argument)
{
    local = 5;
    CONF_CHECK(pthread_setspecific(key, &key) == 0);
    return argument;
}

static void look_at_values(void)
{
    CONF_CHECK(local == 5);
    CONF_CHECK(pthread_getspecific(key) == &key);
}

static void *set_and_fork(void *argument)
{
    (void)argument;
    set_values(NULL);
    return (void *)(long)run_child(look_at_values);
}

START_TEST(the_child_has_the_values_of_the_thread)
{
    ck_assert_int_eq(pthread_key_create(&key, NULL), 0);
    ck_assert_ptr_null(join_thread(start_thread(set_and_fork, NULL)));
    ck_assert_int_eq(local, 3);
    ck_assert_int_eq(pthread_key_delete(key), 0);
}
END_TEST

static void *sleep_and_count(void *argument)
{
    sleep_ms(5);
    __atomic_add_fetch(&others, 1, __ATOMIC_SEQ_CST);
    return argument;
}

static void make_threads(void)
{
    pthread_t threads[10];
    int ends[2];
    char byte;

    others = 0;
    for (int i = 0; i < 10; i++)
        threads[i] = start_thread(sleep_and_count, NULL);
    for (int i = 0; i < 10; i++)
        join_thread(threads[i]);
    CONF_CHECK(others == 10);
    CONF_CHECK(pipe(ends) == 0);
    conf_write_all(ends[1], "x", 1);
    conf_read_all(ends[0], &byte, 1);
}

START_TEST(the_child_can_make_threads)
{
    ck_assert_int_eq(run_child(make_threads), 0);
    ck_assert_int_eq(fork_in_thread(make_threads), 0);
}
END_TEST

static void fork_again(void)
{
    make_threads();
    CONF_CHECK(fork_in_thread(make_threads) == 0);
    CONF_CHECK(run_child(make_threads) == 0);
}

START_TEST(the_child_can_fork)
{
    ck_assert_int_eq(run_child(fork_again), 0);
    ck_assert_int_eq(fork_in_thread(fork_again), 0);
}
END_TEST

static void return_three(void)
{
    exit(3);
}

static void leave_by_pthread_exit(void)
{
    pthread_exit(NULL);
}

START_TEST(the_child_ends_as_a_process_does)
{
    ck_assert_int_eq(fork_in_thread(return_three), 3);
    ck_assert_int_eq(fork_in_thread(leave_by_pthread_exit), 0);
}
END_TEST

static void *fork_many(void *argument)
{
    for (int i = 0; i < 5; i++) {
        pid_t child = fork();

        CONF_CHECK(child >= 0);
        if (child == 0)
            _exit(7);
        CONF_CHECK(conf_child_status(child) == 7);
    }
    return argument;
}

START_TEST(threads_fork_and_wait_side_by_side)
{
    pthread_t threads[6];

    for (int i = 0; i < 6; i++)
        threads[i] = start_thread(fork_many, NULL);
    for (int i = 0; i < 6; i++)
        join_thread(threads[i]);
}
END_TEST

static void add(TCase *tcase)
{
    conf_test(tcase, handlers_run_in_their_order, 2);
    conf_test(tcase, only_the_thread_that_forks_is_in_the_child, 1);
    conf_test(tcase, the_child_has_the_values_of_the_thread, 1);
    conf_test(tcase, the_child_can_make_threads, 1);
    conf_test(tcase, the_child_can_fork, 1);
    conf_test(tcase, the_child_ends_as_a_process_does, 1);
    conf_test(tcase, threads_fork_and_wait_side_by_side, 1);
}

int main(void)
{
    return conf_main("atfork", add, CONF_THREADS);
}
