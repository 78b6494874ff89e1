/* fdclose.c - a descriptor is closed by a mapped thread of another hub
 *
 * Who waits for the number goes on with a private copy of the file, as a blocked
 * thread does on Linux.  Only its own hub can move it there; but the copy, and what
 * its loop has told the kernel of the number, are the closer's to see to, as long as
 * the number is open.  Then a message tells the hub; and since a number is used again
 * only after its close, a hub that takes its messages before each new wait never
 * takes one file for the other. */
#include "hub/reserve.h"
#include "hub/sight.h"
#include "hub/watch_impl.h"

#include <stdlib.h>
#include <unistd.h>

struct hub__fd_close {
    struct hub__fd_close *next;
    int fd, copy; /* -1: there could be none */
};

static void take_one(struct hub *hub, const struct hub__fd_close *close_of)
{
    struct hub__fd *entry = hub__fd_peek(hub, close_of->fd);

    if (entry == NULL || entry->moved ||
        !hub__fd_move(hub, close_of->fd, close_of->copy)) {
        if (close_of->copy >= 0)
            hub__fd_drop(close_of->copy);
    }
}

void hub__fd_take_closes(struct hub *hub)
{
    struct hub__fd_close *taken =
        __atomic_exchange_n(&hub->sight->closes, NULL, __ATOMIC_ACQUIRE);
    struct hub__fd_close *ordered = NULL, *next;
    int saved = errno;

    for (; taken != NULL; taken = next) {
        next = taken->next;
        taken->next = ordered;
        ordered = taken;
    }
    for (; ordered != NULL; ordered = next) {
        next = ordered->next;
        take_one(hub, ordered);
        free(ordered);
    }
    errno = saved;
}

static void take_soon(void *hub)
{
    struct hub *own = hub;

    __atomic_store_n(&own->sight->closes_asked, 0, __ATOMIC_SEQ_CST);
    hub__fd_take_closes(own);
}

static void tell(struct hub *hub, int fd)
{
    struct hub__fd_close *message = greenlet__malloc(sizeof *message);

    hub__loop_take_out(hub, fd);
    if (message == NULL)
        return; /* it looks whether its numbers are open: hub__watch_check() */
    *message = (struct hub__fd_close){ NULL, fd, hub__fd_copy(fd) };
    message->next = __atomic_load_n(&hub->sight->closes, __ATOMIC_RELAXED);
    while (!__atomic_compare_exchange_n(&hub->sight->closes, &message->next, message,
                                        true, __ATOMIC_RELEASE,
                                        __ATOMIC_RELAXED))
        ;
    if (__atomic_exchange_n(&hub->sight->closes_asked, 1, __ATOMIC_SEQ_CST) != 0)
        return;
    hub__callback_init(&hub->sight->take_closes, hub, take_soon, hub);
    hub__callback_push_remote(&hub->sight->take_closes);
}

/* Entered: no handler that jumps away comes between, who would leave the lock. */
void hub__fd_closing_elsewhere(int fd)
{
    struct hub *self = hub__peek();
    uint32_t whose = hub__fd_whose(fd);
    int saved = errno;

    if (likely(whose == 0 || (self != NULL && whose == self->id)))
        return;
    if (self != NULL)
        hub__enter(self);
    hub__all_lock();
    for (struct hub *hub = hub__all; hub != NULL; hub = hub->next_hub)
        if (hub != self && (whose == HUB__SEVERAL || whose == hub->id))
            tell(hub, fd);
    hub__all_unlock();
    if (self != NULL)
        hub__exit(self);
    errno = saved;
}
