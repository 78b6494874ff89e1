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

/* Two fibers that wake each other in turn. */
static void run_event(long count, long)
{
    fibers::mutex mutex;
    fibers::condition_variable turned;
    long turn = 0, rounds = count / 2;
    auto play = [&](long mine) {
        std::unique_lock<fibers::mutex> lock(mutex);

        for (long i = 0; i < rounds; i++) {
            while (turn != mine)
                turned.wait(lock);
            turn = 1 - mine;
            turned.notify_one();
        }
    };
    bench_clock start = bench_now();
    fibers::fiber other([&] { play(1); });

    play(0);
    other.join();
    bench_report(start, count);
}

static void run_queue(long count, long)
{
    fibers::buffered_channel<void *> channel(128);
    bench_clock start = bench_now();
    fibers::fiber producer([&] {
        for (long i = 0; i < count; i++)
            channel.push(&channel);
    });
    void *item;

    for (long i = 0; i < count; i++)
        channel.pop(item);
    producer.join();
    bench_report(start, count);
}

/* boost.fiber has no semaphore; its mutex is the nearest. */
static void run_semaphore(long count, long)
{
    fibers::mutex mutex;
    auto play = [&] {
        for (long i = 0; i < count / 2; i++) {
            mutex.lock();
            boost::this_fiber::yield();
            mutex.unlock();
        }
    };
    bench_clock start = bench_now();
    fibers::fiber other(play);

    play();
    other.join();
    bench_report(start, count);
}

/* Sleepers of up to 100 ms, again and again. */
static void run_timer(long count, long sleepers)
{
    std::vector<fibers::fiber> all;
    long rounds = count / sleepers;
    bench_clock start;

    all.reserve(sleepers);
    for (long i = 0; i < sleepers; i++)
        all.emplace_back(std::allocator_arg, fibers::fixedsize_stack(32 * 1024),
                         [i, rounds] {
                             for (long round = 0; round <= rounds; round++)
                                 boost::this_fiber::sleep_for(
                                     std::chrono::microseconds(
                                         (i * 7919 + round * 104729) % 100000));
                         });
    boost::this_fiber::yield();
    start = bench_now();
    for (auto &fiber : all)
        fiber.join();
    bench_report(start, rounds * sleepers);
}

static const struct bench_case cases[] = {
    { "event", run_event },
    { "queue", run_queue },
    { "semaphore", run_semaphore },
    { "timer", run_timer },
    { "yield", run_yield },
    { "spawn", run_spawn },
    { "spawn-many", run_spawn_many },
    { "parked", run_parked },
};

int main(int argc, char **argv)
{
    return bench_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
