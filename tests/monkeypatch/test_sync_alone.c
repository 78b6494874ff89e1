/* Locks in a program that never makes a thread: it waits as natively, and a
 * signal's handler is the only one who can wake it. */
#include "../runner.h"

#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/single_threaded.h>
#include <sys/time.h>
#include <time.h>

static sem_t semaphore;
static volatile bool posts;

static void on_alarm(int number)
{
    (void)number;
    if (posts)
        sem_post(&semaphore);
}

static void alarms(int first_us, int interval_us, int flags)
{
    struct sigaction action;
    struct itimerval timer = {{0, interval_us}, {0, first_us}};

    memset(&action, 0, sizeof action);
    action.sa_handler = on_alarm;
    action.sa_flags = flags;
    ck_assert_int_eq(sigaction(SIGALRM, &action, NULL), 0);
    ck_assert_int_eq(setitimer(ITIMER_REAL, &timer, NULL), 0);
}

static void setup(void)
{
    ck_assert_int_eq(sem_init(&semaphore, 0, 0), 0);
    posts = false;
}

static void teardown(void)
{
    struct itimerval never = {{0, 0}, {0, 0}};

    setitimer(ITIMER_REAL, &never, NULL);
    signal(SIGALRM, SIG_DFL);
    sem_destroy(&semaphore);
    ck_assert_int_ne(__libc_single_threaded, 0);
}

START_TEST(a_handler_ends_the_wait)
    {
        alarms(20000, 0, 0);
        errno = 0;
        ck_assert_int_eq(sem_wait(&semaphore), -1);
        ck_assert_int_eq(errno, EINTR);
    }
END_TEST

/* At any moment of the wait; more alarms than rounds, so none is awaited. */
START_TEST(what_a_handler_posts_ends_the_wait)
    {
        posts = true;
        alarms(50, 50, SA_RESTART);
        for (int i = 0; i < 5000; i++) {
            while (sem_wait(&semaphore) != 0)
                ck_assert_int_eq(errno, EINTR);
            while (sem_trywait(&semaphore) == 0)
                continue;
        }
    }
END_TEST

START_TEST(a_wait_ends_at_its_time)
    {
        pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
        pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
        struct timespec until;

        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += until.tv_nsec < 970000000 ? 0 : 1;
        until.tv_nsec = (until.tv_nsec + 30000000) % 1000000000;
        ck_assert_int_eq(pthread_mutex_lock(&mutex), 0);
        ck_assert_int_eq(pthread_mutex_timedlock(&mutex, &until), ETIMEDOUT);
        ck_assert_int_eq(pthread_cond_timedwait(&cond, &mutex, &until),
                         ETIMEDOUT);
        ck_assert_int_eq(sem_timedwait(&semaphore, &until), -1);
        ck_assert_int_eq(errno, ETIMEDOUT);
        ck_assert_int_eq(pthread_mutex_unlock(&mutex), 0);
    }
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("one thread");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_handler_ends_the_wait);
    tcase_add_test(tcase, what_a_handler_posts_ends_the_wait);
    tcase_add_test(tcase, a_wait_ends_at_its_time);
    return runner_run("sync_alone", tcase, CK_FORK_GETENV);
}
