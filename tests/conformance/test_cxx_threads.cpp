/* The threads and locks of the C++ library, which are pthreads and futexes */
#include "conf_cxx.hpp"

#include <atomic>
#include <barrier>
#include <chrono>
#include <condition_variable>
#include <future>
#include <latch>
#include <mutex>
#include <semaphore>
#include <shared_mutex>
#include <stdexcept>
#include <stop_token>
#include <thread>
#include <vector>

namespace
{

using namespace std::chrono_literals;
constexpr int THREADS = 8;

template <typename Function> void in_threads(Function function)
{
    std::vector<std::jthread> threads;

    for (int i = 0; i < THREADS; i++)
        threads.emplace_back(function, i);
}

START_TEST(threads_have_different_ids)
{
    std::vector<std::thread::id> ids(THREADS);

    in_threads([&](int i) {
        ids[size_t(i)] = std::this_thread::get_id();
        std::this_thread::sleep_for(2ms);
        CONF_CHECK(ids[size_t(i)] == std::this_thread::get_id());
    });
    for (size_t i = 0; i < THREADS; i++)
        ck_assert(ids[i] != std::this_thread::get_id());
    ck_assert_uint_gt(std::thread::hardware_concurrency(), 0);
}
END_TEST

template <typename Mutex> void check_exclusion()
{
    Mutex mutex;
    int left = 0, right = 0;

    in_threads([&](int) {
        for (int round = 0; round < 300; round++) {
            std::lock_guard<Mutex> hold(mutex);
            CONF_CHECK(left == right);
            left++;
            if (round % 32 == 0)
                std::this_thread::yield();
            right++;
        }
    });
    CONF_CHECK(left == 300 * THREADS);
}

START_TEST(mutexes_exclude)
{
    check_exclusion<std::mutex>();
    check_exclusion<std::recursive_mutex>();
    check_exclusion<std::timed_mutex>();
    check_exclusion<std::recursive_timed_mutex>();
    check_exclusion<std::shared_mutex>();
    check_exclusion<std::shared_timed_mutex>();
}
END_TEST

START_TEST(timed_mutexes_give_up)
{
    std::timed_mutex mutex;
    std::shared_timed_mutex shared;
    std::lock_guard<std::timed_mutex> hold(mutex);
    std::lock_guard<std::shared_timed_mutex> hold_shared(shared);
    std::atomic<int> given_up = 0;

    std::jthread([&] {
        given_up += !mutex.try_lock_for(10ms);
        given_up +=
            !mutex.try_lock_until(std::chrono::system_clock::now() + 10ms);
        given_up +=
            !mutex.try_lock_until(std::chrono::steady_clock::now() - 10ms);
        given_up += !shared.try_lock_for(10ms);
        given_up += !shared.try_lock_shared_for(10ms);
    }).join();
    ck_assert_int_eq(given_up, 5);
}
END_TEST

START_TEST(readers_share)
{
    std::shared_mutex mutex;
    std::latch together(THREADS);

    in_threads([&](int) {
        std::shared_lock<std::shared_mutex> hold(mutex);
        together.arrive_and_wait();
        CONF_CHECK(!mutex.try_lock());
    });
    ck_assert(mutex.try_lock());
    mutex.unlock();
}
END_TEST

/* lock() of several takes them in any order without a deadlock. */
START_TEST(several_locks_are_taken_at_once)
{
    std::mutex a, b;
    int count = 0;

    in_threads([&](int i) {
        for (int round = 0; round < 100; round++) {
            std::scoped_lock hold(i % 2 ? a : b, i % 2 ? b : a);
            if (round % 16 == 0)
                std::this_thread::yield();
            count++;
        }
    });
    ck_assert_int_eq(count, 100 * THREADS);
}
END_TEST

START_TEST(condition_variables_wake)
{
    std::mutex mutex;
    std::condition_variable changed;
    int turn = 0;

    in_threads([&](int i) {
        for (int round = 0; round < 50; round++) {
            std::unique_lock<std::mutex> hold(mutex);
            changed.wait(hold, [&] { return turn % THREADS == i; });
            turn++;
            changed.notify_all();
        }
    });
    ck_assert_int_eq(turn, 50 * THREADS);
}
END_TEST

START_TEST(condition_variables_give_up)
{
    std::mutex mutex;
    std::condition_variable changed;
    std::unique_lock<std::mutex> hold(mutex);
    int64_t before = now_ns();

    ck_assert(!changed.wait_for(hold, 10ms, [] { return false; }));
    ck_assert(!changed.wait_until(hold, std::chrono::system_clock::now() + 10ms,
                                  [] { return false; }));
    ck_assert_int_ge(now_ns() - before, 19 * CONF_MS);
}
END_TEST

START_TEST(condition_variable_any_takes_a_stop)
{
    std::mutex mutex;
    std::condition_variable_any changed;
    std::atomic<bool> stopped = false;
    std::jthread thread([&](std::stop_token token) {
        std::unique_lock<std::mutex> hold(mutex);

        changed.wait(hold, token, [] { return false; });
        stopped = token.stop_requested();
    });

    let_block();
    thread.request_stop();
    thread.join();
    ck_assert(stopped);
}
END_TEST

START_TEST(a_future_gets_what_async_returns)
{
    std::vector<std::future<int>> futures;
    int sum = 0;

    for (int i = 0; i < THREADS; i++)
        futures.push_back(std::async(std::launch::async, [i] {
            std::this_thread::sleep_for(2ms);
            return i;
        }));
    for (auto &future : futures)
        sum += future.get();
    ck_assert_int_eq(sum, THREADS * (THREADS - 1) / 2);
}
END_TEST

START_TEST(a_future_gets_the_exception)
{
    auto future = std::async(std::launch::async, []() -> int {
        std::this_thread::sleep_for(2ms);
        throw std::runtime_error("thrown there");
    });
    bool caught = false;

    try {
        future.get();
    } catch (const std::runtime_error &error) {
        caught = std::string(error.what()) == "thrown there";
    }
    ck_assert(caught);
}
END_TEST

START_TEST(a_promise_wakes_all_who_share_it)
{
    std::promise<int> promise;
    std::shared_future<int> future = promise.get_future().share();
    std::atomic<int> sum = 0;

    ck_assert(future.wait_for(5ms) == std::future_status::timeout);
    std::jthread keeper([&] {
        std::this_thread::sleep_for(10ms);
        promise.set_value(3);
    });
    in_threads([&](int) { sum += future.get(); });
    ck_assert_int_eq(sum, 3 * THREADS);
}
END_TEST

START_TEST(values_are_set_at_thread_exit)
{
    std::promise<int> promise;
    auto future = promise.get_future();

    std::thread([&] { promise.set_value_at_thread_exit(9); }).detach();
    ck_assert_int_eq(future.get(), 9);
    let_block();
}
END_TEST

/* What waits on futexes by itself, past the pthread functions. */

START_TEST(latches_and_barriers_hold_back)
{
    std::latch start(1), done(THREADS);
    std::barrier barrier(THREADS);
    std::atomic<int> arrived[20] = {};

    in_threads([&](int i) {
        if (i == 0) {
            std::this_thread::sleep_for(5ms);
            start.count_down();
        }
        start.wait();
        for (auto &round : arrived) {
            round++;
            barrier.arrive_and_wait();
            CONF_CHECK(round == THREADS);
        }
        done.count_down();
    });
    ck_assert(done.try_wait());
}
END_TEST

START_TEST(semaphores_count)
{
    std::counting_semaphore<100> places(3);
    std::binary_semaphore empty(0);
    std::atomic<int> inside = 0;

    in_threads([&](int) {
        for (int round = 0; round < 3; round++) {
            places.acquire();
            CONF_CHECK(++inside <= 3);
            std::this_thread::sleep_for(1ms);
            --inside;
            places.release();
        }
    });
    ck_assert(!empty.try_acquire());
    ck_assert(!empty.try_acquire_for(10ms));
    std::jthread helper([&] {
        std::this_thread::sleep_for(10ms);
        empty.release();
    });
    empty.acquire();
}
END_TEST

START_TEST(atomics_wait_until_notified)
{
    std::atomic<int> turn = 0;
    std::atomic<long> wide = 0;

    in_threads([&](int i) {
        for (int seen = turn; seen != i; seen = turn)
            turn.wait(seen);
        std::this_thread::sleep_for(1ms);
        turn = i + 1;
        turn.notify_all();
    });
    ck_assert_int_eq(turn, THREADS);
    std::jthread helper([&] {
        std::this_thread::sleep_for(10ms);
        wide = 1;
        wide.notify_one();
    });
    wide.wait(0);
    ck_assert_int_eq(wide, 1);
}
END_TEST

void add(TCase *tcase)
{
    conf_test(tcase, threads_have_different_ids, 1);
    conf_test(tcase, mutexes_exclude, 1);
    conf_test(tcase, timed_mutexes_give_up, 1);
    conf_test(tcase, readers_share, 1);
    conf_test(tcase, several_locks_are_taken_at_once, 1);
    conf_test(tcase, condition_variables_wake, 1);
    conf_test(tcase, condition_variables_give_up, 1);
    conf_test(tcase, condition_variable_any_takes_a_stop, 1);
    conf_test(tcase, a_future_gets_what_async_returns, 1);
    conf_test(tcase, a_future_gets_the_exception, 1);
    conf_test(tcase, a_promise_wakes_all_who_share_it, 1);
    conf_test(tcase, values_are_set_at_thread_exit, 1);
    conf_test(tcase, latches_and_barriers_hold_back, 1);
    conf_test(tcase, semaphores_count, 1);
    conf_test(tcase, atomics_wait_until_notified, 1);
}

} // namespace

int main()
{
    return conf_main("cxx_threads", add, CONF_THREADS);
}
