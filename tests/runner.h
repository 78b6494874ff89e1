/* runner.h - a program of one suite with one test case
 *
 * Check handles SIGINT, SIGTERM and SIGALRM by signalling whole process groups.
 * Where it does not fork (CK_FORK=no) its tests are in the group of whoever
 * started them: a SIGTERM for one child of a test would end CTest and CI.
 *
 * A test that fails leaves by longjmp(): what it has made is still in use, and is
 * what the next one would make anew.  Without forks the program ends there, and says
 * what has failed, instead of a crash or a hang that nobody can tell the reason of. */
#ifndef VIREO_TESTS_RUNNER_H
#define VIREO_TESTS_RUNNER_H

#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static SRunner *runner_now;

static inline void runner_undo_handlers(void)
{
    if (srunner_fork_status(runner_now) == CK_FORK)
        return;
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    signal(SIGALRM, SIG_DFL);
}

/* Before each test; nothing is to run of what the one before has left. */
static inline void runner_end_after_failure(void)
{
    if (srunner_fork_status(runner_now) == CK_FORK ||
        srunner_ntests_failed(runner_now) == 0)
        return;
    srunner_print(runner_now, CK_ENV);
    printf("the tests after it have not run: CK_FORK=yes runs them\n");
    fflush(stdout);
    _exit(EXIT_FAILURE);
}

/* Runs it, with forks as `forks` says (CK_FORK_GETENV: as CK_FORK does); main()'s
 * result. */
static inline int runner_run(const char *name, TCase *tcase,
                             enum fork_status forks)
{
    Suite *suite = suite_create(name);
    int failed;

    runner_now = srunner_create(suite);
    srunner_set_fork_status(runner_now, forks);
    suite_add_tcase(suite, tcase);
    tcase_add_unchecked_fixture(tcase, runner_undo_handlers, NULL);
    tcase_add_checked_fixture(tcase, runner_end_after_failure, NULL);
    srunner_run_all(runner_now, CK_ENV);
    failed = srunner_ntests_failed(runner_now);
    srunner_free(runner_now);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#endif
