/* inspect.h - looking at greenlets: counts, the registry, stacks, backtraces */
#ifndef VIREO_INSPECT_H
#define VIREO_INSPECT_H

#include "context/greenlet.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What exists in this process; for leak checks.  Thread-safe, exact while other
 * threads stand still.  Drains what exited threads left (G-142). */
struct greenlet_counts {
    size_t greenlets;  /* made and not yet freed, mains not counted */
    size_t slots_used; /* stack slots that belong to one of them, or to a thread */
    size_t slots_free; /* stack slots on the free lists */
    size_t mains;      /* threads that have a main greenlet (G-179) */
    size_t pending;    /* threads that exited and were not yet drained (G-178) */
    size_t contexts;   /* contexts made and not yet freed */
    size_t messages;   /* messages made and not yet freed */
};
GREENLET_API void greenlet_count(struct greenlet_counts *counts);

/* Threads that exited and whose state waits to be drained by the next use of the
 * library anywhere; like greenlet_counts.pending, but drains nothing. */
GREENLET_API size_t greenlet_pending_cleanups(void);

/* CPU time spent so far in that drain, in clock() ticks, CLOCKS_PER_SEC a second;
 * -1 after greenlet_enable_cleanup_clock(false).  Enabling starts again at 0,
 * unless it is enabled (G-180).  Thread-safe. */
GREENLET_API long greenlet_cleanup_clock(void);
GREENLET_API void greenlet_enable_cleanup_clock(bool on);

enum greenlet_state {
    GREENLET_IS_NEW,
    GREENLET_IS_RUNNING,
    GREENLET_IS_SUSPENDED,
    GREENLET_IS_DEAD,
    GREENLET_IS_ORPHAN /* dead because its thread exited while it was suspended */
};
/* Thread-safe; of another thread's greenlet the answer may be old. */
GREENLET_API enum greenlet_state greenlet_state_of(const struct greenlet *g);

/* Write into `text` what people want to see (G-016), as snprintf() does:
 *   <greenlet 0x7f.. "name" thread 0x7f.. suspended active started>
 * with one of current, suspended; then active; pending or started; main; or only
 * dead, with "(thread exited)" before it if so.  Returns the length it would
 * have.  Thread-safe. */
GREENLET_API int greenlet_describe(const struct greenlet *g, char *text,
                                   size_t size);

/* The stack of g: lowest usable address and size in bytes.  Returns 0, or
 * -EINVAL for a main greenlet, whose stack is the thread's. */
GREENLET_API int greenlet_stack(const struct greenlet *g, void **base,
                                size_t *size);

struct greenlet_stack_use {
    size_t reserved;   /* bytes of address space; 0 for a main greenlet */
    size_t used;       /* between the saved stack pointer and the base; 0 when
                          new, running or finished (G-151) */
    size_t high_water; /* bytes that were ever touched, in whole pages; of a slot
                          that was used before, by whoever used most */
};
/* Returns 0.  For greenlets of this thread. */
GREENLET_API int greenlet_stack_use(const struct greenlet *g,
                                    struct greenlet_stack_use *use);

/* Call each(g, data) for every greenlet of this process that was made and is not
 * yet freed, dead ones too (mains are not among them), until it returns other than 0, which
 * is returned.  Borrowed for the call, which must not switch.  Exact for
 * greenlets of this thread; those of others may come and go meanwhile. */
GREENLET_API int greenlet_each(int (*each)(struct greenlet *g, void *data),
                               void *data);

/* The return addresses on the stack of a suspended greenlet, innermost first, at
 * most `max`; the walk ends at the frame the stack began with (G-161).
 *
 * Returns how many; 0 for one that is new, running or finished (G-160);
 * -EXDEV for one of another thread. */
GREENLET_API int greenlet_backtrace(struct greenlet *g, void **frames,
                                    int max);

/* From now on a greenlet of this OS thread whose stack ends is named in a line on
 * stderr before the process dies of it (G-154): a handler for SIGSEGV, on a stack
 * of its own, unless the program has one.  The preload library does it. */
GREENLET_API void greenlet_watch_overflow(void);

#ifdef __cplusplus
}
#endif
#endif
