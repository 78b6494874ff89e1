/* greenlet.h - greenlets: functions that run on stacks of their own
 *
 * A greenlet belongs to the thread that created it, for life; "thread" means
 * TLS identity: a real thread, or a pthread that the preload library maps onto
 * a greenlet.  Functions here return 0 or a negative errno and leave errno
 * alone.  Unless a comment says otherwise a function is not thread-safe, does
 * not switch, and borrows its pointers for the call. */
#ifndef VIREO_GREENLET_H
#define VIREO_GREENLET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define GREENLET_API __attribute__((visibility("default")))

struct greenlet;

/* The kinds of thrown record form a tree; `base` leads to the root.  `error` is
 * the negative errno that a switch which ends by such a record returns. */
struct greenlet_class {
    const char *name;
    const struct greenlet_class *base;
    int error;
};

/* Root of the records that end a greenlet quietly: it becomes a value (G-025). */
GREENLET_API extern const struct greenlet_class greenlet_exit_class;
/* Root of all other records. */
GREENLET_API extern const struct greenlet_class greenlet_error_class;

/* What greenlet_throw() throws.  `destroy` (may be NULL) is called with
 * `payload` when nobody took the record. */
struct greenlet_exception {
    const struct greenlet_class *cls;
    void *payload;
    void (*destroy)(void *payload);
};

/* The body of a greenlet.  `value` is what the first switch sent.
 *
 * Returns 0 with *result (NULL at entry) set: the value goes to the parent; or
 * a negative errno: the record that was thrown here last goes to the parent, or,
 * if there is none, a new one of greenlet_error_class with that error. */
typedef int greenlet_run(void *value, void **result);

/* Make a greenlet that will call `run` on a stack of its own (G-001, G-002).
 *
 * parent NULL means the current greenlet; it is kept (counted).  stack_size is
 * in bytes, 0 for the default of 128 KiB.  Nothing runs yet.
 *
 * Ownership: given to the caller, who ends it with greenlet_unref().
 * Returns NULL when no stack could be mapped. */
GREENLET_API struct greenlet *greenlet_new(greenlet_run *run,
                                           struct greenlet *parent,
                                           size_t stack_size);

/* Count a reference, give one up.  A suspended greenlet that loses its last
 * reference is thrown greenlet_exit_class and runs to its end before unref
 * returns (G-095); a new one is freed (G-098).  unref switches.  From another
 * thread the end is queued for the owner (G-102): unref is thread-safe. */
GREENLET_API struct greenlet *greenlet_ref(struct greenlet *g);
GREENLET_API void greenlet_unref(struct greenlet *g);

/* Switch to `g`, sending it `value` (spec clauses G-020 ... G-034).
 *
 * The first switch starts g; each later one makes the switch that g is
 * suspended in deliver `value`.  A dead g stands for its parent, and so on up
 * to the main greenlet, which never dies.  When control comes back, *result
 * (unless result is NULL) is what the greenlet that switched back sent.
 *
 * Ownership: value and *result pass through.  Switches.
 * Returns 0, or the error of the record thrown here, or, with nothing moved:
 *   -EXDEV   g belongs to another thread (G-124)
 *   -EINVAL  g has no run function (G-006)
 *   -EDEADLK the caller is inside a callback that must not switch */
GREENLET_API int greenlet_switch(struct greenlet *g, void *value,
                                 void **result);

/* Throw `exception` into g (G-060 ... G-070); NULL throws greenlet_exit_class
 * with no payload.  The record is copied; its payload is given.
 *
 * Returns as greenlet_switch().  Switches. */
GREENLET_API int greenlet_throw(struct greenlet *g,
                                const struct greenlet_exception *exception,
                                void **result);

/* Take the record that ended the last switch of this greenlet.
 * Returns true and fills *exception (its payload is given), or false. */
GREENLET_API bool greenlet_caught(struct greenlet_exception *exception);

/* True when `cls` is `of` or below it. */
GREENLET_API bool greenlet_class_is(const struct greenlet_class *cls,
                                    const struct greenlet_class *of);

/* The running greenlet of this thread; makes the thread's main greenlet on
 * first use (G-110).  Borrowed; never NULL. */
GREENLET_API struct greenlet *greenlet_current(void);

/* The parent; NULL for a main greenlet.  Borrowed. */
GREENLET_API struct greenlet *greenlet_parent(const struct greenlet *g);

/* Give g another parent (G-080 ... G-086), kept.  Returns 0 or
 *   -EPERM   g is a main greenlet
 *   -EINVAL  parent is NULL
 *   -ELOOP   the chain would be cyclic
 *   -EXDEV   g has started and parent belongs to another thread */
GREENLET_API int greenlet_set_parent(struct greenlet *g,
                                     struct greenlet *parent);

/* Finished: it was started, or thrown into, and has ended. */
GREENLET_API bool greenlet_dead(const struct greenlet *g);
/* The first switch or throw has been made. */
GREENLET_API bool greenlet_started(const struct greenlet *g);
/* Started and not finished. */
GREENLET_API bool greenlet_active(const struct greenlet *g);
/* The one that its thread began with; it never ends before the thread. */
GREENLET_API bool greenlet_main(const struct greenlet *g);

/* One pointer of the user's (G-011); `destroy` (may be NULL) is called with it
 * when the greenlet is freed. */
GREENLET_API void greenlet_set_userdata(struct greenlet *g, void *userdata,
                                        void (*destroy)(void *userdata));
GREENLET_API void *greenlet_userdata(const struct greenlet *g);

/* The stack of g: lowest usable address and size in bytes.  Returns 0, or
 * -EINVAL for a main greenlet, whose stack is the thread's. */
GREENLET_API int greenlet_stack(const struct greenlet *g, void **base,
                                size_t *size);

/* How many greenlets (mains not counted) and stack slots exist in this
 * process; for leak checks.  Thread-safe. */
struct greenlet_counts {
    size_t greenlets;   /* made and not yet freed */
    size_t slots_used;  /* stack slots that belong to one of them */
    size_t slots_free;  /* stack slots on the free lists */
};
GREENLET_API void greenlet_count(struct greenlet_counts *counts);

#ifdef __cplusplus
}
#endif
#endif
