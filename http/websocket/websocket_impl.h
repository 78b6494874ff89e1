/* websocket_impl.h - a WebSocket's parts
 *
 * What is idle has neither buffer nor context: wslay's (4.3 KiB) is there from the
 * first byte of a frame until no byte of another is left in it, the message's from
 * its first byte until the next is asked for, zlib's likewise (deflate.h).
 *
 * Two turns order what is sent: who sends a message has the first until its last
 * frame, who sends any frame has the second.  Control frames need only the second:
 * they go between the frames of messages.  A reader never waits for them: it leaves
 * pings and pongs to whoever has the second turn, or to a greenlet of theirs, since
 * a client that waits until it is read from may not be reading. */
#ifndef HTTP_WEBSOCKET_IMPL_H
#define HTTP_WEBSOCKET_IMPL_H

#include "http/connection.h"
#include "http/memory.h"
#include "http/websocket.h"
#include "http/websocket/deflate.h"
#include "http/websocket/handshake.h"
#include "http/websocket/utf8.h"
#include "http/wire.h"

#include <wslay/wslay.h>

enum { HTTP__CONTROL_SIZE = 125 }; /* RFC 6455, 5.5 */

/* Frames as they come in. */
struct http__frames {
    wslay_frame_context_ptr context;
    uint64_t held;    /* bytes in the context that no finished frame has used */
    uint64_t got;     /* of the payload of the frame that is inside */
    bool inside;      /* one has begun */
    bool may_read;    /* the wire may have something */
    bool ended;       /* the wire has had its end */
    int error;        /* what the wire failed with */
    char *early; /* what was read along with the request */
    size_t early_at, early_size;
};

struct http__incoming {
    struct http__frames frames;
    bool busy;          /* somebody is receiving */
    bool draining;      /* it is http_websocket_close() */
    unsigned streak;    /* messages in a row without a wait */
    bool compressed;
    uint8_t type;       /* of the message that is inside; 0: none */
    uint8_t whole;      /* of the one that is complete */
    struct http__utf8 utf8;
    struct http__inflate inflate;
    char *data;
    size_t size, room;
    uint8_t control[HTTP__CONTROL_SIZE + 1];
    uint8_t control_size;
};

struct http__outgoing {
    struct hub_semaphore message_turn, frame_turn;
    struct greenlet *in_parts; /* has begun a message; only compared */
    bool part_sent;            /* the first frame of it is gone */
    bool compressed;
    uint8_t type;
    struct http__utf8 utf8;
    struct http__deflate deflate;
    uint8_t pong[HTTP__CONTROL_SIZE];
    uint8_t pong_size;
    bool pong_due, ping_due;
    bool close_sent;
    bool has_helper; /* a greenlet that sends pings and pongs */
    bool is_leaving; /* one that closes, since the server stops */
};

struct http_websocket {
    struct http__wire *wire; /* NULL: the connection is over */
    struct http__connection *connection; /* NULL: of a test */
    struct greenlet *greenlet; /* the connection's; only compared */
    unsigned refs, users;
    struct hub_event unused; /* set: no user is left */
    struct hub_event over;   /* set: nothing more will come */
    int end;                 /* 1: closed; negative: what it failed with */
    int close_code;
    bool lingers;            /* the client may still be sending */
    int64_t heard, pinged;   /* when; pinged 0: no pong is owed */
    struct http__deflate_terms terms;
    const char *protocol;
    struct http_websocket_options options; /* no defaults left to look up */
    struct http__incoming in;
    struct http__outgoing out;
};

/* ---- accept.c ---- */

bool http__websocket_options_good(const struct http_websocket_options *options);
/* Look at the handshake, and fill in the response: with what goes with a 101, or with
 * what refuses it.  Returns 0, the status that refuses it, or a negative errno. */
int http__websocket_shake(struct http_request *request,
                          struct http_response *response,
                          const struct http_websocket_options *options,
                          struct http__handshake_answer *answer);
/* Its 101 is on its way: from here on it is a WebSocket.  NULL: no memory. */
struct http_websocket *
http__websocket_begin(struct http__connection *connection,
                      const struct http_websocket_options *options,
                      const struct http__handshake_answer *answer);

/* ---- life.c ---- */

/* A WebSocket on a wire whose handshake is done.  wire: kept until
 * http__websocket_finish().
 * Returns NULL when there is no memory. */
struct http_websocket *
http__websocket_new(struct http__wire *wire,
                    const struct http_websocket_options *options,
                    const struct http__handshake_answer *answer);
/* The view has returned rc: close what is open, with the code that says so, wait for
 * who still uses it, and drop a reference.  Switches, not a cancellation point. */
void http__websocket_finish(struct http_websocket *socket, int rc);
/* Around each use by a greenlet: 0, or -EPIPE. */
int http__websocket_enter(struct http_websocket *socket);
int http__websocket_leave(struct http_websocket *socket, int rc);
/* Nothing more will come, for this reason; the first one counts.  Returns it. */
int http__websocket_end(struct http_websocket *socket, int reason);
/* The same, and nothing more is sent or read: who waits for the wire wakes up. */
int http__websocket_cut(struct http_websocket *socket, int reason);

/* ---- frames.c ---- */

enum { HTTP__FRAME_NONE = 0, HTTP__FRAME_PIECE = 1 };
/* The next piece of a frame: *first, *last piece of it.
 * Returns HTTP__FRAME_PIECE, HTTP__FRAME_NONE: the wire has nothing now, -EBADMSG
 * for no good frame, -EPIPE at the end, or what reading failed with. */
int http__frames_next(struct http_websocket *socket,
                      struct wslay_frame_iocb *piece, bool *first, bool *last);
/* Bytes that were read already come first.  Copied.  Returns 0 or -ENOMEM. */
int http__frames_early(struct http__frames *frames, const void *data,
                       size_t size);
/* What `piece` says is not needed any more: give back a context without bytes. */
void http__frames_rest(struct http__frames *frames);
void http__frames_free(struct http__frames *frames);
/* The header of a frame; returns its length, or -ENOMEM. */
int http__frames_header(const struct wslay_frame_iocb *frame, uint8_t *bytes);

/* ---- receive.c ---- */

/* Until a message is there, or the end.  drop: messages are. */
int http__websocket_read(struct http_websocket *socket, int64_t deadline_ns,
                         bool drop);
void http__incoming_free(struct http__incoming *in);
/* ---- message.c ---- */

/* A piece of a data frame.  Returns 1 when it ends a message, 0, or an error. */
int http__message_piece(struct http_websocket *socket,
                        const struct wslay_frame_iocb *piece, bool first,
                        bool last);
void http__message_drop(struct http__incoming *in);

/* ---- send.c ---- */

/* Take and give a turn: -EAGAIN for HUB_NOWAIT. */
int http__turn_take(struct hub_semaphore *turn, int64_t deadline_ns);
/* Send a frame, having the frame turn.  -EAGAIN, -ETIMEDOUT and other ends of waits: nothing
 * was sent; -EPIPE: the connection is over. */
int http__frame_send(struct http_websocket *socket,
                     const struct wslay_frame_iocb *frame, int64_t deadline_ns);
/* The same, taking the frame turn. */
int http__frame_post(struct http_websocket *socket,
                     const struct wslay_frame_iocb *frame, int64_t deadline_ns);
/* Give the frame turn; control frames that are due go before that, unless they would
 * have to wait. */
void http__frame_turn_give(struct http_websocket *socket);
/* Would a short frame go at once? */
bool http__wire_writable(const struct http_websocket *socket);

/* ---- parts.c ---- */

/* A piece of a message, compressed, having the message turn; `last`: of it.
 * Returns as http__frame_send(). */
int http__compressed_send(struct http_websocket *socket, uint8_t opcode,
                          const void *data, size_t size, bool last,
                          int64_t deadline_ns);

/* ---- control.c ---- */

/* A control frame is complete.  Returns 0 to go on, or what ends receiving. */
int http__control_frame(struct http_websocket *socket, uint8_t opcode);
/* Pings and pongs that are due are sent, or left to others. */
int http__control_due(struct http_websocket *socket);
bool http__control_is_due(const struct http_websocket *socket);
/* Send them, having the frame turn. */
void http__control_flush(struct http_websocket *socket);
/* Have a greenlet wait until they can be sent.  Returns 0 or -ENOMEM. */
int http__control_call_help(struct http_websocket *socket);
/* Tell the client why it is over.  Returns error, which is kept. */
int http__control_fail(struct http_websocket *socket, int error);
/* The server stops: a greenlet closes with 1001.  Does not wait. */
void http__control_leave(void *socket);
int http__control_send_close(struct http_websocket *socket, int code,
                             const char *reason, int64_t deadline_ns);

#endif
