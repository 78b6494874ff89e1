/* childwait.c - sleep until a child has something to tell
 *
 * The end of one child makes its pidfd readable.  For everything else (any child,
 * a group, stops; a kernel without pidfd) a real thread of ours waits in
 * waitid() with WNOWAIT, which takes nothing away.  A greenlet that gives up leaves
 * that thread alone: it ends with the next news. */
#include "hub/children.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAUSE_NS (10 * HUB_MILLISECOND) /* when there is no thread to be had */

static const struct hub__wait_kind waits_for_child = { "child process", NULL };

static int open_pidfd(pid_t pid)
{
    int fd;

    if (greenlet__masked & FEATURE_PIDFD)
        return -ENOSYS;
    fd = (int)syscall(SYS_pidfd_open, pid, 0);
    return fd < 0 ? -errno : fd;
}

static int sleep_on_pidfd(int fd, bool keeps, int64_t deadline_ns)
{
    struct hub *hub = hub__peek();
    struct hub__waiter waiter;
    struct hub__fd_wait wait = { .waiter = &waiter,
                                 .fd = fd,
                                 .events = HUB_READ,
                                 .unreferenced = !keeps };
    int rc = hub__waiter_begin(&waiter, &waits_for_child,
                               (const void *)(intptr_t)fd);

    if (rc == 0)
        rc = hub__watch(hub, &wait);
    if (rc < 0)
        return rc;
    rc = hub__park_cancelable(&waiter, deadline_ns);
    hub__unwatch(hub, &wait);
    return rc;
}

/* ---- by a thread ---- */

struct lookout {
    pthread_mutex_t lock;
    struct hub__waiter *waiter; /* NULL: it has given up */
    bool done, left;            /* the thread has; the greenlet has */
    int type, options;
    id_t id;
};

static void leave(struct lookout *lookout, bool *which)
{
    bool last;

    pthread_mutex_lock(&lookout->lock);
    *which = true;
    last = lookout->done && lookout->left;
    if (which == &lookout->left)
        lookout->waiter = NULL;
    else if (lookout->waiter != NULL)
        hub__wake(lookout->waiter, 0);
    pthread_mutex_unlock(&lookout->lock);
    if (last)
        free(lookout);
}

static void *look_out(void *arg)
{
    struct lookout *lookout = arg;
    siginfo_t info;
    int rc;

    do {
        rc = waitid((idtype_t)lookout->type, lookout->id, &info,
                    lookout->options | WNOWAIT);
    } while (rc < 0 && errno == EINTR);
    leave(lookout, &lookout->done);
    hub__own_thread_ends();
    return NULL;
}

static struct lookout *send_out(struct hub__waiter *waiter, int type, id_t id,
                                int options)
{
    struct lookout *lookout = greenlet__malloc(sizeof *lookout);

    if (lookout == NULL)
        return NULL;
    *lookout = (struct lookout){ .lock = PTHREAD_MUTEX_INITIALIZER,
                                 .waiter = waiter, .type = type, .id = id,
                                 .options = options };
    if (hub__own_thread(look_out, lookout) == 0)
        return lookout;
    free(lookout);
    return NULL;
}

static int sleep_by_thread(int type, id_t id, int options, bool keeps,
                           int64_t deadline_ns)
{
    struct hub__waiter waiter;
    struct lookout *lookout;
    int rc = hub__waiter_begin(&waiter, &waits_for_child,
                               (const void *)(intptr_t)id);

    if (rc < 0)
        return rc;
    lookout = send_out(&waiter, type, id, options);
    if (lookout == NULL) {
        hub__waiter_close(&waiter);
        return keeps ? hub_sleep(PAUSE_NS) : hub_sleep_unreferenced(PAUSE_NS);
    }
    if (waiter.hub != NULL)
        waiter.hub->active += keeps;
    rc = hub__park_cancelable(&waiter, deadline_ns);
    if (waiter.hub != NULL)
        waiter.hub->active -= keeps;
    leave(lookout, &lookout->left);
    return rc;
}

int hub__child_sleep(int type, id_t id, int options, bool keeps,
                     int64_t deadline_ns)
{
    int fd = type == P_PID && options == WEXITED && hub__peek() != NULL
                 ? open_pidfd((pid_t)id)
                 : -ENOSYS;
    int rc;

    if (fd == -ESRCH)
        return 0; /* a look will tell */
    if (fd < 0)
        return sleep_by_thread(type, id, options, keeps, deadline_ns);
    rc = sleep_on_pidfd(fd, keeps, deadline_ns);
    hub_fd_closed(fd);
    close(fd);
    return rc;
}
