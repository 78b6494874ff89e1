/* lock.h - locks that know their owner, and conditions
 *
 * The owner is the greenlet that acquired it (in a thread that has no greenlets,
 * the thread).  Fair, as semaphores are.  Both work across hubs, and from threads
 * without one: everything here is thread-safe.  An owner that ends does not
 * release: the lock stays locked, and reports of a dead lock say so. */
#ifndef VIREO_LOCK_H
#define VIREO_LOCK_H

#include "hub/object.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- RLock ---------------------------------------------------------------------- */

/* The program's, in its place while it is used.  All zero: nobody owns it. */
struct hub_rlock {
    uint64_t private_[4];
};

/* Nobody owns it. */
HUB_API void hub_rlock_init(struct hub_rlock *lock);

/* Nobody may use it any more.  Returns 0, or -EBUSY with nothing done: it is
 * owned, or somebody waits for it. */
HUB_API int hub_rlock_destroy(struct hub_rlock *lock);

/* Become its owner, or acquire it once more.  Waits while another owns it, behind
 * those who wait already.  Switches, unless it can be had.
 * Returns 0 when it is owned; else -ETIMEDOUT, -EINVAL for NULL, -EOVERFLOW when it
 * was acquired INT_MAX times, or why it ended early. */
HUB_API int hub_rlock_acquire(struct hub_rlock *lock, int64_t deadline_ns);

/* The same without waiting: -EAGAIN when another owns it.  Never switches. */
HUB_API int hub_rlock_try_acquire(struct hub_rlock *lock);

/* Undo one acquire.  With the last the oldest who waits becomes the owner.  Never
 * switches.
 * Returns how often it is still acquired; -EPERM when the caller does not own it;
 * -EINVAL for NULL; -EDEADLK in a signal handler that interrupted this library. */
HUB_API int hub_rlock_release(struct hub_rlock *lock);

/* How often the caller has acquired it; 0: it is not the owner. */
HUB_API int hub_rlock_owned(const struct hub_rlock *lock);

/* Somebody owns it. */
HUB_API bool hub_rlock_locked(const struct hub_rlock *lock);

/* For hub_wait() and hub_rawlink(): ready while nobody owns it. */
HUB_API struct hub_object hub_rlock_object(struct hub_rlock *lock);

/* ---- Condition ------------------------------------------------------------------ */

/* To wait for what others do under a lock.  The program's, in its place while it
 * is used. */
struct hub_condition {
    uint64_t private_[3];
};

/* The lock is kept until hub_condition_destroy(); several may share one.
 * Returns 0, or -EINVAL for NULL. */
HUB_API int hub_condition_init(struct hub_condition *condition,
                               struct hub_rlock *lock);

/* Returns 0, or -EBUSY with nothing done: somebody waits for it. */
HUB_API int hub_condition_destroy(struct hub_condition *condition);

/* Give up the lock, however often the caller has acquired it, wait to be notified,
 * and acquire it as often again, for which no deadline, kill or throw counts: it is
 * owned when this returns, whatever it returns, but for -EDEADLK of
 * hub_loop_exit_class, when nobody is left who could release it.  Switches.
 * Returns 0 when notified; -EPERM when the caller does not own the lock;
 * -ETIMEDOUT, -EINVAL for NULL, or why it ended early. */
HUB_API int hub_condition_wait(struct hub_condition *condition,
                               int64_t deadline_ns);

/* Wait until holds(arg), which is called with the lock owned, returns true: it is
 * asked first, and each time that the condition is notified.  Switches.
 * Returns 0, -ETIMEDOUT when it does not hold at the deadline, or as
 * hub_condition_wait(). */
HUB_API int hub_condition_wait_for(struct hub_condition *condition,
                                   bool (*holds)(void *arg), void *arg,
                                   int64_t deadline_ns);

/* Wake up to n of those who wait, the oldest first.  They go on when the lock is
 * theirs.  One whose wait ends early at the same time passes it on.
 * Returns how many; -EPERM when the caller does not own the lock; -EINVAL for NULL
 * or less than none; -EDEADLK in a signal handler that interrupted this library. */
HUB_API int hub_condition_notify(struct hub_condition *condition, int n);
HUB_API int hub_condition_notify_all(struct hub_condition *condition);

#ifdef __cplusplus
}
#endif
#endif
