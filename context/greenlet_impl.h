/* greenlet_impl.h - what the layers above and the files of context/ share
 *
 * Rules for code in context/: no fd, no time, no libev.  State of the OS thread
 * is reached through greenlet__word, which each TLS block carries; a pointer
 * that was read from it is good until the greenlet is resumed on the same TLS
 * block, since greenlets never leave their OS thread. */
#ifndef GREENLET_IMPL_H
#define GREENLET_IMPL_H

#include "context/greenlet.h"
#include "context/stack.h"

#include <pthread.h>
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

enum greenlet__thrown {
    THROWN_NONE,
    THROWN_TRANSIT, /* `thrown` is on its way to this greenlet */
    THROWN_CAUGHT   /* delivered; greenlet_caught() may take it */
};

enum greenlet__state {
    GREENLET_NEW,
    GREENLET_ACTIVE,  /* running or suspended */
    GREENLET_LEAVING, /* ended, still on its own stack */
    GREENLET_DEAD
};

struct greenlet__thread;

/* Lives at the top of its own stack slot, on the page of its first frames; that
 * of a main greenlet is inside its struct greenlet__thread.  The first cache
 * line is what a switch touches. */
struct greenlet {
    greenlet__fcontext context;      /* valid while suspended */
    struct greenlet__thread *thread; /* owner; NULL for new ones of no thread */
    struct greenlet *next;           /* hub: ready list */
    void *value;                     /* message in transit to this greenlet */
    uint8_t state;                   /* enum greenlet__state */
    uint8_t is_main;
    uint8_t has_thrown; /* enum greenlet__thrown */
    int refs;           /* atomic */
    int saved_errno;    /* for switches that stay on one TLS block */
    int thrown_error;
    struct greenlet *parent; /* counted */
    greenlet_run *run;
    void (*entry)(struct greenlet *g); /* first frame; never returns */
    void *hub_data[5];                 /* the hub's: see hub_impl.h */
    struct greenlet_exception thrown;
    void *userdata;
    void (*destroy_userdata)(void *);
    struct greenlet__slot slot;          /* size 0: no stack of ours */
    void (*on_left)(struct greenlet *g); /* called on the next stack after g
                                            left its own for good */
    void *fake_stack;                    /* AddressSanitizer's */
};

/* One OS thread that runs greenlets.  Shared by all TLS identities on it. */
struct greenlet__os {
    struct greenlet__pool pool; /* free stack slots */
    void *hub;                  /* struct hub of this OS thread or NULL */
    void *thread_pointer;       /* the OS thread's own TLS block */
    struct greenlet__thread *first; /* the OS thread's own identity */
    long live;                  /* greenlets made minus freed here */
    struct greenlet__os *next;  /* all of the process */
};

/* One TLS identity: a real thread, or a mapped pthread. */
struct greenlet__thread {
    struct greenlet *current;
    struct greenlet__os *os;
    void *thread_pointer;
    struct greenlet *drop_queue; /* atomic; ended by other threads (G-102) */
    struct greenlet main;
};

/* The one word: which struct greenlet__thread this TLS block belongs to. */
extern __thread struct greenlet__thread *greenlet__word
    __attribute__((tls_model("initial-exec"), visibility("hidden")));

/* This TLS identity; made on first use for a real thread.  Never NULL. */
struct greenlet__thread *greenlet__thread_make(void);
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

/* Give up one reference; true if it was the last.  Who holds the only one need
 * not lock the bus: nobody else can count. */
static inline bool greenlet__drop_reference(struct greenlet *g)
{
    if (likely(__atomic_load_n(&g->refs, __ATOMIC_ACQUIRE) == 1)) {
        g->refs = 0;
        return true;
    }
    return __atomic_sub_fetch(&g->refs, 1, __ATOMIC_ACQ_REL) == 0;
}

/* The running greenlet is finished: run `to` and never come back.  on_left is
 * called on to's side. */
_Noreturn void greenlet__leave(struct greenlet *to);

/* The tail of a switch away from one that is leaving. */
void greenlet__left(struct greenlet *g);

/* Prepare a fresh greenlet's first frame below `top`: `entry` runs on its stack
 * at the first greenlet__resume().  It must not return. */
void greenlet__prepare(struct greenlet *g, void *top,
                       void (*entry)(struct greenlet *g));

/* A greenlet for the hub: slot taken, fields set, refs 1, thread = self, not
 * prepared.  NULL when no stack could be mapped. */
struct greenlet *greenlet__make(size_t stack_size);

/* Back to its pool; refs must be 0 and the stack left. */
void greenlet__free(struct greenlet *g);

/* context/tls.c -- blocks that stand for a thread */

/* Real functions of libc, where a preload library hides them under its own. */
struct greenlet__libc {
    int (*pthread_create)(pthread_t *, const pthread_attr_t *,
                          void *(*)(void *), void *);
    int (*pthread_join)(pthread_t, void **);
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
    struct greenlet__mapped *next, **back; /* all of the process */
};
struct greenlet__mapped *greenlet__map_thread(size_t stack_size, size_t guard,
                                              size_t room, void *memory);
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
/* In the child of a fork(): this is the only OS thread there is. */
void greenlet__threads_forked(struct greenlet__os *os);
/* True while this OS thread is inside ld.so with its load lock held. */
bool greenlet__in_loader(void);
/* Offsets inside struct pthread, from the thread pointer; -1 where not found. */
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

#endif
