/* workers.h - many cores: a hub per OS thread, or a process per core
 *
 * Greenlets never move between hubs; work does, by hub_worker_call() and
 * hub_worker_spawn().  Each worker has a listening socket of its own, and the
 * kernel deals connections out to them (SO_REUSEPORT). */
#ifndef VIREO_WORKERS_H
#define VIREO_WORKERS_H

#include "hub/hub.h"

#include <sys/socket.h>

#ifdef __cplusplus
extern "C" {
#endif

struct hub_worker;

/* Run run(worker, arg) on `count` OS threads (0: one for each core that this
 * process may use), each with a hub of its own, and wait until all have returned;
 * then their hubs are closed and what they spawned is killed.  The caller parks:
 * greenlets of its own hub run on.  When the wait ends early the workers are asked
 * to stop, and waited for all the same.  None begins before all are there, so that
 * each can call the others.  Switches.
 * Returns 0, the first error that one returned, why the wait ended early, -EAGAIN
 * when a thread could not be made, -ENOMEM. */
HUB_API int hub_workers(unsigned count,
                        int (*run)(struct hub_worker *worker, void *arg),
                        void *arg);

/* Which one it is, from 0, and how many there are.  Thread-safe. */
HUB_API unsigned hub_worker_index(const struct hub_worker *worker);
HUB_API unsigned hub_worker_count(const struct hub_worker *worker);

/* A TCP or Unix socket of this worker that listens on the address, non-blocking
 * and close-on-exec.  The n-th call of each worker is for the same address: if
 * the port is 0, all get the one that the kernel chose for the first.  A Unix
 * address is bound once, and shared.
 * Returns the fd, or the negative errno of socket(), bind(), listen(). */
HUB_API int hub_worker_listen(struct hub_worker *worker,
                              const struct sockaddr *address, socklen_t size,
                              int backlog);

/* Call function(arg) in the loop of another worker, which must not wait there; or
 * spawn a greenlet there that calls it.  Thread-safe.
 * Returns 0, -EINVAL for an index that is none, -ESRCH when that one has returned,
 * -ENOMEM. */
HUB_API int hub_worker_call(struct hub_worker *worker, unsigned index,
                            void (*function)(void *arg), void *arg);
HUB_API int hub_worker_spawn(struct hub_worker *worker, unsigned index,
                             void (*function)(void *arg), void *arg);

/* Ask all workers to stop: hub_worker_wait() returns.  Thread-safe. */
HUB_API void hub_worker_stop(struct hub_worker *worker);

/* Wait until somebody asks the workers to stop.  Switches.
 * Returns 0, or why it ended early. */
HUB_API int hub_worker_wait(struct hub_worker *worker, int64_t deadline_ns);

/* ---- processes ---------------------------------------------------------------- */

struct hub_prefork_options {
    unsigned restarts;  /* of all children together, of those that fail; 0: none */
    int64_t pause_ns;   /* before a restart, doubling up to 30 s while children
                           live less than a second; 0: 100 ms */
    int64_t grace_ns;   /* from SIGTERM to SIGKILL; 0: 10 s */
};

/* Run run(index, arg) in `count` child processes (0: one for each core), each in
 * the greenlet that is its main, and exit with what it returned: 0, or 1 for an
 * error.  A child that fails is started again, as options (NULL: none) allow.
 * SIGTERM, SIGINT and SIGQUIT to the parent go to all children, none is started
 * any more, and after the grace they are killed; SIGHUP, SIGUSR1, SIGUSR2 go to
 * all children.  Children get SIGTERM when the parent dies.  Listening sockets are
 * made before by the caller, or by each child with SO_REUSEPORT.  For the main
 * greenlet.  Switches.
 * Returns, in the parent alone, when no child is left: 0 when all ended with
 * status 0 or were asked to; -ECHILD when one failed and was not started again;
 * why the wait ended early (then the children are ended first); -EPERM in another
 * greenlet; -ENOMEM; the error of fork(). */
HUB_API int hub_prefork(unsigned count, int (*run)(unsigned index, void *arg),
                        void *arg, const struct hub_prefork_options *options);

#ifdef __cplusplus
}
#endif
#endif
