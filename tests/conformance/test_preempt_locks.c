/* One who takes and gives locks without a pause, and always gets them: another
 * gets in all the same, and so does one who only sleeps */
#include "conf_threads.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static bool flag;

static bool look_under_mutex(void)
{
    bool seen;

    pthread_mutex_lock(&mutex);
    seen = flag;
    pthread_mutex_unlock(&mutex);
    return seen;
}

static bool look_under_trylock(void)
{
    bool seen;

    if (pthread_mutex_trylock(&mutex) != 0)
        return false;
    seen = flag;
    pthread_mutex_unlock(&mutex);
    return seen;
}

static bool look_under_rdlock(void)
{
    bool seen;

    pthread_rwlock_rdlock(&rwlock);
    seen = flag;
    pthread_rwlock_unlock(&rwlock);
    return seen;
}

static bool look_under_wrlock(void)
{
    bool seen;

    pthread_rwlock_wrlock(&rwlock);
    seen = flag;
    pthread_rwlock_unlock(&rwlock);
    return seen;
}

static bool (*const looks[])(void) = {look_under_mutex, look_under_trylock,
                                      look_under_rdlock, look_under_wrlock};
enum { LOOKS = sizeof looks / sizeof *looks };

static void *raise_flag(void *argument)
{
    sleep_ms(3);
    pthread_mutex_lock(&mutex);
    pthread_rwlock_wrlock(&rwlock);
    flag = true;
    pthread_rwlock_unlock(&rwlock);
    pthread_mutex_unlock(&mutex);
    return argument;
}

static void *look_in_thread(void *argument)
{
    while (!looks[(long)argument]())
        ;
    return argument;
}

START_TEST(main_looks_until_it_is_there)
{
    pthread_t thread;

    flag = false;
    thread = start_thread(raise_flag, NULL);
    look_in_thread((void *)(long)_i);
    join_thread(thread);
}
END_TEST

START_TEST(a_thread_looks_until_it_is_there)
{
    pthread_t threads[2];

    flag = false;
    threads[0] = start_thread(look_in_thread, (void *)(long)_i);
    threads[1] = start_thread(raise_flag, NULL);
    for (int i = 0; i < 2; i++)
        join_thread(threads[i]);
}
END_TEST

static void add(TCase *tcase)
{
    conf_test(tcase, main_looks_until_it_is_there, LOOKS);
    conf_test(tcase, a_thread_looks_until_it_is_there, LOOKS);
}

int main(void)
{
    return conf_main("preempt_locks", add, CONF_THREADS);
}
