/* Clocks that jump: the child of a fork() into a time namespace, whose monotonic
 * clock is days ahead of its parent's or behind it.  What waits there waits as long
 * as it is told.  (To set CLOCK_REALTIME would change the machine.) */
#include "conf_threads.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <semaphore.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <sys/wait.h>

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif

#define WAIT_MS 30

/* ---- in the namespace ---- */

static int ends[2];
static sem_t never;

static void *sleep_a_while(void *argument)
{
    int64_t begin = now_ns();
    struct timespec time = {0, WAIT_MS * CONF_MS}, until;

    CONF_CHECK(nanosleep(&time, NULL) == 0);
    CONF_CHECK(now_ns() - begin >= WAIT_MS * CONF_MS);
    until = deadline_in(CLOCK_MONOTONIC, WAIT_MS);
    CONF_CHECK(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) ==
               0);
    CONF_CHECK(now_ns() - begin >= 2 * WAIT_MS * CONF_MS);
    until = deadline_in(CLOCK_REALTIME, WAIT_MS);
    CONF_CHECK(clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &until, NULL) ==
               0);
    return argument;
}

static void *wait_a_while(void *argument)
{
    clockid_t clocks[] = {CLOCK_MONOTONIC, CLOCK_REALTIME};

    for (int i = 0; i < 2; i++) {
        struct timespec until = deadline_in(clocks[i], WAIT_MS), now;

        CONF_CHECK(sem_clockwait(&never, clocks[i], &until) == -1 &&
                   errno == ETIMEDOUT);
        clock_gettime(clocks[i], &now);
        CONF_CHECK(now.tv_sec > until.tv_sec ||
                   (now.tv_sec == until.tv_sec &&
                    now.tv_nsec >= until.tv_nsec));
    }
    return argument;
}

static void *poll_a_while(void *argument)
{
    struct pollfd one = {ends[0], POLLIN, 0};
    int64_t begin = now_ns();

    CONF_CHECK(poll(&one, 1, WAIT_MS) == 0);
    CONF_CHECK(now_ns() - begin >= WAIT_MS * CONF_MS);
    return argument;
}

static void *read_a_timer(void *argument)
{
    struct itimerspec when = {{0, 0}, deadline_in(CLOCK_MONOTONIC, WAIT_MS)};
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    uint64_t count = 0;

    CONF_CHECK(timerfd_settime(fd, TFD_TIMER_ABSTIME, &when, NULL) == 0);
    CONF_CHECK(read(fd, &count, sizeof count) == sizeof count && count == 1);
    close(fd);
    return argument;
}

static void *(*const waits[])(void *) = {sleep_a_while, wait_a_while,
                                         poll_a_while, read_a_timer};
enum { WAITS = sizeof waits / sizeof *waits };

static void wait_in_threads(void)
{
    pthread_t threads[WAITS];

    for (int i = 0; i < WAITS; i++)
        threads[i] = start_thread(waits[i], NULL);
    for (int i = 0; i < WAITS; i++)
        join_thread(threads[i]);
}

/* ---- into the namespace ---- */

static const char *const offsets[] = {"monotonic 500000 0\n",
                                      "monotonic -30 0\n"};

enum { ENTERED = 7, NOT_HERE = 77 };

static int jump; /* index of the offset */

static void jump_and_wait(void)
{
    int fd, rc;

    if (unshare(CLONE_NEWTIME) != 0)
        _exit(NOT_HERE);
    fd = open("/proc/self/timens_offsets", O_WRONLY);
    if (fd < 0 || write(fd, offsets[jump], strlen(offsets[jump])) < 0)
        _exit(NOT_HERE);
    close(fd);
    CONF_CHECK(pipe(ends) == 0 && sem_init(&never, 0, 0) == 0);
    rc = run_child(wait_in_threads);
    CONF_CHECK(rc == 0);
    wait_in_threads(); /* its own clock is as before */
    _exit(ENTERED);
}

START_TEST(who_waits_waits_as_long_as_it_is_told)
{
    int rc;

    ck_assert_int_eq(sem_init(&never, 0, 0), 0);
    jump = _i;
    wait_a_while(NULL); /* the parent's clock is known by then */
    rc = run_child(jump_and_wait);
    if (rc == NOT_HERE)
        conf_skip("no time namespace may be made here");
    else
        ck_assert_int_eq(rc, ENTERED);
}
END_TEST

static void add(TCase *tcase)
{
    conf_test(tcase, who_waits_waits_as_long_as_it_is_told, 2);
}

int main(void)
{
    return conf_main("clock_jumps", add, CONF_THREADS);
}
