/* sync_barrier.c - barriers
 *
 * Those shared with other processes are libc's: nobody owns a barrier, so a
 * helper can make the whole call. */
#include "monkeypatch/sync_impl.h"

#include <limits.h>
#include <string.h>

/* libc's layout, and its meaning of `shared`.  What has arrived and the number
 * of the round change in one step: nobody can arrive between two rounds. */
struct barrier {
    union {
        uint64_t state;
        struct {
            uint32_t arrived;
            uint32_t round; /* the lot word */
        };
    };
    uint32_t count;
    int32_t shared;
    uint32_t inside; /* who may still look at this; see destroy */
} __attribute__((may_alias));

#define BARRIER_ROUND ((uint64_t)1 << 32)
#define BARRIER_GONE  0x80000000u /* in `inside`: destroy waits for the last */
#define BARRIER_MOST  (UINT_MAX / 2)

_Static_assert(offsetof(struct barrier, round) == 4, "little endian");

struct barrier_call {
    pthread_barrier_t *barrier;
    int rc;
};

static void barrier_run(void *arg)
{
    struct barrier_call *call = arg;

    call->rc = mp__real.pthread_barrier_wait(call->barrier);
}

static int shared_wait(pthread_barrier_t *barrier)
{
    struct barrier_call call = {barrier, 0};

    if (mp__here == NULL)
        return sync_real()->pthread_barrier_wait(barrier);
    mp__offload(barrier_run, &call, HUB_OFFLOAD_LONG);
    return call.rc;
}

/* The serial thread may destroy the barrier while others still leave. */
static void barrier_leave(struct barrier *b)
{
    if (SYNC_ADD(&b->inside, -1u) == (BARRIER_GONE | 1))
        mp__lot_wake(&b->inside, INT_MAX);
}

static int private_wait(struct barrier *b)
{
    uint64_t state, next;
    uint32_t round;
    bool last;

    SYNC_ADD(&b->inside, 1);
    state = SYNC_LOAD(&b->state);
    do {
        last = (uint32_t)state + 1 == b->count;
        round = (uint32_t)(state / BARRIER_ROUND);
        next = last ? (uint64_t)(round + 1) * BARRIER_ROUND : state + 1;
    } while (!SYNC_CAS(&b->state, &state, next));
    if (last)
        mp__lot_wake(&b->round, INT_MAX);
    else
        while (SYNC_LOAD_ACQUIRE(&b->round) == round)
            mp__lot_wait(&b->round, round, HUB_FOREVER, MP_OF_BARRIER);
    barrier_leave(b);
    return last ? PTHREAD_BARRIER_SERIAL_THREAD : 0;
}

MP_EXPORT int pthread_barrier_init(pthread_barrier_t *barrier,
                                   const pthread_barrierattr_t *attributes,
                                   unsigned count)
{
    int shared = PTHREAD_PROCESS_PRIVATE;

    if (attributes != NULL)
        pthread_barrierattr_getpshared(attributes, &shared);
    if (shared != PTHREAD_PROCESS_PRIVATE)
        return sync_real()->pthread_barrier_init(barrier, attributes, count);
    if (count == 0 || count > BARRIER_MOST)
        return EINVAL;
    memset(barrier, 0, sizeof *barrier);
    ((struct barrier *)barrier)->count = count;
    return 0;
}

MP_EXPORT int pthread_barrier_wait(pthread_barrier_t *barrier)
{
    struct barrier *b = (struct barrier *)barrier;

    return unlikely(b->shared != 0) ? shared_wait(barrier) : private_wait(b);
}

MP_EXPORT int pthread_barrier_destroy(pthread_barrier_t *barrier)
{
    struct barrier *b = (struct barrier *)barrier;
    uint32_t left;

    if (b->shared != 0)
        return sync_real()->pthread_barrier_destroy(barrier);
    if (SYNC_LOAD(&b->arrived) != 0)
        return EBUSY;
    left = __atomic_or_fetch(&b->inside, BARRIER_GONE, __ATOMIC_ACQ_REL);
    while (left != BARRIER_GONE) {
        mp__lot_wait(&b->inside, left, HUB_FOREVER, 0);
        left = SYNC_LOAD_ACQUIRE(&b->inside);
    }
    return 0;
}
