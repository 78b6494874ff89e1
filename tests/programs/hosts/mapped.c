/* mapped.c - three threads that sleep, for test_gdb.py */
#include <pthread.h>
#include <unistd.h>

__attribute__((noinline)) void sleeps_deep(volatile int *slept)
{
    sleep(1000);
    *slept = 1;
}

static void *sleeper(void *unused)
{
    volatile int slept = 0;

    sleeps_deep(&slept);
    return unused;
}

__attribute__((noinline)) void everything_is_there(void)
{
    __asm__ volatile("" : : : "memory");
}

static void *looks(void *unused)
{
    usleep(100000); /* the others sleep by then */
    everything_is_there();
    return unused;
}

int main(void)
{
    pthread_t thread;

    for (int i = 0; i < 3; i++)
        if (pthread_create(&thread, NULL, sleeper, NULL) != 0)
            return 1;
    if (pthread_create(&thread, NULL, looks, NULL) != 0)
        return 1;
    return pthread_join(thread, NULL);
}
