/* counters.h - how much a hub has done
 *
 * Each hub counts for itself, without locks; anybody may look at any time. */
#ifndef VIREO_COUNTERS_H
#define VIREO_COUNTERS_H

#include "hub/hub.h"

#ifdef __cplusplus
extern "C" {
#endif

struct hub_counters {
    uint64_t switches;   /* of the hub, from one greenlet to the next */
    uint64_t wakeups;    /* waits that somebody ended */
    uint64_t polls;      /* turns of the loop */
    uint64_t spawned;    /* greenlets, by hub_spawn() and its like */
    uint64_t stacks;     /* in use just now, by greenlets of that thread */
    uint64_t peak_stacks; /* the most that were in use at once */
    uint64_t hubs;       /* that this is the sum of */
};

/* What `hub` has counted; NULL: the sum over all hubs of the process, and of
 * those that are gone (`stacks` and `hubs` count those that exist; `peak_stacks`
 * is the sum of the peaks).  The hub must exist until the call returns.
 * Thread-safe; async-signal-safe unless hub is NULL. */
HUB_API void hub_counters(const struct hub *hub, struct hub_counters *counters);

#ifdef __cplusplus
}
#endif
#endif
