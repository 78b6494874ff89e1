/* A signal's handler that runs in a thread while it waits: pthread_cond_wait(3) goes
 * on, lio_listio(3) ends unless the signal restarts it */
#include "conf_threads.h"

#include <aio.h>
#include <errno.h>
#include <signal.h>
#include <unistd.h>

static volatile sig_atomic_t rang;
static bool wanted;

static void ring(int number)
{
    (void)number;
    rang++;
}

static void handle(int flags)
{
    struct sigaction action = { .sa_handler = ring, .sa_flags = flags };

    rang = 0;
    ck_assert_int_eq(sigaction(SIGUSR1, &action, NULL), 0);
}

/* ---- conditions ---- */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static int returned;
static pthread_t waiter;

/* Enough handlers have run in the waiter: now the one signal that it waits for. */
static void *ring_then_signal(void *process)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    CONF_CHECK(pthread_sigmask(SIG_BLOCK, &set, NULL) == 0);
    while (rang < 10) {
        if (process != NULL)
            CONF_CHECK(kill(getpid(), SIGUSR1) == 0);
        else
            CONF_CHECK(pthread_kill(waiter, SIGUSR1) == 0);
        sleep_ms(1);
    }
    CONF_CHECK(pthread_mutex_lock(&mutex) == 0);
    wanted = true;
    CONF_CHECK(pthread_cond_signal(&cond) == 0);
    CONF_CHECK(pthread_mutex_unlock(&mutex) == 0);
    return NULL;
}

static void *wait_for_signal(void *timed)
{
    struct timespec until = deadline_in(CLOCK_REALTIME, 50000);

    CONF_CHECK(pthread_mutex_lock(&mutex) == 0);
    returned = 0;
    while (!wanted) {
        if (timed != NULL)
            CONF_CHECK(pthread_cond_timedwait(&cond, &mutex, &until) == 0);
        else
            CONF_CHECK(pthread_cond_wait(&cond, &mutex) == 0);
        returned++;
    }
    CONF_CHECK(pthread_mutex_unlock(&mutex) == 0);
    return NULL;
}

/* _i: of main or another thread, with a deadline or without, SA_RESTART or not. */
START_TEST(do_not_wake_who_waits_for_a_condition)
    {
        bool is_main = _i & 1, timed = _i & 2;
        pthread_t sender;

        handle(_i & 4 ? SA_RESTART : 0);
        wanted = false;
        /* Main waits with the mutex unlocked only inside the call. */
        ck_assert_int_eq(pthread_mutex_lock(&mutex), 0);
        if (is_main) {
            waiter = pthread_self();
            ck_assert_int_eq(pthread_create(&sender, NULL, ring_then_signal,
                                            timed ? &cond : NULL), 0);
            ck_assert_int_eq(pthread_mutex_unlock(&mutex), 0);
            wait_for_signal(timed ? &mutex : NULL);
        } else {
            ck_assert_int_eq(pthread_create(&waiter, NULL, wait_for_signal,
                                            timed ? &mutex : NULL), 0);
            ck_assert_int_eq(pthread_mutex_unlock(&mutex), 0);
            ck_assert_int_eq(pthread_create(&sender, NULL, ring_then_signal,
                                            NULL), 0);
            join_thread(waiter);
        }
        join_thread(sender);
        ck_assert_int_le(returned, 1); /* 0: signalled before it waited */
        ck_assert_int_ge(rang, 10);
    }
END_TEST

/* ---- requests ---- */

static void *ring_for_ever(void *argument)
{
    for (;;) {
        CONF_CHECK(pthread_kill(*(pthread_t *)argument, SIGUSR1) == 0);
        sleep_ms(5);
    }
    return NULL;
}

static void *ring_then_write(void *argument)
{
    const int *fd = argument;

    while (rang < 5) {
        CONF_CHECK(pthread_kill(waiter, SIGUSR1) == 0);
        sleep_ms(5);
    }
    conf_write_all(*fd, "text", 4);
    return NULL;
}

static char text[16];
static struct aiocb request;

static int list_and_wait(int fd)
{
    struct aiocb *list[] = { &request };
    int rc;

    request = (struct aiocb){ .aio_fildes = fd, .aio_buf = text,
                              .aio_nbytes = sizeof text,
                              .aio_lio_opcode = LIO_READ };
    request.aio_sigevent.sigev_notify = SIGEV_NONE;
    errno = 0;
    rc = lio_listio(LIO_WAIT, list, 1, NULL);
    return rc == 0 ? 0 : -errno;
}

/* It ends with the request under way: glibc 2.36 crashes when one is done whose
 * list is waited for no more. */
static void be_interrupted(void)
{
    struct sigaction action = { .sa_handler = ring };
    pthread_t self = pthread_self(), sender;
    int ends[2];

    CONF_CHECK(pipe(ends) == 0);
    CONF_CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
    CONF_CHECK(pthread_create(&sender, NULL, ring_for_ever, &self) == 0);
    CONF_CHECK(list_and_wait(ends[0]) == -EINTR);
    CONF_CHECK(aio_error(&request) == EINPROGRESS);
    _exit(7);
}

START_TEST(end_the_wait_for_requests)
    {
        ck_assert_int_eq(run_child(be_interrupted), 7);
    }
END_TEST

/* Once begun a request is not begun anew. */
START_TEST(that_restart_do_not_end_it)
    {
        pthread_t sender;
        int ends[2];

        conf_pipe(ends);
        handle(SA_RESTART);
        waiter = pthread_self();
        ck_assert_int_eq(pthread_create(&sender, NULL, ring_then_write,
                                        &ends[1]), 0);
        ck_assert_int_eq(list_and_wait(ends[0]), 0);
        join_thread(sender);
        ck_assert_int_eq(aio_return(&request), 4);
        conf_close_both(ends);
    }
END_TEST

START_TEST(what_fails_is_an_error_of_input)
    {
        ck_assert_int_eq(list_and_wait(-1), -EIO);
        ck_assert_int_eq(aio_error(&request), EBADF);
    }
END_TEST

static void forget(void)
{
    signal(SIGUSR1, SIG_DFL);
}

static void add(TCase *tcase)
{
    tcase_add_checked_fixture(tcase, NULL, forget);
    conf_test(tcase, do_not_wake_who_waits_for_a_condition, 8);
    conf_test(tcase, end_the_wait_for_requests, 1);
    conf_test(tcase, that_restart_do_not_end_it, 1);
    conf_test(tcase, what_fails_is_an_error_of_input, 1);
}

int main(void)
{
    return conf_main("handlers_meanwhile", add, CONF_THREADS);
}
