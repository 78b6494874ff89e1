/* api.c - the table that the preload library takes (api.h) */
#include "hub/api.h"
#include "hub/config_impl.h"
#include "hub/lot_impl.h"
#include "hub/monitor.h"
#include "hub/poll_impl.h"
#include "hub/reserve.h"
#include "hub/schedule.h"
#include "hub/sight.h"
#include "hub/timer_impl.h"
#include "hub/watch_impl.h"
#include "thread_pointer.h"

#include <errno.h>

static struct hub *get_hub(void)
{
    return hub__get();
}

static struct greenlet__thread *thread_self(void)
{
    return greenlet__thread_self();
}

static int park_cancelable(struct hub__waiter *waiter, int64_t deadline)
{
    return hub__park_cancelable(waiter, deadline);
}

/* False also where a signal handler came while the hub's lists were changed. */
static bool can_park(void)
{
    const struct hub *hub = hub__peek();

    return hub != NULL && hub->critical == 0 &&
           greenlet__word->current != hub->greenlet;
}

static uint32_t owner_id(void)
{
    struct greenlet__thread *thread = greenlet__thread_peek();
    struct greenlet *g = thread != NULL ? thread->current : NULL;

    return g != NULL ? hub__owner_id(g) : 0;
}

/* ---- mapped threads ---- */

#define OTHERS 16 /* the main thread's timers, and the hub's own */
#define SPARE 64  /* for those that several OS threads make at a time */
#define AT_FIRST 8192

static void count_mapped(struct hub *hub, int by)
{
    if (likely(!greenlet__several_os))
        hub->sight->mapped += (uint32_t)by;
    else
        __atomic_add_fetch(&hub->sight->mapped, by, __ATOMIC_RELAXED);
}

/* Where POSIX has no error for want of memory, as in nanosleep(), there is memory:
 * each thread can wait until a time.  Another hub's memory is its own to get. */
static struct greenlet__mapped *map_thread(struct hub *on, size_t stack_size,
                                           size_t guard, size_t room,
                                           void *memory)
{
    struct greenlet__mapped *made;

    if (likely(on == hub__get()) &&
        hub__timers_reserve(on, on->sight->mapped + 1 + OTHERS) < 0)
        return NULL;
    made = greenlet__map_thread(on->os, stack_size, guard, room, memory);
    if (made != NULL)
        count_mapped(on, 1);
    return made;
}

static void unmap_thread(struct greenlet__mapped *thread)
{
    count_mapped(thread->thread.os->hub, -1);
    greenlet__unmap_thread(thread);
}

static bool may_map(const struct hub *on)
{
    return on == hub__peek() || greenlet__read(on->sight->mapped) + 1 + OTHERS <
                                    greenlet__read(on->heap.room) - SPARE;
}

/* Memory that is not written to is not there. */
static bool map_more(struct hub *own)
{
    uint32_t mapped = greenlet__read(own->sight->mapped);

    if (own->heap.room >= 2 * mapped && own->heap.room >= AT_FIRST)
        return true;
    return hub__timers_reserve(own, mapped < AT_FIRST / 4 ? AT_FIRST
                                                          : 4 * mapped) == 0;
}

/* The word that names the identity of a thread, in the block of that pointer. */
static struct greenlet__thread **identity_in(char *pointer)
{
    return (struct greenlet__thread **)(void *)(pointer +
           ((char *)&greenlet__word - (char *)greenlet__thread_pointer()));
}

static void watch_stuck(void (*stuck)(pid_t tid, const uint64_t words[9]))
{
    hub__options_read();
    if (!hub__option(HUB_OPTION_MONITOR))
        return;
    hub__stuck = stuck;
    hub_monitor_start();
}

static int look_on(const struct hub__onlooker *onlooker)
{
    hub__options_read();
    if (!hub__option(HUB_OPTION_MONITOR))
        return -ECANCELED;
    hub__onlooker = onlooker;
    return hub_monitor_start();
}

static void fd_closing(int fd)
{
    if (unlikely(greenlet__several_os))
        hub__fd_closing_elsewhere(fd);
    hub__fd_closing(fd);
}

static void evacuate_own(void *fd)
{
    hub__fd_evacuate((int)(intptr_t)fd);
}

/* What another hub has there its own thread moves, soon. */
static bool ask_to_evacuate(struct hub *self, int fd)
{
    bool asked = false;

    hub__enter(self); /* as for hub__fd_closing_elsewhere() */
    hub__all_lock();
    for (struct hub *hub = hub__all; hub != NULL; hub = hub->next_hub)
        if (hub != self && hub__fd_is_of(hub, fd) &&
            hub_call_soon_threadsafe(hub, evacuate_own,
                                     (void *)(intptr_t)fd) == 0)
            asked = true;
    hub__all_unlock();
    hub__exit(self);
    return asked;
}

/* One that is nobody's yet is of a hub that is being made.  A copy mostly is on its
 * way to a hub that finds it has no use for it. */
static int fd_evacuate(int fd, bool *asked)
{
    struct hub *self = hub__peek();
    enum hub__fd_use use;

    if (likely(!hub__fd_may_be_ours(fd)))
        return 0;
    use = hub__fd_want(fd);
    if (use == HUB__FD_FREE)
        return 0;
    if (!greenlet__several_os || hub__fd_is_of(self, fd))
        return hub__fd_evacuate(fd);
    if (use == HUB__FD_OURS && !*asked)
        *asked = ask_to_evacuate(self, fd);
    return -EAGAIN;
}

#define NUMBERS (1u << 21) /* what fdshare.c knows */

static void fd_close_range(unsigned first, unsigned last)
{
    if (unlikely(greenlet__several_os))
        for (unsigned fd = first; fd <= last && fd < NUMBERS; fd++)
            if (!hub__fd_is_ours((int)fd))
                hub__fd_closing_elsewhere((int)fd);
    hub__fd_close_range(first, last);
}

static const struct hub__api table = {
    .version = HUB__API_VERSION,
    .size = sizeof table,
    .libc = &greenlet__libc,
    .masked = &greenlet__masked,
    .tls = &greenlet__tls,
    .fsgsbase = &greenlet__fsgsbase,
    .lenient = &hub__lenient,
    .tls_find = greenlet__tls_find,
    .tls_enter = greenlet__tls_enter,
    .tls_link = greenlet__tls_link,
    .in_loader = greenlet__in_loader,
    .get = get_hub,
    .thread_self = thread_self,
    .thread_stays = greenlet__thread_stays,
    .thread_leaves = greenlet__thread_leaves,
    .overflow_watch = greenlet__overflow_watch,
    .overflow_report = greenlet__overflow_report,
    .fork_child = greenlet__fork_child,
    .forked = hub__forked,
    .map_thread = map_thread,
    .unmap_thread = unmap_thread,
    .several = &greenlet__several_os,
    .may_map = may_map,
    .map_more = map_more,
    .prepare = greenlet__prepare,
    .ready = hub__ready,
    .leave = hub__leave,
    .bare_size = greenlet__bare_size,
    .bare_new = greenlet__bare_new,
    .bare_end = greenlet__bare_end,
    .bare_enter = greenlet__bare_enter,
    .identity_in = identity_in,
    .callback_init = hub__callback_init,
    .callback_push_remote = hub__callback_push_remote,
    .clock = clock_gettime,
    .watch_clock = hub__watch_clock,
    .timer_move = hub__timer_move,
    .waiter_init = hub__waiter_init,
    .park = hub__park,
    .park_cancelable = park_cancelable,
    .waiter_close = hub__waiter_close,
    .wake = hub__wake,
    .yield = hub_yield,
    .hog_gives_way = hub__hog_gives_way,
    .hogs_call = hub__hogs_call,
    .hog_listen = hub__hog_listen,
    .epoll = hub__loop_epoll,
    .apart_leave = hub__apart_leave,
    .apart_copy = hub__apart_copy,
    .notify = hub__loop_notify,
    .watch = hub__watch,
    .unwatch = hub__unwatch,
    .lot_wait = hub__lot_wait,
    .lot_wait_on = hub__lot_wait_on,
    .lot_wait_cancelable = hub__lot_wait_cancelable,
    .lot_wake = hub__lot_wake,
    .lot_wake_bits = hub__lot_wake_bits,
    .lot_requeue = hub__lot_requeue,
    .offload = hub__offload,
    .signal_seen = hub__signal_seen,
    .fd_closing = fd_closing,
    .fd_close_range = fd_close_range,
    .fd_release = hub__fd_release,
    .fd_to_top = hub__fd_to_top,
    .fd_is_ours = hub__fd_is_ours,
    .fd_evacuate = fd_evacuate,
    .fd_forget = hub__fd_forget,
    .fd_lowest = hub__fd_lowest,
    .hub_made = &hub__made,
    .can_park = can_park,
    .owner_id = owner_id,
    .watch_stuck = watch_stuck,
    .look_on = look_on,
    .tools = { .print = hub__print,
               .print_seconds = hub__print_seconds,
               .print_walk = hub__print_walk,
               .symbols_open = hub__symbols_open,
               .symbols_close = hub__symbols_close,
               .kept_begin = hub__kept_begin,
               .kept_end = hub__kept_end,
               .kept_gone = hub__kept_gone,
               .scan_copy = hub__scan_copy,
               .scan_call = hub__scan_call,
               .own_threads = hub__own_threads,
               .rouse = hub__monitor_rouse },
    .control_start = hub__control_start,
    .control_end = hub__control_end,
    .control_forked = hub__control_forked,
    .count = greenlet_count,
    .guard_kind = greenlet__guard_kind,
};

HUB_API const struct hub__api *vireo_api(void)
{
    return &table;
}
