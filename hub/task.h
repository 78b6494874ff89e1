/* task.h - structured concurrency: tasks, each owned by a scope
 *
 * The words are asyncio's.  A task is a greenlet with a scope that owns it:
 * when the scope ends, those of its tasks that have not ended are cancelled and
 * waited for.  To cancel a task is to kill its greenlet: each of its waits ends
 * with -ECANCELED from then on (but in a hub_shield), and cleanups run.
 *
 * All is for the thread of the scope: from another one -EXDEV. */
#ifndef VIREO_TASK_H
#define VIREO_TASK_H

#include "hub/hub.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What a task is cancelled with: below greenlet_exit_class, -ECANCELED; the
 * text is the message. */
HUB_API extern const struct greenlet_class hub_cancelled_class;

/* ---- scopes -------------------------------------------------------------- */

/* A local of the program's, entered and left by one greenlet. */
struct hub_scope {
    uint64_t private_[24];
};

enum {
    /* As a TaskGroup: the first task that fails cancels the scope. */
    HUB_SCOPE_FAIL_FAST = 1
};

/* Enter a scope, inside of those that were entered before.
 * Returns 0, -EINVAL for other flags, or -ENOMEM when no hub could be made. */
HUB_API int hub_scope_begin(struct hub_scope *scope, unsigned flags);

/* Leave it: tasks that have not ended are cancelled and waited for, whatever
 * happens to the caller meanwhile; results that nobody took are destroyed,
 * failures that nobody saw are reported.  The tasks are gone.  Switches; not a
 * cancellation point.
 * Returns 0; with HUB_SCOPE_FAIL_FAST the error of the task that failed
 * first, with its record for greenlet_caught(); -ECANCELED when
 * hub_scope_cancel() ended it; -EPERM in another greenlet than the one that
 * entered it, and -EDEADLK in a signal handler, with nothing done. */
HUB_API int hub_scope_end(struct hub_scope *scope);

/* Cancel all its tasks, and the waits of the greenlet that is in it, until it
 * is left.  message (copied; NULL: none) is the text of the tasks' records.  No
 * task can be created any more.
 * Returns 0, -EXDEV. */
HUB_API int hub_scope_cancel(struct hub_scope *scope, const char *message);

/* Wait until all its tasks have ended, those too that are created meanwhile.
 * Switches.
 * Returns 0, -ETIMEDOUT, or why it ended early. */
HUB_API int hub_scope_join(struct hub_scope *scope, int64_t deadline_ns);

/* How many tasks of it have not ended. */
HUB_API size_t hub_scope_count(const struct hub_scope *scope);

/* The scope that lasts as long as the hub of this thread, which cancels what
 * is left in it: for tasks that are to outlive who creates them.  It is not
 * entered, and not left.  Tasks of it stay until hub_task_release().
 * Borrowed; NULL when there is no memory. */
HUB_API struct hub_scope *hub_scope_of_hub(void);

/* ---- tasks --------------------------------------------------------------- */

struct hub_task;

/* Run run(arg, &result) in a greenlet of its own, with a copy of the caller's
 * context variables.  It begins when the caller waits.  It fails as a greenlet
 * does (hub_spawn()), but what it fails with is reported only when nobody saw
 * it. A result that nobody takes is destroyed by drop(result), unless that or
 * the result is NULL.
 *
 * Ownership: *task is the scope's, good until that is left or
 * hub_task_release(). With task NULL it is released at once.
 * Returns 0; -EINVAL without run; -ECANCELED in a scope that was cancelled
 * or is being left; -EXDEV; -ENOMEM. */
HUB_API int hub_task_create(struct hub_scope *scope, struct hub_task **task,
                            greenlet_run *run, void *arg,
                            void (*drop)(void *result));

/* The same for a function that blocks or computes: it runs on a real thread
 * of the pool, where no call of this library may be made but those that are
 * thread-safe.  A cancelled one that has begun there is waited for, and its
 * result dropped; one that has not never runs. */
HUB_API int hub_task_run_in_executor(struct hub_scope *scope,
                                     struct hub_task **task, greenlet_run *run,
                                     void *arg, void (*drop)(void *result));

/* The caller has no use for it any more: it goes on, and is gone when it has
 * ended, as is its result. */
HUB_API void hub_task_release(struct hub_task *task);

/* The task that runs; NULL outside of tasks.  Borrowed. */
HUB_API struct hub_task *hub_task_current(void);

/* Its greenlet, borrowed: for a name (greenlet_set_name()), links,
 * hub_wait(). */
HUB_API struct greenlet *hub_task_greenlet(const struct hub_task *task);

/* Has it ended; by a cancel? */
HUB_API bool hub_task_done(const struct hub_task *task);
HUB_API bool hub_task_cancelled(const struct hub_task *task);

/* The record that it failed with, or by which it was cancelled; NULL: none,
 * or not yet.  Borrowed.  Who asks has seen a failure. */
HUB_API const struct greenlet_exception *
hub_task_exception(struct hub_task *task);

/* Cancel it.  message (copied; NULL: none) becomes the text of its record.  One
 * that has not begun never runs.  It has not ended when this returns.
 * Returns 1, 0 when it has ended or was cancelled already, -EXDEV. */
HUB_API int hub_task_cancel(struct hub_task *task, const char *message);

/* ---- waiting for tasks --------------------------------------------------- */

/* Wait for the task's end, and take its result.  If the caller is cancelled or
 * killed meanwhile, or a timeout around it fires, so is the task (see
 * hub_task_shield()); a deadline that comes leaves it alone.
 *
 * Ownership: the result is given to the first who takes it; with a task that
 * has no drop, to all who ask.  result NULL takes none.
 * Returns 0; the error that the task failed with, with its record for
 * greenlet_caught(); -ECANCELED when it was cancelled; -EALREADY when the
 * result was taken; -EDEADLK by the task itself; -ETIMEDOUT; or why the wait
 * ended early: hub_task_done() and hub_canceled() tell them apart.
 * Switches. */
HUB_API int hub_task_await(struct hub_task *task, int64_t deadline_ns,
                           void **result);

/* The same, but nothing that ends the wait touches the task. */
HUB_API int hub_task_shield(struct hub_task *task, int64_t deadline_ns,
                            void **result);

/* The same as hub_task_await(), but at the deadline the task is cancelled
 * and its end waited for: -ETIMEDOUT then, unless it ended by a result or a
 * failure after all. */
HUB_API int hub_task_wait_for(struct hub_task *task, int64_t deadline_ns,
                              void **result);

/* Wait for all of tasks[0 ... n-1]; results[i] is the result of tasks[i].  The
 * first that fails, or is cancelled, ends the wait with that error; the others
 * go on.  If the caller is cancelled, they are too.
 *
 * Ownership: results are given when this returns 0, as by hub_task_await();
 * else none is taken, and all are NULL.  results NULL takes none.
 * Returns as hub_task_await(), and -ENOMEM.  Switches. */
HUB_API int hub_task_gather(struct hub_task *const *tasks, size_t n,
                            int64_t deadline_ns, void **results);

/* The same with return_exceptions: errors[i] (unless errors is NULL) is 0,
 * or what tasks[i] ended with; it waits for all.  Returns 0, or why the wait
 * ended: then nothing is taken. */
HUB_API int hub_task_gather_all(struct hub_task *const *tasks, size_t n,
                                int64_t deadline_ns, void **results,
                                int *errors);

enum hub_wait_until {
    HUB_ALL_COMPLETED,
    HUB_FIRST_COMPLETED,
    HUB_FIRST_EXCEPTION /* one has failed or was cancelled, or all are done */
};
/* Wait for some of tasks[0 ... n-1]; hub_task_done() tells which.  Nothing is
 * taken, and nothing cancelled.  Switches.
 * Returns how many are done, also when the deadline came first, one that is
 * there twice counting once; -EINVAL, -ENOMEM, or why the wait ended early. */
HUB_API int hub_task_wait(struct hub_task *const *tasks, size_t n,
                          int64_t deadline_ns, enum hub_wait_until until);

/* Tasks one by one, as they end: new, next until it returns 0, free.  new
 * returns NULL when there is no memory; the array is copied.  One that is there
 * twice comes once. */
struct hub_as_completed;
HUB_API struct hub_as_completed *
hub_as_completed_new(struct hub_task *const *tasks, size_t n);
/* Returns 1 with *task, which has ended; 0 when there are no more;
 * -ETIMEDOUT, or why the wait ended early.  Switches. */
HUB_API int hub_as_completed_next(struct hub_as_completed *as_completed,
                                  int64_t deadline_ns, struct hub_task **task);
/* NULL is fine. */
HUB_API void hub_as_completed_free(struct hub_as_completed *as_completed);

#ifdef __cplusplus
}
#endif
#endif
