/* cmd_run.c - `vireo run`: options become environment, then exec
 *
 * No process of ours stays: exit status, signals and the place in the process
 * tree are the program's own. */
#include "monkeypatch/cmd.h"

#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The name that an installation without headers has too. */
#define LIBRARY "libvireo-preload.so." VIREO_SOVERSION

/* ---- values: what the library would not take is refused here ---- */

static bool is_size(const char *text)
{
    unsigned long long value;
    char *end;

    if (strcmp(text, "native") == 0)
        return true;
    if (*text < '0' || *text > '9')
        return false;
    errno = 0;
    value = strtoull(text, &end, 10);
    if (errno != 0 || value > 1ull << 32)
        return false;
    if (*end == 'K' || *end == 'k')
        value <<= 10, end++;
    else if (*end == 'M' || *end == 'm')
        value <<= 20, end++;
    return *end == '\0' && value >= 16 * 1024 && value <= 1ull << 32;
}

static bool is_group(const char *text, size_t length)
{
    static const char *const groups[] = {
        "file", "socket", "poll", "time", "dns", "thread",
        "sync", "process", "signal", "stdio", "all",
    };
    size_t i;

    for (i = 0; i < sizeof groups / sizeof *groups; i++)
        if (strlen(groups[i]) == length &&
            memcmp(groups[i], text, length) == 0)
            return true;
    return false;
}

static bool is_list(const char *text)
{
    for (;;) {
        size_t length = strcspn(text, ","), minus = *text == '-';

        if (length <= minus || !is_group(text + minus, length - minus))
            return false;
        text += length;
        if (*text++ == '\0')
            return true;
    }
}

static bool is_level(const char *text)
{
    return *text >= '0' && *text <= '3' && text[1] == '\0';
}

static bool is_files(const char *text)
{
    return strcmp(text, "direct") == 0 || strcmp(text, "reads") == 0 ||
           strcmp(text, "pool") == 0;
}

/* The library says what is wrong with it, and goes on with one: the program runs. */
static bool is_anything(const char *text)
{
    (void)text;
    return true;
}

static bool is_globs(const char *text)
{
    while (*text != '\0') {
        size_t length = strcspn(text, ",");

        if (length > 255)
            return false;
        text += length;
        text += *text == ',';
    }
    return true;
}

/* ---- options ---- */

static const struct {
    const char *variable;
    bool (*good)(const char *);
    const char *values;
} options[] = {
    {"VIREO_STACK", is_size, "16K to 4096M, or `native`"},
    {"VIREO_PATCH", is_list, "a list of groups, see `vireo --help`"},
    {"VIREO_VERBOSE", is_level, "0 to 3"},
    {"VIREO_STATS", NULL, NULL},
    {"VIREO_REQUIRE", NULL, NULL},
    {"VIREO_FILES", is_files, "`direct`, `reads` or `pool`"},
    {"VIREO_NATIVE_THREADS", is_globs, "globs of at most 255 bytes each"},
    {"VIREO_HUBS", is_anything, NULL},
};

static const struct option long_options[] = {
    {"stack", required_argument, NULL, 0},
    {"patch", required_argument, NULL, 1},
    {"verbose", required_argument, NULL, 2},
    {"stats", no_argument, NULL, 3},
    {"require", no_argument, NULL, 4},
    {"files", required_argument, NULL, 5},
    {"native-threads", required_argument, NULL, 6},
    {"hubs", required_argument, NULL, 7},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

/* Returns 0 with the environment set and optind at the program, or an exit
 * status. */
static int parse(int argc, char **argv)
{
    int option;

    opterr = 0; /* the messages are ours, in one form */
    while ((option = getopt_long(argc, argv, "+:", long_options, NULL)) != -1) {
        if (option == ':') {
            cmd_say("%s needs a value", argv[optind - 1]);
            return CMD_USAGE;
        }
        if (option == 'h')
            exit(cmd_help());
        if (option == '?') {
            cmd_say("%s: not an option of `vireo run`; see `vireo --help`",
                    argv[optind - 1]);
            return CMD_USAGE;
        }
        if (options[option].good == NULL) {
            setenv(options[option].variable, "1", 1);
            continue;
        }
        if (!options[option].good(optarg)) {
            cmd_say("--%s=%s: must be %s", long_options[option].name, optarg,
                    options[option].values);
            return CMD_USAGE;
        }
        setenv(options[option].variable, optarg, 1);
    }
    if (optind == argc) {
        cmd_say("no program given; see `vireo --help`");
        return CMD_USAGE;
    }
    return 0;
}

/* ---- the library ---- */

/* Beside this command: in the build folder, or installed. */
bool cmd_find_library(char path[PATH_MAX])
{
    static const char *const places[] = {
        "../lib",
#if defined(__x86_64__)
        "../lib/x86_64-linux-gnu",
#elif defined(__aarch64__)
        "../lib/aarch64-linux-gnu",
#endif
        "../lib64",
        ".",
    };
    char self[PATH_MAX], candidate[PATH_MAX + 64];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    size_t i;

    if (length < 0)
        return false;
    self[length] = '\0';
    *strrchr(self, '/') = '\0';
    for (i = 0; i < sizeof places / sizeof *places; i++) {
        snprintf(candidate, sizeof candidate, "%s/%s", self, places[i]);
        if (realpath(candidate, path) == NULL ||
            strlen(path) + sizeof "/" LIBRARY > PATH_MAX)
            continue;
        strcat(path, "/" LIBRARY);
        if (access(path, R_OK) == 0)
            return true;
    }
    return false;
}

/* In front of what is to be preloaded already. */
static int set_preload(void)
{
    char library[PATH_MAX];
    const char *others = getenv("LD_PRELOAD");
    char *all;

    if (!cmd_find_library(library)) {
        cmd_say("%s is not beside this command", LIBRARY);
        return CMD_CANNOT_RUN;
    }
    if (strpbrk(library, " :") != NULL) {
        cmd_say("%s: ld.so cannot preload from a path with a space or colon",
                library);
        return CMD_CANNOT_RUN;
    }
    if (others == NULL)
        others = "";
    if (asprintf(&all, "%s%s%s", library, *others != '\0' ? ":" : "", others) <
            0 || setenv("LD_PRELOAD", all, 1) < 0) {
        cmd_say("no memory");
        return CMD_CANNOT_RUN;
    }
    free(all);
    return 0;
}

int cmd_run(int argc, char **argv)
{
    char path[PATH_MAX];
    int rc = parse(argc, argv);

    if (rc != 0)
        return rc;
    argv += optind;
    rc = cmd_find(argv[0], path);
    if (rc != 0) {
        cmd_say("%s: %s", argv[0], rc == CMD_NOT_FOUND
                    ? "no such program"
                    : "there is no permission to execute it");
        return rc;
    }
    rc = cmd_inspect(path);
    if (rc == 0)
        rc = set_preload();
    if (rc != 0 && rc != CMD_NATIVE)
        return rc;
    execv(path, argv);
    cmd_say("%s: %s", path, strerror(errno));
    return errno == ENOENT ? CMD_NOT_FOUND : CMD_CANNOT_RUN;
}
