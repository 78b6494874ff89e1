/* pthread_create(3) at the ends of the memory: a stack that overflows, one that
 * cannot be had, and many that do not fit */
#include "conf_threads.h"

#include <errno.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/resource.h>

static volatile int depth_reached;

static int __attribute__((noinline)) descend(volatile char *above)
{
    volatile char frame[512];

    frame[0] = *above;
    if (++depth_reached < 0)
        return 0;
    return descend(frame) + frame[0];
}

static void *overflow(void *argument)
{
    volatile char top = 0;

    (void)argument;
    return (void *)(long)descend(&top);
}

static void overflow_a_thread(void)
{
    struct rlimit no_core = {0, 0};
    pthread_attr_t small;
    pthread_t thread;

    setrlimit(RLIMIT_CORE, &no_core);
    CONF_CHECK(freopen("/dev/null", "w", stderr) != NULL);
    CONF_CHECK(pthread_attr_init(&small) == 0);
    CONF_CHECK(pthread_attr_setstacksize(&small, 256 << 10) == 0);
    CONF_CHECK(pthread_create(&thread, &small, overflow, NULL) == 0);
    pthread_join(thread, NULL);
}

START_TEST(an_overflow_meets_the_guard)
{
    ck_assert_int_eq(run_child(overflow_a_thread), 128 + SIGSEGV);
}
END_TEST

static sem_t blocked_on;

static void *wait_for_post(void *argument)
{
    CONF_CHECK(sem_wait(&blocked_on) == 0);
    return argument;
}

START_TEST(refuses_a_stack_that_cannot_be_had)
{
    pthread_attr_t attr;
    pthread_t thread;

    ck_assert_int_eq(pthread_attr_init(&attr), 0);
    ck_assert_int_eq(pthread_attr_setstacksize(&attr, (size_t)1 << 48), 0);
    ck_assert_int_eq(pthread_create(&thread, &attr, wait_for_post, NULL),
                     EAGAIN);
    ck_assert_int_eq(pthread_attr_destroy(&attr), 0);
}
END_TEST

/* An emulator may take the limit and not keep it. */
static bool limit_memory(void)
{
    struct rlimit limit;
    void *too_much;

    CONF_CHECK(getrlimit(RLIMIT_AS, &limit) == 0);
    limit.rlim_cur = 512 << 20;
    CONF_CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
    too_much = mmap(NULL, 1 << 30, PROT_READ,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return too_much == MAP_FAILED;
}

/* 200 stacks of 16 MiB do not go into 512 MiB of address space. */
static void run_out_of_memory(void)
{
    pthread_attr_t large;
    pthread_t threads[200];
    int made = 0, err = 0;

    CONF_CHECK(sem_init(&blocked_on, 0, 0) == 0);
    CONF_CHECK(pthread_attr_init(&large) == 0);
    CONF_CHECK(pthread_attr_setstacksize(&large, 16 << 20) == 0);
    if (!limit_memory()) {
        conf_skip("RLIMIT_AS limits nothing here");
        return;
    }
    while (err == 0 && made < 200) {
        err = pthread_create(&threads[made], &large, wait_for_post, NULL);
        made += err == 0;
    }
    CONF_CHECK(err == EAGAIN);
    for (int i = 0; i < made; i++)
        sem_post(&blocked_on);
    while (made > 0)
        join_thread(threads[--made]);
}

START_TEST(runs_out_of_memory_with_eagain)
{
    ck_assert_int_eq(run_child(run_out_of_memory), 0);
}
END_TEST

static void add(TCase *tcase)
{
    conf_test(tcase, an_overflow_meets_the_guard, 1);
    conf_test(tcase, refuses_a_stack_that_cannot_be_had, 1);
    conf_test(tcase, runs_out_of_memory_with_eagain, 1);
}

int main(void)
{
    return conf_main("pthread_create_memory", add, CONF_THREADS);
}
