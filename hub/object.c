/* object.c - links: calls that are made in the loop when an object is ready */
#include "hub/sync_impl.h"

struct link {
    struct hub__link link;        /* on the object's list */
    struct hub_callback callback; /* on the ready list, once it was notified */
    struct hub_object object;
    hub_link_function *function;
    void *arg;
    uint32_t state; /* atomic: the object may be another thread's */
};
enum { UNUSED, LINKED, QUEUED };
_Static_assert(sizeof(struct link) <= sizeof(struct hub_link),
               "struct hub_link has room for it");

static struct link *inside(struct hub_link *link)
{
    return (struct link *)(void *)link;
}

bool hub_object_ready(struct hub_object object)
{
    return object.ops != NULL && object.ops->ready(object.pointer);
}

static void call(void *arg)
{
    struct link *link = arg;

    /* From here on it is the program's again, which may link it anew. */
    link->callback.hub->links--;
    __atomic_store_n(&link->state, UNUSED, __ATOMIC_RELAXED);
    link->function(link->object, link->arg);
}

/* Under the object's lock, on any thread, and possibly in a signal handler that
 * interrupted the hub: then it goes the way of other threads. */
static void queue(struct hub__link *linked)
{
    struct link *link = container_of(linked, struct link, link);
    struct hub *hub = link->callback.hub;

    __atomic_store_n(&link->state, QUEUED, __ATOMIC_RELAXED);
    if (hub == hub__peek() && hub->critical <= 1)
        hub__callback_push(&link->callback);
    else
        hub__callback_push_remote(&link->callback);
}

int hub_rawlink(struct hub_link *link, struct hub_object object,
                hub_link_function *function, void *arg)
{
    struct link *l = inside(link);
    struct hub *hub;
    int rc;

    if (l == NULL || function == NULL || object.ops == NULL ||
        object.pointer == NULL)
        return -EINVAL;
    if (__atomic_load_n(&l->state, __ATOMIC_RELAXED) != UNUSED)
        return -EBUSY;
    hub = hub__get();
    if (hub == NULL)
        return -ENOMEM;
    hub__callback_init(&l->callback, hub, call, l);
    l->link = (struct hub__link){ .notify = queue };
    l->object = object;
    l->function = function;
    l->arg = arg;
    __atomic_store_n(&l->state, LINKED, __ATOMIC_RELAXED);
    rc = object.ops->link(&l->object, &l->link);
    hub->links += rc >= 0;
    if (rc > 0)
        queue(&l->link);
    if (rc < 0)
        __atomic_store_n(&l->state, UNUSED, __ATOMIC_RELAXED);
    return rc < 0 ? rc : 0;
}

static bool is_queued(const struct hub *hub,
                      const struct hub_callback *callback)
{
    const void *wanted = callback;
    const struct greenlet *at;

    for (at = hub->ready_head; at != NULL && at != wanted; at = at->next)
        ;
    return at != NULL;
}

/* It has been notified: it is on the ready list, or on its way there. */
static void take_off(struct hub *hub, struct link *link)
{
    hub__enter(hub);
    while (!is_queued(hub, &link->callback))
        hub__take_remote(hub);
    hub__exit(hub);
    hub__unready(hub, (struct greenlet *)(void *)&link->callback);
}

/* Made by this thread, if in a hub that has gone. */
static bool is_ours(const struct link *link)
{
    const struct greenlet__thread *thread = greenlet__thread_peek();

    return thread != NULL && thread->os == link->callback.hub->os;
}

int hub_unlink(struct hub_link *link)
{
    struct link *l = inside(link);

    if (l == NULL || __atomic_load_n(&l->state, __ATOMIC_RELAXED) == UNUSED)
        return -ENOENT;
    if (!is_ours(l))
        return hub__refuse_thread(l->callback.hub, "the link");
    if (__atomic_load_n(&l->state, __ATOMIC_RELAXED) != LINKED ||
        !l->object.ops->unlink(&l->object, &l->link))
        take_off(l->callback.hub, l);
    l->callback.hub->links--;
    __atomic_store_n(&l->state, UNUSED, __ATOMIC_RELAXED);
    return 0;
}
