/* sched_yield(2), and the programs that wait by calling it */
#include "conf_threads.h"

#include <errno.h>
#include <sched.h>

START_TEST(succeeds_and_leaves_errno_alone)
{
    errno = ERANGE;
    ck_assert_int_eq(sched_yield(), 0);
    ck_assert_int_eq(errno, ERANGE);
}
END_TEST

static volatile int flag;

static void *raise_flag(void *argument)
{
    flag = 1;
    return argument;
}

START_TEST(lets_another_run)
{
    pthread_t thread;

    flag = 0;
    thread = start_thread(raise_flag, NULL);
    while (!flag)
        sched_yield();
    join_thread(thread);
}
END_TEST

/* Nobody blocks: only yielding passes the turn on. */
static volatile int turn;
enum { THREADS = 4, ROUNDS = 200 };

static void *take_turns(void *argument)
{
    int me = (int)(long)argument;

    for (int i = 0; i < ROUNDS; i++) {
        while (__atomic_load_n(&turn, __ATOMIC_ACQUIRE) != me)
            CONF_CHECK(sched_yield() == 0);
        __atomic_store_n(&turn, (me + 1) % THREADS, __ATOMIC_RELEASE);
    }
    return NULL;
}

START_TEST(turns_go_round)
{
    pthread_t threads[THREADS];

    turn = 0;
    for (long i = 0; i < THREADS; i++)
        threads[i] = start_thread(take_turns, (void *)i);
    for (int i = 0; i < THREADS; i++)
        join_thread(threads[i]);
    ck_assert_int_eq(turn, 0);
}
END_TEST

static void raise_it(void *argument)
{
    (void)argument;
    flag = 1;
}

/* One who yields in a loop does not keep sleepers from waking. */
START_TEST(sleepers_wake_while_one_yields)
{
    int64_t before = now_ns();
    pthread_t thread;

    flag = 0;
    thread = start_later(20, raise_it, NULL);
    while (!flag)
        sched_yield();
    ck_assert_int_lt(now_ns() - before, 5 * CONF_S);
    join_thread(thread);
}
END_TEST

/* The same, with a byte that comes through a pipe. */
static int ends[2];

static void *read_and_raise(void *argument)
{
    char byte;

    conf_read_all(ends[0], &byte, 1);
    flag = 1;
    return argument;
}

START_TEST(readers_read_while_one_yields)
{
    pthread_t thread;

    conf_pipe(ends);
    flag = 0;
    thread = start_thread(read_and_raise, NULL);
    let_block();
    conf_write_all(ends[1], "x", 1);
    while (!flag)
        sched_yield();
    join_thread(thread);
    close(ends[0]);
    close(ends[1]);
}
END_TEST

static void add(TCase *tcase)
{
    conf_test(tcase, succeeds_and_leaves_errno_alone, 1);
    conf_test(tcase, lets_another_run, 1);
    conf_test(tcase, turns_go_round, 1);
    conf_test(tcase, sleepers_wake_while_one_yields, 1);
    conf_test(tcase, readers_read_while_one_yields, 1);
}

int main(void)
{
    return conf_main("sched_yield", add, CONF_THREADS);
}
