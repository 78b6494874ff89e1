/* main.c - vireo-conformance-preload: does the preload library keep to Linux?
 *
 * It needs no compiler, no source, no network and no rights; it writes below a
 * folder of its own alone. */
#include "preload.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char usage[] =
    "usage: vireo conformance --preload [options] [PATTERN...]\n"
    "\n"
    "runs programs that say what libc and Linux do, each of their cases in a\n"
    "process of its own, natively and with libvireo-preload.so, and prints\n"
    "TAP, what the machine has, what differed, and `N passed, M failed`.\n"
    "\n"
    "  PATTERN        run only these: a program (sem), a case (sem/counts),\n"
    "                 or a glob of either ('pthread_*', 'sem*/*time*')\n"
    "  --only=LIST    the same, separated by commas\n"
    "  --list         print the cases and run none\n"
    "  -j, --jobs=N   run N cases at a time (1)\n"
    "  --timeout=S    a run may take S seconds (60; under qemu-user 240)\n"
    "  -v, --verbose  print of all cases how both runs ended, and what they\n"
    "                 wrote\n"
    "  --library=FILES\n"
    "                 preload these, separated by colons, instead of\n"
    "                 libvireo-preload.so of this installation\n"
    "  --emulator=COMMAND\n"
    "                 words in front of each program, as qemu-aarch64-static\n"
    "                 for those of another architecture\n"
    "\n"
    "The exit status is 0; 1 if a case passes natively and not preloaded; 3 "
    "if\n"
    "none does so, and some fail natively, too, so that there is no verdict;\n"
    "2 for a wrong command line, 126 if this cannot be run.\n";

enum { TIMEOUT_S = 60, EMULATED = 4, PATTERNS_MAX = 256 };

struct settings settings = {.jobs = 1, .timeout = TIMEOUT_S};
static char *patterns[PATTERNS_MAX];
static int pattern_count;

void say(const char *format, ...)
{
    va_list list;

    fputs("vireo: ", stderr);
    va_start(list, format);
    vfprintf(stderr, format, list);
    va_end(list);
    fputc('\n', stderr);
}

/* ---- the command line ---- */

static int refuse(const char *what, const char *why)
{
    say("%s%s; see `vireo conformance --preload --help`", what, why);
    return USAGE;
}

static bool number_of(const char *text, long most, long *number)
{
    char *end;

    errno = 0;
    *number = strtol(text, &end, 10);
    return *text >= '0' && *text <= '9' && *end == '\0' && errno == 0 &&
           *number >= 1 && *number <= most;
}

static bool add_patterns(char *list)
{
    char *one;

    while ((one = strsep(&list, ",")) != NULL) {
        if (*one == '\0' || pattern_count == PATTERNS_MAX)
            return false;
        patterns[pattern_count++] = one;
    }
    return true;
}

static const struct option options[] = {
    {"list", no_argument, NULL, 'l'},
    {"only", required_argument, NULL, 'o'},
    {"jobs", required_argument, NULL, 'j'},
    {"timeout", required_argument, NULL, 't'},
    {"verbose", no_argument, NULL, 'v'},
    {"library", required_argument, NULL, 'L'},
    {"programs", required_argument, NULL, 'P'}, /* `vireo` says this */
    {"emulator", required_argument, NULL, 'e'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

/* Returns -1 to go on, or an exit status. */
static int take(int option, char *word)
{
    switch (option) {
    case 'l':
        settings.list = true;
        return -1;
    case 'v':
        settings.verbose = true;
        return -1;
    case 'o':
        return add_patterns(optarg) ? -1 : refuse("--only", " needs names");
    case 'j':
        return number_of(optarg, 64, &settings.jobs)
                   ? -1
                   : refuse("--jobs", " takes a number from 1 to 64");
    case 't':
        settings.timeout_given = true;
        return number_of(optarg, 86400, &settings.timeout)
                   ? -1
                   : refuse("--timeout", " takes a number of seconds");
    case 'L':
        settings.library = optarg;
        return -1;
    case 'P':
        settings.programs = optarg;
        return -1;
    case 'e':
        settings.emulator = optarg;
        return -1;
    case ':':
        return refuse(word, " needs a value");
    default:
        return refuse(word, ": not an option of `vireo conformance --preload`");
    }
}

/* Each of the list is a file that can be read, or has no folder: ld.so looks.
 */
static const char *library_missing(void)
{
    static char path[4096];

    for (const char *at = settings.library; *at != '\0';) {
        int length = (int)strcspn(at, ":");

        snprintf(path, sizeof path, "%.*s", length, at);
        if (strchr(path, '/') != NULL && access(path, R_OK) != 0)
            return path;
        at += length + (at[length] == ':');
    }
    return NULL;
}

static int parse(int argc, char **argv)
{
    int option, status = -1;

    opterr = 0;
    while (status < 0 &&
           (option = getopt_long(argc, argv, ":hvj:", options, NULL)) != -1) {
        char *word = argv[optind - 1];

        if (option == 'h') {
            fputs(usage, stdout);
            return ALL_PASSED;
        }
        status = take(option, word);
    }
    for (int i = optind; i < argc && status < 0; i++)
        if (!add_patterns(argv[i]))
            status = refuse(argv[i], ": not a pattern");
    if (status < 0 && (settings.programs == NULL || settings.library == NULL))
        return refuse("", "vireo-conformance-preload is run by `vireo`");
    if (status < 0 && library_missing() != NULL)
        return refuse(library_missing(), ": no such library");
    return status;
}

/* ---- the environment of the programs ---- */

/* What would change what a program runs, or whether it is preloaded. */
static bool is_ours(const char *variable)
{
    static const char *const begin[] = {"CK_", "CONF_",
                                        "LD_PRELOAD=", "VIREO_REQUIRE="};

    for (size_t i = 0; i < sizeof begin / sizeof *begin; i++)
        if (strncmp(variable, begin[i], strlen(begin[i])) == 0)
            return true;
    return false;
}

static void prepare_environment(void)
{
    for (char **at = environ; *at != NULL;) {
        char name[64];

        if (!is_ours(*at)) {
            at++;
            continue;
        }
        snprintf(name, sizeof name, "%.*s", (int)strcspn(*at, "="), *at);
        if (unsetenv(name) != 0)
            at++; /* a name that is none */
        else
            at = environ;
    }
    setenv("CK_FORK", "no", 1);
}

/* The sockets of the preloaded programs are among what is removed. */
static bool make_folder(void)
{
    const char *places[] = {getenv("TMPDIR"), "/tmp", "/var/tmp", "/dev/shm"};
    char control[sizeof settings.folder + 16];

    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        if (places[i] == NULL || places[i][0] != '/' ||
            strlen(places[i]) > sizeof settings.folder - 40)
            continue;
        snprintf(settings.folder, sizeof settings.folder,
                 "%s/vireo-conformance-XXXXXX", places[i]);
        if (mkdtemp(settings.folder) == NULL)
            continue;
        chmod(settings.folder, 0711); /* some of the programs become others */
        snprintf(control, sizeof control, "%s/control", settings.folder);
        setenv("VIREO_CONTROL", control, 0);
        return true;
    }
    say("no folder can be made in $TMPDIR, /tmp, /var/tmp or /dev/shm");
    return false;
}

/* ---- all ---- */

static int list_all(void)
{
    for (int i = 0; i < case_count; i++)
        puts(case_title(&cases[i]));
    return ALL_PASSED;
}

static int run_all(int *signal_number)
{
    int status;

    puts("TAP version 13");
    status = probe();
    if (status != ALL_PASSED)
        return status;
    if (surroundings.emulated && !settings.timeout_given)
        settings.timeout *= EMULATED;
    report_begin();
    *signal_number = jobs_run();
    if (*signal_number != 0)
        return SOME_FAILED;
    return report_end();
}

static int obey(int *signal_number)
{
    const char *missing;

    if (!cases_find(patterns, pattern_count))
        return CANNOT_RUN;
    *signal_number = stopped_by;
    if (stopped_by != 0)
        return SOME_FAILED;
    missing = cases_not_found();
    if (missing != NULL)
        return refuse(missing, ": no such case");
    return settings.list ? list_all() : run_all(signal_number);
}

/* As if the signal had found no handler. */
static void end_by(int number)
{
    sigset_t all;

    signal(number, SIG_DFL);
    sigemptyset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    raise(number);
}

int main(int argc, char **argv)
{
    int status = parse(argc, argv), number = 0;

    if (status < 0) {
        prepare_environment();
        if (!make_folder())
            return CANNOT_RUN;
        run_prepare(false);
        signal(SIGPIPE, SIG_IGN); /* the folder is to be removed */
        status = obey(&number);
        remove_folder(settings.folder);
    }
    if (number > 0)
        end_by(number);
    /* Who cannot hear "passed" must not be told so by the status. */
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    say("cannot write on standard output");
    return status == ALL_PASSED ? SOME_FAILED : status;
}
