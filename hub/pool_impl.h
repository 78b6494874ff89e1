/* pool_impl.h - what group.c and imap.c share */
#ifndef HUB_POOL_IMPL_H
#define HUB_POOL_IMPL_H

#include "hub/permits.h"

struct hub__member {
    struct hub__link link; /* told of its end */
    struct hub__member *next, **back;
    struct hub_group *group;
    struct greenlet *g; /* counted */
};

struct hub_group {
    struct hub *hub;
    struct greenlet__thread *owner;
    size_t users; /* the program, waits, greenlets that imap.c runs */
    bool limited, closed;
    struct hub__permits places; /* of a pool */
    struct hub__member *first, **last;
    size_t count;
    struct hub__empty_wait *joiners; /* told when it is empty */
    /* Class and error of the first that failed since somebody was told of
     * one. */
    struct greenlet_exception failure;
};

/* 0, or -EXDEV. */
int hub__group_check(const struct hub_group *group);
void hub__group_release(struct hub_group *group);
/* A place, and nobody in it: given back, or taken by hub__group_enter(). */
int hub__group_place(struct hub_group *group, int64_t deadline_ns);
void hub__group_give_back(struct hub_group *group);
/* Make one whose failure is for its maker, add it and start it; the place is
 * used or given back.  *g is given, and not yet linked to anything else. */
int hub__group_run(struct hub_group *group, greenlet_run *run, void *arg,
                   struct greenlet **g, uint16_t flags);

#endif
