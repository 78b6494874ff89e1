/* Signals and threads: whose mask counts, who handles, what is pending where */
#include "conf_threads.h"

#include <errno.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/syscall.h>

static sem_t started, go_on;
static volatile pthread_t handled_by;
static volatile int handled, value_of_last, code_of_last, order[16];
static sigset_t usr1, usr1_and_rt;

static void note(int number, siginfo_t *info, void *context)
{
    (void)context;
    handled_by = pthread_self();
    value_of_last = info->si_value.sival_int;
    code_of_last = info->si_code;
    if (handled < 16)
        order[handled] = number * 1000 + value_of_last;
    handled++;
}

static void handle(int number, int flags)
{
    struct sigaction action = { .sa_sigaction = note,
                                .sa_flags = SA_SIGINFO | flags };

    CONF_CHECK(sigaction(number, &action, NULL) == 0);
}

static void setup(void)
{
    ck_assert_int_eq(sem_init(&started, 0, 0), 0);
    ck_assert_int_eq(sem_init(&go_on, 0, 0), 0);
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    usr1_and_rt = usr1;
    sigaddset(&usr1_and_rt, SIGRTMIN);
    sigaddset(&usr1_and_rt, SIGRTMIN + 1);
    handled = 0;
    handled_by = 0;
    handle(SIGUSR1, 0);
    handle(SIGRTMIN, 0);
    handle(SIGRTMIN + 1, 0);
}

static void teardown(void)
{
    signal(SIGUSR1, SIG_DFL);
    signal(SIGRTMIN, SIG_DFL);
    signal(SIGRTMIN + 1, SIG_DFL);
    pthread_sigmask(SIG_UNBLOCK, &usr1_and_rt, NULL);
}

static void block(const sigset_t *set)
{
    CONF_CHECK(pthread_sigmask(SIG_BLOCK, set, NULL) == 0);
}

static void unblock(const sigset_t *set)
{
    CONF_CHECK(pthread_sigmask(SIG_UNBLOCK, set, NULL) == 0);
}

static bool is_pending(int number)
{
    sigset_t pending;

    CONF_CHECK(sigpending(&pending) == 0);
    return sigismember(&pending, number) == 1;
}

static void wait_for(sem_t *semaphore)
{
    while (sem_wait(semaphore) != 0)
        CONF_CHECK(errno == EINTR);
}

/* ---- masks ---- */

static void *see_inherited_mask(void *argument)
{
    sigset_t now;

    CONF_CHECK(pthread_sigmask(SIG_BLOCK, NULL, &now) == 0);
    CONF_CHECK(sigismember(&now, SIGUSR1) == 1);
    CONF_CHECK(sigismember(&now, SIGUSR2) == 0);
    unblock(&usr1);
    return argument;
}

START_TEST(masks_are_inherited_and_then_the_threads_own)
{
    sigset_t now;

    block(&usr1);
    join_thread(start_thread(see_inherited_mask, NULL));
    ck_assert_int_eq(pthread_sigmask(SIG_BLOCK, NULL, &now), 0);
    ck_assert_int_eq(sigismember(&now, SIGUSR1), 1);
}
END_TEST

static void *have_pending_for_the_maker(void *argument)
{
    CONF_CHECK(!is_pending(SIGUSR1));
    return argument;
}

START_TEST(what_is_pending_for_a_thread_is_not_inherited)
{
    block(&usr1);
    ck_assert_int_eq(pthread_kill(pthread_self(), SIGUSR1), 0);
    ck_assert(is_pending(SIGUSR1));
    join_thread(start_thread(have_pending_for_the_maker, NULL));
    ck_assert_int_eq(handled, 0);
    unblock(&usr1);
    ck_assert_int_eq(handled, 1);
}
END_TEST

START_TEST(masks_refuse_nonsense)
{
    sigset_t set;

    sigemptyset(&set);
    ck_assert_int_eq(pthread_sigmask(77, &set, NULL), EINVAL);
    errno = 0;
    ck_assert_int_eq(sigprocmask(77, &set, NULL), -1);
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_int_eq(pthread_sigmask(77, NULL, &set), 0);
}
END_TEST

START_TEST(kill_and_stop_cannot_be_blocked)
{
    sigset_t set, before, now;

    sigfillset(&set);
    ck_assert_int_eq(pthread_sigmask(SIG_SETMASK, &set, &before), 0);
    ck_assert_int_eq(pthread_sigmask(SIG_SETMASK, &before, &now), 0);
    ck_assert_int_eq(sigismember(&now, SIGKILL), 0);
    ck_assert_int_eq(sigismember(&now, SIGSTOP), 0);
    ck_assert_int_eq(sigismember(&now, SIGTERM), 1);
}
END_TEST

/* ---- signals to a thread ---- */

static void *wait_to_go_on(void *argument)
{
    CONF_CHECK(sem_post(&started) == 0);
    wait_for(&go_on);
    return argument;
}

START_TEST(pthread_kill_is_handled_by_its_thread)
{
    pthread_t thread = start_thread(wait_to_go_on, NULL);

    wait_for(&started);
    let_block();
    ck_assert_int_eq(pthread_kill(thread, SIGUSR1), 0);
    for (int i = 0; i < 200 && handled == 0; i++)
        sleep_ms(5);
    ck_assert_int_eq(handled, 1);
    ck_assert(pthread_equal(handled_by, thread));
    ck_assert_int_eq(code_of_last, SI_TKILL);
    ck_assert_int_eq(sem_post(&go_on), 0);
    join_thread(thread);
}
END_TEST

START_TEST(pthread_kill_of_zero_and_of_nonsense)
{
    pthread_t thread = start_thread(wait_to_go_on, NULL);

    wait_for(&started);
    ck_assert_int_eq(pthread_kill(thread, 0), 0);
    ck_assert_int_eq(pthread_kill(thread, 1000), EINVAL);
    ck_assert_int_eq(pthread_kill(thread, -1), EINVAL);
    ck_assert_int_eq(pthread_kill(pthread_self(), 1000), EINVAL);
    ck_assert_int_eq(sem_post(&go_on), 0);
    join_thread(thread);
}
END_TEST

static void *raise_while_blocked(void *argument)
{
    CONF_CHECK(raise(SIGUSR1) == 0);
    CONF_CHECK(handled == 1 && pthread_equal(handled_by, pthread_self()));
    block(&usr1);
    CONF_CHECK(raise(SIGUSR1) == 0);
    CONF_CHECK(handled == 1 && is_pending(SIGUSR1));
    CONF_CHECK(pthread_kill(pthread_self(), SIGUSR1) == 0);
    unblock(&usr1);
    CONF_CHECK(handled == 2 && pthread_equal(handled_by, pthread_self()));
    CONF_CHECK(!is_pending(SIGUSR1));
    return argument;
}

START_TEST(raise_is_to_the_calling_thread)
{
    join_thread(start_thread(raise_while_blocked, NULL));
    ck_assert(!is_pending(SIGUSR1));
}
END_TEST

static void *block_and_wait(void *argument)
{
    block(&usr1_and_rt);
    wait_to_go_on(NULL);
    CONF_CHECK(is_pending(SIGUSR1));
    unblock(&usr1_and_rt);
    return argument;
}

START_TEST(a_blocked_one_waits_for_its_thread_alone)
{
    pthread_t thread = start_thread(block_and_wait, NULL);

    wait_for(&started);
    ck_assert_int_eq(pthread_kill(thread, SIGUSR1), 0);
    ck_assert_int_eq(pthread_kill(thread, SIGUSR1), 0);
    let_block();
    ck_assert_int_eq(handled, 0);
    ck_assert(!is_pending(SIGUSR1));
    ck_assert_int_eq(sem_post(&go_on), 0);
    join_thread(thread);
    ck_assert_int_eq(handled, 1);
    ck_assert(pthread_equal(handled_by, thread));
}
END_TEST

static void queue(pthread_t thread, int number, int value)
{
    CONF_CHECK(pthread_sigqueue(thread, number,
                                (union sigval){ .sival_int = value }) == 0);
}

START_TEST(values_are_queued_lowest_number_first)
{
    pthread_t thread = start_thread(block_and_wait, NULL);

    wait_for(&started);
    queue(thread, SIGRTMIN + 1, 1);
    queue(thread, SIGRTMIN, 2);
    queue(thread, SIGRTMIN + 1, 3);
    queue(thread, SIGRTMIN, 4);
    queue(thread, SIGUSR1, 5);
    queue(thread, SIGUSR1, 6);
    ck_assert_int_eq(sem_post(&go_on), 0);
    join_thread(thread);
    ck_assert_int_eq(handled, 5);
    /* The handlers nest: the one that was to run first runs last. */
    for (int i = 0; i < 5; i++)
        ck_assert_int_ne(order[i], 0);
    ck_assert_int_eq(code_of_last, SI_QUEUE);
    ck_assert(pthread_equal(handled_by, thread));
}
END_TEST

static void *take_queued(void *argument)
{
    siginfo_t info;

    block(&usr1_and_rt);
    wait_to_go_on(NULL);
    for (int i = 0; i < 4; i++) {
        CONF_CHECK(sigwaitinfo(&usr1_and_rt, &info) == SIGRTMIN + i / 2);
        CONF_CHECK(info.si_code == SI_QUEUE && info.si_pid == getpid());
        CONF_CHECK(info.si_value.sival_int == i);
    }
    return argument;
}

START_TEST(a_thread_takes_its_values_in_order)
{
    pthread_t thread = start_thread(take_queued, NULL);

    wait_for(&started);
    queue(thread, SIGRTMIN + 1, 2);
    queue(thread, SIGRTMIN, 0);
    queue(thread, SIGRTMIN, 1);
    queue(thread, SIGRTMIN + 1, 3);
    ck_assert_int_eq(sem_post(&go_on), 0);
    join_thread(thread);
    ck_assert_int_eq(handled, 0);
}
END_TEST

static void *be_interrupted(void *argument)
{
    int rc, error;

    CONF_CHECK(sem_post(&started) == 0);
    rc = sem_wait(&go_on);
    error = errno;
    CONF_CHECK(rc == -1 && error == EINTR);
    CONF_CHECK(handled == 1);
    return argument;
}

START_TEST(a_handler_ends_the_wait_of_its_thread)
{
    pthread_t thread = start_thread(be_interrupted, NULL);

    wait_for(&started);
    let_block();
    ck_assert_int_eq(pthread_kill(thread, SIGUSR1), 0);
    join_thread(thread);
    ck_assert(pthread_equal(handled_by, thread));
}
END_TEST

static void *pause_for_own(void *argument)
{
    CONF_CHECK(sem_post(&started) == 0);
    CONF_CHECK(pause() == -1 && errno == EINTR);
    return argument;
}

static void *suspend_for_own(void *argument)
{
    sigset_t none;

    block(&usr1);
    sigemptyset(&none);
    CONF_CHECK(sem_post(&started) == 0);
    CONF_CHECK(sigsuspend(&none) == -1 && errno == EINTR);
    CONF_CHECK(pthread_equal(handled_by, pthread_self()));
    return argument;
}

/* Another thread's handler is no reason to go on. */
START_TEST(pause_and_sigsuspend_wait_for_their_own)
{
    pthread_t thread =
        start_thread(_i == 0 ? pause_for_own : suspend_for_own, NULL);

    wait_for(&started);
    let_block();
    ck_assert_int_eq(raise(SIGUSR1), 0);
    ck_assert_int_eq(handled, 1);
    let_block();
    ck_assert_int_eq(pthread_tryjoin_np(thread, NULL), EBUSY);
    ck_assert_int_eq(pthread_kill(thread, SIGUSR1), 0);
    join_thread(thread);
    ck_assert_int_eq(handled, 2);
}
END_TEST

/* ---- signals to the process ---- */

START_TEST(one_that_main_blocks_goes_to_a_thread_that_does_not)
{
    pthread_t thread = start_thread(wait_to_go_on, NULL);

    wait_for(&started);
    let_block();
    block(&usr1);
    ck_assert_int_eq(kill(getpid(), SIGUSR1), 0);
    for (int i = 0; i < 200 && handled == 0; i++)
        sleep_ms(5);
    ck_assert_int_eq(handled, 1);
    ck_assert(pthread_equal(handled_by, thread));
    ck_assert_int_eq(sem_post(&go_on), 0);
    join_thread(thread);
}
END_TEST

static void *block_and_kill(void *argument)
{
    block(&usr1);
    CONF_CHECK(kill(getpid(), SIGUSR1) == 0);
    sleep_ms(20);
    CONF_CHECK(handled == 1);
    CONF_CHECK(!pthread_equal(handled_by, pthread_self()));
    return argument;
}

START_TEST(one_that_a_thread_blocks_goes_to_main)
{
    join_thread(start_thread(block_and_kill, NULL));
    ck_assert_int_eq(handled, 1);
    ck_assert(pthread_equal(handled_by, pthread_self()));
}
END_TEST

START_TEST(one_that_all_block_waits_for_the_first_who_does_not)
{
    pthread_t thread;

    block(&usr1);
    thread = start_thread(wait_to_go_on, NULL);
    wait_for(&started);
    ck_assert_int_eq(kill(getpid(), SIGUSR1), 0);
    ck_assert(is_pending(SIGUSR1));
    let_block();
    ck_assert_int_eq(handled, 0);
    unblock(&usr1);
    ck_assert_int_eq(handled, 1);
    ck_assert(pthread_equal(handled_by, pthread_self()));
    ck_assert_int_eq(sem_post(&go_on), 0);
    join_thread(thread);
}
END_TEST

static void *wait_for_signals(void *argument)
{
    int number = 0;

    CONF_CHECK(sem_post(&started) == 0);
    for (int i = 0; i < 3; i++) {
        CONF_CHECK(sigwait(&usr1, &number) == 0);
        CONF_CHECK(number == SIGUSR1);
        CONF_CHECK(sem_post(&go_on) == 0);
    }
    return argument;
}

/* The usual design: all block, one thread takes. */
START_TEST(a_thread_that_waits_for_it_takes_it_beside_others)
{
    pthread_t others[5], taker;

    block(&usr1);
    for (int i = 0; i < 5; i++)
        others[i] = start_thread(wait_to_go_on, NULL);
    for (int i = 0; i < 5; i++)
        wait_for(&started);
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(sem_post(&go_on), 0);
    for (int i = 0; i < 5; i++)
        join_thread(others[i]);
    taker = start_thread(wait_for_signals, NULL);
    wait_for(&started);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(kill(getpid(), SIGUSR1), 0);
        wait_for(&go_on);
    }
    join_thread(taker);
    ck_assert_int_eq(handled, 0);
}
END_TEST

START_TEST(sigqueue_to_the_process_carries_its_value)
{
    ck_assert_int_eq(sigqueue(getpid(), SIGRTMIN,
                              (union sigval){ .sival_int = 31 }),
                     0);
    for (int i = 0; i < 200 && handled == 0; i++)
        sleep_ms(5);
    ck_assert_int_eq(value_of_last, 31);
    ck_assert_int_eq(code_of_last, SI_QUEUE);
}
END_TEST

START_TEST(a_signal_by_number_of_the_thread)
{
    ck_assert_int_eq(syscall(SYS_tgkill, getpid(), gettid(), SIGUSR1), 0);
    ck_assert_int_eq(handled, 1);
    ck_assert_int_eq(tgkill(getpid(), gettid(), 0), 0);
    errno = 0;
    ck_assert_int_eq(tgkill(getpid(), 0x7ffffff0, 0), -1);
    ck_assert_int_eq(errno, ESRCH);
}
END_TEST

static void *be_killed(void *argument)
{
    wait_to_go_on(NULL);
    return argument;
}

static void die_by_a_thread(void)
{
    pthread_t thread;

    signal(SIGUSR1, SIG_DFL);
    thread = start_thread(be_killed, NULL);
    wait_for(&started);
    pthread_kill(thread, SIGUSR1);
    sleep_ms(1000);
}

static void die_when_unblocked(void)
{
    pthread_t thread;

    signal(SIGUSR1, SIG_DFL);
    thread = start_thread(block_and_wait, NULL);
    wait_for(&started);
    pthread_kill(thread, SIGUSR1);
    let_block();
    sem_post(&go_on);
    pthread_join(thread, NULL);
}

static void *unblock_and_wait(void *argument)
{
    unblock(&usr1);
    return wait_to_go_on(argument);
}

/* Whoever else blocks it, and who sends it. */
static void die_by_one_that_does_not_block(void)
{
    enum { THREADS = 4 };
    pthread_t threads[THREADS];

    signal(SIGUSR1, SIG_DFL);
    block(&usr1);
    for (int i = 0; i < THREADS; i++) {
        threads[i] = start_thread(i == 2 ? unblock_and_wait : wait_to_go_on,
                                  NULL);
        wait_for(&started);
    }
    pthread_kill(threads[2], SIGUSR1);
    sleep_ms(1000);
}

START_TEST(the_default_action_is_the_processs)
{
    ck_assert_int_eq(run_child(die_by_one_that_does_not_block), 128 + SIGUSR1);
    ck_assert_int_eq(run_child(die_by_a_thread), 128 + SIGUSR1);
    ck_assert_int_eq(run_child(die_when_unblocked), 128 + SIGUSR1);
}
END_TEST

START_TEST(an_ignored_one_is_gone)
{
    pthread_t thread;

    signal(SIGUSR1, SIG_IGN);
    thread = start_thread(wait_to_go_on, NULL);
    wait_for(&started);
    ck_assert_int_eq(pthread_kill(thread, SIGUSR1), 0);
    ck_assert_int_eq(sem_post(&go_on), 0);
    join_thread(thread);
    ck_assert_int_eq(handled, 0);
}
END_TEST

static void add(TCase *tcase)
{
    tcase_add_checked_fixture(tcase, setup, teardown);
    conf_test(tcase, masks_are_inherited_and_then_the_threads_own, 1);
    conf_test(tcase, what_is_pending_for_a_thread_is_not_inherited, 1);
    conf_test(tcase, masks_refuse_nonsense, 1);
    conf_test(tcase, kill_and_stop_cannot_be_blocked, 1);
    conf_test(tcase, pthread_kill_is_handled_by_its_thread, 1);
    conf_test(tcase, pthread_kill_of_zero_and_of_nonsense, 1);
    conf_test(tcase, raise_is_to_the_calling_thread, 1);
    conf_test(tcase, a_blocked_one_waits_for_its_thread_alone, 1);
    conf_test(tcase, values_are_queued_lowest_number_first, 1);
    conf_test(tcase, a_thread_takes_its_values_in_order, 1);
    conf_test(tcase, a_handler_ends_the_wait_of_its_thread, 1);
    conf_test(tcase, pause_and_sigsuspend_wait_for_their_own, 2);
    conf_test(tcase, one_that_main_blocks_goes_to_a_thread_that_does_not, 1);
    conf_test(tcase, one_that_a_thread_blocks_goes_to_main, 1);
    conf_test(tcase, one_that_all_block_waits_for_the_first_who_does_not, 1);
    conf_test(tcase, a_thread_that_waits_for_it_takes_it_beside_others, 1);
    conf_test(tcase, sigqueue_to_the_process_carries_its_value, 1);
    conf_test(tcase, a_signal_by_number_of_the_thread, 1);
    conf_test(tcase, the_default_action_is_the_processs, 1);
    conf_test(tcase, an_ignored_one_is_gone, 1);
}

int main(void)
{
    return conf_main("signal_threads", add, CONF_THREADS);
}
