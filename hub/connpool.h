/* connpool.h - pools of connections, whatever they are connections to
 *
 * At most so many are open; who finds none waits, and gets one in the order of
 * asking.  What comes back goes straight to who has waited longest.  The pool
 * knows nothing of drivers: the program says how one is opened, closed and
 * looked at. Shared by hubs and by threads without one: everything here is
 * thread-safe.
 *
 * open, close, check and reset are called in the greenlet that takes or gives,
 * with nothing locked: they may wait, and use the pool.  In the child of a
 * fork() a pool of the parent's does nothing (-EXDEV): its connections are the
 * parent's. */
#ifndef VIREO_CONNPOOL_H
#define VIREO_CONNPOOL_H

#include "hub/object.h"

#ifdef __cplusplus
extern "C" {
#endif

struct hub_connpool;

/* A pool has no more places. */
#define HUB_CONNPOOL_MAX (1u << 20)

struct hub_connpool_options {
    unsigned size; /* at most so many connections, 1 to HUB_CONNPOOL_MAX */
    unsigned max_waiting; /* more than so many may not wait; 0: any number */
    /* Open one.  Returns 0 with *conn, or a negative errno, which is what take
     * returns.  NULL is no connection (-ENOMEM). */
    int (*open)(void **conn, void *arg);
    /* The end of one.  Kills and deadlines do not reach into it. */
    void (*close)(void *conn, void *arg);
    /* Does it still live?  Asked before one is given out that has been idle for
     * check_after ns or longer.  Negative: it is closed, and another opened. */
    int (*check)(void *conn, void *arg);
    /* It has come back: can somebody else have it as it is?  Negative, say for
     * a query that is under way: it is closed. */
    int (*reset)(void *conn, void *arg);
    void *arg;
    int64_t check_after;  /* ns; 0: each that has been idle at all */
    int64_t max_idle;     /* ns; idle for longer it is closed; 0: never */
    int64_t max_lifetime; /* ns since it was opened; 0: no limit */
};

/* A pool with nothing in it yet.  check and reset may be NULL.
 *
 * Ownership: *pool is given (hub_connpool_free()); the options are copied, arg
 * is passed to the functions. Returns 0, -EINVAL, -ENOMEM. */
HUB_API int hub_connpool_new(const struct hub_connpool_options *options,
                             struct hub_connpool **pool);

/* Take a connection: one that is idle, the last that came back first; or a new
 * one; or, behind those who wait already, the next that comes back.  The
 * deadline ends waits in check and open, too (not in a thread without a hub).
 * What was taken is tied to the calling greenlet: if that ends without having
 * given it back, it is closed.  It is not in a main greenlet.  Switches.
 *
 * Ownership: *conn is kept until hub_connpool_give().
 * Returns 0; -ETIMEDOUT: no connection in time; what open returned; -EAGAIN:
 * more than max_waiting would wait; -ESHUTDOWN after hub_connpool_close();
 * -EXDEV; -EINVAL; -ENOMEM; or why it ended early. */
HUB_API int hub_connpool_take(struct hub_connpool *pool, int64_t deadline_ns,
                              void **conn);

/* Give it back; any greenlet or thread may.  Closed are those that are broken,
 * those that reset refuses or that are too old, and what comes after
 * hub_connpool_close().  Switches if reset or close do.
 * Returns 0, or with nothing done -ENOENT: it is not one that was taken;
 * -EXDEV; -EINVAL. */
HUB_API int hub_connpool_give(struct hub_connpool *pool, void *conn,
                              bool broken);

/* Open connections one after the other until there are `count`, or as many as
 * it has places, so that the first who take need not.  Switches. Returns 0; as
 * hub_connpool_take(). */
HUB_API int hub_connpool_fill(struct hub_connpool *pool, unsigned count,
                              int64_t deadline_ns);

/* Close those that have been idle for longer than max_idle, or are too old.
 * Each give closes one such; this is for times in which nobody gives. Switches.
 * Returns how many were closed, -EXDEV, -EINVAL. */
HUB_API int hub_connpool_sweep(struct hub_connpool *pool);

/* Nobody gets a connection any more, and who waits for one gets -ESHUTDOWN.
 * Idle ones are closed; those that are out are when they come back, which is
 * waited for.  Switches. Returns 0: all are closed; -ETIMEDOUT; -EXDEV;
 * -EINVAL; or why it ended early: in these cases, too, it remains closed, and
 * may be called again. */
HUB_API int hub_connpool_close(struct hub_connpool *pool, int64_t deadline_ns);

/* Close what is idle, and give back its memory.  NULL is fine.
 * Returns 0, or -EBUSY with nothing done: one is out, or somebody waits. */
HUB_API int hub_connpool_free(struct hub_connpool *pool);

struct hub_connpool_stats {
    unsigned size;
    unsigned open;    /* connections that there are */
    unsigned idle;    /* of these, nobody has */
    unsigned taken;   /* somebody has; others are being opened or closed */
    unsigned waiting; /* who waits for one */
    uint64_t opened;  /* ever */
    uint64_t failed;  /* open returned an error */
    uint64_t closed;
    uint64_t lost;      /* of these, greenlets ended without giving them back */
    uint64_t timed_out; /* waits for a connection that their deadline ended */
};
/* Returns 0, -EXDEV, -EINVAL. */
HUB_API int hub_connpool_stats(struct hub_connpool *pool,
                               struct hub_connpool_stats *stats);

/* For hub_wait() and hub_rawlink(): ready while a connection could be taken
 * without waiting for others, or the pool is closed. */
HUB_API struct hub_object hub_connpool_object(struct hub_connpool *pool);

#ifdef __cplusplus
}
#endif
#endif
