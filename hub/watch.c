/* watch.c - waits for file descriptors
 *
 * One entry per number, with the waits that are under way on it.  The loop's
 * registration outlives a wait, so that a connection that is read from again
 * and again costs no epoll_ctl; an event that nobody waits for any more comes
 * a few times (level-triggered) before it is taken back.  Posts of a crew are told
 * of just once, see edge.c.
 *
 * A wait is `exclusive` when its greenlet will consume what is there: one such
 * is woken per event, like one thread of those that block in accept(). */
#include "hub/edge_impl.h"
#include "hub/reserve.h"
#include "hub/sight.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define STRIKES 3 /* events without a waiter before the loop stops watching */

void *hub__lines(size_t size)
{
    void *memory =
        GREENLET__ALLOCATION_FAILS() ? NULL : aligned_alloc(64, size);

    return memory != NULL ? memset(memory, 0, size) : NULL;
}

const struct hub__wait_kind hub__waits_for_fd = { "fd", NULL };

struct hub__fd *hub__fd_get(struct hub *hub, int fd)
{
    uint32_t chunk = (uint32_t)fd / HUB__FD_CHUNK;

    if (chunk >= hub->fd_chunks) {
        uint32_t count = chunk * 2 + 1;
        struct hub__fd **fds =
            greenlet__realloc(hub->fds, count * sizeof(struct hub__fd *));

        if (fds == NULL)
            return NULL;
        for (uint32_t i = hub->fd_chunks; i < count; i++)
            fds[i] = NULL;
        hub->fds = fds;
        hub->fd_chunks = count;
    }
    if (hub->fds[chunk] == NULL)
        hub->fds[chunk] =
            hub__lines(HUB__FD_CHUNK * sizeof(struct hub__fd));
    return hub__fd_peek(hub, fd);
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

/* It is unlinked.  False if it had ended for another reason already. */
static bool end_wait(struct hub__fd_wait *wait, int rc)
{
    if (wait->waiter != NULL)
        return hub__wake_entered(wait->waiter, rc);
    wait->notify(wait, rc);
    return true;
}

static int rewatch(struct hub *hub, struct hub__fd *entry, int fd, int events)
{
    int rc;

    if (entry->watched == events && !entry->fresh)
        return 0;
    if (unlikely(entry->edge != HUB__EDGE_NOT))
        hub__edge_leave(hub, entry, fd);
    rc = hub__loop_watch(hub, fd, events, entry->fresh);
    if (rc < 0)
        return rc;
    if (unlikely(entry->fresh || entry->watched == 0))
        entry->registered = hub__fd_registered(hub, fd);
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
    if (unlikely(__atomic_load_n(&hub->sight->closes, __ATOMIC_ACQUIRE) != NULL))
        hub__fd_take_closes(hub);
    hub__enter(hub);
    entry = hub__fd_peek(hub, wait->fd);
    if (unlikely(entry == NULL))
        entry = hub__fd_get(hub, wait->fd);
    if (unlikely(entry == NULL)) {
        hub__exit(hub);
        return -ENOMEM;
    }
    entry->strikes = 0;
    wait->closed = entry->closed;
    if (unlikely(entry->edge != HUB__EDGE_NOT && wait->events != 0))
        hub__edge_leave(hub, entry, wait->fd);
    rc = wait->events != 0
             ? rewatch(hub, entry, wait->fd, entry->watched | wait->events)
             : 0;
    if (rc == 0)
        link_wait(hub, entry, wait);
    hub__exit(hub);
    return rc;
}

bool hub__unwatch(struct hub *hub, struct hub__fd_wait *wait)
{
    if (wait->back == NULL) {
        struct hub__fd *entry = wait->fired ? hub__fd_peek(hub, wait->fd) : NULL;

        if (entry != NULL && entry->woken > 0)
            entry->woken--;
        return entry != NULL && entry->closed != wait->closed;
    }
    hub__enter(hub);
    unlink_wait(hub, wait);
    hub__exit(hub);
    return false;
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
        unlink_wait(hub, wait);
        if (end_wait(wait, 0) && wait->exclusive)
            given |= hit;
    }
    return found;
}

static void tell(struct hub *hub, int fd, int events)
{
    struct hub__fd *entry = hub__fd_peek(hub, fd);
    int missed;

    if (entry == NULL)
        return;
    hub__enter(hub);
    entry->drained &= (uint8_t)~events;
    missed = events & ~wake_matching(hub, entry, events) & entry->watched;
    if (missed == 0)
        entry->strikes = 0;
    else if (entry->woken == 0 && ++entry->strikes >= STRIKES)
        rewatch(hub, entry, fd, entry->watched & ~missed);
    hub__exit(hub);
}

/* Among thousands of connections nothing of one is in a cache: it is fetched in
 * steps, each of which finds the address of the next. */
#define STEP 6

static void fetch_wait(const struct hub *hub, int fd)
{
    const struct hub__fd *entry = hub__fd_peek(hub, fd);

    if (entry == NULL || entry->waits == NULL)
        return;
    /* Its waiter is beside it; or behind it what a post belongs to (crew.c). */
    for (int line = -1; line <= 2; line++)
        __builtin_prefetch((const char *)entry->waits + line * 64, 1);
}

static void fetch_greenlet(const struct hub *hub, int fd)
{
    const struct hub__fd *entry = hub__fd_peek(hub, fd);

    if (entry != NULL && entry->waits != NULL && entry->waits->waiter != NULL)
        __builtin_prefetch(entry->waits->waiter->greenlet, 1);
}

void hub__fd_events(struct hub *hub, const struct hub__fd_ready *ready,
                    unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        __builtin_prefetch(hub__fd_peek(hub, ready[i].fd), 1);
    for (unsigned i = 0; i < count + 2 * STEP; i++) {
        if (i < count)
            fetch_wait(hub, ready[i].fd);
        if (i >= STEP && i - STEP < count)
            fetch_greenlet(hub, ready[i - STEP].fd);
        if (i >= 2 * STEP)
            tell(hub, ready[i - 2 * STEP].fd, ready[i - 2 * STEP].events);
    }
}

/* ---- the program closes or replaces a number ---- */

static int copy_of(int fd)
{
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    struct rlimit limit;

    if (copy >= 0 || errno != EMFILE || !hub__limit_raise(&limit))
        return copy;
    copy = fcntl(fd, F_DUPFD_CLOEXEC, (int)limit.rlim_cur);
    setrlimit(RLIMIT_NOFILE, &limit);
    return copy;
}

int hub__fd_copy(int fd)
{
    int copy = copy_of(fd);

    return copy >= 0 ? hub__fd_copy_to_top(copy) : copy;
}

static void move_waits(struct hub *hub, struct hub__fd *entry, int copy)
{
    struct hub__fd *to;

    to = copy >= 0 ? hub__fd_get(hub, copy) : NULL;
    while (entry->waits != NULL) {
        struct hub__fd_wait *wait = entry->waits;

        unlink_wait(hub, wait);
        if (to == NULL) {
            end_wait(wait, -EBADF);
            continue;
        }
        wait->fd = copy;
        to->holders++;
        link_wait(hub, to, wait);
    }
    if (to == NULL) {
        if (copy >= 0)
            hub__fd_drop(copy);
        return;
    }
    to->moved = 1;
    to->fresh = 1;
    to->edge = HUB__EDGE_NOT;
    to->watched = 0;
    rewatch(hub, to, copy, HUB_READ | HUB_WRITE);
}

static void forget_number(struct hub *hub, struct hub__fd *entry, int fd)
{
    if (entry->watched != 0)
        hub__loop_watch(hub, fd, 0, true);
    entry->watched = 0;
    entry->fresh = 1;
    entry->drained = 0;
    entry->edge = HUB__EDGE_NOT;
}

void hub__fd_closing(int fd)
{
    struct hub *hub = hub__peek();
    struct hub__fd *entry = hub != NULL ? hub__fd_peek(hub, fd) : NULL;

    if (entry == NULL || entry->moved)
        return;
    hub__enter(hub);
    if (entry->waits != NULL)
        move_waits(hub, entry, hub__fd_copy(fd));
    forget_number(hub, entry, fd);
    hub__exit(hub);
}

bool hub__fd_move(struct hub *hub, int fd, int copy)
{
    struct hub__fd *entry = hub__fd_peek(hub, fd);
    bool moves = entry->waits != NULL;

    hub__enter(hub);
    if (moves)
        move_waits(hub, entry, copy);
    forget_number(hub, entry, fd);
    hub__exit(hub);
    return moves;
}

void hub__fd_close_range(unsigned first, unsigned last)
{
    struct hub *hub = hub__peek();
    unsigned end = hub != NULL ? hub->fd_chunks * HUB__FD_CHUNK : 0;

    for (unsigned fd = first; fd <= last && fd < end; fd++)
        hub__fd_closing((int)fd);
}

void hub__fd_release(int copy)
{
    struct hub *hub = hub__peek();
    struct hub__fd *entry = hub != NULL ? hub__fd_peek(hub, copy) : NULL;

    if (entry == NULL || !entry->moved || --entry->holders > 0)
        return;
    entry->moved = 0;
    hub__fd_closing(copy);
    hub__fd_whose(copy); /* nobody's: the number is the program's again */
    hub__fd_drop(copy);
}

int hub__moved(int copy)
{
    hub__fd_release(copy);
    return -EBADF;
}

/* All of them with an error; or with 0 those for some of `events`, as if they had
 * come. */
static void end_waits(struct hub *hub, struct hub__fd *entry, int events, int rc)
{
    struct hub__fd_wait *wait, *next;

    hub__enter(hub);
    for (wait = entry->waits; wait != NULL; wait = next) {
        next = wait->next;
        if (rc == 0) {
            if ((wait->events & events) == 0)
                continue;
            wait->fired = (uint8_t)(wait->events & events);
            entry->woken++;
        }
        unlink_wait(hub, wait);
        end_wait(wait, rc);
    }
    hub__exit(hub);
}

void hub__fd_gone(struct hub *hub, int fd)
{
    struct hub__fd *entry = hub__fd_peek(hub, fd);

    if (entry == NULL)
        return;
    end_waits(hub, entry, 0, -EBADF);
    hub__fd_closing(fd);
    entry->closed++;
    entry->managed = 0;
    entry->drained = 0;
    entry->identity = 0;
}

void hub__fd_retry(struct hub *hub, int fd, int events)
{
    struct hub__fd *entry = hub__fd_peek(hub, fd);

    if (entry == NULL)
        return;
    entry->drained &= (uint8_t)~events;
    end_waits(hub, entry, events, 0);
}

void hub_fd_closed(int fd)
{
    struct hub *hub = hub__peek();

    if (hub != NULL)
        hub__fd_gone(hub, fd);
    hub__fd_closed_here(hub, fd);
    hub__offload_fd_closed(fd);
}

/* Files that have an inode of their own are told apart by it; eventfds and their
 * like share one, of no type. */
static int look_at(int fd, uint32_t *identity, bool *shared)
{
    struct stat status;
    uint64_t mixed;

    if (fstat(fd, &status) < 0)
        return -EBADF;
    mixed = ((uint64_t)status.st_dev << 32 ^ (uint64_t)status.st_ino) *
            UINT64_C(0x9e3779b97f4a7c15);
    *identity = (uint32_t)(mixed >> 32) | 1;
    *shared = (status.st_mode & S_IFMT) == 0;
    return 0;
}

int hub__fd_make_sure(struct hub *hub, int fd)
{
    struct hub__fd *entry = fd >= 0 ? hub__fd_get(hub, fd) : NULL;
    uint32_t identity;
    int saved = errno, rc;
    bool shared;

    if (fd < 0)
        return -EBADF;
    if (entry == NULL)
        return -ENOMEM;
    if (entry->managed)
        return 0;
    rc = look_at(fd, &identity, &shared);
    errno = saved;
    if (rc < 0 || (entry->identity != 0 && entry->identity != identity))
        hub__fd_gone(hub, fd);
    if (rc == 0) {
        entry->identity = identity;
        if (shared)
            entry->fresh = 1;
    }
    return rc;
}

HUB__SWITCHES int hub_wait_fd(int fd, int events, int64_t deadline_ns)
{
    struct hub *hub = hub__get();
    int rc = 0;

    if (hub == NULL)
        return -ENOMEM;
    if ((events & ~(HUB_READ | HUB_WRITE)) != 0 || events == 0)
        return -EINVAL;
    if (unlikely(!hub__fd_is_managed(hub, fd)))
        rc = hub__fd_make_sure(hub, fd);
    if (unlikely(rc < 0))
        return rc;
    return hub__wait_for_fd(hub, fd, events, deadline_ns);
}

int hub_fd_unwatch(int fd)
{
    struct hub *hub = hub__peek();
    const struct hub__fd *entry = hub != NULL ? hub__fd_peek(hub, fd) : NULL;

    if (entry == NULL)
        return 0;
    if (entry->waits != NULL)
        return -EBUSY;
    if (entry->watched != 0)
        hub__fd_closing(fd);
    return 0;
}

void hub__watch_each(const struct hub *hub,
                     void (*each)(int fd, int events, int waits, void *data),
                     void *data)
{
    for (uint32_t i = 0; i < hub->fd_chunks * HUB__FD_CHUNK; i++) {
        const struct hub__fd *entry = hub__fd_peek(hub, (int)i);
        const struct hub__fd_wait *wait;
        int waits = 0;

        if (entry == NULL || (entry->watched == 0 && entry->waits == NULL))
            continue;
        for (wait = entry->waits; wait != NULL; wait = wait->next)
            waits++;
        each((int)i, entry->watched, waits, data);
    }
}

void hub__watch_waits(const struct hub *hub,
                      void (*each)(struct hub__fd_wait *wait, void *data),
                      void *data)
{
    for (uint32_t i = 0; i < hub->fd_chunks * HUB__FD_CHUNK; i++) {
        const struct hub__fd *entry = hub__fd_peek(hub, (int)i);
        struct hub__fd_wait *wait = entry != NULL ? entry->waits : NULL, *next;

        for (; wait != NULL; wait = next) {
            next = wait->next;
            each(wait, data);
        }
    }
}

void hub__watch_check(struct hub *hub)
{
    hub__fd_take_closes(hub);
    for (uint32_t fd = 0; fd < hub->fd_chunks * HUB__FD_CHUNK; fd++) {
        const struct hub__fd *entry = hub__fd_peek(hub, (int)fd);

        if (entry != NULL && entry->watched != 0 &&
            fcntl((int)fd, F_GETFD) < 0)
            hub__fd_gone(hub, (int)fd);
    }
}

void hub__watch_forked(struct hub *hub)
{
    for (uint32_t i = 0; i < hub->fd_chunks; i++)
        free(hub->fds[i]);
    free(hub->fds);
    hub->fds_unsure = 0;
    hub->fds = NULL;
    hub->fd_chunks = 0;
}

void hub__watch_anew(struct hub *hub)
{
    hub__enter(hub);
    hub->fds_unsure = 0;
    for (uint32_t fd = 0; fd < hub->fd_chunks * HUB__FD_CHUNK; fd++) {
        struct hub__fd *entry = hub__fd_peek(hub, (int)fd);
        int events = 0;

        if (entry == NULL)
            continue;
        entry->watched = 0;
        entry->strikes = 0;
        entry->fresh = 1;
        entry->edge = HUB__EDGE_NOT; /* in the new loop */
        for (struct hub__fd_wait *wait = entry->waits; wait != NULL;
             wait = wait->next)
            events |= wait->events;
        if (events != 0)
            rewatch(hub, entry, (int)fd, events);
    }
    hub__exit(hub);
}
