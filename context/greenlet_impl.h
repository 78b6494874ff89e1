/* greenlet_impl.h - what the layers above and the files of context/ share
 *
 * Rules for code in context/: no fd, no time, no libev.  State of the OS thread
 * is reached through greenlet__word, which each TLS block carries; a pointer
 * that was read from it is good until the greenlet is resumed on the same TLS
 * block, since greenlets never leave their OS thread. */
#ifndef GREENLET_IMPL_H
#define GREENLET_IMPL_H

#include "context/contextvar.h"
#include "context/greenlet.h"
#include "context/inspect.h"
#include "context/stack.h"

#include <errno.h>
#include <pthread.h>
#include <sys/single_threaded.h>
#include <sys/types.h>

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define container_of(ptr, type, member) \
    ((type *)((char *)(ptr) - offsetof(type, member)))

typedef void *greenlet__fcontext;
struct greenlet__transfer {
    greenlet__fcontext context;
    void *data;
};

enum greenlet__state {
    GREENLET_NEW,
    GREENLET_ACTIVE,  /* running or suspended */
    GREENLET_WAITING, /* suspended by the hub, which knows what for: a switch or a
                         throw takes it out of its wait first */
    GREENLET_LEAVING, /* ended, still on its own stack */
    GREENLET_DEAD,
    GREENLET_ORPHAN, /* its thread exited while it was suspended */
    GREENLET_FREED   /* the slot is on a free list */
};

/* What is on its way to a greenlet besides `value`; 0 on the fast path.  Read by
 * the greenlet itself once it runs (switch.c, arrive()). */
enum greenlet__arrival {
    ARRIVES_THROWN = 1,  /* `transit` is to be delivered as a throw */
    ARRIVES_EXIT = 2,    /* `transit` is an exit that became a value (G-025) */
    ARRIVES_MESSAGE = 4, /* `value` is a struct greenlet_message */
    ARRIVES_TRACED = 8,  /* the tracer is to be told; `origin` is set */
    ARRIVES_DROP = 16,   /* `origin` loses a reference, once it has been told */
    RECEIVED_BEFORE = 32 /* `received` has a message that nobody has taken */
};

/* Which of the fields that greenlet__make() does not clear are good. */
enum greenlet__has {
    HAS_CAUGHT = 1,   /* caught */
    HAS_USERDATA = 2, /* userdata, destroy_userdata */
    HAS_CLOSURE = 4,  /* closure, destroy_closure */
    HAS_UNUSED = 8,   /* unused, destroy_unused: see greenlet__start() */
    HAS_NAME = 16,    /* name */
    HAS_CXX = 32,     /* cxx: exceptions of C++ that it handles (cxx.c) */
    HAS_FIBER = 64,   /* fiber: a tool's handle (tools.c) */
    HAS_MORE = 128    /* deferred (defer.c), or what the hub keeps elsewhere */
};

struct greenlet__thread;
struct greenlet_context;

/* Lives at the top of its own stack slot, on the page of its first frames; that
 * of a main greenlet is inside its struct greenlet__thread.  The first cache
 * line is what a switch touches, and with the second all that is cleared when
 * one is made; the rest is good only where `has` says so. */
struct greenlet {
    greenlet__fcontext context;      /* valid while suspended */
    struct greenlet__thread *thread; /* owner; see greenlet__tree_of() */
    struct greenlet *next;           /* hub: ready list */
    void *value;                     /* in transit to this greenlet */
    uint8_t state;                   /* enum greenlet__state */
    uint8_t is_main;
    uint8_t arrival; /* enum greenlet__arrival bits */
    uint8_t has;     /* enum greenlet__has bits */
    int refs;        /* atomic */
    struct greenlet *parent; /* counted */
    greenlet_run *run;
    uint8_t has_weak; /* atomic: `weak` is good, and others may count references */
    uint8_t odd_slot; /* its slot is not of the default size */
    uint32_t owner_id; /* 0, or what it owns locks by: see hub__owner_id() */

    uint64_t hub_data[6];               /* the hub's: see hub_impl.h */
    void (*on_left)(struct greenlet *g); /* called on the next stack after g
                                            left its own for good */
    struct greenlet_context *vars; /* contextvar.c: NULL until the first set */

    void (*entry)(struct greenlet *g); /* first frame; never returns */
    void *hub_kept[2]; /* the hub's, of those that it started */
    struct greenlet__slot slot; /* always set; size 0: no stack of ours */
    const struct greenlet_type *type; /* always set */
    void *fake_stack;           /* AddressSanitizer's */
    void *fiber;
    struct greenlet *origin; /* who sent it, with ARRIVES_TRACED or _DROP */
    struct greenlet *next_dropped; /* on its thread's drop_queue */
    struct greenlet_exception transit, caught;
    struct greenlet_message *received;
    void *closure;
    void (*destroy_closure)(void *closure);
    void *unused;
    void (*destroy_unused)(void *unused);
    void *userdata;
    void (*destroy_userdata)(void *userdata);
    struct greenlet_weak *weak;
    uintptr_t cxx[2];
    struct greenlet__deferred *deferred;
    char name[32];
};

/* One OS thread that runs greenlets.  Shared by all TLS identities on it. */
struct greenlet__os {
    struct greenlet__pool pool; /* free stack slots */
    void *hub;                  /* struct hub of this OS thread or NULL */
    unsigned hub_id;            /* the hub's number, for people, while it lives
                                   and after */
    struct greenlet *loop;      /* the hub's: parent of who has none; or NULL */
    void (*hub_close)(struct greenlet__os *os); /* the OS thread ends; or NULL */
    void *thread_pointer;       /* the OS thread's own TLS block */
    struct greenlet__thread *first; /* the OS thread's own identity */
    long live, peak;            /* greenlets made minus freed here; the most */
    long contexts;              /* contexts: so, too */
    struct greenlet__cell *cells; /* free, and how many: varcell.h */
    int cells_kept;
    struct greenlet__os *next;  /* all of the process */
};

/* Why greenlet_switch() may not take its fast path. */
enum greenlet__special {
    SPECIAL_TRACED = 1,   /* a tracer is set */
    SPECIAL_SIGNAL = 2,   /* in a signal handler: no switch */
    SPECIAL_DROPPED = 4,  /* one that ran lost its last reference (G-051) */
    SPECIAL_FINALIZED = 8, /* the process is ending */
    SPECIAL_TESTED = 16,   /* a test wants switches to fail (testhook.h) */
    SPECIAL_UNUSED = 32    /* a mapped thread that has not used greenlets yet */
};

/* Who has to hear of switches between greenlets of one identity. */
enum greenlet__tool {
    TOOL_ASAN = 1,
    TOOL_TSAN = 2,
    TOOL_CXX = 4,
    TOOL_WATCHED = 8 /* greenlet__watch_switch() */
};

/* One TLS identity: a real thread, or a mapped pthread. */
struct greenlet__thread {
    struct greenlet *current;
    struct greenlet__os *os;
    void *thread_pointer;
    struct greenlet *drop_queue; /* under greenlet__threads_lock (G-102) */
    union {
        struct {
            uint8_t special; /* enum greenlet__special bits */
            uint8_t tools;   /* enum greenlet__tool bits */
        };
        uint16_t slow; /* either: no fast path of greenlet_switch() */
    };
    uint8_t exited;              /* atomic: nothing of it runs any more */
    uint8_t started;             /* a greenlet was started in it */
    uint8_t cxx_asked;           /* which greenlet__cxx_asks that was */
    uint8_t reparented;          /* greenlet_set_parent() was called */
    uintptr_t *cxx_globals; /* __cxa_get_globals(), with TOOL_CXX */
    greenlet_tracer *tracer;
    void *tracer_data;
    void (*release)(struct greenlet__thread *thread); /* the memory, when the
                                             last reference of main went */
    struct greenlet__thread *next_exited; /* thread.c: waits to be drained */
    struct greenlet main;
};

/* The one word: which struct greenlet__thread this TLS block belongs to. */
extern __thread struct greenlet__thread *greenlet__word
    __attribute__((tls_model("initial-exec"), visibility("hidden")));

/* This TLS identity; made on first use for a real thread.  Never NULL: where
 * there is no memory for it nothing can go on, and the process aborts. */
struct greenlet__thread *greenlet__thread_make(void);
/* A real thread of the library's own that lives as long as the process does: that libc
 * tells of its end would need memory, without which it ends the process. */
void greenlet__thread_stays(void);
void greenlet__thread_leaves(void); /* it ends all the same */
static inline struct greenlet__thread *greenlet__thread_self(void)
{
    struct greenlet__thread *self = greenlet__word;

    return likely(self != NULL) ? self : greenlet__thread_make();
}

/* The identity if there is one, else NULL.  Async-signal-safe. */
static inline struct greenlet__thread *greenlet__thread_peek(void)
{
    return greenlet__word;
}

/* context/switch.h has the floor that the hub and greenlet_switch() share:
 * greenlet__resume() suspends the running greenlet and runs another, of
 * whichever identity of this OS thread. */

/* Fields that other threads look at (whose is it, has it ended): relaxed, which
 * costs nothing, and says that the race is meant. */
#define greenlet__read(field) __atomic_load_n(&(field), __ATOMIC_RELAXED)
#define greenlet__write(field, to) \
    __atomic_store_n(&(field), (to), __ATOMIC_RELAXED)

/* Running or suspended, in whatever way. */
static inline bool greenlet__is_active(const struct greenlet *g)
{
    unsigned state = greenlet__read(g->state);

    return state == GREENLET_ACTIVE || state == GREENLET_WAITING;
}

/* Count a reference.  The bus is locked only where there is another thread. */
static inline void greenlet__add_reference(struct greenlet *g)
{
    if (likely(__libc_single_threaded))
        greenlet__write(g->refs, greenlet__read(g->refs) + 1);
    else
        __atomic_add_fetch(&g->refs, 1, __ATOMIC_RELAXED);
}

/* Give up one reference to a greenlet of this thread, or to one that does not
 * run; true if it was the last.  Who holds the only one need not lock the bus
 * either: nobody else can count, unless there is a weak handle. */
static inline bool greenlet__drop_reference(struct greenlet *g)
{
    bool has_weak = __atomic_load_n(&g->has_weak, __ATOMIC_ACQUIRE) != 0;
    int refs = __atomic_load_n(&g->refs, __ATOMIC_ACQUIRE); /* after it: who got
                               one by the last handle is among them */

    if (likely(__libc_single_threaded || (refs == 1 && !has_weak))) {
        greenlet__write(g->refs, refs - 1);
        return refs == 1;
    }
    return __atomic_sub_fetch(&g->refs, 1, __ATOMIC_ACQ_REL) == 0;
}

/* The running greenlet is finished: run `to` and never come back.  on_left is
 * called on to's side. */
_Noreturn void greenlet__leave(struct greenlet *to);

/* For on_left: the greenlet held a reference to itself. */
void greenlet__drop_itself(struct greenlet *g);

/* The tail of a switch away from one that is leaving. */
void greenlet__left(struct greenlet *g);

/* Prepare a fresh greenlet's first frame below `top`: `entry` runs on its stack
 * at the first greenlet__resume().  It must not return. */
void greenlet__prepare(struct greenlet *g, void *top,
                       void (*entry)(struct greenlet *g));

/* A greenlet for the hub: slot taken, fields set, refs 1, thread = self, not
 * prepared.  NULL when no stack could be mapped. */
struct greenlet *greenlet__make(size_t stack_size);

/* Back to its pool; refs must be 0 and the stack left.  Calls destroy functions,
 * which may switch, and gives up the parent. */
void greenlet__free(struct greenlet *g);

/* ---- exception.c ---- */

/* Leave a record of what failed with the calling greenlet; returns `error`. */
int greenlet__fail(int error, const struct greenlet_class *cls,
                   const char *text);
/* The record a function of the program ended with that returned `rc` < 0 (a
 * body, a tracer): what it caught last if that has this error, else a new one. */
void greenlet__take_raised(struct greenlet *self, int rc,
                           struct greenlet_exception *out);
/* `exception` is now the one that self caught last; the old one is destroyed. */
void greenlet__set_caught(struct greenlet *self,
                          const struct greenlet_exception *exception);
void greenlet__unraisable(struct greenlet *g,
                          struct greenlet_exception *exception);
/* Its own, or that of the first class from cls up that has one; never what could
 * be taken for success. */
static inline int greenlet__error_of(const struct greenlet_exception *exception)
{
    const struct greenlet_class *cls = exception->cls;
    int error = exception->error;

    for (; error >= 0 && cls != NULL; cls = cls->base)
        error = cls->error;
    return error < 0 ? error : -EIO;
}

/* ---- switch.c, start.c ---- */

/* What is sent; what arrives. */
struct greenlet__cargo {
    void *value;
    uint8_t kind; /* ARRIVES_THROWN, _EXIT, _MESSAGE or 0 */
    struct greenlet_exception record; /* good with _THROWN and _EXIT */
};
/* Destroy it, since it cannot be delivered. */
void greenlet__cargo_clear(struct greenlet__cargo *cargo);
/* Lay cargo into `target`, whom `from` is about to run.  Calls nothing but the
 * hub's greenlet__unpark(). */
void greenlet__load(struct greenlet *from, struct greenlet *target,
                    const struct greenlet__cargo *cargo);
/* On the stack of `self`, which runs now: take the cargo out, tell the tracer.
 * Returns 0, or the error of the record that is thrown, which is the cargo. */
int greenlet__arrive(struct greenlet *self, struct greenlet__cargo *cargo);
/* Give to the program what has arrived; returns what the switch returns. */
int greenlet__deliver(struct greenlet *self, struct greenlet__cargo *cargo,
                      int rc, void **result);
/* Ask a new g for its body (G-010).  Returns 0; a negative errno with a record
 * left; or 1 when g is not new any more, or has another thread now.  *gone: a
 * hook gave up the last reference to g, which is no more, whatever is returned. */
int greenlet__resolve(struct greenlet__thread *self, struct greenlet *g,
                      struct greenlet_callable *body, bool *gone);
/* What a hook gave, which is not used after all. */
void greenlet__discard_body(const struct greenlet *g,
                            const struct greenlet_callable *body);
/* g, which is new, is started with that body as soon as somebody resumes it. */
void greenlet__start(struct greenlet *g, const struct greenlet_callable *body);
void greenlet__start_plainly(struct greenlet__thread *self, struct greenlet *g);
/* The first frame of one that runs a body. */
_Noreturn void greenlet__run(struct greenlet *self);
/* 0, or why g is not one that this thread may switch to, with a record left. */
int greenlet__same_tree(struct greenlet__thread *self,
                        const struct greenlet *g);

/* The identity that g belongs to: the one it was started in; that of the main at
 * the top of its chain while it is new (G-127). */
struct greenlet__thread *greenlet__tree_of(const struct greenlet *g);
/* So that greenlet__tree_of() in another thread finds no parent that is gone: the
 * old one may be given up after it.  The new one's reference is g's. */
void greenlet__set_parent(struct greenlet *g, struct greenlet *parent);
/* Or the same. */
bool greenlet__is_ancestor(const struct greenlet *g, const struct greenlet *of);
/* Its parent: the loop of its hub, or else its thread's main, for a greenlet that
 * was made without one; NULL for a main. */
struct greenlet *greenlet__parent_of(const struct greenlet *g);
/* The hub's: take g, which is GREENLET_WAITING, out of its wait, since somebody
 * else runs it.  `error` is that of the record that is thrown into it, or 0. */
extern void (*greenlet__unpark)(struct greenlet *g, int error);
/* The hub's: g is freed, give back what it had in own memory. */
extern void (*greenlet__hub_gone)(struct greenlet *g);
/* The hub's: g ends, and is still on its stack, or is the main one of a thread that
 * ends; with HAS_MORE. */
extern void (*greenlet__hub_ends)(struct greenlet *g);
/* defer.c: run what the program deferred in the running greenlet, at its end. */
void greenlet__run_deferred(struct greenlet *self);
/* And of one that is freed: without running it. */
void greenlet__forget_deferred(struct greenlet *g);
/* The first of g and its ancestors that is not dead (G-028); NULL: none. */
struct greenlet *greenlet__living(struct greenlet *g);
/* Throw the exit into a suspended g whose last reference went, with the calling
 * greenlet as its parent for the time being (G-088, G-095). */
void greenlet__kill(struct greenlet *g);
/* Destroy the body's closure, once (G-108); one that the hook replaced.  They
 * may switch. */
void greenlet__drop_closure(struct greenlet *g);
void greenlet__drop_unused(struct greenlet *g);

/* ---- thread.c ---- */

/* Cold paths that look at greenlets of other threads: dropping one, the end of a
 * thread.  Never held across a switch or a callback. */
extern pthread_mutex_t greenlet__threads_lock;
/* What identities that ended belong to; its main is dead. */
extern struct greenlet__thread greenlet__gone;
/* Kill what other threads dropped (G-102); drain exited threads (G-142). */
void greenlet__maintain(struct greenlet__thread *self);
/* Atomic; not 0: exited threads wait to be drained, or the process is ending. */
extern unsigned greenlet__attention;
/* The identity ends: what is suspended in it is an orphan from now on, and its
 * main is given up, now or with the next drain (G-142). */
void greenlet__thread_end(struct greenlet__thread *thread, bool at_once);
static inline struct greenlet__thread *
greenlet__thread_of_main(struct greenlet *main)
{
    return container_of(main, struct greenlet__thread, main);
}
/* What pthread_atfork() handlers do with a lock of ours (G-143): it is held over
 * the fork, and free on both sides afterwards. */
enum greenlet__fork { FORK_PREPARE, FORK_DONE };

/* ---- weak.c ---- */
void greenlet__weak_fork(enum greenlet__fork when);
/* What the handle finds just now, without a reference and without a lock. */
const struct greenlet *greenlet__weak_peek(const struct greenlet_weak *weak);
/* The handle finds nothing any more. */
void greenlet__weak_clear(struct greenlet *g);

/* ---- message.c, varcontext.c ---- */
size_t greenlet__messages_made(void);
/* Contexts of OS threads that are gone, or that had no identity. */
extern long greenlet__contexts_elsewhere; /* atomic */
void greenlet__cells_free(struct greenlet__os *os);
/* Give up a greenlet's context; NULL is fine.  May switch. */
void greenlet__vars_free(struct greenlet_context *vars);
void greenlet__vars_fork(enum greenlet__fork when);

/* ---- tools.c, cxx.c: sanitizers, valgrind, exceptions of C++ ---- */
void greenlet__tools_thread(struct greenlet__thread *thread);
/* Before the first switch to g; when one with HAS_FIBER has ended or is freed. */
void greenlet__tools_fresh(struct greenlet *g, char *bottom, char *top);
void greenlet__tools_gone(struct greenlet *g);
/* The hub's: told in `from` of the switch to `to`, with TOOL_WATCHED.  It must not
 * switch. */
extern void (*greenlet__watch_switch)(struct greenlet *from,
                                      struct greenlet *to);
/* Is there one in this process?  Sanitizers, valgrind. */
bool greenlet__tools_present(void);
/* On the stack of a greenlet that was switched to for the first time. */
void greenlet__tools_arrive(struct greenlet *self,
                            const struct greenlet *previous);
/* A new slot, once for each. */
void greenlet__tools_slot(char *bottom, char *top);
/* Find the globals of a thread, if it is the one that runs; before it makes a
 * greenlet they are asked for as often as there is a new answer. */
void greenlet__cxx_thread(struct greenlet__thread *thread);
/* Exceptions that are being handled stay with who handles them. */
void greenlet__cxx_save(struct greenlet *from);
void greenlet__cxx_restore(struct greenlet *to); /* with HAS_CXX */
extern uint8_t greenlet__cxx_asks; /* atomic */
/* A thread may exit inside a greenlet: its other stacks are left as they are.  CPython
 * ends its daemon threads so; else the process aborts, since nothing tells what the
 * frames that are passed over hold. */
extern bool greenlet__exit_in_greenlet;

/* ---- debug.c: what a debugger has to find ---- */
/* Addresses of the heads of lists. */
extern const void *const greenlet__debug_slabs;
extern const void *const greenlet__debug_threads;
extern const void *const greenlet__debug_mapped;
struct greenlet__slab_layout {
    uint32_t next, start, carved, stride, guard;
};
extern const struct greenlet__slab_layout greenlet__slab_layout;

/* ---- stack.c: the registry ---- */
/* The topmost word of a slot says whose it is: every slot of every slab is
 * looked at; `each` gets greenlets that are in use. */
int greenlet__slots_each(int (*each)(struct greenlet *g, void *data),
                         void *data);

/* ---- tls.c: blocks that stand for a thread ---- */

/* Real functions of libc, where a preload library hides them under its own; and
 * the program's allocator, which libc and ld.so use for what they keep of a thread:
 * ours need not be that one. */
struct greenlet__libc {
    int (*pthread_create)(pthread_t *, const pthread_attr_t *,
                          void *(*)(void *), void *);
    int (*pthread_join)(pthread_t, void **);
    void *(*calloc)(size_t, size_t);
    void (*free)(void *);
    bool keyless; /* the program may want all keys that libc has: take none */
};
extern struct greenlet__libc greenlet__libc;

/* Kernel and libc features that tests can mask (VIREO_TEST_MASK). */
enum greenlet__feature {
    FEATURE_GUARD = 1,
    FEATURE_RWF_NOWAIT = 2,
    FEATURE_EPOLL_PWAIT2 = 4,
    FEATURE_FSGSBASE = 8,
    FEATURE_PIDFD = 16,
    FEATURE_ROBUST = 32,
    FEATURE_RSEQ = 64
};
extern unsigned greenlet__masked; /* features to treat as absent */

/* Find the layout of libc's thread blocks.  Makes one real thread that comes
 * and goes.  Returns 0, or -ENOTSUP with *why naming what was not found. */
int greenlet__tls_find(const char **why);

/* A mapped thread: slot, TLS block and main greenlet, one piece of memory.
 * `room` bytes at the very top are the caller's, zeroed.  `memory`, if not NULL,
 * is a stack of the program's own, of stack_size bytes, without a guard. */
struct greenlet__mapped {
    struct greenlet__thread thread;
    void *room;
    char *tls_start; /* lowest byte of the TLS block: the stack's top */
    bool foreign;    /* the memory is the program's */
    bool ended;      /* and is kept while ld.so works on its list of stacks */
    struct greenlet__mapped *next, **back; /* all of the process */
};
/* `os` runs it. */
struct greenlet__mapped *greenlet__map_thread(struct greenlet__os *os,
                                              size_t stack_size, size_t guard,
                                              size_t room, void *memory);
/* More than one OS thread has mapped threads: what they share is locked.  Changed
 * only while there is one. */
extern bool greenlet__several_os;
void greenlet__mapped_fork(enum greenlet__fork when);
size_t greenlet__mapped_slots_free(void);
/* Free what libc keeps for the block, and the slot. */
void greenlet__unmap_thread(struct greenlet__mapped *mapped);
/* First thing on a mapped thread's own stack: locale tables. */
void greenlet__tls_enter(void);
/* Keep glibc's view right around dlopen(): link the blocks of all mapped
 * threads of this process into its list of stacks, unlink them. */
void greenlet__tls_link(bool on);
/* The child of a fork(): `tid` is what the blocks carry now; all mapped threads
 * but `self` (NULL: none) are forgotten. */
void greenlet__tls_forked(struct greenlet__mapped *self, pid_t tid);
/* Fields of a fresh identity: its main greenlet is the one that runs. */
void greenlet__thread_init(struct greenlet__thread *thread,
                           struct greenlet__os *os, void *thread_pointer);
/* In the child of a fork(), before anything else of ours: the locks. */
void greenlet__fork_child(void);
/* In the child of a fork(): this is the only OS thread there is. */
void greenlet__threads_forked(struct greenlet__os *os);
/* True while this OS thread is inside ld.so with its load lock held. */
bool greenlet__in_loader(void);
/* Offsets from the start of struct pthread, inside of it but for that of rseq, which may
 * be negative; -1 where not found. */
struct greenlet__tls_layout {
    size_t pthread_size;
    ptrdiff_t pthread_start; /* 0 on x86-64, -pthread_size on aarch64 */
    size_t static_size, static_align;
    ptrdiff_t tid, list, specific, robust, stackblock, stackblock_size, rseq;
    unsigned self[4], self_count; /* words that hold the block's own address */
    unsigned specific_count;
    ptrdiff_t shared[8]; /* malloc's words in libc's own TLS segment */
    unsigned shared_count;
    bool found;
};
extern struct greenlet__tls_layout greenlet__tls;

/* The thread pointer of a block whose highest byte is below `top`, and its
 * lowest byte in *start.  x86-64 has TLS below the TCB, aarch64 above. */
char *greenlet__tls_place(char *top, char **start);
/* Struct pthread for a thread on `slot`, or on a stack that nobody knows (NULL).
 * `model` is that of the OS thread that will run it, or that makes it. */
void greenlet__tls_fill(char *pthread, const char *model,
                        const struct greenlet__slot *slot);

/* tls_bare.c: blocks for real threads that libc did not make.  `words` keeps
 * malloc's part of the block from one thread to the next; zero at first. */
struct greenlet__bare_words {
    uintptr_t words[8];
};
/* In memory of greenlet__bare_size() bytes.  The thread pointer, or NULL: no
 * memory.  greenlet__tls_find() must have succeeded. */
size_t greenlet__bare_size(void);
char *greenlet__bare_new(void *memory, const struct greenlet__bare_words *words);
void greenlet__bare_end(char *pointer, struct greenlet__bare_words *words);
/* First thing on the thread itself. */
void greenlet__bare_enter(void);

#endif
