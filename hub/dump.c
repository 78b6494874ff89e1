/* dump.c - one hub, printed by its own OS thread
 *
 * It runs in the loop, in the caller of hub_dump(), and in handlers of signals:
 * see print.h for what it may call.  Nothing is walked but stacks of greenlets
 * that are suspended for certain. */
#include "hub/counters.h"
#include "hub/dump.h"
#include "hub/sight.h"

#include <execinfo.h>
#include <string.h>

#define FRAMES 24
#define OUTSIDE ((uintptr_t)4096) /* of a stack whose end is not known */

struct dump {
    struct hub__print *print;
    const char *between; /* of what it is and what it does */
    struct hub__symbols *symbols;
    struct hub *hub;
    void *interrupted; /* ucontext_t, or NULL */
    int64_t now;
    int indent;
    bool waiting_only;
};

/* ---- names ---- */

static const char *state_of(const struct greenlet *g)
{
    static const char *const words[] = { [GREENLET_IS_NEW] = "not started",
                                         [GREENLET_IS_RUNNING] = "running",
                                         [GREENLET_IS_SUSPENDED] = "suspended",
                                         [GREENLET_IS_DEAD] = "dead",
                                         [GREENLET_IS_ORPHAN] = "orphan" };

    return words[greenlet_state_of(g)];
}

static void print_as(struct hub__print *print, const void *address,
                     const struct greenlet *g)
{
    hub__print(print, "<greenlet %p", address);
    if (g->has & HAS_NAME)
        hub__print(print, " \"%s\"", g->name);
    hub__print(print, g->is_main ? " main>" : ">");
}

void hub__print_greenlet(struct hub__print *print, const struct greenlet *g)
{
    print_as(print, g, g);
}

void hub__print_copy(struct hub__print *print, const struct greenlet *g)
{
    struct greenlet copy;

    if (hub__scan_copy(&copy, g, sizeof copy)) {
        copy.name[sizeof copy.name - 1] = '\0';
        print_as(print, g, &copy);
    }
}

/* ---- what it waits for, or ended with ---- */

/* Somebody has ended its wait, or it has only let others run. */
static bool is_ready(const struct hub__waiter *waiter)
{
    return waiter == NULL ||
           __atomic_load_n(&waiter->state, __ATOMIC_RELAXED) == WAITER_CLAIMED;
}

static void print_wait(struct dump *dump, struct greenlet *g)
{
    const struct hub__waiter *waiter = hub__own(g)->waiter;
    struct hub__print *print = dump->print;
    const struct greenlet *holder = NULL;

    hub__print(print, "%s", dump->between);
    if (is_ready(waiter)) {
        hub__print(print, "ready to run");
        return;
    }
    if (waiter->kind == NULL)
        hub__print(print, "waits");
    else if (waiter->kind == &hub__waits_for_fd)
        hub__print(print, "waits for fd %d", (int)(intptr_t)waiter->object);
    else if (waiter->object == NULL)
        hub__print(print, "waits for %s", waiter->kind->name);
    else
        hub__print(print, "waits for %s %p", waiter->kind->name,
                   waiter->object);
    hub__print(print, " since ");
    hub__print_seconds(print, dump->now - waiter->since);
    if (hub__timer_is_set(&waiter->timer) && dump->hub->critical == 0) {
        int64_t left = waiter->timer.deadline - dump->now;

        hub__print(print, left < 0 ? ", too late by " : ", for another ");
        hub__print_seconds(print, left < 0 ? -left : left);
    }
    if (waiter->kind != NULL && waiter->kind->holder != NULL)
        holder = waiter->kind->holder(waiter->object);
    if (holder == NULL)
        return;
    hub__print(print, ", held by ");
    if (holder == &hub__has_ended)
        hub__print(print, "a greenlet that has ended");
    else
        hub__print_greenlet(print, holder);
    if (holder != &hub__has_ended && hub_ready(holder) &&
        waiter->object != holder)
        hub__print(print, ", which has ended");
}

static void print_end(const struct dump *dump, struct greenlet *g)
{
    struct hub__print *print = dump->print;
    const struct greenlet_exception *failed = hub_exception(g);

    hub__print(print, "%s", dump->between);
    if (failed != NULL)
        hub__print(print, "ended with %s: %s (%d)", failed->cls->name,
                   failed->text != NULL ? failed->text : "", hub__rc(g));
    else if (hub__rc(g) != 0)
        hub__print(print, "ended with %d", hub__rc(g));
    else
        hub__print(print, "ended with value %p",
                   *hub__result((struct greenlet *)g));
}

/* ---- frames ---- */

/* On whose stack is the interrupted code?  What runs according to the thread may
 * be just about to, or have just left. */
static bool runs_here(const struct dump *dump, const struct greenlet *g)
{
    return g == dump->hub->os->first->current;
}

static void print_frames(struct dump *dump, struct greenlet *g)
{
    bool running = runs_here(dump, g), interrupted = false;
    void *frames[FRAMES];
    int count;

    if (running && dump->interrupted != NULL) {
        count = hub__frames_interrupted(dump->interrupted, frames, FRAMES);
        interrupted = true;
    } else if (running) {
        count = backtrace(frames, FRAMES);
    } else {
        count = greenlet_backtrace(g, frames, FRAMES);
    }
    hub__print_frames(dump->print, dump->symbols, frames, count, interrupted);
}

/* ---- a greenlet, a hub ---- */

static void print_head(struct dump *dump, struct greenlet *g)
{
    struct hub__print *print = dump->print;
    const struct greenlet *parent = greenlet__parent_of(g);

    for (int i = 0; i < dump->indent; i++)
        hub__print(print, " ");
    hub__print_greenlet(print, g);
    hub__print(print, " %s", g == dump->hub->greenlet ? "the loop, " : "");
    hub__print(print, "%s", state_of(g));
    if (hub__own(g)->flags & HUB__KILLED)
        hub__print(print, ", killed");
    if (parent != NULL && parent != dump->hub->greenlet) {
        hub__print(print, ", parent ");
        hub__print_greenlet(print, parent);
    }
}

static void print_birth(struct dump *dump, struct greenlet *g)
{
    struct hub__born_seen born = hub__born_peek(g);

    if (born.count == 0)
        return;
    hub__print(dump->print, "    spawned by ");
    if (born.spawner != NULL)
        hub__print_greenlet(dump->print, born.spawner);
    else
        hub__print(dump->print, "one that is gone");
    hub__print(dump->print, " at\n");
    hub__print_frames(dump->print, dump->symbols, born.frames, born.count,
                      false);
}

static void print_doing(struct dump *dump, struct greenlet *g)
{
    if (hub__own(g)->flags & HUB__DONE)
        print_end(dump, g);
    else if (greenlet__read(g->state) == GREENLET_WAITING &&
             !runs_here(dump, g))
        print_wait(dump, g);
}

static void print_one(struct dump *dump, struct greenlet *g)
{
    print_head(dump, g);
    print_doing(dump, g);
    hub__print(dump->print, "\n");
    if (greenlet__is_active(g))
        print_frames(dump, g);
    print_birth(dump, g);
}

void hub__print_line(struct hub__print *print, struct hub *hub,
                     struct greenlet *g, int indent)
{
    struct dump dump = { .print = print,
                         .between = ", ",
                         .hub = hub,
                         .now = hub_now(),
                         .indent = indent };

    print_head(&dump, g);
    print_doing(&dump, g);
    hub__print(print, "\n");
}

static int print_each(struct greenlet *g, void *data)
{
    struct dump *dump = data;

    if (greenlet__read(g->thread) != dump->hub->os->first ||
        (dump->waiting_only && greenlet__read(g->state) != GREENLET_WAITING))
        return 0;
    print_one(dump, g);
    return 0;
}

static void open_dump(struct dump *dump, struct hub *hub,
                      struct hub__print *print, int fd, void *interrupted)
{
    hub__print_open(print, fd);
    dump->print = print;
    dump->between = "\n    ";
    dump->symbols = hub__symbols_open();
    dump->hub = hub;
    dump->interrupted = interrupted;
    dump->now = hub_now();
    dump->indent = 2;
    dump->waiting_only = false;
}

static void close_dump(struct dump *dump)
{
    hub__print_flush(dump->print);
    hub__symbols_close(dump->symbols);
}

static void print_hub_line(struct hub__print *print, const struct hub *hub)
{
    struct hub_counters counters;

    hub_counters(hub, &counters);
    hub__print(print,
               "vireo: hub %u of thread %d: switches %lu, wake-ups %lu, polls "
               "%lu, spawned %lu, stacks %lu (at most %lu), active %ld\n",
               hub->id, (int)hub->sight->tid, (unsigned long)counters.switches,
               (unsigned long)counters.wakeups, (unsigned long)counters.polls,
               (unsigned long)counters.spawned, (unsigned long)counters.stacks,
               (unsigned long)counters.peak_stacks, greenlet__read(hub->active));
}

void hub__dump_hub(struct hub *hub, int fd, void *interrupted)
{
    struct hub__print print;
    struct dump dump;

    open_dump(&dump, hub, &print, fd, interrupted);
    print_hub_line(&print, hub);
    print_one(&dump, hub->main);
    greenlet_each(print_each, &dump);
    close_dump(&dump);
}

void hub__dump_greenlet(struct hub *hub, struct greenlet *g, int fd,
                        void *interrupted)
{
    struct hub__print print;
    struct dump dump;

    open_dump(&dump, hub, &print, fd, interrupted);
    print_one(&dump, g);
    close_dump(&dump);
}

void hub__dump_deadlock(struct hub *hub, int fd)
{
    struct hub__print print;
    struct dump dump;

    open_dump(&dump, hub, &print, fd, NULL);
    hub__print(&print,
               "vireo: this operation would block forever: hub %u has nothing "
               "left that could wake anybody\n",
               hub->id);
    dump.waiting_only = true;
    print_one(&dump, hub->main);
    greenlet_each(print_each, &dump);
    close_dump(&dump);
}

/* ---- from another thread: it may go on any time ----
 *
 * Everything is copied before it is looked at. */

static void print_wait_outside(struct dump *dump, const struct hub__own *own)
{
    struct hub__waiter waiter;

    if (own->waiter == NULL ||
        !hub__scan_copy(&waiter, own->waiter, sizeof waiter) ||
        waiter.kind == NULL)
        return;
    hub__print(dump->print, "%swaits for %s %p since ", dump->between,
               waiter.kind->name, waiter.object);
    hub__print_seconds(dump->print, dump->now - waiter.since);
}

static void print_frames_outside(struct dump *dump, const struct greenlet *g,
                                 const struct greenlet *copy)
{
    uintptr_t stack = (uintptr_t)copy->context, top = stack + OUTSIDE;
    void *frames[FRAMES];
    int count;

    if (copy->slot.size != 0) {
        if (stack < (uintptr_t)copy->slot.base || stack >= (uintptr_t)g)
            return;
        top = (uintptr_t)g;
    }
    count = hub__scan_range(stack, top, frames, FRAMES);
    hub__print_frames(dump->print, dump->symbols, frames, count, false);
}

static int print_outside(struct greenlet *g, void *data)
{
    struct dump *dump = data;
    struct greenlet copy;

    if (greenlet__read(g->thread) != dump->hub->os->first ||
        g == greenlet__read(dump->hub->os->first->current) ||
        !hub__scan_copy(&copy, g, sizeof copy))
        return 0;
    copy.name[sizeof copy.name - 1] = '\0';
    hub__print(dump->print, "  ");
    print_as(dump->print, g, &copy);
    hub__print(dump->print, " %s%s",
               g == dump->hub->greenlet ? "the loop, " : "", state_of(g));
    if (copy.state == GREENLET_WAITING)
        print_wait_outside(dump, hub__own(&copy));
    hub__print(dump->print, "\n");
    if (copy.state == GREENLET_ACTIVE || copy.state == GREENLET_WAITING)
        print_frames_outside(dump, g, &copy);
    return 0;
}

void hub__dump_from_outside(struct hub *hub, int fd)
{
    struct hub__print print;
    struct dump dump;
    bool exact;
    int count;

    open_dump(&dump, hub, &print, fd, NULL);
    print_hub_line(&print, hub);
    hub__print(&print, "  it does not answer, and is seen from outside: "
                       "frames are found by searching the stacks\n  runs ");
    hub__print_copy(&print, greenlet__read(hub->os->first->current));
    hub__print(&print, "\n");
    count = hub__sample_take(hub, 100 * HUB_MILLISECOND, &exact);
    hub__print_frames(&print, dump.symbols, hub->sight->sample.frames, count,
                      true);
    print_outside(hub->main, &dump);
    greenlet_each(print_outside, &dump);
    close_dump(&dump);
}
