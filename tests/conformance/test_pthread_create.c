/* pthread_create(3) and the attributes that a new thread is made with */
#include "conf_threads.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>

static void *give_back(void *argument)
{
    return argument;
}

START_TEST(runs_the_function_with_the_argument)
{
    int value;

    ck_assert_ptr_eq(join_thread(start_thread(give_back, &value)), &value);
}
END_TEST

static sem_t blocked_on;
static int reached;

static void *wait_for_post(void *argument)
{
    __atomic_add_fetch(&reached, 1, __ATOMIC_SEQ_CST);
    CONF_CHECK(sem_wait(&blocked_on) == 0);
    return argument;
}

START_TEST(creates_threads_while_others_are_blocked)
{
    pthread_t threads[20];

    ck_assert_int_eq(sem_init(&blocked_on, 0, 0), 0);
    reached = 0;
    for (int i = 0; i < 20; i++)
        threads[i] = start_thread(wait_for_post, NULL);
    while (__atomic_load_n(&reached, __ATOMIC_SEQ_CST) < 20)
        sleep_ms(1);
    for (int i = 0; i < 20; i++)
        ck_assert_int_eq(sem_post(&blocked_on), 0);
    for (int i = 0; i < 20; i++)
        join_thread(threads[i]);
    ck_assert_int_eq(sem_destroy(&blocked_on), 0);
}
END_TEST

static void *write_id(void *argument)
{
    *(pthread_t *)argument = pthread_self();
    return NULL;
}

START_TEST(stores_the_id_that_the_thread_sees)
{
    pthread_t seen;
    pthread_t made = start_thread(write_id, &seen);

    join_thread(made);
    ck_assert(pthread_equal(made, seen));
    ck_assert(!pthread_equal(made, pthread_self()));
}
END_TEST

static void *own_mask(void *argument)
{
    CONF_CHECK(pthread_sigmask(SIG_SETMASK, NULL, argument) == 0);
    return NULL;
}

START_TEST(inherits_the_signal_mask)
{
    sigset_t blocked, before, seen;

    sigemptyset(&blocked);
    sigaddset(&blocked, SIGUSR2);
    ck_assert_int_eq(pthread_sigmask(SIG_BLOCK, &blocked, &before), 0);
    join_thread(start_thread(own_mask, &seen));
    ck_assert_int_eq(pthread_sigmask(SIG_SETMASK, &before, NULL), 0);
    ck_assert_int_eq(sigismember(&seen, SIGUSR2), 1);
    ck_assert_int_eq(sigismember(&seen, SIGUSR1), 0);
}
END_TEST

/* What a thread says of itself. */
struct portrait {
    size_t stack_size, guard_size;
    void *stack;
    int detach_state, inherit, policy;
    char *local;
};

static void *draw_portrait(void *argument)
{
    struct portrait *portrait = argument;
    pthread_attr_t attr;
    struct sched_param param;
    char local = 0;

    portrait->local = &local;
    CONF_CHECK(pthread_getattr_np(pthread_self(), &attr) == 0);
    CONF_CHECK(pthread_attr_getstack(&attr, &portrait->stack,
                                     &portrait->stack_size) == 0);
    CONF_CHECK(pthread_attr_getguardsize(&attr, &portrait->guard_size) == 0);
    CONF_CHECK(pthread_attr_getdetachstate(&attr, &portrait->detach_state) ==
               0);
    CONF_CHECK(pthread_attr_getinheritsched(&attr, &portrait->inherit) == 0);
    CONF_CHECK(pthread_attr_destroy(&attr) == 0);
    CONF_CHECK(
        pthread_getschedparam(pthread_self(), &portrait->policy, &param) == 0);
    return NULL;
}

static struct portrait portrait_with(pthread_attr_t *attr)
{
    struct portrait portrait;
    pthread_t thread;

    memset(&portrait, 0, sizeof portrait);
    ck_assert_int_eq(pthread_create(&thread, attr, draw_portrait, &portrait),
                     0);
    join_thread(thread);
    return portrait;
}

static pthread_attr_t attr;

static void setup(void)
{
    ck_assert_int_eq(pthread_attr_init(&attr), 0);
}

static void teardown(void)
{
    ck_assert_int_eq(pthread_attr_destroy(&attr), 0);
}

START_TEST(has_the_documented_defaults)
{
    int state, inherit, scope, policy;
    size_t guard;

    ck_assert_int_eq(pthread_attr_getdetachstate(&attr, &state), 0);
    ck_assert_int_eq(state, PTHREAD_CREATE_JOINABLE);
    ck_assert_int_eq(pthread_attr_getinheritsched(&attr, &inherit), 0);
    ck_assert_int_eq(inherit, PTHREAD_INHERIT_SCHED);
    ck_assert_int_eq(pthread_attr_getscope(&attr, &scope), 0);
    ck_assert_int_eq(scope, PTHREAD_SCOPE_SYSTEM);
    ck_assert_int_eq(pthread_attr_getschedpolicy(&attr, &policy), 0);
    ck_assert_int_eq(policy, SCHED_OTHER);
    ck_assert_int_eq(pthread_attr_getguardsize(&attr, &guard), 0);
    ck_assert_uint_eq(guard, (size_t)sysconf(_SC_PAGESIZE));
}
END_TEST

START_TEST(attributes_keep_what_is_set)
{
    int state;
    size_t size;

    ck_assert_int_eq(
        pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED), 0);
    ck_assert_int_eq(pthread_attr_getdetachstate(&attr, &state), 0);
    ck_assert_int_eq(state, PTHREAD_CREATE_DETACHED);
    ck_assert_int_eq(pthread_attr_setstacksize(&attr, 512 * 1024), 0);
    ck_assert_int_eq(pthread_attr_getstacksize(&attr, &size), 0);
    ck_assert_uint_eq(size, 512 * 1024);
}
END_TEST

START_TEST(attributes_refuse_nonsense)
{
    ck_assert_int_eq(pthread_attr_setdetachstate(&attr, 77), EINVAL);
    ck_assert_int_eq(
        pthread_attr_setstacksize(&attr, (size_t)PTHREAD_STACK_MIN - 1),
        EINVAL);
    ck_assert_int_eq(pthread_attr_setinheritsched(&attr, 77), EINVAL);
    ck_assert_int_eq(pthread_attr_setschedpolicy(&attr, 77), EINVAL);
    ck_assert_int_eq(pthread_attr_setscope(&attr, PTHREAD_SCOPE_PROCESS),
                     ENOTSUP);
}
END_TEST

START_TEST(honours_the_stack_size)
{
    static const size_t above_the_least[] = {0, 300 << 10, 3 << 20};
    struct portrait portrait;
    size_t size = (size_t)PTHREAD_STACK_MIN + above_the_least[_i];

    ck_assert_int_eq(pthread_attr_setstacksize(&attr, size), 0);
    portrait = portrait_with(&attr);
    ck_assert_uint_ge(portrait.stack_size, size);
    ck_assert(lies_in(portrait.local, portrait.stack, portrait.stack_size));
}
END_TEST

static void *use_stack(void *argument)
{
    volatile char *bytes = __builtin_alloca((size_t)argument);

    for (size_t at = 0; at < (size_t)argument; at += 1024)
        bytes[at] = 1;
    return argument;
}

START_TEST(every_byte_of_the_stack_can_be_used)
{
    pthread_t thread;

    ck_assert_int_eq(pthread_attr_setstacksize(&attr, 4 << 20), 0);
    ck_assert_int_eq(pthread_create(&thread, &attr, use_stack,
                                    (void *)((4 << 20) - (64 << 10))),
                     0);
    ck_assert_ptr_nonnull(join_thread(thread));
}
END_TEST

START_TEST(uses_the_stack_of_the_caller)
{
    size_t size = 256 * 1024;
    char *stack = aligned_alloc(4096, size);

    ck_assert_int_eq(pthread_attr_setstack(&attr, stack, size), 0);
    for (int i = 0; i < 3; i++) {
        struct portrait portrait = portrait_with(&attr);

        ck_assert_ptr_eq(portrait.stack, stack);
        ck_assert_uint_eq(portrait.stack_size, size);
        ck_assert(lies_in(portrait.local, stack, size));
    }
    free(stack);
}
END_TEST

START_TEST(reports_the_guard_size)
{
    static const size_t guards[] = {0, 4096, 3 * 4096};

    ck_assert_int_eq(pthread_attr_setguardsize(&attr, guards[_i]), 0);
    ck_assert_uint_eq(portrait_with(&attr).guard_size, guards[_i]);
}
END_TEST

START_TEST(starts_detached)
{
    pthread_t thread;

    ck_assert_int_eq(sem_init(&blocked_on, 0, 0), 0);
    reached = 0;
    ck_assert_int_eq(
        pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED), 0);
    ck_assert_int_eq(pthread_create(&thread, &attr, wait_for_post, NULL), 0);
    while (__atomic_load_n(&reached, __ATOMIC_SEQ_CST) == 0)
        sleep_ms(1);
    ck_assert_int_eq(pthread_join(thread, NULL), EINVAL);
    ck_assert_int_eq(pthread_detach(thread), EINVAL);
    ck_assert_int_eq(sem_post(&blocked_on), 0);
    let_block();
}
END_TEST

static void *count_and_end(void *count)
{
    __atomic_add_fetch((int *)count, 1, __ATOMIC_SEQ_CST);
    return NULL;
}

/* Who makes many in a row does not have all of them at once. */
START_TEST(threads_begin_and_end_while_their_maker_makes_more)
{
    enum { MANY = 1000 };
    pthread_attr_t attributes;
    pthread_t thread;
    int ended = 0, ended_meanwhile, refused = 0;

    conf_expect_threads(200);
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    for (int i = 0; i < MANY; i++)
        refused += pthread_create(&thread, &attributes, count_and_end,
                                  &ended) != 0;
    ended_meanwhile = __atomic_load_n(&ended, __ATOMIC_SEQ_CST);
    pthread_attr_destroy(&attributes);
    ck_assert_int_eq(refused, 0);
    while (__atomic_load_n(&ended, __ATOMIC_SEQ_CST) < MANY)
        sleep_ms(1);
    sleep_ms(5); /* out of the last one's stack, too */
    ck_assert_int_ge(ended_meanwhile, MANY / 10);
}
END_TEST

START_TEST(a_detached_thread_says_so)
{
    struct portrait portrait;
    pthread_t thread;

    memset(&portrait, 0, sizeof portrait);
    ck_assert_int_eq(
        pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED), 0);
    ck_assert_int_eq(pthread_create(&thread, &attr, draw_portrait, &portrait),
                     0);
    sleep_ms(100);
    ck_assert_int_eq(portrait.detach_state, PTHREAD_CREATE_DETACHED);
}
END_TEST

START_TEST(takes_an_explicit_schedule)
{
    struct sched_param param = {.sched_priority = 0};
    struct portrait portrait;

    ck_assert_int_eq(
        pthread_attr_setinheritsched(&attr, PTHREAD_EXPLICIT_SCHED), 0);
    ck_assert_int_eq(pthread_attr_setschedpolicy(&attr, SCHED_OTHER), 0);
    ck_assert_int_eq(pthread_attr_setschedparam(&attr, &param), 0);
    portrait = portrait_with(&attr);
    ck_assert_int_eq(portrait.inherit, PTHREAD_EXPLICIT_SCHED);
    ck_assert_int_eq(portrait.policy, SCHED_OTHER);
}
END_TEST

static void add(TCase *tcase)
{
    tcase_add_checked_fixture(tcase, setup, teardown);
    conf_test(tcase, runs_the_function_with_the_argument, 1);
    conf_test(tcase, creates_threads_while_others_are_blocked, 1);
    conf_test(tcase, stores_the_id_that_the_thread_sees, 1);
    conf_test(tcase, inherits_the_signal_mask, 1);
    conf_test(tcase, has_the_documented_defaults, 1);
    conf_test(tcase, attributes_keep_what_is_set, 1);
    conf_test(tcase, attributes_refuse_nonsense, 1);
    conf_test(tcase, honours_the_stack_size, 3);
    conf_test(tcase, every_byte_of_the_stack_can_be_used, 1);
    conf_test(tcase, uses_the_stack_of_the_caller, 1);
    conf_test(tcase, reports_the_guard_size, 3);
    conf_test(tcase, starts_detached, 1);
    conf_test(tcase, threads_begin_and_end_while_their_maker_makes_more, 1);
    conf_test(tcase, a_detached_thread_says_so, 1);
    conf_test(tcase, takes_an_explicit_schedule, 1);
}

int main(void)
{
    return conf_main("pthread_create", add, CONF_THREADS);
}
