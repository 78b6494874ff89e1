/* cmd_doctor.c - `vireo doctor -- program`: what will work, before it is started
 *
 * Files are read, and the loader is asked which libraries it would load; nothing of
 * the program runs. */
#include "monkeypatch/cmd.h"
#include "monkeypatch/doctor.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const marks[] = { "ok", "note", "warn", "no" };
static int counts[DOCTOR_NO + 1];
bool doctor_some_native;

void doctor_say(enum doctor_mark mark, const char *what, const char *format,
                ...)
{
    va_list list;

    counts[mark]++;
    printf("%-5s %-10s ", marks[mark], what);
    va_start(list, format);
    vprintf(format, list);
    va_end(list);
    putchar('\n');
}

/* What `vireo run` would say of it. */
static void take_line(const char *line)
{
    doctor_say(DOCTOR_NO, "program", "%s", line);
}

static bool has_word(const char *list, const char *word)
{
    size_t length = strlen(word);

    for (;;) {
        if (strncmp(list, word, length) == 0 &&
            (list[length] == ',' || list[length] == '\0'))
            return true;
        list = strchr(list, ',');
        if (list == NULL)
            return false;
        list++;
    }
}

static void look_at_options(void)
{
    const char *patch = getenv("VIREO_PATCH");
    const char *native = getenv("VIREO_NATIVE_THREADS");
    const char *control = getenv("VIREO_CONTROL");
    char library[PATH_MAX];

    if (!cmd_find_library(library))
        doctor_say(DOCTOR_NO, "vireo", "libvireo-preload.so is not beside this "
                                       "command");
    else if (strpbrk(library, " :") != NULL)
        doctor_say(DOCTOR_NO, "vireo", "%s: ld.so cannot preload from a path "
                                       "with a space or colon", library);
    if (patch != NULL && (has_word(patch, "-thread") ||
                          (patch[0] != '-' && patch[0] != '\0' &&
                           !has_word(patch, "thread") &&
                           !has_word(patch, "all"))))
        doctor_say(DOCTOR_NO, "options", "VIREO_PATCH=%s: threads are not among "
                                         "what is replaced", patch);
    if (native != NULL && native[0] != '\0' && strcmp(native, "none") != 0) {
        doctor_say(DOCTOR_NOTE, "options", "VIREO_NATIVE_THREADS=%s: these "
                                           "threads stay the kernel's", native);
        doctor_some_native = true;
    }
    if (control != NULL && strcmp(control, "0") == 0)
        doctor_say(DOCTOR_NOTE, "options", "VIREO_CONTROL=0: ps, dump, stats "
                                           "and top cannot look at it");
}

static const char *base_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash != NULL ? slash + 1 : path;
}

static void look_at_program(const char *path)
{
    const char *program = cmd_inspected();

    if (strcmp(program, path) == 0)
        doctor_say(DOCTOR_OK, "program", "%s", path);
    else
        doctor_say(DOCTOR_OK, "program", "%s, a script for %s", path, program);
    doctor_files(program, cmd_loader());
    if (strncmp(base_of(program), "python", 6) == 0 ||
        strncmp(base_of(program), "pypy", 4) == 0)
        doctor_python(program);
}

static int verdict(int rc)
{
    if (rc != 0 && rc != CMD_NATIVE) {
        puts("\nvireo run would refuse it");
        return rc;
    }
    if (counts[DOCTOR_NO] > 0) {
        puts("\nits threads would stay threads of the kernel");
        return EXIT_FAILURE;
    }
    printf("\nits threads would be greenlets%s; %d warning%s\n",
           doctor_some_native ? ", but for those that stay the kernel's" : "",
           counts[DOCTOR_WARN], counts[DOCTOR_WARN] == 1 ? "" : "s");
    return EXIT_SUCCESS;
}

static int examine(const char *name)
{
    char path[PATH_MAX];
    int rc = cmd_find(name, path);

    if (rc != 0) {
        cmd_say("%s: %s", name, rc == CMD_NOT_FOUND
                    ? "no such program"
                    : "there is no permission to execute it");
        return rc;
    }
    cmd_listener = take_line;
    rc = cmd_inspect(path);
    cmd_listener = NULL;
    if (rc == 0) {
        look_at_program(path);
        look_at_options();
        doctor_machine();
    }
    rc = verdict(rc);
    return fflush(stdout) == 0 ? rc : EXIT_FAILURE;
}

int cmd_doctor(int argc, char **argv)
{
    int first = argc > 1 && strcmp(argv[1], "--") == 0 ? 2 : 1;

    if (first == argc) {
        cmd_say("doctor: no program given; see `vireo --help`");
        return CMD_USAGE;
    }
    if (first == 1 && argv[1][0] == '-') {
        cmd_say("%s: not an option of `vireo doctor`", argv[1]);
        return CMD_USAGE;
    }
    return examine(argv[first]);
}
