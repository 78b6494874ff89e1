/* timer_impl.h - room for timers, ahead of time; and those that fire last in a turn */
#ifndef TIMER_IMPL_H
#define TIMER_IMPL_H

#include "hub/hub_impl.h"

/* So many timers can be set at a time without memory being needed: 0, or -ENOMEM. */
int hub__timers_reserve(struct hub *hub, uint32_t count);
/* Those that are due fire soon, in the loop, if there are any. */
void hub__timer_late_soon(struct hub *hub);

#endif
