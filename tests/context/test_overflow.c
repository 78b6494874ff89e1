/* A stack that ends is named before the process dies of it. */
#include "../unit.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static __attribute__((noinline)) int deeper(volatile char *above)
{
    volatile char here[1024];

    here[0] = above[0];
    if (here[0] != 0) /* never, but the compiler cannot know */
        return 0;
    return deeper(here) + here[0];
}

static int overflows(void *value, void **result)
{
    volatile char start[16] = { 0 };

    (void)value;
    (void)result;
    return deeper(start);
}

static void overflow_in_child(int report)
{
    struct rlimit none = { 0, 0 };

    setrlimit(RLIMIT_CORE, &none);
    signal(SIGSEGV, SIG_DFL);
    dup2(report, STDERR_FILENO);
    greenlet__overflow_watch();
    greenlet_switch(greenlet_new(overflows, NULL, 65536), NULL, NULL);
    _exit(0);
}

START_TEST(the_greenlet_and_its_size_are_named)
{
    char line[512] = "";
    int report[2], status;
    ssize_t got;
    pid_t child;

    ck_assert_int_eq(pipe(report), 0);
    child = fork();
    if (child == 0)
        overflow_in_child(report[1]);
    close(report[1]);
    got = read(report[0], line, sizeof line - 1);
    close(report[0]);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFSIGNALED(status));
    ck_assert_int_eq(WTERMSIG(status), SIGSEGV);
    ck_assert_int_gt(got, 0);
    ck_assert_ptr_nonnull(strstr(line, "stack overflow in greenlet"));
    ck_assert_ptr_nonnull(strstr(line, "64 KiB"));
}
END_TEST

int main(void)
{
    TCase *tcase = unit_case();

#ifdef __SANITIZE_ADDRESS__
    puts("skipped: the sanitizer has its own handler of SIGSEGV");
    return 77;
#endif
    tcase_add_test(tcase, the_greenlet_and_its_size_are_named);
    return unit_run("overflow", tcase);
}
