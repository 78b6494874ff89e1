/* Two thousand threads at once */
#include "conf_threads.h"

enum { THREADS = 2000 };

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t arrived = PTHREAD_COND_INITIALIZER;
static pthread_cond_t released = PTHREAD_COND_INITIALIZER;
static int waiting, left;
static bool go;
static __thread int mine = 11;

static void *wait_for_go(void *argument)
{
    int number = (int)(long)argument;

    CONF_CHECK(mine == 11);
    mine = number;
    CONF_CHECK(pthread_mutex_lock(&mutex) == 0);
    if (++waiting == THREADS)
        pthread_cond_signal(&arrived);
    while (!go)
        CONF_CHECK(pthread_cond_wait(&released, &mutex) == 0);
    left++;
    CONF_CHECK(pthread_mutex_unlock(&mutex) == 0);
    CONF_CHECK(mine == number);
    return argument;
}

/* One after the other, or all at once. */
static void let_all_go(bool by_broadcast)
{
    CONF_CHECK(pthread_mutex_lock(&mutex) == 0);
    while (waiting < THREADS)
        CONF_CHECK(pthread_cond_wait(&arrived, &mutex) == 0);
    go = true;
    if (by_broadcast)
        pthread_cond_broadcast(&released);
    else
        for (int i = 0; i < THREADS; i++)
            pthread_cond_signal(&released);
    CONF_CHECK(pthread_mutex_unlock(&mutex) == 0);
}

START_TEST(all_wake)
{
    static pthread_t threads[THREADS];
    pthread_attr_t attr;

    conf_expect_threads(THREADS);
    waiting = left = 0;
    go = false;
    ck_assert_int_eq(pthread_attr_init(&attr), 0);
    ck_assert_int_eq(pthread_attr_setstacksize(&attr, 1 << 20), 0);
    for (long i = 0; i < THREADS; i++)
        ck_assert_int_eq(
            pthread_create(&threads[i], &attr, wait_for_go, (void *)i), 0);
    ck_assert_int_eq(pthread_attr_destroy(&attr), 0);
    let_all_go(_i == 0);
    for (long i = 0; i < THREADS; i++)
        ck_assert_int_eq((long)join_thread(threads[i]), i);
    ck_assert_int_eq(left, THREADS);
}
END_TEST

static void add(TCase *tcase)
{
    conf_test(tcase, all_wake, 2);
}

int main(void)
{
    return conf_main("many_threads", add, CONF_THREADS);
}
