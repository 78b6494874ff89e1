/* greenlet.h - greenlets: functions that run on stacks of their own
 *
 * A greenlet belongs to the thread that created it, for life; "thread" means
 * TLS identity: a real thread, or a pthread that the preload library maps onto
 * a greenlet.  The clauses (G-...) are those of docs/semantics.md.
 *
 * Functions return 0 or a negative errno and leave errno alone.  Those that
 * switch, make a greenlet, or set its parent, body or context leave a record when
 * they fail, with a class and a text: greenlet_caught() takes it.  Unless a
 * comment says otherwise a function is not thread-safe, does not switch, and
 * borrows its pointers for the call, which may not be NULL.  In a signal handler
 * only those marked async-signal-safe may be called (G-147). */
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

/* ---- thrown records ------------------------------------------------------- */

/* The kinds of thrown record form a tree; `base` leads to the root.  `error` is
 * the negative errno that a switch which ends by such a record returns; 0: that
 * of base. */
struct greenlet_class {
    const char *name;
    const struct greenlet_class *base;
    int error;
};

/* The tree.  base is the root; below it exit, whose records end a greenlet
 * quietly (G-025), and exception, the root of ordinary errors (G-175); below
 * that what functions of this library fail by, as upstream's do: error,
 * attribute, type, value, system and memory.  The errno in brackets is that of a
 * record which says none of its own: base and exception (-EIO), error (-EXDEV), attribute (-ENODATA), type
 * (-EINVAL), value (-EDOM), system (-ENOSYS), memory (-ENOMEM).  A program hangs its own classes where they belong; those directly
 * below base are not special (G-026). */
GREENLET_API extern const struct greenlet_class greenlet_base_class;
GREENLET_API extern const struct greenlet_class greenlet_exit_class;
GREENLET_API extern const struct greenlet_class greenlet_exception_class;
GREENLET_API extern const struct greenlet_class greenlet_error_class;
GREENLET_API extern const struct greenlet_class greenlet_attribute_class;
GREENLET_API extern const struct greenlet_class greenlet_type_class;
GREENLET_API extern const struct greenlet_class greenlet_value_class;
GREENLET_API extern const struct greenlet_class greenlet_system_class;
GREENLET_API extern const struct greenlet_class greenlet_memory_class;

/* A record.  Plain data: it may be a local, is copied when it is thrown, and
 * zero in every field but cls is fine.  payload, and the cause that it points
 * to, move with the record to whoever takes it. */
struct greenlet_exception {
    const struct greenlet_class *cls;
    void *payload;
    void (*destroy)(void *payload); /* NULL: nothing to do; it may switch */
    int error;                      /* what the switch returns; 0: cls->error */
    const char *text;               /* for people; static, or in payload; NULL */
    struct greenlet_exception *cause; /* from malloc(); NULL */
    const void *origin; /* code address it was thrown at; NULL: filled in */
};

/* True when `cls` is `of` or below it.  Thread-safe. */
GREENLET_API bool greenlet_class_is(const struct greenlet_class *cls,
                                    const struct greenlet_class *of);

/* Destroy what a record owns: its payload, and its causes.  The record is zero
 * afterwards.  A destroy function may switch. */
GREENLET_API void
greenlet_exception_clear(struct greenlet_exception *exception);

/* Take the record that ended the last switch of the calling greenlet, or by
 * which its last call failed; after a switch that returned 0 because an exit
 * became a value (G-025) the record of that exit.
 *
 * Ownership: the record is given (greenlet_exception_clear()).  One that nobody
 * takes stays over later calls that succeed, and is destroyed when the next one
 * comes, or with the greenlet.
 * Returns true and fills *exception, or false. */
GREENLET_API bool greenlet_caught(struct greenlet_exception *exception);

/* The same record without taking it; NULL if there is none.  Borrowed until the
 * next call of this library. */
GREENLET_API const struct greenlet_exception *greenlet_caught_peek(void);

/* Make *exception the record that the calling greenlet caught last, as if it
 * had been thrown here, so that a body can end by it: return
 * greenlet_raise(&exception).  No trace event.
 *
 * Ownership: payload and cause are given.
 * Returns the record's error, or -EINVAL for one without a class. */
GREENLET_API int greenlet_raise(const struct greenlet_exception *exception);

/* What is done with a record that ends a greenlet which was killed because its
 * last reference went (G-097); nobody waits for it.  The default prints a line
 * on stderr.  NULL restores it.  For the whole process; thread-safe.  The hook
 * borrows the record. */
GREENLET_API void greenlet_set_unraisable(
    void (*hook)(struct greenlet *g,
                 const struct greenlet_exception *exception));

/* ---- messages ------------------------------------------------------------- */

/* Any number of values, by position and by keyword: the arguments of Python's
 * switch (G-020).  One plain pointer needs none: see greenlet_switch(). */
struct greenlet_message;

enum greenlet_shape {
    GREENLET_EMPTY,  /* nothing: Python's () */
    GREENLET_SINGLE, /* one by position: the object itself */
    GREENLET_TUPLE,  /* several by position */
    GREENLET_DICT,   /* by keyword only */
    GREENLET_BOTH    /* both: (tuple, dict), even with one by position */
};

/* An empty message, given to the caller; NULL when there is no memory. */
GREENLET_API struct greenlet_message *greenlet_message_new(void);
/* Destroy it and the values in it.  NULL is fine.  A destroy function of a value
 * may switch. */
GREENLET_API void greenlet_message_free(struct greenlet_message *message);
/* Add a value; name NULL means by position, else by keyword (copied).
 *
 * Ownership: data is given; `destroy` (may be NULL) is called with it when the
 * message is freed.
 * Returns 0, -ENOMEM, or -EEXIST for a keyword that is there; then data stays
 * the caller's. */
GREENLET_API int greenlet_message_add(struct greenlet_message *message,
                                      const char *name, void *data,
                                      void (*destroy)(void *data));
/* How many values by position, and by keyword. */
GREENLET_API size_t
greenlet_message_positional(const struct greenlet_message *message);
GREENLET_API size_t
greenlet_message_keywords(const struct greenlet_message *message);
/* The i-th value by position; NULL beyond the last. */
GREENLET_API void *greenlet_message_at(const struct greenlet_message *message,
                                       size_t i);
/* The value of a keyword.  Returns 0 with *data set, or -ENODATA. */
GREENLET_API int greenlet_message_get(const struct greenlet_message *message,
                                      const char *name, void **data);
/* The i-th keyword, in the order they were added: its name (borrowed; NULL
 * beyond the last), and its value in *data unless data is NULL. */
GREENLET_API const char *
greenlet_message_keyword(const struct greenlet_message *message, size_t i,
                         void **data);
/* Its shape (G-020). */
GREENLET_API enum greenlet_shape
greenlet_message_shape(const struct greenlet_message *message);

/* Take the message that the last switch of the calling greenlet delivered, or
 * that started it (G-021); NULL when what came was a plain pointer.
 *
 * Ownership: the message is given (greenlet_message_free()).  One that nobody
 * takes is freed when the next one comes, or with the greenlet. */
GREENLET_API struct greenlet_message *greenlet_received(void);

/* ---- making ---------------------------------------------------------------- */

/* The body of a greenlet.  `value` is what the first switch sent.
 *
 * Returns 0 with *result (NULL at entry) set: the value goes to the parent, as
 * one value (G-023); or a negative errno: the record that was caught here last
 * goes to the parent if it has that error, or else a new one, of
 * greenlet_exit_class for -ECANCELED and of greenlet_error_class otherwise. */
typedef int greenlet_run(void *value, void **result);

/* A body with something of its own, which is destroyed as soon as the body has
 * returned or cannot be run any more (G-108); `destroy` may switch. */
struct greenlet_callable {
    greenlet_run *run;
    void *closure;
    void (*destroy)(void *closure);
};

/* A body that cannot be called (G-005): a greenlet started with it ends at once
 * by a record of greenlet_type_class. */
GREENLET_API greenlet_run greenlet_not_callable;

/* What greenlets of one kind share; static memory of the program's. */
struct greenlet_type {
    const char *name;
    /* Asked for the body at the first switch or throw, before the start is
     * committed (G-010); *run has what was set.  May switch, start g, give g
     * another parent (G-045 ... G-047).  Returns 0, or a negative errno, which
     * the switch returns, with nothing started; *run is borrowed unless
     * changed.  NULL: what was set. */
    int (*resolve_run)(struct greenlet *g, struct greenlet_callable *run);
    /* Called when the last reference went, before g is killed or freed.  May
     * switch, and may keep g by taking a reference.  NULL: nothing. */
    void (*finalize)(struct greenlet *g);
};

/* Make a greenlet that will call `run` on a stack of its own (G-001, G-002).
 *
 * run NULL means none yet (G-006).  parent NULL means the current greenlet
 * (G-003); it is kept (counted).  stack_size is in bytes, 0 for the default of
 * 128 KiB; smaller ones than 16 KiB are made 16 KiB.  Nothing runs yet.
 *
 * Ownership: given to the caller, who ends it with greenlet_unref().
 * Returns NULL when no stack could be mapped (the record has -ENOMEM), or in a
 * process that is ending (-ESHUTDOWN, G-112). */
GREENLET_API struct greenlet *greenlet_new(greenlet_run *run,
                                           struct greenlet *parent,
                                           size_t stack_size);

/* The same for a type (NULL: the plain one) and a callable (NULL: none), which
 * is copied and whose closure is given, also when this fails. */
GREENLET_API struct greenlet *
greenlet_new_of(const struct greenlet_type *type,
                const struct greenlet_callable *callable,
                struct greenlet *parent, size_t stack_size);

/* The type; NULL for a plain one.  Thread-safe. */
GREENLET_API const struct greenlet_type *
greenlet_type_of(const struct greenlet *g);

/* Give g a body, or, with NULL, take it away (G-007, G-008).  The closure is
 * given, also when this fails; that of the old body is destroyed.
 * Returns 0 or
 *   -EBUSY   the start began: run cannot be set after it
 *   -EPERM   g is a main greenlet (G-009) */
GREENLET_API int greenlet_set_run(struct greenlet *g,
                                  const struct greenlet_callable *callable);

/* The body of a new greenlet, borrowed.  Returns 0, or -ENODATA when there is
 * none, when the start began, or for a main greenlet. */
GREENLET_API int greenlet_get_run(const struct greenlet *g,
                                  struct greenlet_callable *callable);

/* The closure of the body that the calling greenlet runs; NULL if none. */
GREENLET_API void *greenlet_closure(void);

/* Count a reference, give one up.  A suspended greenlet that loses its last
 * reference is thrown greenlet_exit_class and runs to its end before unref
 * returns (G-095 ... G-101); a new one is freed (G-098).  unref switches.  From
 * another thread the end is queued for the owner (G-102), or, if the owner has
 * exited, the memory is freed (G-104): both are thread-safe.  unref(NULL) does
 * nothing. */
GREENLET_API struct greenlet *greenlet_ref(struct greenlet *g);
GREENLET_API void greenlet_unref(struct greenlet *g);

/* A handle that does not keep its greenlet (G-013).  All three are thread-safe.
 * new: NULL when there is no memory.  get: a counted reference, or NULL when
 * the greenlet is gone; it is not yet while its own kill runs.  free: NULL is
 * fine. */
struct greenlet_weak;
GREENLET_API struct greenlet_weak *greenlet_weak_new(struct greenlet *g);
GREENLET_API struct greenlet *greenlet_weak_get(struct greenlet_weak *weak);
GREENLET_API void greenlet_weak_free(struct greenlet_weak *weak);

/* ---- switching ------------------------------------------------------------- */

/* Switch to `g`, sending it `value` (G-020 ... G-034).
 *
 * The first switch starts g; each later one makes the switch that g is
 * suspended in deliver `value`.  A dead g stands for its parent, and so on up
 * to the main greenlet, which never dies before its thread.  When control comes
 * back, *result (unless result is NULL) is what the greenlet that switched back
 * sent: its pointer, or what greenlet_switch_message() says.
 *
 * Ownership: value and *result pass through.  Switches; allocates nothing.
 * Returns 0, or the error of the record thrown here, or, with nothing moved:
 *   -EXDEV     g belongs to another thread (G-124)
 *   -ESRCH     its thread has exited, or g has been freed (G-126)
 *   -ENODATA   g, or the ancestor that stands for it, has no body (G-006)
 *   -EDEADLK   the caller is in a signal handler (G-147); leaves no record
 *   -ENOSYS    the switch itself failed (G-052)
 *   -ESHUTDOWN the process is ending (G-112) */
GREENLET_API int greenlet_switch(struct greenlet *g, void *value,
                                 void **result);

/* The same with a message instead of one pointer.  The receiver takes it by
 * greenlet_received(); as a plain pointer it sees the value itself for
 * GREENLET_SINGLE, and the message for every other shape.
 *
 * Ownership: the message is given, also when this fails.  NULL is an empty
 * one. */
GREENLET_API int greenlet_switch_message(struct greenlet *g,
                                         struct greenlet_message *message,
                                         void **result);

/* Throw `exception` into g (G-060 ... G-073); NULL throws greenlet_exit_class
 * with no payload.  The record is copied; payload and cause are given, and are
 * destroyed when this fails, for whatever reason.  Thrown into a dead g an exit is a value for the parent, another
 * record goes to the first ancestor that is not dead (G-068); into the calling
 * greenlet it is this call that ends by it (G-069).
 *
 * Returns as greenlet_switch(), and -EINVAL for a record without a class.
 * Switches. */
GREENLET_API int greenlet_throw(struct greenlet *g,
                                const struct greenlet_exception *exception,
                                void **result);

/* All forms in which Python's throw() may be called (G-061):
 *   cls alone; cls and payload: a record of cls
 *   cls and instance: the instance itself if it is of cls or below, else a
 *     record of cls with a copy of the instance as its cause
 *   instance alone: that record
 *   nothing: greenlet_exit_class
 * Ownership as for greenlet_throw().
 * Returns as greenlet_throw(), and, with g untouched, -EINVAL for an instance
 * with a payload beside it (G-062), -ENOMEM. */
struct greenlet_throw_form {
    const struct greenlet_class *cls;
    const struct greenlet_exception *instance;
    void *payload;
    void (*destroy)(void *payload);
    const void *origin;
};
GREENLET_API int greenlet_throw_as(struct greenlet *g,
                                   const struct greenlet_throw_form *form,
                                   void **result);

/* The running greenlet of this thread; makes the thread's main greenlet on
 * first use (G-110), and ends what other threads dropped (G-111): it may
 * switch.  Borrowed; NULL only in a process that is ending (G-112). */
GREENLET_API struct greenlet *greenlet_current(void);

/* For signal handlers: between enter and leave a switch of this thread is
 * refused with -EDEADLK (G-147).  A handler that is left by siglongjmp() calls
 * leave before.  Async-signal-safe; they nest. */
GREENLET_API void greenlet_signal_enter(void);
GREENLET_API void greenlet_signal_leave(void);

/* ---- parent, state, data --------------------------------------------------- */

/* The parent; NULL for a main greenlet.  Borrowed. */
GREENLET_API struct greenlet *greenlet_parent(const struct greenlet *g);

/* Give g another parent (G-080 ... G-088), kept.  What counts is the parent that
 * g has when it ends (G-086).  The old one loses a reference: may switch.
 * Returns 0 or
 *   -EPERM   g is a main greenlet
 *   -EINVAL  parent is NULL
 *   -ELOOP   the chain would be cyclic
 *   -EXDEV   g has started and parent belongs to another thread
 * Any other parent is taken, a dead one too: where g's result goes is looked at
 * when g ends. */
GREENLET_API int greenlet_set_parent(struct greenlet *g,
                                     struct greenlet *parent);

/* Finished: it was started, or thrown into, and has ended; or its thread has
 * exited.  These four are thread-safe; of another thread's greenlet the answer
 * may be old. */
GREENLET_API bool greenlet_dead(const struct greenlet *g);
/* The first switch or throw has been made. */
GREENLET_API bool greenlet_started(const struct greenlet *g);
/* Started and not finished: Python's truth value. */
GREENLET_API bool greenlet_active(const struct greenlet *g);
/* The one that its thread began with. */
GREENLET_API bool greenlet_main(const struct greenlet *g);

/* One pointer of the user's (G-011); `destroy` (may be NULL) is called with it
 * when another replaces it or the greenlet is freed; it may switch. */
GREENLET_API void greenlet_set_userdata(struct greenlet *g, void *userdata,
                                        void (*destroy)(void *userdata));
GREENLET_API void *greenlet_userdata(const struct greenlet *g);

/* A name for people: copied, at most 31 bytes; what does not print, and quotes,
 * become `?`.  greenlet_name() is "" if none
 * was given; borrowed. */
GREENLET_API void greenlet_set_name(struct greenlet *g, const char *name);
GREENLET_API const char *greenlet_name(const struct greenlet *g);

/* ---- cleanups --------------------------------------------------------------- */

/* Call function(data) when the calling greenlet ends, whichever way it does:
 * what was deferred last comes first, after its body has returned and before its
 * result is seen.  It runs in the greenlet and may switch, but waits of the hub
 * in one that was killed need hub_shield_begin().  In a main greenlet only
 * greenlet_run_deferred() runs it.
 * Returns 0, or -ENOMEM: then it is not called. */
GREENLET_API int greenlet_defer(void (*function)(void *data), void *data);

/* Take back what was deferred last with these two, without calling it.
 * Returns 0 or -ENOENT. */
GREENLET_API int greenlet_undefer(void (*function)(void *data), void *data);

/* What the calling greenlet deferred last, for greenlet_run_deferred(); NULL:
 * nothing.  Not to be looked into. */
GREENLET_API const void *greenlet_deferred(void);

/* Run now what was deferred since greenlet_deferred() gave `since`, the last
 * first; NULL: all.  Switches if what it calls does. */
GREENLET_API void greenlet_run_deferred(const void *since);

/* ---- tracing --------------------------------------------------------------- */

enum greenlet_event { GREENLET_SWITCHED = 1, GREENLET_THREW = 2 };

/* Called in `target`, which is current, after the stack was switched and before
 * what was sent is delivered (G-133); GREENLET_THREW if a record is delivered
 * (G-134).  Events that it does not know it must ignore.  It may switch, and is
 * called again for that (G-137).
 *
 * Returns 0; or a negative errno, as a body does: then the tracer is removed,
 * what was to be delivered is destroyed, and the error is delivered instead
 * (G-136). */
typedef int greenlet_tracer(enum greenlet_event event, struct greenlet *origin,
                            struct greenlet *target, void *data);

/* Set the tracer of this thread (G-130, G-131); NULL removes it.  The previous
 * one is returned, with its data in *old_data unless that is NULL. */
GREENLET_API greenlet_tracer *greenlet_settrace(greenlet_tracer *tracer,
                                                void *data, void **old_data);
GREENLET_API greenlet_tracer *greenlet_gettrace(void **data);

/* ---- C++ -------------------------------------------------------------------- */

/* What a C++ runtime keeps of the exceptions that a thread handles is kept for
 * each greenlet.  A runtime that is in the process before this library is found;
 * one that is loaded later is told of here: `get_globals` is __cxa_get_globals().
 * What includes this header as C++ does it when it is loaded, see below. */
GREENLET_API void greenlet_cxx_runtime(void *(*get_globals)(void));

#ifdef __cplusplus
}
#endif

#if defined(__cplusplus) && defined(__EXCEPTIONS)
/* By a name of ours: not every <cxxabi.h> declares it (that of libc++). */
extern "C" void *greenlet_cxx_globals(void) __asm__("__cxa_get_globals");
namespace
{
const struct greenlet_cxx_is_here {
    greenlet_cxx_is_here()
    {
        greenlet_cxx_runtime(greenlet_cxx_globals);
    }
} greenlet_cxx_here;
} // namespace
#endif
#endif
