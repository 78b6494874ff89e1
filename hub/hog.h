/* hog.h - greenlets that compute, and are interrupted (preload)
 *
 * One that was taken off its OS thread by a signal handler, while it computed, is
 * ready, and waits behind all others: those who wait for something else have
 * little to do when it comes.  So that it gets on where they always have something
 * to do it is now and then let in between, and granted some time. */
#ifndef HUB_HOG_H
#define HUB_HOG_H

#include <stdbool.h>
#include <stdint.h>

struct greenlet;
struct hub;

struct hub__hogs {
    struct greenlet *head, *tail; /* the next is the first */
    int64_t served; /* when one of them last ran */
    const struct greenlet *last; /* and which; it may have gone */
    bool granted;   /* the last was let in between others */
    /* Whether those who run meanwhile only come to wait for what it has: see
     * hub__hogs_met(). */
    struct greenlet *away;       /* the last that gave way, unless it went on */
    const uint32_t *word;        /* in the lot, on which somebody waits since */
    unsigned stuck;              /* who did so, one after the other ... */
    uint64_t stuck_at;           /* ... the last of them at this switch */
    const uint32_t *woken_on;    /* who was woken there ... */
    uint64_t woken_at;           /* ... runs since this switch */
    unsigned recalls;            /* it was called back so often ... */
    int64_t recalls_since;       /* ... since then */
    /* Called whenever a greenlet is about to run, on the hub's thread, between
     * hub__enter() and hub__exit(); `switches` counts it.  NULL: nobody wants to
     * know, and it costs nothing. */
    void (*runs)(struct hub *hub);
};

/* The running greenlet waits behind all others; `first`: and before others that do,
 * if it is the one of them that went on last.  Then the loop looks for what is ready.  True: it goes on
 * because it has waited for long, and others are ready.  Switches. */
bool hub__hog_gives_way(struct hub *hub, bool first);
/* In the loop, nobody else being ready, or one having waited for long. */
void hub__hogs_take(struct hub *hub);
/* The running greenlet waits in the lot, while there are some of them.  One that was
 * stopped while it had a lock, an interpreter's before all, makes everybody who runs
 * wait for that: so where the first of them do, one after the other and on one word, it
 * goes on at once, granted.  Now and then all run in spite of that, and where one `again`
 * waits there that timed out: each of those is to find the lock taken, and keep its place
 * in the queue.  Between hub__enter() and hub__exit(), as is the next. */
void hub__hogs_met(struct hub *hub, const uint32_t *word, bool again);
/* It goes on, woken there: if it waits there again it need not be for want of a lock. */
static inline void hub__hogs_woken(struct hub__hogs *hogs, const uint32_t *word,
                                   uint64_t switches)
{
    hogs->woken_on = word;
    hogs->woken_at = switches;
}
void hub__hogs_call(struct hub *hub, void (*runs)(struct hub *hub));
/* Take g out, if it is there. */
void hub__hogs_remove(struct hub *hub, const struct greenlet *g);
/* Until the next poll the loop's epoll descriptor is ready as soon as something is
 * due: a timer, somebody who is ready (`first`: but for the first, who is about to
 * run), and descriptors as ever. */
void hub__hog_listen(struct hub *hub, bool first);

#endif
