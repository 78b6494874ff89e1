/* Exceptions of C++ on greenlets that share a thread's TLS (G-146). */
#include <check.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <exception>
#include <stdexcept>
#include <string>
#include <vector>

#include "../runner.h"
#include "../sanitizers.h"
#include "context/greenlet.h"

/* Check's old name for ck_abort() is a member of the standard streams. */
#undef fail

namespace
{

greenlet *made(greenlet_run *run)
{
    greenlet *g = greenlet_new(run, nullptr, 0);

    ck_assert_ptr_nonnull(g);
    return g;
}

void *switch_to(greenlet *g, void *value = nullptr)
{
    void *result = nullptr;

    ck_assert_int_eq(greenlet_switch(g, value, &result), 0);
    return result;
}

void *to_parent(void *value = nullptr)
{
    return switch_to(greenlet_parent(greenlet_current()), value);
}

void finish(greenlet *g)
{
    switch_to(g);
    ck_assert(greenlet_dead(g));
    greenlet_unref(g);
}

/* ---- four that throw at different depths, interleaved ---- */

const int greenlets = 4;

__attribute__((noinline)) int sink(int depth, int who)
{
    volatile int below;

    to_parent();
    if (depth == 0)
        throw who;
    below = sink(depth - 1, who);
    to_parent();
    return below;
}

int catches_at_depth(void *value, void **)
{
    long who = reinterpret_cast<long>(value);

    try {
        sink(static_cast<int>(who) + 1, static_cast<int>(who));
    } catch (int got) {
        to_parent();
        ck_assert_int_eq(got, who);
        return 0;
    }
    ck_abort_msg("nothing was thrown");
    return 0;
}

START_TEST(g146_each_catches_its_own)
{
    greenlet *all[greenlets];
    int ended = 0;

    for (auto &g : all)
        g = made(catches_at_depth);
    for (int round = 0; ended < greenlets; round++)
        for (long i = 0; i < greenlets; i++) {
            if (greenlet_dead(all[i]))
                continue;
            switch_to(all[i], reinterpret_cast<void *>(i));
            ended += greenlet_dead(all[i]);
        }
    for (auto g : all)
        greenlet_unref(g);
}
END_TEST

/* ---- held across switches ---- */

std::string caught_text()
{
    try {
        std::rethrow_exception(std::current_exception());
    } catch (const std::exception &error) {
        return error.what();
    }
}

/* In a catch, switch; then the exception is still the one that `throw;` means. */
int holds(void *value, void **)
{
    const char *text = static_cast<const char *>(value);

    try {
        try {
            throw std::runtime_error(text);
        } catch (const std::runtime_error &) {
            to_parent();
            ck_assert(caught_text() == text);
            to_parent();
            throw;
        }
    } catch (const std::exception &error) {
        to_parent();
        ck_assert_str_eq(error.what(), text);
    }
    ck_assert(std::current_exception() == nullptr);
    return 0;
}

START_TEST(g146_a_caught_exception_stays_with_its_greenlet)
{
    greenlet *one = made(holds), *two = made(holds);

    switch_to(one, const_cast<char *>("the first"));
    ck_assert(std::current_exception() == nullptr);
    switch_to(two, const_cast<char *>("the second"));
    ck_assert(std::current_exception() == nullptr);
    for (int i = 0; i < 2; i++) { /* one is first in, and first out */
        switch_to(one);
        switch_to(two);
    }
    finish(one);
    finish(two);
}
END_TEST

int throws_and_catches(void *, void **)
{
    ck_assert(std::current_exception() == nullptr);
    ck_assert_int_eq(std::uncaught_exceptions(), 0);
    try {
        throw 5;
    } catch (int) {
        to_parent();
    }
    return 0;
}

START_TEST(g146_one_that_is_started_in_a_catch_begins_with_none)
{
    greenlet *g = made(throws_and_catches);

    try {
        throw std::logic_error("mine");
    } catch (const std::logic_error &) {
        switch_to(g);
        ck_assert(caught_text() == "mine");
        finish(g);
        ck_assert(caught_text() == "mine");
    }
    ck_assert(std::current_exception() == nullptr);
}
END_TEST

struct switches_when_destroyed {
    ~switches_when_destroyed()
    {
        ck_assert_int_eq(std::uncaught_exceptions(), 1);
        to_parent();
        ck_assert_int_eq(std::uncaught_exceptions(), 1);
    }
};

int is_unwound_slowly(void *, void **)
{
    try {
        switches_when_destroyed here;

        throw 7;
    } catch (int got) {
        ck_assert_int_eq(got, 7);
        ck_assert_int_eq(std::uncaught_exceptions(), 0);
    }
    return 0;
}

START_TEST(g146_uncaught_exceptions_are_counted_for_each)
{
    greenlet *one = made(is_unwound_slowly), *two = made(is_unwound_slowly);

    switch_to(one);
    ck_assert_int_eq(std::uncaught_exceptions(), 0);
    switch_to(two);
    ck_assert_int_eq(std::uncaught_exceptions(), 0);
    finish(one);
    ck_assert_int_eq(std::uncaught_exceptions(), 0);
    finish(two);
}
END_TEST

/* ---- out of the outermost frame ---- */

int lets_one_out(void *, void **)
{
    throw std::runtime_error("on the loose");
}

int exits_its_thread(void *, void **)
{
    pthread_exit(nullptr);
}

/* What a child says on stderr before it dies by SIGABRT. */
std::string last_words(greenlet_run *run)
{
    int ends[2], status = 0;
    char text[512];
    std::string all;
    ssize_t got;

    ck_assert_int_eq(pipe(ends), 0);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        const rlimit no_core = { 0, 0 };
        greenlet *g = made(run);

        setrlimit(RLIMIT_CORE, &no_core);
        signal(SIGABRT, SIG_DFL);
        dup2(ends[1], STDERR_FILENO);
        greenlet_set_name(g, "careless");
        greenlet_switch(g, nullptr, nullptr);
        _exit(0);
    }
    close(ends[1]);
    while ((got = read(ends[0], text, sizeof text)) > 0)
        all.append(text, static_cast<size_t>(got));
    close(ends[0]);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT,
                  "status %#x: %s", static_cast<unsigned>(status), all.c_str());
    return all;
}

void says(const std::string &all, const char *what)
{
    ck_assert_msg(all.find(what) != std::string::npos, "\"%s\" is not in: %s",
                  what, all.c_str());
}

START_TEST(g146_one_that_leaves_its_greenlet_aborts_and_names_it)
{
    std::string all = last_words(lets_one_out);

    says(all, "vireo: a C++ exception left greenlet 0x");
    says(all, " \"careless\"\n");
    says(all, "on the loose"); /* std::terminate() has its say, too */
}
END_TEST

START_TEST(a_greenlet_cannot_be_left_by_pthread_exit)
{
    std::string all = last_words(exits_its_thread);

    says(all, "vireo: pthread_exit() or cancellation of the thread left "
              "greenlet 0x");
    says(all, " \"careless\"\n");
}
END_TEST

} // namespace

int main()
{
    TCase *tcase = tcase_create("unit");

    tcase_add_test(tcase, g146_each_catches_its_own);
    tcase_add_test(tcase, g146_a_caught_exception_stays_with_its_greenlet);
    tcase_add_test(tcase, g146_one_that_is_started_in_a_catch_begins_with_none);
    tcase_add_test(tcase, g146_uncaught_exceptions_are_counted_for_each);
    tcase_add_test(tcase, g146_one_that_leaves_its_greenlet_aborts_and_names_it);
    if (!WITH_TSAN) /* has a pthread_exit() of its own, which gives up first */
        tcase_add_test(tcase, a_greenlet_cannot_be_left_by_pthread_exit);
    return runner_run("cxx", tcase, CK_FORK_GETENV);
}
