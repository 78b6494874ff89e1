/* wrap_terminal.h - for ioctl(), which is with the other calls on fds */
#ifndef WRAP_TERMINAL_H
#define WRAP_TERMINAL_H

#include <stdbool.h>

/* Does this request wait? */
bool mp__ioctl_waits(unsigned long request);
/* Park until it is done; its result or -errno. */
long mp__ioctl_helped(int fd, unsigned long request, void *arg);

#endif
