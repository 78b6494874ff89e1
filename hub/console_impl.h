/* console_impl.h - what the two files of the console share */
#ifndef HUB_CONSOLE_IMPL_H
#define HUB_CONSOLE_IMPL_H

#include "hub/console.h"
#include "hub/sight.h"

/* The numbers that the last `list` of one client gave. */
struct hub__console_list {
    const struct greenlet **all;
    size_t count, room;
};

/* Carry out a line: what it answers goes to `fd`.  False: the client is to go. */
bool hub__console_command(struct hub__console_list *list, char *line, int fd);

#endif
