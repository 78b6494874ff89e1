/* vireo.c - the `vireo` command: which of its commands is meant */
#include "monkeypatch/cmd.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: vireo run [options] [--] program [argument...]\n"
    "       vireo conformance [--list] [--only=G-xxx[,G-xxx...]] [--json]\n"
    "       vireo conformance --preload [options] [PATTERN...]\n"
    "       vireo gate REQUIREMENT\n"
    "       vireo console PATH [COMMAND [ARGUMENT...]]\n"
    "       vireo ps [PID] | dump PID | stats [--json] PID | top [--once] [PID]\n"
    "       vireo doctor [--] program [argument...]\n"
    "       vireo --version | --help\n"
    "\n"
    "run runs a threaded program with its threads mapped onto greenlets.\n"
    "\n"
    "  --stack=SIZE     stacks of threads that ask for no size: bytes, with K\n"
    "                   or M, or `native` for the size they would get\n"
    "  --patch=LIST     groups of functions to replace: file, socket, poll,\n"
    "                   time, dns, thread, sync, process, signal, stdio, all;\n"
    "                   `-group` turns one off\n"
    "  --files=WHICH    which calls on files run on helpers: `direct` (none),\n"
    "                   `reads` of what is not in memory (the default), `pool`\n"
    "                   (all that may wait for storage)\n"
    "  --hubs=N         threads are spread over N threads of the kernel, 1 to 64,\n"
    "                   or `auto`, one for each core; else they run on one\n"
    "  --stats          print statistics on stderr when the program ends\n"
    "  --verbose=N      0 (only what goes wrong) to 3\n"
    "  --native-threads=LIST\n"
    "                   threads that stay the kernel's: globs of the object or\n"
    "                   symbol of their start routine, or of their name\n"
    "  --require        end the program where its threads would run natively\n"
    "\n"
    "The exit status is the program's; 2 for a wrong command line, 126 for a\n"
    "program that cannot be run so, 127 for one that is not found.\n"
    "\n"
    "conformance runs the cases of the greenlet semantics on this machine and\n"
    "prints TAP, what the machine has, and `N passed, M failed`.\n"
    "\n"
    "  --list           print the cases and run nothing\n"
    "  --only=LIST      run only these cases\n"
    "  --json           print one JSON document\n"
    "  --preload        instead run programs that say what libc and Linux do,\n"
    "                   natively and preloaded, and say what differs; it has\n"
    "                   options of its own: vireo conformance --preload --help\n"
    "\n"
    "gate prints `yes` if what runs here satisfies a requirement such as\n"
    "'greenlet>=1.0', else a line for each failing case.\n"
    "\n"
    "console talks to a program that serves a console at that socket\n"
    "(VIREO_CONSOLE=PATH in its environment); `help` lists the commands.\n"
    "\n"
    "ps lists the processes that run Vireo, or the threads of one; dump prints\n"
    "what each thread does and waits for, since when, and its frames; stats\n"
    "prints counters; top shows them live, `q` ends it.\n"
    "\n"
    "doctor says what of Vireo will work for a program, and what will not,\n"
    "without starting it; its exit status is 1 where threads would not be mapped.\n"
    "\n"
    "These exit with 0, 1 where something fails, 2 for a wrong command line.\n";

void (*cmd_listener)(const char *line);

void cmd_say(const char *format, ...)
{
    char line[PATH_MAX + 256];
    va_list list;

    va_start(list, format);
    vsnprintf(line, sizeof line, format, list);
    va_end(list);
    if (cmd_listener != NULL)
        cmd_listener(line);
    else
        fprintf(stderr, "vireo: %s\n", line);
}

static int print(const char *text)
{
    if (fputs(text, stdout) == EOF || fflush(stdout) == EOF)
        return EXIT_FAILURE;
    return EXIT_SUCCESS;
}

int cmd_help(void)
{
    return print(usage);
}

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
} commands[] = {
    { "run", cmd_run },         { "gate", cmd_gate },
    { "console", cmd_console }, { "ps", cmd_ps },
    { "dump", cmd_dump },       { "stats", cmd_stats },
    { "top", cmd_top },         { "doctor", cmd_doctor },
};

int main(int argc, char **argv)
{
    const char *command = argc > 1 ? argv[1] : "";

    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (strcmp(command, commands[i].name) == 0)
            return commands[i].run(argc - 1, argv + 1);
    if (strcmp(command, "conformance") == 0)
        return cmd_conformance(argv + 1);
    if (strcmp(command, "--version") == 0 || strcmp(command, "-V") == 0)
        return print("vireo " VIREO_VERSION "\n");
    if (strcmp(command, "--help") == 0 || strcmp(command, "-h") == 0 ||
        strcmp(command, "help") == 0)
        return cmd_help();
    if (argc < 2)
        cmd_say("no command given; see `vireo --help`");
    else
        cmd_say("%s: no such command; see `vireo --help`", command);
    return CMD_USAGE;
}
