/* kill.c - the end of greenlets from outside: kill one, kill many, wait for it
 *
 * A kill is a scope around the whole greenlet that has ended (scope.c): nothing
 * is thrown, so that nothing can be lost or come twice. */
#include "hub/schedule.h"

#include <errno.h>
#include <string.h>

#define ERRNOS 4095 /* the kernel has no more */

/* Before its body began: its result is there, and it never will. */
static void end_unbegun(struct greenlet *g)
{
    struct hub__own *own = hub__own(g);
    struct hub__more *more = own->more;
    int rc = own->pending;

    greenlet_ref(g);
    if (more != NULL) {
        hub__cancel_start(g->thread->os->hub, g);
        more->failed = more->killed;
        memset(&more->killed, 0, sizeof more->killed);
        if (more->failed.cls != NULL &&
            !greenlet_class_is(more->failed.cls, &greenlet_exit_class)) {
            if (!(own->flags & HUB__QUIET))
                hub__handle_error(g->thread->os->hub, g, &more->failed);
        } else {
            rc = 0;
        }
    }
    if (rc == -ECANCELED)
        rc = 0;
    hub__finish(g, rc, NULL);
    greenlet_unref(g);
}

/* One that is suspended, but not by the hub: in greenlet_switch().  If it still is
 * when the loop comes to it, the exit is thrown into it. */
static void throw_exit(void *arg)
{
    struct greenlet *g = arg;

    if (!hub_ready(g) && greenlet__read(g->state) == GREENLET_ACTIVE)
        greenlet_throw(g, NULL, NULL);
    greenlet_unref(g);
}

static void kill_it(struct greenlet *g)
{
    struct hub__own *own = hub__own(g);

    own->flags |= HUB__KILLED;
    hub__scopes_changed(g);
    if ((own->flags & (HUB__SPAWNED | HUB__BEGUN | HUB__DONE)) == HUB__SPAWNED)
        end_unbegun(g);
    else if ((own->flags & HUB__SPAWNED) && g != greenlet__word->current &&
             greenlet__read(g->state) == GREENLET_ACTIVE)
        hub_call_soon(throw_exit, greenlet_ref(g));
}

static int check(const struct greenlet *g)
{
    int rc = hub__check_owner(g);

    return rc == 0 && g->is_main ? -EPERM : rc;
}

int hub_kill(struct greenlet *g)
{
    int rc = check(g);

    if (rc == 0 && !hub_ready(g) && !(hub__own(g)->flags & HUB__KILLED))
        kill_it(g);
    return rc;
}

int hub_kill_with(struct greenlet *g,
                  const struct greenlet_exception *exception)
{
    struct greenlet_exception record = *exception;
    struct hub__more *more = NULL;
    int rc = check(g);

    if (rc == 0 && record.cls == NULL)
        rc = -EINVAL;
    if (rc == 0 && (hub_ready(g) || (hub__own(g)->flags & HUB__KILLED)))
        goto unused;
    if (rc == 0 && (more = hub__more(g)) == NULL)
        rc = -ENOMEM;
    if (rc < 0)
        goto unused;
    if (record.origin == NULL)
        record.origin = __builtin_return_address(0);
    if (greenlet__error_of(&record) < -ERRNOS)
        record.error = -EIO; /* no errno, and more than `pending` can say */
    more->killed = record;
    kill_it(g);
    return 0;
unused:
    greenlet_exception_clear(&record);
    return rc;
}


/* Waits of self end with what it was killed with: the first to do so leaves the
 * record with its payload, later ones its class and error. */
void hub__killed_by(struct greenlet *self, int rc)
{
    struct hub__own *own = hub__own(self);
    struct hub__more *more = own->more;
    struct greenlet_exception record;

    if (more == NULL || more->killed.cls == NULL || own->pending != rc ||
        !(own->flags & HUB__KILLED))
        return;
    record = more->killed;
    more->killed = (struct greenlet_exception){ .cls = record.cls,
                                                .error = record.error,
                                                .origin = record.origin };
    greenlet_raise(&record);
}

/* ---- and wait for it ---- */

/* A deadline of its own passes in silence; a scope's does not. */
static int join_quietly(struct greenlet *g, int64_t deadline_ns)
{
    int rc = hub_join(g, deadline_ns);

    return rc == -ETIMEDOUT ? hub_canceled() : rc;
}

int hub_kill_join(struct greenlet *g, int64_t deadline_ns)
{
    int rc = hub_kill(g);

    if (rc < 0)
        return rc;
    if (g == greenlet_current())
        return hub_canceled();
    return join_quietly(g, deadline_ns);
}

int hub_leave(struct greenlet *g, int rc)
{
    int end;

    if (rc < 0) {
        hub_kill(g);
        hub_join(g, HUB_FOREVER);
        return rc;
    }
    end = hub_join(g, HUB_FOREVER);
    if (end < 0)
        hub_kill(g);
    return end < 0 ? end : rc;
}

static int kill_one(struct greenlet *g,
                    const struct greenlet_exception *exception)
{
    return exception != NULL ? hub_kill_with(g, exception) : hub_kill(g);
}

static bool has_begun(const struct greenlet *g)
{
    const struct hub__own *own = hub__own((struct greenlet *)g);

    return (own->flags & (HUB__SPAWNED | HUB__BEGUN)) != HUB__SPAWNED;
}

/* Those that have not begun first: what is told of the end of one must not let
 * another begin. */
static int kill_list(struct greenlet *const *list, size_t n,
                     const struct greenlet_exception *exception)
{
    int rc = 0;

    for (size_t i = 0; i < n && rc == 0; i++)
        if (!has_begun(list[i]))
            rc = kill_one(list[i], exception);
    for (size_t i = 0; i < n && rc == 0; i++)
        if (has_begun(list[i]))
            rc = kill_one(list[i], exception);
    return rc;
}

int hub_killall(struct greenlet *const *list, size_t n,
                const struct greenlet_exception *exception, int64_t deadline_ns)
{
    const struct greenlet *self = greenlet_current();
    int rc = 0;

    if (exception != NULL && (exception->cls == NULL ||
                              exception->payload != NULL ||
                              exception->cause != NULL))
        return -EINVAL;
    for (size_t i = 0; i < n && rc == 0; i++)
        rc = hub__check_owner(list[i]);
    if (rc == 0)
        rc = kill_list(list, n, exception);
    for (size_t i = 0; i < n && rc == 0; i++)
        if (list[i] != self)
            rc = hub_join(list[i], deadline_ns);
    return rc;
}
