/* service.h - what servers of connections and of datagrams have in common */
#ifndef HUB_SERVICE_H
#define HUB_SERVICE_H

#include "hub/server.h"
#include "hub/watch_impl.h"

struct hub__service;

/* A handler under way.  Linked to the end of its greenlet, so that what it has
 * is given back however it ends, also before it began. */
struct hub__handling {
    struct hub__handling *next, **back;
    struct hub__link link;
    struct hub__service *service;
    struct greenlet *greenlet; /* a reference; NULL: a call in the loop */
    int fd;                    /* closed at the end; -1: none */
    struct hub_address peer;
    size_t size;
    char data[];
};

struct hub__service {
    const struct hub__service_kind *kind;
    unsigned refs; /* the caller's, the acceptor's, each handling's */
    struct hub *hub;
    unsigned hub_id; /* which may be gone */
    char *address; /* NULL: it was given an fd */
    struct hub_server_options options;
    void *arg;
    int fd; /* -1: not listening */
    bool closed, stopping, starting;
    int reported; /* the error that was told of last, and when */
    int64_t reported_at;
    struct greenlet *acceptor;
    struct hub__link acceptor_link;
    struct hub__handling *handlings;
    struct hub__handling *killed; /* service.c: the next to be */
    size_t count;
    struct hub__link *released; /* waits for a handling to end */
    struct hub__link *over;     /* waits for the service to be closed */
    struct hub__link *begun;    /* waits for who is starting it */
};

struct hub__service_kind {
    unsigned listen_flags;
    /* Take one connection or datagram, without waiting, into a new handling.
     * Returns 1, 0 when there is none, or a negative errno. */
    int (*take)(struct hub__service *service, struct hub__handling **handling);
    void (*call)(struct hub__handling *handling);
    void (*free)(struct hub__service *service);
};

int hub__service_init(struct hub__service *service,
                      const struct hub__service_kind *kind, const char *address,
                      const struct hub_server_options *options, void *arg);
struct hub__handling *hub__handling_new(size_t size);
/* 0, or -EXDEV: it is another hub's. */
int hub__service_check(const struct hub__service *service);
int hub__service_start(struct hub__service *service);
int hub__service_serve(struct hub__service *service);
void hub__service_close(struct hub__service *service);
int hub__service_stop(struct hub__service *service, int64_t timeout_ns);
void hub__service_unref(struct hub__service *service);
int hub__service_address(const struct hub__service *service,
                         struct hub_address *address);

/* handling.c: start its handler; 0, or -EAGAIN when no greenlet could be made:
 * then it is gone. */
int hub__handling_start(struct hub__service *service,
                        struct hub__handling *handling);
/* Returns 0, or why the wait ended early. */
int hub__service_wait(struct hub__link **list,
                      const struct hub__wait_kind *kind, const void *object,
                      int64_t deadline_ns);

#endif
