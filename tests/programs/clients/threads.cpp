// threads.cpp - what C++20 has for threads, in one program
//
// It prints one line a scene, the same in each run.  Built by g++ and clang++,
// with libstdc++ and, where it is installed, libc++ (whose version 14 has no
// jthread and no stop_token: those scenes then say what the others do).
#include <atomic>
#include <barrier>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <future>
#include <latch>
#include <map>
#include <memory>
#include <mutex>
#include <numeric>
#include <queue>
#include <semaphore>
#include <shared_mutex>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>
#if __has_include(<stop_token>)
#include <stop_token>
#endif

namespace
{

using namespace std::chrono_literals;
using clock_type = std::chrono::steady_clock;
constexpr int THREADS = 50;

template <typename Function> void in_threads(int count, Function function)
{
    std::vector<std::thread> threads;

    for (int i = 0; i < count; i++)
        threads.emplace_back(function, i);
    for (auto &thread : threads)
        thread.join();
}

void say(const char *scene, long result)
{
    std::printf("%s %ld\n", scene, result);
}

// ---- thread_local, call_once, exceptions ----

std::atomic<long> born, gone, late;

struct counted {
    std::string text = "made for each thread, on the heap for its length";

    counted()
    {
        born++;
    }
    ~counted()
    {
        gone++;
        // A destructor may wait, and may use another thread_local.
        std::this_thread::sleep_for(1ms);
    }
};

struct touches {
    long *counter;

    ~touches()
    {
        late += ++*counter;
    }
};

thread_local counted object;
thread_local long counter;
thread_local touches last{&counter};

void thread_locals()
{
    in_threads(THREADS, [](int i) {
        *last.counter = i;
        std::this_thread::sleep_for(std::chrono::milliseconds(i % 3));
        if (object.text.size() < 10 || counter != i)
            std::printf("a thread_local of another thread\n");
    });
    say("thread_local born", born);
    say("thread_local gone", gone);
    say("thread_local late", late);
}

void once()
{
    std::once_flag flag, failing;
    std::atomic<long> calls{0}, seen{0}, attempts{0};

    in_threads(THREADS, [&](int) {
        std::call_once(flag, [&] {
            std::this_thread::sleep_for(5ms);
            calls++;
        });
        seen += calls;
        // The third attempt is the one that counts.
        try {
            std::call_once(failing, [&] {
                std::this_thread::sleep_for(1ms);
                if (++attempts < 3)
                    throw std::runtime_error("not yet");
            });
        } catch (const std::runtime_error &) {
        }
    });
    say("call_once calls", calls);
    say("call_once seen", seen);
    say("call_once attempts", attempts);
}

long thrown_through(int depth)
{
    std::unique_ptr<int> guard = std::make_unique<int>(depth);

    if (depth == 0) {
        std::this_thread::yield();
        throw std::out_of_range("deep");
    }
    return thrown_through(depth - 1) + *guard;
}

void exceptions()
{
    std::atomic<long> caught{0}, nested{0};

    in_threads(THREADS, [&](int i) {
        for (int round = 0; round < 20; round++) {
            try {
                thrown_through(i % 10);
            } catch (const std::out_of_range &) {
                // While one is caught another thread throws, too.
                std::this_thread::sleep_for(100us);
                try {
                    std::rethrow_exception(std::current_exception());
                } catch (const std::exception &again) {
                    nested += std::string(again.what()) == "deep";
                }
                caught++;
            }
        }
    });
    say("exceptions caught", caught);
    say("exceptions nested", nested + std::uncaught_exceptions());
}

// ---- futures ----

void futures()
{
    std::vector<std::future<long>> results;
    std::promise<long> promise, broken_promise;
    long sum = 0, errors = 0;

    for (int i = 0; i < THREADS; i++)
        results.push_back(std::async(std::launch::async, [i]() -> long {
            std::this_thread::sleep_for(std::chrono::milliseconds(i % 5));
            if (i % 10 == 3)
                throw std::domain_error("three");
            return i;
        }));
    for (auto &result : results) {
        try {
            sum += result.get();
        } catch (const std::domain_error &) {
            errors++;
        }
    }
    say("async sum", sum);
    say("async errors", errors);

    auto shared = promise.get_future().share();
    auto lost = broken_promise.get_future();
    std::atomic<long> got{0};
    std::promise<void> timed_out;
    std::thread giver([&, given = std::move(broken_promise)]() mutable {
        timed_out.get_future().wait();
        promise.set_value(7);
        std::promise<long> dropped = std::move(given);
    });
    say("future timeout", shared.wait_for(1ms) == std::future_status::timeout);
    timed_out.set_value();
    in_threads(THREADS, [&](int) { got += shared.get(); });
    giver.join();
    try {
        lost.get();
    } catch (const std::future_error &error) {
        say("broken promise", error.code() == std::future_errc::broken_promise);
    }
    say("shared_future sum", got);
}

void packaged_tasks()
{
    std::packaged_task<long(long)> task([](long n) {
        std::this_thread::sleep_for(2ms);
        return n * n;
    });
    auto result = task.get_future();
    std::promise<long> at_exit;
    auto last = at_exit.get_future();

    std::thread(std::move(task), 12).detach();
    say("packaged_task", result.get());
    std::thread([&] { at_exit.set_value_at_thread_exit(5); }).detach();
    say("at thread exit", last.get());
}

// ---- locks ----

template <typename Mutex> long counted_under()
{
    Mutex mutex;
    long count = 0;

    in_threads(THREADS, [&](int i) {
        for (int round = 0; round < 100; round++) {
            std::lock_guard<Mutex> hold(mutex);
            long before = count;

            if ((i + round) % 40 == 0)
                std::this_thread::yield();
            count = before + 1;
        }
    });
    return count;
}

void mutexes()
{
    say("mutex", counted_under<std::mutex>());
    say("recursive_mutex", counted_under<std::recursive_mutex>());
    say("timed_mutex", counted_under<std::timed_mutex>());
    say("recursive_timed_mutex", counted_under<std::recursive_timed_mutex>());
    say("shared_mutex", counted_under<std::shared_mutex>());
    say("shared_timed_mutex", counted_under<std::shared_timed_mutex>());
}

void timed_locks()
{
    std::timed_mutex mutex;
    std::shared_timed_mutex shared;
    std::atomic<long> refused{0}, given{0};
    std::unique_lock<std::timed_mutex> hold(mutex);
    std::unique_lock<std::shared_timed_mutex> hold_shared(shared);
    std::thread patient([&] {
        given += mutex.try_lock_for(30s);
        mutex.unlock();
    });

    in_threads(THREADS, [&](int) {
        auto before = clock_type::now();

        refused += !mutex.try_lock_for(10ms);
        refused += !shared.try_lock_shared_until(clock_type::now() + 10ms);
        refused += clock_type::now() - before >= 20ms;
    });
    hold.unlock();
    patient.join();
    say("timed locks refused", refused);
    say("timed locks given", given);
}

void readers_and_writers()
{
    std::shared_mutex mutex;
    std::map<int, long> table;
    std::atomic<long> together{0}, most{0}, torn{0};

    in_threads(THREADS, [&](int i) {
        for (int round = 0; round < 20; round++) {
            if ((i + round) % 5 == 0) {
                std::unique_lock hold(mutex);
                table[1]++;
                std::this_thread::yield();
                table[2]++;
            } else {
                std::shared_lock hold(mutex);
                long now = ++together;

                while (now > most && round < 5) {
                    long had = most;
                    most.compare_exchange_strong(had, now);
                }
                std::this_thread::sleep_for(50us);
                torn += table.count(1) && table.at(1) != table.at(2);
                together--;
            }
        }
    });
    say("shared_mutex writes", table[2]);
    say("shared_mutex torn", torn);
    say("shared_mutex overlap", most > 1);
}

void condition_variables()
{
    std::mutex mutex;
    std::shared_mutex any;
    std::condition_variable changed;
    std::condition_variable_any changed_any;
    std::queue<int> queue;
    long sum = 0, woken = 0;
    bool ready = false;
    std::thread producer([&] {
        for (int i = 1; i <= 40 * THREADS; i++) {
            std::lock_guard hold(mutex);
            queue.push(i <= 39 * THREADS ? i : 0);
            changed.notify_one();
            if (i % 64 == 0)
                std::this_thread::yield();
        }
    });

    in_threads(THREADS, [&](int) {
        for (;;) {
            std::unique_lock hold(mutex);
            changed.wait(hold, [&] { return !queue.empty(); });
            int item = queue.front();
            queue.pop();
            if (item == 0)
                return;
            sum += item;
        }
    });
    producer.join();
    say("condition_variable sum", sum);

    std::thread setter([&] {
        std::this_thread::sleep_for(5ms);
        std::unique_lock hold(any);
        ready = true;
        changed_any.notify_all();
    });
    in_threads(THREADS, [&](int) {
        std::shared_lock hold(any);
        changed_any.wait(hold, [&] { return ready; });
        hold.unlock();
        std::unique_lock count(any);
        woken++;
    });
    setter.join();
    say("condition_variable_any woken", woken);

    std::unique_lock hold(mutex);
    say("condition_variable timeout",
        !changed.wait_for(hold, 5ms, [] { return false; }));
}

// ---- C++20: what waits on futexes by itself ----

void counting()
{
    std::latch start(1), done(THREADS);
    std::counting_semaphore<8> places(3);
    std::binary_semaphore never(0);
    std::atomic<long> inside{0}, most{0}, phases{0}, torn{0};
    auto completed = [&]() noexcept { phases++; };
    std::barrier barrier(THREADS, completed);
    std::thread starter([&] {
        std::this_thread::sleep_for(5ms);
        start.count_down();
    });

    in_threads(THREADS, [&](int i) {
        start.wait();
        for (long phase = 0; phase < 20; phase++) {
            torn += phases != phase;
            if (phase == 10 && i == 7) {
                barrier.arrive_and_drop();
                break;
            }
            barrier.arrive_and_wait();
        }
        places.acquire();
        long now = ++inside;
        for (long had = most;
             now > had && !most.compare_exchange_weak(had, now);)
            continue;
        std::this_thread::sleep_for(100us);
        inside--;
        places.release();
        done.count_down();
    });
    starter.join();
    done.wait();
    say("barrier phases", phases);
    say("barrier torn", torn);
    say("semaphore most", most <= 3 ? 3 : long(most));
    say("semaphore timeout", !never.try_acquire_for(5ms));
}

void atomic_waits()
{
    std::atomic<int> turn{0};
    std::atomic<long long> wide{0};
    std::atomic_flag flag;
    auto shared = std::make_shared<int>(3);
    std::atomic<long> sum{0};

    in_threads(THREADS, [&](int i) {
        for (int round = 0; round < 5; round++) {
            int wanted = round * THREADS + i;

            for (int seen = turn; seen != wanted; seen = turn)
                turn.wait(seen);
            sum += *shared;
            turn++;
            turn.notify_all();
        }
    });
    say("atomic turns", turn);
    std::thread notifier([&] {
        std::this_thread::sleep_for(5ms);
        wide = 1LL << 40;
        wide.notify_all();
        std::this_thread::sleep_for(5ms);
        flag.test_and_set();
        flag.notify_all();
    });
    in_threads(THREADS, [&](int) {
        wide.wait(0);
        flag.wait(false);
        sum += wide >> 40;
    });
    notifier.join();
    say("atomic sum", sum);
}

#ifdef __cpp_lib_jthread
void stopping()
{
    std::mutex mutex;
    std::condition_variable_any changed;
    std::atomic<long> called{0}, left{0};
    std::vector<std::jthread> threads;

    for (int i = 0; i < THREADS; i++)
        threads.emplace_back([&](std::stop_token token) {
            std::promise<void> told;
            std::stop_callback on_stop(token, [&] {
                called++;
                told.set_value();
            });
            std::unique_lock hold(mutex);

            if (!changed.wait(hold, token, [] { return false; }))
                left++;
            // The wait may end first, and nobody is called who is gone.
            hold.unlock();
            told.get_future().wait();
        });
    std::this_thread::sleep_for(5ms);
    for (int i = 0; i < THREADS; i += 2)
        say("jthread stopped", threads[size_t(i)].request_stop());
    threads.clear(); // asks the others, and joins
    say("stop_callback called", called);
    say("condition_variable_any stopped", left);
}
#else
void stopping()
{
    for (int i = 0; i < THREADS; i += 2)
        say("jthread stopped", 1);
    say("stop_callback called", THREADS);
    say("condition_variable_any stopped", THREADS);
}
#endif

// ---- threads themselves ----

void threads()
{
    std::map<std::thread::id, int> ids;
    std::mutex mutex;
    std::atomic<long> slept{0};

    in_threads(THREADS, [&](int) {
        auto before = clock_type::now();

        std::this_thread::sleep_for(5ms);
        std::this_thread::sleep_until(std::chrono::system_clock::now() + 5ms);
        slept += clock_type::now() - before >= 9ms;
        std::lock_guard hold(mutex);
        ids[std::this_thread::get_id()]++;
    });
    say("ids", long(ids.size()));
    say("slept", slept);
    std::thread moved([] {}), other;
    other = std::move(moved);
    say("joinable", moved.joinable() + 2 * other.joinable());
    other.join();
    try {
        other.join();
    } catch (const std::system_error &error) {
        say("joined twice", error.code() == std::errc::invalid_argument);
    }
}

void tree(int depth, std::atomic<long> &leaves)
{
    if (depth == 0) {
        leaves++;
        return;
    }
    auto left =
        std::async(std::launch::async, [&, depth] { tree(depth - 1, leaves); });
    tree(depth - 1, leaves);
    left.get();
}

} // namespace

int main()
{
    std::atomic<long> leaves{0};

    threads();
    thread_locals();
    once();
    exceptions();
    futures();
    packaged_tasks();
    mutexes();
    timed_locks();
    readers_and_writers();
    condition_variables();
    counting();
    atomic_waits();
    stopping();
    tree(7, leaves);
    say("tree", leaves);
    return 0;
}
