/* sight.h - what the files that look into hubs share
 *
 * All hubs of the process are on one list.  A hub is printed by its own OS
 * thread, while that does nothing else: by the loop between two of its turns, by
 * the caller of hub_dump(), or by a handler of a signal that interrupts it, when
 * its loop has not come round for a while.
 *
 * Rules: what a thread without thread-local data of its own runs (monitor.c,
 * ask.c), and what a signal handler runs, calls system calls, and functions here
 * that say so, marked `raw`. */
#ifndef HUB_SIGHT_H
#define HUB_SIGHT_H

#include "hub/hub_impl.h"
#include "hub/symbols.h"

#define HUB__SAMPLED 48 /* frames */

/* What one OS thread asks of another. */
enum hub__asked {
    ASKED_NOTHING,
    ASKED,         /* to be done by whoever of the hub's thread comes first */
    ASKED_ANSWERS, /* is being done */
    ASKED_DONE
};

/* The stack of the greenlet that ran when a signal came. */
struct hub__sample {
    uint32_t state; /* atomic, enum hub__asked */
    int count;
    void *frames[HUB__SAMPLED];
};

/* A look of the monitor at a hub. */
struct hub__look {
    uint64_t switches;
    const struct greenlet *current;
    int64_t since;     /* when it was first seen to be so; 0: never */
    int64_t delayed;   /* how long it had waited for a CPU by then */
    int64_t reported;  /* when one was last made; 0: never */
    int64_t next_report; /* of this stretch: how long it must be blocked */
    unsigned held_back;  /* reports, since */
    uint64_t unmoved;    /* switches at the last look */
    int64_t longest;     /* that it has not switched, as far as was seen */
};

/* One for each hub, and as long as it. */
struct hub__sight {
    pid_t tid;
    uint32_t asked; /* atomic, enum hub__asked */
    int ask_fd;
    bool ask_tree;
    const struct greenlet *ask_about; /* NULL: the whole hub */
    struct hub_callback call;
    struct hub__sample sample;
    struct hub__look look;
    void *alternate; /* stack for handlers, of ours; NULL: none */
    uint32_t mapped; /* api.c: mapped threads; atomic with several hubs */
    struct hub__fd_close *closes;    /* fdclose.c: atomic stack */
    struct hub_callback take_closes; /* queued while closes_asked is 1 */
    uint32_t closes_asked;           /* atomic */
};

/* ---- sight.c: the list ---- */

/* The list stands still in between; others wait.  Raw.  try: false when somebody
 * has it, for handlers, which may have interrupted just him. */
void hub__all_lock(void);
bool hub__all_try_lock(void);
void hub__all_unlock(void);
extern struct hub *hub__all; /* by next_hub, the oldest first */
/* Counters of hubs that are gone, under the lock. */
struct hub_counters;
extern struct hub_counters hub__counters_gone;
int hub__error_fd(const struct hub *hub); /* where its reports go; raw */

/* ---- sample.c ---- */

/* A signal of ours that makes a thread show its stack.  0, or -EAGAIN where the
 * program has all.  Once a process; then for each hub, by its own thread. */
int hub__sample_start(void);
void hub__sample_thread(struct hub *hub);
void hub__sample_thread_ends(struct hub *hub);
/* Send it; false: it would disturb a call of the program, or nobody would get
 * it.  Raw. */
bool hub__sample_poke(const struct hub__sight *sight);
/* Have the thread of that hub, which runs, note its frames into sight->sample,
 * waiting `most` ns at most.  False: it does not answer; then what there is on
 * its stack is searched, if that can be.  Raw. */
int hub__sample_take(struct hub *hub, int64_t most, bool *exact);
/* Until *state is ASKED_DONE; ASKED_NOTHING again, and false, if nobody has begun
 * after `most` ns.  Raw. */
bool hub__await(uint32_t *state, int64_t most);

/* ---- scan.c; raw ---- */
/* Is that thread in a system call that sleeps?  Then where it will go on, and
 * with which stack pointer. */
bool hub__scan_is_blocked(pid_t tid, uintptr_t *stack, uintptr_t *code);
/* The call that it sleeps in: its number, six arguments, stack and code.  False:
 * in none. */
enum { HUB__CALL_STACK = 7, HUB__CALL_CODE, HUB__CALL_WORDS };
bool hub__scan_call(pid_t tid, uint64_t words[HUB__CALL_WORDS]);
/* How long it has waited for a CPU since it began, in ns; 0: not known. */
int64_t hub__scan_delay(pid_t tid);
/* `code`, and what looks like return addresses from `stack` on, up to the end of
 * the stack that the hub's thread runs on. */
int hub__scan_stack(const struct hub *hub, uintptr_t stack, uintptr_t code,
                    void **frames, int max);
/* From `stack` up to `top`. */
int hub__scan_range(uintptr_t stack, uintptr_t top, void **frames, int max);
/* Copy what may not be there; false: it is not. */
bool hub__scan_copy(void *to, const void *from, size_t size);

/* ---- apart.c: the monitor's thread, without the process's descriptors; raw ---- */

/* Leave them for ever; false: the kernel cannot.  Do so, if they can still be
 * reported to. */
bool hub__apart_begin(void);
void hub__apart_try(void);
/* Its thread has ended. */
void hub__apart_end(void);
/* The calling thread does so; false: the kernel cannot. */
bool hub__apart_leave(void);
/* A copy of what the process has as `fd`, in the caller's own table; -1: none. */
int hub__apart_copy(int fd);
/* What the process has as `fd`, for the monitor to write to; -1: nothing. */
int hub__apart_borrow(int fd);
void hub__apart_return(int fd);

/* ---- ask.c ---- */

/* In the thread of the hub: do what is asked of it.  `interrupted`: where it was
 * (a ucontext_t), in a handler; else NULL. */
void hub__answer(struct hub *hub, void *interrupted);
/* Print a hub (about NULL), as a tree or with all frames, or one of its
 * greenlets, to fd: by its own thread, else what can be seen from here.  Under hub__all_lock().  Raw. */
void hub__ask(struct hub *hub, const struct greenlet *about, bool tree,
              int fd);
/* Have it print itself to sight->ask_fd when it comes to it.  Raw. */
void hub__ask_only(struct hub *hub);
/* All hubs, the caller's own first and directly; raw where there is none. */
void hub__dump_all(int fd);

/* A file in memory to print to, or a negative errno; what is in it: malloc()ed,
 * NULL: no memory. */
int hub__text_fd(void);
char *hub__text_of(int fd);

/* ---- tree.c ---- */
struct hub__born_seen {
    const struct greenlet *spawner; /* NULL: gone, or not noted */
    void *const *frames;            /* where it was spawned */
    int count;                      /* 0: not noted */
};
/* By the thread of g.  Raw. */
struct hub__born_seen hub__born_peek(struct greenlet *g);

/* ---- dumptree.c: by its own thread; raw ---- */
/* `of`: only the tree that it is in; NULL: all. */
void hub__dump_tree(struct hub *hub, const struct greenlet *of, int fd);

/* ---- dump.c: by its own thread; raw ---- */
void hub__dump_hub(struct hub *hub, int fd, void *interrupted);
void hub__dump_greenlet(struct hub *hub, struct greenlet *g, int fd,
                        void *interrupted);
/* What another thread can see of a hub. */
void hub__dump_from_outside(struct hub *hub, int fd);
/* Who waits, where nothing can wake anybody. */
void hub__dump_deadlock(struct hub *hub, int fd);
/* What it is and what it waits for or ended with, after `indent` spaces. */
void hub__print_line(struct hub__print *print, struct hub *hub,
                     struct greenlet *g, int indent);
void hub__print_greenlet(struct hub__print *print, const struct greenlet *g);
/* The same of one of another thread, which may change it meanwhile. */
void hub__print_copy(struct hub__print *print, const struct greenlet *g);
/* The frames of who was interrupted; raw. */
int hub__frames_interrupted(void *interrupted, void **frames, int max);

/* ---- rawthread.c: threads that libc does not know ---- */

struct hub__rawthread {
    char *memory;  /* stack and thread block; kept for the next time */
    int32_t tid;   /* atomic; 0 when none runs; the kernel clears it */
    uint32_t busy; /* atomic */
};
/* Run function(arg) on one.  It must be raw.  Returns 0, -EBUSY when there is
 * one that runs, or a negative errno.  Raw. */
int hub__rawthread_run(struct hub__rawthread *thread, int (*function)(void *),
                       void *arg);
bool hub__rawthread_runs(const struct hub__rawthread *thread);
void hub__rawthread_join(struct hub__rawthread *thread);
/* Tools that cannot bear such a thread: sanitizers, valgrind. */
bool hub__rawthread_allowed(void);

/* Sleep while *word == expected, `most` ns at most; wake who does.  Raw. */
void hub__raw_wait(uint32_t *word, uint32_t expected, int64_t most);
void hub__raw_wake(uint32_t *word);

/* ---- monitor.c ---- */
/* There is a hub to watch. */
void hub__monitor_hub_begins(struct hub *hub);
/* The loop was asleep: the monitor may be, too. */
extern uint32_t hub__monitor_dozes; /* atomic */
void hub__monitor_loop_wakes(struct hub *hub);
void hub__monitor_rouse(void); /* raw */
unsigned hub__monitor_threads(void); /* for hub__own_threads() */
/* Have a real thread for what the program wants run there.  0 or -EAGAIN. */
int hub__monitor_needs_thread(void);
void hub__monitor_forked(void);

/* ---- dumpsignal.c ---- */
bool hub__dump_signal_set(void);
unsigned hub__dump_threads(void);
void hub__dump_forked(void);

/* ---- console.c: the one that the environment asks for ---- */
void hub__console_start(void);

/* ---- effects.c: what the environment asks for from the beginning ---- */
void hub__options_start(void);
void hub__options_hub(void); /* in the thread of a new hub */

/* ---- blocked.c, memory.c: looks of the monitor; raw ---- */
enum hub__found {
    HUB__FOUND_BUSY, /* some hub has gone on, or is in the middle of something */
    HUB__FOUND_STILL,
    HUB__FOUND_POLLING /* none has gone on, and all loops wait */
};
/* `late`: how much later that is than it was meant to be. */
enum hub__found hub__blocked_look(int64_t now, int64_t since_last,
                                  int64_t late);
/* Called, raw, with what a thread of a hub sleeps in at two looks in a row without
 * a switch in between, if its loop does not poll.  NULL: nobody wants to know. */
extern void (*hub__stuck)(pid_t tid, const uint64_t words[HUB__CALL_WORDS]);
int64_t hub__blocked_period(void); /* ns between looks; HUB_FOREVER: none */
void hub__memory_look(int64_t now);
int64_t hub__memory_next(void); /* when; HUB_FOREVER: never */

/* ---- sight.c ---- */
/* 0 or -ENOMEM. */
int hub__sight_make(struct hub *hub);
/* A hub comes, goes; all others are gone. */
void hub__sight_open(struct hub *hub);
void hub__sight_close(struct hub *hub);
void hub__sight_forked(struct hub *hub); /* NULL: none is left */

#endif
