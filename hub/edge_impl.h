/* edge_impl.h - registrations that are edge-triggered, for a time: edge.c's
 *
 * What libev asks epoll for is level-triggered, and it knows of nothing else.  An
 * entry's `edge` says what the kernel has. */
#ifndef HUB_EDGE_IMPL_H
#define HUB_EDGE_IMPL_H

#include "hub/watch_impl.h"

/* In struct hub__fd; below HUB__EDGE_ON it counts waits in a row that found it
 * drained. */
enum {
    HUB__EDGE_NOT = 0,
    HUB__EDGE_ON = 8,
    HUB__EDGE_ENDED, /* an event told of the end, or of an urgent byte */
    HUB__EDGE_LAST,  /* the same, and once it is level it is so for good */
    HUB__EDGE_NEVER
};

/* Somebody is to wait for what can be read, of what is not `HUB__EDGE_ON` and
 * drained.  Returns false: the registration has gone, and the entry is fresh. */
bool hub__edge_wait(struct hub *hub, struct hub__fd *entry, int fd);
/* Somebody is to wait in any other way: it is level-triggered when this returns,
 * or fresh. */
void hub__edge_leave(struct hub *hub, struct hub__fd *entry, int fd);
/* It is read in a way that says too little: level-triggered before it is waited
 * for, and until it is closed. */
static inline void hub__edge_forbid(struct hub__fd *entry)
{
    if (entry != NULL)
        entry->edge =
            entry->edge < HUB__EDGE_ON || entry->edge == HUB__EDGE_NEVER
                ? HUB__EDGE_NEVER
                : HUB__EDGE_LAST;
}

/* For loop.c: an event says that there may be more than a recv() gets; libev has
 * made it level-triggered. */
void hub__edge_ended(struct hub *hub, int fd);
void hub__edge_undone(struct hub *hub, int fd);
/* loop.c: have the kernel watch fd for what can be read, edge-triggered or not.
 * Returns 0; -EAGAIN: libev is about to change that; -ENOSYS: it makes its calls
 * without us; -ENOENT, -EBADF: it is watched no more. */
int hub__loop_edge(struct hub *hub, int fd, bool edge);

#endif
