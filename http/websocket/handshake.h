/* handshake.h - the opening handshake of RFC 6455, 4.2, without a connection */
#ifndef HTTP_HANDSHAKE_H
#define HTTP_HANDSHAKE_H

#include "http/strict.h"
#include "http/websocket.h"

/* What both agreed on about compression (RFC 7692). */
struct http__deflate_terms {
    bool on;
    bool send_takeover, receive_takeover;
    uint8_t send_bits, receive_bits; /* 9 ... 15, 8 ... 15 */
    bool say_send_bits, say_receive_bits; /* the client understands */
};

/* A value of a request's field: not ended by a 0. */
struct http__span {
    const char *data;
    size_t size;
};

/* The fields of a request, as the handshake asks for them: the n-th (from 0) of that
 * name; false: there are not so many. */
struct http__fields {
    bool (*find)(const void *request, const char *name, size_t n,
                 struct http__span *value);
    const void *request;
};

struct http__handshake {
    bool is_get, is_11, has_body;
    struct http__fields fields;
};

struct http__handshake_answer {
    char accept[29];        /* Sec-WebSocket-Accept */
    const char *protocol;   /* NULL: none */
    struct http__deflate_terms deflate;
    const char *why;        /* for people, when it is refused */
};

/* Returns 101 with *answer filled, the status that refuses it, or -ENOMEM. */
int http__handshake(const struct http__handshake *asked,
                    const struct http_websocket_options *options,
                    struct http__handshake_answer *answer);

/* The answer's Sec-WebSocket-Extensions; at most HTTP__EXTENSION_SIZE with its 0. */
enum { HTTP__EXTENSION_SIZE = 160 };
void http__extension_text(const struct http__deflate_terms *terms, char *text);

/* Look at one Sec-WebSocket-Extensions of the request: the first offer that can be
 * had is taken, unless there is one.  False: it is against the grammar. */
bool http__extension_offer(struct http__span value,
                           const struct http_websocket_options *options,
                           struct http__deflate_terms *terms);

/* ---- the grammar of lists (RFC 9110, 5.6) ---- */

bool http__span_is(struct http__span span, const char *word); /* no case */
/* Takes what comes next off the front of *text. */
void http__span_blanks(struct http__span *text);
bool http__span_token(struct http__span *text, struct http__span *token);
bool http__span_byte(struct http__span *text, char byte);
/* To the next element of a list; empty ones are passed over (5.6.1.2). */
void http__span_element(struct http__span *list);

/* Is word, without regard to case, an element of a list of that name? */
bool http__fields_list_has(const struct http__fields *fields, const char *name,
                           const char *word);

#endif
