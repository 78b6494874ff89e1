/* report.c - TAP 13: the machine, a line for each case, the sum */
#include "preload.h"

#include <stdlib.h>
#include <string.h>

extern char **environ;

static int counts[UNKNOWN + 1];

static void put_lines(const char *mark, const struct run *run)
{
    const char *at = run->text;

    while (*at != '\0') {
        int length = (int)strcspn(at, "\n");

        printf("# %s| %.*s\n", mark, length, at);
        if (run->cut > 0 && at <= run->text + HEAD &&
            at + length >= run->text + HEAD)
            printf("# %s| (%zu bytes are left out here)\n", mark, run->cut);
        at += length + (at[length] == '\n');
    }
}

static void put_run(const char *mark, const struct run *run)
{
    char told[100];

    printf("# %s: %s, %ld ms", mark, run_told(run, told), run->milliseconds);
    if (run->left > 0)
        printf(", %d processes were left and killed", run->left);
    if (run->stalled > 0)
        printf(", the machine stood still for %ld ms", run->stalled);
    putchar('\n');
    put_lines(mark, run);
}

/* ---- the head ---- */

static void put_options(void)
{
    const char *before = "# options: ";

    for (char **at = environ; *at != NULL; at++)
        if (strncmp(*at, "VIREO_", 6) == 0 &&
            strncmp(*at, "VIREO_CONTROL=", 14) != 0) {
            printf("%s%s", before, *at);
            before = " ";
        }
    if (*before == ' ')
        putchar('\n');
}

void report_begin(void)
{
    const struct machine *machine = &surroundings.machine;
    char features[200];

    machine_features(machine, features, sizeof features);
    printf("# architecture %s, kernel %s, libc %s, features: %s\n",
           machine->architecture, machine->kernel, machine->libc, features);
    printf("# fall-backs in force: %s%s%s\n", surroundings.fallbacks,
           surroundings.interrupted ? "" : "; no preemption",
           surroundings.emulated ? "; emulated by qemu-user" : "");
    printf("# Vireo " VIREO_VERSION ", %s\n", settings.library);
    put_options();
    printf("1..%d\n", case_count);
}

/* ---- a case ---- */

static void put_parts(const char *mark, const struct run *run)
{
    if (run->skips > 0)
        printf("# %s, in part: skipped: %s\n", mark, run->reason);
}

void report_case(int number, const struct a_case *one)
{
    const struct verdict *verdict = one->verdict;
    enum outcome outcome = verdict->outcome;

    counts[outcome]++;
    printf("%s %d - %s",
           outcome == FAILED || outcome == UNKNOWN ? "not ok" : "ok", number,
           case_title(one));
    if (outcome == SKIPPED)
        printf(" # SKIP %s", verdict->reason);
    else if (outcome == UNKNOWN)
        printf(" (fails without Vireo, too: no verdict)");
    putchar('\n');
    if (verdict->again && outcome != UNKNOWN)
        printf("# native: failed at first, and passed when run again\n");
    if (outcome == FAILED || outcome == UNKNOWN || settings.verbose) {
        put_run("native", &verdict->native);
        if (verdict->was_patched)
            put_run("preloaded", &verdict->patched);
        if (outcome == FAILED)
            printf("# preloaded: run again, it %s\n",
                   verdict->passes_again ? "passes" : "fails again");
    } else if (outcome == PASSED) {
        put_parts("native", &verdict->native);
        put_parts("preloaded", &verdict->patched);
    }
}

/* ---- the sum ---- */

static void put_names(enum outcome outcome, const char *head)
{
    if (counts[outcome] == 0)
        return;
    printf("# %s:\n", head);
    for (int i = 0; i < case_count; i++)
        if (cases[i].verdict != NULL && cases[i].verdict->outcome == outcome)
            printf("#   %s\n", case_title(&cases[i]));
}

int report_end(void)
{
    put_names(UNKNOWN, "fail without Vireo, too");
    put_names(FAILED, "pass natively and fail preloaded");
    printf("%d passed, %d failed", counts[PASSED], counts[FAILED]);
    if (counts[SKIPPED] > 0)
        printf(", %d skipped", counts[SKIPPED]);
    if (counts[UNKNOWN] > 0)
        printf(", %d without a verdict", counts[UNKNOWN]);
    putchar('\n');
    if (counts[FAILED] > 0)
        return SOME_FAILED;
    return counts[UNKNOWN] > 0 ? NATIVE_FAILED : ALL_PASSED;
}
