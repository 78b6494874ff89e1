/* EINTR and SA_RESTART, call by call, as the lists of signal(7) have them
 *
 * Each call is made where it waits for ever: in the main thread, which a signal
 * to the process reaches, and in another, to which pthread_kill() sends one. */
#include "conf_waits.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { DELAY_MS = 15 };

enum { BY_KILL, BY_PTHREAD_KILL, SENDERS };

struct attempt {
    const struct conf_wait *wait;
    struct conf_scene scene;
    bool restarts;    /* a signal, and then what the call waits for */
    pthread_t caller;
    int by;
    long result;
    int error;
    volatile bool began, over;
};

static volatile sig_atomic_t rang;

static void ring(int signal_number)
{
    (void)signal_number;
    rang++;
}

static void handle(int flags)
{
    struct sigaction action = { .sa_handler = ring, .sa_flags = flags };

    rang = 0;
    ck_assert_int_eq(sigaction(SIGUSR1, &action, NULL), 0);
}

static void send_signal(const struct attempt *attempt)
{
    if (attempt->by == BY_KILL)
        CONF_CHECK(kill(getpid(), SIGUSR1) == 0);
    else
        CONF_CHECK(pthread_kill(attempt->caller, SIGUSR1) == 0);
}

static void make_call(struct attempt *attempt)
{
    attempt->began = true;
    errno = 0;
    attempt->result = attempt->wait->call(&attempt->scene);
    attempt->error = errno;
    attempt->over = true;
}

/* One that comes before the call waits is lost on it: so another follows. */
static void disturb(struct attempt *attempt)
{
    while (!attempt->began)
        sleep_ms(1);
    sleep_ms(DELAY_MS);
    if (attempt->restarts) {
        send_signal(attempt);
        sleep_ms(DELAY_MS);
        if (attempt->over)
            fprintf(stderr, "%s (%d): %ld, errno %d\n", attempt->wait->name,
                    attempt->by, attempt->result, attempt->error);
        CONF_CHECK(!attempt->over);
        attempt->wait->release(&attempt->scene);
        return;
    }
    while (!attempt->over) {
        send_signal(attempt);
        for (int i = 0; i < 200 && !attempt->over; i++)
            sleep_ms(1);
    }
}

static void *run_call(void *attempt)
{
    make_call(attempt);
    return NULL;
}

static void *run_disturb(void *attempt)
{
    disturb(attempt);
    return NULL;
}

static void run(struct attempt *attempt)
{
    pthread_t other;

    attempt->wait->open(&attempt->scene);
    if (attempt->by == BY_KILL) {
        other = start_thread(run_disturb, attempt);
        make_call(attempt);
    } else {
        attempt->caller = other = start_thread(run_call, attempt);
        disturb(attempt);
    }
    join_thread(other);
    if (!attempt->restarts)
        attempt->wait->release(&attempt->scene);
    attempt->wait->close(&attempt->scene);
}

/* The table, each call for each way to send. */
static void prepare(struct attempt *attempt, int i)
{
    memset(attempt, 0, sizeof *attempt);
    attempt->wait = conf_wait_at(i / SENDERS);
    attempt->by = i % SENDERS;
}

/* CONF_WAIT=name: that call alone. */
static bool not_here(const struct attempt *attempt)
{
    const char *only = getenv("CONF_WAIT");
    const char *why = attempt->wait->missing != NULL
                          ? attempt->wait->missing()
                          : NULL;

    if (why != NULL)
        conf_skip(why);
    return why != NULL ||
           (only != NULL && strcmp(only, attempt->wait->name) != 0);
}

START_TEST(a_handler_ends_the_wait)
{
    struct attempt attempt;

    prepare(&attempt, _i);
    if (not_here(&attempt))
        return;
    handle(0);
    run(&attempt);
    ck_assert_msg(attempt.result == -1 && attempt.error == EINTR,
                  "%s (%d): %ld, errno %d", attempt.wait->name, attempt.by,
                  attempt.result, attempt.error);
    ck_assert_int_ge(rang, 1);
}
END_TEST

START_TEST(a_restarting_handler_does_what_the_list_says)
{
    struct attempt attempt;

    prepare(&attempt, _i);
    if (not_here(&attempt))
        return;
    attempt.restarts = attempt.wait->restarts;
    handle(SA_RESTART);
    run(&attempt);
    if (attempt.restarts)
        ck_assert_msg(attempt.result >= 0, "%s (%d): %ld, errno %d",
                      attempt.wait->name, attempt.by, attempt.result,
                      attempt.error);
    else
        ck_assert_msg(attempt.result == -1 && attempt.error == EINTR,
                      "%s (%d): %ld, errno %d", attempt.wait->name,
                      attempt.by, attempt.result, attempt.error);
    ck_assert_int_ge(rang, 1);
}
END_TEST

static void forget(void)
{
    signal(SIGUSR1, SIG_DFL);
}

static void add(TCase *tcase)
{
    int count = 0;

    while (conf_wait_at(count) != NULL)
        count++;
    tcase_add_checked_fixture(tcase, NULL, forget);
    conf_test(tcase, a_handler_ends_the_wait, count * SENDERS);
    conf_test(tcase, a_restarting_handler_does_what_the_list_says,
              count * SENDERS);
}

int main(void)
{
    return conf_main("restart", add, CONF_THREADS);
}
