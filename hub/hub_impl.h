/* hub_impl.h - what the files of hub/ share, and what monkeypatch gets by api.h
 *
 * Rules: a waiter is a local of the greenlet that waits and is unlinked before
 * its function returns.  Whoever claims a waiter (hub__wake) puts its greenlet
 * on the ready list exactly once, and hub__park() consumes exactly that.  No
 * lock is held across a switch.  Whatever changes the hub's lists is between
 * hub__enter() and hub__exit(), so that code run by a signal handler can see
 * that it must defer its wake. */
#ifndef HUB_IMPL_H
#define HUB_IMPL_H

#include "context/greenlet_impl.h"
#include "hub/hub.h"

#include <stdint.h>

/* Does a signal handler end the wait with -EINTR?  signal(7) has the list of
 * calls that SA_RESTART restarts and of those that it does not. */
enum hub__interruptible {
    HUB_NOT_INTERRUPTED,
    HUB_ALWAYS_INTERRUPTED,
    HUB_INTERRUPTED_UNLESS_RESTART
};
enum { HUB_SIGNAL_RESTARTS = 1, HUB_SIGNAL_INTERRUPTS = 3 };

enum hub__waiter_state { WAITER_WAITING, WAITER_CLAIMED, WAITER_CLOSED };

/* What the hub keeps in greenlet.hub_data. */
enum {
    HUB_DATA_TIMED_OUT_ON, /* lot.c: the address it last waited on in vain */
    HUB_DATA_WAITER,       /* the wait that hub_kill() may end, or NULL */
    HUB_DATA_KILLED,       /* not NULL: its next wait ends with -ECANCELED */
    HUB_DATA_FUNCTION,     /* spawn.c: what it runs */
    HUB_DATA_JOINERS       /* spawn.c: who waits for its end */
};

/* One wait of one greenlet, or of a real thread without a hub (hub NULL). */
struct hub__waiter {
    struct greenlet *greenlet;
    struct hub *hub;
    uint32_t state; /* atomic; a real thread sleeps on it by futex */
    int result;     /* set by whoever claimed */
    int64_t deadline;
    uint32_t heap_index; /* HUB__NO_INDEX: not in the heap */
    uint8_t interruptible; /* enum hub__interruptible */
    struct hub__waiter *remote_next;
    struct hub__waiter *interruptible_next, **interruptible_back;
};
#define HUB__NO_INDEX UINT32_MAX

/* A wait for one fd; several may share a waiter (poll). */
struct hub__fd_wait {
    struct hub__fd_wait *next, **back; /* back NULL: not linked */
    struct hub__waiter *waiter;
    int fd;             /* may change: see hub__fd_closing() */
    uint8_t events;     /* HUB_READ | HUB_WRITE */
    uint8_t exclusive;  /* this one will consume: wake one such per event */
    uint8_t fired;      /* events that came */
};

struct hub__loop; /* loop.c's, with everything of libev's */
struct hub__fd;   /* watch.c's */

struct hub {
    struct greenlet *ready_head, *ready_tail;
    struct greenlet *batch_last; /* last of those that the last poll woke */
    struct greenlet *greenlet;   /* runs the loop */
    struct greenlet__os *os;
    uint32_t tick;      /* switches since the last look at the clock */
    uint32_t critical;  /* > 0: lists are being changed (see rules above) */
    bool poll_due;
    int64_t polled_at;
    struct hub__waiter **heap;
    uint32_t heap_count, heap_room;
    struct hub__loop *loop;
    struct hub__fd **fds; /* chunks, by number */
    uint32_t fd_chunks;
    struct hub__waiter *remote;   /* atomic stack: woken by other OS threads */
    uint32_t deferred;            /* atomic: a signal handler left work */
    uint32_t *deferred_keys[16];  /* lot addresses to wake; NULL: free */
    uint32_t deferred_all;        /* atomic: more keys than places */
    struct hub__waiter *interruptible;
    uint32_t signal_seen; /* atomic: HUB_SIGNAL_... of a handler that ran */
    int wake_fd;          /* eventfd */
    uint64_t switches, polls;
    struct hub *next_hub;
};

/* The hub of this OS thread: made on demand (NULL: no memory), or NULL. */
struct hub *hub__make(struct greenlet__os *os);
static inline struct hub *hub__get(void)
{
    struct greenlet__os *os = greenlet__thread_self()->os;

    return likely(os->hub != NULL) ? os->hub : hub__make(os);
}
static inline struct hub *hub__peek(void)
{
    struct greenlet__thread *thread = greenlet__thread_peek();
    return thread != NULL ? thread->os->hub : NULL;
}

static inline void hub__enter(struct hub *hub)
{
    hub->critical++;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
}
void hub__exit_slow(struct hub *hub);
static inline void hub__exit(struct hub *hub)
{
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    hub->critical--;
    if (unlikely(hub->deferred != 0) && hub->critical == 0)
        hub__exit_slow(hub);
}

/* waiter.c */
void hub__waiter_init(struct hub__waiter *waiter);
/* Suspend until the waiter is claimed or its deadline comes.  Returns the
 * result given by the claimer, or -ETIMEDOUT. */
int hub__park(struct hub__waiter *waiter, int64_t deadline_ns);
/* Without having parked: true if nobody claimed it and nobody can any more.
 * false: it is claimed, hub__park() must be called to take the result. */
bool hub__waiter_close(struct hub__waiter *waiter);
/* End the wait with `result`.  False if somebody else was first.
 * Thread-safe; async-signal-safe. */
bool hub__wake(struct hub__waiter *waiter, int result);
/* The same between hub__enter() and hub__exit(). */
bool hub__wake_entered(struct hub__waiter *waiter, int result);
void hub__ready(struct hub *hub, struct greenlet *g);
void hub__leave(struct hub *hub) __attribute__((noreturn));
void hub__take_remote(struct hub *hub);
/* A signal handler of the program has run on this OS thread. */
void hub__signal_seen(struct hub *hub, bool restart);
void hub__signal_deferred(struct hub *hub);

/* timer.c: a heap of waiters by deadline */
int hub__timer_add(struct hub *hub, struct hub__waiter *waiter);
void hub__timer_remove(struct hub *hub, struct hub__waiter *waiter);
void hub__timer_run(struct hub *hub, int64_t now);
int64_t hub__timer_next(const struct hub *hub); /* HUB_FOREVER: none */

/* watch.c: waits for fds */
int hub__watch(struct hub *hub, struct hub__fd_wait *wait);
void hub__unwatch(struct hub *hub, struct hub__fd_wait *wait);
void hub__fd_event(struct hub *hub, int fd, int events); /* from loop.c */
/* Before the program closes or replaces fd.  Waiters go on with a private copy
 * of the old file, as a blocked thread does on Linux. */
void hub__fd_closing(int fd);
void hub__fd_close_range(unsigned first, unsigned last);
/* A wait whose fd was changed to a private copy is done with it. */
void hub__fd_release(int copy);
void hub__watch_forked(struct hub *hub);

/* reserve.c: fd numbers of ours at the top of the table */
int hub__fd_to_top(int fd); /* moves; returns the new number or -errno */
bool hub__fd_is_ours(int fd);
int hub__fd_evacuate(int fd); /* the program wants this number: move ours */
void hub__fd_forget(int fd);
unsigned hub__fd_lowest(void); /* no fd of ours is below */
void hub__fd_kept_in(int *slot); /* *slot is a number of ours, and may move */
void hub__reserve_forked(void);

/* loop.c: the only file that includes <ev.h> */
int hub__loop_open(struct hub *hub);
void hub__loop_close(struct hub *hub);
/* One turn; waits for events if `wait`. */
void hub__loop_turn(struct hub *hub, bool wait);
/* Watch fd for `events` (0: stop).  `fresh`: the number may name another file
 * than when last watched.  Returns 0 or -EPERM for files that cannot be. */
int hub__loop_watch(struct hub *hub, int fd, int events, bool fresh);
int hub__loop_forked(struct hub *hub);
int hub__loop_replace(int *slot, int copy); /* use `copy` instead of *slot */
int hub__loop_reopen(int fd);               /* the epoll fd gets another number */
void hub__loop_notify(struct hub *hub); /* thread-safe, async-signal-safe */

/* lot.c: futexes in user space, for greenlets of any hub and real threads */
enum { HUB_LOT_INTERRUPTIBLE = 1 };
/* Wait while *address == expected.  Returns 0 when woken, -EAGAIN when the value
 * differs, -ETIMEDOUT, -ECANCELED, -EINTR.  A waiter that timed out keeps its
 * seniority when it waits on the same address again. */
int hub__lot_wait(uint32_t *address, uint32_t expected, int64_t deadline_ns,
                  unsigned flags);
/* The same with a waiter of the caller's, initialised. */
int hub__lot_wait_on(struct hub__waiter *waiter, uint32_t *address,
                     uint32_t expected, int64_t deadline_ns);
/* Wake up to n waiters, the oldest first; returns how many.  Thread-safe,
 * async-signal-safe (then the count may be 0 and the wake comes later). */
int hub__lot_wake(uint32_t *address, int n);
/* Wake n waiters of `from`, move the others to wait on `to`. */
int hub__lot_requeue(uint32_t *from, int n, int move, uint32_t *to);
void hub__lot_run_deferred(struct hub *hub);
void hub__lot_forked(void);

/* threadpool.c */
enum hub__offload_kind {
    HUB_OFFLOAD_QUICK, /* shares a pool of 16 threads */
    HUB_OFFLOAD_LONG   /* may wait for the program: never queues */
};
int hub__offload(void (*function)(void *), void *arg,
                 enum hub__offload_kind kind);
void hub__offload_forked(void);

/* hub.c */
void hub__forked(struct greenlet__mapped *self, pid_t tid);

#endif
