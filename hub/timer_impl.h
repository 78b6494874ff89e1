/* timer_impl.h - room for timers, ahead of time */
#ifndef TIMER_IMPL_H
#define TIMER_IMPL_H

#include "hub/hub_impl.h"

/* So many timers can be set at a time without memory being needed: 0, or -ENOMEM. */
int hub__timers_reserve(struct hub *hub, uint32_t count);

#endif
