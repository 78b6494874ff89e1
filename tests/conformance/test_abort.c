/* abort(3): where the thread blocks SIGABRT and has a handler that returns */
#include "conf_threads.h"

#include <signal.h>
#include <stdlib.h>

static void handle(int number)
{
    (void)number;
}

static void *block_and_abort(void *argument)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGABRT);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    abort();
    return argument;
}

static void in_main(void)
{
    signal(SIGABRT, handle);
    block_and_abort(NULL);
}

static void in_a_thread(void)
{
    signal(SIGABRT, handle);
    join_thread(start_thread(block_and_abort, NULL));
}

static void *wait_long(void *argument)
{
    sleep_ms(20000);
    return argument;
}

static void beside_a_thread(void)
{
    start_thread(wait_long, NULL);
    in_main();
}

START_TEST(ends_the_process_by_its_signal)
    {
        static void (*const bodies[])(void) = {in_main, in_a_thread,
                                               beside_a_thread};

        ck_assert_int_eq(run_child(bodies[_i]), 128 + SIGABRT);
    }
END_TEST

static void add(TCase *tcase)
{
    conf_test(tcase, ends_the_process_by_its_signal, 3);
}

int main(void)
{
    return conf_main("abort", add, CONF_THREADS);
}
