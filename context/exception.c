/* exception.c - thrown records: their classes, and who owns them
 *
 * A record is data that moves: from the thrower through `transit` of the target
 * into `caught`, where it stays until the program takes it, the next one comes,
 * or the greenlet is freed.  A destroy function may switch, so that no record is
 * destroyed between storing what a switch sends and the switch (G-050). */
#include "context/greenlet_impl.h"
#include "context/testhook.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

const struct greenlet_class greenlet_base_class = { "BaseException", NULL,
                                                    -EIO };
const struct greenlet_class greenlet_exit_class = { "GreenletExit",
                                                    &greenlet_base_class,
                                                    -ECANCELED };
const struct greenlet_class greenlet_exception_class = { "Exception",
                                                         &greenlet_base_class,
                                                         -EIO };
const struct greenlet_class greenlet_error_class = {
    "greenlet.error", &greenlet_exception_class, -EXDEV
};
const struct greenlet_class greenlet_attribute_class = {
    "AttributeError", &greenlet_exception_class, -ENODATA
};
const struct greenlet_class greenlet_type_class = { "TypeError",
                                                    &greenlet_exception_class,
                                                    -EINVAL };
const struct greenlet_class greenlet_value_class = { "ValueError",
                                                     &greenlet_exception_class,
                                                     -EDOM };
const struct greenlet_class greenlet_system_class = {
    "SystemError", &greenlet_exception_class, -ENOSYS
};
const struct greenlet_class greenlet_memory_class = {
    "MemoryError", &greenlet_exception_class, -ENOMEM
};

static void (*unraisable_hook)(struct greenlet *,
                               const struct greenlet_exception *);

bool greenlet_class_is(const struct greenlet_class *cls,
                       const struct greenlet_class *of)
{
    while (cls != NULL && cls != of)
        cls = cls->base;
    return cls != NULL;
}

/* Causes are freed in a loop: a chain may be long, a stack is not. */
void greenlet_exception_clear(struct greenlet_exception *exception)
{
    struct greenlet_exception mine = *exception;

    memset(exception, 0, sizeof *exception);
    for (;;) {
        struct greenlet_exception *cause = mine.cause;

        if (mine.destroy != NULL)
            mine.destroy(mine.payload);
        if (cause == NULL)
            return;
        mine = *cause;
        free(cause);
    }
}

void greenlet__set_caught(struct greenlet *self,
                          const struct greenlet_exception *exception)
{
    struct greenlet_exception old = { 0 };

    if (self->has & HAS_CAUGHT)
        old = self->caught;
    self->caught = *exception;
    self->has |= HAS_CAUGHT;
    greenlet_exception_clear(&old);
}

bool greenlet_caught(struct greenlet_exception *exception)
{
    struct greenlet__thread *thread = greenlet__thread_peek();
    struct greenlet *self = thread != NULL ? thread->current : NULL;

    if (self == NULL || !(self->has & HAS_CAUGHT))
        return false;
    *exception = self->caught;
    self->has &= (uint8_t)~HAS_CAUGHT;
    return true;
}

const struct greenlet_exception *greenlet_caught_peek(void)
{
    struct greenlet__thread *thread = greenlet__thread_peek();
    struct greenlet *self = thread != NULL ? thread->current : NULL;

    return self != NULL && (self->has & HAS_CAUGHT) ? &self->caught : NULL;
}

int greenlet_raise(const struct greenlet_exception *exception)
{
    struct greenlet_exception mine = *exception;

    if (mine.cls == NULL) {
        greenlet_exception_clear(&mine);
        return greenlet__fail(-EINVAL, &greenlet_type_class,
                              "exceptions must be classes, or instances");
    }
    if (mine.origin == NULL)
        mine.origin = __builtin_return_address(0);
    greenlet__set_caught(greenlet__thread_self()->current, &mine);
    return greenlet__error_of(&mine);
}

int greenlet__fail(int error, const struct greenlet_class *cls,
                   const char *text)
{
    const struct greenlet_exception record = {
        .cls = cls,
        .error = error,
        .text = text,
        .origin = __builtin_return_address(0)
    };

    greenlet__set_caught(greenlet__thread_self()->current, &record);
    return error;
}

void greenlet__take_raised(struct greenlet *self, int rc,
                           struct greenlet_exception *out)
{
    if ((self->has & HAS_CAUGHT) && greenlet__error_of(&self->caught) == rc) {
        *out = self->caught;
        self->has &= (uint8_t)~HAS_CAUGHT;
        return;
    }
    *out = (struct greenlet_exception){ .cls = rc == -ECANCELED
                                                   ? &greenlet_exit_class
                                                   : &greenlet_error_class,
                                        .error = rc };
}

void greenlet_set_unraisable(void (*hook)(struct greenlet *,
                                          const struct greenlet_exception *))
{
    __atomic_store_n(&unraisable_hook, hook, __ATOMIC_RELEASE);
}

void greenlet__unraisable(struct greenlet *g,
                          struct greenlet_exception *exception)
{
    void (*hook)(struct greenlet *, const struct greenlet_exception *) =
        __atomic_load_n(&unraisable_hook, __ATOMIC_ACQUIRE);

    if (hook != NULL)
        hook(g, exception);
    else
        fprintf(stderr, "vireo: ignored in killed greenlet %p: %s%s%s\n",
                (void *)g, exception->cls->name,
                exception->text != NULL ? ": " : "",
                exception->text != NULL ? exception->text : "");
    greenlet_exception_clear(exception);
}
