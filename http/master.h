/* master.h - processes that serve, and are replaced without a request lost
 *
 * The process that calls http_master_run() is the master for as long as it
 * lives. It opens all listeners and keeps them: no connection that waits in a
 * queue is ever reset by a worker that ends.  Workers are its children; each
 * accepts on descriptors of its own (SO_REUSEPORT), but for Unix sockets and
 * those of systemd, which all share.
 *
 * Signals of the master:
 *   SIGTERM, SIGINT, SIGQUIT  workers accept what waits, answer what was asked,
 * and end; a second one kills them SIGHUP                    the program is
 * executed anew, with the descriptors (LISTEN_FDS) and NOTIFY_SOCKET; when it
 * says READY=1 the old workers end, and the master goes on as its parent, under
 * the same process id; if it ends before or is not ready in time, nothing has
 * changed SIGUSR1, SIGUSR2          go to all workers: access logs are opened
 * anew A worker that gets SIGTERM is replaced, and accepts until its successor
 * does. */
#ifndef VIREO_MASTER_H
#define VIREO_MASTER_H

#include "http/view.h"

#ifdef __cplusplus
extern "C" {
#endif

struct http_worker;

/* All zero stands for the defaults, which are in brackets. */
struct http_master_options {
    const char *const *listen; /* addresses (hub_listen_on()), up to a NULL;
                                  NULL: what was handed over, by systemd */
    unsigned workers;          /* processes [one for each core] */
    unsigned hubs;    /* OS threads with a hub each, in each process [1] */
    int backlog;      /* of each listener [4096] */
    int64_t drain_ns; /* what was asked is answered for so long [30 s] */
    int64_t ready_ns; /* until a new program must be ready [60 s] */
    const char *const *argv; /* of the new program, up to a NULL [as this one
                                was started] */
    const char *program;     /* its file [argv[0] with a slash; else the file of
                                this process, as it was called at the start] */
    const char *pid_file;    /* written when all are ready, removed at the end;
                                NULL: none */
};

/* Start the workers, each of which calls run(worker, arg) for each of its hubs,
 * and serve until a signal ends it.  run() gets its listeners, says when it is
 * ready, waits until it is to stop, and returns 0, or a negative errno.  A
 * worker that ends otherwise than it was asked to is started again: at once,
 * and 0.1 s to 5 s later if it did not live a second.  Standard error gets a
 * line for each of these.
 *
 * A systemd service is told of READY=1, RELOADING=1 and STOPPING=1
 * (Type=notify). For the main greenlet.  options may be NULL.  Switches.
 * Returns, in the master alone: 0 when it was asked to end; -ECHILD when a
 * worker ended before all were ready for the first time; what listening failed
 * with; -EINVAL with nothing to listen on; -EPERM in another greenlet; -EAGAIN
 * or another error of fork(); -ENOMEM; or why the wait ended early. */
HTTP_API int http_master_run(const struct http_master_options *options,
                             int (*run)(struct http_worker *worker, void *arg),
                             void *arg);

/* ---- for run() ---- */

/* Which one it is, of all hubs of all processes, from 0; and how many there
 * are. */
HTTP_API unsigned http_worker_index(const struct http_worker *worker);
HTTP_API unsigned http_worker_count(const struct http_worker *worker);

/* The i-th of its listeners, non-blocking: fd, and in *which (unless NULL) the
 * number of its address among `listen`.
 * Ownership: given, once: closing it leaves the socket listening.
 * Returns the fd, -ENOENT after the last, -EBADF when it was given already. */
HTTP_API int http_worker_listener(struct http_worker *worker, size_t i,
                                  unsigned *which);

/* It accepts now on all of them.  Returns 0. */
HTTP_API int http_worker_ready(struct http_worker *worker);

/* Wait until it is to stop.  Switches.  Returns 0, or why the wait ended early.
 */
HTTP_API int http_worker_wait(struct http_worker *worker, int64_t deadline_ns);

/* How long connections may be served from now on until the master kills this
 * process, in ns: drain_ns before it is to stop. */
HTTP_API int64_t http_worker_time_left(const struct http_worker *worker);

#ifdef __cplusplus
}
#endif
#endif
