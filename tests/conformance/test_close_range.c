/* close_range(2) and closefrom(3), in a child: they take what they find */
#include "conformance.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <poll.h>
#include <semaphore.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SOME_ERRNO = 4242, DELAY_MS = 10 };

static int by_number(unsigned first, unsigned last, int flags)
{
    return (int)syscall(SYS_close_range, first, last, flags);
}

typedef int range_function(unsigned first, unsigned last, int flags);

static range_function *const spellings[] = { close_range, by_number };
enum { SPELLINGS = 2 };

static sem_t reads; /* posted by who is about to */

static void put_byte(void *fd)
{
    conf_write_all(*(int *)fd, "x", 1);
}

static void *wait_for_byte(void *fd)
{
    int mine = *(int *)fd;
    char byte = 0;

    sem_post(&reads);
    CONF_CHECK(read(mine, &byte, 1) == 1);
    CONF_CHECK(byte == 'x');
    return NULL;
}

static void check_threads(void)
{
    int ends[2];
    pthread_t reader;

    CONF_CHECK(pipe(ends) == 0);
    reader = start_thread(wait_for_byte, &ends[0]);
    sleep_ms(1);
    put_byte(&ends[1]);
    join_thread(reader);
    CONF_CHECK(close(ends[0]) == 0 && close(ends[1]) == 0);
}

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

/* Each of these runs in a child, whose threads must go on working. */

static void closes_the_range_and_no_more(range_function *function)
{
    for (int fd = 50; fd < 60; fd++)
        CONF_CHECK(dup2(0, fd) == fd);
    errno = SOME_ERRNO;
    CONF_CHECK(function(52, 57, 0) == 0);
    CONF_CHECK(errno == SOME_ERRNO);
    for (int fd = 50; fd < 60; fd++)
        CONF_CHECK(is_open(fd) == (fd < 52 || fd > 57));
    check_threads();
}

static void to_the_end_spares_the_threads(range_function *function)
{
    CONF_CHECK(dup2(0, 77) == 77);
    CONF_CHECK(function(3, ~0U, 0) == 0);
    CONF_CHECK(!is_open(77));
    check_threads();
    CONF_CHECK(function(3, INT_MAX, 0) == 0);
    check_threads();
    CONF_CHECK(dup(0) == 3);
}

static void marks_for_exec(range_function *function)
{
    CONF_CHECK(dup2(0, 50) == 50 && dup2(0, 51) == 51);
    CONF_CHECK(function(51, ~0U, CLOSE_RANGE_CLOEXEC) == 0);
    CONF_CHECK(fcntl(50, F_GETFD) == 0);
    CONF_CHECK(fcntl(51, F_GETFD) == FD_CLOEXEC);
    check_threads();
}

static void unshares_first(range_function *function)
{
    CONF_CHECK(dup2(0, 50) == 50);
    CONF_CHECK(function(50, ~0U, CLOSE_RANGE_UNSHARE) == 0);
    CONF_CHECK(!is_open(50));
    check_threads();
}

static void refuses(range_function *function)
{
    CONF_CHECK(function(10, 9, 0) == -1 && errno == EINVAL);
    CONF_CHECK(function(10, 20, 1 << 20) == -1 && errno == EINVAL);
    CONF_CHECK(function(~0U, ~0U, 0) == 0);
    check_threads();
}

/* As in close(2): a waiting call holds its file. */
static void lets_a_waiting_read_go_on(range_function *function)
{
    int ends[2], copy;
    pthread_t reader;

    CONF_CHECK(pipe(ends) == 0);
    copy = fcntl(ends[0], F_DUPFD, 500);
    while (sem_trywait(&reads) == 0)
        ; /* of those before */
    reader = start_thread(wait_for_byte, &copy);
    CONF_CHECK(sem_wait(&reads) == 0);
    sleep_ms(DELAY_MS);
    CONF_CHECK(function(500, 600, 0) == 0);
    CONF_CHECK(!is_open(copy));
    put_byte(&ends[1]);
    join_thread(reader);
}

static void closefrom_spares_the_threads(range_function *function)
{
    (void)function;
    CONF_CHECK(dup2(0, 50) == 50 && dup2(0, 49) == 49);
    closefrom(50);
    CONF_CHECK(is_open(49) && !is_open(50));
    check_threads();
    closefrom(3);
    CONF_CHECK(!is_open(49));
    check_threads();
    closefrom(-1);
    CONF_CHECK(!is_open(0));
}

static void (*const cases[])(range_function *) = {
    closes_the_range_and_no_more, to_the_end_spares_the_threads,
    marks_for_exec,               unshares_first,
    refuses,                      lets_a_waiting_read_go_on,
    closefrom_spares_the_threads,
};
enum { CASES = 7 };

static void run_case(int i, bool threads_before)
{
    pid_t child = fork();

    if (child == 0) {
        conf_child_begin();
        if (threads_before)
            check_threads();
        cases[i % CASES](spellings[i / CASES]);
        _exit(0);
    }
    ck_assert_int_eq(conf_child_status(child), 0);
}

START_TEST(does_what_it_says)
{
    run_case(_i, false);
}
END_TEST

START_TEST(does_what_it_says_once_threads_have_run)
{
    run_case(_i, true);
}
END_TEST

static void add(TCase *tcase)
{
    conf_test(tcase, does_what_it_says, CASES * SPELLINGS);
    conf_test(tcase, does_what_it_says_once_threads_have_run,
              CASES * SPELLINGS);
}

int main(void)
{
    return conf_main("close_range", add, CONF_THREADS);
}
