/* connpool.h - a bounded pool of connections, to a database or anything else
 *
 * Who takes one waits behind those who wait already while all are in use.  What
 * a connection is the program says, by three functions.  For the thread that
 * made it. */
#ifndef VIREO_CONNPOOL_H
#define VIREO_CONNPOOL_H

#include "hub/hub.h"

#ifdef __cplusplus
extern "C" {
#endif

struct hub_connpool;

struct hub_connpool_options {
    /* Make one; may wait.  Returns 0 with *connection, or a negative errno. */
    int (*open)(void *arg, void **connection);
    /* End one; may wait. */
    void (*close)(void *connection, void *arg);
    /* Is it good, and with no query in flight?  Asked when one is taken that
     * was used before, and when it is given back; one that is not is closed.
     * NULL: always. */
    bool (*healthy)(void *connection, void *arg);
    void *arg;
    int most;        /* at once [8] */
    int64_t idle_ns; /* one that nobody used for so long is closed rather than
                        taken [5 min]; negative: never */
};

/* An empty pool; options are copied.  Ownership: *pool is given.
 * Returns 0; -EINVAL without open or close, or for a negative `most`; -ENOMEM.
 */
HUB_API int hub_connpool_new(const struct hub_connpool_options *options,
                             struct hub_connpool **pool);

/* Close those that nobody has, and the pool, once all were given back: those
 * are closed then.  NULL is fine.  Switches if `close` does. */
HUB_API void hub_connpool_free(struct hub_connpool *pool);

/* Take a connection: the one that was used last, or a new one.  Switches.
 * Ownership: *connection is given, for hub_connpool_give().
 * Returns 0; -EINVAL for NULL, as of a pool that was never made; what `open`
 * failed with; -ENOMEM; -ETIMEDOUT, or why the wait ended early. */
HUB_API int hub_connpool_take(struct hub_connpool *pool, int64_t deadline_ns,
                              void **connection);

/* Give it back; broken: it is closed.  Switches if that does; not a
 * cancellation point. */
HUB_API void hub_connpool_give(struct hub_connpool *pool, void *connection,
                               bool broken);

/* How many there are, and how many of them are in use. */
HUB_API void hub_connpool_count(const struct hub_connpool *pool, int *all,
                                int *used);

#ifdef __cplusplus
}
#endif
#endif
