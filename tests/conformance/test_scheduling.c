/* Affinity, policy, priority and nice value: each thread's own */
#include "conformance.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

static cpu_set_t allowed;

static void setup(void)
{
    ck_assert_int_eq(sched_getaffinity(0, sizeof allowed, &allowed), 0);
}

static int first_cpu(void)
{
    int cpu = 0;

    while (!CPU_ISSET(cpu, &allowed))
        cpu++;
    return cpu;
}

static void *run_on_one_cpu(void *argument)
{
    cpu_set_t one, now;

    CPU_ZERO(&one);
    CPU_SET(first_cpu(), &one);
    CONF_CHECK(pthread_setaffinity_np(pthread_self(), sizeof one, &one) == 0);
    sleep_ms(5);
    CONF_CHECK(pthread_getaffinity_np(pthread_self(), sizeof now, &now) == 0);
    CONF_CHECK(CPU_EQUAL(&one, &now));
    memset(&now, 0xff, sizeof now);
    CONF_CHECK(sched_getaffinity(0, sizeof now, &now) == 0);
    CONF_CHECK(CPU_EQUAL(&one, &now));
    CONF_CHECK(sched_getaffinity(gettid(), sizeof now, &now) == 0);
    CONF_CHECK(CPU_EQUAL(&one, &now));
    return argument;
}

START_TEST(affinity_is_the_threads_own)
{
    pthread_t thread = start_thread(run_on_one_cpu, NULL);
    cpu_set_t now;

    join_thread(thread);
    ck_assert_int_eq(sched_getaffinity(0, sizeof now, &now), 0);
    ck_assert(CPU_EQUAL(&allowed, &now));
}
END_TEST

static void *see_one_cpu(void *argument)
{
    cpu_set_t now;

    CONF_CHECK(sched_getaffinity(0, sizeof now, &now) == 0);
    CONF_CHECK(CPU_COUNT(&now) == 1 && CPU_ISSET(first_cpu(), &now));
    return argument;
}

static void *make_one_that_inherits(void *argument)
{
    run_on_one_cpu(NULL);
    join_thread(start_thread(see_one_cpu, NULL));
    return argument;
}

START_TEST(affinity_is_inherited_and_may_be_an_attribute)
{
    pthread_attr_t attributes;
    pthread_t thread;
    cpu_set_t one;

    join_thread(start_thread(make_one_that_inherits, NULL));
    CPU_ZERO(&one);
    CPU_SET(first_cpu(), &one);
    pthread_attr_init(&attributes);
    ck_assert_int_eq(pthread_attr_setaffinity_np(&attributes, sizeof one, &one),
                     0);
    ck_assert_int_eq(pthread_create(&thread, &attributes, see_one_cpu, NULL),
                     0);
    join_thread(thread);
    pthread_attr_destroy(&attributes);
}
END_TEST

static void *refuse_no_cpus(void *argument)
{
    cpu_set_t none;

    CPU_ZERO(&none);
    CONF_CHECK(pthread_setaffinity_np(pthread_self(), sizeof none, &none) ==
               EINVAL);
    errno = 0;
    CONF_CHECK(sched_setaffinity(0, sizeof none, &none) == -1);
    CONF_CHECK(errno == EINVAL);
    return argument;
}

START_TEST(affinity_to_no_cpu_is_refused)
{
    join_thread(start_thread(refuse_no_cpus, NULL));
}
END_TEST

static void *be_a_batch_thread(void *argument)
{
    struct sched_param param = { 0 };
    int policy = -1;

    CONF_CHECK(pthread_setschedparam(pthread_self(), SCHED_BATCH, &param) == 0);
    sleep_ms(5);
    CONF_CHECK(pthread_getschedparam(pthread_self(), &policy, &param) == 0);
    CONF_CHECK(policy == SCHED_BATCH && param.sched_priority == 0);
    CONF_CHECK(sched_getscheduler(0) == SCHED_BATCH);
    CONF_CHECK(sched_getscheduler(gettid()) == SCHED_BATCH);
    param.sched_priority = 1;
    CONF_CHECK(pthread_setschedparam(pthread_self(), SCHED_OTHER, &param) ==
               EINVAL);
    CONF_CHECK(pthread_setschedparam(pthread_self(), 77, &param) == EINVAL);
    CONF_CHECK(pthread_setschedprio(pthread_self(), 0) == 0);
    return argument;
}

START_TEST(policy_is_the_threads_own)
{
    int policy = -1;
    struct sched_param param;

    join_thread(start_thread(be_a_batch_thread, NULL));
    ck_assert_int_eq(pthread_getschedparam(pthread_self(), &policy, &param), 0);
    ck_assert_int_eq(policy, SCHED_OTHER);
}
END_TEST

/* 19 is the nicest there is. */
static int as_nice_as(int value)
{
    return value < 19 ? value : 19;
}

static void *be_nice(void *argument)
{
    int before = getpriority(PRIO_PROCESS, 0), first = as_nice_as(before + 3);

    CONF_CHECK(setpriority(PRIO_PROCESS, 0, before + 3) == 0);
    CONF_CHECK(getpriority(PRIO_PROCESS, (id_t)gettid()) == first);
    CONF_CHECK(nice(2) == as_nice_as(first + 2));
    sleep_ms(5);
    CONF_CHECK(getpriority(PRIO_PROCESS, 0) == as_nice_as(first + 2));
    return argument;
}

START_TEST(nice_value_is_the_threads_own)
{
    int before = getpriority(PRIO_PROCESS, 0);

    join_thread(start_thread(be_nice, NULL));
    ck_assert_int_eq(getpriority(PRIO_PROCESS, 0), before);
}
END_TEST

static void *have_a_name(void *name)
{
    char buf[16] = "";

    CONF_CHECK(prctl(PR_SET_NAME, name) == 0);
    sleep_ms(5);
    CONF_CHECK(prctl(PR_GET_NAME, buf) == 0);
    CONF_CHECK(strncmp(buf, name, 15) == 0 && strlen(buf) <= 15);
    CONF_CHECK(pthread_getname_np(pthread_self(), buf, sizeof buf) == 0);
    CONF_CHECK(strncmp(buf, name, 15) == 0);
    return name;
}

START_TEST(names_by_prctl_are_the_threads_own)
{
    char before[16], now[16];
    pthread_t first, second;

    ck_assert_int_eq(prctl(PR_GET_NAME, before), 0);
    first = start_thread(have_a_name, "first");
    second = start_thread(have_a_name, "a name that is too long");
    join_thread(first);
    join_thread(second);
    ck_assert_int_eq(prctl(PR_GET_NAME, now), 0);
    ck_assert_str_eq(before, now);
    errno = 0;
    ck_assert_int_eq(prctl(-1, 0, 0, 0, 0), -1);
    ck_assert_int_eq(errno, EINVAL);
}
END_TEST

START_TEST(others_are_not_found)
{
    cpu_set_t set;

    errno = 0;
    ck_assert_int_eq(sched_getaffinity(INT_MAX, sizeof set, &set), -1);
    ck_assert_int_eq(errno, ESRCH);
    errno = 0;
    ck_assert_int_eq(sched_getscheduler(INT_MAX), -1);
    ck_assert_int_eq(errno, ESRCH);
}
END_TEST

/* A child of vfork() has its parent's memory, and is another process. */
static void *be_nice_in_a_child(void *argument)
{
    int before = getpriority(PRIO_PROCESS, 0);
    pid_t child = vfork();

    if (child == 0) {
        setpriority(PRIO_PROCESS, 0, as_nice_as(before + 3));
        _exit(0);
    }
    CONF_CHECK(conf_child_status(child) == 0);
    CONF_CHECK(getpriority(PRIO_PROCESS, 0) == before);
    return argument;
}

START_TEST(a_child_of_vfork_has_its_own_nice_value)
{
    join_thread(start_thread(be_nice_in_a_child, NULL));
}
END_TEST

static void add(TCase *tcase)
{
    tcase_add_checked_fixture(tcase, setup, NULL);
    conf_test(tcase, affinity_is_the_threads_own, 1);
    conf_test(tcase, affinity_is_inherited_and_may_be_an_attribute, 1);
    conf_test(tcase, affinity_to_no_cpu_is_refused, 1);
    conf_test(tcase, policy_is_the_threads_own, 1);
    conf_test(tcase, nice_value_is_the_threads_own, 1);
    conf_test(tcase, names_by_prctl_are_the_threads_own, 1);
    conf_test(tcase, others_are_not_found, 1);
    conf_test(tcase, a_child_of_vfork_has_its_own_nice_value, 1);
}

int main(void)
{
    return conf_main("scheduling", add, CONF_THREADS);
}
