/* crew.c - greenlets that serve descriptors while there is something to read
 *
 * Posts whose descriptor can be read are on a list, and the loop calls
 * dispatch(), which starts a greenlet on the stack that was used last.  That one
 * takes post after post; when one of them waits, the loop comes back and starts
 * the next for the rest.  A greenlet goes on to another post only while nothing
 * can be told of it that could not be of a new one; else it ends, as any other,
 * and that costs little: so nobody has to clean up what a call may leave. */
#include "hub/crew.h"
#include "context/slot.h"
#include "hub/fork_impl.h"
#include "hub/schedule.h"
#include "hub/edge_impl.h"
#include "thread_pointer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define RETRY_NS (10 * HUB_MILLISECOND) /* without memory for a greenlet */
#define KEPT     16u /* stacks beyond those that were in use, left as they are */

/* The first line has all that an event needs. */
struct post {
    struct hub__fd_wait wait;
    struct hub_crew *crew;
    struct post *next; /* of those that are to be called */
    int fd;            /* the wait's may change, see hub__fd_closing() */
    int16_t error;
    uint8_t state; /* enum state */
    uint8_t forks; /* the crew's, when it was linked somewhere */
};
enum state {
    HAS_GREENLET,
    WAITS,
    IS_READY, /* its wait has ended, and it is due */
    IS_DUE    /* without one */
};
_Static_assert(sizeof(struct post) == sizeof(struct hub_crew_post),
               "the caller has room for it");

struct hub_crew {
    struct hub *hub;
    hub_crew_function *function;
    size_t stack_size;
    struct post *first, *last; /* due, the oldest first; last: if first is */
    struct hub_callback soon;  /* dispatch() */
    struct hub__timer retry;
    struct hub__part part;
    unsigned refs; /* the owner's, each greenlet's, and of what is queued */
    unsigned out, most; /* greenlets there are; were since hub_crew_settle() */
    unsigned taken;     /* posts, by greenlets */
    uint8_t forks;      /* what was linked before the last one is not any more */
};

static struct post *post_of(struct hub_crew_post *post)
{
    return (struct post *)(void *)post;
}

static void unref(struct hub_crew *crew)
{
    if (--crew->refs > 0)
        return;
    if (crew->hub != NULL)
        hub__part_remove(crew->hub, &crew->part);
    free(crew);
}

/* ---- a greenlet of the crew ---- */

/* The number may have been closed meanwhile, or be another file's. */
static void end_wait(struct post *post)
{
    if (unlikely(hub__unwatch(post->crew->hub, &post->wait)) &&
        post->error == 0)
        post->error = -EBADF;
    if (unlikely(post->wait.fd != post->fd))
        hub__moved(post->wait.fd);
}

static inline struct post *take(struct hub_crew *crew)
{
    struct post *post = crew->first;

    hub__enter(crew->hub);
    crew->first = post->next;
    crew->taken++;
    hub__exit(crew->hub);
    if (likely(post->state == IS_READY))
        end_wait(post);
    post->state = HAS_GREENLET;
    return post;
}

static inline bool is_as_new(struct greenlet *self, uint8_t has,
                             const struct greenlet *parent, uint32_t control)
{
    const struct hub__own *own = hub__own(self);

    return self->has == has && self->parent == parent && self->arrival == 0 && self->vars == NULL &&
           self->owner_id == 0 && greenlet__read(self->has_weak) == 0 &&
           greenlet__read(self->refs) == 1 && own->frames == NULL &&
           own->links == NULL && own->more == NULL && own->pending == 0 &&
           own->flags == (HUB__SPAWNED | HUB__BEGUN) &&
           greenlet__control_words() == control;
}

/* For the monitor, and for the budget of calls that need no wait, each post has
 * a turn of its own. */
static int serve(void *arg, void **result)
{
    struct hub_crew *crew = arg;
    struct greenlet *self = greenlet__word->current;
    const uint32_t control = greenlet__control_words();
    const struct greenlet *parent = self->parent;
    const uint8_t has = self->has;

    (void)result;
    do {
        struct post *post = take(crew);

        crew->function((struct hub_crew_post *)(void *)post, post->error);
        hub__count(crew->hub->switches);
        hub__own(self)->timed_out_on = NULL;
    } while (crew->first != NULL && is_as_new(self, has, parent, control));
    crew->out--;
    unref(crew);
    return 0;
}

/* ---- in the loop ---- */

static void call_soon(struct hub_crew *crew)
{
    if (crew->soon.queued)
        return;
    crew->refs++;
    hub__callback_push(&crew->soon);
}

static void retry_fires(struct hub *hub, struct hub__timer *timer)
{
    struct hub_crew *crew = container_of(timer, struct hub_crew, retry);

    (void)hub;
    call_soon(crew);
    unref(crew);
}

static void retry_later(struct hub_crew *crew)
{
    if (crew->retry.slot != HUB__NO_INDEX)
        return;
    if (hub__timer_add(crew->hub, &crew->retry, hub_deadline(RETRY_NS)) == 0)
        crew->refs++;
    else
        call_soon(crew);
}

/* Returns false: there is no memory, or it was killed before it began. */
static bool start_one(struct hub_crew *crew)
{
    unsigned taken = crew->taken;

    crew->refs++;
    if (++crew->out > crew->most)
        crew->most = crew->out;
    if (likely(hub__run_told_at_once(crew->hub, crew->stack_size, serve,
                                     crew) == 0 &&
               crew->taken != taken))
        return true;
    crew->out--;
    unref(crew);
    return false;
}

static void dispatch(void *arg)
{
    struct hub_crew *crew = arg;

    while (crew->first != NULL)
        if (unlikely(!start_one(crew))) {
            retry_later(crew);
            break;
        }
    unref(crew);
}

/* ---- posts ---- */

/* Between hub__enter() and hub__exit(). */
static void append(struct post *post, enum state state, int error)
{
    struct hub_crew *crew = post->crew;

    post->state = (uint8_t)state;
    post->error = (int16_t)error;
    post->forks = crew->forks;
    post->next = NULL;
    if (crew->first != NULL)
        crew->last->next = post;
    else
        crew->first = post;
    crew->last = post;
    call_soon(crew);
}

static void wait_ends(struct hub__fd_wait *wait, int rc)
{
    append(container_of(wait, struct post, wait), IS_READY, rc);
}

void hub_crew_post_init(struct hub_crew_post *post, struct hub_crew *crew)
{
    struct post *made = post_of(post);

    memset(made, 0, sizeof *made);
    made->crew = crew;
    made->fd = -1;
    made->wait.notify = wait_ends;
    made->wait.events = HUB_READ;
    made->wait.exclusive = 1;
}

/* hub__watch() of what the loop watches already, and nobody else waits for. */
static inline bool watch_again(struct hub *hub, struct hub__fd *entry,
                               struct hub__fd_wait *wait)
{
    if (unlikely(entry == NULL || !entry->managed || entry->waits != NULL ||
                 entry->fresh || (entry->watched & HUB_READ) == 0))
        return false;
    if (unlikely(entry->edge != HUB__EDGE_ON ||
                 (entry->drained & HUB_READ) == 0) &&
        !hub__edge_wait(hub, entry, wait->fd))
        return false;
    hub__enter(hub);
    entry->strikes = 0;
    entry->waits = wait;
    wait->closed = entry->closed;
    wait->fired = 0;
    wait->next = NULL;
    wait->back = &entry->waits;
    hub->active++;
    hub__exit(hub);
    return true;
}

int hub_crew_wait(struct hub_crew_post *post, int fd)
{
    struct post *waits = post_of(post);
    struct hub *hub = waits->crew->hub;
    int rc = 0;

    if (unlikely(hub == NULL))
        return -ECANCELED;
    waits->fd = waits->wait.fd = fd;
    if (unlikely(!watch_again(hub, hub__fd_peek(hub, fd), &waits->wait))) {
        if (!hub__fd_is_managed(hub, fd))
            rc = hub__fd_make_sure(hub, fd);
        if (rc == 0)
            rc = hub__watch(hub, &waits->wait);
    }
    if (likely(rc == 0)) {
        waits->state = WAITS;
        waits->forks = waits->crew->forks;
    }
    return rc;
}

void hub_crew_call(struct hub_crew_post *post, int error)
{
    struct post *called = post_of(post);
    struct hub *hub = called->crew->hub;

    if (unlikely(hub == NULL))
        return;
    if (unlikely(called->forks != called->crew->forks))
        called->state = HAS_GREENLET; /* or had, or is linked in the parent */
    switch ((enum state)called->state) {
    case IS_READY:
    case IS_DUE:
        if (called->error == 0)
            called->error = (int16_t)error;
        return;
    case WAITS:
        end_wait(called);
        break;
    case HAS_GREENLET:
        break;
    }
    hub__enter(hub);
    append(called, IS_DUE, error);
    hub__exit(hub);
}

/* ---- what happens to the hub ---- */

static void cancel(struct hub__fd_wait *wait, void *crew)
{
    struct post *post;

    if (wait->notify != wait_ends)
        return;
    post = container_of(wait, struct post, wait);
    if (post->crew == crew)
        hub_crew_call((struct hub_crew_post *)(void *)post, -ECANCELED);
}

static void cancel_all(struct hub_crew *crew)
{
    for (struct post *post = crew->first; post != NULL; post = post->next)
        if (post->error == 0)
            post->error = -ECANCELED;
    hub__watch_waits(crew->hub, cancel, crew);
}

/* In the child of a fork: nothing is linked any more, and nobody comes for what was
 * queued. */
static void forget(struct hub_crew *crew)
{
    crew->forks++;
    crew->first = NULL;
    if (crew->soon.queued)
        crew->refs--;
    crew->soon.queued = 0;
    if (crew->retry.slot != HUB__NO_INDEX)
        crew->refs--;
    hub__timer_init(&crew->retry, retry_fires);
}

static void closes(struct hub_crew *crew)
{
    bool queued = crew->retry.slot != HUB__NO_INDEX;

    if (queued)
        hub__timer_remove(crew->hub, &crew->retry);
    hub__part_remove(crew->hub, &crew->part);
    crew->hub = NULL;
    if (queued)
        unref(crew);
}

static void tell(struct hub__part *part, struct hub *hub,
                 enum hub__part_event event)
{
    struct hub_crew *crew = container_of(part, struct hub_crew, part);

    (void)hub;
    if (event == HUB__PART_ENDS) {
        cancel_all(crew);
    } else if (event == HUB__PART_ALONE) {
        forget(crew);
    } else if (event == HUB__PART_CLOSES) {
        closes(crew);
    }
}

/* ---- crews ---- */

int hub_crew_new(hub_crew_function *function, size_t stack_size,
                 struct hub_crew **crew)
{
    struct hub *hub = hub__get();
    struct hub_crew *made =
        hub != NULL ? greenlet__calloc(1, sizeof *made) : NULL;

    if (made == NULL)
        return -ENOMEM;
    made->hub = hub;
    made->function = function;
    made->stack_size = stack_size;
    made->refs = 1;
    hub__callback_init(&made->soon, hub, dispatch, made);
    hub__timer_init(&made->retry, retry_fires);
    made->part.tell = tell;
    hub__part_add(hub, &made->part);
    *crew = made;
    return 0;
}

void hub_crew_settle(struct hub_crew *crew)
{
    if (crew->hub == NULL)
        return;
    greenlet__pool_trim(&crew->hub->os->pool, crew->most + KEPT);
    crew->most = crew->out;
}

void hub_crew_free(struct hub_crew *crew)
{
    if (crew != NULL)
        unref(crew);
}
