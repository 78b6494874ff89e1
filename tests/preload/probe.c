/* probe.c - what is under the cases, and whether they can run at all
 *
 * This program may be linked statically, against another libc than the one that
 * is tried: one of the programs is asked, as it is and preloaded. */
#include "preload.h"

#include <string.h>

struct surroundings surroundings = {.interrupted = true};

/* The rest of the line behind `key`; "" if there is none. */
static void find(const char *text, const char *key, char *value, size_t size)
{
    const char *at = strstr(text, key);

    value[0] = '\0';
    if (at != NULL) {
        at += strlen(key);
        snprintf(value, size, "%.*s", (int)strcspn(at, "\n"), at);
    }
}

static int bail_out(const char *what, const struct run *run, int status)
{
    char told[100];

    printf("Bail out! %s: %s\n", what, run_told(run, told));
    for (const char *at = run->text; *at != '\0';) {
        int length = (int)strcspn(at, "\n");

        printf("# %.*s\n", length, at);
        at += length + (at[length] == '\n');
    }
    return status;
}

int probe(void)
{
    static struct run run;
    struct request request = {.program = cases[0].program,
                              .question = "machine",
                              .folder = settings.folder};
    char emulated[8];

    machine_look(&surroundings.machine);
    run_program(&request, settings.timeout, &run);
    if (!run_passed(&run))
        return bail_out("the programs do not start here, without Vireo", &run,
                        NATIVE_FAILED);
    find(run.text, "libc ", surroundings.machine.libc,
         sizeof surroundings.machine.libc);
    find(run.text, "emulated ", emulated, sizeof emulated);
    surroundings.emulated = strcmp(emulated, "0") != 0;
    request.patched = true;
    run_program(&request, settings.timeout, &run);
    if (!run_passed(&run) || strstr(run.text, "vireo: runs") == NULL)
        return bail_out("threads cannot be mapped here", &run, SOME_FAILED);
    find(run.text, "fall-backs: ", surroundings.fallbacks,
         sizeof surroundings.fallbacks);
    surroundings.interrupted =
        strstr(run.text, "are not interrupted here") == NULL;
    return ALL_PASSED;
}
