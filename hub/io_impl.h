/* io_impl.h - a system call on an fd: tried, waited for, tried again
 *
 * Inline down to the switch (see schedule.h).
 *
 * A call is not tried first when it would fail for sure, or be unfair: others
 * wait for the same already, or the last one here got less than it asked for,
 * so that nothing was left, and the loop has not told of anything new
 * (`drained`).  The registration is level-triggered and stays, so nothing can
 * be missed; and a request that is answered takes one recv() and one send(). */
#ifndef HUB_IO_IMPL_H
#define HUB_IO_IMPL_H

#include "hub/watch_impl.h"

#include <errno.h>

#define HUB__IO_BUDGET 64

/* io.c: it has had its share, or its scope has ended.  Returns 0 or why it is
 * not to go on. */
int hub__io_cold(struct hub *hub, int fd);
/* Is something in the way of a call that is tried at once? */
bool hub__io_in_the_way(const struct hub *hub, const struct hub__fd *entry,
                        int events);

/* Before each call on fd (-1: several), also of one that will not wait. */
static inline __attribute__((always_inline)) int hub__io_begin(struct hub *hub,
                                                               int fd)
{
    if (hub->io_switches != hub->switches) {
        hub->io_switches = hub->switches;
        hub->io_count = 0;
    }
    if (unlikely(++hub->io_count > HUB__IO_BUDGET ||
                 hub__own(greenlet__word->current)->pending != 0))
        return hub__io_cold(hub, fd);
    return 0;
}

static inline __attribute__((always_inline)) bool
hub__io_waits_first(const struct hub *hub, int fd, int events)
{
    const struct hub__fd *entry = hub__fd_peek(hub, fd);

    return entry != NULL &&
           (entry->drained != 0 || entry->waits != NULL || entry->woken != 0) &&
           hub__io_in_the_way(hub, entry, events);
}

/* attempt(fd, call) makes the system call: a count, or -1 and errno. */
static inline __attribute__((always_inline)) ssize_t
hub__io(int fd, int events, int64_t deadline_ns,
        ssize_t (*attempt)(int fd, void *call), void *call)
{
    struct hub *hub = hub__get();
    const int saved = errno;
    ssize_t done;
    bool wait;
    int rc;

    if (unlikely(hub == NULL))
        return -ENOMEM;
    rc = hub__io_begin(hub, fd);
    if (unlikely(rc < 0))
        return rc;
    wait = deadline_ns != HUB_NOWAIT && hub__io_waits_first(hub, fd, events);
    for (;;) {
        if (wait) {
            if (unlikely(!hub__fd_is_managed(hub, fd)))
                rc = hub__fd_make_sure(hub, fd);
            if (rc >= 0)
                rc = hub__wait_for_fd(hub, fd, events, deadline_ns);
            if (unlikely(rc < 0))
                return rc;
        }
        done = attempt(fd, call);
        if (likely(done >= 0))
            return done;
        rc = -errno;
        errno = saved;
        wait = rc == -EAGAIN;
        if (rc != -EINTR && (!wait || deadline_ns == HUB_NOWAIT))
            return rc;
        rc = 0;
    }
}

/* The same with HUB_NOWAIT: without the frame that a wait would need, lines of a
 * stack that is in no cache. */
static inline __attribute__((always_inline)) ssize_t
hub__io_now(int fd, ssize_t (*attempt)(int fd, void *call), void *call)
{
    struct hub *hub = hub__get();
    const int saved = errno;
    ssize_t done;
    int rc;

    if (unlikely(hub == NULL))
        return -ENOMEM;
    rc = hub__io_begin(hub, fd);
    if (unlikely(rc < 0))
        return rc;
    do {
        done = attempt(fd, call);
        if (likely(done >= 0))
            return done;
        rc = -errno;
        errno = saved;
    } while (rc == -EINTR);
    return rc;
}

/* Nothing is left to read: the next read waits for news. */
static inline void hub__io_drained(int fd, int events)
{
    struct hub__fd *entry = hub__fd_peek(hub__peek(), fd);

    if (entry != NULL && entry->managed && (entry->watched & events))
        entry->drained |= (uint8_t)events;
}

#endif
