/* sched_getcpu(3): libc reads it from memory that the kernel writes (rseq(2)), and asks
 * the kernel for a thread that has none */
#include "conf_threads.h"

#include <sched.h>
#include <sys/syscall.h>

/* An instruction of its own: the kernel's thread is meant, whichever that is. */
static __attribute__((noinline)) long set_cpus(const cpu_set_t *cpus)
{
#if defined(__x86_64__)
    long rc;

    __asm__ volatile("syscall"
                     : "=a"(rc)
                     : "a"(SYS_sched_setaffinity), "D"(0), "S"(sizeof *cpus),
                       "d"(cpus)
                     : "rcx", "r11", "memory");
    return rc;
#elif defined(__aarch64__)
    register long x8 __asm__("x8") = SYS_sched_setaffinity;
    register long x0 __asm__("x0") = 0;
    register long x1 __asm__("x1") = sizeof *cpus;
    register const cpu_set_t *x2 __asm__("x2") = cpus;

    __asm__ volatile("svc 0"
                     : "+r"(x0)
                     : "r"(x8), "r"(x1), "r"(x2)
                     : "memory");
    return x0;
#endif
}

static cpu_set_t allowed;

static void setup(void)
{
    ck_assert_int_eq(sched_getaffinity(0, sizeof allowed, &allowed), 0);
}

static void *go_round(void *argument)
{
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        cpu_set_t one;

        if (!CPU_ISSET(cpu, &allowed))
            continue;
        CPU_ZERO(&one);
        CPU_SET(cpu, &one);
        CONF_CHECK(set_cpus(&one) == 0);
        CONF_CHECK(sched_getcpu() == cpu);
        sched_yield();
        CONF_CHECK(sched_getcpu() == cpu);
    }
    CONF_CHECK(set_cpus(&allowed) == 0);
    return argument;
}

START_TEST(says_where_a_thread_runs)
{
    join_thread(start_thread(go_round, NULL));
}
END_TEST

static void add(TCase *tcase)
{
    tcase_add_checked_fixture(tcase, setup, NULL);
    conf_test(tcase, says_where_a_thread_runs, 1);
}

int main(void)
{
    return conf_main("sched_getcpu", add, CONF_THREADS);
}
