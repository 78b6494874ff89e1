/* open(2): the lowest number that is free, whatever else goes on in the process
 *
 * A runtime that looks after its threads meanwhile may open files of its own; the
 * program must not meet them. */
#include "conf_threads.h"

#include <fcntl.h>
#include <semaphore.h>
#include <unistd.h>

static volatile int stop;
static sem_t go_on;

/* Other threads wait all the time, or wait and compute by turns. */
static void *only_wait(void *unused)
{
    while (sem_wait(&go_on) < 0)
        continue;
    return unused;
}

static void *wait_and_compute(void *unused)
{
    while (!stop) {
        int64_t until = now_ns() + 30 * CONF_MS;

        while (now_ns() < until)
            continue;
        sleep_ms(2);
    }
    return unused;
}

static void open_for(int64_t span, int expected)
{
    int64_t until = now_ns() + span;

    while (now_ns() < until) {
        int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

        ck_assert_int_eq(fd, expected);
        ck_assert_int_eq(close(fd), 0);
    }
}

static int next_number(void)
{
    int fd = dup(0);

    close(fd);
    return fd;
}

START_TEST(is_what_open_gives)
{
    pthread_t threads[3];
    int expected;

    stop = 0;
    ck_assert_int_eq(sem_init(&go_on, 0, 0), 0);
    for (int i = 0; i < 3; i++)
        threads[i] = start_thread(_i ? wait_and_compute : only_wait, NULL);
    expected = next_number();
    for (int i = 0; i < 5; i++) {
        open_for(200 * CONF_MS, expected); /* without a wait */
        sleep_ms(5);
        ck_assert_int_eq(next_number(), expected);
    }
    stop = 1;
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(sem_post(&go_on), 0);
    for (int i = 0; i < 3; i++)
        join_thread(threads[i]);
}
END_TEST

static void add(TCase *tcase)
{
    conf_test(tcase, is_what_open_gives, 2);
}

int main(void)
{
    return conf_main("lowest_fd", add, CONF_THREADS);
}
