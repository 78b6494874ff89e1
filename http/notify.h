/* notify.h - the protocol of sd_notify(3), both sides
 *
 * Datagrams of "NAME=value" lines to the Unix socket that NOTIFY_SOCKET names:
 * of systemd, or of the master that started this program.  libsystemd would do
 * the first half; the other half, a socket that listens, it has not. */
#ifndef HTTP_NOTIFY_H
#define HTTP_NOTIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* A socket to send from, made early: there may be no descriptor left when
 * something is to be said.  Returns the fd or a negative errno. */
int http__notify_open(void);

/* Send a message, with an fd unless it is -1.  `to` is what NOTIFY_SOCKET said;
 * NULL: nothing is done.  Waits until there is room for it.  Switches.
 * Returns 0; -ETIMEDOUT, with HUB_NOWAIT -EAGAIN: there was none; or another
 * negative errno. */
int http__notify_send(int from, const char *to, const char *message, int fd,
                      int64_t deadline_ns);

/* A socket for messages of others; *name is what they need, in `size` bytes.
 * Returns the fd or a negative errno. */
int http__notify_listen(char *name, size_t size);

/* One message: at most size - 1 bytes and a NUL, its sender, and an fd (given;
 * -1: none).  Switches.  Returns its length, or a negative errno. */
int http__notify_receive(int socket, char *message, size_t size, pid_t *sender,
                         int *fd);

/* Does it have this line?  The value of NAME, copied; empty: none. */
bool http__notify_says(const char *message, const char *line);
void http__notify_value(const char *message, const char *name, char *value,
                        size_t size);

#endif
