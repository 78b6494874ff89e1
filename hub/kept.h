/* kept.h - the last reports of a preloaded process, for those who ask later
 *
 * The monitor writes them, one at a time, to memory; the control socket shows
 * them.  Raw, as in sight.h. */
#ifndef HUB_KEPT_H
#define HUB_KEPT_H

#include "hub/print.h"

#include <stdbool.h>

enum hub__kept_kind { HUB__KEPT_DEADLOCK, HUB__KEPT_BLOCKED };

/* For the next report; by the monitor alone. */
struct hub__print *hub__kept_begin(void);
/* It is whole.  `blocked`: how long, of that kind.  `says`: to stderr, too, as far
 * as that takes it at once. */
void hub__kept_end(enum hub__kept_kind kind, int64_t blocked, bool says);
/* Nobody is dead-locked any more. */
void hub__kept_gone(void);
void hub__kept_forked(void);

/* Each, with how long ago it was: a deadlock first, then the longest block, then
 * the others, the last first.  Of each `size` bytes, a multiple of 8, with zeros
 * behind the text; good until the function returns. */
void hub__kept_each(void (*each)(int64_t ago, const char *text, size_t size,
                                 void *data),
                    void *data);

#endif
