/* VIREO_NATIVE_THREADS: threads that stay threads of the kernel, beside mapped
 * ones.  The program runs itself again with the variable set. */
#include "../conformance/conf_threads.h"

#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

/* Found by dladdr(): exported. */
void *chosen_by_its_symbol(void *argument);
void *started_like_any(void *argument);

static sem_t go_on, started;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t barrier;
static volatile long count;
static volatile int turn;

static bool is_thread_of_the_kernel(void)
{
    char path[64];

    snprintf(path, sizeof path, "/proc/self/task/%d", (int)gettid());
    return access(path, F_OK) == 0;
}

static void setup(void)
{
    ck_assert_int_eq(sem_init(&go_on, 0, 0), 0);
    ck_assert_int_eq(sem_init(&started, 0, 0), 0);
    ck_assert_int_eq(pthread_barrier_init(&barrier, NULL, 4), 0);
    count = turn = 0;
}

static void add_under_lock(void)
{
    for (int i = 0; i < 2000; i++) {
        CONF_CHECK(pthread_mutex_lock(&mutex) == 0);
        count++;
        CONF_CHECK(pthread_mutex_unlock(&mutex) == 0);
    }
    pthread_barrier_wait(&barrier);
}

static void take_turns(long mine)
{
    for (int i = 0; i < 300; i++) {
        CONF_CHECK(pthread_mutex_lock(&mutex) == 0);
        while (turn != mine)
            CONF_CHECK(pthread_cond_wait(&cond, &mutex) == 0);
        turn = !turn;
        CONF_CHECK(pthread_cond_broadcast(&cond) == 0);
        CONF_CHECK(pthread_mutex_unlock(&mutex) == 0);
    }
}

enum { ASK, ADD, TURNS, WAIT, SLEEP, EXIT, POST, FORK };

/* The child makes threads of both kinds. */
static void fork_once(void)
{
    pid_t child = fork();

    CONF_CHECK(child >= 0);
    if (child == 0) {
        conf_child_begin();
        join_thread(start_thread(started_like_any, NULL));
        join_thread(start_thread(chosen_by_its_symbol, NULL));
        _exit(5);
    }
    CONF_CHECK(conf_child_status(child) == 5);
}

static void act(long what)
{
    if (what == FORK)
        fork_once();
    if (what == ADD)
        add_under_lock();
    if (what >= TURNS * 10 && what < TURNS * 10 + 2)
        take_turns(what - TURNS * 10);
    if (what == WAIT) {
        CONF_CHECK(sem_post(&started) == 0);
        while (sem_wait(&go_on) != 0)
            CONF_CHECK(errno == EINTR);
    }
    if (what == SLEEP) {
        sleep_ms(50);
        printf("slept\n");
        fflush(stdout);
    }
    if (what == EXIT)
        pthread_exit((void *)77);
    if (what == POST) {
        let_block();
        CONF_CHECK(pthread_cancel(pthread_self()) == 0);
        CONF_CHECK(sem_post(&started) == 0);
        count++;
        pthread_testcancel();
    }
}

void *chosen_by_its_symbol(void *argument)
{
    CONF_CHECK(is_thread_of_the_kernel());
    act((long)argument);
    return argument;
}

void *started_like_any(void *argument)
{
    act((long)argument);
    return argument;
}

START_TEST(one_that_is_chosen_is_the_kernels)
{
    ck_assert_ptr_eq(join_thread(start_thread(chosen_by_its_symbol, NULL)),
                     NULL);
    ck_assert_ptr_eq(
        join_thread(start_thread(chosen_by_its_symbol, (void *)EXIT)),
        (void *)77);
}
END_TEST

START_TEST(locks_work_between_the_kinds)
{
    pthread_t threads[4];

    for (int i = 0; i < 4; i++)
        threads[i] = start_thread(
            i % 2 ? chosen_by_its_symbol : started_like_any, (void *)ADD);
    for (int i = 0; i < 4; i++)
        join_thread(threads[i]);
    ck_assert_int_eq(count, 8000);
}
END_TEST

START_TEST(conditions_work_between_the_kinds)
{
    pthread_t one =
        start_thread(started_like_any, (void *)(long)(TURNS * 10));
    pthread_t other =
        start_thread(chosen_by_its_symbol, (void *)(long)(TURNS * 10 + 1));

    join_thread(one);
    join_thread(other);
}
END_TEST

START_TEST(one_can_be_cancelled_and_signalled)
{
    pthread_t thread = start_thread(chosen_by_its_symbol, (void *)WAIT);

    ck_assert_int_eq(sem_wait(&started), 0);
    ck_assert_int_eq(pthread_kill(thread, 0), 0);
    ck_assert_int_eq(pthread_cancel(thread), 0);
    ck_assert_ptr_eq(join_thread(thread), PTHREAD_CANCELED);
}
END_TEST

/* sem_post() is no cancellation point, whatever is done to wake a mapped one. */
START_TEST(a_request_does_not_act_while_it_wakes_one)
{
    pthread_t thread = start_thread(chosen_by_its_symbol, (void *)POST);

    ck_assert_int_eq(sem_wait(&started), 0);
    ck_assert_ptr_eq(join_thread(thread), PTHREAD_CANCELED);
    ck_assert_int_eq(count, 1);
}
END_TEST

static void *make_one(void *argument)
{
    sigset_t set, now;
    pthread_t thread;

    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    thread = start_thread(argument, (void *)WAIT);
    CONF_CHECK(sem_wait(&started) == 0);
    pthread_sigmask(SIG_BLOCK, NULL, &now);
    CONF_CHECK(sigismember(&now, SIGUSR1) == 1);
    CONF_CHECK(sem_post(&go_on) == 0);
    join_thread(thread);
    return NULL;
}

START_TEST(a_mapped_one_makes_it)
{
    join_thread(start_thread(make_one, (void *)chosen_by_its_symbol));
}
END_TEST

/* The first thing that it does. */
START_TEST(one_forks)
{
    join_thread(start_thread(chosen_by_its_symbol, (void *)FORK));
}
END_TEST

static pthread_key_t forks_at_the_end;

static void fork_at_end(void *value)
{
    fork_once();
    if (value == &cond)
        CONF_CHECK(pthread_setspecific(forks_at_the_end, &mutex) == 0);
}

void *chosen_that_leaves_a_value(void *argument);
void *chosen_that_leaves_a_value(void *argument)
{
    CONF_CHECK(pthread_setspecific(forks_at_the_end, &cond) == 0);
    return argument;
}

START_TEST(one_forks_when_its_values_are_destroyed)
{
    ck_assert_int_eq(pthread_key_create(&forks_at_the_end, fork_at_end), 0);
    join_thread(start_thread(chosen_that_leaves_a_value, NULL));
    ck_assert_int_eq(pthread_key_delete(forks_at_the_end), 0);
}
END_TEST

static void exit_before_a_native_thread(void)
{
    start_thread(chosen_by_its_symbol, (void *)SLEEP);
    pthread_exit(NULL);
}

START_TEST(the_process_lives_as_long_as_it)
{
    int ends[2], status;
    char text[16] = "";
    pid_t child;

    conf_pipe(ends);
    child = fork();
    if (child == 0) {
        conf_child_begin();
        dup2(ends[1], STDOUT_FILENO);
        exit_before_a_native_thread();
    }
    close(ends[1]);
    status = conf_child_status(child);
    ck_assert_int_ge(read(ends[0], text, sizeof text - 1), 0);
    close(ends[0]);
    ck_assert_int_eq(status, 0);
    ck_assert_ptr_nonnull(strstr(text, "slept"));
}
END_TEST

static void *name_itself(void *argument)
{
    CONF_CHECK(pthread_setname_np(pthread_self(), "worker-7") == 0);
    return (void *)(long)is_thread_of_the_kernel();
    (void)argument;
}

START_TEST(the_second_of_a_chosen_name_is_the_kernels)
{
    join_thread(start_thread(name_itself, NULL));
    ck_assert_ptr_eq(join_thread(start_thread(name_itself, NULL)),
                     (void *)1);
}
END_TEST

static void add(TCase *tcase)
{
    tcase_add_checked_fixture(tcase, setup, NULL);
    conf_test(tcase, one_that_is_chosen_is_the_kernels, 1);
    conf_test(tcase, locks_work_between_the_kinds, 1);
    conf_test(tcase, conditions_work_between_the_kinds, 1);
    conf_test(tcase, one_can_be_cancelled_and_signalled, 1);
    conf_test(tcase, a_request_does_not_act_while_it_wakes_one, 1);
    conf_test(tcase, a_mapped_one_makes_it, 1);
    conf_test(tcase, one_forks, 1);
    conf_test(tcase, one_forks_when_its_values_are_destroyed, 1);
    conf_test(tcase, the_process_lives_as_long_as_it, 1);
    conf_test(tcase, the_second_of_a_chosen_name_is_the_kernels, 1);
}

int main(int count_of, char **arguments)
{
    char *list = getenv("VIREO_NATIVE_THREADS");

    (void)count_of;
    if (list == NULL) {
        setenv("VIREO_NATIVE_THREADS", "chosen_*,worker-?", 1);
        execv("/proc/self/exe", arguments);
    }
    if (list != NULL) /* as by those that write a title over it, for ps */
        memset(list, ' ', strlen(list));
    return conf_main("native_threads", add, CONF_THREADS);
}
