/* target.h - other processes, as the commands that look at them see them */
#ifndef TARGET_H
#define TARGET_H

#include "hub/control_wire.h"
#include "hub/symbols.h"
#include "hub/walk.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/types.h>

/* ---- cmd_target.c: finding processes, asking them ---- */

/* A number of a process, from the command line; 0: it is none. */
pid_t target_parse(const char *text);
/* One request; the answer is malloc()ed.  NULL: *why says why, to follow
 * "process N: ". */
char *target_ask(pid_t pid, const char *request, size_t *size,
                 const char **why);
/* Call each() for those that run Vireo and that we may look at: `has_socket` says
 * whether they can be asked.  Removes sockets of processes that are gone. */
void target_each(void (*each)(pid_t pid, bool has_socket, void *data),
                 void *data);
/* Says why nothing can be known of it, and returns an exit status. */
int target_failed(pid_t pid, const char *why);

/* ---- cmd_proc.c: what /proc says ---- */

struct proc_memory {
    long rss_kb, pte_kb, swap_kb;
};
bool proc_memory(pid_t pid, struct proc_memory *memory);
long proc_sockets(pid_t pid); /* -1: not to be known */
/* Its command line, or its name in brackets, as ps(1) has it. */
void proc_command(pid_t pid, char *text, size_t size);
void proc_name(pid_t pid, char *text, size_t size);
/* CPU time that it has used, in milliseconds; -1: it is gone. */
long proc_cpu_ms(pid_t pid);

/* ---- cmd_stats.c ---- */

#define STATS_STOPPED 32

/* What `stats` answers: those that it does not say are 0. */
struct stats {
    uint64_t now_ns, hubs, switches, wakeups, polls, blocked_longest_ns,
        blocked_ns, stacks_made, threads, threads_made, parks, offloads,
        native_waits, preemptions, compensated;
    char guards[24];
    struct {
        char name[32];
        uint64_t calls, total_ns, longest_ns;
    } stopped[STATS_STOPPED];
    int stopped_count;
};
bool stats_ask(pid_t pid, struct stats *stats, const char **why);
/* In a second, from two of them. */
double stats_rate(uint64_t before, uint64_t after, const struct stats *first,
                  const struct stats *second);

/* ---- cmd_snapshot.c: what `dump` answers ---- */

struct seen_thread {
    const struct control__thread *thread;
    struct walk_stack stack; /* bytes NULL: none */
    const struct control__running *running; /* its OS thread is in it; or NULL */
    struct walk_stack running_stack;
};

/* The frames of all whose stacks look alike; those of the library are left out but
 * for the function that the program called. */
struct seen_shape {
    uint64_t greenlet;
    char *text; /* what the caller makes of it, malloc()ed; NULL at first */
    int count;
    char called[48]; /* its name without a version, or "" */
    struct walk_frame frames[WALK_FRAMES];
};

/* What the monitor has found before. */
struct seen_report {
    int64_t ago_ns;
    const char *text; /* lines */
    size_t size;
};
#define SEEN_REPORTS 8

struct snapshot {
    pid_t pid;
    char *bytes;
    struct hub__symbols *symbols;
    char root[32];
    char name[32]; /* of the process */
    const struct control__hub **hubs;
    int hub_count;
    struct seen_thread *threads;
    size_t count;
    struct seen_thread *loose; /* running, and none of those: at most one a hub */
    int loose_count;
    struct seen_shape *shapes;
    size_t shape_count;
    struct seen_shape own; /* of one that is like no other */
    struct seen_report reports[SEEN_REPORTS];
    int report_count;
};
/* `stack`: how much of each is wanted.  NULL: *why says why. */
struct snapshot *snapshot_take(pid_t pid, size_t stack, const char **why);
void snapshot_free(struct snapshot *snapshot);

/* Its frames.  Good until the next call. */
struct seen_shape *snapshot_shape(struct snapshot *snapshot,
                                  const struct seen_thread *seen);
const char *snapshot_state(const struct seen_thread *seen);
/* In words, what it waits for; `called` as above. */
void snapshot_wait(const struct snapshot *snapshot,
                   const struct seen_thread *seen, const char *called,
                   char *text, size_t size);
void snapshot_name(const struct snapshot *snapshot,
                   const struct seen_thread *seen, char *text, size_t size);

/* ---- for people ---- */
void put_ns(char *text, size_t size, int64_t ns); /* 3.141 s */

#endif
