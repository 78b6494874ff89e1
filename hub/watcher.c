/* watcher.c - watchers of all kinds: started with a callback, or waited for
 *
 * An event is told from within the loop, where nobody may be called: the call
 * is queued, or those who wait are woken.  While some wait on it is armed; when an
 * event has ended that, the one whom it woke arms it for the others. */
#include "hub/watcher_impl.h"

#include <errno.h>
#include <stdlib.h>

/* Atomic: hub_watcher_send() takes one in any thread. */
void hub__watcher_ref(struct hub_watcher *watcher)
{
    __atomic_add_fetch(&watcher->refs, 1, __ATOMIC_RELAXED);
}

void hub__watcher_unref(struct hub_watcher *watcher)
{
    if (__atomic_sub_fetch(&watcher->refs, 1, __ATOMIC_ACQ_REL) == 0)
        free(watcher);
}

static int arm_off(struct hub_watcher *watcher)
{
    watcher->armed = false;
    return watcher->kind->disarm(watcher); /* an event may be under way */
}

static int arm_on(struct hub_watcher *watcher)
{
    int rc = watcher->armed ? 0 : watcher->kind->arm(watcher);

    if (rc == 0)
        watcher->armed = true;
    return rc;
}

/* ---- those who wait ---- */

static void append(struct hub_watcher *watcher, struct hub__watcher_wait *wait)
{
    struct hub__watcher_wait **end = &watcher->waits;

    while (*end != NULL)
        end = &(*end)->next;
    wait->next = NULL;
    wait->over = false;
    *end = wait;
}

static void take_out(struct hub_watcher *watcher, struct hub__watcher_wait *wait)
{
    struct hub__watcher_wait **at = &watcher->waits;

    if (wait->over)
        return;
    while (*at != wait)
        at = &(*at)->next;
    *at = wait->next;
    wait->over = true;
}

/* All who wait, or the oldest alone, by a function of waiter.c.  One that has ended
 * for another reason does not count. */
static void end_waits(struct hub_watcher *watcher, int rc, bool one,
                      bool (*wake)(struct hub__waiter *waiter, int result))
{
    struct hub__watcher_wait *wait;
    bool woken = false;

    while ((wait = watcher->waits) != NULL && !(one && woken)) {
        take_out(watcher, wait);
        woken = wake(&wait->waiter, rc);
    }
}

/* ---- an event ---- */

void hub__watcher_happened(struct hub_watcher *watcher, int events)
{
    struct hub *hub = watcher->hub;

    if (!watcher->kind->stays)
        watcher->armed = false;
    if (watcher->waits != NULL) {
        hub__enter(hub);
        end_waits(watcher, events < 0 ? events : 0,
                  watcher->kind->for_one && events > 0, hub__wake_entered);
        hub__exit(hub);
        return;
    }
    if (!watcher->started)
        return;
    watcher->events = events;
    if (!watcher->call.queued) {
        hub__watcher_ref(watcher);
        hub__callback_push(&watcher->call);
    }
}

/* The next event is waited for before the call: it may stop the watcher. */
static void run_call(void *arg)
{
    struct hub_watcher *watcher = arg;
    int events = watcher->events, rc = 0;

    watcher->events = 0;
    if (watcher->started && events != 0) {
        if (events > 0 && !watcher->armed)
            rc = watcher->kind->again(watcher);
        watcher->armed = watcher->armed || rc > 0;
        if (!watcher->armed)
            watcher->started = false;
        watcher->callback(watcher, rc < 0 ? rc : events, watcher->arg);
    }
    hub__watcher_unref(watcher);
}

/* ---- for programs ---- */

static int check(const struct hub_watcher *watcher)
{
    if (watcher->hub != hub__peek())
        return hub__fail_of_hub("the watcher", watcher->hub_id);
    return watcher->closed ? -EBADF : 0;
}

int hub_watcher_start(struct hub_watcher *watcher,
                      hub_watcher_callback *callback, void *arg)
{
    int rc = check(watcher);

    if (rc < 0)
        return rc;
    if (watcher->waits != NULL)
        return hub__fail(&hub_concurrent_use_class,
                         "a greenlet waits for the watcher");
    if (!watcher->started) {
        watcher->events = 0;
        rc = arm_on(watcher);
    }
    if (rc < 0)
        return rc;
    watcher->started = true;
    watcher->callback = callback;
    watcher->arg = arg;
    return 0;
}

void hub_watcher_stop(struct hub_watcher *watcher)
{
    watcher->started = false;
    watcher->events = 0;
    if (watcher->waits == NULL)
        arm_off(watcher);
}

bool hub_watcher_active(const struct hub_watcher *watcher)
{
    return watcher->started || watcher->waits != NULL;
}

bool hub_watcher_pending(const struct hub_watcher *watcher)
{
    return watcher->call.queued && watcher->events != 0;
}

bool hub_watcher_set_ref(struct hub_watcher *watcher, bool ref)
{
    bool before = !watcher->unreferenced;

    watcher->unreferenced = !ref;
    return before;
}

/* One wait is over: the event may be wanted by others, or by nobody. */
static int arm_as_wanted(struct hub_watcher *watcher)
{
    int rc = 0;

    if (watcher->waits != NULL)
        rc = arm_on(watcher);
    else if (!watcher->started)
        rc = arm_off(watcher);
    if (rc < 0)
        end_waits(watcher, rc, false, hub__wake);
    return rc;
}

int hub_wait_watcher(struct hub_watcher *watcher, int64_t deadline_ns)
{
    struct hub__watcher_wait wait;
    int rc = check(watcher);

    if (rc < 0)
        return rc;
    if (watcher->started)
        return hub__fail(&hub_concurrent_use_class,
                         "the watcher is started with a callback");
    rc = hub__waiter_begin(&wait.waiter, &watcher->kind->wait, watcher);
    if (rc == 0)
        rc = arm_on(watcher);
    if (rc < 0)
        return rc;
    hub__watcher_ref(watcher);
    append(watcher, &wait);
    rc = hub__park_cancelable(&wait.waiter, deadline_ns);
    take_out(watcher, &wait);
    if (arm_as_wanted(watcher) == -EBADF && rc == 0)
        rc = -EBADF;
    hub__watcher_unref(watcher);
    return rc;
}

/* ---- cancelling a wait ---- */

static void close_watcher(struct hub_watcher *watcher)
{
    watcher->closed = true;
    hub_watcher_stop(watcher);
}

static void run_cancel(void *arg)
{
    struct hub_watcher *watcher = arg;

    end_waits(watcher, watcher->cancel_error, false, hub__wake_next);
    if (watcher->close_on_cancel)
        close_watcher(watcher);
    hub__watcher_unref(watcher);
}

int hub_cancel_wait(struct hub_watcher *watcher, int error, bool close)
{
    if (error > 0)
        return -EINVAL;
    watcher->close_on_cancel |= close;
    if (watcher->cancel.queued)
        return 0;
    if (watcher->waits == NULL) {
        if (watcher->close_on_cancel)
            close_watcher(watcher);
        return 0;
    }
    watcher->cancel_error = error != 0 ? error : -EBADF;
    hub__watcher_ref(watcher);
    hub__callback_push(&watcher->cancel);
    return 0;
}

/* ---- life ---- */

struct hub_watcher *hub__watcher_new(size_t size,
                                     const struct hub__watcher_kind *kind)
{
    struct hub *hub = hub__get();
    struct hub_watcher *watcher =
        hub != NULL ? greenlet__calloc(1, size) : NULL;

    if (watcher == NULL)
        return NULL;
    watcher->kind = kind;
    watcher->hub = hub;
    watcher->hub_id = hub_id(hub);
    watcher->refs = 1;
    hub__callback_init(&watcher->call, hub, run_call, watcher);
    hub__callback_init(&watcher->cancel, hub, run_cancel, watcher);
    return watcher;
}

void hub_watcher_free(struct hub_watcher *watcher)
{
    if (watcher == NULL)
        return;
    close_watcher(watcher);
    end_waits(watcher, -EBADF, false, hub__wake);
    hub__watcher_unref(watcher);
}
