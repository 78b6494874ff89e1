/* bench_greenlet.c - the library's own calls: switch, life, yield, spawn */
#include "bench.h"

#include <vireo/greenlet.h>
#include <vireo/hub.h>

#include <errno.h>
#include <unistd.h>

enum { ALIVE = 1000 };

static void check(const char *what, int rc)
{
    if (rc < 0)
        bench_fail(what, rc);
}

static struct greenlet *make(greenlet_run *run)
{
    struct greenlet *g = greenlet_new(run, NULL, 0);

    if (!g)
        bench_fail("greenlet_new", ENOMEM);
    return g;
}

static struct greenlet *spawn(greenlet_run *run)
{
    struct greenlet *g = hub_spawn(run, NULL);

    if (!g)
        bench_fail("hub_spawn", ENOMEM);
    return g;
}

/* Switches back at once, until it is sent something. */
static int bounce(void *value, void **result)
{
    struct greenlet *parent = greenlet_parent(greenlet_current());
    int rc = 0;

    while (!value && rc == 0)
        rc = greenlet_switch(parent, NULL, &value);
    *result = NULL;
    return rc;
}

static void run_switch(long count, long extra)
{
    struct greenlet *other = make(bounce);
    struct bench_clock start;

    (void)extra;
    check("greenlet_switch", greenlet_switch(other, NULL, NULL));
    start = bench_now();
    for (long i = 0; i < count / 2; i++)
        check("greenlet_switch", greenlet_switch(other, NULL, NULL));
    bench_report(start, count);
    check("greenlet_switch", greenlet_switch(other, other, NULL));
    greenlet_unref(other);
}

static int ends(void *value, void **result)
{
    *result = value;
    return 0;
}

/* Made, run to its end, freed; its stack comes from the pool. */
static void run_life(long count, long extra)
{
    struct greenlet *g = make(ends);
    struct bench_clock start;

    (void)extra;
    check("greenlet_switch", greenlet_switch(g, NULL, NULL));
    greenlet_unref(g);
    start = bench_now();
    for (long i = 0; i < count; i++) {
        g = make(ends);
        check("greenlet_switch", greenlet_switch(g, NULL, NULL));
        greenlet_unref(g);
    }
    bench_report(start, count);
}

static void life_round(struct greenlet **alive)
{
    for (long i = 0; i < ALIVE; i++)
        alive[i] = make(ends);
    for (long i = 0; i < ALIVE; i++) {
        check("greenlet_switch", greenlet_switch(alive[i], NULL, NULL));
        greenlet_unref(alive[i]);
    }
}

static void run_life_many(long count, long extra)
{
    static struct greenlet *alive[ALIVE];
    struct bench_clock start;

    (void)extra;
    life_round(alive);
    start = bench_now();
    for (long round = 0; round < count / ALIVE; round++)
        life_round(alive);
    bench_report(start, count);
}

static int stop;

static int yielder(void *arg, void **result)
{
    (void)arg;
    (void)result;
    while (!stop)
        hub_yield();
    return 0;
}

static void run_yield(long count, long extra)
{
    struct greenlet *other = spawn(yielder);
    struct bench_clock start;

    (void)extra;
    hub_yield();
    start = bench_now();
    for (long i = 0; i < count / 2; i++)
        hub_yield();
    bench_report(start, count);
    stop = 1;
    check("hub_join", hub_join(other, HUB_FOREVER));
    greenlet_unref(other);
}

static int nothing_to_do(void *arg, void **result)
{
    (void)arg;
    (void)result;
    return 0;
}

static void spawn_round(struct greenlet **alive, long count)
{
    for (long i = 0; i < count; i++)
        alive[i] = spawn(nothing_to_do);
    for (long i = 0; i < count; i++) {
        check("hub_join", hub_join(alive[i], HUB_FOREVER));
        greenlet_unref(alive[i]);
    }
}

/* No helper function around the pair: its return would be mispredicted after
 * each switch, and be counted as a cost of the runtime. */
static void run_spawn(long count, long extra)
{
    struct greenlet *g;
    struct bench_clock start;

    (void)extra;
    spawn_round(&g, 1);
    start = bench_now();
    for (long i = 0; i < count; i++) {
        g = spawn(nothing_to_do);
        check("hub_join", hub_join(g, HUB_FOREVER));
        greenlet_unref(g);
    }
    bench_report(start, count);
}

static void run_spawn_many(long count, long extra)
{
    static struct greenlet *alive[ALIVE];
    struct bench_clock start;

    (void)extra;
    spawn_round(alive, ALIVE);
    start = bench_now();
    for (long round = 0; round < count / ALIVE; round++)
        spawn_round(alive, ALIVE);
    bench_report(start, count);
}

/* Ends without unparking: the figure is taken, and a million ends take long. */
static void run_parked(long count, long extra)
{
    struct bench_memory start;

    (void)extra;
    check("greenlet_switch", greenlet_switch(make(bounce), NULL, NULL));
    start = bench_memory_now();
    for (long i = 0; i < count; i++)
        check("greenlet_switch", greenlet_switch(make(bounce), NULL, NULL));
    bench_report_memory(start, count);
    fflush(stdout);
    _exit(EXIT_SUCCESS);
}

static const struct bench_case cases[] = {
    { "switch", run_switch },
    { "life", run_life },
    { "life-many", run_life_many },
    { "yield", run_yield },
    { "spawn", run_spawn },
    { "spawn-many", run_spawn_many },
    { "parked", run_parked },
};

int main(int argc, char **argv)
{
    return bench_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
