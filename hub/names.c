/* names.c - the addresses of a host, for hub_connect_to() and
 * hub_listen_on() */
#include "hub/hub_impl.h"
#include "hub/resolver.h"
#include "hub/socket_impl.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>

/* Of what hub_getaddrinfo() returned. */
static int error_of(int rc)
{
    switch (-rc) {
    case EAI_MEMORY:
        return -ENOMEM;
    case EAI_AGAIN:
        return -EAGAIN;
    default:
        return rc < 0 ? rc : -ENOENT;
    }
}

int hub__names(const char *host, uint16_t port, int type,
               struct hub_address *list, size_t room, int64_t deadline_ns)
{
    struct addrinfo hints = { .ai_socktype = type }, *found;
    char service[8];
    size_t count = 0;
    int rc;

    snprintf(service, sizeof service, "%u", port);
    rc = hub_getaddrinfo(host, service, &hints, deadline_ns, &found);
    if (rc != 0)
        return error_of(rc);
    for (const struct addrinfo *at = found; at != NULL && count < room;
         at = at->ai_next) {
        if (at->ai_addrlen > sizeof list->storage)
            continue;
        memcpy(&list[count].storage, at->ai_addr, at->ai_addrlen);
        list[count++].length = at->ai_addrlen;
    }
    hub_freeaddrinfo(found);
    return count > 0 ? (int)count : -ENOENT;
}
