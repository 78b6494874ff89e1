/* callback.c - calls that the loop makes, in the order of the ready list
 *
 * A callback lies on the ready list among greenlets.  When it is next, the loop's
 * greenlet gets control and calls it; so callbacks and greenlets take turns as
 * they were queued. */
#include "hub/schedule.h"

#include <errno.h>
#include <stdlib.h>

void hub__callback_init(struct hub_callback *callback, struct hub *hub,
                        void (*function)(void *arg), void *arg)
{
    callback->context = NULL;
    callback->thread = NULL;
    callback->next = NULL;
    callback->function = function;
    callback->arg = arg;
    callback->hub = hub;
    callback->done = NULL;
    callback->remote_next = NULL;
    callback->queued = 0;
}

void hub__callback_push(struct hub_callback *callback)
{
    struct hub *hub = callback->hub;

    greenlet__write(callback->queued, 1);
    hub__enter(hub);
    hub__push_ready(hub, (struct greenlet *)(void *)callback);
    hub__rouse(hub);
    hub__exit(hub);
}

void hub__callback_push_remote(struct hub_callback *callback)
{
    struct hub *hub = callback->hub;

    hub__ring_begin(hub);
    greenlet__write(callback->queued, 1);
    callback->remote_next =
        __atomic_load_n(&hub->remote_calls, __ATOMIC_RELAXED);
    while (!__atomic_compare_exchange_n(&hub->remote_calls,
                                        &callback->remote_next, callback, true,
                                        __ATOMIC_RELEASE, __ATOMIC_RELAXED))
        ;
    hub__ring_end(hub);
}

void hub__callbacks_take_remote(struct hub *hub)
{
    struct hub_callback *callback =
        __atomic_exchange_n(&hub->remote_calls, NULL, __ATOMIC_ACQUIRE);
    struct hub_callback *ordered = NULL, *next;

    for (; callback != NULL; callback = next) {
        next = callback->remote_next;
        callback->remote_next = ordered;
        ordered = callback;
    }
    for (; ordered != NULL; ordered = next) {
        next = ordered->remote_next;
        hub__push_ready(hub, (struct greenlet *)(void *)ordered);
    }
}

static struct hub_callback *take_first(struct hub *hub)
{
    struct greenlet *first = hub->ready_head;

    if (first == NULL || first->thread != NULL)
        return NULL;
    hub__enter(hub);
    hub->ready_head = first->next;
    if (first->next == NULL)
        hub->ready_tail = NULL;
    if (hub->batch_last == first)
        hub->batch_last = NULL;
    hub__exit(hub);
    return (struct hub_callback *)(void *)first;
}

void hub__callbacks_run(struct hub *hub)
{
    struct hub_callback *callback;

    while (!hub->poll_due && (callback = take_first(hub)) != NULL) {
        void (*function)(void *) = callback->function;
        void *arg = callback->arg;

        __atomic_store_n(&callback->queued, 0, __ATOMIC_RELEASE);
        if (callback->done != NULL)
            callback->done(callback);
        hub->promoted = NULL;
        if (function != NULL)
            function(arg);
        if (hub->switches >= --hub->look_at) /* it counts like one */
            hub__poll_is_due(hub);
    }
}

/* ---- for programs ---- */

static void free_callback(struct hub_callback *callback)
{
    free(callback);
}

static struct hub_callback *make(struct hub *hub, void (*function)(void *arg),
                                 void *arg)
{
    struct hub_callback *callback =
        hub != NULL ? greenlet__malloc(sizeof *callback) : NULL;

    if (callback != NULL) {
        hub__callback_init(callback, hub, function, arg);
        callback->done = free_callback;
    }
    return callback;
}

struct hub_callback *hub_call_soon(void (*function)(void *arg), void *arg)
{
    struct hub_callback *callback = make(hub__get(), function, arg);

    if (callback != NULL)
        hub__callback_push(callback);
    return callback;
}

void hub_callback_cancel(struct hub_callback *callback)
{
    callback->function = NULL;
}

int hub_call_soon_threadsafe(struct hub *hub, void (*function)(void *arg),
                             void *arg)
{
    struct hub_callback *callback = make(hub, function, arg);

    if (callback == NULL)
        return -ENOMEM;
    hub__callback_push_remote(callback);
    return 0;
}
