/* socket_impl.h - what the files about sockets share */
#ifndef HUB_SOCKET_IMPL_H
#define HUB_SOCKET_IMPL_H

#include "hub/socket.h"

/* connect.c: hub_accept() on an fd that is known to be non-blocking */
int hub__accept(int fd, struct sockaddr *address, socklen_t *length,
                int64_t deadline_ns);

/* address.c: the parts of "host:port" and its kin */
enum hub__endpoint_kind { HUB__ENDPOINT_INET, HUB__ENDPOINT_UNIX };
struct hub__endpoint {
    enum hub__endpoint_kind kind;
    char host[256]; /* "": any; or the path, "@name" for an abstract one */
    uint16_t port;
};
/* Returns 0, -EINVAL, -ENAMETOOLONG. */
int hub__endpoint_parse(const char *text, struct hub__endpoint *endpoint);
/* Without asking anybody.  Returns 0, -ENOENT for a name, -ENAMETOOLONG. */
int hub__endpoint_numeric(const struct hub__endpoint *endpoint,
                          struct hub_address *address);

/* names.c: the addresses of a host, in the order in which to try them; at most
 * `room`.  May switch.  Returns how many, -ENOENT when there are none, or
 * another negative errno. */
int hub__names(const char *host, uint16_t port, int type,
               struct hub_address *list, size_t room, int64_t deadline_ns);

#endif
