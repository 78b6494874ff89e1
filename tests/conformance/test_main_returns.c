/* The end of main(): what libc does with it, and what it needs for that */
#include "conf_threads.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void *behind_main; /* where main() returns to */

/* As halt() of Free Pascal does: back to the caller of main(), with the status,
 * and neither its stack nor its registers. */
static _Noreturn void return_from_main(int status)
{
#if defined(__x86_64__)
    __asm__ volatile("movl %0, %%eax\n\t"
                     "movq %1, %%rcx\n\t"
                     "subq $4096, %%rsp\n\t"
                     "andq $-16, %%rsp\n\t"
                     "movq $1, %%rbx\n\t"
                     "movq $1, %%r12\n\t"
                     "movq $1, %%r13\n\t"
                     "movq $1, %%r14\n\t"
                     "movq $1, %%r15\n\t"
                     "xorl %%ebp, %%ebp\n\t"
                     "pushq %%rcx\n\t"
                     "ret"
                     :
                     : "r"(status), "r"(behind_main)
                     : "rax", "rcx", "memory");
#elif defined(__aarch64__)
    __asm__ volatile("mov w0, %w0\n\t"
                     "mov x30, %1\n\t"
                     "sub sp, sp, #4096\n\t"
                     "mov x19, #1\n\t"
                     "mov x20, #1\n\t"
                     "mov x21, #1\n\t"
                     "mov x22, #1\n\t"
                     "mov x29, #0\n\t"
                     "ret"
                     :
                     : "r"(status), "r"(behind_main)
                     : "x0", "x30", "memory");
#endif
    __builtin_unreachable();
}

static void *return_here(void *status)
{
    return_from_main((int)(intptr_t)status);
}

START_TEST(its_status_is_all_that_counts)
    {
        pid_t child = fork();

        if (child == 0) {
            conf_child_begin();
            return_from_main(5);
        }
        ck_assert_int_eq(conf_child_status(child), 5);
    }
END_TEST

START_TEST(on_the_stack_of_another_thread)
    {
        pid_t child = fork();

        if (child == 0) {
            conf_child_begin();
            start_thread(return_here, (void *)(intptr_t)6);
            for (;;)
                pause();
        }
        ck_assert_int_eq(conf_child_status(child), 6);
    }
END_TEST

/* What the compiler makes of a thread_local object with a destructor. */
int __cxa_thread_atexit_impl(void (*function)(void *), void *object,
                             void *library);
extern char __dso_handle __attribute__((visibility("hidden")));

/* pthread_exit() in main(): keys' values first; then, as no other thread is
 * there, exit(), which begins with thread_local objects. */
static int report_fd;
static pthread_key_t key;

static void say(void *value)
{
    conf_write_all(report_fd, value, 1);
}

static void say_exit(void)
{
    conf_write_all(report_fd, "x", 1);
}

START_TEST(pthread_exit_destroys_values_and_then_ends)
    {
        int ends[2];
        char said[4] = "";
        pid_t child;

        conf_pipe(ends);
        child = fork();
        if (child == 0) {
            conf_child_begin();
            report_fd = ends[1];
            CONF_CHECK(pthread_key_create(&key, say) == 0);
            CONF_CHECK(pthread_setspecific(key, "k") == 0);
            CONF_CHECK(atexit(say_exit) == 0);
            CONF_CHECK(__cxa_thread_atexit_impl(say, "t", &__dso_handle) == 0);
            pthread_exit(NULL);
        }
        conf_read_all(ends[0], said, 3);
        ck_assert_str_eq(said, "ktx");
        ck_assert_int_eq(conf_child_status(child), 0);
        conf_close_both(ends);
    }
END_TEST

static void add(TCase *tcase)
{
    conf_test(tcase, its_status_is_all_that_counts, 1);
    conf_test(tcase, on_the_stack_of_another_thread, 1);
    conf_test(tcase, pthread_exit_destroys_values_and_then_ends, 1);
}

int main(void)
{
    behind_main = __builtin_return_address(0);
    return conf_main("main_returns", add, CONF_THREADS);
}
