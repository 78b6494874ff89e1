/* cmd_dump.c - `vireo dump PID`: what each thread of a process does, with frames */
#include "monkeypatch/cmd.h"
#include "monkeypatch/target.h"

#include <stdlib.h>
#include <string.h>

static void print_frame(FILE *to, const struct snapshot *snapshot, int number,
                        const struct walk_frame *frame)
{
    struct hub__symbol symbol;

    hub__symbols_find(snapshot->symbols,
                      (const void *)(uintptr_t)(frame->pc - frame->is_call),
                      &symbol);
    fprintf(to, "      #%d %#lx", number, (unsigned long)frame->pc);
    if (symbol.name != NULL)
        fprintf(to, " %s+0x%lx", symbol.name,
               (unsigned long)symbol.offset + frame->is_call);
    else if (symbol.file != NULL)
        fprintf(to, " +0x%lx", (unsigned long)symbol.offset + frame->is_call);
    if (symbol.file != NULL && symbol.file[0] != '\0')
        fprintf(to, " (%s)", symbol.file);
    fprintf(to, "%s\n", frame->is_guess ? " ?" : "");
}

/* Of thousands that wait in one place they are put into words once. */
static void print_frames(const struct snapshot *snapshot, struct seen_shape *shape)
{
    size_t size;
    FILE *to;

    if (shape->count == 0)
        return;
    if (shape->text == NULL) {
        to = open_memstream(&shape->text, &size);
        for (int i = 0; to != NULL && i < shape->count; i++)
            print_frame(to, snapshot, i, &shape->frames[i]);
        if (to == NULL || fclose(to) != 0) {
            cmd_say("no memory");
            exit(EXIT_FAILURE);
        }
    }
    fputs(shape->text, stdout);
}

static void print_thread(struct snapshot *snapshot,
                         const struct seen_thread *seen)
{
    const struct control__thread *thread = seen->thread;
    struct seen_shape *shape = snapshot_shape(snapshot, seen);
    char name[48], wait[256], time[32];

    snapshot_name(snapshot, seen, name, sizeof name);
    snapshot_wait(snapshot, seen, shape->called, wait, sizeof wait);
    printf("  ");
    if (thread->id != 0)
        printf("thread %u ", thread->id);
    printf("\"%s\"%s %s", name,
           thread->id != 0 && thread->low == 0 ? " main" : "",
           snapshot_state(seen));
    if (wait[0] != '\0')
        printf(" %s%s", seen->running != NULL ? "in " : "for ", wait);
    if (thread->state == CONTROL_WAITS && seen->running == NULL) {
        put_ns(time, sizeof time, thread->waited_ns);
        printf(", since %s", time);
        put_ns(time, sizeof time, thread->left_ns);
        if (thread->left_ns >= 0)
            printf(", for another %s", time);
    }
    printf("%s\n", thread->flags & CONTROL_MOVED ? ", went on meanwhile" : "");
    print_frames(snapshot, shape);
}

static void print_hub(struct snapshot *snapshot,
                      const struct control__hub *hub)
{
    static const char *const doings[] = {
        [CONTROL_POLLS] = "waits for something to happen",
        [CONTROL_SWITCHES] = "goes from thread to thread",
        [CONTROL_COMPUTES] = "has not switched",
        [CONTROL_SLEEPS] = "has not switched, and is in a system call",
    };
    char time[32];

    printf("hub %u of thread %d: %s", hub->id, hub->tid,
           hub->doing <= CONTROL_SLEEPS ? doings[hub->doing] : "?");
    put_ns(time, sizeof time, hub->unmoved_ns);
    if (hub->doing >= CONTROL_COMPUTES)
        printf(", since %s", time);
    printf("; %lu switches\n", (unsigned long)hub->switches);
    for (size_t i = 0; i < snapshot->count; i++)
        if (snapshot->threads[i].thread->hub == hub->id)
            print_thread(snapshot, &snapshot->threads[i]);
}

/* Its OS thread is on no stack that is known: a helper's, an alternate one. */
static void print_loose(struct snapshot *snapshot)
{
    for (int i = 0; i < snapshot->loose_count; i++) {
        printf("  hub %u runs on a stack of its own\n",
               snapshot->loose[i].running->hub);
        print_frames(snapshot, snapshot_shape(snapshot, &snapshot->loose[i]));
    }
}

/* As they were printed. */
static void print_reports(const struct snapshot *snapshot)
{
    char time[32];

    for (int i = 0; i < snapshot->report_count; i++) {
        const struct seen_report *report = &snapshot->reports[i];

        put_ns(time, sizeof time, report->ago_ns);
        printf("%s ago: %.*s", time, (int)report->size, report->text);
    }
}

int cmd_dump(int argc, char **argv)
{
    struct snapshot *snapshot;
    char command[256];
    const char *why;
    pid_t pid = argc == 2 ? target_parse(argv[1]) : 0;

    if (pid == 0) {
        cmd_say("dump takes the number of a process; `vireo ps` lists them");
        return CMD_USAGE;
    }
    snapshot = snapshot_take(pid, CONTROL_STACK, &why);
    if (snapshot == NULL)
        return target_failed(pid, why);
    proc_command(pid, command, sizeof command);
    printf("process %ld: %s\n", (long)pid, command);
    print_reports(snapshot);
    for (int i = 0; i < snapshot->hub_count; i++)
        print_hub(snapshot, snapshot->hubs[i]);
    print_loose(snapshot);
    snapshot_free(snapshot);
    return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
