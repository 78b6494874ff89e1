/* judge.c - one case as it is and preloaded, and what follows from it */
#include "preload.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define PREEMPTS \
    "preempt_" /* programs that rest on threads being interrupted */

enum { TRIES_MAX = 4 };

/* Each run has a folder of its own. */
static bool try_one(const struct a_case *one, const char *folder, bool patched,
                    struct run *run)
{
    const struct request request = {
        .program = one->program,
        .name = one->name,
        .question = one->name != NULL ? NULL : "cases",
        .folder = folder,
        .patched = patched,
    };
    bool goes_on = true;

    /* What failed while the machine stood still says nothing. */
    for (int tries = 0; tries < TRIES_MAX && goes_on; tries++) {
        mkdir(folder, 0711);
        goes_on = run_program(&request, settings.timeout, run);
        remove_folder(folder);
        if (run_passed(run) || run->stalled == 0)
            break;
    }
    return goes_on;
}

static bool needs_what_is_missing(const struct a_case *one)
{
    return !surroundings.interrupted &&
           strncmp(one->program, PREEMPTS, strlen(PREEMPTS)) == 0;
}

static void skip(struct verdict *verdict, const char *who, const char *why)
{
    verdict->outcome = SKIPPED;
    snprintf(verdict->reason, sizeof verdict->reason, "%s%s", who, why);
}

static void compare(const struct a_case *one, struct verdict *verdict)
{
    const struct run *native = &verdict->native, *patched = &verdict->patched;

    if (!run_passed(native) || (one->name == NULL && native->skips == 0))
        verdict->outcome = UNKNOWN;
    else if (one->name == NULL)
        skip(verdict, "", native->reason);
    else if (!verdict->was_patched)
        skip(verdict, "", "threads that compute are not interrupted here");
    else if (!run_passed(patched))
        verdict->outcome = FAILED;
    else if (native->skips >= one->times)
        skip(verdict, "", native->reason);
    else if (patched->skips >= one->times)
        skip(verdict, "preloaded alone: ", patched->reason);
}

/* The native run is the oracle: where it fails, that is no verdict on Vireo. It
 * may try twice (in qemu-user the child of a fork() among threads now and then
 * waits for ever for a lock of qemu's own).  What fails preloaded has failed:
 * that it passes the next time is told, and changes nothing. */
void judge(const struct a_case *one, const char *folder,
           struct verdict *verdict)
{
    memset(verdict, 0, sizeof *verdict);
    if (!try_one(one, folder, false, &verdict->native))
        return;
    if (!run_passed(&verdict->native)) {
        verdict->again = true;
        if (!try_one(one, folder, false, &verdict->native))
            return;
    }
    if (one->name != NULL && !needs_what_is_missing(one)) {
        verdict->was_patched = true;
        if (!try_one(one, folder, true, &verdict->patched))
            return;
    }
    compare(one, verdict);
    if (verdict->outcome == FAILED) {
        static struct run more;

        try_one(one, folder, true, &more);
        verdict->passes_again = run_passed(&more);
    }
}
