/* http_impl.h - server, connection, request and response from the inside
 *
 * Rules: nothing is held while a connection is idle but its struct, and a greenlet
 * only by one that http_server_connection() was given; all memory of a request is its `work`, which goes back to a pool of the
 * server.  No clock is read for a request that nothing makes wait. */
#ifndef HTTP_IMPL_H
#define HTTP_IMPL_H

#include "http/arena.h"
#include "http/chunk.h"
#include "http/connection.h"
#include "http/httpserver.h"
#include "http/memory.h"
#include "http/strict.h"

#include "hub/crew.h"
#include "hub/server.h"

#define likely(x)         __builtin_expect(!!(x), 1)
#define unlikely(x)       __builtin_expect(!!(x), 0)
#define HTTP__OUT_ROOM    16384 /* answers are gathered up to that */
#define HTTP__ARENA_ROOM  4096
#define HTTP__FIELDS_ROOM 512 /* of a response, until it needs more */
#define HTTP__DISCARD_MOST \
    65536 /* of a body that nobody read; beyond: closed */

/* ---- text that grows, in an arena ---- */

struct http__text {
    char *data;
    size_t size, room;
};

/* Make room for `more` bytes behind its end.  Returns 0 or -ENOMEM. */
int http__text_reserve(struct http__text *text, struct http__arena *arena,
                       size_t more);

/* ---- request ---- */

enum http__body_state {
    HTTP__BODY_LENGTH,  /* `left` bytes */
    HTTP__BODY_CHUNKS,  /* in chunks */
    HTTP__BODY_ENDED,   /* all was read */
    HTTP__BODY_FAILED,  /* body_error says why */
    HTTP__BODY_ANSWERED /* the response was sent: no more */
};

struct http__defer {
    struct http__defer *next;
    void (*function)(void *data);
    void *data;
};

struct http__call; /* app/app_impl.h: what an application has of a request */

struct http_request {
    struct http__work *work;
    struct http__call *call; /* NULL: none */
    struct http__head head;          /* offsets from `data` */
    char *data;                      /* in the work's input */
    const char *path, *query, *host; /* NULL: not asked for yet */
    const char *scheme;
    struct hub_address *peer; /* the connection's, or one of its own */
    bool split;               /* path and query are good */
    /* the body */
    uint8_t body_state,
        continued; /* "100 Continue" was sent, or is not wanted */
    bool reading;
    bool hurried;       /* nobody wants it: it is not waited for for long */
    int16_t body_fault; /* the status of a failure */
    int body_error;
    uint64_t left, limit, received;
    int64_t body_began; /* when the first wait for it began; 0: not yet */
    struct http__chunks chunks;
    size_t chunk_left;       /* of the piece of a chunk that is in the input */
    struct http__text whole; /* http_request_body() */
    bool whole_known;
    const char *trailer; /* a copy, and what is where in it */
    struct http__head trailer_head;
    /* its end */
    struct http__defer *defers;
    int64_t began; /* for the access log */
};

/* ---- response ---- */

enum http__kind {
    HTTP__KIND_BYTES,
    HTTP__KIND_FILE,
    HTTP__KIND_STREAM,
    HTTP__KIND_UPGRADE
};

/* A range of a file, or what stands between two of them. */
struct http__part {
    const char *text; /* before it */
    size_t text_size;
    off_t offset;
    uint64_t size;
};

struct http_response {
    struct http__work *work;
    int16_t status; /* 0: none yet */
    uint8_t kind;
    bool begun; /* nothing can be set any more */
    bool close; /* "Connection: close" was set */
    bool has_type, has_date, has_server, has_length;
    bool taken; /* the view has sent it, and had the connection */
    uint64_t length;          /* that was set, with has_length */
    struct http__text fields; /* "Name: value\r\n", one after the other */
    struct http__text body;
    const void *borrowed; /* instead of body */
    size_t borrowed_size;
    void (*drop)(void *arg);
    void *drop_arg;
    /* a file */
    int file;
    struct http__part *parts;
    unsigned part_count;
    const char *tail; /* behind the last part */
    size_t tail_size;
    /* a stream */
    http_stream_producer *producer;
    void *producer_data;
    /* an upgrade */
    const char *protocol;
    http__upgraded *upgraded;
    void *upgraded_data;
    void (*upgraded_drop)(void *data);
};

/* ---- work: all memory of the requests of one turn ---- */

struct http__work {
    struct http__work *next; /* in the pool */
    struct http_server *server;
    struct http__connection *connection; /* NULL: its request is kept alone */
    unsigned refs; /* the connection's, and of those who keep the request */
    struct http_request request;
    struct http_response response;
    struct http__strict strict;
    struct http__arena arena;
    /* The input: the request at `start`, what was used up ends at `at`, what is
     * there at `end`. */
    char *input;
    size_t start, at, end, room;
    /* What is to be sent: a buffer while there is something. */
    char *out;
    size_t out_size, out_room;
    char fields_room[HTTP__FIELDS_ROOM];
    max_align_t arena_room[HTTP__ARENA_ROOM / sizeof(max_align_t)];
};

/* work.c.  NULL: no memory. */
struct http__work *http__work_take(struct http_server *server);
/* One less who needs it. */
void http__work_unref(struct http__work *work);
/* out.c: those that nobody has. */
void http__out_free_all(struct http_server *server);
/* Begin a request in it; and when it was answered, end that. */
void http__work_begin(struct http__work *work);
void http__work_end(struct http__work *work);
/* Those in the pool, down to so many. */
void http__work_trim(struct http_server *server, unsigned most);
#define HTTP__POOL_KEPT 16u /* by an idle server */
/* Once in a while: what nobody needed meanwhile, in part, and the memory of a
 * burst go back to the system. */
void http__work_settle(struct http_server *server);
void http__response_reset(struct http_response *response);
/* response.c: that line as Content-Type, unless there is one; 0, -ENOMEM. */
int http__response_type(struct http_response *response, const char *line,
                        size_t size);
void http__request_reset(struct http_request *request);

/* ---- connections ---- */

/* FRESH: nothing has come yet; IDLE: between requests; UPGRADED: its own
 * affair. */
enum http__idling { HTTP__BUSY, HTTP__FRESH, HTTP__IDLE, HTTP__UPGRADED };

/* What a request needs of it is together, and in front. */
struct http__connection {
    struct hub_crew_post post; /* waits for a request, if that is a listener's */
    struct http__wire wire;
    struct http_server *server;
    struct http__work *work;   /* NULL: idle */
    struct greenlet *greenlet; /* that is with it; NULL: the post waits */
    struct hub_callback *soon; /* sends what was gathered */
    const void *deferred;      /* greenlet_deferred() before the view */
    int64_t since;             /* how long it idles: server->now */
    unsigned idled;            /* `requests` at that time */
    unsigned requests;
    uint8_t idling; /* enum http__idling */
    bool begun;
    bool trimmed;
    bool secure;  /* the client's scheme is https */
    bool closing; /* after what is to be sent */
    bool linger; /* what the client still sends is to be read, not to lose it */
    bool broken; /* nothing can be sent any more */
    bool writing; /* its greenlet sends what is in `out` */
    bool gone;    /* a stream's client */
    struct http__connection *next, **back; /* all of the server's */
    struct http__listening *listening; /* where it came from; NULL: it was given */
    struct hub_scope *scope;           /* of a stream's producer */
    struct hub_watcher *watcher;
    void (*on_stop)(void *data);
    void *on_stop_data;
    struct hub_address peer;
};

/* connection.c: one that was accepted, from the loop; fd is given. */
void http__connection_accepted(struct http__listening *listening, int fd,
                               const struct hub_address *peer);
void http__connection_attend(struct hub_crew_post *post, int error);
/* All of a connection's life, in the greenlet that calls; fd is given. */
void http__connection_run(struct http_server *server,
                          const struct http_server_listener *how, int fd,
                          const struct hub_address *peer);
/* answer.c: what is there is answered, until nothing is.  Returns true: wait
 * for more; false: close. */
bool http__answer(struct http__connection *connection);
/* There is no memory for a connection: a line about it comes seldom. */
void http__report_starved(struct http_server *server);
/* After an error, or with input that nobody wants: closing at once would take
 * away what the client has not read. */
void http__linger(struct http__connection *connection);

/* head.c: the next request's head.  Returns 1; 0: the client has none for us
 * now
 * (-EAGAIN in *why) or has gone; or the status to refuse it with, negated. */
int http__head_read(struct http__connection *connection, int *why);

/* ---- sending: send.c ---- */

/* Send what was gathered.  Returns 0, or why not: the connection is broken. */
int http__flush(struct http__connection *connection);
/* What was gathered goes out when its greenlet waits. */
void http__flush_soon(struct http__connection *connection);
void http__flush_soon_cancel(struct http__connection *connection);

/* ---- responses: compose.c ---- */

struct http__framing {
    bool head_only; /* HEAD, or a status without a body */
    bool chunked, until_close;
    bool has_length;
    uint64_t length;
};

/* How it is framed; makes the connection close where it must. */
void http__frame(struct http__connection *connection,
                 struct http__framing *framing);
/* Gather its head.  Returns 0 or why it cannot be sent. */
int http__send_head(struct http__connection *connection,
                    const struct http__framing *framing);
/* All of a response that is no stream.  *sent: bytes of its body. */
int http__respond(struct http__connection *connection, uint64_t *sent);
/* Answer without a view: `status`, a line of text, and the end of the
 * connection. */
void http__refuse(struct http__connection *connection, int status);
/* The page that names a status, instead of what was set. */
void http__response_page(struct http_response *response, int status);

/* sendfile.c: the parts of a file. */
int http__send_parts(struct http__connection *connection);

/* stream_run.c: run the producer. */
int http__stream_run(struct http__connection *connection, uint64_t *sent);
/* A stream whose client sends what nobody reads: has it gone? */
void http__stream_look(struct http__connection *connection);
/* Cancel that scope when the client goes away, until unwatch, which comes in any
 * case.  Returns 0 or why not. */
int http__client_watch(struct http__connection *connection,
                       struct hub_scope *scope);
void http__client_unwatch(struct http__connection *connection);
/* upgrade.c: its 101 is ready to be sent; then it is another's, and closed. */
void http__upgrade_run(struct http__connection *connection);

/* ---- bodies of requests: body.c ---- */

/* After the head: what is said of its body. */
void http__body_begin(struct http_request *request);
/* The view has returned: a body in chunks that it left is looked at before the
 * answer, so that one which is no good is refused whatever the view said.
 * Returns 0, or the status. */
int http__body_check(struct http_request *request);
/* It is answered: read what nobody has.  False: that is too much. */
bool http__body_discard(struct http__connection *connection);
/* Will it be too much, or never come: close? */
bool http__body_ends_connection(const struct http_request *request);
/* The status that an error of the body stands for; 0: none. */
int http__body_status(const struct http_request *request);

/* app/context.c: its response was sent, or its connection given up.  Switches. */
void http__call_end(struct http__call *call);
/* Is there something of the program's to run in that, or behind it? */
bool http__call_may_wait(const struct http__call *call);

/* ---- the server ---- */

struct http__listening {
    struct http__listening *next;
    struct http_server *server;
    struct hub_server *acceptor;
    struct http_server_listener how;
};

struct http_server {
    unsigned refs; /* its owner's, each connection's, each kept work's */
    struct http_view view;
    struct http_server_options options; /* with the defaults filled in */
    struct http__strict_limits limits;
    struct http__parser_lines *lines;
    struct http__heads *heads; /* NULL: none are kept */
    struct http__listening *listenings, **last;
    struct http__connection *connections;
    struct http__connection *swept, *sweeps_next; /* sweep.c: where it is */
    struct hub_crew *crew; /* NULL: it does not listen */
    struct http__slots *slots; /* works are in these */
    struct http__work *pool;
    unsigned pool_count, pool_least; /* the fewest since the last trim */
    struct http__out *outs;
    unsigned out_count;
    unsigned works, works_most; /* there are; there were at once */
    bool stopping;
    struct http__slow *slow; /* NULL: no client is */
    struct hub_event emptied; /* no connection is left; set while so */
    struct hub_event stopped;
    struct hub_event hurry;   /* the sweeper has its turn now */
    int64_t now;              /* of the sweeper's last turn */
    struct greenlet *sweeper; /* NULL: no connections */
    struct http_server_counts counts;
    struct http__live *live; /* app/live.c; NULL: nothing was counted */
    uint64_t reported; /* lines in this second, and its number */
    int64_t reported_in;
    uint64_t starved; /* connections that were closed for want of memory */
    int64_t starved_until; /* of which nothing is said before */
    size_t date_size;
    int64_t date_second;
    char date[48];     /* "Date: ...\r\n" */
    char *server_line; /* "Server: ...\r\n", or "" */
    size_t server_line_size;
};

void http__server_unref(struct http_server *server);
/* One line for the operator. */
void http__report(struct http_server *server, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* sweep.c: once a second, while there are connections. */
int http__sweeper_start(struct http_server *server);
/* Before it is freed. */
void http__sweep_without(struct http__connection *connection);
void http__idle_begin(struct http__connection *connection,
                      enum http__idling idling);
void http__idle_end(struct http__connection *connection);
void http__date_refresh(struct http_server *server);

/* ---- small things ---- */

/* status.c */
const char *http__status_line(int status, char *room, size_t *size);
/* httpdate.c: "Sun, 06 Nov 1994 08:49:37 GMT", 29 bytes and a 0. */
void http__date_format(int64_t seconds, char text[30]);
/* Any of the three forms of RFC 9110 5.6.7.  Returns 0 or -EINVAL. */
int http__date_parse(const char *text, int64_t *seconds);
/* access.c: tell options.access, which is not NULL. */
void http__access(struct http__connection *connection, int status,
                  uint64_t sent);
void http__access_refused(struct http__connection *connection, int status,
                          uint64_t sent);
/* Is it a token (RFC 9110 5.6.2)? Has it none of CR, LF and NUL? */
bool http__is_token(const char *text);
bool http__is_value(const char *text);

#endif
