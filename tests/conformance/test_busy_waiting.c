/* Threads that wait by asking again and again: the one they wait for must get
 * its turn, though nobody blocks */
#include "conf_threads.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/wait.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static sem_t sem, holding;
static int ends[2], sockets[2], epoll;
static pthread_mutex_t turn_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t turn = PTHREAD_COND_INITIALIZER;
static pthread_t helper, waiter;
static volatile int flag, joined;

/* What is asked; each returns whether it has come. */

static bool by_trylock(void)
{
    if (pthread_mutex_trylock(&mutex) != 0)
        return false;
    pthread_mutex_unlock(&mutex);
    return true;
}

static bool by_tryrdlock(void)
{
    if (pthread_rwlock_tryrdlock(&rwlock) != 0)
        return false;
    pthread_rwlock_unlock(&rwlock);
    return true;
}

static bool by_sem_trywait(void)
{
    return sem_trywait(&sem) == 0;
}

static bool by_sem_getvalue(void)
{
    int value = 0;

    sem_getvalue(&sem, &value);
    return value > 0;
}

static bool by_tryjoin(void)
{
    joined = pthread_tryjoin_np(helper, NULL) == 0;
    return joined;
}

static bool by_sched_yield(void)
{
    sched_yield();
    return flag;
}

static bool by_usleep_of_nothing(void)
{
    usleep(0);
    return flag;
}

static bool by_poll_of_no_time(void)
{
    struct pollfd entry = {.fd = ends[0], .events = POLLIN};

    return poll(&entry, 1, 0) == 1;
}

static bool by_select_of_no_time(void)
{
    struct timeval none = {0, 0};
    fd_set set;

    FD_ZERO(&set);
    FD_SET(ends[0], &set);
    return select(ends[0] + 1, &set, NULL, NULL, &none) == 1;
}

static bool by_epoll_of_no_time(void)
{
    struct epoll_event event;

    return epoll_wait(epoll, &event, 1, 0) == 1;
}

static bool by_read_that_may_not_wait(void)
{
    char byte;

    return read(ends[0], &byte, 1) == 1;
}

static bool by_recv_that_may_not_wait(void)
{
    char byte;

    return recv(sockets[0], &byte, 1, MSG_DONTWAIT) == 1;
}

static bool by_waitpid_that_may_not_wait(void)
{
    CONF_CHECK(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
    return flag;
}

/* An interpreter's lock, given up and taken again without a pause. */
static bool by_signalling_a_condition(void)
{
    pthread_mutex_lock(&turn_mutex);
    pthread_cond_signal(&turn);
    pthread_mutex_unlock(&turn_mutex);
    return flag;
}

static bool by_setting_an_action(void)
{
    CONF_CHECK(signal(SIGUSR2, SIG_IGN) != SIG_ERR);
    return flag;
}

#define WAY(name)        \
    {                    \
#name, by_##name \
    }
static const struct {
    const char *name;
    bool (*ask)(void);
} ways[] = {
    WAY(trylock),
    WAY(tryrdlock),
    WAY(sem_trywait),
    WAY(sem_getvalue),
    WAY(tryjoin),
    WAY(sched_yield),
    WAY(usleep_of_nothing),
    WAY(poll_of_no_time),
    WAY(select_of_no_time),
    WAY(epoll_of_no_time),
    WAY(read_that_may_not_wait),
    WAY(recv_that_may_not_wait),
    WAY(waitpid_that_may_not_wait),
    WAY(signalling_a_condition),
    WAY(setting_an_action),
};
enum { WAYS = sizeof ways / sizeof *ways };

static void *wait_for_a_turn(void *argument)
{
    pthread_mutex_lock(&turn_mutex);
    while (!flag)
        pthread_cond_wait(&turn, &turn_mutex);
    pthread_mutex_unlock(&turn_mutex);
    return argument;
}

/* Makes all of them come, a little later; with the locks held till then. */
static void *let_it_come(void *argument)
{
    pthread_mutex_lock(&mutex);
    pthread_rwlock_wrlock(&rwlock);
    sem_post(&holding);
    sleep_ms(5);
    pthread_rwlock_unlock(&rwlock);
    pthread_mutex_unlock(&mutex);
    flag = 1;
    sem_post(&sem);
    conf_write_all(ends[1], "x", 1);
    conf_write_all(sockets[1], "x", 1);
    return argument;
}

static void setup(void)
{
    struct epoll_event event = {.events = EPOLLIN};

    conf_pipe(ends);
    conf_unix_pair(sockets);
    ck_assert_int_eq(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
    epoll = epoll_create1(EPOLL_CLOEXEC);
    ck_assert_int_ge(epoll, 0);
    ck_assert_int_eq(epoll_ctl(epoll, EPOLL_CTL_ADD, ends[0], &event), 0);
    ck_assert_int_eq(sem_init(&sem, 0, 0), 0);
    flag = joined = 0;
    ck_assert_int_eq(sem_init(&holding, 0, 0), 0);
    waiter = start_thread(wait_for_a_turn, NULL);
    helper = start_thread(let_it_come, NULL);
    ck_assert_int_eq(sem_wait(&holding), 0);
}

static void teardown(void)
{
    if (!joined)
        join_thread(helper);
    pthread_mutex_lock(&turn_mutex);
    pthread_cond_broadcast(&turn);
    pthread_mutex_unlock(&turn_mutex);
    join_thread(waiter);
    signal(SIGUSR2, SIG_DFL);
    close(epoll);
    for (int i = 0; i < 2; i++) {
        close(ends[i]);
        close(sockets[i]);
    }
}

START_TEST(main_asks_until_it_has_come)
{
    int64_t limit = now_ns() + 10 * CONF_S;

    while (!ways[_i].ask())
        ck_assert_msg(now_ns() < limit, "by_%s never", ways[_i].name);
}
END_TEST

static void *ask_in_thread(void *argument)
{
    while (!ways[(long)argument].ask())
        ;
    return argument;
}

START_TEST(a_thread_asks_until_it_has_come)
{
    void *way = (void *)(long)_i;

    ck_assert_ptr_eq(join_thread(start_thread(ask_in_thread, way)), way);
}
END_TEST

static void add(TCase *tcase)
{
    tcase_add_checked_fixture(tcase, setup, teardown);
    conf_test(tcase, main_asks_until_it_has_come, WAYS);
    conf_test(tcase, a_thread_asks_until_it_has_come, WAYS);
}

int main(void)
{
    return conf_main("busy_waiting", add, CONF_THREADS);
}
