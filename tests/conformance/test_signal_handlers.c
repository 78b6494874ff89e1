/* Signal handlers in threads: their flags, masks, stacks, and faults */
#include "conf_threads.h"

#include <errno.h>
#include <gnu/libc-version.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static _Atomic int handled;
static volatile int depth, deepest;
static volatile bool was_blocked, other_was_blocked;
static __thread volatile bool on_alternate;
/* Of each thread's own: several handle faults at a time. */
static __thread volatile pthread_t handled_by;
static __thread void *volatile local_of_handler;
static __thread void *volatile address_of_fault;
static __thread volatile int code_of_fault;
static sigset_t usr1;

static void setup(void)
{
    handled = depth = deepest = 0;
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
}

static void teardown(void)
{
    signal(SIGUSR1, SIG_DFL);
    signal(SIGUSR2, SIG_DFL);
    signal(SIGSEGV, SIG_DFL);
    signal(SIGFPE, SIG_DFL);
}

static void handle(int number, void (*handler)(int, siginfo_t *, void *),
                   int flags, int masked)
{
    struct sigaction action = { .sa_sigaction = handler,
                                .sa_flags = SA_SIGINFO | flags };

    sigemptyset(&action.sa_mask);
    if (masked != 0)
        sigaddset(&action.sa_mask, masked);
    CONF_CHECK(sigaction(number, &action, NULL) == 0);
}

static bool blocks(int number)
{
    sigset_t now;

    CONF_CHECK(pthread_sigmask(SIG_BLOCK, NULL, &now) == 0);
    return sigismember(&now, number) == 1;
}

static void note(int number, siginfo_t *info, void *context)
{
    stack_t stack;

    (void)context;
    handled++;
    handled_by = pthread_self();
    was_blocked = blocks(number);
    other_was_blocked = blocks(SIGUSR2);
    local_of_handler = &stack;
    address_of_fault = info->si_addr;
    CONF_CHECK(sigaltstack(NULL, &stack) == 0);
    on_alternate = (stack.ss_flags & SS_ONSTACK) != 0;
}

/* Run a test's body in main (_i == 0) and in a thread. */
static void in_both(int i, void *(*body)(void *))
{
    if (i == 0)
        body(NULL);
    else
        join_thread(start_thread(body, NULL));
}

/* ---- masks and flags ---- */

static void *see_masks(void *argument)
{
    handle(SIGUSR1, note, 0, SIGUSR2);
    CONF_CHECK(raise(SIGUSR1) == 0);
    CONF_CHECK(handled == 1 && was_blocked && other_was_blocked);
    CONF_CHECK(!blocks(SIGUSR1) && !blocks(SIGUSR2));
    handle(SIGUSR1, note, SA_NODEFER, 0);
    CONF_CHECK(raise(SIGUSR1) == 0);
    CONF_CHECK(handled == 2 && !was_blocked && !other_was_blocked);
    return argument;
}

START_TEST(a_handler_blocks_its_signal_and_its_mask)
{
    in_both(_i, see_masks);
}
END_TEST

static void nest(int number, siginfo_t *info, void *context)
{
    (void)info;
    (void)context;
    depth++;
    if (depth > deepest)
        deepest = depth;
    if (++handled < 3)
        CONF_CHECK(raise(number) == 0);
    depth--;
}

static void *see_nesting(void *argument)
{
    handle(SIGUSR1, nest, 0, 0);
    CONF_CHECK(raise(SIGUSR1) == 0);
    CONF_CHECK(handled == 3 && deepest == 1);
    handled = deepest = 0;
    handle(SIGUSR1, nest, SA_NODEFER, 0);
    CONF_CHECK(raise(SIGUSR1) == 0);
    CONF_CHECK(handled == 3 && deepest == 3);
    return argument;
}

START_TEST(a_handler_nests_with_nodefer_alone)
{
    in_both(_i, see_nesting);
}
END_TEST

static void *see_reset(void *argument)
{
    struct sigaction now;

    handle(SIGUSR1, note, (int)SA_RESETHAND, 0);
    CONF_CHECK(raise(SIGUSR1) == 0);
    CONF_CHECK(handled == 1);
    CONF_CHECK(sigaction(SIGUSR1, NULL, &now) == 0);
    CONF_CHECK(now.sa_handler == SIG_DFL);
    return argument;
}

START_TEST(resethand_resets)
{
    in_both(_i, see_reset);
}
END_TEST

static sem_t started;

static void *sleep_and_be_reset(void *argument)
{
    CONF_CHECK(sem_post(&started) == 0);
    pause();
    return argument;
}

static void signal_twice(void)
{
    pthread_t thread;

    handle(SIGUSR1, note, (int)SA_RESETHAND, 0);
    CONF_CHECK(sem_init(&started, 0, 0) == 0);
    thread = start_thread(sleep_and_be_reset, NULL);
    CONF_CHECK(sem_wait(&started) == 0);
    let_block();
    pthread_kill(thread, SIGUSR1);
    join_thread(thread);
    CONF_CHECK(handled == 1);
    kill(getpid(), SIGUSR1);
    sleep_ms(1000);
}

START_TEST(resethand_resets_for_the_process)
{
    ck_assert_int_eq(run_child(signal_twice), 128 + SIGUSR1);
}
END_TEST

static void unblock_itself(int number, siginfo_t *info, void *context)
{
    (void)info;
    (void)context;
    depth++;
    if (depth > deepest)
        deepest = depth;
    CONF_CHECK(pthread_sigmask(SIG_UNBLOCK, &usr1, NULL) == 0);
    if (++handled < 3)
        CONF_CHECK(raise(number) == 0);
    depth--;
}

static void *see_unblocking(void *argument)
{
    handle(SIGUSR1, unblock_itself, 0, 0);
    CONF_CHECK(raise(SIGUSR1) == 0);
    CONF_CHECK(handled == 3 && deepest == 3);
    CONF_CHECK(!blocks(SIGUSR1));
    return argument;
}

START_TEST(a_handler_may_unblock_its_signal)
{
    in_both(_i, see_unblocking);
}
END_TEST

/* The mask after a handler is the one before it, whatever it did. */
static void block_another(int number, siginfo_t *info, void *context)
{
    sigset_t usr2;

    (void)number;
    (void)info;
    (void)context;
    sigemptyset(&usr2);
    sigaddset(&usr2, SIGUSR2);
    CONF_CHECK(pthread_sigmask(SIG_BLOCK, &usr2, NULL) == 0);
    handled++;
}

static void *see_mask_afterwards(void *argument)
{
    handle(SIGUSR1, block_another, 0, 0);
    CONF_CHECK(raise(SIGUSR1) == 0);
    CONF_CHECK(handled == 1 && !blocks(SIGUSR2));
    return argument;
}

START_TEST(the_mask_of_before_comes_back)
{
    in_both(_i, see_mask_afterwards);
}
END_TEST

static void wait_in_handler(int number, siginfo_t *info, void *context)
{
    pthread_t self = pthread_self();

    (void)number;
    (void)info;
    (void)context;
    sleep_ms(20);
    CONF_CHECK(pthread_equal(self, pthread_self()));
    handled++;
}

static void *pause_once(void *argument)
{
    CONF_CHECK(sem_post(&started) == 0);
    CONF_CHECK(pause() == -1);
    CONF_CHECK(!blocks(SIGUSR1));
    return argument;
}

START_TEST(a_handler_may_sleep_while_others_run)
{
    pthread_t thread;

    ck_assert_int_eq(sem_init(&started, 0, 0), 0);
    handle(SIGUSR1, wait_in_handler, 0, 0);
    thread = start_thread(pause_once, NULL);
    ck_assert_int_eq(sem_wait(&started), 0);
    let_block();
    ck_assert_int_eq(pthread_kill(thread, SIGUSR1), 0);
    sleep_ms(5);
    ck_assert_int_eq(raise(SIGUSR1), 0);
    join_thread(thread);
    ck_assert_int_eq(handled, 2);
    ck_assert(!blocks(SIGUSR1));
}
END_TEST

/* ---- stacks of handlers ---- */

#define STACK_SIZE ((size_t)64 * 1024)

static void *have_a_stack(void *argument)
{
    stack_t before, mine = { .ss_sp = malloc(STACK_SIZE),
                             .ss_size = STACK_SIZE };
    stack_t now, off = { .ss_flags = SS_DISABLE };

    CONF_CHECK(mine.ss_sp != NULL);
    CONF_CHECK(sigaltstack(NULL, &before) == 0);
    if (argument == NULL)
        CONF_CHECK(before.ss_flags == SS_DISABLE); /* not inherited */
    CONF_CHECK(sigaltstack(&mine, NULL) == 0);
    sleep_ms(10);
    CONF_CHECK(sigaltstack(NULL, &now) == 0);
    CONF_CHECK(now.ss_sp == mine.ss_sp && now.ss_size == STACK_SIZE);
    CONF_CHECK(now.ss_flags == 0);
    CONF_CHECK(raise(SIGUSR1) == 0);
    CONF_CHECK(lies_in(local_of_handler, mine.ss_sp, STACK_SIZE));
    CONF_CHECK(on_alternate);
    sleep_ms(10);
    CONF_CHECK(raise(SIGUSR1) == 0);
    CONF_CHECK(lies_in(local_of_handler, mine.ss_sp, STACK_SIZE));
    CONF_CHECK(sigaltstack(&off, NULL) == 0);
    CONF_CHECK(sigaltstack(NULL, &now) == 0);
    CONF_CHECK((now.ss_flags & SS_DISABLE) != 0);
    CONF_CHECK(raise(SIGUSR1) == 0);
    CONF_CHECK(!lies_in(local_of_handler, mine.ss_sp, STACK_SIZE));
    CONF_CHECK(!on_alternate);
    free(mine.ss_sp);
    return NULL;
}

START_TEST(each_thread_has_a_signal_stack_of_its_own)
{
    pthread_t threads[4];

    handle(SIGUSR1, note, SA_ONSTACK, 0);
    for (int i = 0; i < 4; i++)
        threads[i] = start_thread(have_a_stack, NULL);
    have_a_stack(&started);
    for (int i = 0; i < 4; i++)
        join_thread(threads[i]);
    ck_assert_int_eq(handled, 15);
}
END_TEST

static void *be_signalled_on_a_stack(void *argument)
{
    stack_t mine = { .ss_sp = argument, .ss_size = STACK_SIZE };
    stack_t off = { .ss_flags = SS_DISABLE };

    CONF_CHECK(sigaltstack(&mine, NULL) == 0);
    CONF_CHECK(sem_post(&started) == 0);
    CONF_CHECK(pause() == -1 && errno == EINTR);
    CONF_CHECK(lies_in(local_of_handler, mine.ss_sp, STACK_SIZE));
    CONF_CHECK(sigaltstack(&off, NULL) == 0);
    return argument;
}

START_TEST(a_handler_for_another_thread_runs_on_that_ones_stack)
{
    void *memory = malloc(STACK_SIZE);
    pthread_t thread;

    ck_assert_int_eq(sem_init(&started, 0, 0), 0);
    handle(SIGUSR1, note, SA_ONSTACK, 0);
    thread = start_thread(be_signalled_on_a_stack, memory);
    ck_assert_int_eq(sem_wait(&started), 0);
    let_block();
    ck_assert_int_eq(pthread_kill(thread, SIGUSR1), 0);
    join_thread(thread);
    ck_assert_int_eq(handled, 1);
    free(memory);
}
END_TEST

static void *refuse_bad_stacks(void *argument)
{
    static char memory[64];
    stack_t stack = { .ss_sp = memory, .ss_size = sizeof memory };

    errno = 0;
    CONF_CHECK(sigaltstack(&stack, NULL) == -1 && errno == ENOMEM);
    stack.ss_flags = 0x40;
    errno = 0;
    CONF_CHECK(sigaltstack(&stack, NULL) == -1 && errno == EINVAL);
    return argument;
}

START_TEST(a_bad_signal_stack_is_refused)
{
    in_both(_i, refuse_bad_stacks);
}
END_TEST

/* ---- faults ---- */

static _Thread_local sigjmp_buf mine;

static void leave_fault(int number, siginfo_t *info, void *context)
{
    (void)context;
    (void)number;
    address_of_fault = info->si_addr;
    code_of_fault = info->si_code;
    handled_by = pthread_self();
    local_of_handler = &number;
    handled++;
    siglongjmp(mine, 1);
}

static void *touch_bad_memory(void *argument)
{
    char *bad = conf_bad_address();
    stack_t stack = { .ss_sp = malloc(STACK_SIZE), .ss_size = STACK_SIZE };
    stack_t off = { .ss_flags = SS_DISABLE };

    CONF_CHECK(sigaltstack(&stack, NULL) == 0);
    for (volatile int i = 0; i < 3; i++) {
        sleep_ms(1);
        if (sigsetjmp(mine, 1) == 0)
            *(volatile char *)(bad + 100) = 1;
        CONF_CHECK(pthread_equal(handled_by, pthread_self()));
        CONF_CHECK(address_of_fault == bad + 100);
        CONF_CHECK(code_of_fault == SEGV_ACCERR);
        CONF_CHECK(lies_in(local_of_handler, stack.ss_sp, STACK_SIZE));
        CONF_CHECK(!blocks(SIGSEGV));
    }
    CONF_CHECK(sigaltstack(&off, NULL) == 0);
    free(stack.ss_sp);
    return argument;
}

START_TEST(a_fault_is_handled_by_its_thread_on_its_stack)
{
    pthread_t threads[5];

    handle(SIGSEGV, leave_fault, SA_ONSTACK, 0);
    for (int i = 0; i < 5; i++)
        threads[i] = start_thread(touch_bad_memory, NULL);
    for (int i = 0; i < 5; i++)
        join_thread(threads[i]);
    ck_assert_int_eq(handled, 15);
}
END_TEST

static void make_readable(int number, siginfo_t *info, void *context)
{
    char *page = (char *)((uintptr_t)info->si_addr & ~(uintptr_t)4095);

    (void)number;
    (void)context;
    handled++;
    CONF_CHECK(mprotect(page, 4096, PROT_READ | PROT_WRITE) == 0);
}

static void *write_to_what_is_mapped_late(void *argument)
{
    char *memory = argument;

    for (int i = 0; i < 4; i++) {
        memory[i * 4096] = 1;
        sleep_ms(1);
    }
    return argument;
}

/* What garbage collectors do. */
START_TEST(a_fault_that_is_repaired_goes_on)
{
    size_t size = 16 * 4096;
    char *memory = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                        0);
    pthread_t threads[4];

    ck_assert_ptr_ne(memory, MAP_FAILED);
    handle(SIGSEGV, make_readable, 0, 0);
    for (int i = 0; i < 4; i++)
        threads[i] = start_thread(write_to_what_is_mapped_late,
                                  memory + (size_t)i * 4 * 4096);
    for (int i = 0; i < 4; i++)
        join_thread(threads[i]);
    ck_assert_int_eq(handled, 16);
    munmap(memory, size);
}
END_TEST

#if defined(__x86_64__)
static void *divide_by_zero(void *argument)
{
    volatile int zero = 0, result = 0;

    if (sigsetjmp(mine, 1) == 0)
        result = 7 / zero;
    CONF_CHECK(handled == 1 && code_of_fault == FPE_INTDIV);
    CONF_CHECK(result == 0);
    CONF_CHECK(pthread_equal(handled_by, pthread_self()));
    return argument;
}

START_TEST(a_division_by_zero_is_told_to_its_thread)
{
    handle(SIGFPE, leave_fault, 0, 0);
    in_both(_i, divide_by_zero);
}
END_TEST
#endif

static void *die_of_a_fault(void *argument)
{
    *(volatile char *)conf_bad_address() = 1;
    return argument;
}

static void fault_in_a_thread(void)
{
    join_thread(start_thread(die_of_a_fault, NULL));
}

static void *block_and_fault(void *argument)
{
    sigset_t all;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    return die_of_a_fault(argument);
}

static void fault_with_the_signal_blocked(void)
{
    handle(SIGSEGV, note, 0, 0);
    join_thread(start_thread(block_and_fault, NULL));
}

START_TEST(a_fault_that_nobody_handles_ends_the_process)
{
    ck_assert_int_eq(run_child(fault_in_a_thread), 128 + SIGSEGV);
    ck_assert_int_eq(run_child(fault_with_the_signal_blocked), 128 + SIGSEGV);
}
END_TEST

static void *abort_thread(void *argument)
{
    sigset_t all;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    abort();
    return argument;
}

static void abort_in_a_thread(void)
{
    join_thread(start_thread(abort_thread, NULL));
}

static void count_abort(int number)
{
    (void)number;
    _exit(pthread_equal(handled_by, pthread_self()) ? 7 : 8);
}

static void *abort_with_handler(void *argument)
{
    handled_by = pthread_self();
    return abort_thread(argument);
}

static void abort_and_handle(void)
{
    signal(SIGABRT, count_abort);
    join_thread(start_thread(abort_with_handler, NULL));
}

/* Since glibc 2.41 abort() unblocks the signal only once it has no handler. */
START_TEST(abort_in_a_thread_ends_the_process)
{
    bool unblocks = strverscmp(gnu_get_libc_version(), "2.41") < 0;

    ck_assert_int_eq(run_child(abort_in_a_thread), 128 + SIGABRT);
    ck_assert_int_eq(run_child(abort_and_handle),
                     unblocks ? 7 : 128 + SIGABRT);
}
END_TEST

static void add(TCase *tcase)
{
    tcase_add_checked_fixture(tcase, setup, teardown);
    conf_test(tcase, a_handler_blocks_its_signal_and_its_mask, 2);
    conf_test(tcase, a_handler_nests_with_nodefer_alone, 2);
    conf_test(tcase, resethand_resets, 2);
    conf_test(tcase, resethand_resets_for_the_process, 1);
    conf_test(tcase, a_handler_may_unblock_its_signal, 2);
    conf_test(tcase, the_mask_of_before_comes_back, 2);
    conf_test(tcase, a_handler_may_sleep_while_others_run, 1);
    if (conf_emulated()) {
        conf_skip("the emulator has signal stacks of its own");
    } else {
        conf_test(tcase, each_thread_has_a_signal_stack_of_its_own, 1);
        conf_test(tcase, a_handler_for_another_thread_runs_on_that_ones_stack,
                  1);
    }
    conf_test(tcase, a_bad_signal_stack_is_refused, 2);
    conf_test(tcase, a_fault_is_handled_by_its_thread_on_its_stack, 1);
    conf_test(tcase, a_fault_that_is_repaired_goes_on, 1);
#if defined(__x86_64__)
    conf_test(tcase, a_division_by_zero_is_told_to_its_thread, 2);
#endif
    conf_test(tcase, a_fault_that_nobody_handles_ends_the_process, 1);
    conf_test(tcase, abort_in_a_thread_ends_the_process, 1);
}

int main(void)
{
    return conf_main("signal_handlers", add, CONF_THREADS);
}
