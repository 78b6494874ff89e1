/* A program that naps most of the time lets the machine sleep meanwhile. */
#include "conformance.h"

#include <sys/resource.h>

enum { NAPS = 10, NAP_MS = 300 };

/* How often the kernel had a thread of the process wait, so far. */
static long waits(void)
{
    struct rusage usage;

    CONF_CHECK(getrusage(RUSAGE_SELF, &usage) == 0);
    return usage.ru_nvcsw;
}

static void *nap(void *unused)
{
    for (int i = 0; i < NAPS; i++)
        sleep_ms(NAP_MS);
    return unused;
}

START_TEST(threads_that_nap_wake_the_process_a_few_times_for_each_nap)
{
    pthread_t other = start_thread(nap, NULL);
    long before;

    sleep_ms(10);
    before = waits();
    join_thread(other);
    ck_assert_int_le(waits() - before, 10 * NAPS);
}
END_TEST

static void add(TCase *tcase)
{
    conf_test(tcase,
              threads_that_nap_wake_the_process_a_few_times_for_each_nap, 1);
}

int main(void)
{
    return conf_main("idle", add, CONF_THREADS);
}
