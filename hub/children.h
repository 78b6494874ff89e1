/* children.h - children of the process that are watched (children.c) */
#ifndef HUB_CHILDREN_H
#define HUB_CHILDREN_H

#include "hub/hub_impl.h"
#include "hub/process.h"

struct hub__child {
    struct hub__child *next; /* in the table, the oldest first */
    pid_t pid;
    /* under the lock of the table */
    uint32_t refs;
    bool listed, ended, watched;
    bool keeps;     /* its watcher keeps the loop from ending */
    int rc, status; /* ended: 0, or -ECHILD: not known */
    const struct hub *hub; /* its watcher's */
    uint64_t order; /* ended: before those with a greater one */
    int64_t forget_at;
    struct hub__link *links; /* who waits; told under the lock */
    /* for the watcher, in its hub, when it has ended; NULL: nothing */
    void (*on_end)(void *arg, bool ended);
    void *arg;
};

/* Watch a child that nobody has waited for.  One reference is given; NULL: no
 * memory.  on_end is called once: it has ended, or the hub closes. */
struct hub__child *hub__child_watch(pid_t pid, bool keeps,
                                    void (*on_end)(void *arg, bool ended),
                                    void *arg);
void hub__child_drop(struct hub__child *child);
bool hub__child_ended(struct hub__child *child);
/* Wait for its end; it stays in the table.  0 or why not. */
int hub__child_join(struct hub__child *child, int64_t deadline_ns);
int hub__child_kill(struct hub__child *child, int number);

/* childwait.c: until such a child may have something to tell; nothing is taken. */
int hub__child_sleep(int type, id_t id, int options, bool keeps,
                     int64_t deadline_ns);

/* launch.c */
struct hub__launch {
    const struct hub_process_options *options;
    const char *const *env;
    int fds[3];  /* what become 0, 1 and 2; -1: as they are */
    int error;   /* the pipe by which the child says what failed */
    char **files; /* what to try to run, in order; ends with NULL */
    sigset_t mask;
};
/* Returns the process id, or -errno. */
pid_t hub__launch(struct hub__launch *launch);

#endif
