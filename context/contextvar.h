/* contextvar.h - context variables: values that each greenlet has its own of
 *
 * A context is a map from variables to values.  Every greenlet has one of its
 * own, empty at first (G-113); copying one takes O(1), setting a variable
 * O(log n).  Functions return 0 or a negative errno; see greenlet.h. */
#ifndef VIREO_CONTEXTVAR_H
#define VIREO_CONTEXTVAR_H

#include "context/greenlet.h"

#ifdef __cplusplus
extern "C" {
#endif

struct greenlet_var;     /* a variable */
struct greenlet_token;   /* what a set can be undone with */
struct greenlet_context; /* a context; counted */

/* Declare a variable.  `name` is copied.  `destroy` (may be NULL) is called with
 * a value when no context has it any more; it may run on any thread that has the
 * context, and may switch.
 *
 * Ownership: given to the caller; contexts that hold a value of it keep it too.
 * Thread-safe.  Returns NULL when there is no memory. */
GREENLET_API struct greenlet_var *
greenlet_var_new(const char *name, void (*destroy)(void *value));
GREENLET_API struct greenlet_var *greenlet_var_ref(struct greenlet_var *var);
GREENLET_API void greenlet_var_unref(struct greenlet_var *var);
GREENLET_API const char *greenlet_var_name(const struct greenlet_var *var);

/* Its default, given to the variable (`destroy` is called with it at the end).
 * To be set before other threads use the variable.  -EEXIST: it has one, and
 * value stays the caller's. */
GREENLET_API int greenlet_var_set_default(struct greenlet_var *var,
                                          void *value);

/* The value in the calling greenlet's context, or the default of the variable.
 *
 * Ownership: borrowed until this greenlet's context is set or replaced.  Of a
 * context that several threads share (G-117): until any of them sets it; hold
 * a copy of the context to keep it.
 * Returns 0 with *value set, or -ENODATA (*value is left alone). */
GREENLET_API int greenlet_var_get(struct greenlet_var *var, void **value);
/* The same with a default of the call's own, which goes before the variable's. */
GREENLET_API void *greenlet_var_get_or(struct greenlet_var *var,
                                       void *fallback);

/* Set the value in the calling greenlet's context, which is made if there is
 * none (G-115).
 *
 * Ownership: value is given, also when this fails.  *token (unless token is
 * NULL) is given: greenlet_var_reset() or greenlet_token_free() ends it.
 * Returns 0 or -ENOMEM. */
GREENLET_API int greenlet_var_set(struct greenlet_var *var, void *value,
                                  struct greenlet_token **token);

/* Give the variable the value, or the absence of one, that it had before the
 * set that made `token`, and free the token.
 * Returns 0, or, with nothing changed and the token still the caller's,
 *   -EINVAL  the token is another variable's
 *   -EXDEV   it was made in another context than the current one
 *   -ENOMEM */
GREENLET_API int greenlet_var_reset(struct greenlet_var *var,
                                    struct greenlet_token *token);
GREENLET_API void greenlet_token_free(struct greenlet_token *token);
/* The value before, borrowed from the token.  0, or -ENODATA: there was none. */
GREENLET_API int greenlet_token_old(const struct greenlet_token *token,
                                    void **value);

/* An empty context; a copy of `context` (NULL: of the calling greenlet's) in
 * O(1), which nobody has entered.  Given; NULL when there is no memory.  ref and
 * unref count it.  Thread-safe. */
GREENLET_API struct greenlet_context *greenlet_context_new(void);
GREENLET_API struct greenlet_context *
greenlet_context_copy(struct greenlet_context *context);
GREENLET_API struct greenlet_context *
greenlet_context_ref(struct greenlet_context *context);
GREENLET_API void greenlet_context_unref(struct greenlet_context *context);

/* A context in which that variable has that value, and no other has one.  Given;
 * NULL when there is no memory.  Ownership: the value is given, also then. */
GREENLET_API struct greenlet_context *
greenlet_context_with(struct greenlet_var *var, void *value);

/* How many variables have a value in it; the value of one (0, or -ENODATA;
 * the default does not count); and a call of `each` for all of them, in no
 * order, until it returns other than 0, which is returned; what it changes
 * meanwhile it does not see. */
GREENLET_API size_t
greenlet_context_size(const struct greenlet_context *context);
GREENLET_API int greenlet_context_get(const struct greenlet_context *context,
                                      struct greenlet_var *var, void **value);
GREENLET_API int
greenlet_context_each(struct greenlet_context *context,
                      int (*each)(struct greenlet_var *var, void *value,
                                  void *data),
                      void *data);

/* The context of g: *context is given (counted), NULL if it has none yet (G-115).
 * A dead greenlet has the last it had (G-121).
 * Returns 0, or -EBUSY: g is running in another thread (G-118).  Thread-safe. */
GREENLET_API int greenlet_get_context(struct greenlet *g,
                                      struct greenlet_context **context);
/* Give g a context, in whatever state it is (G-116): NULL empties, another
 * greenlet's is shared from then on (G-117), a copy is not.  Counted.
 * Returns as greenlet_get_context().  Thread-safe. */
GREENLET_API int greenlet_set_context(struct greenlet *g,
                                      struct greenlet_context *context);

/* The calling greenlet has `context` (NULL: none) from now on.  Ownership: it is
 * given, and so is what comes back: the one that it had, NULL if none.  Two of these
 * are a scope: that of work that begins and ends in one function or several. */
GREENLET_API struct greenlet_context *
greenlet_swap_context(struct greenlet_context *context);

/* Call function(arg) in the calling greenlet with `context` as its context, and
 * give it back the one it had (G-120).
 *
 * function must return: a C++ exception that leaves it, or longjmp() out of it,
 * leaves the context entered.
 *
 * Returns what the function returned in *result (unless NULL) and 0; or
 *   -EBUSY   somebody has entered the context and not left it; not called
 *   -EDOM    when the function returned, the greenlet had another context than
 *            the one entered; that one stays, and the entered one is left */
GREENLET_API int greenlet_context_run(struct greenlet_context *context,
                                      int (*function)(void *arg), void *arg,
                                      int *result);

#ifdef __cplusplus
}
#endif
#endif
