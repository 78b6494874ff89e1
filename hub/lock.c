/* lock.c - locks that know their owner
 *
 * The owner is written by who becomes it, or by who hands over.  Anybody may
 * read it, but only an owner can find itself there.  A greenlet that has ended leaves
 * its address to another: with it goes a number that each has for itself. */
#include "hub/sync_impl.h"

#include <limits.h>
#include <string.h>

/* Above what the kernel and the preload library give to threads, and below
 * FUTEX_TID_MASK; they come round after 500 million. */
#define FIRST_OWNER 0x20000000u
#define OWNERS 0x1fffffffu

enum { OWNED = 4, BY_THREAD = 8 }; /* BY_THREAD: by one without greenlets */

struct rlock {
    uint64_t word;
    struct hub__link *links;
    const void *owner; /* atomic: a greenlet, or a thread's mark */
    int count;         /* the owner's */
    uint32_t life;     /* atomic: hub__owner_id() of the owner, if a greenlet */
};
_Static_assert(sizeof(struct rlock) <= sizeof(struct hub_rlock),
               "struct hub_rlock has room for it");

/* Its address stands for a thread without greenlets. */
static __thread char thread_mark __attribute__((tls_model("initial-exec")));

static struct rlock *inside(const struct hub_rlock *lock)
{
    return (struct rlock *)(uintptr_t)lock;
}

static inline const void *caller(void)
{
    const struct greenlet__thread *thread = greenlet__thread_peek();

    return likely(thread != NULL) ? (const void *)thread->current
                                  : &thread_mark;
}

uint32_t hub__owner_id(struct greenlet *g)
{
    static uint32_t next; /* atomic */

    if (g->owner_id == 0 && !g->is_main)
        g->owner_id = FIRST_OWNER + __atomic_fetch_add(&next, 1,
                                                       __ATOMIC_RELAXED) %
                                        OWNERS;
    return g->owner_id;
}

static inline uint32_t life_of(const void *self)
{
    struct greenlet *g = (struct greenlet *)(uintptr_t)self;

    if (self == &thread_mark)
        return 0;
    return likely(g->owner_id != 0) ? g->owner_id : hub__owner_id(g);
}

static inline uint32_t life_in(const struct rlock *r)
{
    return __atomic_load_n(&r->life, __ATOMIC_RELAXED);
}

/* A thread may have made its first greenlet while it owned it. */
static inline bool owns(const struct rlock *r)
{
    const void *owner = __atomic_load_n(&r->owner, __ATOMIC_RELAXED);
    const void *self;

    if (owner == NULL || owner == &thread_mark)
        return owner != NULL;
    self = caller();
    return owner == self &&
           life_in(r) == ((const struct greenlet *)self)->owner_id;
}

static inline void own(struct rlock *r, const void *owner, uint32_t life)
{
    __atomic_store_n(&r->life, life, __ATOMIC_RELAXED);
    __atomic_store_n(&r->owner, owner, __ATOMIC_RELAXED);
}

const struct greenlet hub__has_ended;

/* For reports. */
static const struct greenlet *holder(const void *lock)
{
    const struct rlock *r = lock;
    const struct greenlet *g = __atomic_load_n(&r->owner, __ATOMIC_RELAXED);

    if ((hub__word_read(&r->word) & (OWNED | BY_THREAD)) != OWNED || g == NULL)
        return NULL;
    return greenlet__read(g->state) == GREENLET_FREED ||
                   greenlet__read(g->owner_id) != life_in(r)
               ? &hub__has_ended
               : g;
}

static const struct hub__wait_kind waits_for_lock = { "lock", holder };

static bool is_free(const void *lock)
{
    return !(hub__word_read(&((const struct rlock *)lock)->word) & OWNED);
}

void hub_rlock_init(struct hub_rlock *lock)
{
    memset(lock, 0, sizeof *lock);
}

int hub_rlock_destroy(struct hub_rlock *lock)
{
    struct rlock *r = inside(lock);

    if (!is_free(r) || hub__sync_waited(&r->word, &r->links))
        return -EBUSY;
    hub_rlock_init(lock);
    return 0;
}

/* ---- acquire ---- */

/* 0: the caller is the owner now; -EAGAIN. */
static inline int take_quickly(struct rlock *r)
{
    const void *self = caller();
    uint64_t word = 0;

    if (hub__word_read(&r->word) != 0 ||
        !hub__word_cas(&r->word, &word,
                       self == &thread_mark ? OWNED | BY_THREAD : OWNED))
        return -EAGAIN;
    own(r, self, life_of(self));
    r->count = 1;
    return 0;
}

static int acquire_again(struct rlock *r)
{
    if (r->count == INT_MAX)
        return -EOVERFLOW;
    r->count++;
    return 0;
}

static bool take_locked(struct rlock *r, struct hub__held *held)
{
    const void *self = caller();

    if (held->value & OWNED)
        return false;
    held->value |= OWNED;
    if (self == &thread_mark)
        held->value |= BY_THREAD;
    own(r, self, life_of(self));
    return true;
}

/* Under the lock: the oldest who waits is the owner, or nobody. */
static void hand_over(struct rlock *r, struct hub__held *held)
{
    struct hub__link *link;

    held->value &= ~(uint64_t)(OWNED | BY_THREAD);
    while ((link = hub__link_take(&r->links)) != NULL) {
        struct hub__wait *wait = hub__wait_of(link);

        if (link->notify != NULL) {
            link->notify(link);
            continue;
        }
        own(r, wait->item,
            wait->waiter.hub != NULL ? hub__owner_id(wait->waiter.greenlet) : 0);
        held->value |= OWNED | (wait->waiter.hub == NULL ? BY_THREAD : 0u);
        if (hub__wait_give(wait, 0))
            return;
        held->value &= ~(uint64_t)(OWNED | BY_THREAD);
    }
    own(r, NULL, 0);
}

static void give_up(struct rlock *r, struct hub__wait *wait)
{
    struct hub__held held;

    if (hub__sync_lock(&held, &r->word) < 0)
        return;
    if (hub__link_is_linked(&wait->link))
        hub__link_remove(&r->links, &wait->link);
    else if (wait->given)
        hand_over(r, &held);
    hub__sync_unlock_waited(&held, r->links);
}

/* Not owned by the caller. */
static HUB__SWITCHES __attribute__((noinline)) int
acquire_slowly(struct rlock *r, int64_t deadline_ns, bool cancelable)
{
    struct hub__wait wait;
    struct hub__held held;
    int rc = hub__wait_begin(&wait, &waits_for_lock, r);

    if (unlikely(rc < 0))
        return take_quickly(r) == 0 ? 0 : rc; /* a callback */
    rc = hub__sync_lock(&held, &r->word);
    if (unlikely(rc < 0))
        return rc;
    if (take_locked(r, &held)) {
        hub__sync_unlock(&held);
        r->count = 1;
        return 0;
    }
    wait.item = (void *)(uintptr_t)caller();
    hub__link_add(&r->links, &wait.link);
    held.value |= HUB__WAITED;
    hub__sync_unlock(&held);
    rc = cancelable ? hub__park_cancelable_inline(&wait.waiter, deadline_ns)
                    : hub__park_inline(&wait.waiter, deadline_ns);
    if (unlikely(rc != 0))
        give_up(r, &wait);
    hub__sync_settle(&r->word);
    if (rc == 0)
        r->count = 1;
    return rc;
}

int hub_rlock_acquire(struct hub_rlock *lock, int64_t deadline_ns)
{
    struct rlock *r = inside(lock);

    if (unlikely(lock == NULL))
        return -EINVAL;
    if (likely(take_quickly(r) == 0))
        return 0;
    return owns(r) ? acquire_again(r) : acquire_slowly(r, deadline_ns, true);
}

int hub_rlock_try_acquire(struct hub_rlock *lock)
{
    struct rlock *r = inside(lock);
    struct hub__held held;
    int rc;

    if (lock == NULL)
        return -EINVAL;
    if (take_quickly(r) == 0)
        return 0;
    if (owns(r))
        return acquire_again(r);
    rc = hub__sync_lock(&held, &r->word);
    if (rc < 0)
        return rc;
    rc = take_locked(r, &held) ? 0 : -EAGAIN;
    hub__sync_unlock(&held);
    if (rc == 0)
        r->count = 1;
    return rc;
}

/* ---- release ---- */

static int leave(struct rlock *r)
{
    uint64_t word = hub__word_read(&r->word);
    struct hub__held held;
    int rc;

    own(r, NULL, 0); /* before another can write it */
    while (likely((word & (HUB__LOCKED | HUB__WAITED)) == 0))
        if (hub__word_cas(&r->word, &word, 0))
            return 0;
    rc = hub__sync_lock(&held, &r->word);
    if (rc < 0) {
        own(r, caller(), life_of(caller()));
        return rc;
    }
    hand_over(r, &held);
    hub__sync_unlock_waited(&held, r->links);
    return 0;
}

int hub_rlock_release(struct hub_rlock *lock)
{
    struct rlock *r = inside(lock);

    if (unlikely(lock == NULL))
        return -EINVAL;
    if (unlikely(!owns(r)))
        return -EPERM;
    return r->count > 1 ? --r->count : leave(r);
}

int hub__rlock_leave(struct hub_rlock *lock, int *count)
{
    struct rlock *r = inside(lock);

    *count = r->count;
    return leave(r);
}

int hub__rlock_return(struct hub_rlock *lock, int count)
{
    struct rlock *r = inside(lock);
    int rc = take_quickly(r);

    if (rc != 0)
        rc = acquire_slowly(r, HUB_FOREVER, false);
    if (rc == 0)
        r->count = count;
    return rc;
}

/* ---- looking ---- */

int hub_rlock_owned(const struct hub_rlock *lock)
{
    return lock != NULL && owns(inside(lock)) ? inside(lock)->count : 0;
}

bool hub_rlock_locked(const struct hub_rlock *lock)
{
    return lock != NULL && !is_free(inside(lock));
}

HUB__IS_SHARED(rlock, links);
static const struct hub_object_ops ops = { &waits_for_lock, is_free,
                                           hub__shared_link,
                                           hub__shared_unlink };

struct hub_object hub_rlock_object(struct hub_rlock *lock)
{
    struct hub_object object = { &ops, lock };

    return object;
}
