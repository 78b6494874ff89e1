/* The signal mask and jumps: what sigsetjmp(3) saved comes back, and nothing else
 * changes it */
#include "conf_threads.h"

#include <setjmp.h>
#include <signal.h>

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

static void add(TCase *tcase)
{
    tcase_add_checked_fixture(tcase, setup, teardown);
    conf_test(tcase, leaving_a_handler_brings_the_mask_back, 2);
    conf_test(tcase, a_mask_that_was_saved_comes_back, 2);
    conf_test(tcase, a_mask_that_was_not_saved_stays, 2);
    conf_test(tcase, the_masks_of_others_do_not_come_back, 1);
}

int main(void)
{
    return conf_main("jump_masks", add, CONF_THREADS);
}
