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
#include "context/testhook.h"
#include "hub/hog.h"
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

/* What a greenlet waits for, in words; one static object per kind of wait. */
struct hub__wait_kind {
    const char *name; /* "semaphore" */
    /* Who keeps it from what it waits for, borrowed, or NULL; NULL: not known. */
    const struct greenlet *(*holder)(const void *object);
};
/* Stands for a holder that is there no more. */
extern const struct greenlet hub__has_ended;

/* A deadline in the hub's heap. */
struct hub__timer {
    int64_t deadline;
    uint32_t slot;        /* HUB__NO_INDEX: not in the heap */
    uint8_t early;        /* fires before fds are looked at, not after them */
    uint8_t unreferenced; /* does not keep the loop from ending */
    void (*fire)(struct hub *hub, struct hub__timer *timer);
};
#define HUB__NO_INDEX UINT32_MAX

/* One wait of one greenlet, or of a real thread without a hub (hub NULL). */
struct hub__waiter {
    struct greenlet *greenlet;
    struct hub *hub;
    uint32_t state; /* atomic; a real thread sleeps on it by futex */
    int result;     /* set by whoever claimed */
    const struct hub__wait_kind *kind; /* NULL: not known */
    const void *object;                /* of that kind; a number for an fd */
    int64_t since;                     /* hub->now when it began */
    struct hub__timer timer;
    uint8_t interruptible; /* enum hub__interruptible */
    uint8_t cancelable;    /* kill and timeout scopes end it */
    uint8_t first; /* woken from a lot it runs before those who are ready */
    uint8_t chooses; /* in a lot: only wake-ups for some of `bits` are for it */
    uint32_t bits;   /* not set otherwise */
    struct hub__waiter *remote_next;
    struct hub__waiter *interruptible_next, **interruptible_back;
};
/* A result that says: somebody else ran the greenlet (waiter.c, run_by_other). */
#define HUB__RUN_BY_OTHER INT32_MAX

/* Scopes of one greenlet that can end its waits: a timeout, a shield, a task
 * group; the innermost first.  On the stack of the greenlet. */
struct hub__frame {
    struct hub__frame *outer;
    struct greenlet *greenlet;
    int error;      /* what waits in it end with; 0: nothing yet */
    uint8_t shield; /* what happens outside is not seen inside */
    uint8_t kind;   /* of what: who leaves it for those who cannot */
};
enum { HUB__FRAME_PLAIN, HUB__FRAME_TIMEOUT, HUB__FRAME_TASKS };

/* What is told of the end of a greenlet, or of another object: a wait, or a
 * callback.  Linked in a circle by who owns the list, the oldest first. */
struct hub__link {
    struct hub__link *next, *prev;
    /* Called once, unlinked; hub->critical is 0, or, for objects that threads
     * share, their lock is held: it only wakes or queues. */
    void (*notify)(struct hub__link *link);
};

/* What the hub keeps in greenlet.hub_data; all zero in a new one. */
struct hub__own {
    const void *timed_out_on;    /* lot.c: the address it last waited on in vain */
    struct hub__waiter *waiter;  /* the wait it is in, while GREENLET_WAITING */
    struct hub__frame *frames;   /* innermost scope */
    struct hub__link *links;     /* the newest: told of its end */
    struct hub__more *more;      /* more.c: what few have */
    union {
        int32_t rc;              /* DONE: what its body returned */
        uint32_t turn;           /* until then, with timed_out_on: since when */
    };
    int16_t pending;             /* what its next wait ends with at once, or 0 */
    uint16_t flags;
};
_Static_assert(sizeof(struct hub__own) ==
                   sizeof(((struct greenlet *)0)->hub_data),
               "struct greenlet has room for it");
enum {
    HUB__SPAWNED = 1,  /* hub_kept is good: function and argument */
    HUB__BEGUN = 2,    /* its body was called */
    HUB__DONE = 4,     /* rc, result are good; it may still be on its stack */
    HUB__KILLED = 8,   /* the scope outside of all frames has ended */
    HUB__QUIET = 16,   /* what it fails with is for its maker: no report */
    HUB__RAW = 32,     /* spawned without result and links */
    HUB__UNMONITORED = 64 /* it may block its hub */
};
enum { HUB_KEPT_FUNCTION = 0, HUB_KEPT_ARG = 1 };

static inline struct hub__own *hub__own(struct greenlet *g)
{
    return (struct hub__own *)(void *)g->hub_data;
}

/* The result, with HUB__DONE.  It lies where greenlets of greenlet_new() have
 * their body, so that what it was made with is still there. */
static inline void **hub__result(struct greenlet *g)
{
    return (void **)(void *)&g->run;
}

/* 0 until it is done. */
static inline int hub__rc(const struct greenlet *g)
{
    const struct hub__own *own = (const void *)g->hub_data;

    return own->flags & HUB__DONE ? own->rc : 0;
}

/* Rarely needed: from malloc(), freed with its greenlet (more.c). */
struct hub__more {
    struct greenlet *greenlet;
    struct hub__timer start;            /* spawn.c: when it is to start */
    struct greenlet_exception killed;   /* spawn.c: by what, unless plainly */
    struct greenlet_exception failed;   /* what its body ended with */
    void *locals;                       /* local.c */
    struct hub__born *born;             /* tree.c: by whom it was spawned */
    struct hub__glink *glinks;          /* greenlink.c: who is told of the end */
    struct hub_task *task;              /* task.c: it is the greenlet of that */
    struct hub__idents *idents;         /* ident.c: where its number is from */
    uint32_t ident;                     /* and the number; idents NULL: none */
};
/* Made on first use; NULL: no memory. */
struct hub__more *hub__more(struct greenlet *g);

/* A wait for one fd; several may share a waiter (poll).  With back NULL and
 * nothing in fired, the fd was closed. */
struct hub__fd_wait {
    struct hub__fd_wait *next, **back; /* back NULL: not linked */
    struct hub__waiter *waiter;        /* NULL: notify is called, unlinked, */
    void (*notify)(struct hub__fd_wait *wait, int rc); /* critical: it queues */
    int fd;             /* may change: see hub__fd_closing() */
    uint8_t events;     /* HUB_READ | HUB_WRITE */
    uint8_t exclusive;  /* this one will consume: wake one such per event */
    uint8_t fired;      /* events that came */
    uint8_t unreferenced; /* does not keep the loop from ending */
    uint16_t closed;      /* watch.c: when it began, the number's count */
};

/* Deadlines lie in the heap itself, and where in it a timer is lies beside it, in
 * `places`: keeping the heap in order touches no timer, each of which is on a page
 * of its own. */
struct hub__heap_entry {
    int64_t deadline;
    uint32_t order; /* of equal deadlines; wraps */
    uint32_t slot;
};
struct hub__heap {
    struct hub__heap_entry *entries;
    uint32_t count, room;
    uint32_t order; /* the next */
    uint32_t *places;           /* by slot: index in the heap; or the next free */
    struct hub__timer **timers; /* by slot */
    uint32_t slots, free;       /* ever used; first free one or HUB__NO_INDEX */
    uint32_t *due; /* slots that are due in this turn, to fire after fds */
    uint32_t due_count;
};

/* A call in the order of the ready list, on which it lies as if it were a
 * greenlet: it begins like one, whose thread is NULL. */
struct hub_callback {
    void *context;
    struct greenlet__thread *thread; /* NULL */
    struct greenlet *next;
    void (*function)(void *arg); /* NULL: cancelled */
    void *arg;
    struct hub *hub;
    void (*done)(struct hub_callback *callback); /* frees it; NULL: nothing */
    struct hub_callback *remote_next;
    uint8_t queued;
};
_Static_assert(offsetof(struct hub_callback, thread) ==
                       offsetof(struct greenlet, thread) &&
                   offsetof(struct hub_callback, next) ==
                       offsetof(struct greenlet, next),
               "it begins like a greenlet");

struct hub__loop; /* loop.c's, with everything of libev's */
struct hub__fd;   /* watch.c's */

struct hub {
    struct greenlet *ready_head, *ready_tail;
    struct greenlet *batch_last; /* last of those that the last poll woke */
    struct greenlet *greenlet;   /* runs the loop */
    uint64_t switches;  /* read by all: counters.c */
    uint64_t look_at;   /* so many switches: the clock is looked at */
    uint32_t critical;  /* > 0: lists are being changed (see rules above) */
    uint32_t deferred;  /* atomic: a signal handler left work */
    struct greenlet__os *os; /* up to here: one cache line, of every switch */
    bool poll_due;
    bool poll_full; /* the last poll was not told of all that is ready */
    bool dozes; /* the loop has seen that nobody is ready, and polls */
    bool listens; /* who watches wants to know of the next who is ready: hog.h */
    int64_t polled_at;
    int64_t now;        /* when the clock was last read */
    int64_t poll_every; /* ns: a busy hub lets the loop go first so often */
    struct hub__heap heap;
    struct hub__hogs hogs;
    struct hub_callback late; /* fires those that are due, timer.c */
    long active;        /* timers, fds and jobs that can wake somebody here */
    struct hub__waiter *drainer; /* hub_drain() */
    struct hub__idler *idlers;   /* idle.c */
    struct greenlet *main;       /* gets what nobody else can handle */
    bool heir;                   /* main is the caller of fork(), counted */
    struct greenlet *closing;    /* run the one who closes it, and end */
    struct hub_threadpool *threadpool; /* work.c: the default one, or NULL */
    struct hub__ares *ares; /* ares.c's, or NULL */
    struct hub__part *parts;     /* fork.c: told when it forks or closes */
    unsigned id;                 /* for people */
    struct hub__handlers *handlers; /* error.c; NULL: the defaults */
    /* tree.c: told of those that are made, and of those that are started: what
     * happened is some of enum hub__spawned; `caller` is where the program called.
     * NULL: nobody wants to know. */
    void (*on_spawn)(struct hub *hub, struct greenlet *g, int what,
                     const void *caller);
    struct hub__spawners *spawners; /* tree.c; NULL: nothing was ever set */
    struct hub__idents *idents;     /* ident.c; NULL: nobody asked yet */
    struct hub_scope *scope;        /* taskscope.c: hub_scope_of_hub(); NULL */
    struct hub__loop *loop;
    struct hub__fd **fds; /* chunks, by number */
    uint32_t fd_chunks;
    struct hub__waiter *remote;   /* atomic stack: woken by other OS threads */
    struct hub_callback *remote_calls; /* atomic stack, so too */
    uint32_t ringing; /* atomic: threads between a push there and the ring */
    uint32_t *deferred_keys[16];  /* lot addresses to wake; NULL: free */
    uint32_t deferred_all;        /* atomic: more keys than places */
    struct hub__waiter *interruptible;
    uint32_t signal_seen; /* atomic: HUB_SIGNAL_... of a handler that ran */
    int wake_fd;          /* eventfd */
    void (*clock_set)(void); /* in the loop: CLOCK_REALTIME was set; or NULL */
    uint32_t links;       /* object.c: of the program's, not yet called */
    uint64_t shuffle;     /* shuffle.c: state of its random numbers; 0: off */
    /* Written by its thread alone, read by all: counters.c. */
    uint64_t wakeups, polls, spawned;
    struct greenlet *promoted; /* by hub__wake_next(), the last; NULL: none */
    uint64_t io_switches; /* io.c: `switches` when it last counted anew */
    uint32_t io_count;    /* calls on fds since, that needed no wait */
    struct hub_callback look_at_fds; /* fdshare.c, queued while fds_unsure is 1 */
    uint32_t fds_unsure;             /* atomic */
    struct hub__sight *sight; /* sight.h */
    struct hub *next_hub;     /* under hub__all_lock() */
};

/* Count, where others look on: it costs no more than ++ does. */
#define hub__count(counter) \
    greenlet__write(counter, greenlet__read(counter) + 1)

/* The hub of this OS thread: made on demand (NULL: no memory), or NULL. */
struct hub *hub__make(struct greenlet__os *os);
/* The preload library's, or NULL: called with the identity for which one was
 * made. */
extern void (*hub__made)(struct greenlet__thread *thread);
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

static inline __attribute__((always_inline)) void hub__enter(struct hub *hub)
{
    hub->critical++;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
}
void hub__exit_slow(struct hub *hub);
static inline __attribute__((always_inline)) void hub__exit(struct hub *hub)
{
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    hub->critical--;
    if (unlikely(hub->deferred != 0) && hub->critical == 0)
        hub__exit_slow(hub);
}

/* waiter.c */
void hub__waiter_init(struct hub__waiter *waiter);
/* For the calls of hub/: says what is waited for, and makes a hub where there
 * should be one.  Returns 0, or -EDEADLK in the loop itself, which cannot wait,
 * with a record left. */
int hub__waiter_begin(struct hub__waiter *waiter,
                      const struct hub__wait_kind *kind, const void *object);
/* Suspend until the waiter is claimed or its deadline comes.  Returns the
 * result given by the claimer, or -ETIMEDOUT. */
int hub__park(struct hub__waiter *waiter, int64_t deadline_ns);
/* The same as a cancellation point: also -ECANCELED or -ETIMEDOUT of a scope,
 * or the error of what was thrown into it.  What all calls of hub/ use. */
int hub__park_cancelable(struct hub__waiter *waiter, int64_t deadline_ns);
/* hub_yield() as a cancellation point. */
int hub__yield_cancelable(void);
/* Without having parked: true if nobody claimed it and nobody can any more.
 * false: it is claimed, hub__park() must be called to take the result. */
bool hub__waiter_close(struct hub__waiter *waiter);
/* End the wait with `result`.  False if somebody else was first.
 * Thread-safe; async-signal-safe. */
bool hub__wake(struct hub__waiter *waiter, int result);
/* The same from a callback of the loop: it runs before all who are ready, behind
 * those that the callback woke so before. */
bool hub__wake_next(struct hub__waiter *waiter, int result);
/* hub__wake() between hub__enter() and hub__exit(). */
bool hub__wake_entered(struct hub__waiter *waiter, int result);
void hub__ready(struct hub *hub, struct greenlet *g);
/* It goes first, before whoever is ready. */
void hub__ready_first(struct hub *hub, struct greenlet *g);
/* Take g, which is on the ready list, off it. */
void hub__unready(struct hub *hub, struct greenlet *g);
void hub__leave(struct hub *hub) __attribute__((noreturn));
void hub__take_remote(struct hub *hub);
/* A signal handler of the program has run on this OS thread. */
void hub__signal_seen(struct hub *hub, bool restart);
void hub__signal_deferred(struct hub *hub);
void hub__waiters_start(void);

/* scope.c: what ends waits from outside */
void hub__frame_enter(struct hub__frame *frame, bool shield);
void hub__frame_leave(struct hub__frame *frame);
/* Waits in that scope end with `error` from now on; 0: no longer. */
void hub__frame_end(struct hub__frame *frame, int error);
/* After a change: what is g's next wait to end with?  Ends the one it is in. */
void hub__scopes_changed(struct greenlet *g);

/* link.c: lists of links, `*list` being the newest */
void hub__link_add(struct hub__link **list, struct hub__link *link);
void hub__link_remove(struct hub__link **list, struct hub__link *link);
static inline bool hub__link_is_linked(const struct hub__link *link)
{
    return link->next != NULL;
}
/* The oldest, taken out; NULL: none. */
struct hub__link *hub__link_take(struct hub__link **list);
/* Tell and take out all that are linked now, the oldest first. */
void hub__link_notify(struct hub__link **list);
/* A link that wakes a wait with 0. */
struct hub__wait_link {
    struct hub__link link;
    struct hub__waiter *waiter;
};
void hub__wait_link_notify(struct hub__link *link);
/* Of greenlets that are gone in the child of a fork these are told, since who is left
 * may ask for them: tasks, members of groups, calls of imap, what is collected. */
void hub__task_ended(struct hub__link *link);
void hub__member_ended(struct hub__link *link);
void hub__job_ended(struct hub__link *link);
void hub__feeder_ended(struct hub__link *link);
void hub__collector_told(struct hub__link *link);

/* lock.c: a number that no other greenlet has; 0 for main ones */
uint32_t hub__owner_id(struct greenlet *g);

/* spawn.c */
enum hub__spawned { HUB__MADE = 1, HUB__STARTED = 2 };
/* 0, or -EXDEV with a record that names both hubs. */
int hub__check_owner(const struct greenlet *g);
int hub__not_yours(const struct greenlet__thread *owner, const char *what);
/* The result is there: whoever waits for it may run. */
void hub__finish(struct greenlet *g, int rc, void *value);
/* One that was to start later will not, and loses the reference that the timer
 * had. */
void hub__cancel_start(struct hub *hub, struct greenlet *g);
/* Have `link` told of the end of g, which is not ready; and not any more. */
void hub__end_link(struct greenlet *g, struct hub__link *link);
void hub__end_unlink(struct greenlet *g, struct hub__link *link);
int hub__run_at_once(struct hub *hub, greenlet_run *run, void *arg);
/* What g ended with, with its record left for greenlet_caught(): the first who
 * asks gets the payload. */
int hub__raise_failure(struct greenlet *g);
/* kill.c: a wait of self has ended with `rc`: leave the record of who killed
 * it, if that is why. */
void hub__killed_by(struct greenlet *self, int rc);

/* what more.c gives back */
void hub__ident_release(struct hub__more *more);
void hub__born_free(struct hub__born *born);
void hub__glinks_free(struct hub__more *more);
void hub__spawners_free(struct hub *hub);
void hub__idents_drop(struct hub__idents *idents);
void hub__scope_of_hub_free(struct hub *hub);

/* callback.c */
void hub__callback_init(struct hub_callback *callback, struct hub *hub,
                        void (*function)(void *arg), void *arg);
void hub__callback_push(struct hub_callback *callback); /* from its hub */
void hub__callback_push_remote(struct hub_callback *callback);
void hub__callbacks_run(struct hub *hub); /* those that are next */
void hub__callbacks_take_remote(struct hub *hub);

/* error.c: reports of what nobody caught */
/* `exception` is borrowed; context NULL: the hub itself. */
void hub__handle_error(struct hub *hub, const struct greenlet *context,
                       const struct greenlet_exception *exception);
/* A record of a class and a text, and that error: left with the caller. */
int hub__fail(const struct greenlet_class *cls, const char *text);
/* -EXDEV, with a record that names both hubs. */
int hub__fail_owner(const char *what, const struct hub *owner);
/* The same for what may outlive its hub, and has kept its number. */
int hub__fail_of_hub(const char *what, unsigned owner_id);
/* Text of ours, to where reports of this hub go. */
void hub__say(struct hub *hub, const char *text);

/* dry.c: the loop has nothing left to wait for */
/* Once, before the first hub is made. */
void hub__dry_start(void);
/* Wakes who waits for that, or throws hub_loop_exit_class into main.  False: there
 * are other threads that may yet do something. */
bool hub__ran_dry(struct hub *hub);
/* dump.c: the deadlock report and others; malloc()ed, NULL: no memory. */
char *hub__report(struct hub *hub);

/* idle.c */
struct hub__idler {
    struct hub__idler *next;
    struct hub__waiter *waiter; /* NULL: notify is called, unlinked */
    void (*notify)(struct hub__idler *idler);
    int priority; /* -2 ... 2 */
};
int hub__idle_priority(int priority); /* the nearest that there is */
void hub__idler_link(struct hub *hub, struct hub__idler *idler);
void hub__idler_unlink(struct hub *hub, struct hub__idler *idler);
bool hub__idle_wake(struct hub *hub); /* false: nobody */

/* local.c: values of greenlets */
void hub__locals_end(struct hub__more *more);
void hub__locals_forked(void);

/* timer.c: a heap of deadlines */
void hub__timer_init(struct hub__timer *timer,
                     void (*fire)(struct hub *hub, struct hub__timer *timer));
int hub__timer_add(struct hub *hub, struct hub__timer *timer, int64_t deadline);
void hub__timer_remove(struct hub *hub, struct hub__timer *timer);
/* Another deadline for one that is set for `from`; any other is left alone. */
void hub__timer_move(struct hub *hub, struct hub__timer *timer, int64_t from,
                     int64_t to);
/* Those due at `now`: the early ones fire; the others with the second call. */
void hub__timer_run(struct hub *hub, int64_t now);
void hub__timer_run_late(struct hub *hub);
/* Those come when all have run whom this turn of the loop has woken. */
void hub__timer_late_init(struct hub *hub);
void hub__timer_late_is_due(struct hub *hub);
int64_t hub__timer_next(const struct hub *hub); /* HUB_FOREVER: none */
static inline bool hub__timer_is_set(const struct hub__timer *timer)
{
    return timer->slot != HUB__NO_INDEX;
}
/* Of one that is set. */
int64_t hub__timer_deadline(const struct hub *hub,
                            const struct hub__timer *timer);
void hub__timers_free(struct hub *hub); /* forgets all that are set */
/* The hub goes: they are not set any more. */
void hub__timers_closed(struct hub *hub);
/* Only those that timeouts of the calling greenlet have stay. */
void hub__timers_forked(struct hub *hub);
/* timeout.c: is it that of a timeout of g? */
bool hub__timer_is_timeout_of(const struct hub__timer *timer,
                              const struct greenlet *g);

/* watch.c: waits for fds */
extern const struct hub__wait_kind hub__waits_for_fd;
int hub__watch(struct hub *hub, struct hub__fd_wait *wait);
/* true: its event came, but by now the number is closed, and may be another's. */
bool hub__unwatch(struct hub *hub, struct hub__fd_wait *wait);
struct hub__fd_ready {
    int fd, events;
};
void hub__fd_events(struct hub *hub, const struct hub__fd_ready *ready,
                    unsigned count); /* from loop.c */
/* Before the program closes or replaces fd.  Waiters go on with a private copy
 * of the old file, as a blocked thread does on Linux. */
void hub__fd_closing(int fd);
void hub__fd_close_range(unsigned first, unsigned last);
/* A wait whose fd was changed to a private copy is done with it. */
void hub__fd_release(int copy);
/* Each number that the loop watches, with how many wait for it. */
void hub__watch_each(const struct hub *hub,
                     void (*each)(int fd, int events, int waits, void *data),
                     void *data);
void hub__watch_forked(struct hub *hub);
/* Waits for numbers that are not open end with -EBADF. */
void hub__watch_check(struct hub *hub);
void hub__watch_anew(struct hub *hub); /* waits go on with a new loop */

/* reserve.c: fd numbers of ours at the top of the table */
int hub__fd_to_top(int fd); /* moves; returns the new number or -errno */
bool hub__fd_is_ours(int fd);
/* For a moment, where the table may be full: false if it cannot be.  `before` is
 * what is to be set again. */
struct rlimit;
bool hub__limit_raise(struct rlimit *before);
int hub__fd_evacuate(int fd); /* the program wants this number: move ours */
void hub__fd_forget(int fd);
unsigned hub__fd_lowest(void); /* no fd of ours is below */
void hub__fd_kept_in(int *slot); /* *slot is a number of ours, and may move */
void hub__reserve_forked(void);

/* loop.c: the only file that includes <ev.h> */
int hub__loop_open(struct hub *hub);
void hub__loop_close(struct hub *hub);
/* One turn; waits for events, at most `most` ns; 0: not at all. */
void hub__loop_turn(struct hub *hub, int64_t most);
/* Watch fd for `events` (0: stop).  `fresh`: the number may name another file
 * than when last watched.  Returns 0 or -EPERM for files that cannot be. */
int hub__loop_watch(struct hub *hub, int fd, int events, bool fresh);
int hub__loop_forked(struct hub *hub);
/* Call `was_set` in the loop whenever CLOCK_REALTIME was set.  Never, where there
 * is no descriptor for that. */
void hub__watch_clock(struct hub *hub, void (*was_set)(void));
int hub__loop_replace(int *slot, int copy); /* use `copy` instead of *slot */
int hub__loop_reopen(int fd);               /* the epoll fd gets another number */
void hub__loop_notify(struct hub *hub); /* thread-safe, async-signal-safe */
/* After a push on the ready list by its own thread.  While it dozes that is a signal
 * handler, which may have come before the poll: the loop must not sleep. */
static inline void hub__rouse(struct hub *hub)
{
    if (unlikely(hub->dozes | hub->listens)) {
        __atomic_store_n(&hub->listens, false, __ATOMIC_RELAXED);
        hub__loop_notify(hub);
    }
}
/* Around a push on a list that other threads use: from the push on the hub may take
 * it, run to its end, and be gone before the ring, but for this count. */
void hub__ring_begin(struct hub *hub);
void hub__ring_end(struct hub *hub); /* if it would not look before it sleeps */
void hub__ring_drop(struct hub *hub); /* somebody else is yet to end one */

/* threadpool.c */
enum hub__offload_kind {
    HUB_OFFLOAD_QUICK, /* shares a pool of 16 threads */
    HUB_OFFLOAD_LONG   /* may wait for the program: never queues */
};
int hub__offload(void (*function)(void *), void *arg,
                 enum hub__offload_kind kind);
/* The same with an `arg` that nobody else needs, as a cancellation point.
 * Returns 0: function has returned, arg is the caller's; or a negative errno: arg
 * is the job's, dropped once function has returned, or at once if it will not be
 * called.  `fd`, or -1, is what it works on. */
struct hub__owned {
    void (*function)(void *arg);
    void (*drop)(void *arg); /* on any thread; NULL: nothing to do */
    enum hub__offload_kind kind;
    bool anyway; /* called also when nobody waits any more */
};
int hub__offload_owned(const struct hub__owned *owned, void *arg, int fd,
                       int64_t deadline_ns);
/* In a job: was its fd closed meanwhile? */
bool hub__offload_fd_gone(void);
/* Before fd is closed: waits for jobs on it end with -EBADF.  Then: true when one
 * is under way, so that it, not the caller, closes fd. */
void hub__offload_fd_closed(int fd);
bool hub__offload_closes(int fd);
void hub__offload_before_fork(void);
void hub__offload_after_fork(void); /* in the parent */
/* In the child.  Who waits on `hub` (NULL: nobody is left) is woken. */
void hub__offload_forked(struct hub *hub);

/* hub.c */
extern bool hub__lenient; /* the loop never runs dry: others use it (preload) */
/* destroy.c */
void hub__closed(struct hub *hub) __attribute__((noreturn));
void hub__thread_ends(struct greenlet__os *os);
void hub__forked(struct greenlet__mapped *self, pid_t tid);

#include "hub/fork_impl.h"
#include "hub/lot_impl.h"
#include "hub/ownthread_impl.h"

#endif
