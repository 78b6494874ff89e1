/* shuffle.c - in builds with tests: who runs next is chosen at random
 *
 * The order of the ready list is a promise to programs, but nothing of ours may rest
 * on it for its safety.  With a seed, VIREO_TEST_SHUFFLE or hub_test_shuffle(), any
 * of those who are ready may go first, callbacks in their order among themselves, and
 * the loop now and then before all of them.  The next look at the
 * clock is always due then, so that each switch takes that way. */
#include "hub/schedule.h"
#include "hub/testhook.h"

#include <stdlib.h>

#ifdef VIREO_TEST_HOOKS

#define LOOP_FIRST 8 /* once in so many */

static uint64_t draw(struct hub *hub)
{
    hub->shuffle ^= hub->shuffle << 13;
    hub->shuffle ^= hub->shuffle >> 7;
    hub->shuffle ^= hub->shuffle << 17;
    return hub->shuffle >> 16;
}

static void every_switch(struct hub *hub)
{
    hub->look_at = hub->switches + 1;
}

void hub_test_shuffle(uint64_t seed)
{
    struct hub *hub = hub__get();

    if (hub == NULL)
        return;
    /* Seeds beside each other must not begin alike; and never with 0. */
    hub->shuffle = seed != 0 ? seed * UINT64_C(0x9e3779b97f4a7c15) | 1 : 0;
    if (seed != 0)
        every_switch(hub);
}

void hub__shuffle_start(struct hub *hub)
{
    const char *seed = getenv("VIREO_TEST_SHUFFLE");

    if (seed == NULL)
        return;
    hub->shuffle = strtoull(seed, NULL, 0) * UINT64_C(0x9e3779b97f4a7c15) | 1;
    every_switch(hub);
}

static struct greenlet *choose(struct hub *hub)
{
    struct greenlet *at, *callback = NULL;
    uint64_t count = 0, chosen;

    for (at = hub->ready_head; at != NULL; at = at->next)
        count++;
    chosen = count > 0 ? draw(hub) % count : 0;
    for (at = hub->ready_head; chosen > 0; at = at->next, chosen--)
        if (callback == NULL && at->thread == NULL)
            callback = at;
    return at != NULL && at->thread == NULL && callback != NULL ? callback : at;
}

bool hub__shuffle(struct hub *hub)
{
    struct greenlet *first = choose(hub);

    every_switch(hub);
    if (first != NULL && first != hub->ready_head) {
        hub__unready(hub, first);
        hub__ready_first(hub, first);
    }
    return draw(hub) % LOOP_FIRST == 0;
}

#endif
