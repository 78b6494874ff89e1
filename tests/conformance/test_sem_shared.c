/* Semaphores that processes share: in shared memory, and by name */
#include "conf_threads.h"

#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <sys/stat.h>

static struct {
    sem_t sems[2], go;
    volatile int inside, others_ran;
} * area;

static char name[64];

static void setup(void)
{
    area = shared_memory(sizeof *area);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(sem_init(&area->sems[i], 1, i == 0), 0);
    ck_assert_int_eq(sem_init(&area->go, 1, 0), 0);
    snprintf(name, sizeof name, "/conformance-%ld", (long)getpid());
    sem_unlink(name);
}

static void teardown(void)
{
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(sem_destroy(&area->sems[i]), 0);
    ck_assert_int_eq(sem_destroy(&area->go), 0);
    ck_assert_int_eq(munmap(area, sizeof *area), 0);
    sem_unlink(name);
}

static pid_t start_child(void (*body)(void))
{
    pid_t child;

    fflush(NULL);
    child = fork();
    CONF_CHECK(child >= 0);
    if (child == 0) {
        conf_child_begin();
        body();
        _exit(0);
    }
    return child;
}

enum { PASSES = 300 };

static void bounce(int me)
{
    for (int i = 0; i < PASSES; i++) {
        CONF_CHECK(sem_wait(&area->sems[me]) == 0);
        CONF_CHECK(sem_post(&area->sems[!me]) == 0);
    }
}

static void bounce_back(void)
{
    bounce(1);
}

START_TEST(processes_wake_each_other)
{
    pid_t child = start_child(bounce_back);

    bounce(0);
    ck_assert_int_eq(conf_child_status(child), 0);
}
END_TEST

static void *bounce_in_thread(void *argument)
{
    bounce((int)(long)argument);
    return NULL;
}

static void bounce_back_in_thread(void)
{
    join_thread(start_thread(bounce_in_thread, (void *)1L));
}

START_TEST(threads_of_processes_wake_each_other)
{
    pid_t child = start_child(bounce_back_in_thread);

    join_thread(start_thread(bounce_in_thread, (void *)0L));
    ck_assert_int_eq(conf_child_status(child), 0);
}
END_TEST

static void post_after_others_ran(void)
{
    wait_until_counted(&area->others_ran);
    CONF_CHECK(sem_post(&area->go) == 0);
}

START_TEST(other_threads_run_while_one_waits_for_a_process)
{
    pid_t child = start_child(post_after_others_ran);
    pthread_t thread;

    thread = start_thread(count_meanwhile, (void *)&area->others_ran);
    ck_assert_int_eq(sem_wait(&area->go), 0);
    ck_assert_int_gt(area->others_ran, 0);
    join_thread(thread);
    ck_assert_int_eq(conf_child_status(child), 0);
}
END_TEST

START_TEST(a_shared_wait_ends_at_the_deadline)
{
    int64_t before = now_ns();
    struct timespec when = deadline_in(CLOCK_REALTIME, 30);

    errno = 0;
    ck_assert_int_eq(sem_timedwait(&area->go, &when), -1);
    ck_assert_int_eq(errno, ETIMEDOUT);
    ck_assert_int_ge(now_ns() - before, 29 * CONF_MS);
}
END_TEST

static void open_and_post(void)
{
    sem_t *sem = sem_open(name, 0);

    CONF_CHECK(sem != SEM_FAILED);
    CONF_CHECK(sem_post(sem) == 0);
    CONF_CHECK(sem_close(sem) == 0);
}

START_TEST(a_name_leads_to_it)
{
    sem_t *sem = sem_open(name, O_CREAT | O_EXCL, 0600, 2);
    sem_t *again;
    int value;

    ck_assert(sem != SEM_FAILED);
    again = sem_open(name, O_CREAT, 0600, 9);
    ck_assert_ptr_eq(again, sem);
    ck_assert_int_eq(sem_getvalue(sem, &value), 0);
    ck_assert_int_eq(value, 2);
    ck_assert_int_eq(run_child(open_and_post), 0);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(sem_wait(sem), 0);
    ck_assert_int_eq(sem_trywait(sem), -1);
    ck_assert_int_eq(sem_close(again), 0);
    ck_assert_int_eq(sem_close(sem), 0);
    ck_assert_int_eq(sem_unlink(name), 0);
}
END_TEST

START_TEST(a_named_one_wakes_a_waiter)
{
    sem_t *sem = sem_open(name, O_CREAT | O_EXCL, 0600, 0);
    pid_t child;

    ck_assert(sem != SEM_FAILED);
    child = start_child(open_and_post);
    ck_assert_int_eq(sem_wait(sem), 0);
    ck_assert_int_eq(conf_child_status(child), 0);
    ck_assert_int_eq(sem_close(sem), 0);
}
END_TEST

START_TEST(names_are_refused)
{
    sem_t *sem = sem_open(name, O_CREAT | O_EXCL, 0600, 0);

    ck_assert(sem != SEM_FAILED);
    errno = 0;
    ck_assert(sem_open(name, O_CREAT | O_EXCL, 0600, 0) == SEM_FAILED);
    ck_assert_int_eq(errno, EEXIST);
    ck_assert_int_eq(sem_unlink(name), 0);
    errno = 0;
    ck_assert_int_eq(sem_unlink(name), -1);
    ck_assert_int_eq(errno, ENOENT);
    errno = 0;
    ck_assert(sem_open(name, 0) == SEM_FAILED);
    ck_assert_int_eq(errno, ENOENT);
    ck_assert_int_eq(sem_post(sem), 0);
    ck_assert_int_eq(sem_wait(sem), 0);
    ck_assert_int_eq(sem_close(sem), 0);
}
END_TEST

static void add(TCase *tcase)
{
    tcase_add_checked_fixture(tcase, setup, teardown);
    conf_test(tcase, processes_wake_each_other, 1);
    conf_test(tcase, threads_of_processes_wake_each_other, 1);
    conf_test(tcase, other_threads_run_while_one_waits_for_a_process, 1);
    conf_test(tcase, a_shared_wait_ends_at_the_deadline, 1);
    conf_test(tcase, a_name_leads_to_it, 1);
    conf_test(tcase, a_named_one_wakes_a_waiter, 1);
    conf_test(tcase, names_are_refused, 1);
}

int main(void)
{
    return conf_main("sem_shared", add, CONF_THREADS);
}
