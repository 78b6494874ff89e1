/* A thread that looks now and then whether something has come, and waits in
 * between, keeps its turn while it holds a lock: an interpreter that lost it there
 * would find all who ran meanwhile in the queue of that lock.
 *
 * On one CPU: natively too, only who is interrupted in the middle is seen there. */
#include "conf_threads.h"

#include <errno.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <unistd.h>

enum { ROUNDS = 3200, SEEN_MOST = ROUNDS / 128 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER, taken;
static pthread_rwlock_t written = PTHREAD_RWLOCK_INITIALIZER;
static pthread_spinlock_t spin;
static sem_t none, wanted, go, back;
static cpu_set_t before;
static unsigned seen;
static pthread_t loser;
static atomic_bool over;

static void by_sem_getvalue(void)
{
    int value = -1;

    CONF_CHECK(sem_getvalue(&none, &value) == 0 && value == 0);
}

static void by_sem_trywait(void)
{
    CONF_CHECK(sem_trywait(&none) == -1);
}

/* For which somebody waits who was woken once and found it taken again. */
static void by_sem_trywait_of_a_wanted_one(void)
{
    CONF_CHECK(sem_trywait(&wanted) == -1);
}

static void by_trylock(void)
{
    CONF_CHECK(pthread_mutex_trylock(&taken) == EBUSY);
}

static void by_tryrdlock(void)
{
    CONF_CHECK(pthread_rwlock_tryrdlock(&written) == EBUSY);
}

static void by_spin_trylock(void)
{
    CONF_CHECK(pthread_spin_trylock(&spin) == EBUSY);
}

static void (*const ways[])(void) = {
    by_sem_getvalue, by_sem_trywait, by_sem_trywait_of_a_wanted_one,
    by_trylock, by_tryrdlock, by_spin_trylock,
};
enum { WAYS = sizeof ways / sizeof *ways };

/* Sees whether the other one has lost its turn. */
static void *see(void *argument)
{
    for (int i = 0; i < ROUNDS; i++) {
        CONF_CHECK(sem_wait(&go) == 0);
        if (pthread_mutex_trylock(&lock) == 0)
            pthread_mutex_unlock(&lock);
        else
            seen++;
        CONF_CHECK(sem_post(&back) == 0);
    }
    return argument;
}

static void stay_on_one_cpu(void)
{
    cpu_set_t one;

    ck_assert_int_eq(sched_getaffinity(0, sizeof before, &before), 0);
    CPU_ZERO(&one);
    for (int cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&one) == 0; cpu++)
        if (CPU_ISSET(cpu, &before))
            CPU_SET(cpu, &one);
    ck_assert_int_eq(sched_setaffinity(0, sizeof one, &one), 0);
}

static void *lose(void *argument)
{
    while (!atomic_load(&over))
        CONF_CHECK(sem_wait(&wanted) == 0);
    return argument;
}

/* Natively it is now and then as quick as this thread, and waits again. */
static void start_loser(void)
{
    int rc;

    atomic_store(&over, false);
    ck_assert_int_eq(sem_init(&wanted, 0, 0), 0);
    loser = start_thread(lose, NULL);
    do {
        usleep(2000); /* it waits */
        ck_assert_int_eq(sem_post(&wanted), 0);
        rc = sem_trywait(&wanted);
    } while (rc != 0);
    usleep(2000); /* it has seen that */
}

static void end_loser(void)
{
    atomic_store(&over, true);
    ck_assert_int_eq(sem_post(&wanted), 0);
    join_thread(loser);
    sem_destroy(&wanted);
}

static void setup(void)
{
    stay_on_one_cpu();
    start_loser();
    seen = 0;
    ck_assert_int_eq(pthread_mutex_init(&taken, NULL), 0);
    ck_assert_int_eq(pthread_mutex_lock(&taken), 0);
    ck_assert_int_eq(pthread_rwlock_wrlock(&written), 0);
    ck_assert_int_eq(pthread_spin_init(&spin, PTHREAD_PROCESS_PRIVATE), 0);
    ck_assert_int_eq(pthread_spin_lock(&spin), 0);
    ck_assert_int_eq(sem_init(&none, 0, 0), 0);
    ck_assert_int_eq(sem_init(&go, 0, 0), 0);
    ck_assert_int_eq(sem_init(&back, 0, 0), 0);
}

static void teardown(void)
{
    end_loser();
    sem_destroy(&none);
    sem_destroy(&go);
    sem_destroy(&back);
    pthread_spin_unlock(&spin);
    pthread_spin_destroy(&spin);
    pthread_rwlock_unlock(&written);
    pthread_mutex_unlock(&taken);
    pthread_mutex_destroy(&taken);
    ck_assert_int_eq(sched_setaffinity(0, sizeof before, &before), 0);
}

START_TEST(who_looks_and_then_waits_keeps_its_turn)
{
    pthread_t other = start_thread(see, NULL);

    for (int i = 0; i < ROUNDS; i++) {
        ck_assert_int_eq(sem_post(&go), 0); /* from here on the other is ready */
        ck_assert_int_eq(pthread_mutex_lock(&lock), 0);
        ways[_i]();
        ck_assert_int_eq(pthread_mutex_unlock(&lock), 0);
        ck_assert_int_eq(sem_wait(&back), 0);
    }
    join_thread(other);
    ck_assert_uint_le(seen, SEEN_MOST);
}
END_TEST

static void add(TCase *tcase)
{
    tcase_add_checked_fixture(tcase, setup, teardown);
    conf_test(tcase, who_looks_and_then_waits_keeps_its_turn, WAYS);
}

int main(void)
{
    return conf_main("turns_kept", add, CONF_THREADS);
}
