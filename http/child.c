/* child.c - children of the master: made, listened to, told to end */
#include "http/master_impl.h"
#include "http/memory.h"
#include "http/worker.h"

#include "hub/process.h"
#include "hub/socket.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Beyond the time to drain; a program kills its own workers before. */
#define KILL_NS         (2 * HUB_SECOND)
#define KILL_PROGRAM_NS (5 * HUB_SECOND)

/* ---- making ---- */

/* What is sent to a child that still has our handlers would be lost there. */
pid_t http__master_fork(sigset_t *mask)
{
    sigset_t held;
    pid_t pid;
    int error;

    sigemptyset(&held);
    for (size_t i = 0; i < HTTP__MASTER_SIGNALS; i++)
        sigaddset(&held, http__master_signals[i]);
    pthread_sigmask(SIG_BLOCK, &held, mask);
    pid = fork();
    error = errno;
    if (pid != 0)
        pthread_sigmask(SIG_SETMASK, mask, NULL);
    return pid < 0 ? -error : pid;
}

void http__child_unref(struct http__child *child)
{
    if (--child->refs == 0)
        free(child);
}

static void wait_for_end(void *arg)
{
    struct http__child *child = arg;
    struct hub_shield shield;
    int rc, status = 0;

    hub_shield_begin(&shield);
    while ((rc = hub_waitpid(child->pid, &status, 0, HUB_FOREVER)) < 0 &&
           rc != -ECHILD)
        hub_yield(); /* there was no memory for a wait */
    hub_shield_end(&shield);
    child->ended = true;
    child->status = status;
    hub_event_set(&child->master->changed);
    http__child_unref(child);
}

static void listen_to(void *arg)
{
    struct http__child *child = arg;
    char word;

    while (hub_recv(child->channel, &word, 1, 0, HUB_FOREVER) == 1) {
        child->ready |= word == HTTP__WORD_READY;
        child->leaves |= word == HTTP__WORD_LEAVE;
        hub_event_set(&child->master->changed);
    }
    http__child_unref(child);
}

static bool spawn(void (*function)(void *arg), struct http__child *child)
{
    struct greenlet *g = hub_spawn_raw(function, child);

    if (g == NULL)
        return false;
    child->refs++;
    greenlet_unref(g);
    return true;
}

struct http__child *http__child_new(struct http__master *master, pid_t pid,
                                    int channel, unsigned index)
{
    struct http__child *child = http__calloc(1, sizeof *child);

    if (child != NULL) {
        *child = (struct http__child){.master = master,
                                      .refs = 1,
                                      .pid = pid,
                                      .channel = channel,
                                      .index = index,
                                      .began = hub_now(),
                                      .kill_at = HUB_FOREVER,
                                      .ready_by = HUB_FOREVER};
        if (spawn(wait_for_end, child)) {
            if (channel >= 0 && !spawn(listen_to, child))
                kill(pid, SIGKILL);
            child->next = master->children;
            master->children = child;
            return child;
        }
        free(child);
    }
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    return NULL;
}

/* ---- a worker ---- */

/* The shield is there to the end: the hub's own end looks at it. */
static void be_worker(struct http__master *master, pid_t parent, unsigned index,
                      int channel, const sigset_t *mask)
    __attribute__((noreturn));
static void be_worker(struct http__master *master, pid_t parent, unsigned index,
                      int channel, const sigset_t *mask)
{
    const struct http__process process = {
        .index = index,
        .processes = master->options.workers,
        .hubs = master->options.hubs,
        .listeners = &master->listeners,
        .channel = channel,
        .master = parent,
        .drain_ns = master->options.drain_ns,
        .run = master->run,
        .arg = master->arg,
    };
    struct http__child *child;
    struct hub_shield shield; /* the master's scopes are not the worker's */
    int rc;

    hub_shield_begin(&shield);
    for (size_t i = 0; i < HTTP__MASTER_SIGNALS; i++)
        hub_signal_stop(master->watchers[i]);
    http__keeper_free(master); /* the master tells it */
    for (child = master->children; child != NULL; child = child->next)
        if (child->channel >= 0)
            hub_close(child->channel); /* its end must mean the master's */
    if (master->notify >= 0)
        hub_close(master->notify);
    rc = http__worker_be(&process, mask);
    hub_destroy();
    exit(rc < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
}

int http__child_worker(struct http__master *master, unsigned index)
{
    struct http__child *child;
    int ends[2], rc;
    pid_t parent = getpid(), pid;
    sigset_t mask;

    rc = hub_socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
    if (rc < 0)
        return rc;
    pid = http__master_fork(&mask);
    if (pid == 0) {
        hub_close(ends[0]);
        be_worker(master, parent, index, ends[1], &mask);
    }
    hub_close(ends[1]);
    child = pid > 0 ? http__child_new(master, pid, ends[0], index) : NULL;
    if (child == NULL) {
        hub_close(ends[0]);
        return pid < 0 ? (int)pid : -ENOMEM;
    }
    master->slots[index].current = child;
    return 0;
}

/* ---- its end ---- */

void http__child_stop(struct http__child *child)
{
    const char word = HTTP__WORD_STOP;

    if (child->told || child->ended)
        return;
    child->told = true;
    child->kill_at = hub_deadline(child->master->options.drain_ns + KILL_NS);
    if (child->channel < 0) /* a master, with a time limit of its own */
        kill(child->pid, SIGTERM);
    else if (send(child->channel, &word, 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
        kill(child->pid, SIGKILL);
}
