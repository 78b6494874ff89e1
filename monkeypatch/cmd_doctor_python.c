/* cmd_doctor_python.c - the greenlet module that an interpreter of Python would load
 *
 * Vireo gives Python threads, not greenlets; async views in those of upstream are
 * safe if the module was built with context variables, of which its file tells
 * (foreign_greenlet.c asks the module itself, once it is loaded). */
#include "monkeypatch/doctor.h"

#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static bool file_has(const char *path, const char *text)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    bool found = false;

    if (fd >= 0 && fstat(fd, &st) == 0 && st.st_size > 0) {
        size_t size = (size_t)st.st_size;
        void *bytes = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);

        if (bytes != MAP_FAILED) {
            found = memmem(bytes, size, text, strlen(text)) != NULL;
            munmap(bytes, size);
        }
    }
    if (fd >= 0)
        close(fd);
    return found;
}

/* The first in that folder of modules; false: there is none. */
static bool look_in(const char *folder)
{
    static const char *const names[] = { "greenlet/_greenlet*.so",
                                         "greenlet.cpython*.so",
                                         "greenlet.so" };
    char pattern[PATH_MAX + 64];
    glob_t found;
    bool any = false;

    for (size_t i = 0; i < sizeof names / sizeof *names && !any; i++) {
        snprintf(pattern, sizeof pattern, "%s/%s", folder, names[i]);
        if (glob(pattern, 0, NULL, &found) != 0)
            continue;
        any = true;
        if (file_has(found.gl_pathv[0], "GREENLET_USE_CONTEXT_VARS"))
            doctor_say(DOCTOR_OK, "greenlet", "%s has context variables",
                       found.gl_pathv[0]);
        else
            doctor_say(DOCTOR_WARN, "greenlet",
                       "%s has no context variables: async views in its "
                       "greenlets would share them", found.gl_pathv[0]);
        globfree(&found);
    }
    return any;
}

static bool look_below(const char *prefix)
{
    static const char *const parts[] = { "lib/python3*/site-packages",
                                         "lib/python3*/dist-packages",
                                         "lib/python3/dist-packages" };
    char pattern[PATH_MAX + 64];
    glob_t found;
    bool any = false;

    for (size_t i = 0; i < sizeof parts / sizeof *parts && !any; i++) {
        snprintf(pattern, sizeof pattern, "%s/%s", prefix, parts[i]);
        if (glob(pattern, 0, NULL, &found) != 0)
            continue;
        for (size_t j = 0; j < found.gl_pathc && !any; j++)
            any = look_in(found.gl_pathv[j]);
        globfree(&found);
    }
    return any;
}

/* A link to the system's, in a virtual environment, is meant as it is. */
static bool look_around(const char *program)
{
    char prefix[PATH_MAX];

    snprintf(prefix, sizeof prefix, "%s", program);
    for (int i = 0; i < 2; i++) {
        char *slash = strrchr(prefix, '/');

        if (slash == NULL)
            return false;
        *slash = '\0';
    }
    return look_below(prefix);
}

void doctor_python(const char *program)
{
    char *folders = getenv("PYTHONPATH"), *rest, *folder;
    const char *environment = getenv("VIRTUAL_ENV");
    char real[PATH_MAX];
    bool found = false;

    folders = rest = folders != NULL ? strdup(folders) : NULL;
    while (rest != NULL && !found && (folder = strsep(&rest, ":")) != NULL)
        found = look_in(folder);
    free(folders);
    if (!found && environment != NULL)
        found = look_below(environment);
    if (!found)
        found = look_around(program);
    if (!found && realpath(program, real) != NULL && strcmp(real, program) != 0)
        found = look_around(real);
    if (!found)
        doctor_say(DOCTOR_OK, "greenlet", "no greenlet module was found");
}
