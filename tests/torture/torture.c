/* torture.c - runs each program once for each allocation that it makes
 *
 * A run is a process of its own.  The n-th allocation fails, and the program ends
 * well or says that there was no memory; then it is run again, with memory: that
 * must go well.  Nothing may be left that one run without failures does not leave,
 * too.  One that hangs is ended by SIGALRM. */
#include "torture.h"

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <vireo/inspect.h>

#include "../left.h"

#define LAST 400
#define HANGS_AFTER 60 /* s */

enum { ENDED = 0, NOT_REACHED = 10, LEFT_SOMETHING, WRONG, WRONG_AFTERWARDS };

/* Of libraries that were built with tests; GREENLET_TEST_ALLOCATION is 0. */
extern long greenlet_test_fail(int fault, long n) __attribute__((weak));

static struct tortured *all;
static long last = LAST; /* VIREO_TEST_TORTURE */
static long now_failing;

void torture_register(struct tortured *entry)
{
    struct tortured **at = &all;

    while (*at != NULL && strcmp((*at)->name, entry->name) < 0)
        at = &(*at)->next;
    entry->next = *at;
    *at = entry;
}

bool is_short(int rc)
{
    return rc == -ENOMEM || rc == -EAGAIN;
}

void must_be(bool condition, const char *text, const char *file, int line)
{
    if (condition)
        return;
    printf("%s:%d: not so: %s\n", file, line, text);
    fflush(stdout);
    _exit(WRONG);
}

/* ---- what is left ---- */

/* Threads and greenlets of the library's come to their ends by themselves. */
static struct left settle(const struct left *allowed)
{
    struct left now = left_now();

    for (int i = 0; i < 500 && left_more(&now, allowed); i++) {
        hub_sleep(10 * MS);
        now = left_now();
    }
    return now;
}

/* ---- one run ---- */


static int run(const struct tortured *entry, long n)
{
    int rc;

    now_failing = n;
    greenlet_test_fail(0, n);
    rc = entry->run();
    now_failing = n - greenlet_test_fail(0, 0);
    if (rc != 0 && !(n != 0 && is_short(rc))) {
        printf("%s, allocation %ld: %s\n", entry->name, n,
               hub_resolver_strerror(rc));
        return n == 0 ? WRONG_AFTERWARDS : WRONG;
    }
    return ENDED;
}

/* What it may leave: as much as when nothing fails. */
static void measure(const struct tortured *entry, int to)
{
    struct left before, after;

    hub_yield();
    before = left_now();
    if (run(entry, 0) != ENDED)
        exit(WRONG);
    after = settle(&before);
    after.greenlets -= before.greenlets;
    after.stacks -= before.stacks;
    after.fds -= before.fds;
    exit(write(to, &after, sizeof after) == sizeof after ? ENDED : WRONG);
}

static void torture_one(const struct tortured *entry, long n,
                        const struct left *leaves)
{
    struct left allowed, now;
    long unreached;
    int rc;

    alarm(HANGS_AFTER);
    hub_yield();
    allowed = left_now();
    allowed.greenlets += leaves->greenlets;
    allowed.stacks += leaves->stacks;
    allowed.fds += leaves->fds;
    rc = run(entry, n);
    unreached = now_failing;
    if (rc == ENDED)
        rc = run(entry, 0);
    now = settle(&allowed);
    if (rc == ENDED && left_more(&now, &allowed)) {
        printf("%s, allocation %ld: left %ld greenlets, %ld stacks, %ld "
               "descriptors more than it may\n",
               entry->name, n, now.greenlets - allowed.greenlets,
               now.stacks - allowed.stacks, now.fds - allowed.fds);
        rc = LEFT_SOMETHING;
    }
    hub_destroy();
    fflush(stdout);
    exit(rc == ENDED && unreached > 0 ? NOT_REACHED : rc);
}

/* ---- all ---- */

static int status_of(pid_t child)
{
    int status;

    if (child < 0 || waitpid(child, &status, 0) != child) {
        perror("fork");
        exit(2);
    }
    return status;
}

static struct left leaves(const struct tortured *entry)
{
    struct left result = { 0, 0, 0 };
    int ends[2], status;
    pid_t child;

    must(pipe(ends) == 0);
    child = fork();
    if (child == 0) {
        alarm(HANGS_AFTER);
        measure(entry, ends[1]);
    }
    status = status_of(child);
    if (status != 0 || read(ends[0], &result, sizeof result) < 1) {
        printf("%s does not run at all: status 0x%x\n", entry->name,
               (unsigned)status);
        exit(2);
    }
    close(ends[0]);
    close(ends[1]);
    return result;
}

/* Returns whether there may be more allocations. */
static bool torture_nth(const struct tortured *entry, long n,
                        const struct left *may_leave, int *failed)
{
    pid_t child = fork();
    int status;

    if (child == 0)
        torture_one(entry, n, may_leave);
    status = status_of(child);
    if (status == ENDED)
        return true;
    if (WIFEXITED(status) && WEXITSTATUS(status) == NOT_REACHED)
        return false;
    printf("%s, allocation %ld: %s %d\n", entry->name, n,
           WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "status",
           WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    fflush(stdout);
    ++*failed;
    return true;
}

static long torture(const struct tortured *entry, int *failed)
{
    struct left may_leave = leaves(entry);
    long n = 1;

    while (n <= last && torture_nth(entry, n, &may_leave, failed))
        n++;
    printf("%-16s %ld%s\n", entry->name, n - 1, n > last ? " and more" : "");
    fflush(stdout);
    return n - 1;
}

/* A child of fork() without memory for its loop ends: it is not what is tortured. */
static void in_child(void)
{
    greenlet_test_fail(0, 0);
}

/* vireo_torture [NAME [N]]: all, one, or one with its N-th failing, in this
 * process, for a debugger. */
int main(int argc, char **argv)
{
    static const struct left anything = { 1000, 1000, 1000 };
    long made = 0;
    int failed = 0;

    if (greenlet_test_fail == NULL) {
        puts("skipped: the library was built without tests");
        return 77;
    }
    setenv("VIREO_MONITOR", "0", 0);
    pthread_atfork(NULL, NULL, in_child); /* before the library does */
    if (getenv("VIREO_TEST_TORTURE") != NULL)
        last = atol(getenv("VIREO_TEST_TORTURE"));
    printf("the first %ld allocations of each\n", last);
    fflush(stdout);
    for (const struct tortured *at = all; at != NULL; at = at->next) {
        if (argc > 1 && strcmp(argv[1], at->name) != 0)
            continue;
        if (argc > 2)
            torture_one(at, atol(argv[2]), &anything);
        made += torture(at, &failed);
    }
    printf("%ld allocations failed, %d of them not cleanly\n", made, failed);
    return failed > 0;
}
