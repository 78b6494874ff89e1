/* process_impl.h - the inside of struct hub_process: process.c, communicate.c */
#ifndef HUB_PROCESS_IMPL_H
#define HUB_PROCESS_IMPL_H

#include "hub/children.h"

#include <signal.h>
#include <sys/wait.h>

struct hub__process_link {
    struct hub__process_link *next;
    struct hub_process *process;
    void (*function)(struct hub_process *process, void *arg);
    void *arg;
};

/* What was read of one pipe. */
struct hub__capture {
    char *data;
    size_t size, room;
    int rc;
};

struct hub_process {
    struct hub *hub;
    unsigned refs; /* the program's, its watcher's, of greenlets that talk */
    pid_t pid;
    int fds[3];
    struct hub__child *child;
    struct hub__process_link *links;
    bool watched, closed, talks;
    struct greenlet *talkers[3];
    char *in_data;
    size_t in_size;
    struct hub__capture out, err;
};

int hub__process_check(const struct hub_process *process);
void hub__process_ref(struct hub_process *process);
void hub__process_drop(struct hub_process *process);
void hub__process_close(struct hub_process *process, int which);
void hub__process_stop_talking(struct hub_process *process); /* communicate.c */

#endif
