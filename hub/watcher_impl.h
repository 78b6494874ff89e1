/* watcher_impl.h - what all kinds of watchers have in common */
#ifndef HUB_WATCHER_IMPL_H
#define HUB_WATCHER_IMPL_H

#include "hub/schedule.h"
#include "hub/watcher.h"

/* A kind arms itself, and tells of one event by hub__watcher_happened(); by
 * then it is not armed any more, unless `stays`. */
struct hub__watcher_kind {
    struct hub__wait_kind wait; /* for reports: "watcher of an fd" */
    int (*arm)(struct hub_watcher *watcher);     /* 0 or a negative errno */
    /* Also when it is not armed.  Returns 0, or -EBADF when an event came that was
     * of a file which is closed by now. */
    int (*disarm)(struct hub_watcher *watcher);
    /* Before a callback: arm it for the next event.  Returns 1, 0 when there
     * will be no next one, or a negative errno. */
    int (*again)(struct hub_watcher *watcher);
    bool stays;
    bool for_one; /* an event is for one who waits; otherwise for all of them */
};

/* In hub_wait_watcher(), on its stack. */
struct hub__watcher_wait {
    struct hub__watcher_wait *next;
    struct hub__waiter waiter;
    bool over; /* it is not linked any more */
};

struct hub_watcher {
    const struct hub__watcher_kind *kind;
    struct hub *hub;
    unsigned hub_id; /* which may be gone */
    unsigned refs; /* the caller's, each call that is queued, a wait */
    hub_watcher_callback *callback;
    void *arg;
    struct hub__watcher_wait *waits; /* the oldest first */
    struct hub_callback call, cancel;
    int events; /* for the call that is queued; 0: it is off */
    int cancel_error;
    bool started, armed, unreferenced, closed, close_on_cancel;
};

/* Of the calling thread's hub.  Kinds have one as the first thing in their own
 * struct of `size` bytes, all zero but for this.  NULL: no memory. */
struct hub_watcher *hub__watcher_new(size_t size,
                                     const struct hub__watcher_kind *kind);
/* From the loop, also between hub__enter() and hub__exit(): it calls nobody. */
void hub__watcher_happened(struct hub_watcher *watcher, int events);
void hub__watcher_ref(struct hub_watcher *watcher);
void hub__watcher_unref(struct hub_watcher *watcher);

#endif
