/* monitor.h - a thread that watches the hubs
 *
 * It is on unless VIREO_MONITOR=0, begins when a loop first runs, and ends with
 * the process; the child of a fork() gets its own as soon as its loop runs.  It
 * reports on stderr (hub_set_error_fd()) a hub whose greenlet has not let others
 * run for 100 ms (VIREO_MAX_BLOCKING_TIME), with the frames of that greenlet, at
 * most once a second for each hub (VIREO_MONITOR_REPORT_INTERVAL); and, where a
 * limit is set (VIREO_MONITOR_MEMORY_MAX), the memory of the process.  A hub is
 * blocked when it has not switched, and runs another greenlet than its loop;
 * time that it waited for a CPU does not count, nor does a main greenlet while
 * there is nothing else that could run.
 *
 * libc does not know of this thread: __libc_single_threaded stays as it is.  For
 * functions of the program (hub_monitor_add(), hub_subscribe()) a real thread is
 * made in its place. */
#ifndef VIREO_MONITOR_H
#define VIREO_MONITOR_H

#include "hub/hub.h"

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Start it, stop it; both leave alone one that is so already.  Thread-safe; not
 * to be called by functions that it calls.
 * Start returns 0, or -EAGAIN or -ENOMEM when no thread could be made. */
HUB_API int hub_monitor_start(void);
HUB_API void hub_monitor_stop(void);
HUB_API bool hub_monitor_running(void);

/* Have the monitor call function(data) every `period_ns`, at least 1 ms.  It runs
 * on the monitor's thread, which has no greenlets: it must be thread-safe, must
 * not wait for them, and delays the monitor while it runs.  It does not run while
 * the monitor is stopped.  Thread-safe.
 * Returns 0, -EINVAL for a shorter period, -ENOMEM, -EAGAIN when no thread could
 * be made. */
HUB_API int hub_monitor_add(void (*function)(void *data), void *data,
                            int64_t period_ns);

/* It is not called any more once this has returned (unless it is itself the
 * caller).  Thread-safe.  Returns 0 or -ENOENT. */
HUB_API int hub_monitor_remove(void (*function)(void *data), void *data);

/* May the calling greenlet block its hub without a report?  Returns what it was:
 * false, unless set. */
HUB_API bool hub_monitor_ignore(bool ignore);

#ifdef __cplusplus
}
#endif
#endif
