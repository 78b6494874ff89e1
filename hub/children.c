/* children.c - children that are watched, and waitpid() for greenlets
 *
 * A greenlet watches each child that this library has made: it takes the status
 * when the child ends, so that no zombie stays, and the table keeps it for who
 * asks.  Statuses are taken with the lock held and never by a call that waits:
 * so nobody takes one and has not yet entered it, and while a child is not
 * `ended` its number is its own. */
#include "hub/children.h"
#include "hub/schedule.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define KEPT_NS (60 * HUB_SECOND)

static const struct hub__wait_kind waits_for_child = { "the end of child",
                                                       NULL };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct hub__child *table, **end = &table;
static uint64_t last_order;

/* ---- the table; all of this under the lock; who has not ended is in it ---- */

static void drop(struct hub__child *child)
{
    if (--child->refs == 0)
        free(child);
}

static void unlist(struct hub__child *child)
{
    struct hub__child **at = &table;

    if (!child->listed)
        return;
    while (*at != child)
        at = &(*at)->next;
    *at = child->next;
    if (child->next == NULL)
        end = at;
    child->listed = false;
    drop(child);
}

static struct hub__child *find(pid_t pid)
{
    struct hub__child *child;

    for (child = table; child != NULL && child->pid != pid; child = child->next)
        ;
    return child;
}

static void forget_old(void)
{
    struct hub__child *child, *next;
    int64_t now = table != NULL ? hub_now() : 0;

    for (child = table; child != NULL; child = next) {
        next = child->next;
        if (child->ended && child->forget_at <= now)
            unlist(child);
    }
}

static void ends(struct hub__child *child, int rc, int status)
{
    child->ended = true;
    child->rc = rc;
    child->status = status;
    child->order = ++last_order;
    child->forget_at = hub_deadline(KEPT_NS);
    hub__link_notify(&child->links);
}

/* waitpid() without waiting; what it takes is entered. */
static pid_t take(pid_t pid, int *status, int options)
{
    pid_t taken = waitpid(pid, status, options | WNOHANG);
    struct hub__child *child;

    if (taken < 0)
        return -errno;
    if (taken > 0 && !WIFSTOPPED(*status) && !WIFCONTINUED(*status)) {
        child = find(taken);
        if (child != NULL && !child->ended)
            ends(child, 0, *status);
    }
    return taken;
}

static bool look_at(struct hub__child *child)
{
    int status;

    if (!child->ended && take(child->pid, &status, 0) == -ECHILD)
        ends(child, -ECHILD, 0);
    return child->ended;
}

/* ---- watching ---- */

static void watch(void *arg)
{
    struct hub__child *child = arg;
    bool ended = false;
    int rc = 0;

    while (rc == 0 && !ended) {
        rc = hub__child_sleep(P_PID, (id_t)child->pid, WEXITED, child->keeps,
                              HUB_FOREVER);
        ended = hub__child_ended(child);
    }
    if (child->on_end != NULL)
        child->on_end(child->arg, ended);
    pthread_mutex_lock(&lock);
    child->watched = false;
    hub__link_notify(&child->links); /* they wait by themselves */
    drop(child);
    pthread_mutex_unlock(&lock);
}

static void list(struct hub__child *child)
{
    forget_old();
    child->listed = true;
    *end = child;
    end = &child->next;
}

struct hub__child *hub__child_watch(pid_t pid, bool keeps,
                                    void (*on_end)(void *arg, bool ended),
                                    void *arg)
{
    struct hub__child *child = greenlet__calloc(1, sizeof *child);
    struct greenlet *g;

    if (child == NULL)
        return NULL;
    *child = (struct hub__child){ .pid = pid, .refs = 3, .watched = true,
                                  .hub = hub__peek(),
                                  .keeps = keeps, .on_end = on_end,
                                  .arg = arg };
    g = hub_spawn_raw(watch, child);
    if (g == NULL) {
        free(child);
        return NULL;
    }
    greenlet_unref(g);
    pthread_mutex_lock(&lock);
    list(child);
    pthread_mutex_unlock(&lock);
    return child;
}

void hub__child_drop(struct hub__child *child)
{
    pthread_mutex_lock(&lock);
    drop(child);
    pthread_mutex_unlock(&lock);
}

bool hub__child_ended(struct hub__child *child)
{
    bool ended;

    pthread_mutex_lock(&lock);
    ended = look_at(child);
    pthread_mutex_unlock(&lock);
    return ended;
}

int hub__child_kill(struct hub__child *child, int number)
{
    int rc = -ESRCH;

    pthread_mutex_lock(&lock);
    if (!look_at(child))
        rc = kill(child->pid, number) < 0 ? -errno : 0;
    pthread_mutex_unlock(&lock);
    return rc;
}

/* The lock is held at entry, and not at exit. */
static int wait_for_watcher(struct hub__child *child, int64_t deadline_ns)
{
    struct hub__waiter waiter;
    struct hub__wait_link link = { .link.notify = hub__wait_link_notify,
                                   .waiter = &waiter };
    int rc = hub__waiter_begin(&waiter, &waits_for_child,
                               (const void *)(intptr_t)child->pid);

    if (rc == 0)
        hub__link_add(&child->links, &link.link);
    pthread_mutex_unlock(&lock);
    if (rc < 0)
        return rc;
    if (waiter.hub != NULL)
        waiter.hub->active++;
    rc = hub__park_cancelable(&waiter, deadline_ns);
    if (waiter.hub != NULL)
        waiter.hub->active--;
    pthread_mutex_lock(&lock);
    if (hub__link_is_linked(&link.link))
        hub__link_remove(&child->links, &link.link);
    pthread_mutex_unlock(&lock);
    return rc;
}

/* One step towards its end; the lock is held at entry, and not at exit.  Other hubs
 * do not count on the watcher's: that may be busy, or wait for them. */
static int wait_for_end(struct hub__child *child, int64_t deadline_ns)
{
    int rc;

    child->refs++;
    if (child->watched && child->hub == hub__peek()) {
        rc = wait_for_watcher(child, deadline_ns);
    } else {
        pthread_mutex_unlock(&lock);
        rc = hub__child_sleep(P_PID, (id_t)child->pid, WEXITED, true,
                              deadline_ns);
    }
    hub__child_drop(child);
    return rc;
}

int hub__child_join(struct hub__child *child, int64_t deadline_ns)
{
    int rc = 0;

    while (rc == 0) {
        pthread_mutex_lock(&lock);
        if (look_at(child)) {
            rc = child->rc;
            pthread_mutex_unlock(&lock);
            return rc;
        }
        rc = wait_for_end(child, deadline_ns);
    }
    return rc;
}

/* ---- waitpid() ---- */

static struct hub__child *first_that_ended(void)
{
    struct hub__child *child, *first = NULL;

    for (child = table; child != NULL; child = child->next)
        if (child->ended && (first == NULL || child->order < first->order))
            first = child;
    return first;
}

/* Who asks gets it, and nobody after that. */
static pid_t hand_out(struct hub__child *child, int *status)
{
    pid_t pid = child->rc < 0 ? child->rc : child->pid;

    *status = child->status;
    unlist(child);
    return pid;
}

/* 0: nothing yet.  *of: the watched child that is meant. */
static pid_t look_for(pid_t pid, int *status, int options,
                      struct hub__child **of)
{
    struct hub__child *child;
    pid_t taken;

    forget_old();
    child = pid == -1 ? first_that_ended() : pid > 0 ? find(pid) : NULL;
    *of = child;
    if (child != NULL && child->ended)
        return hand_out(child, status);
    taken = take(pid, status, options);
    if (taken > 0 && !WIFSTOPPED(*status) && !WIFCONTINUED(*status)) {
        child = find(taken);
        if (child != NULL)
            unlist(child);
    }
    return taken;
}

static int type_of(pid_t pid, id_t *id)
{
    *id = (id_t)(pid > 0 ? pid : pid == 0 ? getpgrp() : -pid);
    return pid > 0 ? P_PID : pid == -1 ? P_ALL : P_PGID;
}

static int wait_options(int options)
{
    return WEXITED | (options & WUNTRACED ? WSTOPPED : 0) |
           (options & WCONTINUED ? WCONTINUED : 0);
}

pid_t hub_waitpid(pid_t pid, int *status, int options, int64_t deadline_ns)
{
    int own, rc = 0, wanted = wait_options(options), type;
    struct hub__child *of;
    pid_t found;
    id_t id;

    if (options & ~(WNOHANG | WUNTRACED | WCONTINUED))
        return -EINVAL;
    type = type_of(pid, &id);
    while (rc == 0) {
        pthread_mutex_lock(&lock);
        found = look_for(pid, status != NULL ? status : &own,
                         options & ~WNOHANG, &of);
        if (found != 0 || (options & WNOHANG)) {
            pthread_mutex_unlock(&lock);
            return found;
        }
        if (of != NULL && wanted == WEXITED) {
            rc = wait_for_end(of, deadline_ns);
            continue;
        }
        pthread_mutex_unlock(&lock);
        rc = hub__child_sleep(type, id, wanted, true, deadline_ns);
    }
    return rc;
}

/* ---- fork ---- */

pid_t hub_fork(void)
{
    pid_t pid = fork();
    struct hub__child *child;

    if (pid <= 0)
        return pid < 0 ? -errno : 0;
    child = hub__get() != NULL ? hub__child_watch(pid, false, NULL, NULL) : NULL;
    if (child != NULL)
        hub__child_drop(child);
    return pid; /* without memory nobody watches it: waitpid() finds it */
}

void hub__children_before_fork(void)
{
    pthread_mutex_lock(&lock);
}

void hub__children_after_fork(void)
{
    pthread_mutex_unlock(&lock);
}

/* They are the parent's, whose statuses we cannot have. */
void hub__children_forked(bool keep)
{
    pthread_mutex_init(&lock, NULL);
    while (table != NULL) {
        struct hub__child *child = table;

        if (!keep)
            child->links = NULL;
        child->watched = keep && child->watched;
        if (!child->ended)
            ends(child, -ECHILD, 0);
        unlist(child);
    }
}
