/* master_impl.h - the master's own
 *
 * One greenlet, that of http_master_run(), does all that changes something;
 * others only note what they hear (a child has ended, a signal came), and wake
 * it. */
#ifndef HTTP_MASTER_IMPL_H
#define HTTP_MASTER_IMPL_H

#include "http/listeners.h"
#include "http/master.h"

#include "hub/event.h"
#include "hub/signal.h"

#include <signal.h>
#include <sys/types.h>

enum { HTTP__MASTER_SIGNALS = 6 };
extern const int http__master_signals[HTTP__MASTER_SIGNALS];

/* A worker, or (channel -1) another program that has workers. */
struct http__child {
    struct http__child *next;
    struct http__master *master;
    unsigned refs; /* the list's, and of the greenlets that listen */
    pid_t pid;
    int channel;
    unsigned index; /* of a worker: its slot */
    bool ready;     /* it accepts */
    bool leaves;    /* it wants to end */
    bool told;      /* it was told to */
    bool ended;
    int status; /* of waitpid() */
    int64_t began;
    int64_t kill_at;  /* told, and not gone by then; HUB_FOREVER */
    int64_t ready_by; /* of a program; HUB_FOREVER */
};

/* Where a worker belongs. */
struct http__slot {
    struct http__child *current; /* NULL: none now */
    struct http__child *leaving; /* accepts until current does; NULL: none */
    int64_t start_at, pause_ns;
};

struct http__master {
    struct http_master_options options;
    int (*run)(struct http_worker *worker, void *arg);
    void *arg;
    struct http__listeners listeners;
    struct http__slot *slots; /* options.workers */
    struct http__child *children;

    bool started;    /* all were ready once */
    bool serves_own; /* the slots are ours to fill; else `program` serves */
    struct http__child *program, *candidate; /* NULL: none */
    int64_t retry_at, retry_ns;              /* the program has died */

    unsigned stops; /* how often it was asked to end */
    bool restart;   /* SIGHUP */
    bool ends;      /* all was told to */
    int error;

    struct hub_event changed;
    struct hub_signal *watchers[HTTP__MASTER_SIGNALS];
    const char *keeper; /* NOTIFY_SOCKET at the start; NULL: none */
    int tells;          /* the socket for it; -1: none */
    struct http__note *notes; /* what it has not been told yet */
    struct greenlet *teller;  /* tells it; NULL: nothing waits */
    bool is_kept;       /* by a master: it has the listeners, too */
    pid_t kept_by;
    int notify;         /* for new programs; -1: not made */
    char notify_name[128];
    char **argv, *program_file; /* what is executed */
};

/* One line to standard error. */
void http__master_say(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

/* ---- child.c ---- */

/* fork() with signals held back: 0 in the child, with what it is to have in
 * *mask. */
pid_t http__master_fork(sigset_t *mask);
/* After the fork: NULL when there was no memory; then the child is killed. */
struct http__child *http__child_new(struct http__master *master, pid_t pid,
                                    int channel, unsigned index);
void http__child_unref(struct http__child *child);
/* Ask it to end, and kill it when it takes too long. */
void http__child_stop(struct http__child *child);
/* Start a worker in a slot. */
int http__child_worker(struct http__master *master, unsigned index);

/* ---- keeper.c: what the one above us is told; none of it waits ---- */

/* All workers accept: which listeners to keep for who comes after us, which not,
 * and READY=1. */
void http__keeper_started(struct http__master *master);
void http__keeper_ready(struct http__master *master); /* again */
void http__keeper_reloading(struct http__master *master);
void http__keeper_stopping(struct http__master *master);
/* What has not been told yet will not be.  Switches. */
void http__keeper_free(struct http__master *master);

/* ---- takeover.c ---- */

/* Note how this program was started.  Returns 0 or a negative errno. */
int http__takeover_prepare(struct http__master *master);
/* Execute the program, as master->candidate. */
int http__takeover_start(struct http__master *master);
void http__takeover_free(struct http__master *master);

#endif
