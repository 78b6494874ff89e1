/* forwarded.h - who the client is, behind proxies that we trust
 *
 * X-Forwarded-For, -Proto and -Host, or Forwarded (RFC 7239): which of the two
 * the proxies set must be said, since a proxy that sets one passes the other on
 * as the client sent it.  Fields of a peer that is not trusted say nothing. */
#ifndef HTTP_FORWARDED_H
#define HTTP_FORWARDED_H

#include "http/trust.h"

enum http__forwarded_kind {
    HTTP__FORWARDED_X,      /* X-Forwarded-For, -Proto, -Host */
    HTTP__FORWARDED_RFC7239 /* Forwarded */
};

/* The value of a field; its bytes are the request's. */
struct http__forwarded_value {
    const char *data;
    size_t size;
};

/* The fields of one name, in the order in which they came. */
struct http__forwarded_list {
    const struct http__forwarded_value *values;
    size_t count;
};

struct http__forwarded_fields {
    struct http__forwarded_list client; /* X-Forwarded-For, or Forwarded */
    struct http__forwarded_list proto, host;
};

struct http__forwarded {
    struct hub_address client; /* the peer's, if nobody better is known */
    const char *proto;         /* "http", "https", or NULL: nobody said */
    const char *host;          /* in the fields' memory; NULL: nobody said */
    size_t host_size;
};

/* Who the client is: the last address of the list, from its end, that is no
 * trusted proxy.  What is malformed ends the search with what was found until
 * then. X-Forwarded-Proto and -Host: what was added last; Forwarded: those of
 * the element that named the client.  Never fails. */
void http__forwarded_read(enum http__forwarded_kind kind,
                          const struct http_trust *trust,
                          const struct hub_address *peer,
                          const struct http__forwarded_fields *fields,
                          struct http__forwarded *result);

#endif
