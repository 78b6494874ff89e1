/* task.c - tasks: greenlets whose end is for whoever awaits it */
#include "hub/task_impl.h"

#include "context/testhook.h"
#include "hub/schedule.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

const struct greenlet_class hub_cancelled_class = { "CancelledError",
                                                    &greenlet_exit_class,
                                                    -ECANCELED };

int hub__task_check(const struct hub_task *task)
{
    return hub__check_owner(task->g);
}

/* ---- the end ---- */

static bool was_cancelled(const struct hub_task *task)
{
    const struct greenlet_exception *record = hub_exception(task->g);

    if (!(hub__own(task->g)->flags & HUB__BEGUN))
        return true;
    return record != NULL &&
           greenlet_class_is(record->cls, &greenlet_exit_class);
}

int hub__task_outcome(const struct hub_task *task)
{
    int rc = hub__rc(task->g);

    return rc == 0 && was_cancelled(task) ? -ECANCELED : rc;
}

/* Nobody can ask any more. */
static void bury(struct hub_task *task)
{
    struct greenlet *g = task->g;
    void *result = *hub__result(g);
    int outcome = hub__task_outcome(task);
    struct hub *hub = g->thread->os->hub;

    if (outcome < 0 && outcome != -ECANCELED && !task->seen &&
        hub_exception(g) != NULL && hub != NULL)
        hub__handle_error(hub, g, hub_exception(g));
    if (outcome == 0 && !task->taken && result != NULL && task->drop != NULL)
        task->drop(result);
    if (hub__own(g)->more != NULL)
        hub__own(g)->more->task = NULL;
    greenlet_unref(g);
    free(task);
}

void hub__task_unref(struct hub_task *task)
{
    if (--task->users == 0)
        bury(task);
}

/* The scope has no use for it. */
static void give_up(struct hub_task *task)
{
    if (task->back == NULL)
        return;
    hub__scope_remove(task);
    hub__task_unref(task);
}

void hub__task_ended(struct hub__link *link)
{
    struct hub_task *task = container_of(link, struct hub_task, link);

    task->ended = true;
    if (task->scope != NULL)
        hub__scope_ended(task->scope, task);
    if (task->released)
        give_up(task);
    hub__task_unref(task);
}

/* ---- the beginning ---- */

static int copy_context(struct greenlet *g)
{
    struct greenlet_context *context;
    int rc;

    if (greenlet__word->current->vars == NULL)
        return 0;
    context = greenlet_context_copy(NULL);
    if (context == NULL)
        return -ENOMEM;
    rc = greenlet_set_context(g, context);
    greenlet_context_unref(context);
    return rc;
}

/* Not yet started, and in no scope. */
static struct hub_task *make(greenlet_run *run, void *arg,
                             void (*drop)(void *result))
{
    struct hub_task *task = greenlet__calloc(1, sizeof *task);
    struct hub__more *more;

    if (task == NULL)
        return NULL;
    task->g = hub_greenlet_new(run, arg, 0);
    if (task->g == NULL) {
        free(task);
        return NULL;
    }
    more = hub__more(task->g);
    if (more == NULL || copy_context(task->g) < 0) {
        greenlet_unref(task->g);
        free(task);
        return NULL;
    }
    more->task = task;
    hub__own(task->g)->flags |= HUB__QUIET;
    task->drop = drop;
    task->link.notify = hub__task_ended;
    return task;
}

static int may_create(const struct scope *scope, greenlet_run *run)
{
    int rc = hub__scope_check(scope);

    if (rc == 0 && run == NULL)
        rc = -EINVAL;
    if (rc == 0 && scope->closing)
        rc = -ECANCELED;
    return rc;
}

static void launch(struct scope *scope, struct hub_task *task,
                   struct hub_task **out)
{
    task->users = 2; /* the scope, and itself */
    hub__scope_add(scope, task);
    hub__end_link(task->g, &task->link);
    hub_start(task->g);
    if (out != NULL)
        *out = task;
    else
        hub_task_release(task);
}

int hub_task_create(struct hub_scope *outer, struct hub_task **out,
                    greenlet_run *run, void *arg, void (*drop)(void *result))
{
    struct scope *scope = hub__scope(outer);
    struct hub_task *task;
    int rc = may_create(scope, run);

    if (rc < 0)
        return rc;
    task = make(run, arg, drop);
    if (task == NULL)
        return -ENOMEM;
    launch(scope, task, out);
    return 0;
}

static void on_thread(void *arg)
{
    struct hub_task *task = arg;

    task->rc = task->run(task->arg, &task->value);
}

/* The thread cannot be stopped; who was cancelled meanwhile, or was thrown something,
 * has no result. */
static int offload(void *arg, void **result)
{
    struct hub_task *task = arg;
    int rc = hub_offload(on_thread, task);

    if (rc == 0)
        rc = hub_canceled();
    if (rc == 0) {
        *result = task->value;
        return task->rc;
    }
    /* NULL, too, when it was not called */
    if (task->rc == 0 && task->value != NULL && task->drop != NULL)
        task->drop(task->value);
    return rc;
}

int hub_task_run_in_executor(struct hub_scope *outer, struct hub_task **out,
                             greenlet_run *run, void *arg,
                             void (*drop)(void *result))
{
    struct scope *scope = hub__scope(outer);
    struct hub_task *task;
    int rc = may_create(scope, run);

    if (rc < 0)
        return rc;
    task = make(offload, NULL, drop);
    if (task == NULL)
        return -ENOMEM;
    task->g->hub_kept[HUB_KEPT_ARG] = task;
    task->run = run;
    task->arg = arg;
    launch(scope, task, out);
    return 0;
}

void hub_task_release(struct hub_task *task)
{
    task->released = true;
    if (task->ended)
        give_up(task);
}

/* ---- looking ---- */

struct hub_task *hub_task_current(void)
{
    struct greenlet__thread *self = greenlet__thread_peek();
    struct hub__more *more =
        self != NULL ? hub__own(self->current)->more : NULL;

    return more != NULL ? more->task : NULL;
}

struct greenlet *hub_task_greenlet(const struct hub_task *task)
{
    return task->g;
}

bool hub_task_done(const struct hub_task *task)
{
    return task->ended;
}

bool hub_task_cancelled(const struct hub_task *task)
{
    return task->ended && hub__task_outcome(task) == -ECANCELED;
}

const struct greenlet_exception *hub_task_exception(struct hub_task *task)
{
    if (!task->ended)
        return NULL;
    task->seen = true;
    return hub_exception(task->g);
}

/* ---- cancelling ---- */

int hub_task_cancel(struct hub_task *task, const char *message)
{
    struct greenlet_exception record = { .cls = &hub_cancelled_class,
                                         .origin =
                                             __builtin_return_address(0) };
    int rc = hub__task_check(task);

    if (rc < 0)
        return rc;
    if (task->ended || task->cancel)
        return 0;
    task->cancel = true;
    if (message != NULL &&
        (record.payload = greenlet__strdup(message)) != NULL) {
        record.text = record.payload;
        record.destroy = free;
    }
    hub__task_ref(task);
    if (hub_kill_with(task->g, &record) < 0)
        hub_kill(task->g);
    hub__task_unref(task);
    return 1;
}

/* ---- awaiting one ---- */

int hub__task_raise(struct hub_task *task)
{
    const struct greenlet_exception *record = hub_exception(task->g);
    struct greenlet_exception copy;
    int outcome = hub__task_outcome(task);

    task->seen = true;
    if (outcome == 0 || record == NULL)
        return outcome;
    copy = (struct greenlet_exception){ .cls = record->cls,
                                        .error = record->error,
                                        .origin = record->origin };
    if (record->text != NULL &&
        (copy.payload = greenlet__strdup(record->text)) != NULL) {
        copy.text = copy.payload;
        copy.destroy = free;
    }
    greenlet_raise(&copy);
    return outcome;
}

void hub__task_take(struct hub_task *task, void **result)
{
    *result = *hub__result(task->g);
    task->taken = true;
}

/* What it ended with, and its result. */
static int collect(struct hub_task *task, void **result)
{
    int rc = hub__task_raise(task);

    if (rc < 0 || result == NULL)
        return rc;
    if (task->drop != NULL && task->taken)
        return -EALREADY;
    hub__task_take(task, result);
    return 0;
}

enum on_deadline { LEAVE, CANCEL };

static int await(struct hub_task *task, int64_t deadline_ns, void **result,
                 bool shielded, enum on_deadline on_deadline)
{
    int rc = hub__task_check(task);
    bool late = false;

    if (rc < 0)
        return rc;
    hub__task_ref(task);
    rc = hub_join(task->g, deadline_ns);
    if (rc == -ETIMEDOUT && on_deadline == CANCEL && hub_canceled() == 0) {
        late = true;
        hub_task_cancel(task, "its time was over");
        rc = hub_join(task->g, HUB_FOREVER);
    }
    if (rc < 0 && !shielded && hub_canceled() != 0)
        hub_task_cancel(task, "who awaited it was cancelled");
    if (rc == 0)
        rc = collect(task, result);
    if (late && rc == -ECANCELED && hub_task_cancelled(task))
        rc = -ETIMEDOUT;
    hub__task_unref(task);
    return rc;
}

int hub_task_await(struct hub_task *task, int64_t deadline_ns, void **result)
{
    return await(task, deadline_ns, result, false, LEAVE);
}

int hub_task_shield(struct hub_task *task, int64_t deadline_ns, void **result)
{
    return await(task, deadline_ns, result, true, LEAVE);
}

int hub_task_wait_for(struct hub_task *task, int64_t deadline_ns, void **result)
{
    return await(task, deadline_ns, result, false, CANCEL);
}
