/* slow.h - clients whose bytes come one by one */
#ifndef HTTP_SLOW_H
#define HTTP_SLOW_H

#include "http/wire.h"

struct http__slow; /* where those of a server wait */

/* http__wire_read(), for the rest of something that has begun to come: a client
 * whose bytes come in crumbs may be told of them a moment later.  *slow,
 * which lives as long as the wire, is NULL until there are such clients.
 * Switches. */
ssize_t http__slow_read(struct http__wire *wire, struct http__slow **slow,
                        void *buffer, size_t size, int64_t deadline_ns);
/* It was read from by http__wire_read(): so much. */
void http__slow_note(struct http__wire *wire, ssize_t got);
/* How many wait, or have waited, there; NULL: none. */
unsigned http__slow_count(const struct http__slow *slow);
/* Before its descriptor is closed. */
void http__slow_leave(struct http__wire *wire);

#endif
