/* task_impl.h - what taskscope.c, task.c and gather.c share
 *
 * Rules: a task is counted by its scope (until that is left, or it was
 * released and has ended), by itself until it has ended, and by each wait
 * for it.  Its greenlet is the task's until both are gone. */
#ifndef HUB_TASK_IMPL_H
#define HUB_TASK_IMPL_H

#include "hub/hub_impl.h"

struct scope;

struct hub_task {
    struct hub__link link; /* told of the end */
    struct scope *scope;   /* NULL: left, without the task having ended */
    struct hub_task *next, **back; /* of the scope; back NULL: not in it */
    struct greenlet *g;    /* counted */
    void (*drop)(void *result);
    greenlet_run *run; /* run_in_executor: */
    void *arg, *value;
    int rc;
    unsigned users;
    bool ended;
    bool taken;  /* somebody was given the result */
    bool seen;   /* somebody knows what it failed with */
    bool cancel; /* it was told to end */
    bool released; /* nobody asks for it: it goes when it has ended */
    bool listed; /* while a list is looked through: it is in front already */
};

/* Inside of a struct hub_scope. */
struct scope {
    struct hub__frame frame;
    struct hub *hub;
    struct greenlet__thread *owner;
    struct greenlet *greenlet; /* who is in it; NULL: the hub's */
    struct hub_task *first, **last;
    struct hub_task *failed; /* counted: with FAIL_FAST, the first */
    struct hub__scope_wait *joiners;
    size_t alive;
    unsigned flags;
    bool cancelled, closing;
};

static inline struct scope *hub__scope(const struct hub_scope *scope)
{
    return (struct scope *)(uintptr_t)scope->private_;
}

/* taskscope.c */
int hub__scope_check(const struct scope *scope);
void hub__scope_add(struct scope *scope, struct hub_task *task);
void hub__scope_remove(struct hub_task *task);
/* A task of it has ended. */
void hub__scope_ended(struct scope *scope, struct hub_task *task);

/* task.c */
int hub__task_check(const struct hub_task *task);
static inline struct hub_task *hub__task_ref(struct hub_task *task)
{
    task->users++;
    return task;
}
void hub__task_unref(struct hub_task *task);
/* What it ended with: 0, or an error; -ECANCELED when it was cancelled. */
int hub__task_outcome(const struct hub_task *task);
/* That, with a copy of its record left; the failure has been seen. */
int hub__task_raise(struct hub_task *task);
/* Give its result, which must not be taken yet. */
void hub__task_take(struct hub_task *task, void **result);

#endif
