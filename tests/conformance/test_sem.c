/* Semaphores within a process: counts, waits, deadlines, signals */
#include "conf_threads.h"

#include <errno.h>
#include <limits.h>
#include <semaphore.h>
#include <signal.h>

static sem_t semaphore;

static int value_of(sem_t *sem)
{
    int value = -1;

    ck_assert_int_eq(sem_getvalue(sem, &value), 0);
    return value;
}

static void setup(void)
{
    ck_assert_int_eq(sem_init(&semaphore, 0, 0), 0);
}

static void teardown(void)
{
    ck_assert_int_eq(sem_destroy(&semaphore), 0);
}

static void post(void *argument)
{
    (void)argument;
    CONF_CHECK(sem_post(&semaphore) == 0);
}

START_TEST(counts)
{
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(sem_post(&semaphore), 0);
    ck_assert_int_eq(value_of(&semaphore), 5);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(sem_wait(&semaphore), 0);
    ck_assert_int_eq(value_of(&semaphore), 2);
    ck_assert_int_eq(sem_trywait(&semaphore), 0);
    ck_assert_int_eq(sem_trywait(&semaphore), 0);
    errno = 0;
    ck_assert_int_eq(sem_trywait(&semaphore), -1);
    ck_assert_int_eq(errno, EAGAIN);
    ck_assert_int_eq(value_of(&semaphore), 0);
}
END_TEST

START_TEST(starts_at_the_value_asked_for)
{
    sem_t sem;

    ck_assert_int_eq(sem_init(&sem, 0, 7), 0);
    ck_assert_int_eq(value_of(&sem), 7);
    ck_assert_int_eq(sem_destroy(&sem), 0);
    errno = 0;
    ck_assert_int_eq(sem_init(&sem, 0, (unsigned)SEM_VALUE_MAX + 1), -1);
    ck_assert_int_eq(errno, EINVAL);
}
END_TEST

START_TEST(does_not_overflow)
{
    sem_t sem;

    ck_assert_int_eq(sem_init(&sem, 0, SEM_VALUE_MAX), 0);
    errno = 0;
    ck_assert_int_eq(sem_post(&sem), -1);
    ck_assert_int_eq(errno, EOVERFLOW);
    ck_assert_int_eq(value_of(&sem), SEM_VALUE_MAX);
    ck_assert_int_eq(sem_destroy(&sem), 0);
}
END_TEST

START_TEST(a_waiter_goes_on_at_a_post)
{
    pthread_t thread = start_later(20, post, NULL);
    int64_t before = now_ns();

    ck_assert_int_eq(sem_wait(&semaphore), 0);
    ck_assert_int_ge(now_ns() - before, 5 * CONF_MS);
    join_thread(thread);
    ck_assert_int_eq(value_of(&semaphore), 0);
}
END_TEST

static int went_on;

static void *wait_for_post(void *argument)
{
    CONF_CHECK(sem_wait(&semaphore) == 0);
    __atomic_add_fetch(&went_on, 1, __ATOMIC_SEQ_CST);
    return argument;
}

START_TEST(as_many_go_on_as_are_posted)
{
    pthread_t threads[10];

    went_on = 0;
    for (int i = 0; i < 10; i++)
        threads[i] = start_thread(wait_for_post, NULL);
    let_block();
    ck_assert_int_eq(went_on, 0);
    ck_assert_int_eq(value_of(&semaphore), 0);
    for (int i = 0; i < 4; i++)
        post(NULL);
    for (int tries = 0; __atomic_load_n(&went_on, __ATOMIC_SEQ_CST) < 4;
         tries++) {
        ck_assert_int_lt(tries, 5000);
        sleep_ms(1);
    }
    let_block();
    ck_assert_int_eq(went_on, 4);
    for (int i = 0; i < 6; i++)
        post(NULL);
    for (int i = 0; i < 10; i++)
        join_thread(threads[i]);
}
END_TEST

/* timedwait, and clockwait with either clock. */
enum { VARIANTS = 3 };

static clockid_t clock_of(int variant)
{
    return variant == 2 ? CLOCK_MONOTONIC : CLOCK_REALTIME;
}

static int wait_until(int variant, const struct timespec *when)
{
    if (variant == 0)
        return sem_timedwait(&semaphore, when);
    return sem_clockwait(&semaphore, clock_of(variant), when);
}

START_TEST(gives_up_at_the_deadline)
{
    int64_t before = now_ns();
    struct timespec when = deadline_in(clock_of(_i), 30);

    errno = 0;
    ck_assert_int_eq(wait_until(_i, &when), -1);
    ck_assert_int_eq(errno, ETIMEDOUT);
    ck_assert_int_ge(now_ns() - before, 29 * CONF_MS);
    errno = 0;
    ck_assert_int_eq(wait_until(_i, &when), -1);
    ck_assert_int_eq(errno, ETIMEDOUT);
    post(NULL);
    ck_assert_int_eq(wait_until(_i, &when), 0);
}
END_TEST

START_TEST(a_post_comes_before_the_deadline)
{
    struct timespec when = deadline_in(clock_of(_i), 20000);
    pthread_t thread = start_later(20, post, NULL);

    ck_assert_int_eq(wait_until(_i, &when), 0);
    join_thread(thread);
}
END_TEST

START_TEST(refuses_a_time_that_is_none)
{
    struct timespec bad = bad_deadline();

    errno = 0;
    ck_assert_int_eq(wait_until(_i, &bad), -1);
    ck_assert_int_eq(errno, EINVAL);
}
END_TEST

START_TEST(refuses_a_clock_that_nobody_waits_on)
{
    struct timespec when = deadline_in(CLOCK_MONOTONIC, 100);

    errno = 0;
    ck_assert_int_eq(sem_clockwait(&semaphore, CLOCK_PROCESS_CPUTIME_ID, &when),
                     -1);
    ck_assert_int_eq(errno, EINVAL);
}
END_TEST

static volatile sig_atomic_t handled;

static void note_signal(int signo)
{
    handled = signo;
}

static void post_on_signal(int signo)
{
    handled = signo;
    sem_post(&semaphore);
}

static struct sigaction handle(void (*handler)(int), int flags)
{
    struct sigaction action, before;

    memset(&action, 0, sizeof action);
    action.sa_handler = handler;
    action.sa_flags = flags;
    sigemptyset(&action.sa_mask);
    handled = 0;
    ck_assert_int_eq(sigaction(SIGUSR1, &action, &before), 0);
    return before;
}

static void raise_for_main(void *main_thread)
{
    CONF_CHECK(pthread_kill(*(pthread_t *)main_thread, SIGUSR1) == 0);
}

START_TEST(a_handler_interrupts_the_wait)
{
    struct sigaction before = handle(note_signal, 0);
    struct timespec when = deadline_in(CLOCK_REALTIME, 20000);
    pthread_t self = pthread_self();
    pthread_t thread = start_later(20, raise_for_main, &self);

    errno = 0;
    if (_i == 0)
        ck_assert_int_eq(sem_wait(&semaphore), -1);
    else
        ck_assert_int_eq(sem_timedwait(&semaphore, &when), -1);
    ck_assert_int_eq(errno, EINTR);
    ck_assert_int_eq(handled, SIGUSR1);
    join_thread(thread);
    ck_assert_int_eq(sigaction(SIGUSR1, &before, NULL), 0);
}
END_TEST

/* With SA_RESTART the wait goes on; what the handler posts ends it. */
START_TEST(a_handler_may_post)
{
    struct sigaction before = handle(post_on_signal, SA_RESTART);
    pthread_t self = pthread_self();
    pthread_t thread = start_later(20, raise_for_main, &self);

    ck_assert_int_eq(sem_wait(&semaphore), 0);
    ck_assert_int_eq(handled, SIGUSR1);
    join_thread(thread);
    ck_assert_int_eq(sigaction(SIGUSR1, &before, NULL), 0);
}
END_TEST

START_TEST(a_handler_of_main_may_post_for_a_thread)
{
    struct sigaction before = handle(post_on_signal, SA_RESTART);
    pthread_t thread = start_thread(wait_for_post, NULL);

    let_block();
    ck_assert_int_eq(raise(SIGUSR1), 0);
    join_thread(thread);
    ck_assert_int_eq(sigaction(SIGUSR1, &before, NULL), 0);
}
END_TEST

static sem_t to_and_fro[2];

static void *bounce(void *argument)
{
    int me = (int)(long)argument;

    for (int i = 0; i < 3000; i++) {
        CONF_CHECK(sem_wait(&to_and_fro[me]) == 0);
        CONF_CHECK(sem_post(&to_and_fro[!me]) == 0);
    }
    return NULL;
}

START_TEST(no_post_is_lost)
{
    pthread_t threads[2];

    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(sem_init(&to_and_fro[i], 0, i == 0), 0);
    for (long i = 0; i < 2; i++)
        threads[i] = start_thread(bounce, (void *)i);
    for (int i = 0; i < 2; i++)
        join_thread(threads[i]);
    ck_assert_int_eq(value_of(&to_and_fro[0]), 1);
    ck_assert_int_eq(value_of(&to_and_fro[1]), 0);
}
END_TEST

static void add(TCase *tcase)
{
    tcase_add_checked_fixture(tcase, setup, teardown);
    conf_test(tcase, counts, 1);
    conf_test(tcase, starts_at_the_value_asked_for, 1);
    conf_test(tcase, does_not_overflow, 1);
    conf_test(tcase, a_waiter_goes_on_at_a_post, 1);
    conf_test(tcase, as_many_go_on_as_are_posted, 1);
    conf_test(tcase, gives_up_at_the_deadline, VARIANTS);
    conf_test(tcase, a_post_comes_before_the_deadline, VARIANTS);
    conf_test(tcase, refuses_a_time_that_is_none, VARIANTS);
    conf_test(tcase, refuses_a_clock_that_nobody_waits_on, 1);
    conf_test(tcase, a_handler_interrupts_the_wait, 2);
    conf_test(tcase, a_handler_may_post, 1);
    conf_test(tcase, a_handler_of_main_may_post_for_a_thread, 1);
    conf_test(tcase, no_post_is_lost, 1);
}

int main(void)
{
    return conf_main("sem", add, CONF_THREADS);
}
