/* cmd_stats.c - `vireo stats PID`: what a process has counted */
#include "monkeypatch/cmd.h"
#include "monkeypatch/target.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SPAN_NS 250000000 /* between two looks, for what is told by the second */
#define LITTLE 2048       /* of each stack: what it waits in is at its end */
#define CALLS 64

/* ---- asking ---- */

static void take_stopped(struct stats *stats, const char *line)
{
    int i = stats->stopped_count;

    if (i < STATS_STOPPED &&
        sscanf(line, "stopped_by.%31s %" SCNu64 " %" SCNu64 " %" SCNu64,
               stats->stopped[i].name, &stats->stopped[i].calls,
               &stats->stopped[i].total_ns, &stats->stopped[i].longest_ns) == 4)
        stats->stopped_count++;
}

static void take_line(struct stats *stats, const char *line)
{
    const struct {
        const char *name;
        uint64_t *value;
    } keys[] = {
        { "now_ns", &stats->now_ns },
        { "hubs", &stats->hubs },
        { "switches", &stats->switches },
        { "wakeups", &stats->wakeups },
        { "polls", &stats->polls },
        { "blocked_longest_ns", &stats->blocked_longest_ns },
        { "blocked_ns", &stats->blocked_ns },
        { "stacks_made", &stats->stacks_made },
        { "threads", &stats->threads },
        { "threads_made", &stats->threads_made },
        { "parks", &stats->parks },
        { "offloads", &stats->offloads },
        { "native_waits", &stats->native_waits },
        { "preemptions", &stats->preemptions },
        { "compensated", &stats->compensated },
    };
    size_t length = strcspn(line, " ");

    if (strncmp(line, "stopped_by.", 11) == 0)
        take_stopped(stats, line);
    else if (strncmp(line, "guards ", 7) == 0)
        snprintf(stats->guards, sizeof stats->guards, "%s", line + 7);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (strlen(keys[i].name) == length &&
            strncmp(keys[i].name, line, length) == 0)
            *keys[i].value = strtoull(line + length, NULL, 10);
}

bool stats_ask(pid_t pid, struct stats *stats, const char **why)
{
    size_t size;
    char *answer = target_ask(pid, "stats", &size, why), *rest = answer, *line;
    bool whole = false;

    memset(stats, 0, sizeof *stats);
    while (answer != NULL && (line = strsep(&rest, "\n")) != NULL) {
        whole |= strcmp(line, "end") == 0;
        take_line(stats, line);
    }
    if (answer != NULL && !whole)
        *why = "it has ended, or does not answer";
    free(answer);
    return whole;
}

double stats_rate(uint64_t before, uint64_t after, const struct stats *first,
                  const struct stats *second)
{
    double ns = (double)(second->now_ns - first->now_ns);

    return ns > 0 && after >= before ? (double)(after - before) * 1e9 / ns : 0;
}

/* ---- what threads wait in ---- */

struct call {
    char name[48];
    unsigned long count;
};

struct calls {
    struct call all[CALLS];
    int count;
    unsigned long waiting;
};

static void add_call(struct calls *calls, const char *name)
{
    int i = 0;

    calls->waiting++;
    while (i < calls->count && strcmp(calls->all[i].name, name) != 0)
        i++;
    if (i == CALLS)
        return;
    if (i == calls->count) {
        snprintf(calls->all[i].name, sizeof calls->all[i].name, "%s", name);
        calls->all[i].count = 0;
        calls->count++;
    }
    calls->all[i].count++;
}

static int compare(const void *a, const void *b)
{
    const struct call *first = a, *second = b;

    return first->count > second->count   ? -1
           : first->count < second->count ? 1
                                          : strcmp(first->name, second->name);
}

static bool count_calls(pid_t pid, struct calls *calls, const char **why)
{
    struct snapshot *snapshot = snapshot_take(pid, LITTLE, why);

    memset(calls, 0, sizeof *calls);
    if (snapshot == NULL)
        return false;
    for (size_t i = 0; i < snapshot->count; i++) {
        const struct seen_thread *seen = &snapshot->threads[i];
        const char *called;

        if (seen->thread->state != CONTROL_WAITS || seen->running != NULL ||
            (seen->thread->flags & CONTROL_IS_LOOP) != 0)
            continue;
        called = snapshot_shape(snapshot, seen)->called;
        add_call(calls, called[0] != '\0' ? called : seen->thread->kind);
    }
    qsort(calls->all, (size_t)calls->count, sizeof *calls->all, compare);
    snapshot_free(snapshot);
    return true;
}

/* ---- printing ---- */

struct whole {
    pid_t pid;
    struct stats before, now;
    struct calls calls;
    struct proc_memory memory;
    long sockets;
    char command[256];
};

static double rate(const struct whole *whole, uint64_t before, uint64_t now)
{
    return stats_rate(before, now, &whole->before, &whole->now);
}

static void print_text(const struct whole *whole)
{
    const struct stats *now = &whole->now;
    char longest[32];

    put_ns(longest, sizeof longest, (int64_t)now->blocked_longest_ns);
    printf("process %ld: %s\n", (long)whole->pid, whole->command);
    printf("  threads            %" PRIu64 " (%" PRIu64 " made), on %" PRIu64
           " hub%s\n", now->threads, now->threads_made, now->hubs,
           now->hubs == 1 ? "" : "s");
    if (whole->sockets >= 0)
        printf("  sockets            %ld\n", whole->sockets);
    printf("  switches           %.0f/s (%" PRIu64 ")\n",
           rate(whole, whole->before.switches, now->switches), now->switches);
    printf("  parks              %.0f/s (%" PRIu64 ")\n",
           rate(whole, whole->before.parks, now->parks), now->parks);
    printf("  preemptions        %.0f/s (%" PRIu64 ")\n",
           rate(whole, whole->before.preemptions, now->preemptions),
           now->preemptions);
    printf("  calls on helpers   %.0f/s (%" PRIu64 "), %" PRIu64
           " without one, %" PRIu64 " of the program's own\n",
           rate(whole, whole->before.offloads, now->offloads), now->offloads,
           now->native_waits, now->compensated);
    printf("  longest blocked    %s\n", longest);
    printf("  memory             %ld kB, page tables %ld kB, swap %ld kB; "
           "%" PRIu64 " stacks, guards: %s\n", whole->memory.rss_kb,
           whole->memory.pte_kb, whole->memory.swap_kb, now->stacks_made,
           now->guards);
    printf("  parked             %lu\n", whole->calls.waiting);
    for (int i = 0; i < whole->calls.count; i++)
        printf("    %-24s %lu\n", whole->calls.all[i].name,
               whole->calls.all[i].count);
    for (int i = 0; i < now->stopped_count; i++)
        printf("  stopped all        %s, %" PRIu64 " times, %.1f ms in all, "
               "longest %.1f ms\n", now->stopped[i].name, now->stopped[i].calls,
               (double)now->stopped[i].total_ns / 1e6,
               (double)now->stopped[i].longest_ns / 1e6);
}

static void print_string(const char *text)
{
    putchar('"');
    for (; *text != '\0'; text++)
        if (*text == '"' || *text == '\\')
            printf("\\%c", *text);
        else if ((unsigned char)*text >= ' ' && (unsigned char)*text < 0x7f)
            putchar(*text);
        else
            printf("\\u%04x", (unsigned char)*text);
    putchar('"');
}

static void print_number(const char *name, uint64_t value)
{
    printf(", \"%s\": %" PRIu64, name, value);
}

static void print_json(const struct whole *whole)
{
    const struct stats *now = &whole->now;

    printf("{\"pid\": %ld, \"command\": ", (long)whole->pid);
    print_string(whole->command);
    print_number("threads", now->threads);
    print_number("threads_made", now->threads_made);
    print_number("hubs", now->hubs);
    if (whole->sockets >= 0)
        print_number("sockets", (uint64_t)whole->sockets);
    print_number("switches", now->switches);
    printf(", \"switches_per_s\": %.1f",
           rate(whole, whole->before.switches, now->switches));
    print_number("wakeups", now->wakeups);
    print_number("polls", now->polls);
    print_number("parks", now->parks);
    print_number("preemptions", now->preemptions);
    print_number("offloads", now->offloads);
    print_number("native_waits", now->native_waits);
    print_number("compensated", now->compensated);
    print_number("blocked_ns", now->blocked_ns);
    print_number("blocked_longest_ns", now->blocked_longest_ns);
    print_number("rss_kb", (uint64_t)whole->memory.rss_kb);
    print_number("page_tables_kb", (uint64_t)whole->memory.pte_kb);
    print_number("swap_kb", (uint64_t)whole->memory.swap_kb);
    print_number("stacks", now->stacks_made);
    printf(", \"guards\": ");
    print_string(now->guards);
    printf(", \"parked\": {");
    for (int i = 0; i < whole->calls.count; i++) {
        printf("%s", i > 0 ? ", " : "");
        print_string(whole->calls.all[i].name);
        printf(": %lu", whole->calls.all[i].count);
    }
    printf("}, \"stopped_by\": {");
    for (int i = 0; i < now->stopped_count; i++) {
        printf("%s", i > 0 ? ", " : "");
        print_string(now->stopped[i].name);
        printf(": {\"calls\": %" PRIu64 ", \"total_ns\": %" PRIu64
               ", \"longest_ns\": %" PRIu64 "}", now->stopped[i].calls,
               now->stopped[i].total_ns, now->stopped[i].longest_ns);
    }
    printf("}}\n");
}

static bool gather(struct whole *whole, const char **why)
{
    const struct timespec span = { 0, SPAN_NS };

    if (!stats_ask(whole->pid, &whole->before, why))
        return false;
    nanosleep(&span, NULL);
    if (!stats_ask(whole->pid, &whole->now, why) ||
        !count_calls(whole->pid, &whole->calls, why))
        return false;
    proc_memory(whole->pid, &whole->memory);
    whole->sockets = proc_sockets(whole->pid);
    proc_command(whole->pid, whole->command, sizeof whole->command);
    return true;
}

int cmd_stats(int argc, char **argv)
{
    struct whole whole = { .pid = 0 };
    const char *why;
    bool json = false;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0) {
            json = true;
        } else if (whole.pid != 0 || (whole.pid = target_parse(argv[i])) == 0) {
            cmd_say("stats: %s: not the number of a process", argv[i]);
            return CMD_USAGE;
        }
    }
    if (whole.pid == 0) {
        cmd_say("stats takes the number of a process; `vireo ps` lists them");
        return CMD_USAGE;
    }
    if (!gather(&whole, &why))
        return target_failed(whole.pid, why);
    if (json)
        print_json(&whole);
    else
        print_text(&whole);
    return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
