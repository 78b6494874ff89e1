/* What the C++ runtime keeps per thread: thread_local objects, exceptions in
 * flight, guards of local statics, call_once; and how threads unwind. */
#include "conf_cxx.hpp"

#include <atomic>
#include <csignal>
#include <cxxabi.h>
#include <exception>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace
{

constexpr int THREADS = 10;

std::mutex trail_mutex;
std::string trail;

void leave(const char *mark)
{
    std::lock_guard<std::mutex> hold(trail_mutex);
    trail += mark;
}

void in_threads(void (*function)(int))
{
    std::vector<std::thread> threads;

    for (int i = 0; i < THREADS; i++)
        threads.emplace_back(function, i);
    for (auto &thread : threads)
        thread.join();
}

/* thread_local. */

struct Witness {
    const char *name;
    explicit Witness(const char *given) : name(given)
    {
        leave(name);
    }
    ~Witness()
    {
        sleep_ms(1);
        leave(name);
    }
};

thread_local Witness first("a");
thread_local Witness second("b");
thread_local std::string text = "initial";
thread_local int plain = 17;

void use_witnesses()
{
    CONF_CHECK(second.name[0] == 'b');
    CONF_CHECK(first.name[0] == 'a');
}

void keep_text(int number)
{
    CONF_CHECK(text == "initial" && plain == 17);
    for (int i = 0; i < 10; i++) {
        text = std::string(100, char('a' + number));
        plain = number;
        sleep_ms(i % 2);
        CONF_CHECK(text == std::string(100, char('a' + number)));
        CONF_CHECK(plain == number);
    }
}

pthread_key_t key;

void destroy_value(void *)
{
    leave("k");
}

void *exit_with_witnesses(void *)
{
    pthread_setspecific(key, &key);
    use_witnesses();
    pthread_exit(&key);
}

/* One whose destructor is the first to use another. */
struct UsesAnother {
    ~UsesAnother()
    {
        static thread_local Witness late("l");

        CONF_CHECK(late.name[0] == 'l');
    }
};

thread_local UsesAnother uses_another;

/* Exceptions. */

void throw_and_hold(int number)
{
    for (int i = 0; i < 5; i++) {
        try {
            throw std::runtime_error(std::to_string(number));
        } catch (const std::exception &error) {
            usleep(useconds_t(500 + 300 * (number % 3)));
            CONF_CHECK(error.what() == std::to_string(number));
            CONF_CHECK(std::current_exception() != nullptr);
        }
        CONF_CHECK(std::current_exception() == nullptr);
    }
}

void rethrow_after_wait(int number)
{
    try {
        try {
            throw number;
        } catch (...) {
            sleep_ms(1 + number % 3);
            throw;
        }
    } catch (int caught) {
        std::exception_ptr held = std::current_exception();

        CONF_CHECK(caught == number);
        sleep_ms(2);
        try {
            std::rethrow_exception(held);
        } catch (int again) {
            CONF_CHECK(again == number);
        }
    }
}

/* Waits while its exception is in flight: in a destructor that unwinding
 * runs, where another is thrown and caught. */
struct WaitsInDestructor {
    int number;
    ~WaitsInDestructor()
    {
        CONF_CHECK(std::uncaught_exceptions() == 1);
        sleep_ms(1 + number % 3);
        try {
            throw std::string("inner");
        } catch (const std::string &inner) {
            sleep_ms(1);
            CONF_CHECK(inner == "inner");
        }
        CONF_CHECK(std::uncaught_exceptions() == 1);
    }
};

void unwind_through_wait(int number)
{
    try {
        WaitsInDestructor object{number};
        throw number;
    } catch (int caught) {
        CONF_CHECK(caught == number);
    }
    CONF_CHECK(std::uncaught_exceptions() == 0);
}

/* Once. */

std::once_flag flag;
int attempts, passed_on;

void fail_twice()
{
    int attempt = __atomic_add_fetch(&attempts, 1, __ATOMIC_SEQ_CST);

    sleep_ms(2);
    if (attempt < 3)
        throw attempt;
}

void call_until_it_works(int)
{
    try {
        std::call_once(flag, fail_twice);
    } catch (int) {
        __atomic_add_fetch(&passed_on, 1, __ATOMIC_SEQ_CST);
        return;
    }
    CONF_CHECK(attempts == 3);
}

int constructed;

struct Slow {
    int value;
    Slow()
    {
        __atomic_add_fetch(&constructed, 1, __ATOMIC_SEQ_CST);
        sleep_ms(10);
        value = 42;
    }
};

void use_local_static(int)
{
    static Slow slow;

    CONF_CHECK(slow.value == 42);
}

int failed_constructions;

struct FailsAtFirst {
    FailsAtFirst()
    {
        sleep_ms(2);
        if (__atomic_add_fetch(&failed_constructions, 1, __ATOMIC_SEQ_CST) < 3)
            throw std::runtime_error("not yet");
    }
};

void use_failing_static(int)
{
    for (;;) {
        try {
            static FailsAtFirst object;
            return;
        } catch (const std::runtime_error &) {
            sleep_ms(1);
        }
    }
}

/* Unwinding of threads. */

struct Local {
    ~Local()
    {
        leave("o");
    }
};

volatile bool unwinding_now;

void *sleep_with_object(void *)
{
    Local object;

    unwinding_now = true;
    sleep_ms(20000);
    return nullptr;
}

void *exit_with_object(void *)
{
    Local object;

    try {
        pthread_exit(&key);
    } catch (abi::__forced_unwind &) {
        leave("u");
        throw;
    } catch (...) {
        leave("?");
        throw;
    }
    return nullptr;
}

void setup()
{
    trail.clear();
}

START_TEST(thread_locals_belong_to_their_thread)
{
    in_threads(keep_text);
    ck_assert_str_eq(text.c_str(), "initial");
    ck_assert_int_eq(plain, 17);
}
END_TEST

START_TEST(thread_locals_are_destroyed_in_reverse)
{
    /* The first use constructs all of this file's, in their order. */
    std::thread(use_witnesses).join();
    ck_assert_str_eq(trail.c_str(), "abllba");
}
END_TEST

START_TEST(thread_locals_are_destroyed_before_keys)
{
    ck_assert_int_eq(pthread_key_create(&key, destroy_value), 0);
    ck_assert_ptr_eq(join_thread(start_thread(exit_with_witnesses, nullptr)),
                     &key);
    ck_assert_int_eq(pthread_key_delete(key), 0);
    ck_assert_str_eq(trail.c_str(), "abllbak");
}
END_TEST

void (*const throwing[])(int) = {throw_and_hold, rethrow_after_wait,
                                 unwind_through_wait};

START_TEST(exceptions_survive_waits)
{
    in_threads(throwing[_i]);
    ck_assert(std::current_exception() == nullptr);
    ck_assert_int_eq(std::uncaught_exceptions(), 0);
}
END_TEST

START_TEST(all_kinds_of_exceptions_at_once)
{
    in_threads([](int number) { throwing[number % 3](number); });
}
END_TEST

START_TEST(call_once_is_tried_again_after_an_exception)
{
    in_threads(call_until_it_works);
    ck_assert_int_eq(attempts, 3);
    ck_assert_int_eq(passed_on, 2);
}
END_TEST

START_TEST(a_local_static_is_constructed_once)
{
    in_threads(use_local_static);
    ck_assert_int_eq(constructed, 1);
}
END_TEST

START_TEST(a_local_static_that_throws_is_tried_again)
{
    in_threads(use_failing_static);
    ck_assert_int_eq(failed_constructions, 3);
}
END_TEST

START_TEST(exit_unwinds_objects)
{
    ck_assert_ptr_eq(join_thread(start_thread(exit_with_object, nullptr)),
                     &key);
    ck_assert_str_eq(trail.c_str(), "uo");
}
END_TEST

START_TEST(cancellation_unwinds_objects)
{
    pthread_t thread;

    unwinding_now = false;
    thread = start_thread(sleep_with_object, nullptr);
    while (!unwinding_now)
        sleep_ms(1);
    ck_assert_int_eq(pthread_cancel(thread), 0);
    ck_assert_ptr_eq(join_thread(thread), PTHREAD_CANCELED);
    ck_assert_str_eq(trail.c_str(), "o");
}
END_TEST

/* Out of a handler on a stack of its own. */
struct Mark {
    const char *name;
    ~Mark()
    {
        leave(name);
    }
};

std::atomic<bool> in_wait;

void exit_in_handler(int)
{
    Mark mark{"h"};

    pthread_exit(&key);
}

void *exit_on_the_alternate_stack(void *)
{
    std::vector<char> memory(256 << 10);
    stack_t stack = {}, none = {};
    struct sigaction action = {};
    struct Away {
        const stack_t *none;
        ~Away()
        {
            sigaltstack(none, nullptr);
        }
    } away{&none};
    Mark mark{"o"};

    none.ss_flags = SS_DISABLE;
    stack.ss_sp = memory.data();
    stack.ss_size = memory.size();
    CONF_CHECK(sigaltstack(&stack, nullptr) == 0);
    action.sa_handler = exit_in_handler;
    action.sa_flags = SA_ONSTACK | SA_NODEFER;
    CONF_CHECK(sigaction(SIGUSR1, &action, nullptr) == 0);
    in_wait = true;
    for (;;)
        sleep_ms(1000);
}

START_TEST(exit_in_a_handler_unwinds_what_it_interrupted)
{
    in_wait = false;
    pthread_t thread = start_thread(exit_on_the_alternate_stack, nullptr);

    while (!in_wait)
        sleep_ms(1);
    let_block();
    ck_assert_int_eq(pthread_kill(thread, SIGUSR1), 0);
    ck_assert_ptr_eq(join_thread(thread), &key);
    ck_assert_str_eq(trail.c_str(), "ho");
    signal(SIGUSR1, SIG_DFL);
}
END_TEST

void leave_uncaught()
{
    std::set_terminate([] { _exit(7); });
    std::thread([] {
        sleep_ms(1);
        throw 1;
    }).join();
}

START_TEST(an_exception_nobody_catches_terminates)
{
    ck_assert_int_eq(run_child(leave_uncaught), 7);
}
END_TEST

void add(TCase *tcase)
{
    tcase_add_checked_fixture(tcase, setup, nullptr);
    conf_test(tcase, thread_locals_belong_to_their_thread, 1);
    conf_test(tcase, thread_locals_are_destroyed_in_reverse, 1);
    conf_test(tcase, thread_locals_are_destroyed_before_keys, 1);
    conf_test(tcase, exceptions_survive_waits, 3);
    conf_test(tcase, all_kinds_of_exceptions_at_once, 1);
    conf_test(tcase, call_once_is_tried_again_after_an_exception, 1);
    conf_test(tcase, a_local_static_is_constructed_once, 1);
    conf_test(tcase, a_local_static_that_throws_is_tried_again, 1);
    conf_test(tcase, exit_unwinds_objects, 1);
    conf_test(tcase, cancellation_unwinds_objects, 1);
    conf_test(tcase, exit_in_a_handler_unwinds_what_it_interrupted, 1);
    conf_test(tcase, an_exception_nobody_catches_terminates, 1);
}

} // namespace

int main()
{
    return conf_main("cxx_runtime", add, CONF_THREADS);
}
