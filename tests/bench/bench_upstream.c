/* bench_upstream.c - the six benchmarks of upstream, as upstream.py has them
 *
 * create, switch (shallow, from 200 and from 400 frames down), getcurrent, and
 * a chain of 100,000 greenlets.  Each prints the time of one operation. */
#include "bench.h"

#include <vireo/greenlet.h>

#include <errno.h>
#include <stdint.h>

enum { CHAIN = 100000 };

static struct greenlet *make(greenlet_run *run)
{
    struct greenlet *g = greenlet_new(run, NULL, 0);

    if (!g)
        bench_fail("greenlet_new", ENOMEM);
    return g;
}

static void check(int rc)
{
    if (rc < 0)
        bench_fail("greenlet_switch", rc);
}

/* Made and dropped, never started. */
static void run_create(long count, long extra)
{
    struct bench_clock start;

    (void)extra;
    greenlet_unref(make(NULL));
    start = bench_now();
    for (long i = 0; i < count; i++)
        greenlet_unref(make(NULL));
    bench_report(start, count);
}

static void run_getcurrent(long count, long extra)
{
    struct bench_clock start = bench_now();

    (void)extra;
    for (long i = 0; i < count; i++)
        if (!greenlet_current())
            bench_fail("greenlet_current", EINVAL);
    bench_report(start, count);
}

/* ---- two that switch to each other, from some depth ---- */

struct pair {
    struct greenlet *other;
    long count, depth;
};

/* The barrier keeps the compiler from making a loop of the recursion. */
static __attribute__((noinline)) int recur(struct greenlet *to, long depth)
{
    int rc = depth > 1 ? recur(to, depth - 1) : greenlet_switch(to, NULL, NULL);

    __asm__ volatile("" : "+r"(rc));
    return rc;
}

static int player(void *value, void **result)
{
    struct pair *pair = greenlet_userdata(greenlet_current());

    (void)value;
    (void)result;
    if (pair->depth > 0)
        for (long i = 0; i < pair->count; i++)
            check(recur(pair->other, pair->depth));
    else
        for (long i = 0; i < pair->count; i++)
            check(greenlet_switch(pair->other, NULL, NULL));
    return 0;
}

static void run_switch(long count, long depth)
{
    struct greenlet *first = make(player), *second = make(player);
    struct pair one = { second, count / 2, depth };
    struct pair two = { first, count / 2, depth };
    struct bench_clock start;

    greenlet_set_userdata(first, &one, NULL);
    greenlet_set_userdata(second, &two, NULL);
    start = bench_now();
    check(greenlet_switch(first, NULL, NULL)); /* ends here when first has */
    check(greenlet_switch(second, NULL, NULL));
    bench_report(start, count);
    greenlet_unref(first);
    greenlet_unref(second);
}

/* ---- a chain: a number goes from one end to the other, counted up ---- */

static int link_in_chain(void *next, void **result)
{
    void *value;

    (void)result;
    check(greenlet_switch(greenlet_parent(greenlet_current()), NULL, &value));
    return greenlet_switch(next, (void *)((intptr_t)value + 1), NULL);
}

static void chain(struct greenlet **all)
{
    struct greenlet *next = greenlet_current();
    void *value = NULL;

    for (long i = 0; i < CHAIN; i++) {
        all[i] = make(link_in_chain);
        check(greenlet_switch(all[i], next, NULL));
        next = all[i];
    }
    check(greenlet_switch(next, NULL, &value));
    if ((intptr_t)value != CHAIN)
        bench_fail("chain", ERANGE);
    for (long i = CHAIN - 1; i >= 0; i--)
        greenlet_unref(all[i]);
}

/* Of one link: made, started, passed through, killed.  The first round, which
 * touches memory that nobody has touched, does not count. */
static void run_chain(long count, long extra)
{
    static struct greenlet *all[CHAIN];
    struct bench_clock start;
    long rounds = count / CHAIN;

    (void)extra;
    if (rounds < 1)
        rounds = 1;
    chain(all);
    start = bench_now();
    for (long i = 0; i < rounds; i++)
        chain(all);
    bench_report(start, rounds * CHAIN);
}

static const struct bench_case cases[] = {
    { "create", run_create },
    { "getcurrent", run_getcurrent },
    { "switch", run_switch },
    { "chain", run_chain },
};

int main(int argc, char **argv)
{
    return bench_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
