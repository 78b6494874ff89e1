/* A stack that overflows in one thread: SIGSEGV in that thread, on its signal
 * stack; who jumps out of the handler goes on, and so do all others.  On the
 * smallest stack, small ones and the default. */
#include "conf_threads.h"

#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>

static const size_t sizes[] = {16 << 10, 64 << 10, 128 << 10, 1 << 20, 0};
enum { SIZES = sizeof sizes / sizeof *sizes };

static __thread sigjmp_buf escape;
static __thread char *fault_at;
static __thread volatile int depth;

static int __attribute__((noinline)) descend(volatile char *above)
{
    volatile char frame[512];

    frame[0] = *above;
    if (++depth < 0)
        return 0;
    return descend(frame) + frame[0];
}

static void on_fault(int number, siginfo_t *info, void *context)
{
    (void)context;
    CONF_CHECK(number == SIGSEGV);
    fault_at = info->si_addr;
    siglongjmp(escape, 1);
}

static void *overflow_often(void *argument)
{
    char *memory = malloc(64 << 10);
    stack_t mine = {.ss_sp = memory, .ss_size = 64 << 10}, none = {
        .ss_flags = SS_DISABLE};
    volatile char top = 0;
    volatile int times = 0;

    CONF_CHECK(memory != NULL && sigaltstack(&mine, NULL) == 0);
    for (times = 0; times < 5; times++) {
        fault_at = NULL;
        depth = 0;
        if (sigsetjmp(escape, 1) == 0) {
            descend(&top);
            CONF_CHECK(!"it returned");
        }
        CONF_CHECK(depth > 5 && fault_at < &top);
        sleep_ms(1); /* others run on the kernel's thread between two */
    }
    CONF_CHECK(sigaltstack(&none, NULL) == 0);
    free(memory);
    return argument;
}

static pthread_t start_sized(size_t size, void *(*function)(void *))
{
    pthread_attr_t attr;
    pthread_t thread;

    CONF_CHECK(pthread_attr_init(&attr) == 0);
    if (size != 0)
        CONF_CHECK(pthread_attr_setstacksize(&attr, size) == 0);
    CONF_CHECK(pthread_create(&thread, &attr, function, NULL) == 0);
    CONF_CHECK(pthread_attr_destroy(&attr) == 0);
    return thread;
}

static volatile int ticks, stop_ticking;

static void *tick(void *argument)
{
    while (!stop_ticking) {
        ticks++;
        sleep_ms(1);
    }
    return argument;
}

static size_t least(size_t size)
{
    size_t min = (size_t)sysconf(_SC_THREAD_STACK_MIN);

    return size != 0 && size < min ? min : size;
}

START_TEST(who_jumps_out_of_the_handler_goes_on)
{
    struct sigaction handler = {.sa_sigaction = on_fault,
                                .sa_flags = SA_SIGINFO | SA_ONSTACK}, old;
    pthread_t threads[4], other;
    int then;

    if (conf_emulated()) {
        conf_skip("an emulator has overflows of its own");
        return;
    }
    conf_expect_threads(5);
    ck_assert_int_eq(sigaction(SIGSEGV, &handler, &old), 0);
    ticks = stop_ticking = 0;
    other = start_thread(tick, NULL);
    for (int i = 0; i < 4; i++)
        threads[i] = start_sized(least(sizes[_i]), overflow_often);
    for (int i = 0; i < 4; i++)
        join_thread(threads[i]);
    then = ticks;
    while (ticks < then + 2)
        sleep_ms(1);
    stop_ticking = 1;
    join_thread(other);
    ck_assert_int_eq(sigaction(SIGSEGV, &old, NULL), 0);
}
END_TEST

static size_t child_size;

static void *overflow_once(void *argument)
{
    volatile char top = 0;

    descend(&top);
    return argument;
}

static void overflow_a_thread(void)
{
    struct rlimit no_core = {0, 0};

    setrlimit(RLIMIT_CORE, &no_core);
    CONF_CHECK(freopen("/dev/null", "w", stderr) != NULL);
    start_thread(tick, NULL);
    join_thread(start_sized(child_size, overflow_once));
}

START_TEST(else_it_ends_the_process)
{
    child_size = least(sizes[_i]);
    stop_ticking = 0;
    ck_assert_int_eq(run_child(overflow_a_thread), 128 + SIGSEGV);
}
END_TEST

/* A handler without a stack of its own cannot run: the kernel ends it. */
static void on_no_stack(int number)
{
    _exit(number);
}

static void overflow_without_a_stack(void)
{
    struct sigaction handler = {.sa_handler = on_no_stack};

    CONF_CHECK(sigaction(SIGSEGV, &handler, NULL) == 0);
    overflow_a_thread();
}

START_TEST(a_handler_needs_a_stack)
{
    child_size = 128 << 10;
    stop_ticking = 0;
    ck_assert_int_eq(run_child(overflow_without_a_stack), 128 + SIGSEGV);
}
END_TEST

static void add(TCase *tcase)
{
    conf_test(tcase, who_jumps_out_of_the_handler_goes_on, SIZES);
    conf_test(tcase, else_it_ends_the_process, SIZES);
    conf_test(tcase, a_handler_needs_a_stack, 1);
}

int main(void)
{
    return conf_main("stack_overflow", add, CONF_THREADS);
}
