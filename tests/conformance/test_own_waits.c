/* Threads that wait for each other past libc, as those of Go's runtime do in an
 * object that says so by a note: lib/own_waits.c */
#include "conf_threads.h"
#include "lib/own_waits.h"

enum { THREADS = 4, ROUNDS = 50 };

static volatile int turn;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static long visits;

static void visit(void)
{
    CONF_CHECK(pthread_mutex_lock(&mutex) == 0);
    visits++;
    sched_yield();
    CONF_CHECK(pthread_mutex_unlock(&mutex) == 0);
}

static void start_players(struct own_player players[THREADS],
                          pthread_t threads[THREADS])
{
    turn = 0;
    visits = 0;
    for (int i = 0; i < THREADS; i++) {
        players[i] = (struct own_player){&turn, i, THREADS, ROUNDS, visit};
        threads[i] = start_thread(own_take_turns, &players[i]);
    }
}

static void join_players(struct own_player players[THREADS],
                         pthread_t threads[THREADS])
{
    for (int i = 0; i < THREADS; i++)
        ck_assert_ptr_eq(join_thread(threads[i]), &players[i]);
    ck_assert_int_eq(turn, THREADS * ROUNDS);
}

START_TEST(they_end_each_others_waits)
    {
        struct own_player players[THREADS];
        pthread_t threads[THREADS];

        start_players(players, threads);
        join_players(players, threads);
        ck_assert_int_eq(visits, THREADS * ROUNDS);
    }
END_TEST

static void *visit_often(void *argument)
{
    for (int i = 0; i < ROUNDS; i++) {
        visit();
        sleep_ms(1);
    }
    return argument;
}

START_TEST(they_share_locks_with_other_threads)
    {
        struct own_player players[THREADS];
        pthread_t threads[THREADS], others[THREADS];

        start_players(players, threads);
        for (int i = 0; i < THREADS; i++)
            others[i] = start_thread(visit_often, NULL);
        join_players(players, threads);
        for (int i = 0; i < THREADS; i++)
            join_thread(others[i]);
        ck_assert_int_eq(visits, 2 * THREADS * ROUNDS);
    }
END_TEST

START_TEST(main_waits_their_way_for_one_of_them)
    {
        struct own_player player = {&turn, 0, 1, 1, visit};
        pthread_t thread;

        turn = 0;
        visits = 0;
        thread = start_thread(own_take_turns, &player);
        own_wait(&turn, 1);
        join_thread(thread);
        ck_assert_int_eq(visits, 1);
    }
END_TEST

START_TEST(main_ends_their_wait)
    {
        struct own_player player = {&turn, 7, 1, 1, visit};
        pthread_t thread;

        turn = 0;
        thread = start_thread(own_take_turns, &player);
        let_block();
        own_set(&turn, 7);
        join_thread(thread);
        ck_assert_int_eq(turn, 8);
    }
END_TEST

/* Some 50 ms a call. */
static void *compute(void *argument)
{
    own_compute_locked(20 * 1000 * 1000);
    own_compute_locked(20 * 1000 * 1000);
    return argument;
}

START_TEST(others_compute_with_its_locks_held)
    {
        struct own_player player = {&turn, 0, 1, 1, visit};
        pthread_t threads[THREADS];

        turn = 0;
        join_thread(start_thread(own_take_turns, &player));
        for (int i = 0; i < THREADS; i++)
            threads[i] = start_thread(compute, NULL);
        for (int i = 0; i < THREADS; i++)
            join_thread(threads[i]);
    }
END_TEST

static void add(TCase *tcase)
{
    conf_test(tcase, they_end_each_others_waits, 1);
    conf_test(tcase, they_share_locks_with_other_threads, 1);
    conf_test(tcase, main_waits_their_way_for_one_of_them, 1);
    conf_test(tcase, main_ends_their_wait, 1);
    conf_test(tcase, others_compute_with_its_locks_held, 1);
}

int main(void)
{
    return conf_main("own_waits", add, CONF_THREADS);
}
