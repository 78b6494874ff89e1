/* local.c - values of greenlets: one list a greenlet, and one a local
 *
 * The list of a greenlet is changed by its thread alone, and read by it without
 * the lock; that of a local under the lock.  A local that goes takes its values
 * out of entries that stay in the lists of the greenlets, which free them. */
#include "hub/sync_impl.h"

#include "context/testhook.h"

#include <stdlib.h>
#include <string.h>

struct local {
    hub_local_make *make;
    void (*destroy)(void *value, void *arg);
    void *arg;
    struct entry *entries;
    long count;
};
_Static_assert(sizeof(struct local) <= sizeof(struct hub_local),
               "struct hub_local has room for it");

struct entry {
    struct entry *next;          /* of its greenlet */
    struct local *local;         /* atomic; NULL: it has gone */
    struct entry *above, *below; /* of the local */
    void *value;
};

static uint64_t lock; /* of the lists of all locals */

static struct local *inside(struct hub_local *local)
{
    return (struct local *)(void *)local;
}

int hub_local_init(struct hub_local *local, hub_local_make *make,
                   void (*destroy)(void *value, void *arg), void *arg)
{
    if (local == NULL)
        return -EINVAL;
    memset(local, 0, sizeof *local);
    inside(local)->make = make;
    inside(local)->destroy = destroy;
    inside(local)->arg = arg;
    return 0;
}

/* ---- entries ---- */

static struct entry **list_of(const struct hub__more *more)
{
    return (struct entry **)(uintptr_t)&more->locals;
}

static inline bool is_of(const struct entry *entry, const struct local *local)
{
    return __atomic_load_n(&entry->local, __ATOMIC_RELAXED) == local;
}

static struct entry *find(const struct local *local)
{
    const struct greenlet__thread *thread = greenlet__thread_self();
    const struct hub__more *more = hub__own(thread->current)->more;
    struct entry *entry = more != NULL ? *list_of(more) : NULL;

    while (entry != NULL && !is_of(entry, local))
        entry = entry->next;
    return entry;
}

/* Under the lock: the local does not know it any more. */
static void forget(struct entry *entry, struct local *local)
{
    if (entry->above != NULL)
        entry->above->below = entry->below;
    else
        local->entries = entry->below;
    if (entry->below != NULL)
        entry->below->above = entry->above;
    __atomic_store_n(&entry->local, NULL, __ATOMIC_RELAXED);
    local->count--;
}

/* Take the value out.  The functions are copied: then the local may go. */
static bool take(struct entry *entry, struct local *copy)
{
    struct local *local;
    struct hub__held held;

    if (hub__sync_lock(&held, &lock) < 0)
        return false;
    local = __atomic_load_n(&entry->local, __ATOMIC_RELAXED);
    if (local != NULL) {
        *copy = *local;
        forget(entry, local);
    }
    hub__sync_unlock(&held);
    return local != NULL;
}

static void end(const struct local *local, void *value)
{
    if (local->destroy != NULL)
        local->destroy(value, local->arg);
}

/* In this thread's greenlet: an entry that a local left, or a new one. */
static struct entry *spare(void)
{
    struct hub__more *more = hub__more(greenlet__thread_self()->current);
    struct entry **list, *entry;

    if (more == NULL)
        return NULL;
    list = list_of(more);
    for (entry = *list; entry != NULL && !is_of(entry, NULL);)
        entry = entry->next;
    if (entry != NULL)
        return entry;
    entry = greenlet__malloc(sizeof *entry);
    if (entry != NULL) {
        entry->local = NULL;
        entry->next = *list;
        *list = entry;
    }
    return entry;
}

static int add(struct local *local, void *value)
{
    struct entry *entry = spare();
    struct hub__held held;
    int rc = entry != NULL ? hub__sync_lock(&held, &lock) : -ENOMEM;

    if (rc < 0)
        return rc;
    entry->value = value;
    entry->above = NULL;
    entry->below = local->entries;
    if (entry->below != NULL)
        entry->below->above = entry;
    local->entries = entry;
    local->count++;
    __atomic_store_n(&entry->local, local, __ATOMIC_RELAXED);
    hub__sync_unlock(&held);
    return 0;
}

/* A greenlet ends, or is freed: all its values.  A destroy function may make
 * new ones, which go, too. */
void hub__locals_end(struct hub__more *more)
{
    struct entry **list = list_of(more), *entry;
    struct local local;

    while ((entry = *list) != NULL) {
        bool taken = take(entry, &local);
        void *value = taken ? entry->value : NULL;

        *list = entry->next;
        free(entry);
        if (taken)
            end(&local, value);
    }
}

/* ---- for programs ---- */

/* Take one out of whichever greenlet.  False: there is none. */
static bool take_any(struct local *local, void **value)
{
    struct entry *entry = NULL;
    struct hub__held held;

    if (hub__sync_lock(&held, &lock) < 0)
        return false;
    entry = local->entries;
    if (entry != NULL) {
        *value = entry->value;
        forget(entry, local);
    }
    hub__sync_unlock(&held);
    return entry != NULL;
}

void hub_local_destroy(struct hub_local *local)
{
    struct local *l = inside(local);
    void *value;

    while (take_any(l, &value))
        end(l, value);
    memset(local, 0, sizeof *local);
}

int hub_local_get(struct hub_local *local, void **value)
{
    struct local *l = inside(local);
    struct entry *entry;
    void *made = NULL;
    int rc;

    if (unlikely(local == NULL || value == NULL))
        return -EINVAL;
    entry = find(l);
    if (likely(entry != NULL)) {
        *value = entry->value;
        return 0;
    }
    rc = l->make != NULL ? l->make(l->arg, &made) : 0;
    if (rc < 0)
        return rc;
    entry = find(l); /* `make` may have asked, or set it */
    if (entry == NULL) {
        rc = add(l, made);
        if (rc < 0) {
            end(l, made);
            return rc;
        }
    }
    if (entry != NULL && entry->value != made) {
        end(l, made);
        made = entry->value;
    }
    *value = made;
    return 0;
}

int hub_local_set(struct hub_local *local, void *value)
{
    struct local *l = inside(local);
    struct entry *entry;
    void *old;

    if (local == NULL)
        return -EINVAL;
    entry = find(l);
    if (entry == NULL)
        return add(l, value);
    old = entry->value;
    entry->value = value;
    if (old != value)
        end(l, old);
    return 0;
}

int hub_local_clear(struct hub_local *local)
{
    struct local *l = inside(local), copy;
    struct entry *entry = local != NULL ? find(l) : NULL;

    if (entry == NULL || !take(entry, &copy))
        return -ENOENT;
    end(&copy, entry->value);
    return 0;
}

long hub_local_count(struct hub_local *local)
{
    struct hub__held held;
    long count;

    if (local == NULL || hub__sync_lock(&held, &lock) < 0)
        return 0;
    count = inside(local)->count;
    hub__sync_unlock(&held);
    return count;
}

/* Whoever held it is gone. */
void hub__locals_forked(void)
{
    lock = 0;
}
