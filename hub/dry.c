/* dry.c - the loop has nothing left to wait for: drained, or dead-locked
 *
 * That is so when nobody is ready and no timer, fd or job is left.  Whoever waits
 * then waits for a greenlet that waits too, or for another thread: where there are
 * threads that are not ours the loop goes on, and looks again after a second. */
#include "hub/schedule.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

static const struct hub__wait_kind waits_for_drain = {
    "the loop to have nothing left", NULL
};

static long strangers; /* threads of an emulator or a tool: they wake nobody */

/* Threads of this process, but for this one; -1: not known.  They are not listed: a
 * list ends at one that has just exited, and leaves out those behind it. */
static long count_others(void)
{
    struct stat status;
    int saved = errno, rc = stat("/proc/self/task", &status);

    errno = saved;
    return rc == 0 && status.st_nlink >= 3 ? (long)status.st_nlink - 3 : -1;
}

/* Before the library makes its first thread: those that libc knows nothing of are
 * nobody's who uses us. */
void hub__dry_start(void)
{
    if (__libc_single_threaded && !hub__lenient)
        strangers = count_others();
    if (greenlet__word->tools & TOOL_TSAN)
        strangers = 1; /* made as the program's are */
    if (strangers < 0)
        strangers = 0;
}

static bool others_may_wake(void)
{
    long count = count_others();

    return count < 0 || count > (long)hub__own_threads() + strangers;
}

/* The record owns the text of the report. */
static void throw_loop_exit(struct hub *hub)
{
    struct greenlet_exception record = {
        .cls = &hub_loop_exit_class,
        .text = "this operation would block forever"
    };
    char *report = hub__report(hub);

    if (report != NULL) {
        hub__say(hub, report);
        record.text = record.payload = report;
        record.destroy = free;
    }
    greenlet_throw(hub->main, &record, NULL);
}

static bool woken_meanwhile(const struct hub *hub)
{
    return hub->ready_head != NULL || /* by a signal handler */
           __atomic_load_n(&hub->remote, __ATOMIC_ACQUIRE) != NULL ||
           __atomic_load_n(&hub->remote_calls, __ATOMIC_ACQUIRE) != NULL ||
           __atomic_load_n(&hub->deferred, __ATOMIC_ACQUIRE) != 0;
}

bool hub__ran_dry(struct hub *hub)
{
    struct hub__waiter *drainer = hub->drainer;

    if (drainer != NULL) {
        hub->drainer = NULL;
        hub__wake(drainer, 0);
        return true;
    }
    if (hub->heir && hub_ready(hub->main))
        exit(EXIT_SUCCESS); /* as after the last thread of a process */
    if (greenlet_dead(hub->main) || others_may_wake())
        return false;
    if (woken_meanwhile(hub)) /* by a thread that has ended since */
        return true;
    throw_loop_exit(hub);
    return true;
}

int hub_drain(int64_t deadline_ns)
{
    struct hub *hub = hub__get();
    struct hub__waiter waiter;
    int rc;

    if (hub == NULL)
        return -ENOMEM;
    if (greenlet__word->current != hub->main)
        return -EPERM;
    if (hub->drainer != NULL)
        return -EBUSY;
    rc = hub__waiter_begin(&waiter, &waits_for_drain, hub);
    if (rc < 0)
        return rc;
    waiter.timer.unreferenced = 1;
    hub->drainer = &waiter;
    rc = hub__park_cancelable(&waiter, deadline_ns);
    hub->drainer = NULL;
    return rc;
}
