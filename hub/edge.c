/* edge.c - a post that waits for its next request, told of what comes just once
 *
 * With a level-triggered registration the kernel looks at each socket it has told
 * of a second time, in the next epoll_wait().  For the connections of a server
 * that is 2 % of a request, and it says what is known: all was read.  So who has
 * found nothing left in some waits in a row is watched edge-triggered.
 *
 * That is right as long as nothing is there that no event will tell of:
 *  - Who has not read until there was no more (`drained`), and who waits in any
 *    other way, goes back to level first: epoll then looks at once.
 *  - Only a TCP socket's recv() that gets less than it asked for has got all.
 *    Datagrams, records of TLS in the kernel, and messages with descriptors over a
 *    local socket end one earlier.
 *  - The end that is there behind the data, an error, and urgent data, at whose
 *    mark a recv() stops, come with an event that says so.  A mark whose byte has
 *    been read is not to be seen any more: whoever reads such a byte is watched
 *    level-triggered from then on.
 *
 * The kernel looks before it tells, edge or not: of what was read meanwhile
 * nobody hears.  What comes after a recv() had found no more is told, by
 * whomever it is read: another loop that watches the same takes nothing away.
 *
 * A change costs a system call, three times what an event saves.  It is made when
 * as much could have been saved before: so it never costs more than twice. */
#include "hub/edge_impl.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

/* A TCP socket that nothing is put upon. */
static bool is_plain_tcp(int fd)
{
    char name[16]; /* its upper layer's */
    socklen_t size = sizeof name;
    int saved = errno, rc = getsockopt(fd, IPPROTO_TCP, TCP_ULP, name, &size);

    errno = saved;
    return rc == 0 && size == 0;
}

static uint8_t as_level(const struct hub__fd *entry)
{
    return entry->edge >= HUB__EDGE_LAST ? HUB__EDGE_NEVER : HUB__EDGE_NOT;
}

/* Returns false: the number was closed behind our back. */
static bool modify(struct hub *hub, struct hub__fd *entry, int fd, bool edge)
{
    uint8_t level = as_level(entry);
    int rc;

    entry->edge = edge ? HUB__EDGE_ON : level; /* a signal handler may close it */
    rc = hub__loop_edge(hub, fd, edge);
    if (rc == 0)
        return true;
    entry->edge = rc == -ENOSYS ? HUB__EDGE_NEVER : level;
    if (rc == -ENOSYS || rc == -EAGAIN)
        return true;
    entry->fresh = 1;
    return false;
}

void hub__edge_leave(struct hub *hub, struct hub__fd *entry, int fd)
{
    if (entry->edge < HUB__EDGE_ON)
        entry->edge = HUB__EDGE_NOT;
    else if (entry->edge != HUB__EDGE_NEVER)
        modify(hub, entry, fd, false);
}

bool hub__edge_wait(struct hub *hub, struct hub__fd *entry, int fd)
{
    if (entry->edge == HUB__EDGE_NEVER)
        return true;
    if (entry->edge >= HUB__EDGE_ON)
        return modify(hub, entry, fd, false);
    if ((entry->drained & HUB_READ) == 0 || entry->watched != HUB_READ) {
        entry->edge = HUB__EDGE_NOT;
        return true;
    }
    if (++entry->edge < HUB__EDGE_ON)
        return true;
    if (is_plain_tcp(fd))
        return modify(hub, entry, fd, true);
    entry->edge = HUB__EDGE_NEVER;
    return true;
}

void hub__edge_ended(struct hub *hub, int fd)
{
    struct hub__fd *entry = hub__fd_peek(hub, fd);

    if (entry != NULL && entry->edge == HUB__EDGE_ON)
        entry->edge = HUB__EDGE_ENDED;
}

void hub__edge_undone(struct hub *hub, int fd)
{
    struct hub__fd *entry = hub__fd_peek(hub, fd);

    if (entry != NULL)
        entry->edge = as_level(entry);
}
