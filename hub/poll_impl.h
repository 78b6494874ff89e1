/* poll_impl.h - how a loop polls and sleeps: poll.c's */
#ifndef HUB_POLL_IMPL_H
#define HUB_POLL_IMPL_H

#include "hub/hub_impl.h"

struct epoll_event;

#define HUB__POLL_MOST 64 /* events at once */

struct hub__poll {
    struct hub *hub;
    int epoll_fd;
    int timer_fd;
    int64_t armed; /* when that rings; HUB_FOREVER: not */
    int64_t until; /* of the poll; HUB_FOREVER: as the timer says */
    bool rang;     /* timer_fd stays readable until it is set again */
    bool sees;     /* what libev polls comes by us */
    bool only_timer; /* an old kernel, a filter */
    bool full;       /* more may be ready than the last poll was told of */
    bool some_gone;  /* fds were closed that libev knows of: see epoll_ctl() */
};

/* libev's calls are this one's until they are nobody's (NULL). */
void hub__poll_calls(struct hub__poll *poll);
/* Before it sleeps: until the earliest deadline, or `most` ns. */
void hub__poll_arm(struct hub__poll *poll, int64_t most);
/* Have the timer ring at the earliest deadline, or before. */
void hub__poll_ring(struct hub__poll *poll);

void hub__loop_ring(struct hub *hub); /* loop.c: that */

/* loop.c: where its epoll's number is; NULL: it has none. */
const int *hub__loop_epoll(const struct hub *hub);
/* loop.c: what libev has told epoll of a file. */
void hub__loop_noted(struct hub *hub, int operation, int fd,
                     const struct epoll_event *event);

#endif
