/* cmd.h - what the files of the `vireo` command share
 *
 * The command links nothing of the libraries: it prepares the environment and
 * executes the program, or asks one that runs. */
#ifndef CMD_H
#define CMD_H

#include <limits.h>
#include <stdbool.h>

/* Exit statuses, as the shell and env(1) have them. */
enum {
    CMD_USAGE = 2,        /* the command line is wrong */
    CMD_CANNOT_RUN = 126, /* the program is there and will not do */
    CMD_NOT_FOUND = 127,
    CMD_NATIVE = 256 /* no exit status: the program is run without us */
};

/* One line on stderr: "vireo: ...". */
void cmd_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Gets the lines in place of stderr, if it is set. */
extern void (*cmd_listener)(const char *line);

/* Print the usage on stdout; returns an exit status. */
int cmd_help(void);

/* cmd_run.c: `vireo run`, argv[0] being "run".  Returns an exit status; does
 * not return when the program runs. */
int cmd_run(int argc, char **argv);

/* Where libvireo-preload.so is; false: not beside this command. */
bool cmd_find_library(char path[PATH_MAX]);

/* cmd_conformance.c: `vireo conformance`, argv[0] being that.  Does not return
 * when the program with the cases runs. */
int cmd_conformance(char **argv);
/* Run it with these arguments; argv[0] is set.  Returns an exit status. */
int cmd_execute_conformance(char **argv);

/* cmd_gate.c: `vireo gate requirement`, argv[0] being "gate". */
int cmd_gate(int argc, char **argv);

/* cmd_console.c: `vireo console path`, argv[0] being "console". */
int cmd_console(int argc, char **argv);

/* cmd_ps.c, cmd_dump.c, cmd_stats.c, cmd_top.c, cmd_doctor.c: argv[0] being that. */
int cmd_ps(int argc, char **argv);
int cmd_dump(int argc, char **argv);
int cmd_stats(int argc, char **argv);
int cmd_top(int argc, char **argv);
int cmd_doctor(int argc, char **argv);

/* cmd_inspect.c */

/* Where the shell would find `name`, into `path`.  Returns 0, CMD_NOT_FOUND or
 * CMD_CANNOT_RUN (found and not executable), both without a word. */
int cmd_find(const char *name, char path[PATH_MAX]);
/* Can the program be run with a library preloaded?  Returns 0, or, after one line
 * that says why not, CMD_NATIVE or an exit status. */
int cmd_inspect(const char *path);
/* What that found to be executed in the end: the program, or the interpreter of a
 * script; "" if it did not get so far. */
const char *cmd_inspected(void);
/* The loader that it names, as found in its file. */
const char *cmd_loader(void);

#endif
