/* Threads that give up, are cancelled and end while others go on: nothing may
 * be lost on the way */
#include "conf_threads.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <semaphore.h>

/* Tokens: each is posted once and must be taken once, by whoever is not
 * giving up at that moment. */
enum { GIVERS = 4, TAKERS = 6, TOKENS = 400 };

static sem_t tokens;
static int taken;

static void *give(void *argument)
{
    for (int i = 0; i < TOKENS; i++) {
        CONF_CHECK(sem_post(&tokens) == 0);
        if (i % 8 == 0)
            usleep(100);
    }
    return argument;
}

static void *take_impatiently(void *argument)
{
    while (__atomic_load_n(&taken, __ATOMIC_SEQ_CST) < GIVERS * TOKENS) {
        struct timespec when = deadline_in(CLOCK_REALTIME, 1);

        if (sem_timedwait(&tokens, &when) == 0)
            __atomic_add_fetch(&taken, 1, __ATOMIC_SEQ_CST);
        else
            CONF_CHECK(errno == ETIMEDOUT);
    }
    return argument;
}

START_TEST(no_post_goes_to_one_who_gave_up)
{
    pthread_t threads[GIVERS + TAKERS];
    int value;

    ck_assert_int_eq(sem_init(&tokens, 0, 0), 0);
    taken = 0;
    for (int i = 0; i < GIVERS + TAKERS; i++)
        threads[i] = start_thread(i < GIVERS ? give : take_impatiently, NULL);
    for (int i = 0; i < GIVERS + TAKERS; i++)
        join_thread(threads[i]);
    ck_assert_int_eq(taken, GIVERS * TOKENS);
    ck_assert_int_eq(sem_getvalue(&tokens, &value), 0);
    ck_assert_int_eq(value, 0);
}
END_TEST

/* The same with a condition, where one signal stands for one token. */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static int stock, sold;

static void *deliver(void *argument)
{
    for (int i = 0; i < TOKENS; i++) {
        CONF_CHECK(pthread_mutex_lock(&mutex) == 0);
        stock++;
        CONF_CHECK(pthread_cond_signal(&cond) == 0);
        CONF_CHECK(pthread_mutex_unlock(&mutex) == 0);
        if (i % 8 == 0)
            usleep(100);
    }
    return argument;
}

/* Waits 1 ms at a time, or for ever: those need every signal. */
static void *buy(void *impatient)
{
    for (int bought = 0; bought < GIVERS * TOKENS / TAKERS;) {
        struct timespec when = deadline_in(CLOCK_REALTIME, 1);

        CONF_CHECK(pthread_mutex_lock(&mutex) == 0);
        if (stock == 0 && impatient != NULL)
            pthread_cond_timedwait(&cond, &mutex, &when);
        else if (stock == 0)
            pthread_cond_wait(&cond, &mutex);
        if (stock > 0) {
            stock--;
            sold++;
            bought++;
        }
        CONF_CHECK(pthread_mutex_unlock(&mutex) == 0);
    }
    return NULL;
}

START_TEST(no_signal_goes_to_one_who_gave_up)
{
    pthread_t threads[GIVERS + TAKERS];
    int wanted = GIVERS * TOKENS / TAKERS * TAKERS;

    stock = sold = 0;
    for (int i = 0; i < GIVERS + TAKERS; i++)
        threads[i] =
            start_thread(i < GIVERS ? deliver : buy, i % 2 ? threads : NULL);
    for (int i = 0; i < GIVERS + TAKERS; i++)
        join_thread(threads[i]);
    ck_assert_int_eq(sold, wanted);
    ck_assert_int_eq(stock, GIVERS * TOKENS - wanted);
}
END_TEST

/* Cancelled at any moment: no lock stays taken, no handler is left out. */
static int entered, left;

static void leave_again(void *argument)
{
    (void)argument;
    left++;
    CONF_CHECK(pthread_mutex_unlock(&mutex) == 0);
}

static void wait_somehow(int way, int fd)
{
    struct pollfd entry = {.fd = fd, .events = POLLIN};

    CONF_CHECK(pthread_mutex_lock(&mutex) == 0);
    entered++;
    pthread_cleanup_push(leave_again, NULL);
    if (way == 0)
        poll(&entry, 1, 1);
    else if (way == 1)
        pthread_testcancel();
    else
        pthread_cond_wait(&cond, &mutex);
    pthread_cleanup_pop(1);
}

static void *wander(void *argument)
{
    int fd = *(int *)argument;
    char byte;

    for (int i = 0;; i++) {
        wait_somehow(i % 3, fd);
        if (read(fd, &byte, 1) == 1)
            sched_yield();
    }
    return NULL;
}

enum { WANDERERS = 20 };

START_TEST(cancelled_anywhere_nothing_stays_behind)
{
    pthread_t threads[WANDERERS];
    int ends[2];

    conf_pipe(ends);
    entered = left = 0;
    for (int i = 0; i < WANDERERS; i++)
        threads[i] = start_thread(wander, ends);
    for (int i = 0; i < WANDERERS; i++) {
        conf_write_all(ends[1], "xyz", 3);
        pthread_cond_broadcast(&cond);
        usleep(300);
        ck_assert_int_eq(pthread_cancel(threads[i]), 0);
    }
    for (int i = 0; i < WANDERERS; i++)
        ck_assert_ptr_eq(join_thread(threads[i]), PTHREAD_CANCELED);
    ck_assert_int_eq(pthread_mutex_trylock(&mutex), 0);
    ck_assert_int_eq(pthread_mutex_unlock(&mutex), 0);
    ck_assert_int_gt(entered, 0);
    ck_assert_int_eq(left, entered);
    close(ends[0]);
    close(ends[1]);
}
END_TEST

/* Cancelled while they end by themselves. */
static void *end_soon(void *argument)
{
    usleep(200);
    return argument;
}

START_TEST(cancellation_and_the_end_may_meet)
{
    for (int i = 0; i < 300; i++) {
        pthread_t thread = start_thread(end_soon, &entered);
        void *value;

        usleep((useconds_t)(i % 5) * 100);
        pthread_cancel(thread);
        value = join_thread(thread);
        ck_assert(value == &entered || value == PTHREAD_CANCELED);
    }
}
END_TEST

/* Threads that make threads, on their way out too. */
static pthread_key_t key;
static int made;

static void *count_made(void *argument)
{
    __atomic_add_fetch(&made, 1, __ATOMIC_SEQ_CST);
    return argument;
}

static void make_another(void *argument)
{
    (void)argument;
    join_thread(start_thread(count_made, NULL));
}

static void *make_and_exit(void *argument)
{
    CONF_CHECK(pthread_setspecific(key, &key) == 0);
    pthread_cleanup_push(make_another, NULL);
    make_another(NULL);
    pthread_exit(argument);
    pthread_cleanup_pop(0);
    return NULL;
}

START_TEST(threads_are_made_on_the_way_out)
{
    pthread_t threads[20];

    made = 0;
    ck_assert_int_eq(pthread_key_create(&key, make_another), 0);
    for (int i = 0; i < 20; i++)
        threads[i] = start_thread(make_and_exit, NULL);
    for (int i = 0; i < 20; i++)
        join_thread(threads[i]);
    ck_assert_int_eq(made, 60);
    ck_assert_int_eq(pthread_key_delete(key), 0);
}
END_TEST

static void add(TCase *tcase)
{
    conf_test(tcase, no_post_goes_to_one_who_gave_up, 1);
    conf_test(tcase, no_signal_goes_to_one_who_gave_up, 1);
    conf_test(tcase, cancelled_anywhere_nothing_stays_behind, 1);
    conf_test(tcase, cancellation_and_the_end_may_meet, 1);
    conf_test(tcase, threads_are_made_on_the_way_out, 1);
}

int main(void)
{
    return conf_main("thread_stress", add, CONF_THREADS);
}
