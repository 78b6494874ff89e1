/* torture.c - each script once for each allocation of the library's: that one fails
 *
 * What a script prints then does not matter.  It must end, by itself, with nothing
 * left: the call that had no memory has said so, and done nothing. */
#include "script.h"

#include <signal.h>
#include <sys/wait.h>
#include <vireo/inspect.h>

#include "../left.h"

#define LAST 100 /* allocations of a script: the later ones are of the same kinds */

static long last = LAST; /* VIREO_TEST_TORTURE: fewer */

enum { ENDED = 0, NOT_REACHED = 10, LEFT_SOMETHING = 11 };

/* Of libraries that were built with tests; GREENLET_TEST_ALLOCATION is 0. */
extern long greenlet_test_fail(int fault, long n) __attribute__((weak));

static void torture_one(const struct script_entry *entry, long n)
{
    struct left before, now;
    bool left;

    script_t = HUB_MILLISECOND;
    before = left_now();
    script_silent();
    greenlet_test_fail(0, n);
    script_run(entry);
    n -= greenlet_test_fail(0, 0);
    now = left_now();
    left = left_told(&now, &before);
    fflush(stdout);
    exit(left ? LEFT_SOMETHING : n > 0 ? NOT_REACHED : ENDED);
}

/* Returns whether there may be more allocations. */
static bool torture_nth(const struct script_entry *entry, long n, int *failed)
{
    pid_t child = fork();
    int status;

    if (child == 0)
        torture_one(entry, n);
    if (child < 0 || waitpid(child, &status, 0) != child)
        exit(2);
    if (WIFEXITED(status) &&
        (WEXITSTATUS(status) == ENDED || WEXITSTATUS(status) == GAVE_UP))
        return true;
    if (WIFEXITED(status) && WEXITSTATUS(status) == NOT_REACHED)
        return false;
    if (WIFSIGNALED(status))
        printf("%s, allocation %ld: %s\n", entry->name, n,
               strsignal(WTERMSIG(status)));
    else
        printf("%s, allocation %ld: status %d\n", entry->name, n,
               WEXITSTATUS(status));
    fflush(stdout);
    ++*failed;
    return true;
}

static long torture_script(const struct script_entry *entry, int *failed)
{
    long n = 1;

    while (n <= last && torture_nth(entry, n, failed))
        n++;
    return n - 1;
}

int torture(const struct script_entry *entries, char **names)
{
    long made = 0;
    int failed = 0;

    if (greenlet_test_fail == NULL) {
        puts("skipped: the library was built without tests");
        return 77;
    }
    if (getenv("VIREO_TEST_TORTURE") != NULL)
        last = atol(getenv("VIREO_TEST_TORTURE"));
    printf("the first %ld allocations of each script\n", last);
    for (; entries != NULL; entries = entries->next) {
        if (!script_is_wanted(entries, names))
            continue;
        if (names[0] != NULL && names[1] != NULL && atol(names[1]) > 0)
            torture_one(entries, atol(names[1])); /* for a debugger */
        made += torture_script(entries, &failed);
    }
    printf("%ld allocations failed, %d of them not cleanly\n", made, failed);
    return failed > 0;
}
