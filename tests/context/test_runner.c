/* The runner: a test that fails is the last, where the next is in its process. */
#include "../unit.h"

#include <sys/wait.h>
#include <unistd.h>

static int *left; /* by the first, to the second */

START_TEST(it_fails_with_something_in_use)
{
    int mine = 0;

    left = &mine;
    ck_assert_int_eq(mine, 1);
}
END_TEST

START_TEST(it_is_next)
{
    printf("next: %s\n", left == NULL ? "of its own" : "with what is left");
}
END_TEST

static void run_both(enum fork_status forks)
{
    TCase *tcase = tcase_create("unit");

    tcase_add_test(tcase, it_fails_with_something_in_use);
    tcase_add_test(tcase, it_is_next);
    fflush(stdout);
    _exit(runner_run("inner", tcase, forks));
}

/* What it prints; it ends with EXIT_FAILURE. */
static void run(enum fork_status forks, char *text, size_t room)
{
    size_t size = 0;
    int ends[2], status;
    ssize_t got;
    pid_t child;

    ck_assert_int_eq(pipe(ends), 0);
    fflush(stdout);
    child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        dup2(ends[1], STDOUT_FILENO);
        close(ends[0]);
        close(ends[1]);
        setvbuf(stdout, NULL, _IONBF, 0);
        run_both(forks);
    }
    close(ends[1]);
    while ((got = read(ends[0], text + size, room - 1 - size)) > 0)
        size += (size_t)got;
    text[size] = '\0';
    close(ends[0]);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), EXIT_FAILURE);
}

START_TEST(without_forks_a_failure_is_the_end_and_says_what_it_was)
{
    char text[4096];

    run(CK_NOFORK, text, sizeof text);
    ck_assert_ptr_nonnull(strstr(text, "it_fails_with_something_in_use"));
    ck_assert_ptr_nonnull(strstr(text, "mine == 1"));
    ck_assert_ptr_null(strstr(text, "next:"));
}
END_TEST

START_TEST(with_forks_the_next_runs_of_its_own)
{
    char text[4096];

    run(CK_FORK, text, sizeof text);
    ck_assert_ptr_nonnull(strstr(text, "it_fails_with_something_in_use"));
    ck_assert_ptr_nonnull(strstr(text, "next: of its own"));
}
END_TEST

int main(void)
{
    TCase *tcase = unit_case();

    tcase_add_test(tcase, without_forks_a_failure_is_the_end_and_says_what_it_was);
    tcase_add_test(tcase, with_forks_the_next_runs_of_its_own);
    return unit_run("runner", tcase);
}
