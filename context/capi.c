/* capi.c - upstream's C interface as a table (G-170 ... G-174)
 *
 * Failure is NULL or -1, and then there always is a record to be caught. */
#include "context/gate.h"
#include "context/greenlet_impl.h"

#include <errno.h>

/* greenlet_type_of() of a plain one is NULL; the table needs an object. */
static const struct greenlet_type plain = {.name = "greenlet"};

static int not_a_greenlet(void)
{
    greenlet__fail(-EINVAL, &greenlet_type_class, "a greenlet is expected");
    return -1;
}

static struct greenlet *capi_new(const struct greenlet_callable *run,
                                 struct greenlet *parent)
{
    return greenlet_new_of(NULL, run, parent, 0);
}

static struct greenlet *capi_getcurrent(void)
{
    struct greenlet *current = greenlet_current();

    return current != NULL ? greenlet_ref(current) : NULL;
}

/* What a switch delivered, as a message: a plain pointer is one value. */
static struct greenlet_message *delivered(int rc, void *value)
{
    struct greenlet_message *message;

    if (rc < 0) {
        if (greenlet_caught_peek() == NULL)
            greenlet__fail(rc, &greenlet_error_class,
                           "a switch failed without saying why");
        return NULL;
    }
    message = greenlet_received();
    if (message != NULL)
        return message;
    message = greenlet_message_new();
    if (message != NULL &&
        greenlet_message_add(message, NULL, value, NULL) == 0)
        return message;
    greenlet_message_free(message);
    greenlet__fail(-ENOMEM, &greenlet_memory_class, "no memory for a message");
    return NULL;
}

static struct greenlet_message *capi_throw(struct greenlet *g,
                                           const struct greenlet_class *cls,
                                           void *value, const void *origin)
{
    struct greenlet_throw_form form = {
        .cls = cls, .payload = value, .origin = origin};
    void *result = NULL;
    int rc;

    if (g == NULL) {
        not_a_greenlet();
        return NULL;
    }
    rc = greenlet_throw_as(g, &form, &result);
    return delivered(rc, result);
}

static struct greenlet_message *capi_switch(struct greenlet *g,
                                            struct greenlet_message *args)
{
    void *result = NULL;
    int rc;

    if (g == NULL) {
        greenlet_message_free(args);
        not_a_greenlet();
        return NULL;
    }
    rc = greenlet_switch_message(g, args, &result);
    return delivered(rc, result);
}

static int capi_setparent(struct greenlet *g, struct greenlet *parent)
{
    if (g == NULL)
        return not_a_greenlet();
    return greenlet_set_parent(g, parent) < 0 ? -1 : 0;
}

static int capi_main(struct greenlet *g)
{
    return g != NULL ? greenlet_main(g) : not_a_greenlet();
}

static int capi_started(struct greenlet *g)
{
    return g != NULL ? greenlet_started(g) : not_a_greenlet();
}

static int capi_active(struct greenlet *g)
{
    return g != NULL ? greenlet_active(g) : not_a_greenlet();
}

static struct greenlet *capi_getparent(struct greenlet *g)
{
    struct greenlet *parent;

    if (g == NULL) {
        not_a_greenlet();
        return NULL;
    }
    parent = greenlet_parent(g);
    return parent != NULL ? greenlet_ref(parent) : NULL;
}

const struct greenlet_capi *greenlet_capi(void)
{
    static const struct greenlet_capi table = {
        .type = &plain,
        .error = &greenlet_error_class,
        .exit = &greenlet_exit_class,
        .new_ = capi_new,
        .getcurrent = capi_getcurrent,
        .throw_ = capi_throw,
        .switch_ = capi_switch,
        .setparent = capi_setparent,
        .main = capi_main,
        .started = capi_started,
        .active = capi_active,
        .getparent = capi_getparent,
    };

    return &table;
}
