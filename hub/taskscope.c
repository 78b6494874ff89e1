/* taskscope.c - scopes that own tasks
 *
 * A scope is a frame (scope.c) of the greenlet that is in it, so that to
 * cancel it ends that one's waits, and a list of tasks. */
#include "hub/task_impl.h"

#include "context/testhook.h"
#include "hub/schedule.h"

#include <errno.h>
#include <stdlib.h>

struct hub__scope_wait {
    struct hub__waiter waiter;
    struct hub__scope_wait *next;
};

_Static_assert(sizeof(struct scope) <= sizeof(struct hub_scope),
               "struct hub_scope has room for it");

static const struct hub__wait_kind waits_for_tasks = { "the tasks of scope",
                                                       NULL };

int hub__scope_check(const struct scope *scope)
{
    if (likely(scope->owner == greenlet__word))
        return 0;
    return hub__not_yours(scope->owner, "the scope");
}

/* ---- its tasks ---- */

void hub__scope_add(struct scope *scope, struct hub_task *task)
{
    task->scope = scope;
    task->next = NULL;
    task->back = scope->last;
    *scope->last = task;
    scope->last = &task->next;
    scope->alive++;
}

/* `next` stays: whoever walks the list may be here. */
void hub__scope_remove(struct hub_task *task)
{
    if (task->back == NULL)
        return;
    *task->back = task->next;
    if (task->next != NULL)
        task->next->back = task->back;
    else
        task->scope->last = task->back;
    task->back = NULL;
}

static void cancel_all(struct scope *scope, const char *message)
{
    struct hub_task *task = scope->first, *next;

    while (task != NULL) {
        hub__task_ref(task);
        if (!task->ended)
            hub_task_cancel(task, message);
        next = task->next;
        hub__task_unref(task);
        task = next;
    }
}

static void wake_joiners(struct scope *scope)
{
    struct hub__scope_wait *wait;

    while ((wait = scope->joiners) != NULL) {
        scope->joiners = wait->next;
        hub__wake(&wait->waiter, 0);
    }
}

static void cancel_scope(struct scope *scope, const char *message)
{
    scope->closing = true;
    cancel_all(scope, message);
    if (scope->greenlet != NULL)
        hub__frame_end(&scope->frame, -ECANCELED);
}

void hub__scope_ended(struct scope *scope, struct hub_task *task)
{
    int outcome = hub__task_outcome(task);

    scope->alive--;
    if ((scope->flags & HUB_SCOPE_FAIL_FAST) && scope->failed == NULL &&
        outcome < 0 && outcome != -ECANCELED) {
        scope->failed = hub__task_ref(task);
        cancel_scope(scope, "another task of the scope failed");
    }
    if (scope->alive == 0)
        wake_joiners(scope);
}

static void unlink_joiner(struct scope *scope,
                          const struct hub__scope_wait *wait)
{
    struct hub__scope_wait **at = &scope->joiners;

    while (*at != NULL && *at != wait)
        at = &(*at)->next;
    if (*at != NULL)
        *at = wait->next;
}

static int wait_for_tasks(struct scope *scope, int64_t deadline_ns)
{
    struct hub__scope_wait wait, **at = &scope->joiners;
    int rc = hub__waiter_begin(&wait.waiter, &waits_for_tasks, scope);

    if (rc < 0)
        return rc;
    wait.next = NULL;
    while (*at != NULL)
        at = &(*at)->next;
    *at = &wait;
    rc = hub__park_cancelable(&wait.waiter, deadline_ns);
    unlink_joiner(scope, &wait);
    return rc;
}

/* ---- entering and leaving ---- */

static void init(struct scope *scope, struct hub *hub, unsigned flags)
{
    scope->hub = hub;
    scope->owner = greenlet__word;
    scope->greenlet = NULL;
    scope->first = NULL;
    scope->last = &scope->first;
    scope->failed = NULL;
    scope->joiners = NULL;
    scope->alive = 0;
    scope->flags = flags;
    scope->cancelled = scope->closing = false;
}

int hub_scope_begin(struct hub_scope *outer, unsigned flags)
{
    struct scope *scope = hub__scope(outer);
    struct hub *hub = hub__get();

    if (flags & ~(unsigned)HUB_SCOPE_FAIL_FAST)
        return -EINVAL;
    if (hub == NULL)
        return -ENOMEM;
    init(scope, hub, flags);
    scope->greenlet = greenlet__word->current;
    hub__frame_enter(&scope->frame, false);
    scope->frame.kind = HUB__FRAME_TASKS;
    return 0;
}

/* They are on their own now: what they end with is dropped. */
static void disown(struct scope *scope)
{
    struct hub_task *task;

    while ((task = scope->first) != NULL) {
        hub__scope_remove(task);
        task->scope = NULL;
        hub__task_unref(task);
    }
}

/* Nothing that happens to the caller ends this, but a loop in which nothing can
 * end the tasks any more. */
static int wait_for_all(struct scope *scope)
{
    struct hub__frame shield;
    int rc = 0;

    hub__frame_enter(&shield, true);
    while (scope->alive > 0 && rc != -EDEADLK)
        rc = wait_for_tasks(scope, HUB_FOREVER);
    hub__frame_leave(&shield);
    return scope->alive > 0 ? rc : 0;
}

int hub_scope_end(struct hub_scope *outer)
{
    struct scope *scope = hub__scope(outer);
    int rc;

    if (scope->owner != greenlet__word ||
        scope->greenlet != greenlet__word->current)
        return -EPERM;
    if (hub__in_handler())
        return hub__fail(&hub_blocking_class, "a signal handler cannot wait");
    scope->closing = true;
    cancel_all(scope, "the scope was left");
    rc = wait_for_all(scope);
    hub__frame_leave(&scope->frame);
    if (scope->failed != NULL) {
        rc = hub__task_raise(scope->failed);
        hub__task_unref(scope->failed);
    } else if (rc == 0 && scope->cancelled) {
        rc = -ECANCELED;
    }
    disown(scope);
    return rc;
}

int hub_scope_cancel(struct hub_scope *outer, const char *message)
{
    struct scope *scope = hub__scope(outer);
    int rc = hub__scope_check(scope);

    if (rc < 0)
        return rc;
    scope->cancelled = true;
    cancel_scope(scope, message);
    return 0;
}

int hub_scope_join(struct hub_scope *outer, int64_t deadline_ns)
{
    struct scope *scope = hub__scope(outer);
    const struct hub_task *self = hub_task_current();
    int rc = hub__scope_check(scope);

    if (rc == 0 && self != NULL && self->scope == scope)
        return -EDEADLK;
    while (rc == 0 && scope->alive > 0)
        rc = wait_for_tasks(scope, deadline_ns);
    return rc;
}

size_t hub_scope_count(const struct hub_scope *scope)
{
    return hub__scope(scope)->alive;
}

/* ---- the scope of the hub ---- */

struct hub_scope *hub_scope_of_hub(void)
{
    struct hub *hub = hub__get();

    if (hub == NULL)
        return NULL;
    if (hub->scope == NULL) {
        hub->scope = greenlet__calloc(1, sizeof *hub->scope);
        if (hub->scope != NULL)
            init(hub__scope(hub->scope), hub, 0);
    }
    return hub->scope;
}

/* The hub has killed all that it spawned. */
void hub__scope_of_hub_free(struct hub *hub)
{
    if (hub->scope == NULL)
        return;
    disown(hub__scope(hub->scope));
    free(hub->scope);
    hub->scope = NULL;
}
