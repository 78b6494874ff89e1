/* lot.c - the parking lot: futexes in user space
 *
 * Waiters queue by the address they wait on, in buckets with a lock each, so
 * that a lock of the program needs no more than its own bytes.  Greenlets of
 * any hub and real threads queue alike (hub__wake knows how to wake each).
 *
 * A bucket's lock is held for a few instructions.  A signal handler that
 * interrupts them on the same OS thread must not wait for it: it sees
 * hub->critical and leaves its key for hub__exit(). */
#include "hub/lot_impl.h"
#include "hub/schedule.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define BUCKET_BITS 14
#define BUCKETS (1u << BUCKET_BITS)
#define DEFERRED_KEYS 16

struct node {
    struct node *next, *prev;
    uint32_t *key; /* changes under both buckets' locks (requeue) */
    struct hub__waiter *waiter;
    uint32_t turn; /* in the order in which they came to the bucket; wraps */
};

struct bucket {
    uint32_t lock;
    uint32_t turn;
    struct node *head, *tail;
};

static struct bucket buckets[BUCKETS];

static struct bucket *bucket_of(const uint32_t *key)
{
    uint64_t hash = ((uintptr_t)key >> 2) * UINT64_C(0x9E3779B97F4A7C15);

    return &buckets[hash >> (64 - BUCKET_BITS)];
}

static void lock(struct bucket *bucket)
{
    while (__atomic_exchange_n(&bucket->lock, 1, __ATOMIC_SEQ_CST) != 0)
        sched_yield();
}

static void unlock(struct bucket *bucket)
{
    __atomic_store_n(&bucket->lock, 0, __ATOMIC_RELEASE);
}

/* Seniors have to find their places among so many. */
#define SENIORS 16

static void append(struct bucket *bucket, struct node *node)
{
    node->next = NULL;
    node->prev = bucket->tail;
    if (bucket->tail != NULL)
        bucket->tail->next = node;
    else
        bucket->head = node;
    bucket->tail = node;
}

/* One that was woken and found that somebody else had been quicker. */
static void prepend(struct bucket *bucket, struct node *node)
{
    node->prev = NULL;
    node->next = bucket->head;
    if (bucket->head != NULL)
        bucket->head->prev = node;
    else
        bucket->tail = node;
    bucket->head = node;
}

/* A waiter that timed out here and comes again takes up its old place: behind it a
 * pair that hands a lock to and fro would keep it out for ever.  Behind many who have
 * all come before it looks for it no further. */
static void insert(struct bucket *bucket, struct node *node)
{
    struct node *at = bucket->head;

    for (int i = 0; i < SENIORS && at != NULL &&
                    (int32_t)(at->turn - node->turn) < 0;
         i++)
        at = at->next;
    if (at == NULL) {
        append(bucket, node);
        return;
    }
    node->next = at;
    node->prev = at->prev;
    if (at->prev != NULL)
        at->prev->next = node;
    else
        bucket->head = node;
    at->prev = node;
}

static void unlink_node(struct bucket *bucket, struct node *node)
{
    if (node->prev != NULL)
        node->prev->next = node->next;
    else
        bucket->head = node->next;
    if (node->next != NULL)
        node->next->prev = node->prev;
    else
        bucket->tail = node->prev;
}

static void take_out(struct bucket *bucket, struct node *node)
{
    unlink_node(bucket, node);
    __atomic_store_n(&node->key, NULL, __ATOMIC_RELEASE);
}

/* Lock the bucket that the node is in now; NULL when it is in none. */
static struct bucket *lock_bucket_of(struct node *node)
{
    for (;;) {
        uint32_t *key = __atomic_load_n(&node->key, __ATOMIC_ACQUIRE);
        struct bucket *bucket;

        if (key == NULL)
            return NULL;
        bucket = bucket_of(key);
        lock(bucket);
        if (__atomic_load_n(&node->key, __ATOMIC_RELAXED) == key)
            return bucket;
        unlock(bucket);
    }
}

static void queue(struct bucket *bucket, struct node *node, const uint32_t *key)
{
    const struct hub__waiter *waiter = node->waiter;
    const struct hub__own *own =
        waiter->hub != NULL ? hub__own(waiter->greenlet) : NULL;
    bool senior = own != NULL && own->timed_out_on == key;

    node->turn = senior ? own->turn : bucket->turn++;
    if (own != NULL && waiter->first)
        prepend(bucket, node);
    else if (senior)
        insert(bucket, node);
    else
        append(bucket, node);
}

static void remember(const struct node *node, uint32_t *key, int rc)
{
    struct hub__own *own;

    if (node->waiter->hub == NULL)
        return;
    own = hub__own(node->waiter->greenlet);
    own->timed_out_on = rc == -ETIMEDOUT ? key : NULL;
    own->turn = node->turn;
}

static const uint32_t *timed_out_on(const struct hub__waiter *waiter)
{
    return waiter->hub != NULL ? hub__own(waiter->greenlet)->timed_out_on : NULL;
}

static bool enqueue(struct node *node, uint32_t *address, uint32_t expected)
{
    struct bucket *bucket = bucket_of(address);
    bool same;

    lock(bucket);
    same = __atomic_load_n(address, __ATOMIC_SEQ_CST) == expected;
    if (same) {
        node->key = address;
        queue(bucket, node, address);
    }
    unlock(bucket);
    return same;
}

static void dequeue(struct node *node)
{
    struct bucket *bucket = lock_bucket_of(node);

    if (bucket == NULL)
        return;
    take_out(bucket, node);
    unlock(bucket);
}

static inline __attribute__((always_inline)) int
wait_on(struct hub__waiter *waiter, uint32_t *address, uint32_t expected,
        int64_t deadline_ns, bool cancelable)
{
    struct hub *hub = hub__peek();
    struct node node = { .waiter = waiter };
    bool queued;
    int rc;

    if (hub != NULL)
        hub__enter(hub);
    queued = enqueue(&node, address, expected);
    if (hub != NULL) {
        if (unlikely(hub->hogs.head != NULL) && queued)
            hub__hogs_met(hub, address, timed_out_on(waiter) == address);
        hub__exit(hub);
    }
    if (!queued)
        return hub__waiter_close(waiter) ? -EAGAIN : hub__park(waiter, HUB_FOREVER);
    rc = cancelable ? hub__park_cancelable_inline(waiter, deadline_ns)
                    : hub__park_inline(waiter, deadline_ns);
    remember(&node, address, rc);
    if (hub != NULL && unlikely(hub->hogs.head != NULL) && rc == 0)
        hub__hogs_woken(&hub->hogs, address, greenlet__read(hub->switches));
    if (__atomic_load_n(&node.key, __ATOMIC_ACQUIRE) != NULL || rc != 0) {
        if (hub != NULL)
            hub__enter(hub);
        dequeue(&node);
        if (hub != NULL)
            hub__exit(hub);
    }
    return rc;
}

HUB__SWITCHES int hub__lot_wait_on(struct hub__waiter *waiter,
                                   uint32_t *address, uint32_t expected,
                                   int64_t deadline_ns)
{
    return wait_on(waiter, address, expected, deadline_ns, false);
}

HUB__SWITCHES int hub__lot_wait_cancelable(struct hub__waiter *waiter,
                                           uint32_t *address,
                                           uint32_t expected,
                                           int64_t deadline_ns)
{
    return wait_on(waiter, address, expected, deadline_ns, true);
}

int hub__lot_wait(uint32_t *address, uint32_t expected, int64_t deadline_ns,
                  unsigned flags)
{
    struct hub__waiter waiter;

    hub__waiter_init(&waiter);
    if (flags & HUB_LOT_INTERRUPTIBLE)
        waiter.interruptible = HUB_ALWAYS_INTERRUPTED;
    return hub__lot_wait_on(&waiter, address, expected, deadline_ns);
}

static bool suits(const struct hub__waiter *waiter, uint32_t bits)
{
    return !waiter->chooses || (waiter->bits & bits) != 0;
}

/* *bell: the hub that is to be rung when the bucket's lock is free again; or NULL.  The
 * system call takes long, and the kernel may run who is woken in place of the caller. */
static void ring_later(struct hub **bell, struct hub *hub)
{
    if (likely(hub == NULL))
        return;
    if (*bell == NULL)
        *bell = hub;
    else if (*bell == hub)
        hub__ring_drop(hub);
    else
        hub__ring_end(hub);
}

static void ring_now(struct hub *bell)
{
    if (unlikely(bell != NULL))
        hub__ring_end(bell);
}

/* While its key is set who waits cannot leave without this lock; then, if it is we who
 * end his wait, not before he is woken.  But one whose wait has ended otherwise may do
 * so as soon as the key is cleared, and node and waiter are his stack again. */
static inline __attribute__((always_inline)) bool
wake_node(struct bucket *bucket, struct node *node, struct hub **bell)
{
    struct hub__waiter *waiter = node->waiter;
    bool ours = hub__wake_claim(waiter);

    take_out(bucket, node);
    if (ours)
        ring_later(bell, hub__wake_claimed(waiter, 0));
    return ours;
}

/* `bits` 0: all. */
static inline __attribute__((always_inline)) int
wake_in(struct bucket *bucket, const uint32_t *address, int n, uint32_t bits,
        struct hub **bell)
{
    struct node *node = bucket->head;
    int woken = 0;

    while (node != NULL && woken < n) {
        struct node *next = node->next;

        if (node->key == address && (bits == 0 || suits(node->waiter, bits)))
            woken += wake_node(bucket, node, bell);
        node = next;
    }
    return woken;
}

static void defer(struct hub *hub, uint32_t *address)
{
    int i;

    for (i = 0; i < DEFERRED_KEYS; i++) {
        uint32_t *empty = NULL;

        if (__atomic_compare_exchange_n(&hub->deferred_keys[i], &empty, address,
                                        false, __ATOMIC_RELEASE,
                                        __ATOMIC_RELAXED))
            break;
    }
    if (i == DEFERRED_KEYS)
        __atomic_store_n(&hub->deferred_all, 1, __ATOMIC_RELEASE);
    __atomic_store_n(&hub->deferred, 1, __ATOMIC_RELEASE);
    hub__loop_notify(hub);
}

static inline __attribute__((always_inline)) int
lot_wake(uint32_t *address, int n, uint32_t bits)
{
    struct bucket *bucket = bucket_of(address);
    struct hub *hub = hub__peek(), *bell = NULL;
    int woken;

    if (hub != NULL && hub->critical != 0) {
        defer(hub, address);
        return 0;
    }
    if (hub != NULL)
        hub__enter(hub);
    lock(bucket);
    woken = wake_in(bucket, address, n, bits, &bell);
    unlock(bucket);
    ring_now(bell);
    if (hub != NULL)
        hub__exit(hub);
    return woken;
}

int hub__lot_wake(uint32_t *address, int n)
{
    return lot_wake(address, n, 0);
}

int hub__lot_wake_bits(uint32_t *address, int n, uint32_t bits)
{
    return lot_wake(address, n, bits);
}

static void lock_both(struct bucket *a, struct bucket *b)
{
    if (a > b) {
        struct bucket *swap = a;

        a = b;
        b = swap;
    }
    lock(a);
    if (b != a)
        lock(b);
}

int hub__lot_requeue(uint32_t *from, int n, int move, uint32_t *to)
{
    struct bucket *source = bucket_of(from), *target = bucket_of(to);
    struct hub *hub = hub__peek(), *bell = NULL;
    struct node *node;
    int done; /* woken and moved, as the kernel counts */

    if (hub != NULL)
        hub__enter(hub);
    lock_both(source, target);
    done = wake_in(source, from, n, 0, &bell);
    for (node = source->head; node != NULL && move > 0;) {
        struct node *next = node->next;

        if (node->key == from) {
            /* Without a key in between: who waits could leave. */
            unlink_node(source, node);
            __atomic_store_n(&node->key, to, __ATOMIC_RELEASE);
            node->turn = target->turn++;
            append(target, node);
            move--;
            done++;
        }
        node = next;
    }
    unlock(source);
    if (target != source)
        unlock(target);
    ring_now(bell);
    if (hub != NULL)
        hub__exit(hub);
    return done;
}

/* Spurious wake-ups are allowed to futex users: wake everybody once. */
static void wake_all_of_all(void)
{
    for (uint32_t i = 0; i < BUCKETS; i++) {
        struct bucket *bucket = &buckets[i];
        struct hub *bell = NULL;

        if (bucket->head == NULL)
            continue;
        lock(bucket);
        while (bucket->head != NULL)
            wake_node(bucket, bucket->head, &bell);
        unlock(bucket);
        ring_now(bell);
    }
}

void hub__lot_run_deferred(struct hub *hub)
{
    for (int i = 0; i < DEFERRED_KEYS; i++) {
        uint32_t *key = __atomic_exchange_n(&hub->deferred_keys[i], NULL,
                                            __ATOMIC_ACQUIRE);

        if (key != NULL)
            hub__lot_wake(key, 1);
    }
    if (__atomic_exchange_n(&hub->deferred_all, 0, __ATOMIC_ACQUIRE)) {
        hub__enter(hub);
        wake_all_of_all();
        hub__exit(hub);
    }
}

/* The kernel forgets the whole pages: writing to them would have it make each one
 * for the child.  Whether it did is seen in one of them. */
void hub__lot_forked(void)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t begin = (uintptr_t)buckets, end = begin + sizeof buckets;
    uintptr_t from = (begin + page - 1) & -page, to = end & -page;

    buckets[BUCKETS / 2].turn = 1;
    if (from < to)
        madvise((void *)from, to - from, MADV_DONTNEED);
    if (__atomic_load_n(&buckets[BUCKETS / 2].turn, __ATOMIC_RELAXED) != 0) {
        memset(buckets, 0, sizeof buckets);
        return;
    }
    memset(buckets, 0, from - begin);
    memset((void *)to, 0, end - to);
}

/* The locks may be those of threads that are not here; what these wait for, too. */
void hub__lot_forked_with(const struct hub *hub)
{
    for (uint32_t i = 0; i < BUCKETS; i++) {
        struct node *node, *next;

        if (buckets[i].lock != 0) /* a page less to copy */
            buckets[i].lock = 0;
        for (node = buckets[i].head; node != NULL; node = next) {
            next = node->next;
            if (node->waiter->hub != hub)
                take_out(&buckets[i], node);
        }
    }
}
