/* timeout.h - deadlines, shields: what ends waits from outside
 *
 * They are scopes: from begin to end, on the stack of one greenlet, each inside
 * of those that were begun before.  What happens to a scope stays so until it is
 * left: every wait in it ends at once (V-16), so that code which ignores one error
 * meets the next.  A timeout that is not ended before its function returns is an
 * error of the program's. */
#ifndef VIREO_TIMEOUT_H
#define VIREO_TIMEOUT_H

#include "hub/hub.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A deadline on all waits from begin to end.  A local of the program's. */
struct hub_timeout {
    uint64_t private_[12];
};

/* Enter the scope.  From deadline_ns on every wait in it ends with -ETIMEDOUT;
 * HUB_FOREVER sets no timer.  One that has passed fires with the next turn of the
 * loop: who does not wait for that is not disturbed.
 * Returns 0, or -ENOMEM with nothing entered. */
HUB_API int hub_timeout_begin(struct hub_timeout *timeout, int64_t deadline_ns);

/* Another deadline for a scope that is entered.
 * Returns 0, -ETIMEDOUT when the old one has come, -ENOMEM (then it has none). */
HUB_API int hub_timeout_reset(struct hub_timeout *timeout, int64_t deadline_ns);

/* It will not fire any more; if it has, it has.  The scope is not left. */
HUB_API void hub_timeout_cancel(struct hub_timeout *timeout);

/* Leave the scope, and those inside that were not left.
 * Returns -ETIMEDOUT when its deadline came, whether or not that ended a wait;
 * else 0. */
HUB_API int hub_timeout_end(struct hub_timeout *timeout);

/* Was it this one whose deadline came?  Until the scope is entered again. */
HUB_API bool hub_timeout_fired(const struct hub_timeout *timeout);

/* Its deadline is yet to come. */
HUB_API bool hub_timeout_pending(const struct hub_timeout *timeout);

/* run(arg, result) in the scope of a deadline.  Switches if run does.
 * Returns what run returns, or -ENOMEM. */
HUB_API int hub_with_timeout(int64_t deadline_ns, greenlet_run *run, void *arg,
                             void **result);

/* From begin to end kills, timeouts and cancelled scopes outside do not end
 * waits, for cleanups that have to wait.  A local of the program's. */
struct hub_shield {
    uint64_t private_[4];
};
HUB_API void hub_shield_begin(struct hub_shield *shield);
HUB_API void hub_shield_end(struct hub_shield *shield);

/* The innermost of the scopes that the calling greenlet is in: timeouts, scopes of
 * tasks, shields; NULL: none.  For hub_leave_since(). */
HUB_API const void *hub_entered(void);

/* Leave, the innermost first and each as by its own end, all scopes that the calling
 * greenlet entered since hub_entered() gave `since`: for who abandons the frames that
 * they lie in, before these are gone.  Switches where tasks are waited for; not a
 * cancellation point. */
HUB_API void hub_leave_since(const void *since);

/* What the next wait of the calling greenlet would end with at once, because of
 * a scope that it is in; 0: nothing. */
HUB_API int hub_canceled(void);

#ifdef __cplusplus
}
#endif
#endif
