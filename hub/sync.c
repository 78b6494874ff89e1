/* sync.c - what events, semaphores, locks and queues have in common */
#include "hub/sync_impl.h"

#include "context/testhook.h"

#include <stdio.h>
#include <stdlib.h>

#define SPINS 100 /* looks at a lock before the processor is given away */

/* False: this thread itself holds it, below a signal handler. */
bool hub__sync_lock_slow(uint64_t *word, uint64_t *value)
{
    for (unsigned looks = 1;; looks++) {
        *value = __atomic_load_n(word, __ATOMIC_RELAXED);
        if (!(*value & HUB__LOCKED)) {
            if (hub__word_cas(word, value, *value | HUB__LOCKED))
                return true;
        } else if (__libc_single_threaded) {
            return false;
        }
        if (looks % SPINS == 0)
            sched_yield();
    }
}

void hub__sync_wake_all(struct hub__link **list, int result)
{
    struct hub__link *link;

    while ((link = hub__link_take(list)) != NULL) {
        if (link->notify != NULL)
            link->notify(link);
        else
            hub__wait_give(hub__wait_of(link), result);
    }
}

int hub__shared_link(const struct hub_object *object, struct hub__link *link)
{
    struct hub__shared *shared = object->pointer;
    struct hub__held held;
    int rc = hub__sync_lock(&held, &shared->word);

    if (rc < 0)
        return rc;
    rc = object->ops->ready(shared);
    if (rc == 0)
        hub__link_add(&shared->links, link);
    hub__sync_unlock_waited(&held, shared->links);
    return rc;
}

bool hub__shared_unlink(const struct hub_object *object, struct hub__link *link)
{
    struct hub__shared *shared = object->pointer;

    return hub__sync_unlink(&shared->word, &shared->links, link);
}

bool hub__sync_unlink(uint64_t *word, struct hub__link **list,
                      struct hub__link *link)
{
    struct hub__held held;
    bool linked;

    if (hub__sync_lock(&held, word) < 0)
        return false;
    linked = hub__link_is_linked(link);
    if (linked)
        hub__link_remove(list, link);
    hub__sync_unlock_waited(&held, *list);
    return linked;
}

bool hub__sync_waited(uint64_t *word, struct hub__link *const *list)
{
    struct hub__held held;
    bool waited;

    if (hub__sync_lock(&held, word) < 0)
        return true;
    waited = *list != NULL;
    hub__sync_unlock(&held);
    return waited;
}

/* Behind `after`, which is on the ready list; NULL, or not there: at its end.
 */
static void push_behind(struct hub *hub, struct greenlet *self,
                        struct greenlet *after)
{
    struct greenlet *at = after != NULL ? hub->ready_head : NULL;

    while (at != NULL && at != after)
        at = at->next;
    if (at == NULL || at->next == NULL) {
        hub__push_ready(hub, self);
        return;
    }
    self->next = at->next;
    at->next = self;
}

/* It waits as one that has been woken already: nothing else can end that. */
int hub__let_go_first(struct hub__waiter *self, struct greenlet *after)
{
    struct hub *hub = self->hub;

    self->state = WAITER_CLAIMED;
    self->result = 0;
    hub__enter(hub);
    if (after != NULL)
        hub__take_remote(hub); /* it may be there, woken by another thread */
    push_behind(hub, self->greenlet, after);
    hub__exit(hub);
    hub__suspend(hub, self->greenlet, self);
    return self->result == HUB__RUN_BY_OTHER
               ? hub__run_by_other(self->greenlet, self)
               : 0;
}

/* ---- what is thrown again ---- */

struct later {
    struct hub_callback callback;
    struct greenlet *greenlet; /* counted */
    struct greenlet_exception record;
};

static void throw_now(void *arg)
{
    struct later *later = arg;
    struct greenlet *g = later->greenlet;
    struct greenlet_exception record = later->record;

    free(later);
    if (greenlet_dead(g) || hub_ready(g)) {
        hub__handle_error(g->thread->os->hub, g, &record);
        greenlet_exception_clear(&record);
    } else {
        greenlet_throw(g, &record, NULL);
    }
    greenlet_unref(g);
}

void hub__throw_later(void)
{
    struct hub *hub = hub__peek();
    struct greenlet_exception record;
    struct later *later;

    if (hub == NULL || !greenlet_caught(&record))
        return;
    later = record.cls != &hub_invalid_switch_class
                ? greenlet__malloc(sizeof *later)
                : NULL;
    if (later == NULL) {
        greenlet_exception_clear(&record);
        return;
    }
    later->greenlet = greenlet_ref(greenlet__word->current);
    later->record = record;
    hub__callback_init(&later->callback, hub, throw_now, later);
    hub__callback_push(&later->callback);
}

/* ---- refusing ---- */

int hub__refuse_thread(const struct hub *owner, const char *what)
{
    const struct hub *mine = hub__peek();
    char mine_is[24] = "a thread without one";
    struct greenlet_exception record = { .cls = &hub_invalid_thread_class };
    char *text = greenlet__malloc(160);

    if (mine != NULL)
        snprintf(mine_is, sizeof mine_is, "hub %u", hub_id(mine));
    if (text != NULL) {
        snprintf(text, 160, "%s belongs to hub %u, and was used in %s", what,
                 owner != NULL ? hub_id(owner) : 0, mine_is);
        record.text = record.payload = text;
        record.destroy = free;
    } else {
        record.text = "it belongs to another hub";
    }
    record.origin = __builtin_return_address(0);
    return greenlet_raise(&record);
}
