/* websocket.h - WebSockets (RFC 6455), compressed if both like (RFC 7692)
 *
 * A view accepts; when it has returned, a function has the connection, in the same
 * greenlet: it receives and sends until it returns, and then what is open is closed.
 * Other greenlets of the same hub may send meanwhile: whole messages never mix.
 * Pings are answered, and control frames looked at, by whoever is in
 * http_websocket_receive().
 *
 * Deadlines: HUB_NOWAIT returns -EAGAIN instead of waiting.  Errors of all calls
 * besides their own: -EPIPE when the connection is over, -ENOMEM, and why a wait
 * ended early (hub.h). */
#ifndef VIREO_WEBSOCKET_H
#define VIREO_WEBSOCKET_H

#include "http/view.h"

#ifdef __cplusplus
extern "C" {
#endif

struct http_websocket;

enum http_websocket_type { HTTP_WEBSOCKET_TEXT = 1, HTTP_WEBSOCKET_BINARY = 2 };

/* Codes of RFC 6455, 7.4.1, and of its registry; 3000 ... 4999 are free for
 * programs. */
enum http_websocket_code {
    HTTP_WEBSOCKET_NORMAL = 1000,
    HTTP_WEBSOCKET_GOING_AWAY = 1001,
    HTTP_WEBSOCKET_PROTOCOL_ERROR = 1002,
    HTTP_WEBSOCKET_UNSUPPORTED = 1003,
    HTTP_WEBSOCKET_NO_CODE = 1005,  /* never sent: the close frame had none */
    HTTP_WEBSOCKET_ABNORMAL = 1006, /* never sent: there was no close frame */
    HTTP_WEBSOCKET_BAD_DATA = 1007,
    HTTP_WEBSOCKET_POLICY = 1008,
    HTTP_WEBSOCKET_TOO_BIG = 1009,
    HTTP_WEBSOCKET_INTERNAL_ERROR = 1011,
    HTTP_WEBSOCKET_TRY_LATER = 1013
};

enum {
    HTTP_WEBSOCKET_PLAIN = 1,           /* no compression */
    HTTP_WEBSOCKET_SEND_TAKEOVER = 2,   /* keep what was sent as a dictionary: up
                                           to 264 KiB more each connection */
    HTTP_WEBSOCKET_RECEIVE_TAKEOVER = 4 /* let the client do so: 40 KiB more */
};

/* All zero stands for the defaults.  Times are in ns. */
struct http_websocket_options {
    /* Subprotocols that we speak, what we prefer first, up to a NULL.  NULL: none. */
    const char *const *protocols;
    /* Pages of which origins may connect, up to a NULL: "https://example.org",
     * "same" for the host that the request names, "*" for all.  Who says no Origin is
     * no browser and is let in.  NULL: all; of a rule of an application
     * (http_app_websocket()): the same host. */
    const char *const *origins;
    size_t message_limit;  /* bytes of a message, inflated; 0: 1 MiB */
    int64_t ping_interval; /* silence after which a ping is sent; 0: none is */
    int64_t pong_timeout;  /* silence after that which ends it; 0: 20 s */
    int64_t write_timeout; /* while the client takes nothing; 0: 60 s */
    int64_t close_timeout; /* for the close frame of the client; 0: 5 s */
    unsigned flags;        /* HTTP_WEBSOCKET_PLAIN ... */
    int window_bits;       /* of compression, both ways: 9 ... 15; 0: 15 */
    int level;             /* of compression: 1 ... 9; 0: zlib's default */
    size_t compress_from;  /* shorter messages are sent as they are; 0: 256 */
};

/* ---- its life ------------------------------------------------------------------ */

/* What has the connection, from the 101 on.  Runs in the greenlet of the connection,
 * and may wait.  The request is gone then, unless the view has kept it
 * (http_request_ref()).
 *
 * Ownership: socket is borrowed until it returns; http_websocket_ref() for longer.
 * Returns 0, or a negative errno: what is open is closed with 1011. */
typedef int http_websocket_function(struct http_websocket *socket, void *data);

/* Answer the request with 101 and have function(socket, data) called; not if that
 * comes to nothing.  options, with what it points to, is kept as long as the
 * connection; NULL stands for the defaults.
 *
 * Returns 0; or the status to answer with, for the view to return, the response
 * having its body and the fields that go with it: 400 for a bad handshake, 426 for
 * none or one of another version, 403 for a page of another origin; -EINVAL for
 * options that cannot be; or what setting a response ends with. */
HTTP_API int http_websocket_accept(struct http_request *request,
                                   struct http_response *response,
                                   const struct http_websocket_options *options,
                                   http_websocket_function *function,
                                   void *data);

/* In a view of a rule for WebSockets (http_app_websocket()), in the greenlet of its
 * request: answer with 101 here and now, and have the connection until the view
 * returns.  after_request functions run before the 101 is sent, which has the fields
 * that they set; nothing more can be set then.  What is open when the view returns is
 * closed: with 1000 after 0 or a status below 400, with 1008 after one below 500,
 * with 1011 after others and after an error.
 *
 * Ownership: *socket is borrowed until the view has returned; http_websocket_ref()
 * for longer.  Switches.
 * Returns 0; or the status to answer with, for the view to return, as
 * http_websocket_accept(); -EALREADY: it is open; -ENOTSUP: the rule is no such one,
 * or this is another greenlet; -EPIPE: the client is gone; -ENOMEM. */
HTTP_API int http_websocket_open(struct http_request *request,
                                 struct http_response *response,
                                 struct http_websocket **socket);
/* What the view has opened, NULL: nothing yet.  Borrowed. */
HTTP_API struct http_websocket *
http_request_websocket(const struct http_request *request);

/* Keep it, and give it back: once the connection is over calls return -EPIPE. */
HTTP_API struct http_websocket *
http_websocket_ref(struct http_websocket *socket);
HTTP_API void http_websocket_unref(struct http_websocket *socket);

/* The subprotocol that was chosen, or NULL: one of the options' strings. */
HTTP_API const char *
http_websocket_protocol(const struct http_websocket *socket);

/* ---- receiving ----------------------------------------------------------------- */

struct http_websocket_message {
    enum http_websocket_type type;
    const char *data; /* with a 0 behind it; text is valid UTF-8 */
    size_t size;      /* without that 0 */
};

/* Wait for the next message, whole.  One greenlet at a time.  A wait that ends early
 * loses nothing.  Switches.
 *
 * Ownership: its data is borrowed until the next call.
 * Returns 1; 0 when the client has closed, or after http_websocket_close();
 * -ETIMEDOUT; -EBUSY while another greenlet is in it; -EPIPE when the client is gone
 * without a word, or does not answer pings; and once the client has been told why,
 * by a close frame, -EBADMSG for what is against the protocol (1002), -EILSEQ for
 * text that is not UTF-8 or data that cannot be inflated (1007), -EMSGSIZE for a
 * message beyond the limit (1009). */
HTTP_API int http_websocket_receive(struct http_websocket *socket,
                                    struct http_websocket_message *message,
                                    int64_t deadline_ns);

/* ---- sending ------------------------------------------------------------------- */

/* Send a message.  Waits for those that others are sending, and while the client
 * is slow.  Switches.
 * Returns 0; -EINVAL for another type; -EILSEQ for text that is not UTF-8; -EBUSY
 * inside of a message that the caller has begun by http_websocket_send_part();
 * -ETIMEDOUT, -EAGAIN (HUB_NOWAIT: others are sending, or the client has not read
 * what was sent before), -ECANCELED with nothing sent; once a part of a frame was
 * sent, that ends the connection, too. */
HTTP_API int http_websocket_send(struct http_websocket *socket,
                                 enum http_websocket_type type,
                                 const void *data, size_t size,
                                 int64_t deadline_ns);

/* Send a part of a message, as a frame of its own; `last` ends the message.  From
 * the first part to the last other greenlets' messages wait.  A character of text
 * may be cut.  Switches.
 * Returns as http_websocket_send(); after an error with nothing sent the same part
 * may be sent again. */
HTTP_API int http_websocket_send_part(struct http_websocket *socket,
                                      enum http_websocket_type type,
                                      const void *data, size_t size, bool last,
                                      int64_t deadline_ns);

/* Send a ping of at most 125 bytes; its pong is taken for a sign of life.  It may go
 * between the parts of a message.  Switches.
 * Returns 0, -EINVAL for more, or as http_websocket_send(). */
HTTP_API int http_websocket_ping(struct http_websocket *socket,
                                 const void *data, size_t size,
                                 int64_t deadline_ns);

/* ---- the end ------------------------------------------------------------------- */

/* Send a close frame, with `code` (0: none) and reason (UTF-8; NULL: none), and wait
 * for the client's, at most for the time of the options; messages that come before
 * it are dropped.  After it nothing can be sent.  When the function returns what is
 * still open is closed with 1000, after an error with 1011, when killed with 1001; and
 * with 1001 when the server begins to stop.
 * Switches.
 * Returns 0 when both have closed; -EINVAL for a code that may not be sent, or a
 * reason that is not UTF-8 or longer than 123 bytes; -ETIMEDOUT when the client has
 * not; -EPIPE when it is gone. */
HTTP_API int http_websocket_close(struct http_websocket *socket, int code,
                                  const char *reason, int64_t deadline_ns);

/* How the client has closed: its code, 1005 for a close frame without one, 1006 for
 * none; 0 while it is open.  Its reason, "" for none; borrowed from socket. */
HTTP_API int http_websocket_close_code(const struct http_websocket *socket);
HTTP_API const char *
http_websocket_close_reason(const struct http_websocket *socket);

#ifdef __cplusplus
}
#endif
#endif
