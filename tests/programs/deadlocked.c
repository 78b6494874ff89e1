/* deadlocked.c - threads that wait for each other for ever */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static pthread_mutex_t first = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t second = PTHREAD_MUTEX_INITIALIZER;
static pthread_rwlock_t one_rw = PTHREAD_RWLOCK_INITIALIZER;
static pthread_rwlock_t other_rw = PTHREAD_RWLOCK_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t barrier;
static sem_t sem;
static pthread_t threads[3];

static pthread_t start(const char *name, void *(*function)(void *), void *arg)
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, function, arg) != 0)
        exit(2);
    pthread_setname_np(thread, name);
    return thread;
}

static void join_all(int count)
{
    for (int i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
}

/* All have what they hold, however late they began. */
static void meet(void)
{
    pthread_barrier_wait(&barrier);
}

static void __attribute__((noinline)) take(pthread_mutex_t *mutex)
{
    pthread_mutex_lock(mutex);
    pthread_mutex_unlock(mutex);
}

static void *first_then_second(void *arg)
{
    pthread_mutex_lock(&first);
    meet();
    take(&second);
    return arg;
}

static void *second_then_first(void *arg)
{
    pthread_mutex_lock(&second);
    meet();
    take(&first);
    return arg;
}

static void start_abba(unsigned who_meet)
{
    pthread_barrier_init(&barrier, NULL, who_meet);
    threads[0] = start("alpha", first_then_second, NULL);
    threads[1] = start("beta", second_then_first, NULL);
}

static void abba(void)
{
    start_abba(2);
    join_all(2);
}

/* A third one waits for a lock of theirs; the main thread is alive. */
static void abba_alive(void)
{
    start_abba(3);
    meet();
    threads[2] = start("gamma", second_then_first, NULL);
    for (;;)
        usleep(50000);
}

static void *lock_twice(void *arg)
{
    pthread_mutex_lock(&first);
    take(&first);
    return arg;
}

static void self(void)
{
    threads[0] = start("twice", lock_twice, NULL);
    join_all(1);
}

static void *join_next(void *arg)
{
    long i = (long)arg;

    meet();
    pthread_join(threads[(i + 1) % 3], NULL);
    return NULL;
}

static void joins(void)
{
    static const char *const names[] = { "jack", "jill", "joe" };

    pthread_barrier_init(&barrier, NULL, 4);
    for (long i = 0; i < 3; i++)
        threads[i] = start(names[i], join_next, (void *)i);
    meet();
    pthread_exit(NULL);
}

static void *wait_cond(void *arg)
{
    pthread_mutex_lock(&first);
    pthread_cond_wait(&cond, &first);
    pthread_mutex_unlock(&first);
    return arg;
}

static void never_signalled(void)
{
    threads[0] = start("patient", wait_cond, NULL);
    join_all(1);
}

static void *wait_sem(void *arg)
{
    while (sem_wait(&sem) < 0 && errno == EINTR)
        ;
    return arg;
}

static void never_posted(void)
{
    threads[0] = start("poster", wait_sem, NULL);
    join_all(1);
}

static void *one_then_other(void *arg)
{
    pthread_rwlock_wrlock(&one_rw);
    meet();
    pthread_rwlock_rdlock(&other_rw);
    return arg;
}

static void *other_then_one(void *arg)
{
    pthread_rwlock_wrlock(&other_rw);
    meet();
    pthread_rwlock_wrlock(&one_rw);
    return arg;
}

static void rwlocks(void)
{
    pthread_barrier_init(&barrier, NULL, 2);
    threads[0] = start("writer", one_then_other, NULL);
    threads[1] = start("scribe", other_then_one, NULL);
    join_all(2);
}

static void *write_what_is_read(void *arg)
{
    pthread_rwlock_wrlock(&one_rw);
    return arg;
}

static void readers(void)
{
    pthread_rwlock_rdlock(&one_rw);
    threads[0] = start("author", write_what_is_read, NULL);
    join_all(1);
}

static void *arrive(void *arg)
{
    pthread_barrier_wait(&barrier);
    return arg;
}

static void too_few(void)
{
    pthread_barrier_init(&barrier, NULL, 3);
    threads[0] = start("early", arrive, NULL);
    arrive(NULL);
}

static void *take_first(void *arg)
{
    take(&first);
    return arg;
}

static void held_over_join(void)
{
    pthread_mutex_lock(&first);
    threads[0] = start("needy", take_first, NULL);
    join_all(1);
}

static const struct {
    const char *name;
    void (*run)(void);
} all[] = {
    { "abba", abba },
    { "abba-alive", abba_alive },
    { "self", self },
    { "joins", joins },
    { "cond", never_signalled },
    { "sem", never_posted },
    { "rwlocks", rwlocks },
    { "readers", readers },
    { "barrier", too_few },
    { "held-over-join", held_over_join },
};

int main(int argc, char **argv)
{
    for (size_t i = 0; argc > 1 && i < sizeof all / sizeof *all; i++)
        if (strcmp(all[i].name, argv[1]) == 0) {
            all[i].run();
            puts("done");
            return 0;
        }
    return 2;
}
