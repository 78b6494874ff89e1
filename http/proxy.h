/* proxy.h - the PROXY protocol (haproxy's proxy-protocol.txt), versions 1 and 2
 *
 * What a proxy sends before the first byte of a connection: whose connection it
 * is.  A listener either wants it on each connection or takes it on none:
 * guessing would let anybody say who he is.  So it is for connections of
 * trusted peers. */
#ifndef HTTP_PROXY_H
#define HTTP_PROXY_H

#include "hub/socket.h"

enum { HTTP__PROXY_MAX = 4096 }; /* bytes of a header that we take */

struct http__proxy {
    bool known; /* addresses are there; not for LOCAL, UNKNOWN: then those of
                   the connection count */
    bool tls;   /* version 2, PP2_TYPE_SSL: the client speaks TLS to the proxy */
    struct hub_address source, destination;
};

/* Read a header of which `size` bytes are there, from the connection's first.
 * Returns 1 when it is complete, with *proxy filled and its length in *length;
 * 0 when more is needed; -EBADMSG for what is none. */
int http__proxy_parse(const void *data, size_t size, size_t *length,
                      struct http__proxy *proxy);

#endif
