/* gather.c - waiting for several tasks */
#include "context/testhook.h"
#include "hub/collect.h"
#include "hub/task_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The tasks, kept while they are waited for, and who is told of their ends. */
struct several {
    struct hub__collector collector;
    struct hub_task **tasks;
    size_t n;
};

static void close_several(struct several *several)
{
    hub__collector_close(&several->collector);
    for (size_t i = 0; i < several->n; i++)
        hub__task_unref(several->tasks[i]);
    free(several->tasks);
}

static int link_all(struct several *several)
{
    struct hub_object *objects =
        greenlet__calloc(several->n + 1, sizeof *objects);
    int rc;

    if (objects == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < several->n; i++)
        objects[i] = hub_greenlet_object(several->tasks[i]->g);
    rc = hub__collector_open(&several->collector, objects, several->n);
    free(objects);
    return rc;
}

/* Those that are there twice once, at the place of the first. */
static size_t drop_doubles(struct hub_task **tasks, size_t n)
{
    size_t kept = 0;

    for (size_t i = 0; i < n; i++)
        if (!tasks[i]->listed) {
            tasks[i]->listed = true;
            tasks[kept++] = tasks[i];
        }
    for (size_t i = 0; i < kept; i++)
        tasks[i]->listed = false;
    return kept;
}

static int open_several(struct several *several, struct hub_task *const *tasks,
                        size_t n, bool each_once)
{
    int rc = 0;

    *several = (struct several){ .n = 0 };
    for (size_t i = 0; i < n && rc == 0; i++)
        rc = hub__task_check(tasks[i]);
    if (rc < 0)
        return rc;
    several->tasks = greenlet__calloc(n + 1, sizeof(struct hub_task *));
    if (several->tasks == NULL)
        return -ENOMEM;
    if (n > 0)
        memcpy(several->tasks, tasks, n * sizeof(struct hub_task *));
    if (each_once)
        n = drop_doubles(several->tasks, n);
    for (; several->n < n; several->n++)
        hub__task_ref(several->tasks[several->n]);
    rc = link_all(several);
    if (rc < 0)
        close_several(several);
    return rc;
}

static int next(struct several *several, int64_t deadline_ns,
                struct hub_task **task)
{
    size_t index;
    int rc = hub__collector_next(&several->collector, deadline_ns, &index);

    if (rc > 0)
        *task = several->tasks[index];
    return rc;
}

/* ---- gather ---- */

static void cancel_all(const struct several *several)
{
    for (size_t i = 0; i < several->n; i++)
        hub_task_cancel(several->tasks[i], "who gathered it was cancelled");
}

static int wait_for_all(struct several *several, int64_t deadline_ns,
                        bool first_failure)
{
    struct hub_task *task;
    int rc;

    while ((rc = next(several, deadline_ns, &task)) > 0)
        if (first_failure && hub__task_outcome(task) < 0)
            return hub__task_raise(task);
    if (rc < 0 && hub_canceled() != 0)
        cancel_all(several);
    return rc;
}

static bool any_taken(const struct several *several)
{
    for (size_t i = 0; i < several->n; i++) {
        const struct hub_task *task = several->tasks[i];

        if (task->drop != NULL && task->taken)
            return true;
    }
    return false;
}

/* One that is there twice gives its result to the first place. */
static int take_all(struct several *several, void **results, int *errors)
{
    if (results != NULL && any_taken(several))
        return -EALREADY;
    for (size_t i = 0; i < several->n; i++) {
        struct hub_task *task = several->tasks[i];
        int outcome = hub__task_outcome(task);

        if (errors != NULL)
            errors[i] = outcome;
        task->seen = true;
        if (results != NULL && outcome == 0 &&
            (task->drop == NULL || !task->taken))
            hub__task_take(task, &results[i]);
    }
    return 0;
}

static int gather(struct hub_task *const *tasks, size_t n, int64_t deadline_ns,
                  void **results, int *errors, bool first_failure)
{
    struct several several;
    int rc;

    if (results != NULL)
        memset(results, 0, n * sizeof *results);
    rc = open_several(&several, tasks, n, false);
    if (rc < 0)
        return rc;
    rc = wait_for_all(&several, deadline_ns, first_failure);
    if (rc == 0)
        rc = take_all(&several, results, errors);
    close_several(&several);
    return rc;
}

int hub_task_gather(struct hub_task *const *tasks, size_t n,
                    int64_t deadline_ns, void **results)
{
    return gather(tasks, n, deadline_ns, results, NULL, true);
}

int hub_task_gather_all(struct hub_task *const *tasks, size_t n,
                        int64_t deadline_ns, void **results, int *errors)
{
    return gather(tasks, n, deadline_ns, results, errors, false);
}

/* ---- wait ---- */

static bool is_enough(const struct hub_task *task, enum hub_wait_until until)
{
    return until == HUB_FIRST_COMPLETED ||
           (until == HUB_FIRST_EXCEPTION && hub__task_outcome(task) < 0);
}

static int count_done(const struct several *several)
{
    int count = 0;

    for (size_t i = 0; i < several->n; i++)
        count += several->tasks[i]->ended;
    return count;
}

int hub_task_wait(struct hub_task *const *tasks, size_t n, int64_t deadline_ns,
                  enum hub_wait_until until)
{
    struct several several;
    struct hub_task *task;
    int rc;

    if ((unsigned)until > HUB_FIRST_EXCEPTION)
        return -EINVAL;
    rc = open_several(&several, tasks, n, true);
    if (rc < 0)
        return rc;
    do
        rc = next(&several, deadline_ns, &task);
    while (rc > 0 && !is_enough(task, until));
    if (rc == -ETIMEDOUT)
        rc = hub_canceled(); /* its own deadline is no error */
    if (rc >= 0)
        rc = count_done(&several);
    close_several(&several);
    return rc;
}

/* ---- as_completed ---- */

struct hub_as_completed {
    struct several several;
};

struct hub_as_completed *hub_as_completed_new(struct hub_task *const *tasks,
                                              size_t n)
{
    struct hub_as_completed *as_completed =
        greenlet__malloc(sizeof *as_completed);

    if (as_completed == NULL)
        return NULL;
    if (open_several(&as_completed->several, tasks, n, true) < 0) {
        free(as_completed);
        return NULL;
    }
    return as_completed;
}

int hub_as_completed_next(struct hub_as_completed *as_completed,
                          int64_t deadline_ns, struct hub_task **task)
{
    return next(&as_completed->several, deadline_ns, task);
}

void hub_as_completed_free(struct hub_as_completed *as_completed)
{
    if (as_completed == NULL)
        return;
    close_several(&as_completed->several);
    free(as_completed);
}
