/* pthread_getattr_np(3): where a thread's stack is.  Garbage collectors and
 * checks for overflow believe it. */
#include "conf_threads.h"

#include <sched.h>
#include <semaphore.h>
#include <sys/resource.h>

struct stack {
    char *start;
    size_t size, guard;
    int detach_state;
};

static struct stack stack_of(pthread_t thread)
{
    struct stack stack;
    void *start;
    pthread_attr_t attr;

    CONF_CHECK(pthread_getattr_np(thread, &attr) == 0);
    CONF_CHECK(pthread_attr_getstack(&attr, &start, &stack.size) == 0);
    CONF_CHECK(pthread_attr_getguardsize(&attr, &stack.guard) == 0);
    CONF_CHECK(pthread_attr_getdetachstate(&attr, &stack.detach_state) == 0);
    CONF_CHECK(pthread_attr_destroy(&attr) == 0);
    stack.start = start;
    return stack;
}

START_TEST(holds_a_local_of_main)
{
    struct stack stack = stack_of(pthread_self());

    ck_assert(lies_in(&stack, stack.start, stack.size));
    ck_assert_int_eq(stack.detach_state, PTHREAD_CREATE_JOINABLE);
}
END_TEST

/* glibc: as large as the limit says, to a page or so. */
START_TEST(is_as_large_as_the_limit_for_main)
{
    struct rlimit limit;
    struct stack stack = stack_of(pthread_self());

    ck_assert_int_eq(getrlimit(RLIMIT_STACK, &limit), 0);
    if (limit.rlim_cur == RLIM_INFINITY) {
        conf_skip("the stack of main has no limit here");
        return;
    }
    ck_assert_uint_le(stack.size, limit.rlim_cur);
    ck_assert_uint_ge(stack.size, limit.rlim_cur / 2);
}
END_TEST

/* Locals at both ends of a call chain, across a wait. */
static int check_locals(int depth, const struct stack *stack)
{
    volatile char local[512];

    local[0] = (char)depth;
    CONF_CHECK(lies_in((char *)local, stack->start, stack->size));
    if (depth == 0)
        sleep_ms(1);
    else
        check_locals(depth - 1, stack);
    CONF_CHECK(local[0] == (char)depth);
    return local[0];
}

static void *look_at_own(void *argument)
{
    struct stack *stack = argument;

    *stack = stack_of(pthread_self());
    check_locals(40, stack);
    return NULL;
}

START_TEST(holds_the_locals_of_a_thread)
{
    struct stack stack;

    join_thread(start_thread(look_at_own, &stack));
    ck_assert_uint_ge(stack.size, 256 * 1024);
    ck_assert(!lies_in(&stack, stack.start, stack.size));
    ck_assert_uint_eq(stack.guard, (size_t)sysconf(_SC_PAGESIZE));
}
END_TEST

START_TEST(stacks_do_not_overlap)
{
    enum { COUNT = 20 };
    struct stack stacks[COUNT];
    pthread_t threads[COUNT];

    for (int i = 0; i < COUNT; i++)
        threads[i] = start_thread(look_at_own, &stacks[i]);
    for (int i = 0; i < COUNT; i++)
        join_thread(threads[i]);
    for (int i = 0; i < COUNT; i++)
        for (int j = 0; j < COUNT; j++)
            ck_assert(
                stacks[i].start == stacks[j].start ||
                !lies_in(stacks[i].start, stacks[j].start, stacks[j].size));
}
END_TEST

static sem_t go_on;

static void *wait_to_go_on(void *argument)
{
    char local;

    *(void **)argument = &local;
    CONF_CHECK(sem_wait(&go_on) == 0);
    return NULL;
}

START_TEST(tells_of_another_thread)
{
    void *volatile local = NULL;
    pthread_t thread;
    struct stack stack;

    ck_assert_int_eq(sem_init(&go_on, 0, 0), 0);
    thread = start_thread(wait_to_go_on, (void *)&local);
    while (local == NULL)
        sleep_ms(1);
    stack = stack_of(thread);
    ck_assert(lies_in(local, stack.start, stack.size));
    ck_assert_int_eq(stack.detach_state, PTHREAD_CREATE_JOINABLE);
    ck_assert_int_eq(sem_post(&go_on), 0);
    join_thread(thread);
}
END_TEST

static void *compare_cpus(void *argument)
{
    cpu_set_t told, mine, one;
    pthread_attr_t own;

    CONF_CHECK(sched_getaffinity(0, sizeof mine, &mine) == 0);
    CPU_ZERO(&one);
    for (int i = 0; i < CPU_SETSIZE && CPU_COUNT(&one) == 0; i++)
        if (CPU_ISSET(i, &mine))
            CPU_SET(i, &one);
    for (int i = 0; i < 2; i++) {
        CONF_CHECK(pthread_getattr_np(pthread_self(), &own) == 0);
        CONF_CHECK(pthread_attr_getaffinity_np(&own, sizeof told, &told) == 0);
        CONF_CHECK(pthread_attr_destroy(&own) == 0);
        CONF_CHECK(CPU_EQUAL(&told, i == 0 ? &mine : &one));
        CONF_CHECK(pthread_setaffinity_np(pthread_self(), sizeof one, &one) == 0);
    }
    return argument;
}

START_TEST(tells_of_the_processors)
{
    join_thread(start_thread(compare_cpus, NULL));
}
END_TEST

START_TEST(the_default_attributes_decide)
{
    pthread_attr_t before, changed;
    struct stack stack;
    size_t size;

    ck_assert_int_eq(pthread_getattr_default_np(&before), 0);
    ck_assert_int_eq(pthread_getattr_default_np(&changed), 0);
    ck_assert_int_eq(pthread_attr_setstacksize(&changed, 2 << 20), 0);
    ck_assert_int_eq(pthread_setattr_default_np(&changed), 0);
    join_thread(start_thread(look_at_own, &stack));
    ck_assert_int_eq(pthread_attr_getstacksize(&changed, &size), 0);
    ck_assert_uint_eq(size, 2 << 20);
    ck_assert_uint_ge(stack.size, 2 << 20);
    ck_assert_int_eq(pthread_setattr_default_np(&before), 0);
    ck_assert_int_eq(pthread_attr_destroy(&changed), 0);
    ck_assert_int_eq(pthread_attr_destroy(&before), 0);
}
END_TEST

static void add(TCase *tcase)
{
    conf_test(tcase, holds_a_local_of_main, 1);
    conf_test(tcase, is_as_large_as_the_limit_for_main, 1);
    conf_test(tcase, holds_the_locals_of_a_thread, 1);
    conf_test(tcase, stacks_do_not_overlap, 1);
    conf_test(tcase, tells_of_another_thread, 1);
    conf_test(tcase, tells_of_the_processors, 1);
    conf_test(tcase, the_default_attributes_decide, 1);
}

int main(void)
{
    return conf_main("pthread_getattr_np", add, CONF_THREADS);
}
