/* semaphore.c - permits, handed over in the order of asking
 *
 * The count is the upper half of the word.  While somebody waits it is 0: who
 * releases gives to the oldest directly. */
#include "hub/sync_impl.h"

#include <limits.h>
#include <string.h>

#define ONE (UINT64_C(1) << 32)
enum { DUMMY = 4, FLAGS = HUB__LOCKED | HUB__WAITED | DUMMY };

struct semaphore {
    uint64_t word;
    struct hub__link *links;
    int bound;
};
_Static_assert(sizeof(struct semaphore) <= sizeof(struct hub_semaphore),
               "struct hub_semaphore has room for it");

static struct semaphore *inside(const struct hub_semaphore *semaphore)
{
    return (struct semaphore *)(uintptr_t)semaphore;
}

static const struct hub__wait_kind waits_for_semaphore = { "semaphore", NULL };

static bool is_free(const void *semaphore)
{
    uint64_t word =
        hub__word_read(&((const struct semaphore *)semaphore)->word);

    return word >= ONE || (word & DUMMY) != 0;
}

static int init(struct hub_semaphore *semaphore, int count, int bound)
{
    struct semaphore *s = inside(semaphore);

    if (semaphore == NULL || count < 0)
        return -EINVAL;
    s->word = (uint64_t)count << 32;
    s->links = NULL;
    s->bound = bound;
    return 0;
}

int hub_semaphore_init(struct hub_semaphore *semaphore, int count)
{
    return init(semaphore, count, INT_MAX);
}

int hub_bounded_semaphore_init(struct hub_semaphore *semaphore, int count)
{
    return init(semaphore, count, count);
}

int hub_dummy_semaphore_init(struct hub_semaphore *semaphore)
{
    int rc = init(semaphore, 0, INT_MAX);

    if (rc == 0)
        inside(semaphore)->word = DUMMY;
    return rc;
}

int hub_semaphore_destroy(struct hub_semaphore *semaphore)
{
    struct semaphore *s = inside(semaphore);

    if (hub__sync_waited(&s->word, &s->links))
        return -EBUSY;
    memset(semaphore, 0, sizeof *semaphore);
    return 0;
}

/* ---- release ---- */

/* Under the lock: one permit, to the oldest who wants it, or to the count. */
static void give(struct semaphore *s, struct hub__held *held)
{
    struct hub__link *link;

    while ((link = hub__link_take(&s->links)) != NULL) {
        if (link->notify != NULL)
            link->notify(link);
        else if (hub__wait_give(hub__wait_of(link), 0))
            return;
    }
    held->value += ONE;
}

static int over_release(const struct semaphore *s)
{
    return s->bound == INT_MAX ? -EOVERFLOW : -EDOM;
}

static __attribute__((noinline)) int release_slowly(struct semaphore *s)
{
    struct hub__held held;
    int rc = hub__sync_lock(&held, &s->word);

    if (rc < 0)
        return rc;
    if (held.value & DUMMY)
        rc = INT_MAX;
    else if ((int64_t)(held.value >> 32) >= s->bound)
        rc = over_release(s);
    if (rc == 0) {
        give(s, &held);
        rc = (int)(held.value >> 32);
    }
    hub__sync_unlock_waited(&held, s->links);
    return rc;
}

int hub_semaphore_release(struct hub_semaphore *semaphore)
{
    struct semaphore *s = inside(semaphore);
    uint64_t word;

    if (unlikely(semaphore == NULL))
        return -EINVAL;
    word = hub__word_read(&s->word);
    while (likely((word & FLAGS) == 0)) {
        if (unlikely((int64_t)(word >> 32) >= s->bound))
            return over_release(s);
        if (likely(hub__word_cas(&s->word, &word, word + ONE)))
            return (int)(word >> 32) + 1;
    }
    return release_slowly(s);
}

/* ---- acquire ---- */

/* 0 with a permit, -EAGAIN without. */
static inline int take_quickly(struct semaphore *s)
{
    uint64_t word = hub__word_read(&s->word);

    while (likely((word & FLAGS) == 0 && word >= ONE))
        if (likely(hub__word_cas(&s->word, &word, word - ONE)))
            return 0;
    return word & DUMMY ? 0 : -EAGAIN;
}

static int take_locked(struct hub__held *held)
{
    if (held->value & DUMMY)
        return 0;
    if (held->value < ONE)
        return -EAGAIN;
    held->value -= ONE;
    return 0;
}

static int try_slowly(struct semaphore *s)
{
    struct hub__held held;
    int rc = hub__sync_lock(&held, &s->word);

    if (rc < 0)
        return rc;
    rc = take_locked(&held);
    hub__sync_unlock(&held);
    return rc;
}

int hub_semaphore_try_acquire(struct hub_semaphore *semaphore)
{
    struct semaphore *s = inside(semaphore);

    if (semaphore == NULL)
        return -EINVAL;
    if (take_quickly(s) == 0)
        return 0;
    return hub__word_read(&s->word) & HUB__LOCKED ? try_slowly(s) : -EAGAIN;
}

/* The wait has ended early: a permit that came all the same goes on. */
static void give_up(struct semaphore *s, struct hub__wait *wait)
{
    struct hub__held held;

    if (hub__sync_lock(&held, &s->word) < 0)
        return;
    if (hub__link_is_linked(&wait->link))
        hub__link_remove(&s->links, &wait->link);
    else if (wait->given)
        give(s, &held);
    hub__sync_unlock_waited(&held, s->links);
}

static HUB__SWITCHES __attribute__((noinline)) int
acquire_slowly(struct semaphore *s, int64_t deadline_ns)
{
    struct hub__wait wait;
    struct hub__held held;
    int rc = hub__wait_begin(&wait, &waits_for_semaphore, s);

    if (unlikely(rc < 0))
        return try_slowly(s) == 0 ? 0 : rc; /* a callback, or no memory */
    rc = hub__sync_lock(&held, &s->word);
    if (unlikely(rc < 0))
        return rc;
    if (take_locked(&held) == 0) {
        hub__sync_unlock(&held);
        return 0;
    }
    hub__link_add(&s->links, &wait.link);
    held.value |= HUB__WAITED;
    hub__sync_unlock(&held);
    rc = hub__park_cancelable_inline(&wait.waiter, deadline_ns);
    if (unlikely(rc != 0))
        give_up(s, &wait);
    hub__sync_settle(&s->word);
    return rc;
}

int hub_semaphore_acquire(struct hub_semaphore *semaphore, int64_t deadline_ns)
{
    struct semaphore *s = inside(semaphore);

    if (unlikely(semaphore == NULL))
        return -EINVAL;
    if (likely(take_quickly(s) == 0))
        return 0;
    return acquire_slowly(s, deadline_ns);
}

/* ---- looking ---- */

int hub_semaphore_count(const struct hub_semaphore *semaphore)
{
    uint64_t word =
        semaphore != NULL ? hub__word_read(&inside(semaphore)->word) : 0;

    return word & DUMMY ? INT_MAX : (int)(word >> 32);
}

bool hub_semaphore_locked(const struct hub_semaphore *semaphore)
{
    return semaphore == NULL || !is_free(inside(semaphore));
}

HUB__IS_SHARED(semaphore, links);
static const struct hub_object_ops ops = { &waits_for_semaphore, is_free,
                                           hub__shared_link,
                                           hub__shared_unlink };

struct hub_object hub_semaphore_object(struct hub_semaphore *semaphore)
{
    struct hub_object object = { &ops, semaphore };

    return object;
}
