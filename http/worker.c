/* worker.c - a worker: what it knows of its master, and its hubs
 *
 * The channel's end means that the master is gone: then a worker stops, too
 * (orphan.c sees to it that it does). */
#include "http/worker.h"
#include "http/memory.h"

#include "hub/event.h"
#include "hub/signal.h"
#include "hub/socket.h"
#include "hub/workers.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

struct http_worker {
    struct office *office;
    unsigned index;
    int *fds; /* -1: given */
    unsigned *which;
    size_t count;
    bool ready;
};

/* What the workers of one process share. */
struct office {
    const struct http__process *process;
    struct hub_event stop;
    int64_t ends;   /* atomic: when the master will kill us; 0: not yet */
    unsigned ready; /* atomic: workers that are */
    bool asked;
    struct http_worker *workers;
};

/* ---- for run() ---- */

unsigned http_worker_index(const struct http_worker *worker)
{
    return worker->index;
}

unsigned http_worker_count(const struct http_worker *worker)
{
    const struct http__process *process = worker->office->process;

    return process->processes * process->hubs;
}

int http_worker_listener(struct http_worker *worker, size_t i, unsigned *which)
{
    int fd;

    if (i >= worker->count)
        return -ENOENT;
    fd = worker->fds[i];
    if (fd < 0)
        return -EBADF;
    worker->fds[i] = -1;
    if (which != NULL)
        *which = worker->which[i];
    return fd;
}

static void say(struct office *office, enum http__word word)
{
    char byte = (char)word;
    ssize_t sent =
        send(office->process->channel, &byte, 1, MSG_NOSIGNAL | MSG_DONTWAIT);

    (void)sent; /* there is room for some, or there is no master */
}

int http_worker_ready(struct http_worker *worker)
{
    struct office *office = worker->office;

    if (worker->ready)
        return 0;
    worker->ready = true;
    if (__atomic_add_fetch(&office->ready, 1, __ATOMIC_SEQ_CST) ==
        office->process->hubs)
        say(office, HTTP__WORD_READY);
    return 0;
}

int http_worker_wait(struct http_worker *worker, int64_t deadline_ns)
{
    return hub_event_wait(&worker->office->stop, deadline_ns);
}

int64_t http_worker_time_left(const struct http_worker *worker)
{
    int64_t ends = __atomic_load_n(&worker->office->ends, __ATOMIC_RELAXED);
    int64_t left = ends - hub_now();

    if (ends == 0)
        return worker->office->process->drain_ns;
    return left > 0 ? left : 0;
}

/* ---- what the master says ---- */

static void stop(struct office *office)
{
    if (hub_event_is_set(&office->stop))
        return;
    __atomic_store_n(&office->ends, hub_deadline(office->process->drain_ns),
                     __ATOMIC_RELAXED);
    hub_event_set(&office->stop);
}

static void listen_to_master(void *arg)
{
    struct office *office = arg;
    char word;
    ssize_t got;

    do
        got = hub_recv(office->process->channel, &word, 1, 0, HUB_FOREVER);
    while (got == 1 && word != HTTP__WORD_STOP);
    if (got == -ECANCELED)
        return;
    if (got != 1)
        http__orphan_begin();
    stop(office);
    if (got != 1 && hub_sleep(office->process->drain_ns + HUB_SECOND) == 0)
        _exit(EXIT_FAILURE); /* no master is left that would kill us */
}

/* Somebody wants this worker to end: its successor comes first, unless the
 * master has other things to do. */
static void on_term(int number, void *arg)
{
    struct office *office = arg;

    (void)number;
    if (office->asked)
        return;
    office->asked = true;
    say(office, HTTP__WORD_LEAVE);
    if (hub_event_wait(&office->stop,
                       hub_deadline(office->process->drain_ns)) == -ETIMEDOUT)
        stop(office);
}

/* A terminal sends SIGINT to all: the master's alone counts. */
static int take_signals(struct office *office, struct hub_signal **term,
                        const sigset_t *mask)
{
    static const int ignored[] = {SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2};
    int rc;

    for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++)
        hub_signal_reset(ignored[i], SIG_IGN);
    hub_signal_reset(SIGTERM, SIG_DFL);
    rc = hub_signal_start(SIGTERM, on_term, office, term);
    pthread_sigmask(SIG_SETMASK, mask, NULL);
    return rc;
}

/* ---- listeners ---- */

/* Workers of one process that share a socket have a descriptor each. */
static int give(struct http_worker *worker, struct http__listener *listener,
                bool *given)
{
    int fd = *given ? fcntl(listener->fd, F_DUPFD_CLOEXEC, 3) : listener->fd;

    if (fd < 0)
        return -errno;
    *given = true;
    worker->which[worker->count] = listener->which;
    worker->fds[worker->count++] = fd;
    return 0;
}

static int deal_one(struct office *office, size_t i)
{
    const struct http__process *process = office->process;
    unsigned units = process->processes * process->hubs;
    bool given = false;
    int rc = 0;

    for (unsigned k = 0; k < process->hubs && rc == 0; k++)
        if (http__listeners_is_of(process->listeners, i,
                                  office->workers[k].index, units))
            rc =
                give(&office->workers[k], &process->listeners->list[i], &given);
    if (!given)
        hub_close(process->listeners->list[i].fd);
    return rc;
}

/* By address: run() sees them in the order in which they were asked for.  Those
 * of no address of ours are none of ours: they end when others let them go. */
static int deal(struct office *office)
{
    const struct http__listeners *listeners = office->process->listeners;
    int rc = 0;

    for (unsigned k = 0; k < office->process->hubs; k++) {
        struct http_worker *worker = &office->workers[k];

        worker->office = office;
        worker->index = office->process->index * office->process->hubs + k;
        worker->fds = http__calloc(listeners->count, sizeof *worker->fds);
        worker->which = http__calloc(listeners->count, sizeof *worker->which);
        if (worker->fds == NULL || worker->which == NULL)
            return -ENOMEM;
    }
    for (unsigned which = 0; which < listeners->count && rc == 0; which++)
        for (size_t i = 0; i < listeners->count && rc == 0; i++)
            if (listeners->list[i].which == which)
                rc = deal_one(office, i);
    for (size_t i = 0; i < listeners->count && rc == 0; i++)
        if (listeners->list[i].which == UINT_MAX)
            hub_close(listeners->list[i].fd);
    return rc;
}

static void clear(struct office *office)
{
    for (unsigned k = 0; k < office->process->hubs; k++) {
        struct http_worker *worker = &office->workers[k];

        for (size_t i = 0; i < worker->count; i++)
            if (worker->fds[i] >= 0)
                hub_close(worker->fds[i]);
        free(worker->fds);
        free(worker->which);
    }
    free(office->workers);
}

/* ---- the process ---- */

static int run_one(struct hub_worker *hub, void *arg)
{
    struct office *office = arg;
    const struct http__process *process = office->process;
    int rc =
        process->run(&office->workers[hub_worker_index(hub)], process->arg);

    if (rc < 0) /* one that cannot go on takes the others with it */
        hub_event_set(&office->stop);
    return rc;
}

static int run_all(struct office *office)
{
    const struct http__process *process = office->process;

    if (process->hubs > 1)
        return hub_workers(process->hubs, run_one, office);
    return process->run(&office->workers[0], process->arg);
}

int http__worker_be(const struct http__process *process, const sigset_t *mask)
{
    struct office office = {.process = process};
    struct hub_signal *term = NULL;
    struct greenlet *listener;
    int rc;

    hub_event_init(&office.stop);
    office.workers = http__calloc(process->hubs, sizeof *office.workers);
    if (office.workers == NULL)
        return -ENOMEM;
    rc = deal(&office);
    http__orphan_prepare(process->master, process->drain_ns);
    if (rc == 0)
        rc = take_signals(&office, &term, mask);
    listener = rc == 0 ? hub_spawn_raw(listen_to_master, &office) : NULL;
    if (rc == 0 && listener == NULL)
        rc = -ENOMEM;
    if (rc == 0)
        rc = run_all(&office);
    hub_event_set(&office.stop); /* who waits for it is gone before it is */
    if (listener != NULL) {
        hub_kill_join(listener, HUB_FOREVER);
        greenlet_unref(listener);
    }
    if (term != NULL)
        hub_signal_stop(term);
    hub_sleep(0);
    clear(&office);
    return rc;
}
