/* preempt_watch.h - who watches an OS thread on which somebody computes */
#ifndef PREEMPT_WATCH_H
#define PREEMPT_WATCH_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

struct mp__carrier;

enum mp__watch_state { WATCH_NONE, WATCH_ASKED, WATCH_STARTS, WATCH_RUNS,
                       WATCH_FAILED };

/* Of each carrier. */
struct mp__watch {
    uint32_t state;  /* atomic, enum mp__watch_state */
    uint32_t poked;  /* atomic: a signal is under way */
    uint32_t awake;  /* atomic, a futex: 0 while it waits to be armed */
    bool few;        /* threads ran for long, or one did, in the last slice */
    bool every;      /* it is armed whenever somebody runs */
    uint64_t armed;  /* atomic: `switches` of the hub, when a thread went on */
    uint64_t over;   /* the same, when its slice was over and it was in libc */
    unsigned overs;  /* since then */
    int64_t until;   /* that thread is left alone for so long */
    int copied, epoll; /* number of the hub's epoll, its own copy */
    bool busy;       /* somebody is being interrupted just now */
    int64_t rest;    /* nobody is until then; 0: it may be any time */
    int64_t cost;    /* of the last interruptions, ns */
    int64_t credit, credited; /* ns for looks, and until when it counts */
    uint64_t slice;  /* `switches` when the last slice ended */
};

/* On the carrier.  The thread that runs computes, or may: it is interrupted when
 * something is due, granted: after a longer time.  Async-signal-safe. */
void mp__watch_arm(struct mp__carrier *carrier, bool granted);
/* The same thread has run since it was armed. */
bool mp__watch_is_hog(const struct mp__carrier *carrier);
/* A slice of CPU time is over: do threads run for long here? */
void mp__watch_slice(struct mp__carrier *carrier);
/* It is the signal of who watches. */
bool mp__watch_long_runs(const struct mp__carrier *carrier); /* so it was then */
bool mp__watch_is(const siginfo_t *info);
/* An interruption, or an attempt at it, has taken so long. */
void mp__watch_cost(struct mp__carrier *carrier, int64_t ns);
/* It is at the end of its slice, and where it cannot be stopped.  Async-signal-safe. */
void mp__watch_over(struct mp__carrier *carrier, int64_t since);
bool mp__watch_is_over(const struct mp__carrier *carrier);
/* Of those for whom it was asked for: by the monitor. */
void mp__watch_start_asked(void);
/* fork.c: nobody is in fork() until it is let in again.  False: somebody is. */
bool mp__fork_keep_out(void);
void mp__fork_let_in(void);
void mp__watch_never(struct mp__carrier *carrier); /* from now on nobody does */
void mp__watch_forked(struct mp__carrier *carrier);
unsigned mp__watch_threads(void); /* in this process; real ones */

#endif
