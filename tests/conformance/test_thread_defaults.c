/* pthread_setattr_default_np(3): what threads that are made without attributes
 * begin with; and what pthread_getattr_np(3) says of it */
#include "conf_threads.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <threads.h>

static pthread_attr_t before;

static void setup(void)
{
    ck_assert_int_eq(pthread_getattr_default_np(&before), 0);
}

static void teardown(void)
{
    ck_assert_int_eq(pthread_setattr_default_np(&before), 0);
    ck_assert_int_eq(pthread_attr_destroy(&before), 0);
}

static void set_default(pthread_attr_t *attr)
{
    ck_assert_int_eq(pthread_setattr_default_np(attr), 0);
    ck_assert_int_eq(pthread_attr_destroy(attr), 0);
}

static void *run(void *(*function)(void *), void *argument)
{
    pthread_t thread;

    ck_assert_int_eq(pthread_create(&thread, NULL, function, argument), 0);
    return join_thread(thread);
}

static void *see_mask(void *mask)
{
    CONF_CHECK(pthread_sigmask(SIG_SETMASK, NULL, mask) == 0);
    return mask;
}

static int see_mask_c11(void *mask)
{
    see_mask(mask);
    return 0;
}

START_TEST(a_signal_mask)
    {
        pthread_attr_t attr;
        sigset_t set;
        thrd_t thread;

        ck_assert_int_eq(pthread_attr_init(&attr), 0);
        sigemptyset(&set);
        sigaddset(&set, SIGHUP);
        ck_assert_int_eq(pthread_attr_setsigmask_np(&attr, &set), 0);
        set_default(&attr);

        sigfillset(&set);
        run(see_mask, &set);
        ck_assert_int_eq(sigismember(&set, SIGHUP), 1);
        ck_assert_int_eq(sigismember(&set, SIGUSR1), 0);
        sigfillset(&set);
        ck_assert_int_eq(thrd_create(&thread, see_mask_c11, &set),
                         thrd_success);
        ck_assert_int_eq(thrd_join(thread, NULL), thrd_success);
        ck_assert_int_eq(sigismember(&set, SIGHUP), 1);
        ck_assert_int_eq(sigismember(&set, SIGUSR1), 0);
    }
END_TEST

static void *see_guard(void *guard)
{
    pthread_attr_t own;

    CONF_CHECK(pthread_getattr_np(pthread_self(), &own) == 0);
    CONF_CHECK(pthread_attr_getguardsize(&own, guard) == 0);
    CONF_CHECK(pthread_attr_destroy(&own) == 0);
    return guard;
}

/* Larger than any before: libc uses old stacks again. */
START_TEST(a_guard)
    {
        size_t guard = (size_t)sysconf(_SC_PAGESIZE) * 3;
        pthread_attr_t attr;
        size_t seen = 0;

        ck_assert_int_eq(pthread_attr_init(&attr), 0);
        ck_assert_int_eq(pthread_attr_setguardsize(&attr, guard), 0);
        ck_assert_int_eq(pthread_attr_setstacksize(&attr, 37 << 20), 0);
        set_default(&attr);
        run(see_guard, &seen);
        ck_assert_uint_eq(seen, guard);
    }
END_TEST

static volatile int state = -1; /* atomic */

static void *see_state(void *unused)
{
    int own_state;
    pthread_attr_t own;

    CONF_CHECK(pthread_getattr_np(pthread_self(), &own) == 0);
    CONF_CHECK(pthread_attr_getdetachstate(&own, &own_state) == 0);
    CONF_CHECK(pthread_attr_destroy(&own) == 0);
    __atomic_store_n(&state, own_state, __ATOMIC_SEQ_CST);
    return unused;
}

START_TEST(that_they_are_detached)
    {
        pthread_attr_t attr;
        pthread_t thread;

        ck_assert_int_eq(pthread_attr_init(&attr), 0);
        ck_assert_int_eq(pthread_attr_setdetachstate(
                             &attr, PTHREAD_CREATE_DETACHED), 0);
        set_default(&attr);
        ck_assert_int_eq(pthread_create(&thread, NULL, see_state, NULL), 0);
        while (__atomic_load_n(&state, __ATOMIC_SEQ_CST) < 0)
            sleep_ms(1);
        ck_assert_int_eq(state, PTHREAD_CREATE_DETACHED);
    }
END_TEST

static void *compare_cpus(void *unused)
{
    cpu_set_t said, now;
    pthread_attr_t own;

    CPU_ZERO(&said);
    CPU_ZERO(&now);
    CONF_CHECK(pthread_getattr_np(pthread_self(), &own) == 0);
    CONF_CHECK(pthread_attr_getaffinity_np(&own, sizeof said, &said) == 0);
    CONF_CHECK(pthread_attr_destroy(&own) == 0);
    CONF_CHECK(pthread_getaffinity_np(pthread_self(), sizeof now, &now) == 0);
    CONF_CHECK(CPU_EQUAL(&said, &now));
    return unused;
}

START_TEST(pthread_getattr_np_tells_the_cpus)
    {
        compare_cpus(NULL);
        run(compare_cpus, NULL);
    }
END_TEST

static void *end_at_once(void *unused)
{
    return unused;
}

static rlim_t mapped_now(void)
{
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");

    CONF_CHECK(file != NULL && fscanf(file, "%lu", &pages) == 1);
    fclose(file);
    return (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE);
}

/* Stacks of which only some fit into what the process may map besides. */
static void make_many(void)
{
    rlim_t most = mapped_now() + ((rlim_t)600 << 20);
    struct rlimit limit = { most, most };
    pthread_attr_t attr;
    pthread_t thread;
    int made = 0;

    CONF_CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
    CONF_CHECK(pthread_attr_init(&attr) == 0);
    CONF_CHECK(pthread_attr_setdetachstate(&attr,
                                           PTHREAD_CREATE_DETACHED) == 0);
    CONF_CHECK(pthread_attr_setstacksize(&attr, 16 << 20) == 0);
    while (made < 3000) {
        int rc = pthread_create(&thread, &attr, end_at_once, NULL);

        CONF_CHECK(rc == 0 || rc == EAGAIN);
        made += rc == 0;
    }
}

START_TEST(who_asks_until_there_is_memory_gets_it)
    {
        if (conf_emulated()) {
            conf_skip("the emulator takes memory from the same limit");
            return;
        }
        ck_assert_int_eq(run_child(make_many), 0);
    }
END_TEST

static void add(TCase *tcase)
{
    tcase_add_checked_fixture(tcase, setup, teardown);
    conf_test(tcase, a_signal_mask, 1);
    conf_test(tcase, a_guard, 1);
    conf_test(tcase, that_they_are_detached, 1);
    conf_test(tcase, pthread_getattr_np_tells_the_cpus, 1);
    conf_test(tcase, who_asks_until_there_is_memory_gets_it, 1);
}

int main(void)
{
    return conf_main("thread_defaults", add, CONF_THREADS);
}
