/* dump.c - who waits for what: the report of a dead-lock */
#include "hub/hub_impl.h"

#include <execinfo.h>
#include <stdio.h>
#include <stdlib.h>

#define FRAMES 16

struct report {
    FILE *out;
    struct hub *hub;
    int64_t now;
};

static void print_holder(FILE *out, const struct hub__waiter *waiter)
{
    const struct greenlet *holder =
        waiter->kind->holder != NULL ? waiter->kind->holder(waiter->object)
                                     : NULL;
    char who[128];

    if (holder == NULL)
        return;
    greenlet_describe(holder, who, sizeof who);
    fprintf(out, ", held by %s", who);
}

static void print_wait(const struct report *report, struct greenlet *g)
{
    const struct hub__waiter *waiter = hub__own(g)->waiter;

    if (waiter == NULL)
        return;
    if (waiter->kind == NULL)
        fprintf(report->out, "    waits");
    else if (waiter->kind == &hub__waits_for_fd)
        fprintf(report->out, "    waits for fd %d", (int)(intptr_t)waiter->object);
    else
        fprintf(report->out, "    waits for %s %p", waiter->kind->name,
                waiter->object);
    fprintf(report->out, " since %.3f s",
            (double)(report->now - waiter->since) / 1e9);
    if (waiter->kind != NULL)
        print_holder(report->out, waiter);
    fputc('\n', report->out);
}

static void print_frames(FILE *out, struct greenlet *g)
{
    void *frames[FRAMES];
    int count = greenlet_backtrace(g, frames, FRAMES);
    char **names = count > 0 ? backtrace_symbols(frames, count) : NULL;

    for (int i = 0; i < count; i++)
        fprintf(out, "      %s\n", names != NULL ? names[i] : "?");
    free(names);
}

static int print_one(struct greenlet *g, void *data)
{
    const struct report *report = data;
    char who[128];

    if (g->thread == NULL || greenlet__read(g->thread) != report->hub->os->first ||
        greenlet__read(g->state) != GREENLET_WAITING)
        return 0;
    greenlet_describe(g, who, sizeof who);
    fprintf(report->out, "  %s\n", who);
    print_wait(report, g);
    print_frames(report->out, g);
    return 0;
}

char *hub__report(struct hub *hub)
{
    struct report report = { NULL, hub, hub_now() };
    char *text = NULL;
    size_t size = 0;

    report.out = open_memstream(&text, &size);
    if (report.out == NULL)
        return NULL;
    fprintf(report.out,
            "vireo: this operation would block forever: hub %u has nothing left "
            "that could wake anybody\n",
            hub->id);
    print_one(hub->main, &report);
    greenlet_each(print_one, &report);
    if (fclose(report.out) != 0) {
        free(text);
        return NULL;
    }
    return text;
}
