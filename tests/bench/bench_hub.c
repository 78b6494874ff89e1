/* bench_hub.c - what greenlets wait with: timers, events, queues, semaphores */
#include "bench.h"

#include <vireo/hub.h>

#include <errno.h>

static void check(const char *what, int rc)
{
    if (rc < 0)
        bench_fail(what, rc);
}

static struct greenlet *spawn(greenlet_run *run, void *arg)
{
    struct greenlet *g = hub_spawn(run, arg);

    if (!g)
        bench_fail("hub_spawn", ENOMEM);
    return g;
}

static void join(struct greenlet *g)
{
    check("hub_join", hub_join(g, HUB_FOREVER));
    greenlet_unref(g);
}

/* ---- sleepers of up to 100 ms, again and again ---- */

static long rounds;

static int sleeper(void *arg, void **result)
{
    long i = (long)arg;
    int rc = 0;

    (void)result;
    for (long round = 0; round <= rounds && rc == 0; round++)
        rc = hub_sleep((i * 7919 + round * 104729) % 100000 *
                       HUB_MICROSECOND);
    return rc;
}

static void run_timer(long count, long sleepers)
{
    struct greenlet **all = calloc((size_t)sleepers, sizeof *all);
    struct bench_clock start;

    rounds = count / sleepers;
    for (long i = 0; all && i < sleepers; i++)
        all[i] = spawn(sleeper, (void *)i);
    hub_yield();
    start = bench_now();
    for (long i = 0; all && i < sleepers; i++)
        join(all[i]);
    bench_report(start, rounds * sleepers);
    free(all);
}

static const struct bench_case cases[] = {
    { "timer", run_timer },
};

int main(int argc, char **argv)
{
    return bench_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
