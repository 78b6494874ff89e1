/* wrap_uring.c - waits for io_uring and for the kernel's AIO
 *
 * Liburing makes its system calls itself, where nothing that is preloaded sees
 * them; but it waits in functions that it exports.  A ring is an fd that poll()
 * knows: it is readable when something is complete.
 *
 * What is submitted is submitted by the thread of the kernel that runs the mapped
 * ones, never by a helper: the kernel cancels what a thread submitted that ends. */
#include "monkeypatch/helped.h"
#include "monkeypatch/io_impl.h"
#include "monkeypatch/wrap_uring.h"

#include <linux/aio_abi.h>
#include <linux/io_uring.h>
#include <stdlib.h>

#define DEFERS (1U << 13) /* IORING_SETUP_DEFER_TASKRUN; 5.15 has none */
#define TASKRUN (1U << 2) /* IORING_SQ_TASKRUN */

/* As liburing.so.2 has it; of each half only the first words are ours to know. */
struct queue {
    uint32_t *head, *tail, *mask, *entries, *flags, *lost;
};

struct io_uring {
    struct queue sq;
    void *sq_rest[7];
    struct queue cq;
    void *cq_rest[5];
    unsigned flags;
    int fd;
    unsigned features;
};
_Static_assert(sizeof(void *) != 8 || offsetof(struct io_uring, fd) == 196,
               "liburing's ring");

/* No header that is here need have them. */
__typeof__(*mp__real.__io_uring_get_cqe) __io_uring_get_cqe;
__typeof__(*mp__real.io_uring_wait_cqes) io_uring_wait_cqes;
__typeof__(*mp__real.io_uring_wait_cqe_timeout) io_uring_wait_cqe_timeout;
__typeof__(*mp__real.io_uring_submit_and_wait) io_uring_submit_and_wait;
__typeof__(*mp__real.io_uring_submit_and_wait_timeout)
    io_uring_submit_and_wait_timeout;
__typeof__(*mp__real.io_uring_enter) io_uring_enter;
__typeof__(*mp__real.io_uring_enter2) io_uring_enter2;

/* The original, which may have come by dlopen(). */
#define LIBURING(name)                                                      \
    ((__typeof__(mp__real.name))(uintptr_t)find(                            \
        (void **)(uintptr_t)&mp__real.name, #name))

static void *find(void **where, const char *name)
{
    void *found = __atomic_load_n(where, __ATOMIC_RELAXED);

    if (likely(found != NULL))
        return found;
    mp__init();
    found = *where;
    if (found == NULL)
        found = mp__real_symbol_of("liburing.so.2", RTLD_LAZY | RTLD_NOLOAD,
                                   name);
    __atomic_store_n(where, found, __ATOMIC_RELAXED);
    return found;
}

static long enter(long fd, long submit, long count, long flags, const void *arg,
                  size_t size)
{
    return SYS_CALL(SYS_io_uring_enter, fd, submit, count, flags, arg, size);
}

/* ---- liburing ---- */

/* Polled devices are asked again and again, by whoever waits. */
static bool can_park(const struct io_uring *ring)
{
    return MP_ACTIVE(file) && mp__may_park() && ring->fd >= 0 &&
           !(ring->flags & IORING_SETUP_IOPOLL);
}

/* How many are complete.  The kernel may have some that it puts into the ring
 * when it is entered. */
static uint32_t complete(const struct io_uring *ring)
{
    const uint32_t held = TASKRUN | IORING_SQ_CQ_OVERFLOW;

    if ((ring->flags & DEFERS) ||
        (__atomic_load_n(ring->sq.flags, __ATOMIC_RELAXED) & held))
        enter(ring->fd, 0, 0, IORING_ENTER_GETEVENTS, NULL, 0);
    return __atomic_load_n(ring->cq.tail, __ATOMIC_ACQUIRE) - *ring->cq.head;
}

struct many {
    int fd;
    unsigned count;
    int64_t deadline;
};

static long wait_for_many(void *arg)
{
    const struct many *many = arg;
    struct __kernel_timespec left = { 0, 0 };
    struct io_uring_getevents_arg limit = { .ts = (uintptr_t)&left };
    int64_t ns = many->deadline - mp__now();

    if (many->deadline == HUB_FOREVER)
        return enter(many->fd, 0, many->count, IORING_ENTER_GETEVENTS, NULL,
                     0);
    ns = ns < 0 ? 0 : ns;
    left.tv_sec = ns / 1000000000;
    left.tv_nsec = ns % 1000000000;
    return enter(many->fd, 0, many->count,
                 IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG, &limit,
                 sizeof limit);
}

/* A ring with something in it is readable: it cannot be polled for more. */
static int wait_for_more(int fd, unsigned count, int64_t deadline)
{
    struct many many = { fd, count, deadline };
    long rc = mp__helped_wait(wait_for_many, &many, MP_INTERRUPTIBLE);

    if (rc == -EEXIST) /* it is one thread's only */
        rc = wait_for_many(&many);
    return rc < 0 ? (int)rc : 0;
}

static int wait_in_pieces(const struct io_uring *ring, unsigned count,
                          int64_t deadline, const struct mp__masked_wait *mask)
{
    int fd = ring->fd;
    uint32_t ready;

    while ((ready = complete(ring)) < count) {
        int64_t piece = mp__mask_piece(mask, deadline);
        int rc = ready == 0
                     ? mp__io_park(&fd, HUB_READ, piece, MP_INTERRUPTIBLE)
                     : wait_for_more(ring->fd, count, piece);

        if (rc == 0)
            continue;
        if (rc != -ETIMEDOUT && rc != -ETIME)
            return rc;
        if (mp__mask_interrupted(mask))
            return -EINTR;
        if (piece == deadline)
            return complete(ring) >= count ? 0 : -ETIME;
    }
    return 0;
}

static int wait_for(const struct io_uring *ring, unsigned count,
                    int64_t deadline, const sigset_t *mask)
{
    struct mp__masked_wait masked MP_MASK_CLEANUP = { .masked = false };

    if (complete(ring) >= count)
        return 0;
    if (mask != NULL && mp__mask_begin(&masked, mask))
        return -EINTR;
    mp__io_spend();
    return wait_in_pieces(ring, count, deadline, &masked);
}

static int64_t deadline_of(const struct __kernel_timespec *timeout)
{
    const int64_t most = HUB_FOREVER / 2 / 1000000000;

    if (timeout == NULL || timeout->tv_sec >= most)
        return HUB_FOREVER;
    return mp__now() + timeout->tv_sec * 1000000000 + timeout->tv_nsec;
}

/* Older kernels have time-outs as entries of their own, which liburing submits
 * together with whatever was not yet. */
static bool can_time(const struct io_uring *ring,
                     const struct __kernel_timespec *timeout)
{
    return timeout == NULL || (ring->features & IORING_FEAT_EXT_ARG);
}

/* The first that is complete, once `count` are.  Another thread may have been
 * quicker. */
static int take(struct io_uring *ring, struct io_uring_cqe **cqe,
                unsigned count, int64_t deadline, const sigset_t *mask)
{
    int rc;

    *cqe = NULL;
    do {
        rc = wait_for(ring, count, deadline, mask);
        if (rc == 0)
            rc = LIBURING(__io_uring_get_cqe)(ring, cqe, 0, 0, NULL);
    } while (rc == -EAGAIN);
    return rc;
}

MP_EXPORT int __io_uring_get_cqe(struct io_uring *ring,
                                 struct io_uring_cqe **cqe, unsigned submit,
                                 unsigned count, sigset_t *mask)
{
    __typeof__(mp__real.__io_uring_get_cqe) original =
        LIBURING(__io_uring_get_cqe);
    int rc;

    if (original == NULL)
        return -ENOSYS;
    if (count == 0 || !can_park(ring))
        return original(ring, cqe, submit, count, mask);
    if (submit > 0) {
        rc = original(ring, cqe, submit, 0, NULL);
        if (rc < 0 && rc != -EAGAIN)
            return rc;
    }
    return take(ring, cqe, count, HUB_FOREVER, mask);
}

MP_EXPORT int io_uring_wait_cqes(struct io_uring *ring,
                                 struct io_uring_cqe **cqe, unsigned count,
                                 struct __kernel_timespec *timeout,
                                 sigset_t *mask)
{
    __typeof__(mp__real.io_uring_wait_cqes) original =
        LIBURING(io_uring_wait_cqes);

    if (original == NULL)
        return -ENOSYS;
    if (count == 0 || !can_time(ring, timeout) || !can_park(ring))
        return original(ring, cqe, count, timeout, mask);
    return take(ring, cqe, count, deadline_of(timeout), mask);
}

MP_EXPORT int io_uring_wait_cqe_timeout(struct io_uring *ring,
                                        struct io_uring_cqe **cqe,
                                        struct __kernel_timespec *timeout)
{
    return io_uring_wait_cqes(ring, cqe, 1, timeout, NULL);
}

MP_EXPORT int io_uring_submit_and_wait(struct io_uring *ring, unsigned count)
{
    __typeof__(mp__real.io_uring_submit_and_wait) original =
        LIBURING(io_uring_submit_and_wait);
    int submitted, rc;

    if (original == NULL)
        return -ENOSYS;
    if (count == 0 || !can_park(ring))
        return original(ring, count);
    submitted = original(ring, 0);
    if (submitted < 0)
        return submitted;
    rc = wait_for(ring, count, HUB_FOREVER, NULL);
    return submitted == 0 && rc < 0 ? rc : submitted;
}

MP_EXPORT int io_uring_submit_and_wait_timeout(
    struct io_uring *ring, struct io_uring_cqe **cqe, unsigned count,
    struct __kernel_timespec *timeout, sigset_t *mask)
{
    __typeof__(mp__real.io_uring_submit_and_wait_timeout) original =
        LIBURING(io_uring_submit_and_wait_timeout);
    int submitted, rc;

    if (original == NULL)
        return -ENOSYS;
    if (count == 0 || !can_time(ring, timeout) || !can_park(ring))
        return original(ring, cqe, count, timeout, mask);
    submitted = LIBURING(io_uring_submit_and_wait)(ring, 0);
    if (submitted < 0)
        return submitted;
    rc = take(ring, cqe, count, deadline_of(timeout), mask);
    return rc < 0 ? rc : submitted;
}

/* ---- the system calls ---- */

static long make(const struct mp__arguments *call)
{
    return SYS_CALL(call->n, call->a[0], call->a[1], call->a[2], call->a[3],
                    call->a[4], call->a[5]);
}

static long by_helper(void *call)
{
    return make(call);
}

/* A ring that belongs to the one thread that submits to it, or whose number is
 * one of that thread's own, is asked in place. */
long mp__uring_enter(const struct mp__arguments *call)
{
    const long own = IORING_ENTER_REGISTERED_RING;
    struct mp__arguments waits = *call;
    long submitted = 0, rc;

    if (!MP_ACTIVE(file) || call->a[2] == 0 || (call->a[3] & own) ||
        !(call->a[3] & IORING_ENTER_GETEVENTS) || !mp__may_park())
        return make(call);
    if (call->a[1] != 0) {
        submitted = enter(call->a[0], call->a[1], 0,
                          call->a[3] & ~(long)IORING_ENTER_EXT_ARG, NULL, 0);
        if (submitted != call->a[1])
            return submitted;
    }
    waits.a[1] = 0;
    rc = mp__helped_wait(by_helper, &waits, MP_INTERRUPTIBLE);
    if (rc == -EEXIST)
        rc = make(&waits);
    mp__io_spend();
    return submitted > 0 ? submitted : rc;
}

/* Io_getevents() and its kin: what is there already is taken without a helper. */
long mp__aio_getevents(const struct mp__arguments *call)
{
    static const struct timespec at_once = { 0, 0 };
    struct mp__arguments now = *call, rest = *call;
    long got, more;

    if (!MP_ACTIVE(file) || call->a[1] <= 0 || !mp__may_park())
        return make(call);
    now.a[4] = (long)(uintptr_t)&at_once;
    got = make(&now);
    if (got < 0 || got >= call->a[1])
        return got;
    rest.a[1] -= got;
    rest.a[2] -= got;
    rest.a[3] += got * (long)sizeof(struct io_event);
    more = mp__helped_wait(by_helper, &rest, MP_INTERRUPTIBLE);
    mp__io_spend();
    return more >= 0 ? got + more : got > 0 ? got : more;
}

/* Liburing's own names for the system call, from 2.3 on.  They return -errno. */
MP_EXPORT int io_uring_enter2(unsigned fd, unsigned submit, unsigned count,
                              unsigned flags, sigset_t *mask, size_t size)
{
    const struct mp__arguments call = {
        SYS_io_uring_enter,
        { fd, submit, count, flags, (long)(uintptr_t)mask, (long)size }
    };

    return (int)mp__uring_enter(&call);
}

MP_EXPORT int io_uring_enter(unsigned fd, unsigned submit, unsigned count,
                             unsigned flags, sigset_t *mask)
{
    return io_uring_enter2(fd, submit, count, flags, mask, MP_SIGSET_BYTES);
}
