/* sight.c - all hubs of the process, and what each has for those who look
 *
 * The lock is one word: it is taken by threads that libc does not know, and held
 * for short, but for a dump, which may wait a part of a second for each hub. */
#include "hub/counters.h"
#include "hub/sight.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LOOK_NS HUB_MILLISECOND

struct hub *hub__all;
struct hub_counters hub__counters_gone;
static uint32_t held;

bool hub__all_try_lock(void)
{
    return __atomic_exchange_n(&held, 1, __ATOMIC_ACQUIRE) == 0;
}

void hub__all_lock(void)
{
    while (!hub__all_try_lock())
        hub__raw_wait(&held, 1, LOOK_NS);
}

void hub__all_unlock(void)
{
    __atomic_store_n(&held, 0, __ATOMIC_RELEASE);
}

static void answer(void *hub)
{
    hub__answer(hub, NULL);
}

int hub__sight_make(struct hub *hub)
{
    hub->sight = greenlet__calloc(1, sizeof *hub->sight);
    if (hub->sight == NULL)
        return -ENOMEM;
    hub->sight->tid = (pid_t)syscall(SYS_gettid);
    hub__callback_init(&hub->sight->call, hub, answer, hub);
    return 0;
}

void hub__sight_open(struct hub *hub)
{
    struct hub **end = &hub__all;

    hub__all_lock();
    while (*end != NULL)
        end = &(*end)->next_hub;
    *end = hub;
    hub__all_unlock();
    hub__monitor_hub_begins(hub);
    hub__options_hub();
}

static void unlink_hub(const struct hub *hub)
{
    struct hub **link = &hub__all;

    while (*link != NULL && *link != hub)
        link = &(*link)->next_hub;
    if (*link != NULL)
        *link = hub->next_hub;
}

static void keep_counters(const struct hub *hub)
{
    struct hub_counters last;

    hub_counters(hub, &last);
    hub__counters_gone.switches += last.switches;
    hub__counters_gone.wakeups += last.wakeups;
    hub__counters_gone.polls += last.polls;
    hub__counters_gone.spawned += last.spawned;
    hub__counters_gone.peak_stacks += last.peak_stacks;
}

void hub__sight_close(struct hub *hub)
{
    if (hub->sight == NULL)
        return;
    hub__all_lock();
    unlink_hub(hub);
    keep_counters(hub);
    hub__all_unlock();
    hub__sample_thread_ends(hub);
    free(hub->sight);
    hub->sight = NULL;
}

/* Whoever held the lock is gone with the other threads. */
void hub__sight_forked(struct hub *hub)
{
    __atomic_store_n(&held, 0, __ATOMIC_RELEASE);
    hub__all = hub;
    hub__monitor_forked();
    if (hub == NULL)
        return;
    hub->next_hub = NULL;
    hub->sight->tid = (pid_t)syscall(SYS_gettid);
    hub->sight->asked = ASKED_NOTHING;
    hub->sight->sample.state = ASKED_NOTHING;
    hub->sight->call.queued = 0;
    hub->sight->closes = NULL;
    hub->sight->closes_asked = 0;
    memset(&hub->sight->look, 0, sizeof hub->sight->look);
}
