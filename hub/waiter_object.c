/* waiter_object.c - struct hub_waiter: what a callback hands to one greenlet */
#include "hub/schedule.h"
#include "hub/watcher.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct hub_waiter {
    struct hub *hub;
    unsigned hub_id;                  /* which may be gone */
    struct hub__waiter *waiting;      /* NULL: nobody */
    struct greenlet_exception record; /* cls NULL: a value */
    void *value;
    bool ready, freed;
};

static const struct hub__wait_kind waits_for_it = {"a waiter", NULL};

struct hub_waiter *hub_waiter_new(void)
{
    struct hub *hub = hub__get();
    struct hub_waiter *waiter =
        hub != NULL ? greenlet__calloc(1, sizeof *waiter) : NULL;

    if (waiter != NULL) {
        waiter->hub = hub;
        waiter->hub_id = hub_id(hub);
    }
    return waiter;
}

void hub_waiter_clear(struct hub_waiter *waiter)
{
    struct greenlet_exception old = waiter->record;

    memset(&waiter->record, 0, sizeof waiter->record);
    waiter->ready = false;
    waiter->value = NULL;
    greenlet_exception_clear(&old); /* may switch */
}

static void destroy(struct hub_waiter *waiter)
{
    hub_waiter_clear(waiter);
    free(waiter);
}

/* Who waits frees it when he has run. */
void hub_waiter_free(struct hub_waiter *waiter)
{
    if (waiter == NULL)
        return;
    if (waiter->waiting == NULL) {
        destroy(waiter);
        return;
    }
    waiter->freed = true;
    hub__wake(waiter->waiting, -EBADF);
}

static int check_giver(const struct hub_waiter *waiter)
{
    if (waiter->hub != hub__peek())
        return hub__fail_of_hub("the waiter", waiter->hub_id);
    return waiter->waiting != NULL &&
                   greenlet__word->current != waiter->hub->greenlet
               ? -EPERM
               : 0;
}

static void give(struct hub_waiter *waiter, void *value,
                 const struct greenlet_exception *record)
{
    hub_waiter_clear(waiter);
    waiter->ready = true;
    waiter->value = value;
    if (record != NULL)
        waiter->record = *record;
    if (waiter->waiting != NULL)
        hub__wake_next(waiter->waiting, 0);
}

int hub_waiter_switch(struct hub_waiter *waiter, void *value)
{
    int rc = check_giver(waiter);

    if (rc == 0)
        give(waiter, value, NULL);
    return rc;
}

int hub_waiter_throw(struct hub_waiter *waiter,
                     const struct greenlet_exception *exception)
{
    struct greenlet_exception record = *exception;
    int rc = check_giver(waiter);

    if (rc == 0 && record.cls == NULL)
        rc = -EINVAL;
    if (rc < 0) {
        greenlet_exception_clear(&record);
        return rc;
    }
    if (record.origin == NULL)
        record.origin = __builtin_return_address(0);
    give(waiter, NULL, &record);
    return 0;
}

static int take(struct hub_waiter *waiter, void **value)
{
    struct greenlet_exception record = waiter->record;

    if (value != NULL)
        *value = waiter->value;
    memset(&waiter->record, 0, sizeof waiter->record);
    waiter->ready = false;
    waiter->value = NULL;
    return record.cls != NULL ? greenlet_raise(&record) : 0;
}

static int wait_for_it(struct hub_waiter *waiter, int64_t deadline_ns)
{
    struct hub__waiter waiting;
    int rc = hub__waiter_begin(&waiting, &waits_for_it, waiter);

    if (rc < 0)
        return rc;
    waiter->waiting = &waiting;
    rc = hub__park_cancelable(&waiting, deadline_ns);
    waiter->waiting = NULL;
    return rc;
}

int hub_waiter_get(struct hub_waiter *waiter, int64_t deadline_ns, void **value)
{
    int rc = 0;

    if (waiter->hub != hub__peek())
        return hub__fail_of_hub("the waiter", waiter->hub_id);
    if (waiter->waiting != NULL)
        return hub__fail(&hub_concurrent_use_class,
                         "the waiter is already used by another greenlet");
    if (!waiter->ready)
        rc = wait_for_it(waiter, deadline_ns);
    if (waiter->freed) {
        destroy(waiter);
        return rc < 0 ? rc : -EBADF;
    }
    return rc < 0 ? rc : take(waiter, value);
}

bool hub_waiter_ready(const struct hub_waiter *waiter)
{
    return waiter->ready;
}

bool hub_waiter_successful(const struct hub_waiter *waiter)
{
    return waiter->ready && waiter->record.cls == NULL;
}
