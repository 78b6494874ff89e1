/* websocket_client.h - a client of WebSockets as small as tests need it, and a pair of
 * a client's fd and a WebSocket, without a server */
#ifndef VIREO_TESTS_WEBSOCKET_CLIENT_H
#define VIREO_TESTS_WEBSOCKET_CLIENT_H

#include "../unit.h"
#include "http/websocket/websocket_impl.h"

#include <errno.h>

#define SOON hub_deadline(20 * HUB_SECOND)

enum { TEXT = 1, BINARY = 2, CLOSE = 8, PING = 9, PONG = 10 };

/* ---- bytes ---- */

struct bytes {
    uint8_t *data;
    size_t size, room;
};
void bytes_add(struct bytes *bytes, const void *data, size_t size);
void bytes_free(struct bytes *bytes);

/* ---- what a client sends ---- */

enum {
    FIN = 0x80, RSV1 = 0x40, RSV2 = 0x20, RSV3 = 0x10, /* with an opcode: */
    PLAIN = 0x100,  /* not masked */
    LONG = 0x200,   /* the length in 2 bytes, */
    LONGER = 0x400, /* in 8, whatever it is */
    HEAD = 0x800,   /* no payload follows */
    MORE = 0x1000   /* opcode 0, said aloud */
};
/* A frame of that first byte. */
void frame_add(struct bytes *bytes, unsigned first, const void *data,
               size_t size);
/* All of it, in pieces of so many bytes (0: at once), others running between. */
void send_pieces(int fd, const struct bytes *bytes, size_t piece);

/* ---- what it gets ---- */

struct frame {
    uint8_t first; /* FIN, RSV, opcode */
    uint8_t *data; /* with a 0 behind it */
    size_t size;
};
/* False: the end.  data is to be freed. */
bool frame_get(int fd, struct frame *frame);
/* "pong(x) close(1002)" of all frames up to the end. */
void frames_say(int fd, char *text, size_t size);

/* ---- a pair ---- */

struct ws_pair {
    int client; /* -1: closed */
    struct http__wire wire;
    struct http_websocket *socket;
};
void ws_open(struct ws_pair *pair, const struct http_websocket_options *options,
             const struct http__deflate_terms *terms);
/* Finishes it with rc, unless it is NULL, and closes all. */
void ws_close(struct ws_pair *pair, int rc);
/* Finishes and closes our side only. */
void ws_finish(struct ws_pair *pair, int rc);

/* ---- what a server says ---- */

/* Adds what http_websocket_receive() returned to a text: "T(hello)", "closed 1000",
 * "-EPIPE" ... */
void say_received(char *text, size_t size, struct http_websocket *socket,
                  const struct http_websocket_message *message, int rc);

#endif
