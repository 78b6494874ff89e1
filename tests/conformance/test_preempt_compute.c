/* Threads that compute and never call anything: the others go on */
#include "conf_threads.h"

#include <errno.h>
#include <poll.h>
#include <semaphore.h>

enum { HOGS = 2 };

static volatile int stop;
static volatile unsigned long work[HOGS];
static pthread_t hogs[HOGS];

static void *compute(void *argument)
{
    long me = (long)argument;

    while (!stop)
        work[me] = work[me] + 1;
    return NULL;
}

static void setup(void)
{
    stop = 0;
    for (long i = 0; i < HOGS; i++) {
        work[i] = 0;
        hogs[i] = start_thread(compute, (void *)i);
    }
}

static void teardown(void)
{
    stop = 1;
    for (int i = 0; i < HOGS; i++)
        join_thread(hogs[i]);
}

START_TEST(a_sleeper_wakes)
{
    for (int i = 0; i < 10; i++) {
        int64_t before = now_ns();

        sleep_ms(5);
        ck_assert_int_lt(now_ns() - before, 2 * CONF_S);
    }
}
END_TEST

START_TEST(each_of_them_gets_on)
{
    unsigned long before[HOGS];
    int64_t limit = now_ns() + 10 * CONF_S;

    sleep_ms(5);
    for (int i = 0; i < HOGS; i++)
        before[i] = work[i];
    for (int i = 0; i < HOGS; i++)
        while (work[i] == before[i]) {
            ck_assert_int_lt(now_ns(), limit);
            sleep_ms(1);
        }
}
END_TEST

/* One thread reads what another writes, to and fro. */
static int there[2], back[2];

static void *echo(void *argument)
{
    char byte;

    for (int i = 0; i < 20; i++) {
        conf_read_all(there[0], &byte, 1);
        conf_write_all(back[1], &byte, 1);
    }
    return argument;
}

START_TEST(readers_read)
{
    pthread_t thread;
    char byte;

    conf_pipe(there);
    conf_pipe(back);
    thread = start_thread(echo, NULL);
    for (int i = 0; i < 20; i++) {
        conf_write_all(there[1], "x", 1);
        conf_read_all(back[0], &byte, 1);
    }
    join_thread(thread);
    for (int i = 0; i < 2; i++) {
        close(there[i]);
        close(back[i]);
    }
}
END_TEST

START_TEST(a_deadline_passes)
{
    int64_t before = now_ns();
    struct timespec when = deadline_in(CLOCK_REALTIME, 20);
    sem_t sem;

    ck_assert_int_eq(sem_init(&sem, 0, 0), 0);
    ck_assert_int_eq(sem_timedwait(&sem, &when), -1);
    ck_assert_int_eq(errno, ETIMEDOUT);
    ck_assert_int_eq(poll(NULL, 0, 20), 0);
    ck_assert_int_ge(now_ns() - before, 39 * CONF_MS);
    ck_assert_int_lt(now_ns() - before, 5 * CONF_S);
    ck_assert_int_eq(sem_destroy(&sem), 0);
}
END_TEST

/* One waits for a variable, by looking; another changes it. */
static volatile int flag;

static void *raise_flag(void *argument)
{
    sleep_ms(5);
    flag = 1;
    return argument;
}

START_TEST(one_who_looks_and_looks_sees_it_change)
{
    pthread_t thread;

    flag = 0;
    thread = start_thread(raise_flag, NULL);
    while (!flag)
        ;
    join_thread(thread);
}
END_TEST

/* Registers of all kinds survive being stopped anywhere. */
static void *check_sums(void *argument)
{
    for (int round = 0; round < 20; round++) {
        double sum = 0, product = 1;
        unsigned long hash = 5381;

        for (int i = 1; i <= 20000; i++) {
            sum += i * 0.5;
            product = product * 1.0001 + 0.5;
            hash = hash * 33 + (unsigned)i;
        }
        ((double *)argument)[0] = sum;
        ((double *)argument)[1] = product;
        ((double *)argument)[2] = (double)hash;
        if (round > 0)
            CONF_CHECK(memcmp(argument, (double *)argument + 3,
                              3 * sizeof(double)) == 0);
        memcpy((double *)argument + 3, argument, 3 * sizeof(double));
    }
    return NULL;
}

START_TEST(results_are_right)
{
    static double results[6][6];
    pthread_t threads[6];

    for (int i = 0; i < 6; i++)
        threads[i] = start_thread(check_sums, results[i]);
    for (int i = 0; i < 6; i++)
        join_thread(threads[i]);
    for (int i = 1; i < 6; i++)
        ck_assert_mem_eq(results[i], results[0], sizeof results[0]);
}
END_TEST

/* errno of a thread that is stopped anywhere, and gives no way by itself. */
static void *keep_errno(void *argument)
{
    for (int i = 0; i < 200000; i++) {
        *(volatile int *)&errno = (int)(long)argument;
        if (*(volatile int *)&errno != (int)(long)argument)
            return argument;
    }
    return NULL;
}

START_TEST(errno_stays_with_its_thread)
{
    pthread_t threads[6];

    for (long i = 0; i < 6; i++)
        threads[i] = start_thread(keep_errno, (void *)(i + 1));
    for (int i = 0; i < 6; i++)
        ck_assert_ptr_null(join_thread(threads[i]));
}
END_TEST

static void add(TCase *tcase)
{
    tcase_add_checked_fixture(tcase, setup, teardown);
    conf_test(tcase, a_sleeper_wakes, 1);
    conf_test(tcase, each_of_them_gets_on, 1);
    conf_test(tcase, readers_read, 1);
    conf_test(tcase, a_deadline_passes, 1);
    conf_test(tcase, one_who_looks_and_looks_sees_it_change, 1);
    conf_test(tcase, results_are_right, 1);
    conf_test(tcase, errno_stays_with_its_thread, 1);
}

int main(void)
{
    return conf_main("preempt_compute", add, CONF_THREADS);
}
