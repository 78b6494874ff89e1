/* fdshare.c - which hub watches a descriptor, so that a close reaches it
 *
 * Numbers are the process's, loops are a thread's.  One word for each number says
 * whose loop was last told to watch it: nobody's, one hub's, or several.  Who
 * closes looks at it; where it names others they are asked, by a call in their
 * loop, to end their waits.
 *
 * That call may come when the number names a new file already.  Closes are
 * counted, and each registration keeps the count that it was made at: what was
 * registered after the close is left alone.  Without memory for the call the hub
 * looks at all its numbers: those whose word does not name it any more were closed. */
#include "context/testhook.h"
#include "hub/sight.h"
#include "hub/watch_impl.h"

#include <stdlib.h>

#define ROOM 4096 /* numbers a chunk */
#define CHUNKS 512
#define SEVERAL HUB__SEVERAL

static uint32_t *chunks[CHUNKS]; /* atomic; made when they are needed */
static uint32_t closes;          /* atomic */
static uint32_t unknown; /* atomic: some registrations are in no word, for want of
                            memory */

/* NULL: nobody has watched it, or there is no memory. */
static uint32_t *word_of(int fd, bool make)
{
    uint32_t number = (uint32_t)fd, *chunk, *before = NULL;

    if (number / ROOM >= CHUNKS)
        return NULL;
    chunk = __atomic_load_n(&chunks[number / ROOM], __ATOMIC_ACQUIRE);
    if (chunk == NULL && make) {
        chunk = greenlet__calloc(ROOM, sizeof *chunk);
        if (chunk != NULL &&
            !__atomic_compare_exchange_n(&chunks[number / ROOM], &before,
                                         chunk, false, __ATOMIC_ACQ_REL,
                                         __ATOMIC_ACQUIRE)) {
            free(chunk);
            chunk = before;
        }
    }
    return chunk != NULL ? &chunk[number % ROOM] : NULL;
}

uint32_t hub__fd_registered(const struct hub *hub, int fd)
{
    uint32_t *word = word_of(fd, true), before = 0;

    if (word == NULL)
        __atomic_store_n(&unknown, 1, __ATOMIC_RELEASE);
    else if (!__atomic_compare_exchange_n(word, &before, hub->id, false,
                                          __ATOMIC_ACQ_REL,
                                          __ATOMIC_ACQUIRE) &&
             before != hub->id)
        __atomic_store_n(word, SEVERAL, __ATOMIC_RELEASE);
    return __atomic_load_n(&closes, __ATOMIC_ACQUIRE);
}

struct message {
    int fd;
    uint32_t close;
};

static void closed_elsewhere(void *arg)
{
    struct message message = *(struct message *)arg;
    struct hub *hub = hub__peek();
    const struct hub__fd *entry = hub__fd_peek(hub, message.fd);

    free(arg);
    if (entry != NULL && (int32_t)(entry->registered - message.close) < 0)
        hub__fd_gone(hub, message.fd);
}

static bool is_not_ours(const struct hub *hub, int fd)
{
    const uint32_t *word = word_of(fd, false);
    uint32_t whose =
        word != NULL ? __atomic_load_n(word, __ATOMIC_ACQUIRE) : hub->id;

    return whose != hub->id && whose != SEVERAL;
}

static void look_at_all(void *arg)
{
    struct hub *hub = arg;

    __atomic_store_n(&hub->fds_unsure, 0, __ATOMIC_RELEASE);
    for (uint32_t fd = 0; fd < hub->fd_chunks * HUB__FD_CHUNK; fd++) {
        const struct hub__fd *entry = hub__fd_peek(hub, (int)fd);

        if (entry != NULL && entry->watched != 0 && is_not_ours(hub, (int)fd))
            hub__fd_gone(hub, (int)fd);
    }
    hub__watch_check(hub);
}

static void tell_without_memory(struct hub *hub)
{
    if (__atomic_exchange_n(&hub->fds_unsure, 1, __ATOMIC_ACQ_REL) != 0)
        return;
    hub__callback_init(&hub->look_at_fds, hub, look_at_all, hub);
    hub__callback_push_remote(&hub->look_at_fds);
}

static void tell(struct hub *hub, int fd, uint32_t count)
{
    struct message *message = greenlet__malloc(sizeof *message);

    if (message != NULL) {
        *message = (struct message){ fd, count };
        if (hub_call_soon_threadsafe(hub, closed_elsewhere, message) == 0)
            return;
        free(message);
    }
    tell_without_memory(hub);
}

uint32_t hub__fd_whose(int fd)
{
    uint32_t *word = fd >= 0 ? word_of(fd, false) : NULL;

    if (word == NULL)
        return __atomic_load_n(&unknown, __ATOMIC_ACQUIRE) ? SEVERAL : 0;
    return __atomic_load_n(word, __ATOMIC_RELAXED) == 0
               ? 0
               : __atomic_exchange_n(word, 0, __ATOMIC_ACQ_REL);
}

void hub__fd_closed_here(const struct hub *self, int fd)
{
    uint32_t *word = fd >= 0 ? word_of(fd, false) : NULL;
    uint32_t whose = word != NULL
                         ? __atomic_exchange_n(word, 0, __ATOMIC_ACQ_REL)
                         : 0;
    uint32_t count;

    if (word == NULL && __atomic_load_n(&unknown, __ATOMIC_ACQUIRE))
        whose = SEVERAL;
    if (likely(whose == 0 || (self != NULL && whose == self->id)))
        return;
    count = __atomic_add_fetch(&closes, 1, __ATOMIC_ACQ_REL);
    hub__all_lock();
    for (struct hub *hub = hub__all; hub != NULL; hub = hub->next_hub)
        if (hub != self && (whose == SEVERAL || whose == hub->id))
            tell(hub, fd, count);
    hub__all_unlock();
}

/* Another loop may have been told to watch it after closed_here() had looked: the
 * kernel forgets that silently. */
void hub__fd_closed_late(const struct hub *self, int fd)
{
    const uint32_t *word = fd >= 0 ? word_of(fd, false) : NULL;
    uint32_t whose =
        word != NULL ? __atomic_load_n(word, __ATOMIC_ACQUIRE) : 0;

    if (likely(whose == 0 || (self != NULL && whose == self->id)))
        return;
    hub__all_lock();
    for (struct hub *hub = hub__all; hub != NULL; hub = hub->next_hub)
        if (hub != self && (whose == SEVERAL || whose == hub->id))
            tell_without_memory(hub);
    hub__all_unlock();
}
