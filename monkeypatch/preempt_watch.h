/* preempt_watch.h - who watches an OS thread on which somebody computes */
#ifndef PREEMPT_WATCH_H
#define PREEMPT_WATCH_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

struct mp__carrier;

enum mp__watch_state { WATCH_NONE, WATCH_ASKED, WATCH_RUNS, WATCH_FAILED };

/* Of each carrier. */
struct mp__watch {
    uint32_t state;
    uint32_t poked;  /* atomic: a signal is under way */
    uint32_t awake;  /* atomic, a futex: 0 while it waits to be armed */
    bool every;      /* it is armed whenever somebody runs */
    uint64_t armed;  /* atomic: `switches` of the hub, when a thread went on */
    int64_t until;   /* that thread is left alone for so long */
    int64_t cost;    /* of an interruption, ns, smoothed */
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
bool mp__watch_is(const siginfo_t *info);
/* An interruption began then, mp__now(), and is over. */
void mp__watch_cost(struct mp__carrier *carrier, int64_t since);
/* In the loop: it was asked for. */
void mp__watch_start(struct mp__carrier *carrier);
void mp__watch_never(struct mp__carrier *carrier); /* from now on nobody does */
void mp__watch_forked(struct mp__carrier *carrier);
unsigned mp__watch_threads(void); /* in this process; real ones */

#endif
