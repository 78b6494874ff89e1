/* A thread that gives a lock back and takes it again at once must not keep the
 * others out for ever.  On several cores chance sees to that; where all threads
 * share a kernel thread somebody has to. */
#include "../runner.h"

#include <check.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { THREADS = 4, TURNS = 10, LIMIT_S = 20 };

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static sem_t semaphore;

static void take_mutex(void)
{
    pthread_mutex_lock(&mutex);
}

/* As spinning locks and CPython's do. */
static void try_mutex_first(void)
{
    if (pthread_mutex_trylock(&mutex) != 0)
        pthread_mutex_lock(&mutex);
}

static void give_mutex(void)
{
    pthread_mutex_unlock(&mutex);
}

static void take_semaphore(void)
{
    while (sem_wait(&semaphore) != 0)
        continue;
}

static void try_semaphore_first(void)
{
    if (sem_trywait(&semaphore) != 0)
        take_semaphore();
}

static void give_semaphore(void)
{
    sem_post(&semaphore);
}

static void take_rwlock(void)
{
    pthread_rwlock_wrlock(&rwlock);
}

static void try_rwlock_first(void)
{
    if (pthread_rwlock_trywrlock(&rwlock) != 0)
        pthread_rwlock_wrlock(&rwlock);
}

static void give_rwlock(void)
{
    pthread_rwlock_unlock(&rwlock);
}

static const struct {
    void (*take)(void), (*give)(void);
} locks[] = {
    {take_mutex, give_mutex},         {try_mutex_first, give_mutex},
    {take_semaphore, give_semaphore}, {try_semaphore_first, give_semaphore},
    {take_rwlock, give_rwlock},       {try_rwlock_first, give_rwlock},
};
enum { LOCKS = sizeof locks / sizeof *locks };

static int which;
static volatile bool stop;
static volatile int turns[THREADS];

static void *take_and_give(void *argument)
{
    while (!stop) {
        locks[which].take();
        usleep(1000);
        turns[(long)argument]++;
        locks[which].give();
    }
    return argument;
}

static bool all_had_turns(void)
{
    for (int i = 0; i < THREADS; i++)
        if (turns[i] < TURNS)
            return false;
    return true;
}

START_TEST(everybody_gets_it)
    {
        pthread_t threads[THREADS];
        time_t limit = time(NULL) + LIMIT_S;
        bool all;

        which = _i;
        stop = false;
        ck_assert_int_eq(sem_init(&semaphore, 0, 1), 0);
        for (long i = 0; i < THREADS; i++) {
            turns[i] = 0;
            ck_assert_int_eq(
                pthread_create(&threads[i], NULL, take_and_give, (void *)i), 0);
        }
        while (!all_had_turns() && time(NULL) < limit)
            usleep(5000);
        all = all_had_turns();
        stop = true;
        for (int i = 0; i < THREADS; i++)
            ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
        ck_assert_int_eq(sem_destroy(&semaphore), 0);
        ck_assert_msg(all, "%d %d %d %d turns", turns[0], turns[1], turns[2],
                      turns[3]);
    }
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("turns");

    tcase_add_loop_test(tcase, everybody_gets_it, 0, LOCKS);
    return runner_run("sync_fair", tcase, CK_FORK_GETENV);
}
