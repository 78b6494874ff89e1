/* malloc(3) that finds no memory says so, to each thread that asks */
#include "conf_threads.h"

#include <errno.h>
#include <stdlib.h>

enum { THREADS = 8, TIMES = 3 };

static void *ask_for_too_much(void *argument)
{
    for (int i = 0; i < TIMES; i++) {
        void *volatile memory;
        volatile size_t size = (size_t)1 << 46;

        errno = 0;
        memory = malloc(size);
        CONF_CHECK(memory == NULL && errno == ENOMEM);
        memory = malloc(100000);
        CONF_CHECK(memory != NULL);
        free(memory);
    }
    return argument;
}

START_TEST(malloc_of_too_much_fails_in_each_thread)
{
    pthread_t threads[THREADS];

    for (int round = 0; round < TIMES; round++) {
        for (int i = 0; i < THREADS; i++)
            threads[i] = start_thread(ask_for_too_much, NULL);
        ask_for_too_much(NULL);
        for (int i = 0; i < THREADS; i++)
            join_thread(threads[i]);
    }
}
END_TEST

static void add(TCase *tcase)
{
    conf_test(tcase, malloc_of_too_much_fails_in_each_thread, 1);
}

int main(void)
{
    return conf_main("malloc_fails", add, CONF_THREADS);
}
