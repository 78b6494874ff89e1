/* Shared locks of a process that is killed (kill -9) while it holds them */
#include "conf_threads.h"

#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/syscall.h>

enum { WAITERS = 3 };

static struct area {
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    pthread_rwlock_t rwlock;
    pthread_barrier_t barrier;
    sem_t semaphore;
    volatile int held, answers[WAITERS], sum;
} *area;

/* ---- the one who is killed ---- */

struct holder {
    void (*hold)(void);
    bool in_thread; /* of that process, not in its first one */
    pid_t pid;
};

static void *hold_for_ever(void *argument)
{
    const struct holder *holder = argument;

    holder->hold();
    area->held = 1;
    for (;;)
        sleep_ms(20000);
    return NULL;
}

static void start_holder(struct holder *holder)
{
    fflush(NULL);
    area->held = 0;
    holder->pid = fork();
    CONF_CHECK(holder->pid >= 0);
    if (holder->pid == 0) {
        conf_child_begin();
        if (holder->in_thread)
            join_thread(start_thread(hold_for_ever, holder));
        hold_for_ever(holder);
    }
    while (!area->held)
        sleep_ms(1);
}

static void kill_holder(const struct holder *holder)
{
    ck_assert_int_eq(kill(holder->pid, SIGKILL), 0);
    ck_assert_int_eq(conf_child_status(holder->pid), 128 + SIGKILL);
}

/* ---- mutexes ---- */

static const struct {
    int type, protocol;
} kinds[] = {
    { PTHREAD_MUTEX_NORMAL, PTHREAD_PRIO_NONE },
    { PTHREAD_MUTEX_RECURSIVE, PTHREAD_PRIO_NONE },
    { PTHREAD_MUTEX_ERRORCHECK, PTHREAD_PRIO_NONE },
    { PTHREAD_MUTEX_NORMAL, PTHREAD_PRIO_INHERIT },
    { PTHREAD_MUTEX_RECURSIVE, PTHREAD_PRIO_INHERIT },
    { PTHREAD_MUTEX_ERRORCHECK, PTHREAD_PRIO_INHERIT },
};
enum { KINDS = sizeof kinds / sizeof *kinds };

static bool made(int which, bool robust)
{
    pthread_mutexattr_t attr;
    size_t size;
    void *list;
    int err;

    if (robust && syscall(SYS_get_robust_list, 0, &list, &size) != 0) {
        conf_skip("this kernel has no robust mutexes");
        return false;
    }
    area = shared_memory(sizeof *area);
    ck_assert_int_eq(pthread_mutexattr_init(&attr), 0);
    pthread_mutexattr_settype(&attr, kinds[which].type);
    pthread_mutexattr_setprotocol(&attr, kinds[which].protocol);
    pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    if (robust)
        pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
    err = pthread_mutex_init(&area->mutex, &attr);
    ck_assert_int_eq(pthread_mutexattr_destroy(&attr), 0);
    if (err == 0)
        return true;
    ck_assert_int_eq(err, ENOTSUP);
    conf_skip("this kernel has no priority inheritance");
    munmap(area, sizeof *area);
    return false;
}

static void unmake(void)
{
    ck_assert_int_eq(munmap(area, sizeof *area), 0);
}

static void lock_mutex(void)
{
    CONF_CHECK(pthread_mutex_lock(&area->mutex) == 0);
}

static void *lock_and_tell(void *argument)
{
    volatile int *answer = argument;

    *answer = pthread_mutex_lock(&area->mutex);
    if (*answer == EOWNERDEAD)
        CONF_CHECK(pthread_mutex_consistent(&area->mutex) == 0);
    sleep_ms(1);
    CONF_CHECK(pthread_mutex_unlock(&area->mutex) == 0);
    return NULL;
}

START_TEST(of_those_who_wait_one_is_told)
{
    struct holder holder = { lock_mutex, _i % 2 != 0, 0 };
    pthread_t waiters[WAITERS];
    int told = 0;

    if (!made(_i / 2, true))
        return;
    start_holder(&holder);
    for (int i = 0; i < WAITERS; i++)
        waiters[i] = start_thread(lock_and_tell, (void *)&area->answers[i]);
    let_block();
    ck_assert_int_eq(pthread_mutex_trylock(&area->mutex), EBUSY);
    kill_holder(&holder);
    for (int i = 0; i < WAITERS; i++) {
        join_thread(waiters[i]);
        told += area->answers[i] == EOWNERDEAD;
        ck_assert(area->answers[i] == 0 || area->answers[i] == EOWNERDEAD);
    }
    ck_assert_int_eq(told, 1);
    ck_assert_int_eq(pthread_mutex_destroy(&area->mutex), 0);
    unmake();
}
END_TEST

START_TEST(who_comes_later_is_told)
{
    struct holder holder = { lock_mutex, _i % 2 != 0, 0 };
    struct timespec when = deadline_in(CLOCK_REALTIME, 20000);

    if (!made(_i / 2, true))
        return;
    start_holder(&holder);
    kill_holder(&holder);
    ck_assert_int_eq(pthread_mutex_trylock(&area->mutex), EOWNERDEAD);
    ck_assert_int_eq(pthread_mutex_consistent(&area->mutex), 0);
    ck_assert_int_eq(pthread_mutex_unlock(&area->mutex), 0);
    start_holder(&holder);
    kill_holder(&holder);
    ck_assert_int_eq(pthread_mutex_timedlock(&area->mutex, &when), EOWNERDEAD);
    ck_assert_int_eq(pthread_mutex_unlock(&area->mutex), 0);
    ck_assert_int_eq(pthread_mutex_lock(&area->mutex), ENOTRECOVERABLE);
    unmake();
}
END_TEST

/* A second process waits, too. */
static void wait_in_a_process(void)
{
    int rc = pthread_mutex_lock(&area->mutex);

    CONF_CHECK(rc == 0 || rc == EOWNERDEAD);
    if (rc == EOWNERDEAD)
        CONF_CHECK(pthread_mutex_consistent(&area->mutex) == 0);
    area->sum += rc == EOWNERDEAD;
    CONF_CHECK(pthread_mutex_unlock(&area->mutex) == 0);
}

static void *wait_as_process(void *argument)
{
    CONF_CHECK(run_child(wait_in_a_process) == 0);
    return argument;
}

START_TEST(processes_and_threads_wait_together)
{
    struct holder holder = { lock_mutex, _i % 2 != 0, 0 };
    pthread_t process, thread;

    if (!made(_i / 2, true))
        return;
    start_holder(&holder);
    process = start_thread(wait_as_process, NULL);
    thread = start_thread(lock_and_tell, (void *)&area->answers[0]);
    let_block();
    kill_holder(&holder);
    join_thread(thread);
    join_thread(process);
    ck_assert_int_eq(area->sum + (area->answers[0] == EOWNERDEAD), 1);
    unmake();
}
END_TEST

START_TEST(without_robustness_it_stays_locked)
{
    struct holder holder = { lock_mutex, _i % 2 != 0, 0 };
    struct timespec when;

    if (!made(_i / 2, false))
        return;
    start_holder(&holder);
    kill_holder(&holder);
    /* libc finds no such thread behind a mutex that inherits. */
    if (kinds[_i / 2].protocol == PTHREAD_PRIO_NONE) {
        ck_assert_int_eq(pthread_mutex_trylock(&area->mutex), EBUSY);
        when = deadline_in(CLOCK_REALTIME, 20);
        ck_assert_int_eq(pthread_mutex_timedlock(&area->mutex, &when),
                         ETIMEDOUT);
    }
    unmake();
}
END_TEST

/* ---- the others, which nobody cleans up after ---- */

static void made_without_mutex(void)
{
    area = shared_memory(sizeof *area);
}

static void write_lock(void)
{
    CONF_CHECK(pthread_rwlock_wrlock(&area->rwlock) == 0);
}

static void read_lock(void)
{
    CONF_CHECK(pthread_rwlock_rdlock(&area->rwlock) == 0);
}

START_TEST(a_rwlock_stays_as_it_was)
{
    struct holder holder = { _i / 2 ? write_lock : read_lock, _i % 2 != 0, 0 };
    struct timespec when;
    pthread_rwlockattr_t attr;

    made_without_mutex();
    ck_assert_int_eq(pthread_rwlockattr_init(&attr), 0);
    pthread_rwlockattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    ck_assert_int_eq(pthread_rwlock_init(&area->rwlock, &attr), 0);
    ck_assert_int_eq(pthread_rwlockattr_destroy(&attr), 0);
    start_holder(&holder);
    kill_holder(&holder);
    ck_assert_int_eq(pthread_rwlock_trywrlock(&area->rwlock), EBUSY);
    when = deadline_in(CLOCK_REALTIME, 20);
    ck_assert_int_eq(pthread_rwlock_timedwrlock(&area->rwlock, &when),
                     ETIMEDOUT);
    if (_i / 2 == 0) {
        ck_assert_int_eq(pthread_rwlock_rdlock(&area->rwlock), 0);
        ck_assert_int_eq(pthread_rwlock_unlock(&area->rwlock), 0);
    } else {
        ck_assert_int_eq(pthread_rwlock_tryrdlock(&area->rwlock), EBUSY);
    }
    unmake();
}
END_TEST

static void take_semaphore(void)
{
    CONF_CHECK(sem_wait(&area->semaphore) == 0);
}

static void *wait_for_semaphore(void *argument)
{
    take_semaphore();
    return argument;
}

START_TEST(a_semaphore_may_be_given_back_by_others)
{
    struct holder holder = { take_semaphore, _i % 2 != 0, 0 };
    pthread_t waiter;

    made_without_mutex();
    ck_assert_int_eq(sem_init(&area->semaphore, 1, 1), 0);
    start_holder(&holder);
    waiter = start_thread(wait_for_semaphore, NULL);
    let_block();
    kill_holder(&holder);
    ck_assert_int_eq(sem_trywait(&area->semaphore), -1);
    ck_assert_int_eq(errno, EAGAIN);
    ck_assert_int_eq(sem_post(&area->semaphore), 0);
    join_thread(waiter);
    unmake();
}
END_TEST

static void wait_for_cond(void)
{
    lock_mutex();
    area->held = 1;
    for (;;)
        pthread_cond_wait(&area->cond, &area->mutex);
}

static void *wait_for_sum(void *argument)
{
    lock_mutex();
    ++*(volatile int *)argument;
    while (area->sum == 0)
        CONF_CHECK(pthread_cond_wait(&area->cond, &area->mutex) == 0);
    CONF_CHECK(pthread_mutex_unlock(&area->mutex) == 0);
    return NULL;
}

/* It waited, and is killed; the others are woken all the same. */
START_TEST(a_condition_wakes_those_who_are_left)
{
    struct holder holder = { wait_for_cond, _i % 2 != 0, 0 };
    pthread_condattr_t attr;
    pthread_t waiters[2];
    int waiting = 0;

    if (!made(0, true))
        return;
    ck_assert_int_eq(pthread_condattr_init(&attr), 0);
    pthread_condattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    ck_assert_int_eq(pthread_cond_init(&area->cond, &attr), 0);
    ck_assert_int_eq(pthread_condattr_destroy(&attr), 0);
    start_holder(&holder);
    for (int i = 0; i < 2; i++)
        waiters[i] = start_thread(wait_for_sum, &waiting);
    while (*(volatile int *)&waiting != 2)
        sleep_ms(1);
    let_block();
    kill_holder(&holder);
    lock_and_tell((void *)&area->answers[0]); /* it may have been awake */
    area->sum = 1;
    ck_assert_int_eq(pthread_cond_broadcast(&area->cond), 0);
    for (int i = 0; i < 2; i++)
        join_thread(waiters[i]);
    unmake();
}
END_TEST

static void wait_at_barrier(void)
{
    area->held = 1;
    pthread_barrier_wait(&area->barrier);
}

/* Who has come shows in its bytes, whatever they mean. */
START_TEST(a_barrier_counts_who_has_come)
{
    struct holder holder = { wait_at_barrier, _i % 2 != 0, 0 };
    pthread_barrierattr_t attr;
    pthread_barrier_t before;

    made_without_mutex();
    ck_assert_int_eq(pthread_barrierattr_init(&attr), 0);
    pthread_barrierattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    ck_assert_int_eq(pthread_barrier_init(&area->barrier, &attr, 2), 0);
    ck_assert_int_eq(pthread_barrierattr_destroy(&attr), 0);
    before = area->barrier;
    start_holder(&holder);
    while (memcmp(&before, &area->barrier, sizeof before) == 0)
        sleep_ms(1);
    let_block();
    kill_holder(&holder);
    ck_assert_int_eq(pthread_barrier_wait(&area->barrier),
                     PTHREAD_BARRIER_SERIAL_THREAD);
    unmake();
}
END_TEST

static void add(TCase *tcase)
{
    conf_test(tcase, of_those_who_wait_one_is_told, KINDS * 2);
    conf_test(tcase, who_comes_later_is_told, KINDS * 2);
    conf_test(tcase, processes_and_threads_wait_together, KINDS * 2);
    conf_test(tcase, without_robustness_it_stays_locked, KINDS * 2);
    conf_test(tcase, a_rwlock_stays_as_it_was, 4);
    conf_test(tcase, a_semaphore_may_be_given_back_by_others, 2);
    conf_test(tcase, a_condition_wakes_those_who_are_left, 2);
    conf_test(tcase, a_barrier_counts_who_has_come, 2);
}

int main(void)
{
    return conf_main("locks_killed", add, CONF_THREADS);
}
