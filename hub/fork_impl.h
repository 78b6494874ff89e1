/* fork_impl.h - what the parts of a hub do around fork(); a part of hub_impl.h */
#ifndef FORK_IMPL_H
#define FORK_IMPL_H

#include <stdbool.h>

struct hub;

/* signal.c */
void hub__signals_before_fork(void);
void hub__signals_after_fork(void); /* in the parent */
void hub__signals_forked(const struct hub *hub);

/* children.c */
void hub__children_before_fork(void);
void hub__children_after_fork(void); /* in the parent */
void hub__children_forked(bool keep); /* waits for them go on, to an end */

/* fork.c */
/* What belongs to a hub and is told when something happens to it as a whole. */
enum hub__part_event {
    HUB__PART_BEFORE_FORK, /* take locks, so that the child finds all whole */
    HUB__PART_AFTER_FORK,  /* in the parent */
    HUB__PART_ALONE,       /* in the child: only the calling greenlet is left */
    HUB__PART_ALL,         /* in the child: all are there, on a new loop */
    HUB__PART_ENDS,        /* its greenlets are killed, maybe not the last time */
    HUB__PART_CLOSES       /* its greenlets have ended, its loop goes next */
};
struct hub__part {
    struct hub__part *next;
    void (*tell)(struct hub__part *part, struct hub *hub,
                 enum hub__part_event event);
};
void hub__part_add(struct hub *hub, struct hub__part *part);
void hub__part_remove(struct hub *hub, struct hub__part *part);
void hub__parts_tell(struct hub *hub, enum hub__part_event event);
bool hub__fork_keeps(void); /* gevent's rule */
bool hub__is_child(void); /* of a fork() that we saw */
void hub__others_are_gone(struct hub *hub);
void hub__heir_keep(struct hub *hub);
void hub__heir_take(struct hub *hub);
void hub__fork_start(void);

/* workers.c */
unsigned hub__cores(void); /* that this process may use */

#endif
