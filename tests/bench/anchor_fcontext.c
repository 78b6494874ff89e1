/* anchor_fcontext.c - the floor: boost.context's bare jumps, no runtime at all
 *
 * The three C symbols are declared here because Boost's header is C++. */
#include "bench.h"

#include <errno.h>
#include <stdint.h>
#include <sys/mman.h>

enum { STACK = 128 * 1024, PAGE = 4096, ALIVE = 1000, GUARD_INSTALL = 102 };

struct transfer {
    void *context, *data;
};

extern struct transfer jump_fcontext(void *to, void *data);
extern void *make_fcontext(void *top, size_t size,
                           void (*run)(struct transfer from));

static char *map_stacks(long count)
{
    size_t size = (size_t)count * STACK;
    void *slab = mmap(NULL, size, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (slab == MAP_FAILED)
        bench_fail("mmap", errno);
    madvise(slab, size, MADV_NOHUGEPAGE);
    return slab;
}

static void *make_on(char *slab, long index, void (*run)(struct transfer))
{
    return make_fcontext(slab + (index + 1) * STACK, STACK, run);
}

static void bounce(struct transfer from)
{
    for (;;)
        from = jump_fcontext(from.context, NULL);
}

static void end(struct transfer from)
{
    jump_fcontext(from.context, NULL);
}

static void run_switch(long count, long extra)
{
    struct transfer other = { make_on(map_stacks(1), 0, bounce), NULL };
    struct bench_clock start;

    (void)extra;
    other = jump_fcontext(other.context, NULL);
    start = bench_now();
    for (long i = 0; i < count / 2; i++)
        other = jump_fcontext(other.context, NULL);
    bench_report(start, count);
}

static void run_spawn(long count, long extra)
{
    char *slab = map_stacks(1);
    struct bench_clock start;

    (void)extra;
    jump_fcontext(make_on(slab, 0, end), NULL);
    start = bench_now();
    for (long i = 0; i < count; i++)
        jump_fcontext(make_on(slab, 0, end), NULL);
    bench_report(start, count);
}

static void run_spawn_many(long count, long extra)
{
    static void *context[ALIVE];
    char *slab = map_stacks(ALIVE);
    struct bench_clock start;

    (void)extra;
    for (long i = 0; i < ALIVE; i++)
        jump_fcontext(make_on(slab, i, end), NULL);
    start = bench_now();
    for (long round = 0; round < count / ALIVE; round++) {
        for (long i = 0; i < ALIVE; i++)
            context[i] = make_on(slab, i, end);
        for (long i = 0; i < ALIVE; i++)
            jump_fcontext(context[i], NULL);
    }
    bench_report(start, count);
}

/* Guards on, as in the runtime, where the kernel has markers for them. */
static void run_parked(long count, long extra)
{
    struct bench_memory start;
    char *slab;

    (void)extra;
    start = bench_memory_now();
    slab = map_stacks(count);
    for (long i = 0; i < count; i++) {
        madvise(slab + i * STACK, PAGE, GUARD_INSTALL);
        jump_fcontext(make_on(slab, i, bounce), NULL);
    }
    bench_report_memory(start, count);
}

static const struct bench_case cases[] = {
    { "switch", run_switch },
    { "spawn", run_spawn },
    { "spawn-many", run_spawn_many },
    { "parked", run_parked },
};

int main(int argc, char **argv)
{
    return bench_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
