/* Asynchronous cancellation stops a thread that computes. */
#include "conf_threads.h"

static volatile long turns;
static volatile int ready;

static void *compute(void *argument)
{
    CONF_CHECK(pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL) == 0);
    ready = 1;
    for (;;)
        turns++;
    return argument;
}

START_TEST(asynchronous_stops_a_computation)
{
    pthread_t thread = start_thread(compute, NULL);

    while (!ready)
        sleep_ms(1);
    ck_assert_int_eq(pthread_cancel(thread), 0);
    ck_assert_ptr_eq(join_thread(thread), PTHREAD_CANCELED);
}
END_TEST

static void add(TCase *tcase)
{
    conf_test(tcase, asynchronous_stops_a_computation, 1);
}

int main(void)
{
    return conf_main("preempt_cancel", add, CONF_THREADS);
}
