/* connpool_impl.h - the places of a pool of connections
 *
 * A place is a permit: who has one may have a connection in it open.  It is
 * idle (with a connection), empty, or busy: somebody's, who opens, has, looks
 * at or closes what is in it.  While somebody waits none is idle or empty,
 * since a place that becomes free is handed over.  So none can be lost but with
 * who has it; and that one has a lease, deferred in its greenlet, which gives
 * it back.
 *
 * Nothing is locked while a function of the program's runs. */
#ifndef HUB_CONNPOOL_IMPL_H
#define HUB_CONNPOOL_IMPL_H

#include "hub/connpool.h"
#include "hub/sync_impl.h"

enum { HUB__POOL_SHUT = 4, HUB__POOL_THERE = 8 }; /* bits of the word */

/* Who has a place, as deferred in its greenlet.  `place` is taken out by
 * exchange: whoever got it gives the place back.  The deferred function frees
 * it; it may do so when the pool is gone, if place is NULL. */
struct hub__lease {
    struct hub_connpool *pool;
    struct hub__place *place;
};

struct hub__place {
    struct hub__place *newer, *older; /* idle; empty ones by older alone */
    struct hub__place *same;          /* taken: in one bucket */
    struct hub__lease *lease;         /* taken: NULL: tied to nobody */
    void *conn;                       /* NULL: none */
    int64_t opened_at, idle_since;
};

struct hub_connpool {
    uint64_t word;
    struct hub__link *links;   /* who waits for a place */
    struct hub__link *closers; /* who waits for all to be closed */
    struct hub_connpool_options options;
    struct hub__place *newest, *oldest; /* idle */
    struct hub__place *empty;
    struct hub__place **buckets; /* taken, by connection */
    unsigned mask;               /* of them */
    unsigned busy;               /* places */
    unsigned forks;              /* in which process it was made */
    struct hub_connpool_stats stats;
    struct hub__place places[];
};

/* All under the lock. */

/* 0 with an idle place or an empty one, now busy; -EAGAIN, -ESHUTDOWN. */
int hub__pool_obtain(struct hub_connpool *pool, const struct hub__held *held,
                     struct hub__place **place);
/* An empty one alone. */
struct hub__place *hub__pool_obtain_empty(struct hub_connpool *pool);
/* The one that has been idle for longest, now busy; NULL: none, or, unless
 * `any`, it may stay. */
struct hub__place *hub__pool_obtain_oldest(struct hub_connpool *pool, bool any);
/* A busy place is nobody's any more: to the oldest who waits, or to its list.
 */
void hub__pool_put(struct hub_connpool *pool, struct hub__place *place);
void hub__pool_unlock(struct hub_connpool *pool, struct hub__held *held);
void hub__pool_enter_taken(struct hub_connpool *pool, struct hub__place *place);
/* NULL: not there. */
struct hub__place *hub__pool_find_taken(struct hub_connpool *pool,
                                        const void *conn);
void hub__pool_leave_taken(struct hub_connpool *pool, struct hub__place *place);
/* The connection has lived for long enough. */
bool hub__pool_is_old(const struct hub_connpool *pool,
                      const struct hub__place *place, int64_t now);
bool hub__pool_idled(const struct hub_connpool *pool,
                     const struct hub__place *place, int64_t now);

/* ---- the others take the lock ---- */

/* connpool.c */
extern const struct hub__wait_kind hub__waits_for_connection;
bool hub__pool_is_ours(const struct hub_connpool *pool); /* not the parent's */
int hub__pool_look_at(const struct hub_connpool *pool); /* 0, -EINVAL, -EXDEV */
/* Have a connection in a busy place that may be given out; `idle`: the place
 * was that until now.  Returns 0, or why there is none: then the place is still
 * busy. */
int hub__pool_prepare(struct hub_connpool *pool, struct hub__place *place,
                      bool idle, int64_t deadline_ns);

/* connpool_lease.c */
/* In a call that has had the lock before: then it cannot fail. */
void hub__pool_lock(struct hub_connpool *pool, struct hub__held *held);
/* Close what is in a busy place. */
void hub__pool_discard(struct hub_connpool *pool, struct hub__place *place);
/* A busy place is nobody's any more, nor is its connection, unless `keep`.  The
 * pool may be gone afterwards. */
void hub__pool_release(struct hub_connpool *pool, struct hub__place *place,
                       bool keep);
/* Close idle ones: those whose time is over, or `any`.  Returns how many. */
int hub__pool_sweep(struct hub_connpool *pool, bool any, int most);
/* Before there is a place, so that nothing can fail once there is.  *lease may
 * be NULL: the caller is not tied. */
int hub__pool_begin_lease(struct hub_connpool *pool, struct hub__lease **lease);
/* From here on the end of the calling greenlet gives the place back. */
void hub__pool_lease_place(struct hub__lease *lease, struct hub__place *place);
/* One without a place.  Another greenlet's is left to that. */
void hub__pool_end_lease(struct hub__lease *lease);

#endif
