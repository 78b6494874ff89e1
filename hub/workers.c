/* workers.c - a hub per OS thread
 *
 * A worker's hub can be reached from outside while its function runs: `hub` is set
 * and cleared under the lock of the team, and calls are handed over under it. */
#include "hub/schedule.h"
#include "hub/workers.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LISTENERS_MAX 64

/* The n-th address that workers listen on; size 0: nobody has yet. */
struct place {
    struct sockaddr_storage address;
    socklen_t size;
    int shared; /* a Unix socket: duplicated for each; -1: none */
};

struct team {
    pthread_mutex_t lock;
    pthread_cond_t all_there;
    unsigned count, left; /* left: threads that have not ended */
    unsigned arrived;     /* have their hubs, or will never have one */
    int (*run)(struct hub_worker *worker, void *arg);
    void *arg;
    int error;
    bool stops;
    struct hub__waiter *waiter;  /* the one who waits for all; NULL: not now */
    struct hub__link *stoppers;  /* workers that wait to be asked to stop */
    struct place places[LISTENERS_MAX];
    struct hub_worker *workers;
};

struct hub_worker {
    struct team *team;
    unsigned index, listeners;
    struct hub *hub; /* under the lock; NULL: not now */
    pthread_t thread;
};

static const struct hub__wait_kind waits_for_workers = { "the end of workers",
                                                         NULL };
static const struct hub__wait_kind waits_for_stop = {
    "workers to be asked to stop", NULL
};

/* ---- a worker ---- */

static void worker_ends(struct hub_worker *worker, int rc)
{
    struct team *team = worker->team;

    pthread_mutex_lock(&team->lock);
    if (rc < 0 && team->error == 0)
        team->error = rc;
    worker->hub = NULL;
    pthread_mutex_unlock(&team->lock);
    hub_destroy();
    pthread_mutex_lock(&team->lock);
    if (--team->left == 0 && team->waiter != NULL)
        hub__wake(team->waiter, 0);
    pthread_mutex_unlock(&team->lock);
}

/* Under the lock. */
static void arrive(struct team *team, unsigned count)
{
    team->arrived += count;
    if (team->arrived == team->count)
        pthread_cond_broadcast(&team->all_there);
}

/* None begins before all can be called by the others. */
static void *run_worker(void *arg)
{
    struct hub_worker *worker = arg;
    struct team *team = worker->team;
    struct hub *hub = hub__get();

    pthread_mutex_lock(&team->lock);
    worker->hub = hub;
    arrive(team, 1);
    while (team->arrived < team->count)
        pthread_cond_wait(&team->all_there, &team->lock);
    pthread_mutex_unlock(&team->lock);
    worker_ends(worker,
                hub != NULL ? team->run(worker, team->arg) : -ENOMEM);
    return NULL;
}

unsigned hub_worker_index(const struct hub_worker *worker)
{
    return worker->index;
}

unsigned hub_worker_count(const struct hub_worker *worker)
{
    return worker->team->count;
}

/* ---- hand-over ---- */

int hub_worker_call(struct hub_worker *worker, unsigned index,
                    void (*function)(void *arg), void *arg)
{
    struct team *team = worker->team;
    int rc = -ESRCH;

    if (index >= team->count)
        return -EINVAL;
    pthread_mutex_lock(&team->lock);
    if (team->workers[index].hub != NULL)
        rc = hub_call_soon_threadsafe(team->workers[index].hub, function, arg);
    pthread_mutex_unlock(&team->lock);
    return rc;
}

struct errand {
    void (*function)(void *arg);
    void *arg;
};

static void do_errand(void *arg)
{
    struct errand errand = *(struct errand *)arg;

    free(arg);
    errand.function(errand.arg);
}

/* In the loop of the other worker. */
static void spawn_errand(void *arg)
{
    struct greenlet *g = hub_spawn_raw(do_errand, arg);

    if (g == NULL) {
        hub__say(hub__get(), "vireo: no memory for a greenlet that another "
                             "worker asked for\n");
        free(arg);
        return;
    }
    greenlet_unref(g);
}

int hub_worker_spawn(struct hub_worker *worker, unsigned index,
                     void (*function)(void *arg), void *arg)
{
    struct errand *errand = greenlet__malloc(sizeof *errand);
    int rc;

    if (errand == NULL)
        return -ENOMEM;
    *errand = (struct errand){ function, arg };
    rc = hub_worker_call(worker, index, spawn_errand, errand);
    if (rc < 0)
        free(errand);
    return rc;
}

/* ---- stopping ---- */

static void stop(struct team *team)
{
    pthread_mutex_lock(&team->lock);
    team->stops = true;
    hub__link_notify(&team->stoppers);
    pthread_mutex_unlock(&team->lock);
}

void hub_worker_stop(struct hub_worker *worker)
{
    stop(worker->team);
}

int hub_worker_wait(struct hub_worker *worker, int64_t deadline_ns)
{
    struct team *team = worker->team;
    struct hub__waiter waiter;
    struct hub__wait_link link = { .link.notify = hub__wait_link_notify,
                                   .waiter = &waiter };
    int rc = hub__waiter_begin(&waiter, &waits_for_stop, team);
    bool stops;

    if (rc < 0)
        return rc;
    pthread_mutex_lock(&team->lock);
    stops = team->stops;
    if (!stops)
        hub__link_add(&team->stoppers, &link.link);
    pthread_mutex_unlock(&team->lock);
    if (stops)
        return 0;
    if (waiter.hub != NULL)
        waiter.hub->active++;
    rc = hub__park_cancelable(&waiter, deadline_ns);
    if (waiter.hub != NULL)
        waiter.hub->active--;
    pthread_mutex_lock(&team->lock);
    if (hub__link_is_linked(&link.link))
        hub__link_remove(&team->stoppers, &link.link);
    pthread_mutex_unlock(&team->lock);
    return rc;
}

/* ---- listening ---- */

static int open_listener(const struct sockaddr *address, socklen_t size,
                         int backlog)
{
    const int on = 1;
    int fd = socket(address->sa_family,
                    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int rc = fd < 0 ? -errno : 0;

    if (rc < 0)
        return rc;
    if (address->sa_family != AF_UNIX) {
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        if (setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) < 0)
            rc = -errno;
    }
    if (rc == 0 && (bind(fd, address, size) < 0 || listen(fd, backlog) < 0))
        rc = -errno;
    if (rc == 0)
        return fd;
    close(fd);
    return rc;
}

/* The first to come: what it gets all get. */
static int listen_first(struct place *place, const struct sockaddr *address,
                        socklen_t size, int backlog)
{
    int fd = open_listener(address, size, backlog);

    if (fd < 0)
        return fd;
    place->size = sizeof place->address;
    getsockname(fd, (struct sockaddr *)&place->address, &place->size);
    if (address->sa_family == AF_UNIX)
        place->shared = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    return fd;
}

static int listen_at(struct place *place, const struct sockaddr *address,
                     socklen_t size, int backlog)
{
    if (place->size == 0)
        return listen_first(place, address, size, backlog);
    if (place->shared >= 0) {
        int fd = fcntl(place->shared, F_DUPFD_CLOEXEC, 3);

        return fd < 0 ? -errno : fd;
    }
    return open_listener((struct sockaddr *)&place->address, place->size,
                         backlog);
}

int hub_worker_listen(struct hub_worker *worker, const struct sockaddr *address,
                      socklen_t size, int backlog)
{
    struct team *team = worker->team;
    int fd;

    if (worker->listeners == LISTENERS_MAX)
        return -EMFILE;
    pthread_mutex_lock(&team->lock);
    fd = listen_at(&team->places[worker->listeners], address, size, backlog);
    pthread_mutex_unlock(&team->lock);
    if (fd >= 0)
        worker->listeners++;
    return fd;
}

/* ---- the team ---- */

unsigned hub__cores(void)
{
    cpu_set_t set;
    int count = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set)
                                                            : 1;

    return count > 0 ? (unsigned)count : 1;
}

static struct team *make_team(unsigned count)
{
    struct team *team = greenlet__calloc(1, sizeof *team);

    if (team == NULL)
        return NULL;
    team->workers = greenlet__calloc(count, sizeof *team->workers);
    if (team->workers == NULL) {
        free(team);
        return NULL;
    }
    pthread_mutex_init(&team->lock, NULL);
    pthread_cond_init(&team->all_there, NULL);
    team->count = team->left = count;
    for (unsigned i = 0; i < count; i++)
        team->workers[i] = (struct hub_worker){ .team = team, .index = i };
    for (int i = 0; i < LISTENERS_MAX; i++)
        team->places[i].shared = -1;
    return team;
}

static void free_team(struct team *team)
{
    for (int i = 0; i < LISTENERS_MAX; i++)
        if (team->places[i].shared >= 0)
            close(team->places[i].shared);
    pthread_cond_destroy(&team->all_there);
    pthread_mutex_destroy(&team->lock);
    free(team->workers);
    free(team);
}

/* Returns how many threads there are. */
static unsigned start_all(struct team *team)
{
    unsigned i;

    for (i = 0; i < team->count; i++)
        if (greenlet__libc.pthread_create(&team->workers[i].thread, NULL,
                                          run_worker, &team->workers[i]) != 0)
            break;
    if (i == team->count)
        return i;
    pthread_mutex_lock(&team->lock);
    team->left -= team->count - i;
    arrive(team, team->count - i);
    if (team->error == 0)
        team->error = -EAGAIN;
    pthread_mutex_unlock(&team->lock);
    stop(team);
    return i;
}

static int wait_for_all(struct team *team)
{
    struct hub__waiter waiter;
    int rc = hub__waiter_begin(&waiter, &waits_for_workers, team);
    bool wait;

    if (rc < 0)
        return rc;
    pthread_mutex_lock(&team->lock);
    wait = team->left > 0;
    team->waiter = wait ? &waiter : NULL;
    pthread_mutex_unlock(&team->lock);
    if (!wait)
        return 0;
    if (waiter.hub != NULL)
        waiter.hub->active++;
    rc = hub__park_cancelable(&waiter, HUB_FOREVER);
    if (waiter.hub != NULL)
        waiter.hub->active--;
    pthread_mutex_lock(&team->lock);
    team->waiter = NULL;
    pthread_mutex_unlock(&team->lock);
    return rc;
}

int hub_workers(unsigned count,
                int (*run)(struct hub_worker *worker, void *arg), void *arg)
{
    struct team *team;
    struct hub_shield shield;
    unsigned started;
    int rc;

    if (count == 0)
        count = hub__cores();
    team = hub__get() != NULL ? make_team(count) : NULL;
    if (team == NULL)
        return -ENOMEM;
    team->run = run;
    team->arg = arg;
    started = start_all(team);
    rc = wait_for_all(team);
    if (rc < 0) {
        stop(team);
        hub_shield_begin(&shield);
        while (wait_for_all(team) < 0)
            ;
        hub_shield_end(&shield);
    }
    for (unsigned i = 0; i < started; i++)
        greenlet__libc.pthread_join(team->workers[i].thread, NULL);
    if (rc == 0)
        rc = team->error;
    free_team(team);
    return rc;
}
