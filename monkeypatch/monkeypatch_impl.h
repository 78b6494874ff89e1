/* monkeypatch_impl.h - what the files of the preload library share
 *
 * Rules for code here:
 * - never call a replaced function by its plain name: mp__real.name
 * - errno on success is what it was at entry
 * - try first, wait on EAGAIN
 * - where mp__may_park() is false (not a mapped thread, in the hub, in the
 *   loader, vfork child): straight to the original
 * - a call before the constructor must work (mp__init() first)
 * - no stdio, no malloc on the early path
 * - mp__wait*() with MP_CANCEL may unwind (cancellation): what must be undone
 *   has a cleanup attribute
 * - variadic and struct-by-value functions are BY_HAND, and so is any call that
 *   must not return early (write, send, MSG_WAITALL) */
#ifndef MONKEYPATCH_IMPL_H
#define MONKEYPATCH_IMPL_H

#include "hub/api.h"
#include "monkeypatch/real.h" /* struct mp__real mp__real: the originals */

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#define MP_EXPORT __attribute__((visibility("default")))
#define MP_HIDDEN __attribute__((visibility("hidden")))

/* The last time of CLOCK_REALTIME that a thread was to wait for, and the deadlines
 * that this was, and is since the clock was set: time.c. */
struct mp__real_time {
    int64_t asked, now, ns;
};

/* One mapped pthread: the `room` at the top of its stack.  The main thread has
 * one too, in static memory. */
struct mp__thread {
    struct greenlet__mapped *mapped; /* NULL for the main thread */
    struct greenlet__thread *identity;
    struct mp__carrier *carrier; /* the OS thread that runs it */
    pthread_t handle;
    uint32_t id;    /* virtual tid: gettid(), lock owner; main: the pid */
    uint32_t ended; /* lot word: 1 once its stack is left */
    uint32_t detached; /* atomic: 0 joinable, 1 detached, 2 joined */
    uint8_t exiting;
    uint8_t cancel_state, cancel_type; /* PTHREAD_CANCEL_* */
    uint8_t cancel_pending;            /* atomic */
    uint8_t end_wait; /* atomic: marks of other OS threads, end_wait.c */
    uint8_t gains_none; /* PR_SET_NO_NEW_PRIVS: credentials.c */
    uint8_t deny_park;          /* > 0: no switch now */
    uint8_t host; /* stands for an OS thread with a hub: host.c */
    uint8_t io_budget; /* io_impl.h */
    struct hub__waiter *waiter; /* the wait that pthread_cancel() ends */
    struct hub__waiter *parked; /* any wait it is in, and its flags */
    unsigned parked_flags;
    bool yields; /* it is in the hub's yield */
    uint64_t signals_pending; /* atomic: sent to this thread, not yet handled */
    struct mp__queued_signal *signal_queue; /* signal_queue.c */
    uint64_t signals_wanted; /* while in sigwait(): those that it takes */
    stack_t signal_stack;    /* ss_size 0: none of its own */
    int64_t cpu_ns;          /* cpu_clock.c */
    int64_t cpu_told;        /* atomic: what others were told at most */
    uint32_t handlers_run; /* how many of the program's, round and round */
    uint32_t handlers_interrupting; /* those without SA_RESTART */
    struct mp__thread *joining; /* whom it waits for; at first carrier.c's */
    const uint32_t *cond_word; /* of its last wait for a cond: sync_cond.c */
    bool cond_lost;
    uint64_t signal_mask;
    void *handler_frame; /* of what called the program's signal handler */
    bool forking;        /* the handlers of fork() run */
    struct {
        uintptr_t *place, address, frame;
    } gate; /* what it is that a return address stands for: preempt_gate.c */
    void *(*start)(void *);
    void *arg;
    void *result;
    size_t stack_size, guard_size; /* as asked for */
    struct mp__thread *all_next, *all_prev;
    struct mp__io *writers; /* of a host: io.c */
    void *robust_list;     /* thread_words.c: the program's own, or NULL */
    uint32_t *tid_address; /* the same: cleared at the end, or NULL */
    uint32_t tid_word;     /* stands for libc's */
    struct mp__attr_record *sched; /* what was set and has no effect */
    struct mp__real_time real_time;
    char name[16];
};

extern __thread struct mp__thread *mp__self
    __attribute__((tls_model("initial-exec"), visibility("hidden")));
/* Whose waits park here: mp__self, or the host that stands for all greenlets of
 * this OS thread, or NULL. */
extern __thread struct mp__thread *mp__here
    __attribute__((tls_model("initial-exec"), visibility("hidden")));
extern const struct hub__api *mp__hub; /* NULL: the runtime has not started */
extern ptrdiff_t mp__self_offset; /* of mp__self, from a thread pointer; 0: not
                                     known, nothing was mapped */
extern struct mp__thread mp__main;
extern struct mp__thread *mp__all; /* list of live mapped threads */
/* More than one OS thread runs mapped threads. */
extern bool mp__several;

enum mp__group {
    MP_file = 1, MP_socket = 2, MP_poll = 4, MP_time = 8, MP_dns = 16,
    MP_thread = 32, MP_sync = 64, MP_process = 128, MP_signal = 256,
    MP_stdio = 512, MP_ALL = 1023
};

enum mp__files {
    MP_FILES_DIRECT, /* none */
    MP_FILES_READS,  /* reads of what is not in memory, writes through the cache */
    MP_FILES_POOL    /* all that may wait for storage */
};

struct mp__options {
    size_t stack;      /* for threads with the default attribute; 0 = native */
    size_t libc_stack; /* libc's default as the process started */
    unsigned groups;   /* enum mp__group bits that are on */
    bool stats, require, preempt;
    uint8_t files; /* which calls on files are handed to helpers */
    uint8_t hubs;  /* OS threads that mapped threads are placed on */
    int verbose;
    unsigned masked;   /* enum greenlet__feature bits */
};
extern struct mp__options mp__options;

/* init.c */
void mp__init(void);            /* constructor's work; idempotent */
int mp__start(void);            /* first thread: 0 or -errno (run native) */
void mp__say(int level, const char *format, ...)
    __attribute__((format(printf, 2, 3))); /* one line on stderr */

/* fallbacks.c: what is missing here and done without, by the names of
 * VIREO_TEST_MASK, or "none".  After the start. */
void mp__fallbacks(char *text, size_t size);

/* host.c: greenlets of the program's own park too */
extern bool mp__hosts; /* the program has, or may have, hubs of its own */
extern __thread struct mp__thread mp__host
    __attribute__((tls_model("initial-exec"), visibility("hidden")));
void mp__hosts_start(void);

/* linked.c */
bool mp__linked(void); /* a loaded object needs this library by its name */
/* Where another copy of this library is that the program calls; or NULL. */
const char *mp__in_front(void);
/* Why threads can be no greenlets in this process; or NULL. */
const char *mp__forbidden_by(void);
bool mp__sandboxed(void); /* a seccomp filter forbids what the loop needs */
/* libvireo.so stands behind this library in the program's scope: what it calls
 * of libc is to be libc's all the same. */
void mp__runtime_calls_libc(const void *inside);
/* The libev that it has loaded comes after a sanitizer's runtime and this library: its
 * polls are to be the hub's all the same. */
void mp__loop_calls_runtime(const void *inside);

/* init.c: start the mapping of threads as if VIREO_PATCH named all.  0 or
 * -errno. */
int mp__patch_all(void);
/* The bit of a group of that name, or 0. */
unsigned mp__group_of(const char *name);
/* monkeypatch.c: of a function that is wrapped; 0: it is none. */
unsigned mp__group_of_function(const char *name);

/* True in a thread that is mapped.  One branch before the first thread. */
static inline bool mp__mapped(void) { return mp__self != NULL; }
/* True where a wait may park: mapped or with a hub, not the hub, not inside ld.so with its
 * lock held, not in a vfork child, not in fork's handlers. */
bool mp__may_park(void);
/* The same for a group that can be switched off. */
#define MP_COOPERATIVE(group) \
    (unlikely(mp__here != NULL) && (mp__options.groups & MP_##group) != 0)

enum {
    MP_CANCEL = 1,       /* cancellation point: may unwind, may end -ECANCELED */
    MP_INTERRUPTIBLE = 2, /* may end with -EINTR when a signal handler ran */
    MP_RESTARTS = 4,      /* but not after one with SA_RESTART (signal(7)) */
    MP_CANCEL_ENDS = 8,   /* a cancellation ends it with -EINTR; the caller acts */
    MP_FIRST = 16, /* a lot's: woken it runs before those who are ready */
    MP_WRITER = 32, /* mp__wait_fd(): the fd is a struct mp__io's */
    /* mp__lot_wait(): what the word is of, for those who look.  Only a thread of
     * this process can end such a wait, or a signal's handler; without one of
     * these anybody may. */
    MP_OF_SHIFT = 8,
    MP_OF_MUTEX = 1 << MP_OF_SHIFT,
    MP_OF_GATE = 2 << MP_OF_SHIFT, /* struct sync_gate's word */
    MP_OF_READ = 3 << MP_OF_SHIFT, /* reader_seq */
    MP_OF_WRITE = 4 << MP_OF_SHIFT, /* writer_seq */
    MP_OF_COND = 5 << MP_OF_SHIFT,
    MP_OF_SEM = 6 << MP_OF_SHIFT,
    MP_OF_BARRIER = 7 << MP_OF_SHIFT, /* round */
    MP_OF_ONCE = 8 << MP_OF_SHIFT,
    MP_OF_JOIN = 9 << MP_OF_SHIFT, /* mp__thread.ended */
    MP_OF_END = 10 << MP_OF_SHIFT, /* mp__live: of all threads */
    MP_OF_FUTEX = 11 << MP_OF_SHIFT
};
#define MP_OF(flags) ((flags) >> MP_OF_SHIFT)

/* Park.  All return 0, -ETIMEDOUT, -EINTR; deadline as in hub.h.  Must not be
 * called when !mp__may_park(). */
int mp__wait_fd(int *fd, int events, int64_t deadline, unsigned flags);
    /* also -EPERM: cannot be polled.  *fd changes when the program closed that
     * number meanwhile: retry on the new *fd, then mp__wait_done() */
void mp__wait_done(int original, int fd); /* after the retry loop, always */
int mp__wait_fds(struct hub__fd_wait *waits, unsigned count, int64_t deadline,
                 unsigned flags); /* caller fills fd, events; exclusive = 0 */
int mp__sleep_until(int64_t deadline, unsigned flags);
int mp__lot_wait(uint32_t *address, uint32_t expected, int64_t deadline,
                 unsigned flags); /* also -EAGAIN; works in any thread */
/* As FUTEX_WAIT_BITSET. */
int mp__lot_wait_bits(uint32_t *address, uint32_t expected, int64_t deadline,
                      unsigned flags, uint32_t bits);
int mp__lot_wake(uint32_t *address, int n);
int mp__offload(void (*function)(void *), void *arg,
                enum hub__offload_kind kind); /* runs it here if !may_park */
/* Where a thread goes on: signals that came for it meanwhile. */
void mp__runs_again(struct mp__thread *self);
void mp__yield(void);
void mp__yield_now(void); /* the same where mp__may_park() has been asked */
/* The same for one that computes: hub/hog.h. */
bool mp__hog_gives_way(bool first);
void mp__testcancel(void); /* act on a pending cancellation: may unwind */

/* time.c */
int64_t mp__now(void);
int64_t mp__after(const struct timespec *relative);    /* deadline from now */
int64_t mp__at(clockid_t clock, const struct timespec *absolute);
void mp__real_time_start(void);
/* A deadline of mp__at() once CLOCK_REALTIME was set since; any other as it is. */
extern bool mp__real_time_was_set;
int64_t mp__real_time_now(int64_t deadline);
/* A deadline for the kernel: the clock that it is of, and when by that clock. */
clockid_t mp__when(int64_t deadline, struct timespec *when);
/* The same for a futex: the flag to be added. */
unsigned mp__futex_until(int64_t deadline, struct timespec *until);
bool mp__timespec_ok(const struct timespec *t);

/* The errno boundary: -errno becomes -1 and errno. */
static inline int mp__fail(int error)
{
    errno = -error;
    return -1;
}

/* Own id of the calling thread for lock owners: unique among all live threads
 * of the process, mapped or not, and their greenlets; never 0. */
uint32_t mp__owner_id(void);
void mp__owner_id_forked(void); /* the child of fork() has another tid */
const void *mp__native_id(void); /* the variable with a real thread's, or 0 */

/* state.c */
/* Run function(arg) with the OS thread's own TLS block; it must not park. */
void mp__on_os_tcb(void (*function)(void *), void *arg);
struct mp__thread *mp__thread_of(pthread_t handle); /* NULL: a real thread */
struct mp__thread *mp__thread_by_id(pid_t id);      /* virtual tid; or NULL */
#define MP_FIRST_ID 0x400000 /* above PID_MAX_LIMIT: no kernel thread has it */

/* thread_*.c */
int mp__thread_spawn(pthread_t *handle, const pthread_attr_t *attr,
                     void *(*start)(void *), void *arg);
_Noreturn void mp__thread_exit(void *result);
void mp__thread_destructors(void); /* thread_local and keys, of the caller */
void mp__thread_exit_if_last(void); /* of those that have not come to their end */
void mp__mutex_thread_ends(struct mp__thread *thread); /* sync_mutex_shared.c */
void mp__words_end(struct mp__thread *self); /* thread_words.c */
extern uint32_t mp__live; /* lot word: mapped threads alive, main included */
extern uint32_t mp__staying; /* atomic: those that have not come to their end */

/* dlopen.c */
extern uint64_t mp__blocks_linked; /* a bit of each carrier */
void mp__unlink_blocks(void);

/* foreign_greenlet.c: this file is loaded; NULL is fine. */
void mp__foreign_greenlet(const char *path);

/* signal.c */
/* Counts the handlers that ran on the calling thread; on a real one all of its
 * greenlets have them. */
static inline uint32_t *mp__handler_count(bool interrupting)
{
    struct mp__thread *self = mp__self != NULL ? mp__self : &mp__host;

    return interrupting ? &self->handlers_interrupting : &self->handlers_run;
}
void mp__signals_start(void);
void mp__signals_start_hosts(void); /* threads are real; see signal.c */
void mp__signals_thread_begins(struct mp__thread *thread,
                               const pthread_attr_t *attributes);
void mp__signals_thread_ends(struct mp__thread *thread);
/* Nobody can send it any more: what came after its end. */
void mp__signals_thread_freed(struct mp__thread *thread);
void mp__signals_forked(struct mp__thread *self);
/* signal_thread.c: run the handlers of what was sent to the calling thread. */
void mp__signals_deliver(struct mp__thread *self);
/* cpu_clock.c: somebody asks for the CPU time of threads; called whenever
 * another thread runs, and for one that ends. */
extern bool mp__cpu_clocks;
void mp__cpu_switch(struct mp__thread *self);
void mp__cpu_forget(const struct mp__thread *thread);
void mp__cpu_forked(struct mp__thread *self);
/* signal_stack.c: some thread has a stack for its handlers; the kernel must know
 * whose, whenever another thread runs. */
extern bool mp__signal_stacks;
void mp__signal_stack_enter(struct mp__thread *self);
void mp__signal_stack_leave(struct mp__thread *self);
bool mp__signal_on_ours(void); /* in a handler that must not park */

/* vfork: set in the child, on the block that it shares with its parent, until it
 * execs or exits */
extern __thread int mp__in_vfork_child
    __attribute__((tls_model("initial-exec"), visibility("hidden")));

/* fdtable.c: what we know of the program's fds */
void mp__fd_forget(int fd);      /* the number may name another file now */
void mp__fd_closing(int fd);     /* before close() or dup2() over it */

/* statistics: of each carrier */
struct mp__stats {
    uint64_t threads, parks, offloads, native_waits, preemptions, compensated;
};
void mp__stats_sum(struct mp__stats *sum);
/* Of the thread that waits here. */
#define mp__count(what) \
    greenlet__write(mp__here->carrier->stats.what, \
                    greenlet__read(mp__here->carrier->stats.what) + 1)
void mp__later(const char *name, int64_t ns); /* a STORAGE call blocked so long */
void mp__later_each(void (*each)(const char *name, uint64_t calls,
                                 uint64_t total_ns, uint64_t longest_ns,
                                 void *data),
                    void *data);

#endif
