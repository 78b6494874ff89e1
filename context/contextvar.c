/* contextvar.c - context variables: variables, bindings, tokens
 *
 * Contexts, and the locks, are in varcontext.c.  A destroy function of the
 * program may switch: it is called with no lock held, and after everything of
 * ours is as it should be. */
#include "context/testhook.h"
#include "context/varcell.h"
#include "context/varcontext.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct greenlet_token {
    struct greenlet_var *var;         /* counted */
    struct greenlet_context *context; /* counted: where the set was made */
    struct greenlet__binding *old;    /* counted; NULL: there was none */
};

_Static_assert(sizeof(struct greenlet__binding) <= GREENLET__CELL_SIZE,
               "a value fits a cell");

static uint32_t variables; /* atomic: how many were ever declared */

int greenlet__vars_no_memory(void)
{
    return greenlet__fail(-ENOMEM, &greenlet_memory_class, "out of memory");
}

int greenlet__vars_no_value(void)
{
    return greenlet__fail(-ENODATA, &greenlet_attribute_class,
                          "context variable has no value");
}

/* ---- variables ---- */

struct greenlet_var *greenlet_var_new(const char *name,
                                      void (*destroy)(void *value))
{
    size_t length = name == NULL ? 0 : strlen(name);
    struct greenlet_var *var = greenlet__calloc(1, sizeof *var + length + 1);

    if (var == NULL) {
        greenlet__vars_no_memory();
        return NULL;
    }
    var->refs = 1;
    var->hash = __atomic_fetch_add(&variables, 1, __ATOMIC_RELAXED);
    var->destroy = destroy;
    if (length > 0)
        memcpy(var->name, name, length);
    return var;
}

struct greenlet_var *greenlet_var_ref(struct greenlet_var *var)
{
    greenlet__count(&var->refs);
    return var;
}

void greenlet_var_unref(struct greenlet_var *var)
{
    if (var == NULL || !greenlet__was_last(&var->refs))
        return;
    if (var->has_fallback && var->destroy != NULL)
        var->destroy(var->fallback);
    free(var);
}

const char *greenlet_var_name(const struct greenlet_var *var)
{
    return var->name;
}

int greenlet_var_set_default(struct greenlet_var *var, void *value)
{
    if (var->has_fallback)
        return greenlet__fail(-EEXIST, &greenlet_value_class,
                              "context variable has a default already");
    var->fallback = value;
    var->has_fallback = true;
    return 0;
}

/* ---- bindings ---- */

struct greenlet__binding *greenlet__binding_make(struct greenlet_var *var,
                                                 void *value)
{
    struct greenlet__binding *binding = greenlet__cell_take();

    if (binding == NULL)
        return NULL;
    binding->refs = 1;
    binding->var = greenlet_var_ref(var);
    binding->value = value;
    return binding;
}

void greenlet__bindings_destroy(struct greenlet__binding *dead)
{
    while (dead != NULL) {
        struct greenlet__binding *binding = dead;
        struct greenlet_var *var = binding->var;
        void *value = binding->value;

        dead = binding->next_dead;
        greenlet__cell_give(binding);
        if (var->destroy != NULL)
            var->destroy(value);
        greenlet_var_unref(var);
    }
}

/* ---- values ---- */

/* Broken on purpose: what a new greenlet would see if it began with its
 * creator's context. */
static bool get_inherited(const struct greenlet *g, struct greenlet_var *var,
                          void **value)
{
    struct greenlet *from = g->parent;

    while (from != NULL && !greenlet__vars_get(from, var, value))
        from = from->parent;
    return from != NULL;
}

static bool get(struct greenlet_var *var, void **value)
{
    struct greenlet *g = greenlet__thread_self()->current;

    if (likely(greenlet__vars_get(g, var, value)))
        return true;
    return GREENLET__BROKEN(113) && get_inherited(g, var, value);
}

int greenlet_var_get(struct greenlet_var *var, void **value)
{
    if (likely(get(var, value)))
        return 0;
    if (!var->has_fallback)
        return greenlet__vars_no_value();
    *value = var->fallback;
    return 0;
}

void *greenlet_var_get_or(struct greenlet_var *var, void *fallback)
{
    void *value;

    return get(var, &value) ? value : fallback;
}

/* Whose variables a set of the running greenlet changes. */
static struct greenlet *setter(void)
{
    struct greenlet__thread *thread = greenlet__thread_self();

    return GREENLET__BROKEN(114) ? &thread->main : thread->current;
}

static void done_here(struct greenlet__binding *replaced,
                      struct greenlet_token *token,
                      struct greenlet__binding **dead)
{
    if (token != NULL)
        token->old = replaced;
    else if (replaced != NULL)
        greenlet__binding_drop(replaced, dead);
}

/* The binding is given.  That others changed the context meanwhile (G-117) is no
 * error: the change is made again from what they left.  Returns 0 or -ENOMEM. */
static int set(struct greenlet *g, struct greenlet__binding *binding,
               struct greenlet_token *token, struct greenlet__binding **dead)
{
    struct greenlet__vars_change change;
    struct greenlet__binding *old;
    bool done = false;
    int rc = 0;

    if (likely(greenlet__vars_set_here(
            g, binding, token == NULL ? NULL : &token->context, &old))) {
        done_here(old, token, dead);
        return 0;
    }
    while (rc == 0 && !done) {
        rc = greenlet__vars_begin(g, &change);
        if (rc == 0)
            rc = greenlet__varmap_set(&change.before, binding, &change.after);
        if (rc == 0)
            done = greenlet__vars_commit(
                g, &change, token == NULL ? NULL : &token->context);
        if (done && token != NULL) {
            old = greenlet__varmap_find(&change.before, binding->var);
            token->old = old == NULL ? NULL : greenlet__binding_ref(old);
        }
        greenlet__vars_end(&change, dead);
    }
    greenlet__binding_drop(binding, dead);
    return rc;
}

static struct greenlet_token *token_make(struct greenlet_var *var)
{
    struct greenlet_token *token = greenlet__calloc(1, sizeof *token);

    if (token != NULL)
        token->var = greenlet_var_ref(var);
    return token;
}

int greenlet_var_set(struct greenlet_var *var, void *value,
                     struct greenlet_token **token)
{
    struct greenlet__binding *binding = greenlet__binding_make(var, value);
    struct greenlet__binding *dead = NULL;
    struct greenlet_token *made = NULL;
    int rc = -ENOMEM;

    if (binding == NULL) {
        if (var->destroy != NULL)
            var->destroy(value);
        return greenlet__vars_no_memory();
    }
    if (token != NULL)
        made = token_make(var);
    if (token == NULL || made != NULL)
        rc = set(setter(), binding, made, &dead);
    else
        greenlet__binding_drop(binding, &dead);
    if (rc == 0 && token != NULL)
        *token = made;
    if (rc < 0)
        greenlet_token_free(made);
    greenlet__bindings_destroy(dead);
    return rc == 0 ? 0 : greenlet__vars_no_memory();
}

/* ---- tokens ---- */

void greenlet_token_free(struct greenlet_token *token)
{
    struct greenlet__binding *dead = NULL;
    struct greenlet_token ended;

    if (token == NULL)
        return;
    ended = *token;
    free(token);
    if (ended.old != NULL)
        greenlet__binding_drop(ended.old, &dead);
    greenlet__bindings_destroy(dead);
    greenlet_context_unref(ended.context);
    greenlet_var_unref(ended.var);
}

int greenlet_token_old(const struct greenlet_token *token, void **value)
{
    if (token->old == NULL)
        return greenlet__vars_no_value();
    *value = token->old->value;
    return 0;
}

/* Returns 0, -EXDEV or -ENOMEM. */
static int reset(struct greenlet *g, const struct greenlet_token *token,
                 struct greenlet__binding **dead)
{
    struct greenlet__vars_change change;
    bool done = false;
    int rc = 0;

    while (rc == 0 && !done) {
        if (greenlet__read(g->vars) != token->context)
            return -EXDEV;
        rc = greenlet__vars_begin(g, &change);
        if (rc == 0 && change.context == token->context) {
            rc = token->old != NULL
                     ? greenlet__varmap_set(&change.before, token->old,
                                            &change.after)
                     : greenlet__varmap_remove(&change.before, token->var,
                                               &change.after);
            done = rc == 0 && greenlet__vars_commit(g, &change, NULL);
        }
        greenlet__vars_end(&change, dead);
    }
    return rc;
}

int greenlet_var_reset(struct greenlet_var *var, struct greenlet_token *token)
{
    struct greenlet__binding *dead = NULL;
    int rc;

    if (token->var != var)
        return greenlet__fail(-EINVAL, &greenlet_value_class,
                              "token was created by a different variable");
    rc = reset(setter(), token, &dead);
    greenlet__bindings_destroy(dead);
    if (rc == -EXDEV)
        return greenlet__fail(-EXDEV, &greenlet_value_class,
                              "token was created in a different context");
    if (rc < 0)
        return greenlet__vars_no_memory();
    greenlet_token_free(token);
    return 0;
}
