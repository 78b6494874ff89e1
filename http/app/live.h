/* live.h - what a hub counts for the status page */
#ifndef HTTP_APP_LIVE_H
#define HTTP_APP_LIVE_H

#include <stdbool.h>
#include <stdint.h>

struct http__call;
struct http__live_row;
struct http__live_rows;
struct http_response;
struct http_server;
struct json_t;

enum { HTTP__LIVE_DONE = 128, HTTP__LIVE_LATENCIES = 1024 };

/* A request that was answered. */
struct http__live_done {
    uint64_t number;
    int64_t began, ended; /* hub_now() */
    int16_t status;
    bool websocket;
    char method[12], path[96];
};

struct http__live {
    struct http__live_entry *first; /* of those in flight, the newest */
    int64_t began;
    uint64_t requests, in_flight;
    uint64_t
        classes[6]; /* by the first digit of the status; 0: none was sent */
    struct http__live_done done[HTTP__LIVE_DONE];
    uint64_t done_count;
    int64_t latencies[HTTP__LIVE_LATENCIES]; /* of the last */
    uint64_t latency_count;
    /* of all workers, and ours; NULL: it does not serve with others */
    struct http__live_rows *rows;
    struct http__live_row *row;
};

/* live.c */
void http__live_describe(const struct http__call *call,
                         struct http__live_done *done);
/* The server's, made if need be; NULL: no memory. */
struct http__live *http__live_of(struct http_server *server);

/* liveworkers.c: made before workers are, NULL: no memory; the row of one hub
 * of `count`; what it counts goes there; "sum" and "each", given. */
struct http__live_rows *http__live_rows_new(void);
void http__live_rows_free(struct http__live_rows *rows);
void http__live_rows_take(struct http__live_rows *rows,
                          struct http_server *server, unsigned index,
                          unsigned count);
void http__live_rows_put(const struct http__live *live,
                         const struct http_server *server);
struct json_t *http__live_rows_json(const struct http__live *live);

/* livepage.c */
extern const char *const http__live_page[]; /* pieces, up to a NULL */

#endif
