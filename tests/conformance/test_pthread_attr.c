/* pthread_attr_init(3) and what is set there: the thread begins so, or is not
 * made */
#include "conf_threads.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <threads.h>

static pthread_attr_t attr;

static void setup(void)
{
    ck_assert_int_eq(pthread_attr_init(&attr), 0);
}

static void teardown(void)
{
    ck_assert_int_eq(pthread_attr_destroy(&attr), 0);
}

static void *run(void *(*function)(void *), void *argument)
{
    pthread_t thread;

    ck_assert_int_eq(pthread_create(&thread, &attr, function, argument), 0);
    return join_thread(thread);
}

struct stack {
    void *start;
    size_t size, guard;
};

static void *look_at_stack(void *argument)
{
    struct stack *stack = argument;
    pthread_attr_t own;

    CONF_CHECK(pthread_getattr_np(pthread_self(), &own) == 0);
    CONF_CHECK(pthread_attr_getstack(&own, &stack->start, &stack->size) == 0);
    CONF_CHECK(pthread_attr_getguardsize(&own, &stack->guard) == 0);
    CONF_CHECK(pthread_attr_destroy(&own) == 0);
    CONF_CHECK(lies_in(&own, stack->start, stack->size));
    return argument;
}

START_TEST(a_stack_is_reported_as_it_was_asked_for)
    {
        /* Each larger than any before: libc uses old ones again. */
        static const size_t sizes[] = {(9 << 20) + 4096, 16 << 20, 33 << 20};
        struct stack stack;

        ck_assert_int_eq(pthread_attr_setstacksize(&attr, sizes[_i]), 0);
        run(look_at_stack, &stack);
        ck_assert_uint_eq(stack.size, sizes[_i]);
    }
END_TEST

START_TEST(memory_of_the_programs_has_no_guard)
    {
        const size_t size = 256 << 10;
        struct stack stack;
        void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        ck_assert_int_eq(pthread_attr_setstack(&attr, memory, size), 0);
        run(look_at_stack, &stack);
        ck_assert_ptr_eq(stack.start, memory);
        ck_assert_uint_eq(stack.size, size);
        ck_assert_uint_eq(stack.guard, 0);
        munmap(memory, size);
    }
END_TEST

static void *see_mask(void *argument)
{
    pthread_sigmask(SIG_SETMASK, NULL, argument);
    return argument;
}

START_TEST(a_signal_mask_is_the_new_threads)
    {
        sigset_t wanted, seen, mine;

        sigemptyset(&mine);
        sigaddset(&mine, SIGUSR2);
        sigemptyset(&wanted);
        sigaddset(&wanted, SIGUSR1);
        ck_assert_int_eq(pthread_sigmask(SIG_BLOCK, &mine, NULL), 0);
        ck_assert_int_eq(pthread_attr_setsigmask_np(&attr, &wanted), 0);
        run(see_mask, &seen);
        ck_assert_int_eq(sigismember(&seen, SIGUSR1), 1);
        ck_assert_int_eq(sigismember(&seen, SIGUSR2), 0);
        ck_assert_int_eq(pthread_attr_setsigmask_np(&attr, NULL), 0);
        run(see_mask, &seen);
        ck_assert_int_eq(sigismember(&seen, SIGUSR1), 0);
        ck_assert_int_eq(sigismember(&seen, SIGUSR2), 1);
        ck_assert_int_eq(pthread_sigmask(SIG_UNBLOCK, &mine, NULL), 0);
    }
END_TEST

static volatile pthread_t handler_of;

static void handle(int number)
{
    (void)number;
    handler_of = pthread_self();
}

static void *wait_for_handler(void *argument)
{
    kill(getpid(), SIGUSR1);
    for (int i = 0; i < 10000 && handler_of == 0; i++)
        sleep_ms(1);
    return argument;
}

/* Nobody but the new thread lets it through. */
START_TEST(what_its_mask_lets_through_it_handles)
    {
        struct sigaction action = {.sa_handler = handle}, before;
        sigset_t usr1, none;
        pthread_t thread;

        sigemptyset(&none);
        sigemptyset(&usr1);
        sigaddset(&usr1, SIGUSR1);
        handler_of = 0;
        sigaction(SIGUSR1, &action, &before);
        ck_assert_int_eq(pthread_sigmask(SIG_BLOCK, &usr1, NULL), 0);
        ck_assert_int_eq(pthread_attr_setsigmask_np(&attr, &none), 0);
        ck_assert_int_eq(pthread_create(&thread, &attr, wait_for_handler, NULL),
                         0);
        join_thread(thread);
        ck_assert(handler_of == thread);
        ck_assert_int_eq(pthread_sigmask(SIG_UNBLOCK, &usr1, NULL), 0);
        sigaction(SIGUSR1, &before, NULL);
    }
END_TEST

static void *see_both(void *argument)
{
    struct stack stack;

    look_at_stack(&stack);
    CONF_CHECK(stack.guard == 3 * (size_t)sysconf(_SC_PAGESIZE));
    return see_mask(argument);
}

static int see_mask_of_c11(void *argument)
{
    see_mask(argument);
    return 0;
}

START_TEST(what_the_default_says_holds_for_those_without_attributes)
    {
        pthread_attr_t before;
        sigset_t wanted, seen;
        thrd_t c11;

        sigemptyset(&wanted);
        sigaddset(&wanted, SIGUSR1);
        ck_assert_int_eq(pthread_getattr_default_np(&before), 0);
        ck_assert_int_eq(pthread_attr_setsigmask_np(&attr, &wanted), 0);
        ck_assert_int_eq(
            pthread_attr_setguardsize(&attr, 3 * (size_t)sysconf(_SC_PAGESIZE)), 0);
        ck_assert_int_eq(pthread_setattr_default_np(&attr), 0);
        join_thread(start_thread(see_both, &seen));
        ck_assert_int_eq(sigismember(&seen, SIGUSR1), 1);
        sigemptyset(&seen);
        ck_assert_int_eq(thrd_create(&c11, see_mask_of_c11, &seen), thrd_success);
        ck_assert_int_eq(thrd_join(c11, NULL), thrd_success);
        ck_assert_int_eq(sigismember(&seen, SIGUSR1), 1);
        ck_assert_int_eq(pthread_attr_setsigmask_np(&attr, NULL), 0);
        run(see_mask, &seen);
        ck_assert_int_eq(sigismember(&seen, SIGUSR1), 0);
        ck_assert_int_eq(pthread_setattr_default_np(&before), 0);
        ck_assert_int_eq(pthread_attr_destroy(&before), 0);
        join_thread(start_thread(see_mask, &seen));
        ck_assert_int_eq(sigismember(&seen, SIGUSR1), 0);
    }
END_TEST

START_TEST(cpus_that_are_not_there_are_refused)
    {
        pthread_t thread;
        cpu_set_t far;

        CPU_ZERO(&far);
        CPU_SET(CPU_SETSIZE - 1, &far);
        ck_assert_int_eq(pthread_attr_setaffinity_np(&attr, sizeof far, &far),
                         0);
        ck_assert_int_eq(pthread_create(&thread, &attr, see_mask, NULL),
                         EINVAL);
    }
END_TEST

static void add(TCase *tcase)
{
    tcase_add_checked_fixture(tcase, setup, teardown);
    conf_test(tcase, a_stack_is_reported_as_it_was_asked_for, 3);
    conf_test(tcase, memory_of_the_programs_has_no_guard, 1);
    conf_test(tcase, a_signal_mask_is_the_new_threads, 1);
    conf_test(tcase, what_its_mask_lets_through_it_handles, 1);
    conf_test(tcase, what_the_default_says_holds_for_those_without_attributes, 1);
    conf_test(tcase, cpus_that_are_not_there_are_refused, 1);
}

int main(void)
{
    return conf_main("pthread_attr", add, CONF_THREADS);
}
