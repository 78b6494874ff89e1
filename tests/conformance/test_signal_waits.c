/* Handlers that wait, in a thread that waited when its signal came: signal(7) */
#include "conf_threads.h"

#include <errno.h>
#include <semaphore.h>
#include <signal.h>

enum { TIMES = 20 };

static sem_t started;
static int outer[2], inner[2]; /* the thread reads one, its handler the other */
static volatile int got;

static void wait_in_handler(int number)
{
    char byte;

    (void)number;
    CONF_CHECK(sem_post(&started) == 0);
    got = (int)read(inner[0], &byte, 1);
}

static void setup(void)
{
    struct sigaction action = { .sa_handler = wait_in_handler };

    ck_assert_int_eq(sem_init(&started, 0, 0), 0);
    ck_assert_int_eq(pipe(outer), 0);
    ck_assert_int_eq(pipe(inner), 0);
    ck_assert_int_eq(sigaction(SIGUSR1, &action, NULL), 0);
}

static void teardown(void)
{
    signal(SIGUSR1, SIG_DFL);
    for (int i = 0; i < 2; i++) {
        close(outer[i]);
        close(inner[i]);
    }
}

static void wait_for_start(void)
{
    while (sem_wait(&started) < 0)
        ck_assert_int_eq(errno, EINTR);
    let_block();
}

static void *read_and_be_interrupted(void *argument)
{
    char byte;

    CONF_CHECK(sem_post(&started) == 0);
    CONF_CHECK(read(outer[0], &byte, 1) == -1 && errno == EINTR);
    CONF_CHECK(read(outer[0], &byte, 1) == 1);
    return argument;
}

START_TEST(one_signal_does_not_end_what_its_handler_waits_for)
{
    for (int i = 0; i < TIMES; i++) {
        pthread_t thread = start_thread(read_and_be_interrupted, NULL);

        wait_for_start();
        ck_assert_int_eq(pthread_kill(thread, SIGUSR1), 0);
        wait_for_start();
        ck_assert_int_eq(write(inner[1], "x", 1), 1);
        ck_assert_int_eq(write(outer[1], "x", 1), 1);
        join_thread(thread);
        ck_assert_int_eq(got, 1);
    }
}
END_TEST

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static volatile int handled, woken;

static void note(int number)
{
    (void)number;
    handled++;
}

/* POSIX lets a wait end without a signal; Linux's does not. */
static void *wait_once(void *timed)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 100;
    pthread_mutex_lock(&lock);
    CONF_CHECK(sem_post(&started) == 0);
    if (timed != NULL)
        CONF_CHECK(pthread_cond_timedwait(&changed, &lock, &until) == 0);
    else
        CONF_CHECK(pthread_cond_wait(&changed, &lock) == 0);
    woken++;
    pthread_mutex_unlock(&lock);
    return NULL;
}

START_TEST(handlers_do_not_end_a_wait_for_a_condition)
{
    pthread_t thread;

    signal(SIGUSR1, note);
    woken = handled = 0;
    thread = start_thread(wait_once, _i == 0 ? NULL : &lock);
    wait_for_start();
    for (int i = 1; i <= 3; i++) {
        ck_assert_int_eq(pthread_kill(thread, SIGUSR1), 0);
        while (handled < i)
            sleep_ms(1);
        let_block();
        ck_assert_int_eq(woken, 0);
    }
    pthread_mutex_lock(&lock);
    pthread_cond_signal(&changed);
    pthread_mutex_unlock(&lock);
    join_thread(thread);
    ck_assert_int_eq(woken, 1);
}
END_TEST

static void add(TCase *tcase)
{
    tcase_add_checked_fixture(tcase, setup, teardown);
    conf_test(tcase, handlers_do_not_end_a_wait_for_a_condition, 2);
    conf_test(tcase, one_signal_does_not_end_what_its_handler_waits_for, 1);
}

int main(void)
{
    return conf_main("signal_waits", add, CONF_THREADS);
}
