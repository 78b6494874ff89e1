/* getcontext, makecontext, swapcontext, setjmp and longjmp inside one thread,
 * which waits on each of its stacks while other threads do the same */
#include "conformance.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <ucontext.h>

enum { THREADS = 5, ROUNDS = 20, STACK = 64 * 1024 };

/* A coroutine of the thread's own, that counts. */
struct generator {
    ucontext_t caller, own;
    int value, ends[2];
};

static __thread struct generator *here; /* of the thread, on all its stacks */

static void generate(void)
{
    struct generator *generator = here;
    char byte;

    for (int i = 1; i <= ROUNDS; i++) {
        CONF_CHECK(here == generator);
        conf_write_all(generator->ends[1], "x", 1);
        sleep_ms(1);
        conf_read_all(generator->ends[0], &byte, 1);
        generator->value = i;
        CONF_CHECK(swapcontext(&generator->own, &generator->caller) == 0);
    }
    generator->value = -1; /* uc_link: back to the caller */
}

static void *use_generator(void *unused)
{
    struct generator generator = { 0 };
    void *stack = malloc(STACK);

    here = &generator;
    conf_pipe(generator.ends);
    CONF_CHECK(getcontext(&generator.own) == 0);
    generator.own.uc_stack.ss_sp = stack;
    generator.own.uc_stack.ss_size = STACK;
    generator.own.uc_link = &generator.caller;
    makecontext(&generator.own, generate, 0);
    for (int i = 1; i <= ROUNDS; i++) {
        CONF_CHECK(swapcontext(&generator.caller, &generator.own) == 0);
        CONF_CHECK(generator.value == i && here == &generator);
        sleep_ms(1);
    }
    CONF_CHECK(swapcontext(&generator.caller, &generator.own) == 0);
    CONF_CHECK(generator.value == -1);
    conf_close_both(generator.ends);
    free(stack);
    return unused;
}

static void run_in_threads(void *(*function)(void *))
{
    pthread_t threads[THREADS];

    conf_assert_mapped();
    for (int i = 0; i < THREADS; i++)
        threads[i] = start_thread(function, NULL);
    function(NULL);
    for (int i = 0; i < THREADS; i++)
        join_thread(threads[i]);
}

START_TEST(a_thread_has_stacks_of_its_own)
{
    run_in_threads(use_generator);
}
END_TEST

static void *set_context(void *unused)
{
    volatile int passes = 0;
    ucontext_t again;

    CONF_CHECK(getcontext(&again) == 0);
    sleep_ms(1);
    if (++passes < ROUNDS)
        setcontext(&again);
    CONF_CHECK(passes == ROUNDS);
    return unused;
}

START_TEST(a_thread_goes_back_to_a_context)
{
    run_in_threads(set_context);
}
END_TEST

static void __attribute__((noinline)) leap(jmp_buf back)
{
    sleep_ms(1);
    longjmp(back, 7);
}

static void __attribute__((noinline)) go_down(jmp_buf back)
{
    volatile char frame[2000];

    frame[1999] = 1;
    leap(back);
    frame[0] = frame[1999]; /* never */
}

static void *jump(void *unused)
{
    volatile int passes = 0;
    jmp_buf back;

    while (passes < ROUNDS) {
        int value = setjmp(back);

        if (value == 0)
            go_down(back);
        CONF_CHECK(value == 7);
        passes++;
    }
    return unused;
}

static void *jump_with_mask(void *unused)
{
    volatile int passes = 0;
    sigjmp_buf back;

    while (passes < ROUNDS) {
        int value = sigsetjmp(back, 1);

        if (value == 0) {
            sleep_ms(1);
            siglongjmp(back, 3);
        }
        CONF_CHECK(value == 3);
        passes++;
    }
    return unused;
}

START_TEST(a_thread_jumps_up_its_stack)
{
    run_in_threads(_i ? jump_with_mask : jump);
}
END_TEST

static void add(TCase *tcase)
{
    conf_test(tcase, a_thread_has_stacks_of_its_own, 1);
    conf_test(tcase, a_thread_goes_back_to_a_context, 1);
    conf_test(tcase, a_thread_jumps_up_its_stack, 2);
}

int main(void)
{
    return conf_main("contexts", add, CONF_THREADS);
}
