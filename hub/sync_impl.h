/* sync_impl.h - what the objects that threads share are made of
 *
 * Each has one word: flags below, and what else fits.  A fast path changes it
 * by one compare-and-swap, if nobody has HUB__LOCKED set; what needs more takes
 * that flag as a lock, for a few instructions, between hub__enter() and
 * hub__exit(). In a process with one thread it is atomic to signal handlers
 * only.
 *
 * Rules: whoever waits has a struct hub__wait on its stack, in a list of the
 * object.  It is taken out under the lock by who wakes it, or by itself.  After
 * a wake it has to hub__sync_settle() (or take the lock) before it returns,
 * since the other side may still be about to unlock, and the object may be gone
 * with the return.  A wait that ends with an error looks at `given` under the
 * lock. */
#ifndef HUB_SYNC_IMPL_H
#define HUB_SYNC_IMPL_H

#include "hub/lock.h"
#include "hub/object_impl.h"
#include "hub/schedule.h"

#include <errno.h>
#include <sched.h>

enum { HUB__LOCKED = 1, HUB__WAITED = 2 }; /* WAITED: somebody is in the list */

/* A wait for an object; notify is NULL, which tells it from links of others. */
struct hub__wait {
    struct hub__link link;
    struct hub__waiter waiter;
    void *item;    /* queue.c, channel.c: what is handed over */
    uint8_t given; /* it was woken with what it waits for */
    uint8_t peeks; /* queue.c: it will not take it */
};

static inline struct hub__wait *hub__wait_of(struct hub__link *link)
{
    return container_of(link, struct hub__wait, link);
}

/* Where no other thread is, nothing but a signal handler may come between: one
 * instruction, of which x86-64 has one that does not lock the bus. */
static inline bool hub__word_cas_alone(uint64_t *word, uint64_t *expected,
                                       uint64_t to)
{
#if defined(__x86_64__)
    bool done;

    __asm__ volatile("cmpxchgq %3, %1"
                     : "=@ccz"(done), "+m"(*word), "+a"(*expected)
                     : "r"(to)
                     : "memory");
    return done;
#else
    return __atomic_compare_exchange_n(word, expected, to, false,
                                       __ATOMIC_RELAXED, __ATOMIC_RELAXED);
#endif
}

static inline bool hub__word_cas(uint64_t *word, uint64_t *expected,
                                 uint64_t to)
{
    if (likely(__libc_single_threaded))
        return hub__word_cas_alone(word, expected, to);
    return __atomic_compare_exchange_n(word, expected, to, false,
                                       __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

static inline uint64_t hub__word_read(const uint64_t *word)
{
    return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

/* The lock of one object, while it is held. */
struct hub__held {
    uint64_t *word;
    uint64_t value; /* what the word will be; HUB__LOCKED is not in it */
    struct hub *hub;
};

bool hub__sync_lock_slow(uint64_t *word, uint64_t *value);

/* Returns 0; -EDEADLK in a signal handler that interrupted a holder, or in a
 * function of the program's that is called under a lock. */
static inline int hub__sync_lock(struct hub__held *held, uint64_t *word)
{
    struct hub *hub = hub__peek();
    uint64_t value;

    if (hub != NULL) {
        if (unlikely(hub->critical != 0))
            return -EDEADLK;
        hub__enter(hub);
    }
    value = __atomic_load_n(word, __ATOMIC_RELAXED);
    if ((unlikely(value & HUB__LOCKED) ||
         !hub__word_cas(word, &value, value | HUB__LOCKED)) &&
        !hub__sync_lock_slow(word, &value)) {
        if (hub != NULL)
            hub__exit(hub);
        return -EDEADLK;
    }
    held->word = word;
    held->value = value;
    held->hub = hub;
    return 0;
}

static inline void hub__sync_unlock(struct hub__held *held)
{
    __atomic_store_n(held->word, held->value, __ATOMIC_RELEASE);
    if (held->hub != NULL)
        hub__exit(held->hub);
}

/* WAITED says whether there are links. */
static inline void hub__sync_unlock_waited(struct hub__held *held,
                                           const struct hub__link *links)
{
    held->value &= ~(uint64_t)HUB__WAITED;
    if (links != NULL)
        held->value |= HUB__WAITED;
    hub__sync_unlock(held);
}

/* Wait until a holder of the moment is done. */
static inline void hub__sync_settle(const uint64_t *word)
{
    while (unlikely(hub__word_read(word) & HUB__LOCKED))
        sched_yield();
}

/* Inside the lock: end it, with result 0 by giving it what it waits for. False:
 * it had ended already. */
static inline bool hub__wait_give(struct hub__wait *wait, int result)
{
    wait->given = result == 0;
    if (hub__wake_entered(&wait->waiter, result))
        return true;
    wait->given = 0;
    return false;
}

/* Begin a wait; nothing is linked yet.  Returns as hub__waiter_begin(). */
static inline __attribute__((always_inline)) int
hub__wait_begin(struct hub__wait *wait, const struct hub__wait_kind *kind,
                const void *object)
{
    wait->link.next = wait->link.prev = NULL;
    wait->link.notify = NULL;
    wait->item = NULL;
    wait->given = 0;
    wait->peeks = 0;
    return hub__waiter_begin_inline(&wait->waiter, kind, object);
}

/* sync.c */
/* Wake all that are linked with `result`, and tell links of others; under the
 * lock. */
void hub__sync_wake_all(struct hub__link **list, int result);
/* What the objects begin with: the word, and who is told when it is ready; and what
 * a struct hub_object_ops of such a one has as link and unlink. */
struct hub__shared {
    uint64_t word;
    struct hub__link *links;
};
#define HUB__IS_SHARED(type, list) \
    _Static_assert(offsetof(struct type, word) == 0 && \
                       offsetof(struct type, list) == \
                           offsetof(struct hub__shared, links), \
                   "it begins as struct hub__shared does")
int hub__shared_link(const struct hub_object *object, struct hub__link *link);
bool hub__shared_unlink(const struct hub_object *object,
                        struct hub__link *link);
/* Take `link` out, if it is in.  True: it was. */
bool hub__sync_unlink(uint64_t *word, struct hub__link **list,
                      struct hub__link *link);
/* Is somebody in the list? */
bool hub__sync_waited(uint64_t *word, struct hub__link *const *list);
/* Run those who are ready up to `after` first, without being a cancellation
 * point; NULL: all who are ready now.  Returns 0, or the error of what was
 * thrown into it meanwhile. */
int hub__let_go_first(struct hub__waiter *self, struct greenlet *after);
/* What was thrown into the caller, by which its call must not end since it has
 * succeeded already: it is thrown again when the caller waits next. */
void hub__throw_later(void);
/* lock.c: the owner gives it up, however often it has acquired it, and takes it
 * back, which only a throw can end. */
int hub__rlock_leave(struct hub_rlock *lock, int *count);
int hub__rlock_return(struct hub_rlock *lock, int count);
/* -EXDEV, with a record whose text names both hubs. */
int hub__refuse_thread(const struct hub *owner, const char *what);

#endif
