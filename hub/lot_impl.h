/* lot_impl.h - the lot: lot.c */
#ifndef HUB_LOT_IMPL_H
#define HUB_LOT_IMPL_H

#include "hub/hub_impl.h"

/* Futexes in user space, for greenlets of any hub and real threads. */
enum { HUB_LOT_INTERRUPTIBLE = 1 };
/* Wait while *address == expected.  Returns 0 when woken, -EAGAIN when the value
 * differs, -ETIMEDOUT, -ECANCELED, -EINTR.  A waiter that timed out keeps its
 * seniority when it waits on the same address again. */
int hub__lot_wait(uint32_t *address, uint32_t expected, int64_t deadline_ns,
                  unsigned flags);
/* The same with a waiter of the caller's, initialised. */
int hub__lot_wait_on(struct hub__waiter *waiter, uint32_t *address,
                     uint32_t expected, int64_t deadline_ns);
/* Wake up to n waiters, the oldest first; returns how many.  Thread-safe,
 * async-signal-safe (then the count may be 0 and the wake comes later). */
int hub__lot_wake(uint32_t *address, int n);
void hub__lot_run_deferred(struct hub *hub);
void hub__lot_forked(void);
void hub__lot_forked_with(const struct hub *hub); /* its waiters stay */

/* ---- what only kill(), and futexes of programs, need ---- */

/* As hub__lot_wait_on(), by hub__park_cancelable().  A wake-up may have come, too:
 * where others wait for the same word, the caller passes it on. */
int hub__lot_wait_cancelable(struct hub__waiter *waiter, uint32_t *address,
                             uint32_t expected, int64_t deadline_ns);

/* Wake n waiters of `from`, move the others to wait on `to`. */
int hub__lot_requeue(uint32_t *from, int n, int move, uint32_t *to);
/* As hub__lot_wake(); only those that wait for some of these bits, or for any. */
int hub__lot_wake_bits(uint32_t *address, int n, uint32_t bits);

#endif
