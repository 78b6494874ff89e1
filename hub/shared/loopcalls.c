/* loopcalls.c - libev's calls, in each library that a program may name alone
 *
 * Names are looked up in what the program needs, then in what that needs: where it
 * does not need libvireo.so itself, libc comes before that, and libev would never
 * come to the functions of hub/poll.c. */
#include "hub/loopcalls.h"

#include <sys/epoll.h>

HUB_API int epoll_create1(int flags)
{
    return vireo_epoll_create1(flags);
}

HUB_API int epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event)
{
    return vireo_epoll_ctl(epoll, operation, fd, event);
}

HUB_API int epoll_wait(int epoll, struct epoll_event *events, int room, int timeout)
{
    return vireo_epoll_wait(epoll, events, room, timeout);
}
