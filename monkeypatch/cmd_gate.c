/* cmd_gate.c - `vireo gate`: is what runs here compatible with a requirement?
 *
 * The answer is libvireo.so's, which this command is not linked to: the program
 * of `vireo conformance` asks it. */
#include "monkeypatch/cmd.h"

#include <stddef.h>
#include <string.h>

int cmd_gate(int argc, char **argv)
{
    char *arguments[] = {NULL, (char *)"--gate", NULL, NULL};

    if (argc == 2 && strcmp(argv[1], "--help") == 0)
        return cmd_help();
    if (argc != 2) {
        cmd_say("gate takes one requirement, such as 'greenlet>=1.0'");
        return CMD_USAGE;
    }
    arguments[2] = argv[1];
    return cmd_execute_conformance(arguments);
}
