/* lot_impl.h - of the lot: what only kill(), and futexes of programs, need */
#ifndef HUB_LOT_IMPL_H
#define HUB_LOT_IMPL_H

#include "hub/hub_impl.h"

/* As hub__lot_wait_on(), by hub__park_cancelable().  A wake-up may have come, too:
 * where others wait for the same word, the caller passes it on. */
int hub__lot_wait_cancelable(struct hub__waiter *waiter, uint32_t *address,
                             uint32_t expected, int64_t deadline_ns);

/* Wake n waiters of `from`, move the others to wait on `to`. */
int hub__lot_requeue(uint32_t *from, int n, int move, uint32_t *to);
/* As hub__lot_wake(); only those that wait for some of these bits, or for any. */
int hub__lot_wake_bits(uint32_t *address, int n, uint32_t bits);

#endif
