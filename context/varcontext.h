/* varcontext.h - contexts: what contextvar.c sees of varcontext.c
 *
 * Rules: no lock is held across malloc(), which may wait, a switch, or a call
 * of a function of the program. */
#ifndef GREENLET_VARCONTEXT_H
#define GREENLET_VARCONTEXT_H

#include "context/greenlet_impl.h"
#include "context/varmap.h"

/* The value that g's context has.  Takes one lock, or none if g has no context.
 * False: it has none, and *value is left alone. */
bool greenlet__vars_get(struct greenlet *g, const struct greenlet_var *var,
                        void **value);

/* Set a value in g's context at once, where nobody could see the map between: most
 * sets.  True: the binding is given, *replaced is the caller's (NULL: none), and so
 * is *context, unless that is NULL.  False: nothing was done; change it. */
bool greenlet__vars_set_here(struct greenlet *g,
                             struct greenlet__binding *binding,
                             struct greenlet_context **context,
                             struct greenlet__binding **replaced);

/* A change of g's context: begin; make `after` from `before`; commit; end, in
 * every case. */
struct greenlet__vars_change {
    struct greenlet_context *context;
    struct greenlet_context *fresh; /* the same if g had none: it gets this */
    struct greenlet__varmap before, after, replaced;
};
/* Returns 0 or -ENOMEM. */
int greenlet__vars_begin(struct greenlet *g,
                         struct greenlet__vars_change *change);
/* False: another thread changed the context, or gave g another; begin again.
 * True: g's context has `after` now, and is given in *context unless that is
 * NULL. */
bool greenlet__vars_commit(struct greenlet *g,
                           struct greenlet__vars_change *change,
                           struct greenlet_context **context);
void greenlet__vars_end(struct greenlet__vars_change *change,
                        struct greenlet__binding **dead);

/* NULL: no memory, and the value is still the caller's. */
struct greenlet__binding *greenlet__binding_make(struct greenlet_var *var,
                                                 void *value);
/* Call destroy for each, and free them.  Switches if they do. */
void greenlet__bindings_destroy(struct greenlet__binding *dead);
/* Leave a record; return -ENOMEM, -ENODATA. */
int greenlet__vars_no_memory(void);
int greenlet__vars_no_value(void);

#endif
