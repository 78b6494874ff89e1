/* tasks.c - scopes and tasks */
#include "torture.h"

static int alive; /* results that are somebody's */

static int makes(void *arg, void **result)
{
    int rc = hub_sleep(MS);

    if (rc < 0)
        return rc;
    alive++;
    *result = arg;
    return 0;
}

static void drops(void *result)
{
    (void)result;
    alive--;
}

static int makes_on_thread(void *arg, void **result)
{
    *result = arg;
    __atomic_add_fetch(&alive, 1, __ATOMIC_SEQ_CST);
    return 0;
}

static int sleeps(void *arg, void **result)
{
    (void)arg;
    (void)result;
    return hub_sleep(1000 * HUB_SECOND);
}

enum { N = 3 };

static int gather(struct hub_scope *scope)
{
    struct hub_task *tasks[N] = { NULL };
    void *results[N];
    int rc = 0, value;

    for (int i = 0; i < N && rc == 0; i++)
        rc = hub_task_create(scope, &tasks[i], makes, &value, drops);
    if (rc == 0)
        rc = hub_task_gather(tasks, N, SOON, results);
    for (int i = 0; rc == 0 && i < N; i++) {
        must(results[i] == &value);
        drops(results[i]);
    }
    return rc;
}

static int in_executor(struct hub_scope *scope)
{
    struct hub_task *task;
    void *result;
    int rc = hub_task_run_in_executor(scope, &task, makes_on_thread, &alive,
                                      drops);

    if (rc == 0)
        rc = hub_task_await(task, SOON, &result);
    if (rc == 0)
        drops(result);
    return rc;
}

static int one_by_one(struct hub_scope *scope)
{
    struct hub_task *tasks[N] = { NULL }, *task;
    struct hub_as_completed *list;
    int rc = 0, count = 0;

    for (int i = 0; i < N && rc == 0; i++)
        rc = hub_task_create(scope, &tasks[i], makes, NULL, NULL);
    if (rc < 0)
        return rc;
    list = hub_as_completed_new(tasks, N);
    if (list == NULL)
        return -ENOMEM;
    while ((rc = hub_as_completed_next(list, SOON, &task)) > 0)
        count++;
    must(rc < 0 || count == N);
    hub_as_completed_free(list);
    alive -= count;
    rc = first_of(rc, hub_task_wait(tasks, N, SOON, HUB_ALL_COMPLETED));
    return rc;
}

static int runs_out(struct hub_scope *scope)
{
    struct hub_task *task;
    int rc = hub_task_create(scope, &task, sleeps, NULL, NULL);

    if (rc == 0)
        rc = hub_task_wait_for(task, hub_deadline(MS), NULL);
    return rc == -ETIMEDOUT ? 0 : rc;
}

static int in_scope(int (*run)(struct hub_scope *scope))
{
    struct hub_scope scope;
    int rc = hub_scope_begin(&scope, 0), end;

    if (rc < 0)
        return rc;
    rc = run(&scope);
    end = hub_scope_end(&scope);
    return first_of(rc, end);
}

static void says_nothing(struct hub *hub, const struct greenlet *context,
                         const struct greenlet_exception *exception, void *data)
{
    (void)hub;
    (void)context;
    (void)data;
    must(is_short(exception->error));
}

/* What a task that had no memory says is for who asks; one that nobody asked is
 * reported. */
TORTURE(tasks)
{
    int rc = hub_set_error_handler(says_nothing, NULL);

    if (rc < 0)
        return rc;
    alive = 0;
    rc = in_scope(gather);
    must(alive == 0);
    rc = first_of(rc, in_scope(in_executor));
    must(alive == 0);
    rc = first_of(rc, in_scope(one_by_one));
    rc = first_of(rc, in_scope(runs_out));
    hub_set_error_handler(NULL, NULL);
    return rc;
}
