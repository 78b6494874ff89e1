/* blocked.c - the monitor looks for hubs that a greenlet keeps from others
 *
 * A hub is suspected when it has not switched since the last look and runs
 * another greenlet than its loop.  What a look reads of a hub is written by its
 * thread all the time: single words, nothing that is followed. */
#include "hub/config_impl.h"
#include "hub/events_impl.h"
#include "hub/onlooker.h"
#include "hub/poll_impl.h"
#include "hub/sight.h"

#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SAMPLE_NS (200 * HUB_MILLISECOND)
#define LEAST_NS (5 * HUB_MILLISECOND)
#define STUCK_NS (10 * HUB_MILLISECOND)
#define LOOKS 4 /* while a hub is just not blocked yet */
#define MORE 10 /* the next report of one stretch is due after so many times it */
#define MORE_NS (60 * HUB_SECOND)
#define STOPPED_NS (500 * HUB_MILLISECOND) /* not just late, on a busy machine */

/* A report that is to be made once the hubs may go on. */
struct found {
    struct hub_notice event;
    void *frames[HUB__SAMPLED];
};

void (*hub__stuck)(pid_t tid, const uint64_t words[HUB__CALL_WORDS]);

int64_t hub__blocked_period(void)
{
    int64_t most = hub__option(HUB_OPTION_MAX_BLOCKING_TIME);

    if (hub__stuck != NULL)
        return STUCK_NS;
    if (most == 0)
        return HUB_FOREVER;
    return most / LOOKS > LEAST_NS ? most / LOOKS : LEAST_NS;
}

/* Its thread writes these words plainly, since it must not pay for our looks: a
 * race that is meant, of which ThreadSanitizer is not to speak. */
#define RACES __attribute__((no_sanitize("thread"), noinline))

/* Is there nobody whom the main greenlet could keep from anything? */
static RACES bool is_alone(const struct hub *hub,
                           const struct greenlet *current)
{
    const volatile struct hub *seen = hub;

    return current->is_main && seen->ready_head == NULL && seen->active <= 0 &&
           *(const volatile long *)&hub->os->live <= 1;
}

static RACES bool is_ignored(struct greenlet *g)
{
    const volatile struct hub__own *own = hub__own(g);

    return (own->flags & HUB__UNMONITORED) != 0;
}

static void print_report(const struct hub *hub, const struct greenlet *g,
                         const struct hub_notice *event, bool exact)
{
    struct hub__symbols *symbols = hub__symbols_open();
    struct hub__look *look = &hub->sight->look;
    struct hub__print print;

    hub__print_open(&print, hub__apart_borrow(hub__error_fd(hub)));
    hub__print(&print, "vireo: hub %u of thread %d is blocked: ", hub->id,
               (int)hub->sight->tid);
    hub__print_copy(&print, g);
    hub__print(&print, " has not let others run for ");
    hub__print_seconds(&print, event->blocked_ns);
    if (look->held_back > 0)
        hub__print(&print, " (and %u more since the last report)",
                   look->held_back);
    hub__print(&print, "%s\n",
               event->frame_count == 0 ? "; it does not show its frames"
               : exact                 ? ""
                       : "; it sleeps in a call of the system, and its frames "
                         "are found by searching");
    hub__print_frames(&print, symbols, event->frames, event->frame_count, true);
    hub__print_flush(&print);
    hub__apart_return(print.fd);
    hub__symbols_close(symbols);
}

/* Returns whether somebody is to be told. */
static bool report(struct hub *hub, struct greenlet *g, int64_t blocked,
                   struct found *found)
{
    const struct hub__sample *sample = &hub->sight->sample;
    bool exact;
    int count = hub__sample_take(hub, SAMPLE_NS, &exact);

    if (greenlet__read(hub->switches) != hub->sight->look.switches)
        return false; /* it went on meanwhile */
    for (int i = 0; i < count; i++)
        found->frames[i] = sample->frames[i];
    found->event = (struct hub_notice){ .kind = HUB_NOTICE_LOOP_BLOCKED,
                                       .hub_id = hub->id,
                                       .greenlet = g,
                                       .blocked_ns = blocked,
                                       .frame_count = count,
                                       .frames = found->frames };
    if (hub__option(HUB_OPTION_MONITOR_REPORTS))
        print_report(hub, g, &found->event, exact);
    hub->sight->look.held_back = 0;
    return true;
}

static bool is_due(struct hub__look *look, int64_t now, int64_t blocked)
{
    int64_t interval = hub__option(HUB_OPTION_MONITOR_REPORT_INTERVAL);

    if (blocked < look->next_report)
        return false;
    look->next_report = blocked * MORE < blocked + MORE_NS ? blocked * MORE
                                                           : blocked + MORE_NS;
    if (look->reported != 0 && now - look->reported < interval) {
        look->held_back++;
        return false;
    }
    look->reported = now;
    return true;
}

static void begin_stretch(struct hub__look *look, uint64_t switches,
                          const struct greenlet *current, int64_t now)
{
    look->switches = switches;
    look->current = current;
    look->since = now;
    look->delayed = -1;
    look->next_report = hub__option(HUB_OPTION_MAX_BLOCKING_TIME);
}

static bool look_at(struct hub *hub, int64_t now, struct found *found)
{
    struct hub__look *look = &hub->sight->look;
    struct greenlet *current = greenlet__read(hub->os->first->current);
    uint64_t switches = greenlet__read(hub->switches);
    int64_t delay;

    if (current == hub->greenlet || switches != look->switches ||
        current != look->current || is_ignored(current) ||
        is_alone(hub, current)) {
        begin_stretch(look, switches, current, now);
        return false;
    }
    delay = hub__scan_delay(hub->sight->tid);
    if (look->delayed < 0)
        look->delayed = delay;
    delay = now - look->since - (delay - look->delayed);
    return is_due(look, now, delay) && report(hub, current, delay, found);
}

/* Its loop waits for something to happen: nobody runs who could be stuck. */
static RACES bool polls(const struct hub *hub)
{
    return *(const volatile bool *)&hub->dozes;
}

static RACES void look_whether_stuck(struct hub *hub)
{
    uint64_t words[HUB__CALL_WORDS], switches = greenlet__read(hub->switches);
    bool moved = switches != hub->sight->look.unmoved;

    hub->sight->look.unmoved = switches;
    if (!moved && hub__stuck != NULL && !polls(hub) &&
        hub__scan_call(hub->sight->tid, words))
        hub__stuck(hub->sight->tid, words);
}

/* Something has come for the loop: a file is ready, somebody was woken.  So it may
 * seem since an earlier timer, which stays readable (on_timer() in loop.c). */
static RACES bool loop_is_due(const struct hub *hub)
{
    const int *epoll = hub__loop_epoll(hub);
    struct pollfd fd = { epoll != NULL ? hub__apart_borrow(*epoll) : -1, POLLIN, 0 };
    struct timespec none = { 0, 0 };
    bool due;

    if (fd.fd < 0)
        return false;
    due = syscall(SYS_ppoll, &fd, 1L, &none, NULL, 0L) == 1;
    hub__apart_return(fd.fd);
    return due;
}

/* Is there anybody who would run if the running one let him? */
static RACES bool somebody_waits(const struct hub *hub, int64_t now)
{
    const volatile struct hub *seen = hub;
    struct hub__heap_entry first;

    return seen->ready_head != NULL || seen->hogs.head != NULL ||
           (seen->heap.count > 0 &&
            hub__scan_copy(&first, seen->heap.entries, sizeof first) &&
            first.deadline < now) ||
           loop_is_due(hub);
}

/* In a preloaded program. */
static RACES void report_stretch(struct hub *hub, int64_t now, int64_t delay)
{
    struct hub__look *look = &hub->sight->look;

    if (delay < look->next_report || !somebody_waits(hub, now))
        return;
    if (!hub__onlooker->blocked(hub, hub->sight->tid, delay))
        look->next_report = delay + hub__onlooker->blocked_after;
    else
        look->next_report =
            delay * MORE < delay + MORE_NS ? delay * MORE : delay + MORE_NS;
}

static bool wants_reports(void)
{
    return hub__onlooker != NULL && hub__onlooker->blocked_after > 0;
}

/* Looks stay frequent until it is known whether it keeps somebody waiting: by the
 * time that it runs, of which it may get a part. */
static RACES bool may_become_long(const struct hub *hub, int64_t now)
{
    return wants_reports() && !polls(hub) &&
           now - hub->sight->look.since < LOOKS * hub__onlooker->blocked_after;
}

/* For those who ask: since when it has not switched, while its loop does not poll;
 * time that it waited for a CPU does not count. */
static RACES void note_stretch(struct hub *hub, int64_t now)
{
    struct hub__look *look = &hub->sight->look;
    int64_t delay;

    if (look->since == 0 || polls(hub) ||
        greenlet__read(hub->switches) != look->unmoved) {
        greenlet__write(look->since, now);
        look->delayed = -1;
        look->next_report = wants_reports() ? hub__onlooker->blocked_after
                                            : HUB_FOREVER;
        return;
    }
    if (now - look->since <= look->longest &&
        now - look->since < look->next_report)
        return;
    delay = hub__scan_delay(hub->sight->tid);
    if (look->delayed < 0)
        look->delayed = delay;
    delay = now - look->since - (delay - look->delayed);
    if (delay > look->longest)
        greenlet__write(look->longest, delay);
    report_stretch(hub, now, delay);
}

/* The monitor came late: the process was stopped, or the machine asleep. */
static void forgive(struct hub *hub, int64_t late)
{
    hub->sight->look.since += late;
}

enum hub__found hub__blocked_look(int64_t now, int64_t since_last,
                                  int64_t late)
{
    int64_t period = hub__blocked_period();
    bool busy = false, tell = false, all_poll = hub__lenient;
    struct found found;

    if (period == HUB_FOREVER)
        return HUB__FOUND_STILL;
    hub__all_lock();
    for (struct hub *hub = hub__all; hub != NULL; hub = hub->next_hub) {
        all_poll &= polls(hub);
        if (hub__lenient) {
            busy |= greenlet__read(hub->switches) != hub->sight->look.unmoved;
            if (late > STOPPED_NS)
                forgive(hub, late);
            busy |= may_become_long(hub, now);
            note_stretch(hub, now);
            look_whether_stuck(hub);
            continue;
        }
        look_whether_stuck(hub);
        busy |= greenlet__read(hub->os->first->current) != hub->greenlet ||
                greenlet__read(hub->switches) != hub->sight->look.switches;
        if (since_last > 4 * period)
            forgive(hub, since_last - period);
        if (!tell)
            tell = look_at(hub, now, &found);
    }
    hub__all_unlock();
    if (tell && hub__has_subscribers())
        hub__tell(&found.event);
    return busy ? HUB__FOUND_BUSY : all_poll ? HUB__FOUND_POLLING
                                             : HUB__FOUND_STILL;
}
