/* loopcalls.h - the system calls of libev, as poll.c has them made
 *
 * For the program they are the system calls. */
#ifndef HUB_LOOPCALLS_H
#define HUB_LOOPCALLS_H

#include "hub/hub.h"

struct epoll_event;

HUB_API int vireo_epoll_create1(int flags);
HUB_API int vireo_epoll_ctl(int epoll, int operation, int fd,
                            struct epoll_event *event);
HUB_API int vireo_epoll_wait(int epoll, struct epoll_event *events, int room,
                             int timeout);

#endif
