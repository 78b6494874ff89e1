/* console.h - a socket where a process answers questions about its hubs
 *
 * It is a Unix socket of mode 0600, served by greenlets of the hub that opened it:
 * while that hub is blocked nobody answers (see hub_dump_on_signal()).  Commands
 * are lines; `help` lists them; `vireo console PATH` is a client, and so is
 * socat.  Its waits do not keep the loop from ending. */
#ifndef VIREO_CONSOLE_H
#define VIREO_CONSOLE_H

#include "hub/hub.h"

#ifdef __cplusplus
extern "C" {
#endif

struct hub_console;

/* Serve a console at `path`, which is made; a socket that nobody serves any more
 * is replaced.  %p in the path is the number of the process.  Environment:
 * VIREO_CONSOLE=PATH opens one when the first hub of a program that links the
 * library is made.
 *
 * Ownership: *console is given; close it with hub_console_close().
 * Returns 0, -EINVAL for an empty path, -ENAMETOOLONG, -EADDRINUSE when there is
 * something else at that path, another errno of socket() or bind(), or -ENOMEM. */
HUB_API int hub_console_open(const char *path, struct hub_console **console);

/* Its path, with the number of the process in it.  Borrowed. */
HUB_API const char *hub_console_path(const struct hub_console *console);

/* End it, with those who are connected, and remove the socket, if that is still
 * the one that it made; NULL is fine.  For the thread that opened it.  In the child
 * of a fork() it removes nothing, and by the rule HUB_FORK_ALONE nobody is served
 * there.  Switches. */
HUB_API void hub_console_close(struct hub_console *console);

#ifdef __cplusplus
}
#endif
#endif
