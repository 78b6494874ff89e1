/* wait.c - waiting for several objects, or greenlets, in the order of
 * readiness */
#include "context/testhook.h"
#include "hub/collect.h"

#include <errno.h>
#include <stdlib.h>

/* ---- a greenlet as an object ---- */

static const struct greenlet *itself(const void *g)
{
    return g;
}

static const struct hub__wait_kind waits_for_end = { "the end of greenlet",
                                                     itself };

static bool ready(const void *g)
{
    return hub_ready(g);
}

static int link_end(const struct hub_object *object, struct hub__link *link)
{
    struct greenlet *g = object->pointer;
    int rc = hub__check_owner(g);

    if (rc < 0)
        return rc;
    if (hub_ready(g))
        return 1;
    hub__end_link(g, link);
    return 0;
}

static bool unlink_end(const struct hub_object *object, struct hub__link *link)
{
    if (!hub__link_is_linked(link))
        return false;
    hub__end_unlink(object->pointer, link);
    return true;
}

static const struct hub_object_ops ends = { &waits_for_end, ready, link_end,
                                            unlink_end };

struct hub_object hub_greenlet_object(struct greenlet *g)
{
    return (struct hub_object){ &ends, g };
}

/* ---- several ---- */

static size_t limit(size_t count, size_t n)
{
    return count == 0 || count > n ? n : count;
}

int hub_wait(const struct hub_object *objects, size_t n, int64_t deadline_ns,
             size_t count, size_t *ready_at)
{
    struct hub__collector collector;
    size_t done = 0, index, most = limit(count, n);
    int rc;

    if (n == 0 && objects == NULL)
        return hub_drain(deadline_ns);
    rc = hub__collector_open(&collector, objects, n);
    if (rc < 0)
        return rc;
    while (done < most &&
           (rc = hub__collector_next(&collector, deadline_ns, &index)) > 0) {
        if (ready_at != NULL)
            ready_at[done] = index;
        done++;
    }
    hub__collector_close(&collector);
    if (rc == -ETIMEDOUT)
        rc = hub_canceled(); /* its own deadline is no error */
    return rc < 0 ? rc : (int)done;
}

struct hub_iwait {
    struct hub__collector collector;
    size_t left;
    bool over;
};

struct hub_iwait *hub_iwait_new(const struct hub_object *objects, size_t n,
                                size_t count)
{
    struct hub_iwait *iwait = greenlet__malloc(sizeof *iwait);

    if (iwait == NULL)
        return NULL;
    iwait->left = limit(count, n);
    iwait->over = false;
    if (hub__collector_open(&iwait->collector, objects, n) < 0) {
        free(iwait);
        return NULL;
    }
    return iwait;
}

int hub_iwait_next(struct hub_iwait *iwait, int64_t deadline_ns, size_t *index)
{
    int rc;

    if (iwait->left == 0 || iwait->over)
        return 0;
    rc = hub__collector_next(&iwait->collector, deadline_ns, index);
    if (rc > 0)
        iwait->left--;
    if (rc == -ETIMEDOUT && (rc = hub_canceled()) == 0)
        iwait->over = true;
    return rc;
}

size_t hub_iwait_left(const struct hub_iwait *iwait)
{
    return iwait->left;
}

void hub_iwait_free(struct hub_iwait *iwait)
{
    if (iwait == NULL)
        return;
    hub__collector_close(&iwait->collector);
    free(iwait);
}

/* ---- greenlets ---- */

/* The error it failed with, with a copy of its record left; 0: none. */
static int failure_of(struct greenlet *g)
{
    const struct greenlet_exception *record = hub_exception(g);
    struct greenlet_exception copy;

    if (hub_successful(g))
        return 0;
    if (record == NULL)
        return hub_get_now(g, NULL);
    copy = (struct greenlet_exception){ .cls = record->cls,
                                        .error = record->error,
                                        .text = record->payload == NULL
                                                    ? record->text
                                                    : NULL,
                                        .origin = record->origin };
    return greenlet_raise(&copy);
}

static int join_list(struct hub__collector *collector, int64_t deadline_ns,
                     bool raise, size_t most, struct greenlet **finished)
{
    size_t done = 0, index;
    int rc = 0;

    while (done < most &&
           (rc = hub__collector_next(collector, deadline_ns, &index)) > 0) {
        struct greenlet *g = collector->nodes[index].object.pointer;

        if (finished != NULL)
            finished[done] = g;
        done++;
        rc = raise ? failure_of(g) : 0;
        if (rc < 0)
            return rc;
    }
    if (rc == -ETIMEDOUT)
        rc = hub_canceled();
    return rc < 0 ? rc : (int)done;
}

int hub_joinall(struct greenlet *const *list, size_t n, int64_t deadline_ns,
                unsigned flags, size_t count, struct greenlet **finished)
{
    struct hub__collector collector;
    struct hub_object *objects;
    int rc;

    for (size_t i = 0; finished != NULL && i < n; i++)
        finished[i] = NULL;
    if (n == 0)
        return 0;
    objects = greenlet__calloc(n, sizeof *objects);
    if (objects == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++)
        objects[i] = hub_greenlet_object(list[i]);
    rc = hub__collector_open(&collector, objects, n);
    free(objects);
    if (rc < 0)
        return rc;
    rc = join_list(&collector, deadline_ns, (flags & HUB_JOIN_RAISE) != 0,
                   limit(count, n), finished);
    hub__collector_close(&collector);
    return rc;
}
