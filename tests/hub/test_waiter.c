/* Wakes by signal handlers: no greenlet is lost, and the loop does not sleep over
 * one; by other threads, while the hub ends. */
#include "sync.h"

#include "../sanitizers.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/time.h>
#include <sys/ucontext.h>

#define ROUNDS 300
#define RELEASES 4000

static struct hub_semaphore semaphore;
static volatile sig_atomic_t released, over;

/* After `us`, and then every `again` us; 0: not. */
static int ring(long us, long again)
{
    const struct itimerval when = { { 0, again }, { 0, us } };

    return setitimer(ITIMER_REAL, &when, NULL);
}

/* One that comes in the middle of something is refused, and comes again. */
static void release(int number)
{
    int saved = errno;

    (void)number;
    if (hub_semaphore_release(&semaphore) >= 0)
        released++;
    else if (!over)
        ring(100, 100);
    errno = saved;
}

static void handle_alarms(void)
{
    const struct sigaction action = { .sa_handler = release,
                                      .sa_flags = SA_RESTART };

    released = over = 0;
    ck_assert_int_eq(hub_semaphore_init(&semaphore, 0), 0);
    ck_assert_int_eq(sigaction(SIGALRM, &action, NULL), 0);
}

static void no_more_alarms(void)
{
    over = 1;
    ck_assert_int_eq(ring(0, 0), 0);
    signal(SIGALRM, SIG_DFL);
    ck_assert_int_eq(hub_semaphore_destroy(&semaphore), 0);
}

static int take(void)
{
    return hub_semaphore_acquire(&semaphore, hub_deadline(20 * HUB_SECOND));
}

/* The alarm is set so that some come when the loop has found nobody ready and is
 * on its way into the poll. */
START_TEST(a_wake_by_a_handler_counts_while_the_loop_falls_asleep)
{
    handle_alarms();
    for (int i = 0; i < ROUNDS; i++) {
        ck_assert_int_eq(ring(1 + i % 20, 0), 0);
        ck_assert_int_eq(take(), 0);
        over = 1; /* a second one, of an alarm that was set again */
        ring(0, 0);
        while (hub_semaphore_try_acquire(&semaphore) == 0)
            ;
        over = 0;
    }
    no_more_alarms();
}
END_TEST

#if defined(__x86_64__) && !WITH_TSAN && !WITH_ASAN
#define STEPS     1
#define TRAP_FLAG 0x100
#define EACH      400 /* so far each instruction, then each seventh */

static volatile long instruction, at_instruction;

/* A trap after each instruction: what runs below, the kernel apart, is met by the
 * handler at every place. */
static void step(int number, siginfo_t *info, void *context)
{
    int saved = errno;

    (void)number;
    (void)info;
    if (++instruction >= at_instruction && hub_semaphore_release(&semaphore) >= 0) {
        released++;
        ((ucontext_t *)context)->uc_mcontext.gregs[REG_EFL] &= ~TRAP_FLAG;
    }
    errno = saved;
}

static void set_trap_flag(int on)
{
    unsigned long flags = __builtin_ia32_readeflags_u64();

    __builtin_ia32_writeeflags_u64(on ? flags | TRAP_FLAG : flags & ~TRAP_FLAG);
}

/* Released by a handler after the n-th instruction of an acquire, or as soon as it
 * may after that.  False: it slept before. */
static bool released_after(long n)
{
    int rc;

    released = 0;
    instruction = 0;
    at_instruction = n;
    set_trap_flag(1);
    rc = hub_semaphore_acquire(&semaphore,
                               hub_deadline(100 * HUB_MILLISECOND));
    set_trap_flag(0);
    if (released == 0)
        return false;
    if (rc != 0) /* a busy machine: it came when the time was over */
        rc = hub_semaphore_try_acquire(&semaphore);
    ck_assert_msg(rc == 0, "lost after instruction %ld: %d", n, rc);
    return true;
}

/* In a process without threads, where the semaphore needs no lock on the bus.  All
 * but what it parks with is within EACH. */
START_TEST(a_wake_by_a_handler_counts_after_each_instruction)
{
    const struct sigaction action = { .sa_sigaction = step,
                                      .sa_flags = SA_SIGINFO | SA_RESTART };
    long n = 1;

    ck_assert_int_eq(hub_semaphore_init(&semaphore, 0), 0);
    ck_assert_int_eq(hub_semaphore_acquire(&semaphore, 0), -ETIMEDOUT);
    ck_assert_int_eq(sigaction(SIGTRAP, &action, NULL), 0);
    while (released_after(n))
        n += n < EACH ? 1 : 7;
    ck_assert_int_gt(n, 100);
    signal(SIGTRAP, SIG_DFL);
    ck_assert_int_eq(hub_semaphore_destroy(&semaphore), 0);
}
END_TEST
#else
#define STEPS 0
#endif

static int yields(void *arg, void **result)
{
    (void)result;
    while (!over) {
        hub_yield();
        ++*(long *)arg;
    }
    return 0;
}

START_TEST(a_wake_by_a_handler_loses_nobody_who_yields)
{
    struct greenlet *g[3];
    long turns[3] = { 0 };

    handle_alarms();
    for (int i = 0; i < 3; i++)
        g[i] = hub_spawn(yields, &turns[i]);
    ck_assert_int_eq(ring(100, 100), 0);
    while (released < RELEASES)
        ck_assert_int_eq(take(), 0);
    over = 1;
    ring(0, 0);
    for (int i = 0; i < 3; i++)
        finish(g[i]);
    while (hub_semaphore_try_acquire(&semaphore) == 0)
        ;
    no_more_alarms();
}
END_TEST

static void *waits_and_goes(void *unused)
{
    hub_sleep(0); /* it has a hub */
    ck_assert_int_eq(take(), 0);
    return unused;
}

/* For tools: the hub may be gone before who woke it has rung. */
START_TEST(who_wakes_a_hub_that_ends_leaves_it_alone)
{
    ck_assert_int_eq(hub_semaphore_init(&semaphore, 0), 0);
    for (int i = 0; i < ROUNDS; i++) {
        pthread_t thread;

        ck_assert_int_eq(pthread_create(&thread, NULL, waits_and_goes, NULL),
                         0);
        if (i % 2 == 0)
            sched_yield();
        ck_assert_int_ge(hub_semaphore_release(&semaphore), 0);
        ck_assert_int_eq(pthread_join(thread, NULL), 0);
    }
    ck_assert_int_eq(hub_semaphore_destroy(&semaphore), 0);
}
END_TEST

int main(void)
{
    TCase *tcase = sync_case();

    tcase_set_timeout(tcase, 120);
    /* It keeps a signal for the fiber that ran then, which may be suspended. */
    if (WITH_TSAN) {
        printf("waiter: no signals, which ThreadSanitizer holds back\n");
    } else {
        tcase_add_test(tcase,
                       a_wake_by_a_handler_counts_while_the_loop_falls_asleep);
        tcase_add_test(tcase, a_wake_by_a_handler_loses_nobody_who_yields);
#if STEPS
        tcase_add_test(tcase, a_wake_by_a_handler_counts_after_each_instruction);
#else
        printf("waiter: nothing after each instruction: x86-64, plain\n");
#endif
    }
    tcase_add_test(tcase, who_wakes_a_hub_that_ends_leaves_it_alone);
    return unit_run("waiter", tcase);
}
