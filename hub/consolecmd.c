/* consolecmd.c - what the commands of the console answer */
#include "hub/config.h"
#include "hub/console_impl.h"
#include "hub/counters.h"
#include "hub/dump.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define WORDS 3

struct order {
    struct hub__console_list *list;
    struct hub__print print;
    char *words[WORDS];
    int count;
};

/* ---- which greenlets there are ---- */

static void add(struct hub__console_list *list, const struct greenlet *g)
{
    if (list->count == list->room) {
        size_t room = list->room * 2 + 64;
        const struct greenlet **all =
            greenlet__realloc(list->all, room * sizeof(struct greenlet *));

        if (all == NULL)
            return;
        list->all = all;
        list->room = room;
    }
    list->all[list->count++] = g;
}

static int add_each(struct greenlet *g, void *data)
{
    add(data, g);
    return 0;
}

/* Mains first, in the order of their hubs. */
static void collect(struct hub__console_list *list)
{
    list->count = 0;
    hub__all_lock();
    for (struct hub *hub = hub__all; hub != NULL; hub = hub->next_hub)
        add(list, hub->main);
    hub__all_unlock();
    greenlet_each(add_each, list);
}

/* Under hub__all_lock(): the hub it belongs to; NULL: none, or g is no more. */
static struct hub *hub_of(const struct greenlet *g)
{
    struct hub__console_list now = { NULL, 0, 0 };
    struct hub *hub;
    bool there = false;

    for (hub = hub__all; hub != NULL; hub = hub->next_hub)
        there |= hub->main == g;
    greenlet_each(add_each, &now);
    for (size_t i = 0; i < now.count && !there; i++)
        there = now.all[i] == g;
    free(now.all);
    for (hub = hub__all; hub != NULL; hub = hub->next_hub)
        if (there && greenlet__read(g->thread) == hub->os->first)
            return hub;
    return NULL;
}

/* A number of the last list, or an address. */
static const struct greenlet *find(struct order *order)
{
    const char *word = order->words[1];
    char *end = NULL;
    unsigned long number;

    if (order->count < 2)
        return NULL;
    number = strtoul(word, &end, 0);
    if (*end != '\0')
        return NULL;
    if (strncmp(word, "0x", 2) == 0)
        return (const struct greenlet *)number;
    if (order->list->count == 0)
        collect(order->list);
    return number >= 1 && number <= order->list->count
               ? order->list->all[number - 1]
               : NULL;
}

/* ---- list ---- */

static void print_short(struct hub__print *print, struct hub *hub,
                        struct greenlet *g)
{
    static const char *const states[] = {
        [GREENLET_IS_NEW] = "not started", [GREENLET_IS_RUNNING] = "running",
        [GREENLET_IS_SUSPENDED] = "suspended", [GREENLET_IS_DEAD] = "dead",
        [GREENLET_IS_ORPHAN] = "orphan"
    };
    const struct hub__waiter *waiter = hub__own(g)->waiter;

    hub__print_greenlet(print, g);
    hub__print(print, " %s", states[greenlet_state_of(g)]);
    if (hub == NULL) {
        hub__print(print, "\n");
        return;
    }
    hub__print(print, ", hub %u%s", hub->id,
               g == hub->greenlet ? ", the loop" : "");
    if (hub == hub__peek() && greenlet__read(g->state) == GREENLET_WAITING &&
        waiter != NULL && waiter->kind != NULL) {
        hub__print(print, ", waits for %s", waiter->kind->name);
        if (waiter->object != NULL && waiter->kind == &hub__waits_for_fd)
            hub__print(print, " %d", (int)(intptr_t)waiter->object);
        else if (waiter->object != NULL)
            hub__print(print, " %p", waiter->object);
        hub__print(print, " since ");
        hub__print_seconds(print, hub_now() - waiter->since);
    }
    hub__print(print, "\n");
}

static void do_list(struct order *order)
{
    struct hub *hub;

    collect(order->list);
    for (size_t i = 0; i < order->list->count; i++) {
        struct greenlet *g = (struct greenlet *)order->list->all[i];

        hub__all_lock();
        for (hub = hub__all; hub != NULL; hub = hub->next_hub)
            if (hub->os->first == greenlet__read(g->thread))
                break;
        hub__print(&order->print, "%zu ", i + 1);
        print_short(&order->print, hub, g);
        hub__all_unlock();
    }
}

/* ---- bt, kill ---- */

static void do_bt(struct order *order)
{
    const struct greenlet *g = find(order);
    struct hub *hub = NULL;

    hub__print_flush(&order->print);
    hub__all_lock();
    if (g != NULL)
        hub = hub_of(g);
    if (hub == NULL)
        hub__print(&order->print, "no such greenlet\n");
    else if (hub == hub__peek())
        hub__dump_greenlet(hub, (struct greenlet *)g, order->print.fd, NULL);
    else
        hub__ask(hub, g, false, order->print.fd);
    hub__all_unlock();
}

/* In its own thread, where it may have ended by now. */
static void kill_there(void *data)
{
    struct hub *hub;

    hub__all_lock();
    hub = hub_of(data);
    hub__all_unlock();
    if (hub != NULL && hub == hub__peek())
        hub_kill(data);
}

static void do_kill(struct order *order)
{
    const struct greenlet *g = find(order);
    struct hub *hub = NULL;
    int rc = -ESRCH;

    hub__all_lock();
    if (g != NULL)
        hub = hub_of(g);
    if (hub != NULL && g == hub->greenlet)
        rc = -EPERM;
    else if (hub != NULL && greenlet_dead(g))
        rc = -ESRCH;
    else if (hub != NULL && hub != hub__peek())
        rc = hub_call_soon_threadsafe(hub, kill_there, (void *)(uintptr_t)g);
    hub__all_unlock();
    if (hub != NULL && hub == hub__peek() && rc == -ESRCH && !greenlet_dead(g))
        rc = hub_kill((struct greenlet *)g);
    hub__print(&order->print, "%s\n",
               rc == 0         ? "killed"
               : rc == -EPERM ? "the loop cannot be killed"
               : hub != NULL  ? "it has ended"
                              : "no such greenlet");
}

/* ---- watchers, stats ---- */

static void print_fd(int fd, int events, int waits, void *data)
{
    hub__print(data, "fd %d: %s%s, %d waiting\n", fd,
               events & HUB_READ ? "read" : "",
               (events & HUB_WRITE) == 0  ? ""
               : (events & HUB_READ) != 0 ? " write"
                                          : "write",
               waits);
}

static void do_watchers(struct order *order)
{
    const struct hub *hub = hub__peek();
    int64_t next = hub__timer_next(hub);

    hub__print(&order->print, "hub %u: %ld that can wake somebody\n", hub->id,
               hub->active);
    hub__watch_each(hub, print_fd, &order->print);
    hub__print(&order->print, "timers: %u", hub->heap.count);
    if (next != HUB_FOREVER) {
        hub__print(&order->print, ", the next in ");
        hub__print_seconds(&order->print, next - hub_now());
    }
    hub__print(&order->print, "\n");
}

static void print_counters(struct hub__print *print,
                           const struct hub_counters *counters)
{
    hub__print(print,
               "switches %lu, wake-ups %lu, polls %lu, spawned %lu, stacks %lu "
               "(at most %lu)\n",
               (unsigned long)counters->switches,
               (unsigned long)counters->wakeups,
               (unsigned long)counters->polls, (unsigned long)counters->spawned,
               (unsigned long)counters->stacks,
               (unsigned long)counters->peak_stacks);
}

static void do_stats(struct order *order)
{
    struct hub_counters counters;
    struct greenlet_counts counts;

    hub__all_lock();
    for (struct hub *hub = hub__all; hub != NULL; hub = hub->next_hub) {
        hub_counters(hub, &counters);
        hub__print(&order->print, "hub %u of thread %d: ", hub->id,
                   (int)hub->sight->tid);
        print_counters(&order->print, &counters);
    }
    hub__all_unlock();
    hub_counters(NULL, &counters);
    hub__print(&order->print, "all: ");
    print_counters(&order->print, &counters);
    greenlet_count(&counts);
    hub__print(&order->print,
               "greenlets %zu, stack slots used %zu, free %zu\n",
               counts.greenlets, counts.slots_used, counts.slots_free);
}

/* ---- config, dump, help ---- */

static void print_option(struct hub__print *print, const char *name)
{
    char text[256];

    if (hub_config_get(name, text, sizeof text) >= 0)
        hub__print(print, "%s = %s\n", name, text);
    else
        hub__print(print, "no such option\n");
}

static void do_config(struct order *order)
{
    struct hub_option_info info;
    int rc = 0;

    if (order->count == 3)
        rc = hub_config_set(order->words[1], order->words[2]);
    if (rc < 0)
        hub__print(&order->print, "not set: %s\n", strerrordesc_np(-rc));
    if (order->count >= 2) {
        print_option(&order->print, order->words[1]);
        return;
    }
    for (int i = 0; hub_config_info((enum hub_option)i, &info) == 0; i++)
        print_option(&order->print, info.name);
}

static void do_dump(struct order *order)
{
    hub__print_flush(&order->print);
    hub_dump(order->print.fd);
}

static void do_tree(struct order *order)
{
    hub__print_flush(&order->print);
    hub_dump_tree(order->print.fd);
}

static void do_help(struct order *order);

static const struct {
    const char *name, *arguments, *summary;
    void (*run)(struct order *order); /* NULL: the client goes */
} commands[] = {
    { "list", "", "all greenlets, numbered", do_list },
    { "bt", " N", "what greenlet N (or 0xADDRESS) does, and its frames",
      do_bt },
    { "kill", " N", "kill greenlet N", do_kill },
    { "tree", "", "greenlets under those that spawned them", do_tree },
    { "watchers", "", "fds and timers that this hub waits for", do_watchers },
    { "stats", "", "counters of each hub", do_stats },
    { "dump", "", "all hubs, with all frames", do_dump },
    { "config", " [NAME [VALUE]]", "options; set one", do_config },
    { "help", "", "this", do_help },
    { "quit", "", "close this connection", NULL },
};

static void do_help(struct order *order)
{
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        hub__print(&order->print, "%s%s: %s\n", commands[i].name,
                   commands[i].arguments, commands[i].summary);
}

bool hub__console_command(struct hub__console_list *list, char *line, int fd)
{
    struct order order = { .list = list };
    char *rest = NULL, *word = strtok_r(line, " \t\r", &rest);
    bool stay = true;

    for (; word != NULL && order.count < WORDS;
         word = strtok_r(NULL, " \t\r", &rest))
        order.words[order.count++] = word;
    if (order.count == 0)
        return true;
    hub__print_open(&order.print, fd);
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        if (strcmp(order.words[0], commands[i].name) != 0)
            continue;
        if (commands[i].run != NULL)
            commands[i].run(&order);
        stay = commands[i].run != NULL;
        goto out;
    }
    hub__print(&order.print, "no such command; `help` lists them\n");
out:
    hub__print_flush(&order.print);
    return stay;
}
