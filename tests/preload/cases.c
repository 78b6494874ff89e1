/* cases.c - which programs there are, and which tests they have */
#include "preload.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PREFIX "conformance_"

struct a_case *cases;
int case_count;
static char **wanted;
static int wanted_count;
static bool *wanted_found;

const char *case_title(const struct a_case *one)
{
    static char title[400];

    snprintf(title, sizeof title, "%s%s%s", one->program,
             one->name != NULL ? "/" : "", one->name != NULL ? one->name : "");
    return title;
}

/* ---- executing one ---- */

enum { WORDS_MAX = 32 };

/* The emulator's words, the program. */
static void put_words(char *words[WORDS_MAX], char *path)
{
    int count = 0;
    char *rest = settings.emulator != NULL ? strdup(settings.emulator) : NULL;
    char *word;

    while (count < WORDS_MAX - 2 && (word = strsep(&rest, " ")) != NULL)
        if (*word != '\0')
            words[count++] = word;
    words[count++] = path;
    words[count] = NULL;
}

_Noreturn void request_execute(const struct request *request)
{
    char path[PATH_MAX], limit[24];
    char *words[WORDS_MAX];

    snprintf(path, sizeof path, "%s/" PREFIX "%s", settings.programs,
             request->program);
    put_words(words, path);
    if (chdir(request->folder) != 0)
        dprintf(STDERR_FILENO, "%s: %s\n", request->folder, strerror(errno));
    setenv("TMPDIR", request->folder, 1);
    if (request->question != NULL)
        setenv("CONF_ASK", request->question, 1);
    if (request->name != NULL)
        setenv("CONF_CASE", request->name, 1);
    /* Its own clock comes after ours: for where we are gone. */
    snprintf(limit, sizeof limit, "%ld", settings.timeout + 10);
    setenv("CONF_LIMIT_S", limit, 1);
    if (request->patched) {
        setenv("LD_PRELOAD", settings.library, 1);
        setenv("VIREO_REQUIRE", "1", 1);
        if (request->question != NULL)
            setenv("VIREO_VERBOSE", "2", 1);
    }
    execvp(words[0], words);
    dprintf(STDERR_FILENO, "%s: %s\n", words[0], strerror(errno));
    _exit(127);
}

/* ---- patterns ---- */

/* "sem": a program; "sem/a_post*": of its tests; both are globs. */
static bool is_wanted(const char *program, const char *name)
{
    char title[400];
    bool any = wanted_count == 0;

    snprintf(title, sizeof title, "%s/%s", program, name);
    for (int i = 0; i < wanted_count; i++)
        if (fnmatch(wanted[i], program, 0) == 0 ||
            fnmatch(wanted[i], title, 0) == 0)
            any = wanted_found[i] = true;
    return any;
}

/* Nobody has to be asked what tests it has if no pattern can mean one. */
static bool may_be_wanted(const char *program)
{
    char part[200];

    if (wanted_count == 0)
        return true;
    for (int i = 0; i < wanted_count; i++) {
        snprintf(part, sizeof part, "%.*s", (int)strcspn(wanted[i], "/"),
                 wanted[i]);
        if (fnmatch(part, program, 0) == 0)
            return true;
    }
    return false;
}

/* ---- finding them ---- */

static void add(const char *program, const char *name, int times)
{
    struct a_case *more =
        realloc(cases, (size_t)(case_count + 1) * sizeof *cases);

    if (more == NULL) {
        say("no memory");
        exit(CANNOT_RUN);
    }
    cases = more;
    cases[case_count++] = (struct a_case){
        strdup(program), name != NULL ? strdup(name) : NULL, times, NULL};
}

/* Said in place of some or all cases: that is one without a name. */
static bool is_skip(const char *line)
{
    return strncmp(line, "skipped: ", 9) == 0;
}

/* Lines "name times". */
static bool take_cases(const char *program, char *text)
{
    char name[200], *line;
    int times;

    while ((line = strsep(&text, "\n")) != NULL) {
        if (*line == '\0' || is_skip(line))
            continue;
        if (sscanf(line, "%199s %d", name, &times) != 2 || times < 1)
            return false;
        if (is_wanted(program, name))
            add(program, name, times);
    }
    return true;
}

static void ask(const char *program)
{
    static struct run run;
    const struct request request = {
        .program = program, .question = "cases", .folder = settings.folder};
    int before = case_count;

    if (!may_be_wanted(program) ||
        !run_program(&request, settings.timeout, &run))
        return;
    if (run_passed(&run) && run.cut == 0 && take_cases(program, run.text)) {
        if (run.skips == 0)
            return;
    } else {
        case_count = before;
    }
    if (is_wanted(program, ""))
        add(program, NULL, 1);
}

static int is_program(const struct dirent *entry)
{
    return strncmp(entry->d_name, PREFIX, strlen(PREFIX)) == 0 &&
           strchr(entry->d_name, '.') == NULL;
}

bool cases_find(char **patterns, int count)
{
    struct dirent **found;
    int programs = scandir(settings.programs, &found, is_program, alphasort);

    if (programs <= 0) {
        say("%s: %s", settings.programs,
            programs < 0 ? strerror(errno) : "no programs of conformance");
        return false;
    }
    wanted = patterns;
    wanted_count = count;
    wanted_found = calloc((size_t)count + 1, sizeof *wanted_found);
    for (int i = 0; i < programs && wanted_found != NULL; i++) {
        if (stopped_by == 0)
            ask(found[i]->d_name + strlen(PREFIX));
        free(found[i]);
    }
    free(found);
    return true;
}

const char *cases_not_found(void)
{
    for (int i = 0; i < wanted_count; i++)
        if (!wanted_found[i])
            return wanted[i];
    return NULL;
}
