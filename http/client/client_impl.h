/* client_impl.h - what the sources of the client session share
 *
 * Rules.  libcurl's multi handle is entered in two ways: its sockets and timers are
 * told of in the loop (drive.c), and greenlets add, remove and unpause transfers.
 * Neither is ever within the other, since no callback of libcurl's waits or calls
 * into it: they note what has happened, and set the event of the greenlet that waits
 * for the transfer.  That one looks at the state, never at the event. */
#ifndef HTTP_CLIENT_IMPL_H
#define HTTP_CLIENT_IMPL_H

#include "http/httpclient.h"

#include <curl/curl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP__KEPT_HOSTS 256 /* that nobody uses */
#define HTTP__NAME_LIFE (60 * HUB_SECOND)

/* A host and port: how many connections it has, and where it is. */
struct http__host {
    struct http__host *next;
    struct hub_semaphore permits;
    unsigned users;     /* requests that wait for a permit or have one */
    char *addresses;    /* as CURLOPT_RESOLVE takes them; NULL: not asked yet */
    int64_t good_until; /* these addresses are */
    char key[];         /* "host:port" */
};

struct http_session {
    struct http_session_options options; /* its texts are the session's */
    char *texts;
    struct hub *hub;
    unsigned hub_id;
    int process;
    unsigned refs; /* the program's, and one of each reply */
    bool closed;
    CURLM *multi;
    int epoll, timer; /* in the hub as one descriptor: drive.c */
    bool starved;     /* a socket could not be put there */
    struct hub_watcher *watcher;
    struct http__socket *sockets; /* that libcurl has: sockets.c */
    struct http_reply *first; /* transfers that the multi handle has */
    unsigned active, waiting;
    struct hub_semaphore permits;
    struct http__host *hosts;
    char error[CURL_ERROR_SIZE];
};

/* Where a request goes. */
struct http__target {
    char *host; /* as libcurl names it: without brackets */
    char *key;  /* host:port, with them */
    bool secure, plain, numeric; /* https, http, an address */
    char port[8];
};

/* A reply, and the transfer that brings it: one for each request, redirects and all.
 * Fields of the request are there until the function that makes it returns. */
struct http_reply {
    struct http_session *session; /* kept */
    struct http_reply *next, **link; /* while it is attached */
    CURL *easy;
    struct curl_slist *headers, *resolve;
    struct http__host *host; /* has a permit of it and of the session */
    struct hub_event event;
    const struct http_session_request *request; /* NULL: its function has returned */
    char *url;
    struct http__target origin; /* of the first one */
    const char *method;
    unsigned flags, redirects;
    bool body;     /* the request has one */
    bool stream;   /* the body is read piece by piece */
    bool attached; /* the multi handle has it */
    bool busy;     /* a greenlet is in http_reply_read() */
    /* What has happened. */
    bool head;     /* the answer's is complete */
    bool follow;   /* it is a redirect to be followed: its body is nothing to us */
    bool done;     /* it has ended, with `error` */
    bool paused;   /* the server has to wait for who reads */
    bool hungry;   /* more of the upload is wanted */
    bool stale;    /* a kept connection was no good: another is to be a new one */
    int status, error;
    const char *why; /* words for an error that libcurl knows nothing of */
    size_t skipped; /* bytes of bodies of redirects */
    /* The request's body: what was given to libcurl; and a piece of an upload. */
    uint64_t sent;
    char *piece;
    size_t piece_at, piece_end;
    bool upload_ended; /* there is nothing behind this piece */
    bool uploaded;     /* libcurl has all of the body */
    /* The answer's body: data[start ... end - 1]. */
    char *data;
    size_t start, end, room, limit;
    /* When it is too late for what is yet to come. */
    int64_t connect_by, answer_by, all_by;
    int64_t first_byte_timeout;
    char text[CURL_ERROR_SIZE];
};

/* ---- sockets.c ---- */

int http__sockets_set(CURL *easy, struct http_session *session);
void http__sockets_drop(struct http_session *session); /* libcurl has none */
/* A new connection has this name on our side. */
void http__socket_note(struct http_session *session, const char *address,
                       int port);
/* Is there something to read on that one, or its end?  Of Unix sockets nothing is
 * known: false. */
bool http__socket_has_more(const struct http_session *session,
                           const char *address, int port);

/* ---- alloc.c ---- */

/* Memory; NULL: none.  Tests make it fail. */
void *http__client_alloc(size_t size); /* all zero */
void *http__client_resize(void *memory, size_t size);
char *http__client_copy(const char *text);
#ifdef VIREO_TEST_HOOKS
extern bool (*http__client_fails)(void);
#endif

/* ---- drive.c ---- */

int http__drive_open(struct http_session *session);
void http__drive_close(struct http_session *session);
/* Give the transfer to libcurl; take it away: what has not ended is cut off. */
int http__attach(struct http_reply *reply);
void http__detach(struct http_reply *reply);

/* ---- host.c ---- */

int http__target_parse(const char *url, struct http__target *target);
/* The same of a proxy, in the words of libcurl. */
int http__client_proxy_parse(const char *url, struct http__target *target);
/* Where a redirect leads to: *url is given. */
int http__target_next(const char *from, const char *location, char **url);
void http__target_drop(struct http__target *target);
/* A permit to have a connection there, in turn, by the reply's deadline. */
int http__host_enter(struct http_reply *reply, const struct http__target *target);
void http__host_leave(struct http_reply *reply);
/* Where it is, unless that is known. */
int http__host_resolve(struct http_reply *reply,
                       const struct http__target *target);
void http__hosts_drop(struct http_session *session);

/* ---- transfer.c: one exchange with a server ---- */

/* Make a handle for what the reply's request says now. */
int http__transfer_prepare(struct http_reply *reply);
/* It is over: the handle and the permits go back. */
void http__transfer_end(struct http_reply *reply, int error);

/* ---- callbacks.c: what libcurl tells and asks for ---- */

int http__callbacks_set(struct http_reply *reply);
/* The server may go on, if enough was read; there is more of an upload. */
void http__reading(struct http_reply *reply);
void http__feeding(struct http_reply *reply);

/* ---- fields.c ---- */

bool http__is_method(const char *text);
/* The request's fields as libcurl takes them; `away`: to another origin. */
int http__fields_make(const struct http_reply *reply, bool away,
                      struct curl_slist **list);

/* ---- error.c ---- */

/* What libcurl says, as an errno; and some words, unless libcurl has some. */
int http__error_of(struct http_reply *reply, CURLcode code);
/* Leaves the words for http_session_error(); returns error. */
int http__fail(struct http_session *session, int error, const char *text);

/* ---- session.c ---- */

/* 0, -EXDEV in another thread or process, -EBADF once it was freed. */
int http__session_check(const struct http_session *session);
bool http__session_is_here(const struct http_session *session); /* not forked */
void http__session_ref(struct http_session *session);
void http__session_unref(struct http_session *session);

#endif
