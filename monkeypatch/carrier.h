/* carrier.h - the OS threads that run mapped threads, each with a hub
 *
 * The first is the main thread's.  Others are started when a thread is first placed
 * on them (VIREO_HUBS), are libc's own threads, and run nothing else: there
 * mp__self is NULL while the loop runs.  A mapped thread stays on its carrier.
 *
 * Rules: what the kernel keeps per kernel thread (mask, stack for handlers,
 * timers) is here, and is touched by that thread alone; others ask for it
 * (mp__carrier_ask).  With one carrier nothing is locked: mp__several is false until
 * the second is about to be started. */
#ifndef CARRIER_H
#define CARRIER_H

#include "monkeypatch/monkeypatch_impl.h"
#include "monkeypatch/preempt_watch.h"

enum { MP_CARRIERS_MOST = 64 };

/* Asked of a carrier by others, done by its loop. */
enum {
    MP_ASK_BEGIN = 1,    /* threads that were made for it begin */
    MP_ASK_MARKS = 2,    /* end_wait.c: look for marks */
    MP_ASK_CLOCK = 4     /* time.c: CLOCK_REALTIME was set */
};

enum mp__carrier_state { CARRIER_NONE, CARRIER_STARTS, CARRIER_RUNS,
                         CARRIER_FAILED };

struct mp__carrier {
    struct hub *hub;
    uint32_t state;   /* atomic, enum mp__carrier_state; a futex */
    uint32_t threads; /* atomic: placed here and alive */
    pid_t tid;
    void *memory; /* its own stack, kept for the next that is started; or NULL */
    /* ---- signal_mask.c ---- */
    unsigned counted;      /* threads */
    unsigned bits_blocked; /* sum of blocked_by: 0 in most programs */
    uint64_t common;       /* what all block */
    uint64_t applied; /* the kernel thread's mask: that, and ... */
    struct mp__thread *holder; /* ... what this one blocks of OWN */
    unsigned blocked_by[64];   /* threads whose mask has the bit */
    /* ---- signal_stack.c ---- */
    uintptr_t stack_start; /* of that of ours; 0: none */
    stack_t stack;
    const struct mp__thread *stack_of; /* whose is set; NULL: ours */
    /* ---- preempt.c, signal_late.c ---- */
    int ticks, late; /* timers; -1: none */
    bool again;      /* the next tick is no end of a slice, but the look after it */
    uint64_t seen;   /* `switches` of the hub at the last tick */
    int looks;       /* since the last signal was kept */
    bool insists;
    uint32_t poked, late_poked; /* atomic: a signal is under way */
    struct mp__watch watch;     /* preempt_watch.c */
    /* ---- cpu_clock.c ---- */
    struct mp__thread *cpu_owner; /* who runs since; NULL: nobody any more */
    int64_t cpu_since;
    uint32_t cpu_turn; /* atomic: before these change */
    /* ---- others ---- */
    struct mp__io *writers;    /* io.c: parked */
    unsigned turns_left[2];    /* sync_cond.c */
    struct mp__stats stats;
    struct mp__thread *begin;  /* atomic stack, by `joining`: MP_ASK_BEGIN */
    uint32_t asked;            /* atomic */
    struct hub_callback answer;
} __attribute__((aligned(64)));

extern struct mp__carrier mp__carriers[MP_CARRIERS_MOST];

/* Of the OS thread that is one and whose loop runs now, with its own TLS block; of
 * the first one it is NULL. */
extern __thread struct mp__carrier *mp__carrier_here
    __attribute__((tls_model("initial-exec"), visibility("hidden")));

/* That of this OS thread; NULL: it is none. */
static inline struct mp__carrier *mp__carrier_now(void)
{
    struct mp__thread *self = mp__self;

    return self != NULL ? self->carrier : mp__carrier_here;
}

/* The loop of this OS thread runs, on the block of whoever that is. */
bool mp__carrier_loops(void);

/* VIREO_HUBS.  Says what is wrong with it itself. */
void mp__carriers_option(const char *value);
/* The main thread is one. */
void mp__carriers_start(void);
/* Where a thread that is made now belongs.  Started, if it was not. */
struct mp__carrier *mp__carrier_choose(void);
/* The thread, which is whole, begins there. */
void mp__carrier_begin(struct mp__thread *thread);
/* From any thread; async-signal-safe. */
void mp__carrier_ask(struct mp__carrier *carrier, uint32_t what);
void mp__carriers_ask_others(uint32_t what);
/* Of those that run, the next after `carrier`; NULL: the first, and the last. */
#define MP_TURNS 64 /* turns_left */
struct mp__carrier *mp__carrier_next(const struct mp__carrier *carrier);
void mp__carriers_forked(struct mp__thread *self);

/* What a carrier does when it starts, on itself. */
void mp__signal_mask_carrier_starts(struct mp__carrier *carrier);
void mp__signal_stack_carrier_starts(struct mp__carrier *carrier);
void mp__preempt_carrier_starts(struct mp__carrier *carrier);
/* What it does when it is asked. */
void mp__end_wait_look(void);
void mp__real_time_move(void);
/* A thread that was made by another carrier is about to begin. */
void mp__signals_thread_arrives(struct mp__thread *thread);

#endif
