/* watch_impl.h - what is known of a descriptor, by number: watch.c's
 *
 * The loop's registration outlives a wait.  That it still is the registration
 * of the file that now has the number is known of `managed` ones, which are
 * closed by calls of ours; of others hub_wait_fd() makes sure. */
#ifndef HUB_WATCH_IMPL_H
#define HUB_WATCH_IMPL_H

#include "hub/schedule.h"

#include <errno.h>

#define HUB__FD_CHUNK 256
#define HUB__PREFETCH \
    8 /* lines: registers, the frame of a call, a small buffer */

struct hub__fd {
    struct hub__fd_wait *waits; /* the oldest first */
    uint8_t watched;            /* events the loop is asked for */
    uint8_t strikes;            /* events that nobody waited for */
    uint8_t fresh : 1;          /* the number may name another file now */
    uint8_t moved : 1;          /* a private copy: closed when `holders` is 0 */
    uint8_t managed; /* made here: nobody closes it behind our back */
    uint8_t drained; /* events that the last call found no more of */
    uint8_t edge;    /* edge.c: is it edge-triggered? */
    uint16_t closed; /* how often: tells the files that had the number apart */
    uint32_t holders;
    uint32_t woken; /* waits that an event ended and that have not run since */
    uint32_t identity; /* of the file, when hub_wait_fd() looked; 0: not */
    uint32_t registered; /* fdshare.c: after how many closes */
};

static inline struct hub__fd *hub__fd_peek(const struct hub *hub, int fd)
{
    uint32_t chunk = (uint32_t)fd / HUB__FD_CHUNK;

    if (unlikely(fd < 0 || chunk >= hub->fd_chunks || hub->fds[chunk] == NULL))
        return NULL;
    return &hub->fds[chunk][(uint32_t)fd % HUB__FD_CHUNK];
}

static inline bool hub__fd_is_managed(const struct hub *hub, int fd)
{
    const struct hub__fd *entry = hub__fd_peek(hub, fd);

    return entry != NULL && entry->managed;
}

/* watch.c: zeroes, from the beginning of a cache line; NULL: no memory. */
void *hub__lines(size_t size);
/* Made on demand; NULL: no memory. */
struct hub__fd *hub__fd_get(struct hub *hub, int fd);
/* fdshare.c: this hub's loop watches it now; a number for the entry.  It is about
 * to be closed by this hub, or a thread without (NULL): others that watch it will
 * end their waits. */
uint32_t hub__fd_registered(const struct hub *hub, int fd);
void hub__fd_closed_here(const struct hub *self, int fd);
/* And it was closed: who began to watch it in between looks whether it is still
 * there. */
void hub__fd_closed_late(const struct hub *self, int fd);
/* fdclose.c: hub__fd_closing() for other hubs, before it.  And what they have told. */
void hub__fd_closing_elsewhere(int fd);
void hub__fd_take_closes(struct hub *hub);
/* loop.c: one of its loop's own.  From another thread: the kernel forgets fd, for
 * that loop. */
bool hub__fd_is_of(const struct hub *hub, int fd);
void hub__loop_take_out(const struct hub *hub, int fd);
/* fdshare.c: the id of the hub that watches it, from now on nobody's; 0: nobody's,
 * HUB__SEVERAL. */
#define HUB__SEVERAL UINT32_MAX
uint32_t hub__fd_whose(int fd);
/* watch.c: a private copy, out of the program's way, or negative. */
int hub__fd_copy(int fd);
/* Waits for fd, which was closed, go on with the copy, and what is known of the number
 * is forgotten.  False: there are none, and the copy is the caller's. */
bool hub__fd_move(struct hub *hub, int fd, int copy);
/* All waits for it end with -EBADF, and the loop forgets it. */
void hub__fd_gone(struct hub *hub, int fd);
/* All waits for these events end with 0: they look again. */
void hub__fd_retry(struct hub *hub, int fd, int events);

/* The number of one that is not managed may have been closed, and used again,
 * without a word.  Returns 0, -EBADF, -ENOMEM. */
int hub__fd_make_sure(struct hub *hub, int fd);
/* A wait that went on with a private copy: its fd was closed.  -EBADF. */
int hub__moved(int copy);

/* fd.c: a number that was just made, and is closed by hub_close() */
void hub__fd_opened(struct hub *hub, int fd);
/* Make it non-blocking unless it is.  Returns 0 or a negative errno. */
int hub__fd_unblock(int fd);
/* Would a call on it block the thread?  0, or -EINVAL; -EBADF. */
int hub__fd_check(struct hub *hub, int fd);

/* Among thousands of connections the stack of the one that is next is in no
 * cache.  It comes there while the system calls of this one are made. */
static inline void hub__prefetch_next(const struct hub *hub)
{
    const struct greenlet *next = hub->ready_head;
    uintptr_t stack; /* NULL of one that has not begun */

    if (next == NULL || next->thread == NULL) /* nobody, or a callback */
        return;
    stack = (uintptr_t)next->context;
    for (unsigned line = 0; line < HUB__PREFETCH; line++)
        __builtin_prefetch((const void *)(stack + line * 64));
    __builtin_prefetch((const char *)next + 64);
}

/* `events` 0: until the deadline, or the number is closed. */
static inline __attribute__((always_inline)) int
hub__wait_for_fd(struct hub *hub, int fd, int events, int64_t deadline_ns)
{
    struct hub__waiter waiter;
    struct hub__fd_wait wait;
    int rc;

    rc = hub__waiter_begin_inline(&waiter, &hub__waits_for_fd,
                                  (const void *)(intptr_t)fd);
    if (rc < 0)
        return rc;
    wait.waiter = &waiter;
    wait.notify = NULL;
    wait.fd = fd;
    wait.events = (uint8_t)events;
    wait.exclusive = 1;
    wait.unreferenced = 0;
    rc = hub__watch(hub, &wait);
    if (rc < 0)
        return rc;
    rc = hub__park_cancelable_inline(&waiter, deadline_ns);
    hub__prefetch_next(hub);
    if (unlikely(hub__unwatch(hub, &wait)) && rc == 0)
        rc = -EBADF;
    return likely(wait.fd == fd) ? rc : hub__moved(wait.fd);
}

/* Each may end the wait. */
void hub__watch_waits(const struct hub *hub,
                      void (*each)(struct hub__fd_wait *wait, void *data),
                      void *data);

#endif
