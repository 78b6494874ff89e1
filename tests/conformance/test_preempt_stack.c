/* Threads that compute, on the smallest stacks: what interrupts them needs little */
#include "conf_threads.h"

#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>

enum { THREADS = 8, KILLS = 20000 };

static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool taken;
static atomic_bool enough;
static FILE *file;

static void *take_turns(void *argument)
{
    while (!enough) {
        pthread_mutex_lock(&lock);
        while (taken && !enough)
            pthread_cond_wait(&changed, &lock);
        taken = true;
        pthread_mutex_unlock(&lock);
        fputs(".", file);
        pthread_mutex_lock(&lock);
        taken = false;
        pthread_cond_broadcast(&changed);
        pthread_mutex_unlock(&lock);
    }
    return argument;
}

static void do_nothing(int number)
{
    (void)number;
}

START_TEST(the_smallest_stack_is_enough)
{
    pthread_t threads[THREADS];
    pthread_attr_t attr;

    signal(SIGUSR1, do_nothing);
    file = fopen("/dev/null", "w");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(pthread_attr_init(&attr), 0);
    ck_assert_int_eq(
        pthread_attr_setstacksize(&attr, (size_t)PTHREAD_STACK_MIN), 0);
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(
            pthread_create(&threads[i], &attr, take_turns, NULL), 0);
    for (int i = 0; i < KILLS; i++) {
        ck_assert_int_eq(pthread_kill(threads[i % THREADS], SIGUSR1), 0);
        if (i % 100 == 0)
            sleep_ms(1);
    }
    pthread_mutex_lock(&lock);
    enough = true;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
    for (int i = 0; i < THREADS; i++)
        join_thread(threads[i]);
    ck_assert_int_eq(pthread_attr_destroy(&attr), 0);
    fclose(file);
    signal(SIGUSR1, SIG_DFL);
}
END_TEST

static void add(TCase *tcase)
{
    conf_test(tcase, the_smallest_stack_is_enough, 1);
}

int main(void)
{
    return conf_main("preempt_stack", add, CONF_THREADS);
}
