/* attributes.c - what can be asked of a greenlet and set on it */
#include "context/greenlet_impl.h"
#include "context/testhook.h"

#include <errno.h>
#include <string.h>

/* ---- parent ---- */

struct greenlet *greenlet_parent(const struct greenlet *g)
{
    return greenlet__parent_of(g);
}

bool greenlet__is_ancestor(const struct greenlet *g, const struct greenlet *of)
{
    while (of != NULL && of != g)
        of = of->parent;
    return of != NULL;
}

void greenlet__set_parent(struct greenlet *g, struct greenlet *parent)
{
    if (__libc_single_threaded) {
        greenlet__write(g->parent, parent);
        return;
    }
    pthread_mutex_lock(&greenlet__threads_lock);
    greenlet__write(g->parent, parent);
    pthread_mutex_unlock(&greenlet__threads_lock);
}

int greenlet_set_parent(struct greenlet *g, struct greenlet *parent)
{
    struct greenlet *old = g->parent;

    if (g->is_main)
        return greenlet__fail(-EPERM, &greenlet_attribute_class,
                              "cannot set the parent of a main greenlet");
    if (parent == NULL)
        return greenlet__fail(-EINVAL, &greenlet_type_class,
                              "parent must be a greenlet");
    if (greenlet__is_ancestor(g, parent))
        return greenlet__fail(-ELOOP, &greenlet_value_class,
                              "cyclic parent chain");
    if (greenlet__read(g->state) != GREENLET_NEW &&
        greenlet__tree_of(parent) != greenlet__read(g->thread))
        return greenlet__fail(-EXDEV, &greenlet_value_class,
                              "parent cannot be on a different thread");
    greenlet__set_parent(g, greenlet_ref(parent));
    if (greenlet__word != NULL)
        greenlet__word->reparented = 1;
    if (old != NULL)
        greenlet_unref(old);
    return 0;
}

/* ---- the body ---- */

int greenlet_set_run(struct greenlet *g,
                     const struct greenlet_callable *callable)
{
    static const struct greenlet_callable none = { NULL, NULL, NULL };
    struct greenlet_callable given = callable != NULL ? *callable : none;
    struct greenlet_callable old = { NULL, NULL, NULL };
    bool main = g->is_main, is_new = greenlet__read(g->state) == GREENLET_NEW;

    if (main || !is_new) {
        old = given;
    } else {
        if (g->has & HAS_CLOSURE)
            old = (struct greenlet_callable){ g->run, g->closure,
                                              g->destroy_closure };
        g->run = given.run;
        g->closure = given.closure;
        g->destroy_closure = given.destroy;
        g->has |= HAS_CLOSURE;
    }
    if (old.destroy != NULL)
        old.destroy(old.closure); /* may switch: the record comes after it */
    if (main)
        return greenlet__fail(-EPERM, &greenlet_attribute_class,
                              "cannot set the run attribute of a main greenlet");
    if (!is_new)
        return greenlet__fail(-EBUSY, &greenlet_attribute_class,
                              "run cannot be set after the start of the "
                              "greenlet");
    return 0;
}

int greenlet_get_run(const struct greenlet *g,
                     struct greenlet_callable *callable)
{
    if (g->is_main)
        return greenlet__fail(-ENODATA, &greenlet_attribute_class,
                              "a main greenlet has no run attribute");
    if (g->run == NULL ||
        (greenlet__read(g->state) != GREENLET_NEW && !GREENLET__BROKEN(7)))
        return greenlet__fail(-ENODATA, &greenlet_attribute_class, "run");
    *callable = (struct greenlet_callable){ g->run, NULL, NULL };
    if (g->has & HAS_CLOSURE) {
        callable->closure = g->closure;
        callable->destroy = g->destroy_closure;
    }
    return 0;
}

void *greenlet_closure(void)
{
    struct greenlet__thread *thread = greenlet__thread_peek();
    const struct greenlet *self = thread != NULL ? thread->current : NULL;

    return self != NULL && (self->has & HAS_CLOSURE) ? self->closure : NULL;
}

const struct greenlet_type *greenlet_type_of(const struct greenlet *g)
{
    return g->type;
}

/* ---- state ---- */

bool greenlet_dead(const struct greenlet *g)
{
    return greenlet__read(g->state) >= GREENLET_LEAVING;
}

bool greenlet_started(const struct greenlet *g)
{
    return greenlet__read(g->state) != GREENLET_NEW;
}

bool greenlet_active(const struct greenlet *g)
{
    return greenlet__is_active(g);
}

bool greenlet_main(const struct greenlet *g)
{
    return g->is_main != 0;
}

/* ---- the program's own ---- */

void greenlet_set_userdata(struct greenlet *g, void *userdata,
                           void (*destroy)(void *userdata))
{
    void *old = g->userdata;
    void (*destroy_old)(void *) =
        g->has & HAS_USERDATA ? g->destroy_userdata : NULL;

    g->userdata = userdata;
    g->destroy_userdata = destroy;
    g->has |= HAS_USERDATA;
    if (destroy_old != NULL)
        destroy_old(old);
}

void *greenlet_userdata(const struct greenlet *g)
{
    return g->has & HAS_USERDATA ? g->userdata : NULL;
}

void greenlet_set_name(struct greenlet *g, const char *name)
{
    size_t length = strnlen(name, sizeof g->name - 1);

    for (size_t i = 0; i < length; i++) {
        unsigned char at = (unsigned char)name[i];

        g->name[i] = at < ' ' || at == '"' || at == 0x7f ? '?' : name[i];
    }
    g->name[length] = '\0';
    g->has |= HAS_NAME;
}

const char *greenlet_name(const struct greenlet *g)
{
    return g->has & HAS_NAME ? g->name : "";
}
