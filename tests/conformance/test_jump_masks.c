/* The signal mask and jumps: what sigsetjmp(3) saved comes back, and nothing else
 * changes it */
#include "conf_threads.h"

#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <ucontext.h>

/* What a fortified program calls. */
void __longjmp_chk(struct __jmp_buf_tag buffer[1], int value)
    __attribute__((noreturn));

static sigjmp_buf out;
static volatile int handled;
static sigset_t usr1;

static void setup(void)
{
    handled = 0;
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
}

static void teardown(void)
{
    signal(SIGUSR1, SIG_DFL);
}

static bool blocks(int number)
{
    sigset_t now;

    CONF_CHECK(pthread_sigmask(SIG_BLOCK, NULL, &now) == 0);
    return sigismember(&now, number) == 1;
}

static void set_mask(int how)
{
    CONF_CHECK(pthread_sigmask(how, &usr1, NULL) == 0);
}

/* Run a test's body in main and in a thread. */
static void in_both(int in_thread, void *(*body)(void *))
{
    if (in_thread)
        join_thread(start_thread(body, NULL));
    else
        body(NULL);
}

static void jump_out(int number)
{
    (void)number;
    handled++;
    siglongjmp(out, 1);
}

static void *leave_handlers(void *argument)
{
    struct sigaction action = { .sa_handler = jump_out };

    sigaddset(&action.sa_mask, SIGUSR2);
    CONF_CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
    for (volatile int i = 0; i < 3; i++) {
        if (sigsetjmp(out, 1) == 0)
            raise(SIGUSR1);
        CONF_CHECK(!blocks(SIGUSR1) && !blocks(SIGUSR2));
    }
    CONF_CHECK(handled == 3);
    return argument;
}

START_TEST(leaving_a_handler_brings_the_mask_back)
{
    in_both(_i, leave_handlers);
}
END_TEST

/* By each of the functions that jump. */
static _Noreturn void jump_by(int way)
{
    if (way == 0)
        siglongjmp(out, 1);
    if (way == 1)
        longjmp(out, 1);
    if (way == 2)
        _longjmp(out, 1);
    __longjmp_chk(out, 1);
}

static void *jump_with_a_mask(void *argument)
{
    for (volatile int way = 0; way < 4; way++) {
        if (__sigsetjmp(out, 1) == 0) {
            set_mask(SIG_BLOCK);
            jump_by(way);
        }
        CONF_CHECK(!blocks(SIGUSR1));
    }
    return argument;
}

START_TEST(a_mask_that_was_saved_comes_back)
{
    in_both(_i, jump_with_a_mask);
}
END_TEST

static void *jump_without_a_mask(void *argument)
{
    for (volatile int way = 0; way < 4; way++) {
        if (__sigsetjmp(out, 0) == 0) {
            set_mask(SIG_BLOCK);
            jump_by(way);
        }
        CONF_CHECK(blocks(SIGUSR1));
        set_mask(SIG_UNBLOCK);
    }
    return argument;
}

START_TEST(a_mask_that_was_not_saved_stays)
{
    in_both(_i, jump_without_a_mask);
}
END_TEST

static volatile bool stop;

static void *change_masks(void *argument)
{
    while (!stop) {
        set_mask(SIG_BLOCK);
        sleep_ms(1);
        set_mask(SIG_UNBLOCK);
        sleep_ms(1);
    }
    return argument;
}

/* Another's mask is none of its business. */
START_TEST(the_masks_of_others_do_not_come_back)
{
    pthread_t thread = start_thread(change_masks, NULL);

    for (volatile int i = 0; i < 10; i++) {
        if (sigsetjmp(out, 1) == 0) {
            sleep_ms(2);
            siglongjmp(out, 1);
        }
        CONF_CHECK(!blocks(SIGUSR1));
    }
    stop = true;
    join_thread(thread);
}
END_TEST

/* ---- contexts ---- */

/* Of one thread: two contexts with masks of their own. */
struct pair {
    ucontext_t first, second;
    void *stack;
};
static __thread struct pair *mine;

static void have_masks(bool first, bool second)
{
    sleep_ms(1); /* others have other masks meanwhile */
    CONF_CHECK(blocks(SIGUSR1) == first && blocks(SIGUSR2) == second);
}

static void set_both(bool first, bool second)
{
    sigset_t set;

    sigemptyset(&set);
    if (first)
        sigaddset(&set, SIGUSR1);
    if (second)
        sigaddset(&set, SIGUSR2);
    CONF_CHECK(pthread_sigmask(SIG_SETMASK, &set, NULL) == 0);
}

static void be_second(void)
{
    have_masks(true, false); /* as when the context was made */
    set_both(false, true);
    CONF_CHECK(swapcontext(&mine->second, &mine->first) == 0);
    have_masks(false, true);
    set_both(true, true);
    setcontext(&mine->first);
}

static void *change_contexts(void *argument)
{
    struct pair pair = { .stack = malloc(64 * 1024) };

    mine = &pair;
    set_both(true, false);
    CONF_CHECK(getcontext(&pair.second) == 0);
    pair.second.uc_stack.ss_sp = pair.stack;
    pair.second.uc_stack.ss_size = 64 * 1024;
    makecontext(&pair.second, be_second, 0);
    set_both(false, false);
    for (int i = 0; i < 2; i++) {
        CONF_CHECK(swapcontext(&pair.first, &pair.second) == 0);
        have_masks(false, false);
    }
    free(pair.stack);
    return argument;
}

START_TEST(a_context_has_its_mask)
{
    pthread_t others[3];

    for (int i = 0; i < 3; i++)
        others[i] = start_thread(change_contexts, NULL);
    if (_i == 0)
        change_contexts(NULL);
    for (int i = 0; i < 3; i++)
        join_thread(others[i]);
    ck_assert(!blocks(SIGUSR1) && !blocks(SIGUSR2));
}
END_TEST

/* The context of a handler has its thread's mask, and may be given another. */
static void change_context(int number, siginfo_t *info, void *context)
{
    ucontext_t *interrupted = context;

    (void)info;
    handled++;
    CONF_CHECK(blocks(number));
    CONF_CHECK(sigismember(&interrupted->uc_sigmask, SIGUSR2) == 1);
    sigaddset(&interrupted->uc_sigmask, number);
    sigdelset(&interrupted->uc_sigmask, SIGUSR2);
}

static void *change_in_a_handler(void *argument)
{
    struct sigaction action = { .sa_sigaction = change_context,
                                .sa_flags = SA_SIGINFO };

    CONF_CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
    set_both(false, true);
    CONF_CHECK(pthread_kill(pthread_self(), SIGUSR1) == 0);
    CONF_CHECK(handled == 1);
    have_masks(true, false);
    set_both(false, false);
    return argument;
}

START_TEST(a_handler_changes_the_mask_it_returns_to)
{
    in_both(_i, change_in_a_handler);
}
END_TEST

static void add(TCase *tcase)
{
    tcase_add_checked_fixture(tcase, setup, teardown);
    conf_test(tcase, leaving_a_handler_brings_the_mask_back, 2);
    conf_test(tcase, a_mask_that_was_saved_comes_back, 2);
    conf_test(tcase, a_mask_that_was_not_saved_stays, 2);
    conf_test(tcase, the_masks_of_others_do_not_come_back, 1);
    conf_test(tcase, a_context_has_its_mask, 2);
    conf_test(tcase, a_handler_changes_the_mask_it_returns_to, 2);
}

int main(void)
{
    return conf_main("jump_masks", add, CONF_THREADS);
}
