/* cmd_ps.c - `vireo ps`: processes that run Vireo; `vireo ps PID`: its threads */
#include "monkeypatch/cmd.h"
#include "monkeypatch/target.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#define LITTLE 4096 /* of each stack: what it waits in is at its end */

/* ---- processes ---- */

static void print_process(pid_t pid, bool has_socket, void *data)
{
    struct stats stats;
    const char *why;
    char command[256];
    long sockets = proc_sockets(pid);
    bool answers = has_socket && stats_ask(pid, &stats, &why);

    *(int *)data += 1;
    proc_command(pid, command, sizeof command);
    if (!answers) {
        printf("%7ld %4s %7s %7s  %-9s %s\n", (long)pid, "-", "-", "-",
               has_socket ? "silent" : "no socket", command);
        return;
    }
    printf("%7ld %4lu %7lu ", (long)pid, (unsigned long)stats.hubs,
           (unsigned long)stats.threads);
    if (sockets >= 0)
        printf("%7ld  ", sockets);
    else
        printf("%7s  ", "-");
    printf("%-9s %s\n", stats.blocked_ns > 100000000 ? "blocked" : "runs",
           command);
}

static int list_processes(void)
{
    int count = 0;

    printf("%7s %4s %7s %7s  %-9s %s\n", "PID", "HUBS", "THREADS", "SOCKETS",
           "STATE", "COMMAND");
    target_each(print_process, &count);
    return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* ---- threads ---- */

static void print_thread(struct snapshot *snapshot,
                         const struct seen_thread *seen)
{
    const struct control__thread *thread = seen->thread;
    const char *called = snapshot_shape(snapshot, seen)->called;
    char name[48], wait[256], since[32] = "-";

    snapshot_name(snapshot, seen, name, sizeof name);
    snapshot_wait(snapshot, seen, called, wait, sizeof wait);
    if (thread->state == CONTROL_WAITS && seen->running == NULL)
        put_ns(since, sizeof since, thread->waited_ns);
    printf("%9u %3u %-11s %12s  %-16s %s\n", thread->id, thread->hub,
           snapshot_state(seen), since, name, wait);
}

/* Those that stay the kernel's; ours, and the hubs, are no threads of it. */
static bool is_native(const struct snapshot *snapshot, long tid,
                      const char *name)
{
    for (int i = 0; i < snapshot->hub_count; i++)
        if (snapshot->hubs[i]->tid == tid)
            return false;
    return strncmp(name, "vireo-", 6) != 0;
}

static void print_native(const struct snapshot *snapshot)
{
    char path[64], name[32];
    struct dirent *entry;
    DIR *folder;

    snprintf(path, sizeof path, "/proc/%ld/task", (long)snapshot->pid);
    folder = opendir(path);
    while (folder != NULL && (entry = readdir(folder)) != NULL) {
        long tid = target_parse(entry->d_name);

        if (tid == 0)
            continue;
        proc_name((pid_t)tid, name, sizeof name);
        if (is_native(snapshot, tid, name))
            printf("%9ld %3s %-11s %12s  %-16s %s\n", tid, "-", "native", "-",
                   name, "");
    }
    if (folder != NULL)
        closedir(folder);
}

static int list_threads(pid_t pid)
{
    const char *why;
    struct snapshot *snapshot = snapshot_take(pid, LITTLE, &why);

    if (snapshot == NULL)
        return target_failed(pid, why);
    printf("%9s %3s %-11s %12s  %-16s %s\n", "TID", "HUB", "STATE", "SINCE", "NAME",
           "WAITS FOR");
    for (size_t i = 0; i < snapshot->count; i++)
        if (!(snapshot->threads[i].thread->flags & CONTROL_IS_LOOP))
            print_thread(snapshot, &snapshot->threads[i]);
    print_native(snapshot);
    snapshot_free(snapshot);
    return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int cmd_ps(int argc, char **argv)
{
    pid_t pid;

    if (argc < 2)
        return list_processes();
    pid = argc == 2 ? target_parse(argv[1]) : 0;
    if (pid == 0) {
        cmd_say("ps takes the number of a process, or nothing");
        return CMD_USAGE;
    }
    return list_threads(pid);
}
