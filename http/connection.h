/* connection.h - a connection, as the greenlet that is with it has it
 *
 * While nothing is being read or answered it has no greenlet and holds no buffer:
 * `work`, which has them all, is taken when there is something to read and given
 * back when all is answered. */
#ifndef HTTP_CONNECTION_H
#define HTTP_CONNECTION_H

#include "http/request.h"
#include "http/response.h"
#include "http/wire.h"
#include "hub/socket.h"

struct http__connection;
struct http__work;

/* What takes over a connection when its 101 was sent; it is closed when this
 * returns. Runs in the connection's greenlet. */
typedef void http__upgraded(struct http__connection *connection, void *data);

/* Answer with 101, "Upgrade: PROTOCOL" and "Connection: Upgrade", the fields
 * that are set beside, and have function(connection, data) called then.
 * `drop`(data) is called when it comes to nothing (an error is sent instead,
 * the client is gone); not after function was.  For any view of an HTTP/1.1
 * request without a body. Returns 0, -ESHUTDOWN, -EINVAL for a request that
 * cannot be upgraded, -ENOMEM. */
int http__response_upgrade(struct http_response *response, const char *protocol,
                           http__upgraded *function, void *data,
                           void (*drop)(void *data));

/* What a trusted proxy says of the client, for options.received: copied, but
 * for the scheme, which is static; NULL: as it is.  Returns 0 or -ENOMEM. */
int http__request_set_client(struct http_request *request,
                             const struct hub_address *peer, const char *scheme,
                             const char *host);

/* ---- for who has taken over ---- */

struct http__wire *http__connection_wire(struct http__connection *connection);
/* Good until http__connection_release(), unless it is kept
 * (http_request_ref()). */
struct http_request *
http__connection_request(struct http__connection *connection);
struct http_server *
http__connection_server(struct http__connection *connection);
/* Take bytes that had come behind the request: how many; 0: none is left, read
 * from the wire. */
size_t http__connection_early(struct http__connection *connection, void *buffer,
                              size_t size);
/* Let go of the request and of all buffers, with the bytes that were not taken.
 */
void http__connection_release(struct http__connection *connection);
/* Call function(data) in the loop, or in another greenlet, when the server
 * begins to stop, or now if it has; it must not wait.  NULL: no more. */
void http__connection_on_stop(struct http__connection *connection,
                              void (*function)(void *data), void *data);
/* It is idle: what it has used of its stack, beyond the second page, may go
 * when it has stayed so for a second.  Ended by the next call with false. */
void http__connection_idle(struct http__connection *connection, bool idle);

#endif
