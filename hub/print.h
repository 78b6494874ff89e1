/* print.h - text for people, from anywhere: signal handlers, the monitor's thread
 *
 * Rules: nothing of libc's but system calls.  No malloc, no stdio, no locale, no
 * thread-local data but errno, which is restored. */
#ifndef HUB_PRINT_H
#define HUB_PRINT_H

#include <stddef.h>
#include <stdint.h>

/* Collects, and writes to fd what is full. */
struct hub__print {
    int fd; /* -1: nowhere */
    size_t used;
    char text[1000];
    char *memory; /* NULL: to fd */
    size_t room, wrote; /* there */
};

void hub__print_open(struct hub__print *print, int fd);
/* To memory; what has no room is lost. */
void hub__print_open_memory(struct hub__print *print, char *memory,
                            size_t room);
/* Of printf(): %s %c %d %u %x %p, with l, ll or z before d, u, x. */
void hub__print(struct hub__print *print, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Seconds, to the millisecond. */
void hub__print_seconds(struct hub__print *print, int64_t ns);
/* Write what is left. */
void hub__print_flush(struct hub__print *print);

#endif
