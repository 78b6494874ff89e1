/* Condition variables under load: a lost wake-up hangs these programs */
#include "conf_threads.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static void lock(void)
{
    CONF_CHECK(pthread_mutex_lock(&mutex) == 0);
}

static void unlock(void)
{
    CONF_CHECK(pthread_mutex_unlock(&mutex) == 0);
}

/* Two threads pass one token to and fro: a lost signal hangs. */
static pthread_cond_t turns[2] = {PTHREAD_COND_INITIALIZER,
                                  PTHREAD_COND_INITIALIZER};
static int turn;
enum { PASSES = 3000 };

static void *pass_token(void *argument)
{
    int me = (int)(long)argument;

    for (int i = 0; i < PASSES; i++) {
        lock();
        while (turn != me)
            CONF_CHECK(pthread_cond_wait(&turns[me], &mutex) == 0);
        turn = !me;
        CONF_CHECK(pthread_cond_signal(&turns[!me]) == 0);
        unlock();
    }
    return NULL;
}

START_TEST(no_signal_is_lost_in_ping_pong)
{
    pthread_t threads[2];

    turn = 0;
    for (long i = 0; i < 2; i++)
        threads[i] = start_thread(pass_token, (void *)i);
    for (int i = 0; i < 2; i++)
        join_thread(threads[i]);
    ck_assert_int_eq(turn, 0);
}
END_TEST

/* Producers and consumers over a queue of four places. */
enum { PLACES = 4, ITEMS = 2000, SIDES = 4 };
static pthread_cond_t not_empty = PTHREAD_COND_INITIALIZER;
static pthread_cond_t not_full = PTHREAD_COND_INITIALIZER;
static int queued, sum_in, sum_out;

static void *produce(void *argument)
{
    for (int i = 1; i <= ITEMS; i++) {
        lock();
        while (queued == PLACES)
            pthread_cond_wait(&not_full, &mutex);
        queued++;
        sum_in++;
        pthread_cond_signal(&not_empty);
        unlock();
    }
    return argument;
}

static void *consume(void *argument)
{
    for (int i = 1; i <= ITEMS; i++) {
        lock();
        while (queued == 0)
            pthread_cond_wait(&not_empty, &mutex);
        queued--;
        sum_out++;
        if (i % 2)
            pthread_cond_signal(&not_full);
        else
            pthread_cond_broadcast(&not_full);
        unlock();
    }
    return argument;
}

START_TEST(no_signal_is_lost_in_a_queue)
{
    pthread_t threads[2 * SIDES];

    queued = sum_in = sum_out = 0;
    for (int i = 0; i < 2 * SIDES; i++)
        threads[i] = start_thread(i % 2 ? produce : consume, NULL);
    for (int i = 0; i < 2 * SIDES; i++)
        join_thread(threads[i]);
    ck_assert_int_eq(sum_in, SIDES * ITEMS);
    ck_assert_int_eq(sum_out, SIDES * ITEMS);
    ck_assert_int_eq(queued, 0);
}
END_TEST

static void add(TCase *tcase)
{
    conf_test(tcase, no_signal_is_lost_in_ping_pong, 1);
    conf_test(tcase, no_signal_is_lost_in_a_queue, 1);
}

int main(void)
{
    return conf_main("cond_stress", add, CONF_THREADS);
}
