/* cmd_conformance.c - `vireo conformance`: run the program that has the cases
 *
 * That of the greenlets is linked to libvireo.so, which this command is not.
 * That of --preload runs the programs of a folder with a library, and is told
 * where they are. */
#include "monkeypatch/cmd.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PROGRAM         "vireo-conformance"
#define PRELOAD_PROGRAM "vireo-conformance-preload"

/* The first of the places beside this command that is there.  Each is of the
 * build folder, or installed. */
static bool find_beside(const char *const places[2], char path[PATH_MAX])
{
    char self[PATH_MAX], candidate[PATH_MAX + 64];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);

    if (length < 0)
        return false;
    self[length] = '\0';
    *strrchr(self, '/') = '\0';
    for (int i = 0; i < 2; i++) {
        snprintf(candidate, sizeof candidate, "%s/%s", self, places[i]);
        if (realpath(candidate, path) != NULL)
            return true;
    }
    return false;
}

static int execute(const char *const places[2], char **argv)
{
    char path[PATH_MAX];

    if (!find_beside(places, path)) {
        cmd_say("%s is not beside this command", places[0]);
        return CMD_CANNOT_RUN;
    }
    argv[0] = (char *)places[0];
    execv(path, argv);
    cmd_say("%s: %s", path, strerror(errno));
    return CMD_CANNOT_RUN;
}

int cmd_execute_conformance(char **argv)
{
    static const char *const places[] = {PROGRAM, "../libexec/" PROGRAM};

    return execute(places, argv);
}

/* ---- --preload ---- */

enum { WORDS_MAX = 32 }; /* of an emulator */

static const char emulated_by[] = "--emulator";

static bool is_preload(const char *argument)
{
    return strcmp(argument, "--preload") == 0;
}

/* Where a program of this architecture needs one, the runner does, too. */
static const char *emulator_among(char **argv)
{
    const size_t length = sizeof emulated_by - 1;

    for (char **at = argv + 1; *at != NULL; at++)
        if (strncmp(*at, emulated_by, length) == 0) {
            if ((*at)[length] == '=')
                return *at + length + 1;
            if ((*at)[length] == '\0' && at[1] != NULL)
                return at[1];
        }
    return NULL;
}

static int put_words(char **all, const char *words)
{
    char *rest = words != NULL ? strdup(words) : NULL, *word;
    int put = 0;

    while (put < WORDS_MAX && (word = strsep(&rest, " ")) != NULL)
        if (*word != '\0')
            all[put++] = word;
    return put;
}

static int start_runner(char **argv, int count, const char *library,
                        const char *programs)
{
    static const char *const runners[] = {PRELOAD_PROGRAM,
                                          "../libexec/" PRELOAD_PROGRAM};
    char **all = calloc((size_t)count + WORDS_MAX + 4, sizeof *all);
    char runner[PATH_MAX];
    int put;

    if (!find_beside(runners, runner)) {
        cmd_say("%s is not beside this command", PRELOAD_PROGRAM);
        return CMD_CANNOT_RUN;
    }
    if (all == NULL) {
        cmd_say("no memory");
        return CMD_CANNOT_RUN;
    }
    put = put_words(all, emulator_among(argv));
    all[put++] = runner;
    /* The user's options come behind ours. */
    if (asprintf(&all[put++], "--library=%s", library) < 0 ||
        asprintf(&all[put++], "--programs=%s", programs) < 0) {
        cmd_say("no memory");
        return CMD_CANNOT_RUN;
    }
    for (int i = 1; i < count; i++)
        if (!is_preload(argv[i]))
            all[put++] = argv[i];
    execvp(all[0], all);
    cmd_say("%s: %s", all[0], strerror(errno));
    return CMD_CANNOT_RUN;
}

static int run_preload(char **argv, int count)
{
    static const char *const folders[] = {"../tests/conformance",
                                          "../libexec/vireo/conformance"};
    char library[PATH_MAX], programs[PATH_MAX];

    if (!cmd_find_library(library)) {
        cmd_say("libvireo-preload.so is not beside this command");
        return CMD_CANNOT_RUN;
    }
    if (strpbrk(library, " :") != NULL) {
        cmd_say("%s: ld.so cannot preload from a path with a space or colon",
                library);
        return CMD_CANNOT_RUN;
    }
    if (!find_beside(folders, programs)) {
        cmd_say("the programs of conformance are not beside this command");
        return CMD_CANNOT_RUN;
    }
    return start_runner(argv, count, library, programs);
}

int cmd_conformance(char **argv)
{
    int count = 0;
    bool preload = false;

    /* That is how `vireo gate` asks. */
    for (; argv[count] != NULL; count++)
        if (count > 0 &&
            strncmp(argv[count], "--gate", strlen("--gate")) == 0) {
            cmd_say("%s: not an option of `vireo conformance`", argv[count]);
            return CMD_USAGE;
        } else {
            preload |= is_preload(argv[count]);
        }
    return preload ? run_preload(argv, count) : cmd_execute_conformance(argv);
}
