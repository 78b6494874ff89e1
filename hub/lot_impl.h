/* lot_impl.h - the wait in the lot that hub_kill() ends */
#ifndef HUB_LOT_IMPL_H
#define HUB_LOT_IMPL_H

#include "hub/hub_impl.h"

/* As hub__lot_wait_on(), by hub__park_cancelable().  A wake-up may have come, too:
 * where others wait for the same word, the caller passes it on. */
int hub__lot_wait_cancelable(struct hub__waiter *waiter, uint32_t *address,
                             uint32_t expected, int64_t deadline_ns);

#endif
