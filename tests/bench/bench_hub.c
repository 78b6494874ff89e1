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

/* ---- two that wake each other in turn ---- */

static struct hub_event turns[2];

static void play(long mine, long count)
{
    for (long i = 0; i < count; i++) {
        check("hub_event_wait", hub_event_wait(&turns[mine], HUB_FOREVER));
        hub_event_clear(&turns[mine]);
        hub_event_set(&turns[1 - mine]);
    }
}

static int other_plays(void *arg, void **result)
{
    (void)result;
    play(1, (long)arg);
    return 0;
}

static void run_event(long count, long unused)
{
    struct bench_clock start = bench_now();
    struct greenlet *other = spawn(other_plays, (void *)(count / 2));

    (void)unused;
    hub_event_set(&turns[0]);
    play(0, count / 2);
    join(other);
    bench_report(start, count);
}

/* ---- one puts, one gets ---- */

static struct hub_queue queue;

static int producer(void *arg, void **result)
{
    (void)result;
    for (long i = 0; i < (long)arg; i++)
        check("hub_queue_put", hub_queue_put(&queue, &queue, HUB_FOREVER));
    return 0;
}

static void run_queue(long count, long unused)
{
    struct bench_clock start;
    struct greenlet *other;
    void *item;

    (void)unused;
    check("hub_queue_init", hub_queue_init(&queue, 128));
    start = bench_now();
    other = spawn(producer, (void *)count);
    for (long i = 0; i < count; i++)
        check("hub_queue_get", hub_queue_get(&queue, HUB_FOREVER, &item));
    join(other);
    bench_report(start, count);
    hub_queue_destroy(&queue);
}

/* ---- two that want the same permit, which each holds while it yields ---- */

static struct hub_semaphore semaphore;

static int contender(void *arg, void **result)
{
    (void)result;
    for (long i = 0; i < (long)arg; i++) {
        check("hub_semaphore_acquire",
              hub_semaphore_acquire(&semaphore, HUB_FOREVER));
        hub_yield();
        hub_semaphore_release(&semaphore);
    }
    return 0;
}

static void run_semaphore(long count, long unused)
{
    struct bench_clock start;
    struct greenlet *other;

    (void)unused;
    hub_semaphore_init(&semaphore, 1);
    start = bench_now();
    other = spawn(contender, (void *)(count / 2));
    contender((void *)(count / 2), NULL);
    join(other);
    bench_report(start, count);
}

/* ---- a short sleep, as wall time: the median of the calls ---- */

static int by_value(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;

    return (a > b) - (a < b);
}

static void run_usleep(long count, long us)
{
    double *slept = calloc((size_t)count, sizeof *slept);

    for (long i = 0; slept && i < count; i++) {
        double before = bench_now().wall;

        check("hub_sleep", hub_sleep(us * HUB_MICROSECOND));
        slept[i] = bench_now().wall - before;
    }
    if (!slept)
        bench_fail("calloc", ENOMEM);
    qsort(slept, (size_t)count, sizeof *slept, by_value);
    printf("wall_us %.3f\n", slept[count / 2] / 1e3);
    free(slept);
}

static const struct bench_case cases[] = {
    { "usleep", run_usleep },
    { "event", run_event },
    { "queue", run_queue },
    { "semaphore", run_semaphore },
    { "timer", run_timer },
};

int main(int argc, char **argv)
{
    return bench_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
