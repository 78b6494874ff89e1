/* events.h - what the library has noticed, for those who want to be told */
#ifndef VIREO_EVENTS_H
#define VIREO_EVENTS_H

#include "hub/hub.h"

#ifdef __cplusplus
extern "C" {
#endif

enum hub_notice_kind {
    HUB_NOTICE_LOOP_BLOCKED = 1, /* a greenlet keeps a hub from others */
    HUB_NOTICE_MEMORY_OVER,      /* more than the limit, and growing */
    HUB_NOTICE_MEMORY_UNDER,     /* under the limit again */
    HUB_NOTICE_MONITOR_STARTED   /* a monitor with a real thread runs */
};

/* What happened.  More fields may be added at the end: `size` is what the library
 * has.  Which are good depends on the kind. */
struct hub_notice {
    size_t size;
    enum hub_notice_kind kind;
    unsigned hub_id;        /* LOOP_BLOCKED: which */
    const void *greenlet;   /* LOOP_BLOCKED: the one that runs, as a number: it
                               may have ended by now */
    int64_t blocked_ns;     /* LOOP_BLOCKED: for how long */
    int frame_count;        /* LOOP_BLOCKED: of `frames`; 0: not known */
    void *const *frames;    /* its code addresses, innermost first */
    uint64_t memory;        /* MEMORY_...: bytes of the process's own */
    uint64_t memory_max;    /* the limit */
};

/* Called on the thread that noticed; for all kinds that there are now it is the
 * monitor's: it must be thread-safe, and must not wait for greenlets.  The event
 * is borrowed.  Kinds that it does not know it must ignore. */
typedef void hub_subscriber(const struct hub_notice *event, void *data);

/* Tell that function from now on.  Subscribing makes the monitor run on a real
 * thread, see monitor.h.  Thread-safe.
 * Returns 0, -EEXIST, -ENOMEM, or -EAGAIN when no thread could be made. */
HUB_API int hub_subscribe(hub_subscriber *subscriber, void *data);

/* It is not called any more once this has returned (unless it is itself the
 * caller).  Thread-safe.  Returns 0 or -ENOENT. */
HUB_API int hub_unsubscribe(hub_subscriber *subscriber, void *data);

#ifdef __cplusplus
}
#endif
#endif
