/* events_impl.h - telling subscribers, for the files of hub/ */
#ifndef HUB_EVENTS_IMPL_H
#define HUB_EVENTS_IMPL_H

#include "hub/events.h"

#include <stdbool.h>

bool hub__has_subscribers(void); /* raw */
void hub__tell(struct hub_notice *event); /* sets its size */
void hub__events_forked(void);

#endif
