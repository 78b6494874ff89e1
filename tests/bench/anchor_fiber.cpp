/* anchor_fiber.cpp - boost.fiber: the same work by the C++ peer */
#include "bench.h"

#include <boost/fiber/all.hpp>
#include <boost/fiber/pooled_fixedsize_stack.hpp>

#include <cstdlib>
#include <memory>
#include <unistd.h>
#include <vector>

namespace fibers = boost::fibers;

static const long ALIVE = 1000;

static void run_yield(long count, long)
{
    bool stop = false;
    fibers::fiber other([&] {
        while (!stop)
            boost::this_fiber::yield();
    });
    boost::this_fiber::yield();
    bench_clock start = bench_now();
    for (long i = 0; i < count / 2; i++)
        boost::this_fiber::yield();
    bench_report(start, count);
    stop = true;
    other.join();
}

static void run_spawn(long count, long)
{
    fibers::pooled_fixedsize_stack stacks;
    bench_clock start = bench_now();

    for (long i = 0; i < count; i++)
        fibers::fiber(std::allocator_arg, stacks, [] {}).join();
    bench_report(start, count);
}

static void spawn_round(std::vector<fibers::fiber> &alive,
                        fibers::pooled_fixedsize_stack &stacks)
{
    for (auto &fiber : alive)
        fiber = fibers::fiber(std::allocator_arg, stacks, [] {});
    for (auto &fiber : alive)
        fiber.join();
}

static void run_spawn_many(long count, long)
{
    fibers::pooled_fixedsize_stack stacks;
    std::vector<fibers::fiber> alive(ALIVE);

    spawn_round(alive, stacks);
    bench_clock start = bench_now();
    for (long round = 0; round < count / ALIVE; round++)
        spawn_round(alive, stacks);
    bench_report(start, count);
}

/* 128 KiB from malloc, no guard: its guarded stacks end at 32,753. */
static void run_parked(long count, long)
{
    static fibers::mutex never;
    std::vector<fibers::fiber> parked;

    never.lock();
    parked.reserve(count);
    bench_memory start = bench_memory_now();
    for (long i = 0; i < count; i++) {
        parked.emplace_back(std::allocator_arg,
                            fibers::fixedsize_stack(128 * 1024),
                            [] { never.lock(); });
        if (i % ALIVE == 0)
            boost::this_fiber::yield();
    }
    boost::this_fiber::yield();
    bench_report_memory(start, count);
    fflush(stdout);
    _exit(EXIT_SUCCESS);
}

static const struct bench_case cases[] = {
    { "yield", run_yield },
    { "spawn", run_spawn },
    { "spawn-many", run_spawn_many },
    { "parked", run_parked },
};

int main(int argc, char **argv)
{
    return bench_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
