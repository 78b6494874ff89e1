/* watch.c - waits for file descriptors
 *
 * One entry per number, with the waits that are under way on it.  The loop's
 * registration outlives a wait, so that a connection that is read from again
 * and again costs no epoll_ctl; an event that nobody waits for any more comes
 * a few times (level-triggered) before it is taken back.
 *
 * A wait is `exclusive` when its greenlet will consume what is there: one such
 * is woken per event, like one thread of those that block in accept(). */
#include "hub/schedule.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define CHUNK 256
#define STRIKES 3 /* events without a waiter before the loop stops watching */

const struct hub__wait_kind hub__waits_for_fd = { "fd", NULL };

struct hub__fd {
    struct hub__fd_wait *waits;
    uint8_t watched; /* events the loop is asked for */
    uint8_t strikes;
    uint8_t fresh;   /* the number may name another file now */
    uint8_t moved;   /* a private copy: closed when `holders` is 0 */
    uint32_t holders;
    uint32_t woken; /* waits that an event ended and that have not run since */
};

static struct hub__fd *peek(const struct hub *hub, int fd)
{
    uint32_t chunk = (uint32_t)fd / CHUNK;

    if (fd < 0 || chunk >= hub->fd_chunks || hub->fds[chunk] == NULL)
        return NULL;
    return &hub->fds[chunk][(uint32_t)fd % CHUNK];
}

static struct hub__fd *get(struct hub *hub, int fd)
{
    uint32_t chunk = (uint32_t)fd / CHUNK;

    if (chunk >= hub->fd_chunks) {
        uint32_t count = chunk * 2 + 1;
        struct hub__fd **fds =
            realloc(hub->fds, count * sizeof(struct hub__fd *));

        if (fds == NULL)
            return NULL;
        for (uint32_t i = hub->fd_chunks; i < count; i++)
            fds[i] = NULL;
        hub->fds = fds;
        hub->fd_chunks = count;
    }
    if (hub->fds[chunk] == NULL)
        hub->fds[chunk] = calloc(CHUNK, sizeof(struct hub__fd));
    return peek(hub, fd);
}

static void link_wait(struct hub *hub, struct hub__fd *entry,
                      struct hub__fd_wait *wait)
{
    struct hub__fd_wait **end = &entry->waits;

    while (*end != NULL)
        end = &(*end)->next;
    wait->next = NULL;
    wait->back = end;
    *end = wait;
    if (!wait->unreferenced)
        hub->active++;
}

static void unlink_wait(struct hub *hub, struct hub__fd_wait *wait)
{
    if (!wait->unreferenced)
        hub->active--;
    *wait->back = wait->next;
    if (wait->next != NULL)
        wait->next->back = wait->back;
    wait->back = NULL;
}

static int rewatch(struct hub *hub, struct hub__fd *entry, int fd, int events)
{
    int rc;

    if (entry->watched == events && !entry->fresh)
        return 0;
    rc = hub__loop_watch(hub, fd, events, entry->fresh);
    if (rc < 0)
        return rc;
    entry->watched = (uint8_t)events;
    entry->fresh = 0;
    return 0;
}

int hub__watch(struct hub *hub, struct hub__fd_wait *wait)
{
    struct hub__fd *entry;
    int rc;

    wait->back = NULL;
    wait->fired = 0;
    if (wait->fd < 0)
        return -EBADF;
    hub__enter(hub);
    entry = get(hub, wait->fd);
    if (entry == NULL) {
        hub__exit(hub);
        return -ENOMEM;
    }
    entry->strikes = 0;
    rc = rewatch(hub, entry, wait->fd, entry->watched | wait->events);
    if (rc == 0)
        link_wait(hub, entry, wait);
    hub__exit(hub);
    return rc;
}

void hub__unwatch(struct hub *hub, struct hub__fd_wait *wait)
{
    if (wait->back == NULL) {
        struct hub__fd *entry = wait->fired ? peek(hub, wait->fd) : NULL;

        if (entry != NULL && entry->woken > 0)
            entry->woken--;
        return;
    }
    hub__enter(hub);
    unlink_wait(hub, wait);
    hub__exit(hub);
}

/* Every shared wait that matches, and per kind of event one exclusive one. */
static int wake_matching(struct hub *hub, struct hub__fd *entry, int events)
{
    struct hub__fd_wait *wait, *next;
    int given = 0, found = 0;

    for (wait = entry->waits; wait != NULL; wait = next) {
        int hit = wait->events & events;

        next = wait->next;
        if (hit == 0)
            continue;
        found |= hit;
        if (wait->exclusive && (hit & ~given) == 0)
            continue;
        wait->fired = (uint8_t)hit;
        entry->woken++;
        if (hub__wake_entered(wait->waiter, 0) && wait->exclusive)
            given |= hit;
        unlink_wait(hub, wait);
    }
    return found;
}

void hub__fd_event(struct hub *hub, int fd, int events)
{
    struct hub__fd *entry = peek(hub, fd);
    int missed;

    if (entry == NULL)
        return;
    hub__enter(hub);
    missed = events & ~wake_matching(hub, entry, events) & entry->watched;
    if (missed == 0)
        entry->strikes = 0;
    else if (entry->woken == 0 && ++entry->strikes >= STRIKES)
        rewatch(hub, entry, fd, entry->watched & ~missed);
    hub__exit(hub);
}

/* ---- the program closes or replaces a number ---- */

static void move_waits(struct hub *hub, struct hub__fd *entry, int fd)
{
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    struct hub__fd *to;

    if (copy >= 0)
        copy = hub__fd_to_top(copy);
    to = copy >= 0 ? get(hub, copy) : NULL;
    while (entry->waits != NULL) {
        struct hub__fd_wait *wait = entry->waits;

        unlink_wait(hub, wait);
        if (to == NULL) {
            hub__wake_entered(wait->waiter, -EBADF);
            continue;
        }
        wait->fd = copy;
        to->holders++;
        link_wait(hub, to, wait);
    }
    if (to == NULL)
        return;
    to->moved = 1;
    to->fresh = 1;
    to->watched = 0;
    rewatch(hub, to, copy, HUB_READ | HUB_WRITE);
}

void hub__fd_closing(int fd)
{
    struct hub *hub = hub__peek();
    struct hub__fd *entry = hub != NULL ? peek(hub, fd) : NULL;

    if (entry == NULL || entry->moved)
        return;
    hub__enter(hub);
    if (entry->waits != NULL)
        move_waits(hub, entry, fd);
    if (entry->watched != 0)
        hub__loop_watch(hub, fd, 0, true);
    entry->watched = 0;
    entry->fresh = 1;
    hub__exit(hub);
}

void hub__fd_close_range(unsigned first, unsigned last)
{
    struct hub *hub = hub__peek();
    unsigned end = hub != NULL ? hub->fd_chunks * CHUNK : 0;

    for (unsigned fd = first; fd <= last && fd < end; fd++)
        hub__fd_closing((int)fd);
}

void hub__fd_release(int copy)
{
    struct hub *hub = hub__peek();
    struct hub__fd *entry = hub != NULL ? peek(hub, copy) : NULL;

    if (entry == NULL || !entry->moved || --entry->holders > 0)
        return;
    entry->moved = 0;
    hub__fd_closing(copy);
    hub__fd_forget(copy);
    close(copy);
}

void hub_fd_closed(int fd)
{
    struct hub *hub = hub__peek();
    struct hub__fd *entry = hub != NULL ? peek(hub, fd) : NULL;

    if (entry == NULL)
        return;
    hub__enter(hub);
    while (entry->waits != NULL) {
        struct hub__fd_wait *wait = entry->waits;

        unlink_wait(hub, wait);
        hub__wake_entered(wait->waiter, -EBADF);
    }
    hub__exit(hub);
    hub__fd_closing(fd);
}

HUB__SWITCHES int hub_wait_fd(int fd, int events, int64_t deadline_ns)
{
    struct hub *hub = hub__get();
    struct hub__waiter waiter;
    struct hub__fd_wait wait = { .waiter = &waiter,
                                 .fd = fd,
                                 .events = (uint8_t)events,
                                 .exclusive = 1 };
    int rc;

    if (hub == NULL)
        return -ENOMEM;
    if ((events & ~(HUB_READ | HUB_WRITE)) != 0 || events == 0)
        return -EINVAL;
    rc = hub__waiter_begin_inline(&waiter, &hub__waits_for_fd,
                                  (const void *)(intptr_t)fd);
    if (rc < 0)
        return rc;
    rc = hub__watch(hub, &wait);
    if (rc < 0)
        return rc;
    rc = hub__park_cancelable_inline(&waiter, deadline_ns);
    hub__unwatch(hub, &wait);
    return rc;
}

void hub__watch_forked(struct hub *hub)
{
    for (uint32_t i = 0; i < hub->fd_chunks; i++)
        free(hub->fds[i]);
    free(hub->fds);
    hub->fds = NULL;
    hub->fd_chunks = 0;
}
