/* cmd_conformance.c - `vireo conformance`: run the program that has the cases
 *
 * It is linked to libvireo.so, which this command is not. */
#include "monkeypatch/cmd.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PROGRAM "vireo-conformance"

int cmd_execute_conformance(char **argv)
{
    /* In the build folder, or installed. */
    static const char *const places[] = {PROGRAM, "../libexec/" PROGRAM};
    char self[PATH_MAX], path[PATH_MAX + 64];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);

    if (length > 0) {
        self[length] = '\0';
        *strrchr(self, '/') = '\0';
        argv[0] = (char *)PROGRAM;
        for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
            snprintf(path, sizeof path, "%s/%s", self, places[i]);
            execv(path, argv);
            if (errno != ENOENT) {
                cmd_say("%s: %s", path, strerror(errno));
                return CMD_CANNOT_RUN;
            }
        }
    }
    cmd_say("%s is not beside this command", PROGRAM);
    return CMD_CANNOT_RUN;
}

int cmd_conformance(char **argv)
{
    /* That is how `vireo gate` asks. */
    for (char **at = argv + 1; *at != NULL; at++)
        if (strncmp(*at, "--gate", strlen("--gate")) == 0) {
            cmd_say("%s: not an option of `vireo conformance`", *at);
            return CMD_USAGE;
        }
    return cmd_execute_conformance(argv);
}
