/* Signals in a program whose own greenlets park in libc's calls
 *
 * Its threads are real.  A handler that runs on one of them ends what the
 * greenlets of that thread wait in, and of no other, call by call as the lists of
 * signal(7) have it. */
#include "../conformance/conf_waits.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vireo/hub.h>

enum { DELAY_MS = 15, GREENLETS = 3 };

static volatile sig_atomic_t rang;

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

static void forget(void)
{
    signal(SIGUSR1, SIG_DFL);
    signal(SIGUSR2, SIG_DFL);
}

static void finish(struct greenlet *g)
{
    ck_assert_int_eq(hub_join(g, HUB_FOREVER), 0);
    greenlet_unref(g);
}

/* ---- every call ---- */

struct attempt {
    const struct conf_wait *wait;
    struct conf_scene scene;
    bool restarts; /* a signal, and then what the call waits for */
    long result;
    int error;
    volatile bool began, over;
};

static void make_call(void *arg)
{
    struct attempt *attempt = arg;

    attempt->began = true;
    errno = 0;
    attempt->result = attempt->wait->call(&attempt->scene);
    attempt->error = errno;
    attempt->over = true;
}

static void send_signal(void)
{
    CONF_CHECK(kill(getpid(), SIGUSR1) == 0);
}

/* On a real thread.  A signal that comes before the call waits is lost on it: so
 * another follows. */
static void *disturb(void *arg)
{
    struct attempt *attempt = arg;

    while (!attempt->began)
        sleep_ms(1);
    sleep_ms(DELAY_MS);
    if (attempt->restarts) {
        send_signal();
        sleep_ms(DELAY_MS);
        CONF_CHECK(!attempt->over);
        attempt->wait->release(&attempt->scene);
        return NULL;
    }
    while (!attempt->over) {
        send_signal();
        for (int i = 0; i < 200 && !attempt->over; i++)
            sleep_ms(1);
    }
    return NULL;
}

static void run(struct attempt *attempt)
{
    sigset_t set, before;
    struct greenlet *g;
    pthread_t other;

    attempt->wait->open(&attempt->scene);
    /* The signal is for this thread. */
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &set, &before);
    other = start_thread(disturb, attempt);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    g = hub_spawn_raw(make_call, attempt);
    ck_assert_ptr_nonnull(g);
    finish(g);
    ck_assert_int_eq(pthread_join(other, NULL), 0);
    if (!attempt->restarts)
        attempt->wait->release(&attempt->scene);
    attempt->wait->close(&attempt->scene);
    ck_assert_int_ge(rang, 1);
}

/* CONF_WAIT=name: that call alone. */
static bool not_here(const struct conf_wait *wait)
{
    const char *only = getenv("CONF_WAIT");
    const char *why = wait->missing != NULL ? wait->missing() : NULL;

    if (why != NULL)
        conf_skip(why);
    return why != NULL || (only != NULL && strcmp(only, wait->name) != 0);
}

static void ended_by_signal(const struct attempt *attempt)
{
    ck_assert_msg(attempt->result == -1 && attempt->error == EINTR,
                  "%s: %ld, errno %d", attempt->wait->name, attempt->result,
                  attempt->error);
}

START_TEST(a_handler_ends_the_wait_of_a_greenlet)
{
    struct attempt attempt = { .wait = conf_wait_at(_i) };

    if (not_here(attempt.wait))
        return;
    handle(0);
    run(&attempt);
    ended_by_signal(&attempt);
}
END_TEST

START_TEST(a_restarting_handler_does_what_the_list_says)
{
    struct attempt attempt = { .wait = conf_wait_at(_i) };

    if (not_here(attempt.wait))
        return;
    attempt.restarts = attempt.wait->restarts;
    handle(SA_RESTART);
    run(&attempt);
    if (attempt.restarts)
        ck_assert_msg(attempt.result >= 0, "%s: %ld, errno %d",
                      attempt.wait->name, attempt.result, attempt.error);
    else
        ended_by_signal(&attempt);
}
END_TEST

/* ---- whose waits ---- */

struct reader {
    int ends[2];
    ssize_t got;
    int error;
    bool over;
};

static void read_one(void *arg)
{
    struct reader *reader = arg;
    char byte;

    errno = 0;
    reader->got = read(reader->ends[0], &byte, 1);
    reader->error = errno;
    reader->over = true;
}

static struct greenlet *start_reader(struct reader *reader)
{
    struct greenlet *g;

    memset(reader, 0, sizeof *reader);
    CONF_CHECK(pipe(reader->ends) == 0);
    g = hub_spawn_raw(read_one, reader);
    CONF_CHECK(g != NULL);
    return g;
}

static void end_reader(struct reader *reader, struct greenlet *g)
{
    if (!reader->over)
        CONF_CHECK(write(reader->ends[1], "x", 1) == 1);
    CONF_CHECK(hub_join(g, HUB_FOREVER) == 0);
    greenlet_unref(g);
    close(reader->ends[0]);
    close(reader->ends[1]);
}

static void signal_this_thread(void *arg)
{
    (void)arg;
    CONF_CHECK(pthread_kill(pthread_self(), SIGUSR1) == 0);
}

START_TEST(one_handler_ends_the_waits_of_all_greenlets_of_its_thread)
{
    struct reader readers[GREENLETS];
    struct greenlet *each[GREENLETS], *sender;
    int main_result;

    handle(0);
    for (int i = 0; i < GREENLETS; i++)
        each[i] = start_reader(&readers[i]);
    sender = hub_spawn_raw(signal_this_thread, NULL);
    main_result = poll(NULL, 0, 30000);
    ck_assert_int_eq(main_result, -1);
    ck_assert_int_eq(errno, EINTR);
    for (int i = 0; i < GREENLETS; i++)
        end_reader(&readers[i], each[i]);
    for (int i = 0; i < GREENLETS; i++) {
        ck_assert_int_eq(readers[i].got, -1);
        ck_assert_int_eq(readers[i].error, EINTR);
    }
    finish(sender);
    ck_assert_int_eq(rang, 1);
}
END_TEST

START_TEST(a_handler_ends_no_wait_of_the_hubs_own)
{
    struct greenlet *sender;

    handle(0);
    sender = hub_spawn_raw(signal_this_thread, NULL);
    ck_assert_int_eq(hub_sleep(20000000), 0);
    ck_assert_int_eq(rang, 1);
    finish(sender);
}
END_TEST

/* Another thread with a hub, whose greenlet reads. */
static volatile bool ready;
static struct reader far;

static void *read_there(void *arg)
{
    struct greenlet *g = start_reader(&far);

    hub_yield();
    ready = true;
    while (!far.over)
        hub_sleep(1000000);
    end_reader(&far, g);
    return arg;
}

static pthread_t start_far(void)
{
    pthread_t thread;

    ready = false;
    thread = start_thread(read_there, NULL);
    while (!ready)
        sleep_ms(1);
    return thread;
}

START_TEST(a_handler_ends_no_wait_of_another_thread)
{
    pthread_t thread = start_far();

    handle(0);
    signal_this_thread(NULL);
    sleep_ms(DELAY_MS);
    ck_assert(!far.over);
    ck_assert_int_eq(rang, 1);
    ck_assert_int_eq(write(far.ends[1], "x", 1), 1);
    join_thread(thread);
    ck_assert_int_eq(far.got, 1);
}
END_TEST

START_TEST(a_signal_to_another_thread_ends_the_waits_there_alone)
{
    pthread_t thread = start_far();
    struct reader near;
    struct greenlet *g = start_reader(&near);

    handle(0);
    hub_yield();
    ck_assert_int_eq(pthread_kill(thread, SIGUSR1), 0);
    join_thread(thread);
    ck_assert_int_eq(far.got, -1);
    ck_assert_int_eq(far.error, EINTR);
    ck_assert(!near.over);
    end_reader(&near, g);
    ck_assert_int_eq(near.got, 1);
}
END_TEST

static void count_call(int number, void *arg)
{
    (void)number;
    ++*(int *)arg;
}

START_TEST(a_watcher_of_the_hub_ends_no_wait)
{
    struct hub_signal *watcher;
    struct reader reader;
    struct greenlet *g;
    int calls = 0;

    ck_assert_int_eq(hub_signal_start(SIGUSR1, count_call, &calls, &watcher), 0);
    g = start_reader(&reader);
    hub_yield();
    signal_this_thread(NULL);
    while (calls == 0)
        sleep_ms(1);
    ck_assert(!reader.over);
    end_reader(&reader, g);
    ck_assert_int_eq(reader.got, 1);
    hub_signal_stop(watcher);
}
END_TEST

/* ---- pause() and sigsuspend() ---- */

static void ring_soon(void *arg)
{
    ++*(int *)arg;
    CONF_CHECK(usleep(2000) == 0);
    ++*(int *)arg;
    signal_this_thread(NULL);
}

START_TEST(others_run_while_main_is_in_pause)
{
    int steps = 0;
    struct greenlet *g = hub_spawn_raw(ring_soon, &steps);

    handle(SA_RESTART);
    ck_assert_int_eq(pause(), -1);
    ck_assert_int_eq(errno, EINTR);
    ck_assert_int_eq(steps, 2);
    finish(g);
}
END_TEST

START_TEST(others_run_while_main_is_in_sigsuspend)
{
    int steps = 0;
    struct greenlet *g = hub_spawn_raw(ring_soon, &steps);
    sigset_t set, before, now;

    handle(SA_RESTART);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    ck_assert_int_eq(pthread_sigmask(SIG_BLOCK, &set, &before), 0);
    ck_assert_int_eq(sigsuspend(&before), -1);
    ck_assert_int_eq(errno, EINTR);
    ck_assert_int_eq(steps, 2);
    pthread_sigmask(SIG_SETMASK, &before, &now);
    ck_assert_int_eq(sigismember(&now, SIGUSR1), 1);
    finish(g);
}
END_TEST

START_TEST(pause_ends_when_another_thread_signals)
{
    struct attempt attempt = { .began = true };
    pthread_t other = start_thread(disturb, &attempt);

    handle(0);
    ck_assert_int_eq(pause(), -1);
    ck_assert_int_eq(errno, EINTR);
    attempt.over = true;
    join_thread(other);
}
END_TEST

/* ---- sigaction() tells what was set ---- */

static siginfo_t told;

static void full_ring(int number, siginfo_t *info, void *context)
{
    (void)number;
    rang += context != NULL;
    told = *info;
}

START_TEST(the_handler_that_was_set_is_told)
{
    struct sigaction action = { .sa_handler = ring, .sa_flags = SA_NODEFER };
    struct sigaction full = { .sa_sigaction = full_ring,
                              .sa_flags = SA_SIGINFO | SA_RESTART };
    struct sigaction old;

    sigaddset(&action.sa_mask, SIGUSR2);
    ck_assert_int_eq(sigaction(SIGUSR1, &action, &old), 0);
    ck_assert(old.sa_handler == SIG_DFL);
    ck_assert_int_eq(sigaction(SIGUSR1, NULL, &old), 0);
    ck_assert(old.sa_handler == ring);
    ck_assert_int_eq(old.sa_flags & (SA_SIGINFO | SA_NODEFER), SA_NODEFER);
    ck_assert_int_eq(sigismember(&old.sa_mask, SIGUSR2), 1);
    ck_assert_int_eq(sigaction(SIGUSR1, &full, &old), 0);
    ck_assert(old.sa_handler == ring);
    ck_assert_int_eq(sigaction(SIGUSR1, NULL, &old), 0);
    ck_assert(old.sa_sigaction == full_ring);
    ck_assert(signal(SIGUSR1, ring) == (void (*)(int))(void *)full_ring);
    ck_assert(signal(SIGUSR1, SIG_DFL) == ring);
    ck_assert(signal(SIGKILL, ring) == SIG_ERR);
    ck_assert_int_eq(errno, EINVAL);
}
END_TEST

START_TEST(a_handler_gets_all_that_the_kernel_tells)
{
    struct sigaction full = { .sa_sigaction = full_ring,
                              .sa_flags = SA_SIGINFO };
    union sigval value = { .sival_int = 77 };

    rang = 0;
    ck_assert_int_eq(sigaction(SIGUSR1, &full, NULL), 0);
    ck_assert_int_eq(sigqueue(getpid(), SIGUSR1, value), 0);
    ck_assert_int_eq(rang, 1);
    ck_assert_int_eq(told.si_signo, SIGUSR1);
    ck_assert_int_eq(told.si_code, SI_QUEUE);
    ck_assert_int_eq(told.si_value.sival_int, 77);
}
END_TEST

static sigset_t mask_inside;

static void look_at_mask(int number)
{
    (void)number;
    pthread_sigmask(SIG_BLOCK, NULL, &mask_inside);
}

START_TEST(a_handler_has_the_mask_that_was_asked_for)
{
    struct sigaction action = { .sa_handler = look_at_mask };
    sigset_t now;

    sigaddset(&action.sa_mask, SIGUSR2);
    ck_assert_int_eq(sigaction(SIGUSR1, &action, NULL), 0);
    signal_this_thread(NULL);
    ck_assert_int_eq(sigismember(&mask_inside, SIGUSR1), 1);
    ck_assert_int_eq(sigismember(&mask_inside, SIGUSR2), 1);
    pthread_sigmask(SIG_BLOCK, NULL, &now);
    ck_assert_int_eq(sigismember(&now, SIGUSR1), 0);
    ck_assert_int_eq(sigismember(&now, SIGUSR2), 0);
}
END_TEST

START_TEST(a_handler_that_is_to_run_once_runs_once)
{
    struct sigaction old;

    handle((int)SA_RESETHAND);
    signal_this_thread(NULL);
    ck_assert_int_eq(rang, 1);
    ck_assert_int_eq(sigaction(SIGUSR1, NULL, &old), 0);
    ck_assert(old.sa_handler == SIG_DFL);
}
END_TEST

START_TEST(a_child_that_execs_has_no_handler)
{
    pid_t child;
    int status;

    handle(0);
    child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        execl("/bin/sh", "sh", "-c", "kill -USR1 $$; exit 3", (char *)NULL);
        _exit(4);
    }
    while (waitpid(child, &status, 0) < 0)
        ck_assert_int_eq(errno, EINTR);
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGUSR1);
}
END_TEST

/* ---- many ---- */

enum { ROUNDS = 1500, STORM_US = 150 };

static unsigned interrupted;

static void move(bool writes, int fd)
{
    char byte = 'x';

    while ((writes ? write(fd, &byte, 1) : read(fd, &byte, 1)) != 1) {
        CONF_CHECK(errno == EINTR);
        interrupted++;
    }
}

static void read_all(void *arg)
{
    for (int i = 0; i < ROUNDS; i++)
        move(false, *(int *)arg);
}

static void write_all(void *arg)
{
    for (int i = 0; i < ROUNDS; i++) {
        move(true, *(int *)arg);
        if (i % 4 == 0)
            usleep(50);
    }
}

static void storm(int us)
{
    struct itimerval timer = { { 0, us }, { 0, us } };

    ck_assert_int_eq(setitimer(ITIMER_REAL, &timer, NULL), 0);
}

START_TEST(nothing_is_lost_in_a_storm_of_signals)
{
    struct sigaction action = { .sa_handler = ring };
    struct greenlet *each[2 * GREENLETS];
    int ends[GREENLETS][2];

    rang = 0;
    interrupted = 0;
    ck_assert_int_eq(sigaction(SIGALRM, &action, NULL), 0);
    storm(STORM_US);
    for (int i = 0; i < GREENLETS; i++) {
        ck_assert_int_eq(pipe(ends[i]), 0);
        each[2 * i] = hub_spawn_raw(read_all, &ends[i][0]);
        each[2 * i + 1] = hub_spawn_raw(write_all, &ends[i][1]);
    }
    for (int i = 0; i < 2 * GREENLETS; i++)
        finish(each[i]);
    storm(0);
    ck_assert(signal(SIGALRM, SIG_DFL) == ring);
    for (int i = 0; i < GREENLETS; i++)
        conf_close_both(ends[i]);
    ck_assert_int_gt(rang, 0);
    ck_assert_uint_gt(interrupted, 0);
}
END_TEST

static void add(TCase *tcase)
{
    int count = 0;

    while (conf_wait_at(count) != NULL)
        count++;
    hub_yield(); /* the thread has a hub from here on */
    tcase_add_checked_fixture(tcase, NULL, forget);
    conf_test(tcase, a_handler_ends_the_wait_of_a_greenlet, count);
    conf_test(tcase, a_restarting_handler_does_what_the_list_says, count);
    conf_test(tcase,
              one_handler_ends_the_waits_of_all_greenlets_of_its_thread, 1);
    conf_test(tcase, a_handler_ends_no_wait_of_the_hubs_own, 1);
    conf_test(tcase, a_handler_ends_no_wait_of_another_thread, 1);
    conf_test(tcase, a_signal_to_another_thread_ends_the_waits_there_alone, 1);
    conf_test(tcase, a_watcher_of_the_hub_ends_no_wait, 1);
    conf_test(tcase, others_run_while_main_is_in_pause, 1);
    conf_test(tcase, others_run_while_main_is_in_sigsuspend, 1);
    conf_test(tcase, pause_ends_when_another_thread_signals, 1);
    conf_test(tcase, the_handler_that_was_set_is_told, 1);
    conf_test(tcase, a_handler_gets_all_that_the_kernel_tells, 1);
    conf_test(tcase, a_handler_has_the_mask_that_was_asked_for, 1);
    conf_test(tcase, a_handler_that_is_to_run_once_runs_once, 1);
    conf_test(tcase, a_child_that_execs_has_no_handler, 1);
    conf_test(tcase, nothing_is_lost_in_a_storm_of_signals, 1);
}

int main(void)
{
    return conf_main("linked_signals", add, 0);
}
