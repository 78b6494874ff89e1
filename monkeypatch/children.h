/* children.h - waiting until something happens to any child */
#ifndef CHILDREN_H
#define CHILDREN_H

#include <stdint.h>

/* A count that moves with every change; to be read before one looks. */
uint32_t mp__children_seen(void);
/* What there was to see of a child has been taken: it is not there any more. */
void mp__children_taken(void);
/* Park until it has moved on from `seen`, for changes that `options` asks for
 * (WEXITED and its like).  Returns 0 or -EINTR; a cancellation point.  May
 * return too early, never too late. */
int mp__children_wait(uint32_t seen, int options);

#endif
