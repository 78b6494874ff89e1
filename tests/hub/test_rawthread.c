/* rawthread.c: threads that libc does not know. */
#include "../unit.h"
#include "hub/sight.h"

#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct hub__rawthread thread;
static uint32_t seen, go;
static long tid;
static uint64_t blocked;
static void *word;

static int body(void *arg)
{
    tid = syscall(SYS_gettid);
    syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &blocked, sizeof blocked);
    word = hub__peek(); /* its thread block is its own, and empty */
    errno = 99;         /* so is its errno */
    __atomic_store_n((uint32_t *)arg, 1, __ATOMIC_RELEASE);
    hub__raw_wake(arg);
    while (__atomic_load_n(&go, __ATOMIC_ACQUIRE) == 0)
        hub__raw_wait(&go, 0, HUB_FOREVER);
    return 0;
}

static void start_one(void)
{
    seen = go = 0;
    ck_assert_int_eq(hub__rawthread_run(&thread, body, &seen), 0);
    while (__atomic_load_n(&seen, __ATOMIC_ACQUIRE) == 0)
        hub__raw_wait(&seen, 0, HUB_SECOND);
}

static void end_one(void)
{
    __atomic_store_n(&go, 1, __ATOMIC_RELEASE);
    hub__raw_wake(&go);
    hub__rawthread_join(&thread);
}

START_TEST(libc_does_not_notice_it)
{
    ck_assert(hub__peek() != NULL);
    ck_assert_int_eq(__libc_single_threaded, 1);
    errno = 0;
    start_one();
    ck_assert_int_eq(errno, 0);
    ck_assert_int_ne(tid, getpid());
    ck_assert_int_eq(tid, __atomic_load_n(&thread.tid, __ATOMIC_RELAXED));
    ck_assert_ptr_null(word);
    ck_assert_int_eq(__libc_single_threaded, 1);
    end_one();
    ck_assert(!hub__rawthread_runs(&thread));
}
END_TEST

START_TEST(all_signals_are_blocked_in_it_alone)
{
    sigset_t here;

    start_one();
    ck_assert_uint_ne(blocked & (UINT64_C(1) << (SIGUSR2 - 1)), 0);
    ck_assert_uint_ne(blocked & (UINT64_C(1) << (SIGRTMAX - 5)), 0);
    sigprocmask(SIG_BLOCK, NULL, &here);
    ck_assert(!sigismember(&here, SIGUSR2));
    end_one();
}
END_TEST

START_TEST(there_is_one_at_a_time_and_it_can_run_again)
{
    start_one();
    ck_assert_int_eq(hub__rawthread_run(&thread, body, &seen), -EBUSY);
    end_one();
    start_one();
    end_one();
}
END_TEST

int main(void)
{
    TCase *tcase;

    if (!hub__rawthread_allowed()) {
        puts("skipped: a sanitizer or valgrind is here, which must know of all "
             "threads");
        return 77;
    }
    setenv("VIREO_MONITOR", "0", 1);
    hub_yield();
    tcase = unit_case();
    tcase_add_test(tcase, libc_does_not_notice_it);
    tcase_add_test(tcase, all_signals_are_blocked_in_it_alone);
    tcase_add_test(tcase, there_is_one_at_a_time_and_it_can_run_again);
    return unit_run("rawthread", tcase);
}
