/* counters.c - how much a hub has done */
#include "hub/counters.h"
#include "hub/sight.h"

#include <string.h>

static void add(struct hub_counters *sum, const struct hub *hub)
{
    const struct greenlet__os *os = hub->os;
    long live = greenlet__read(os->live), peak = greenlet__read(os->peak);

    sum->switches += greenlet__read(hub->switches);
    sum->wakeups += greenlet__read(hub->wakeups);
    sum->polls += greenlet__read(hub->polls);
    sum->spawned += greenlet__read(hub->spawned);
    if (live < 0) /* it freed what others had made */
        live = 0;
    sum->stacks += (uint64_t)live;
    sum->peak_stacks += (uint64_t)(peak > live ? peak : live);
    sum->hubs++;
}

void hub_counters(const struct hub *hub, struct hub_counters *counters)
{
    if (hub != NULL) {
        memset(counters, 0, sizeof *counters);
        add(counters, hub);
        return;
    }
    hub__all_lock();
    *counters = hub__counters_gone;
    for (hub = hub__all; hub != NULL; hub = hub->next_hub)
        add(counters, hub);
    hub__all_unlock();
}
