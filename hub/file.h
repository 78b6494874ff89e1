/* file.h - pipes and other fds that are no sockets, regular files, counters
 *
 * Pipes, terminals, eventfds and the like are non-blocking: calls on them are
 * tried and wait as those on sockets do (socket.h, whose rules and errors hold
 * here too).  A regular file is always ready and blocks all the same: what is
 * not in memory is fetched by a thread of the pool. */
#ifndef VIREO_FILE_H
#define VIREO_FILE_H

#include "hub/hub.h"

#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- fds that can be waited for ---- */

/* pipe2(2): ends[0] for reading, ends[1] for writing, both non-blocking and
 * closed by exec.  Closed by hub_close().  Returns 0 or a negative errno. */
HUB_API int hub_pipe(int ends[2]);

/* read(2) and write(2) on a non-blocking fd: at least one byte.  SIGPIPE is the
 * program's affair.  Switch.
 * Return how many bytes, 0 at the end, -EINVAL for an fd that would block
 * (hub_fd_wrap() makes it fit), or a negative errno. */
HUB_API ssize_t hub_nb_read(int fd, void *buffer, size_t size,
                            int64_t deadline_ns);
HUB_API ssize_t hub_nb_write(int fd, const void *data, size_t size,
                             int64_t deadline_ns);

/* read(2) and write(2) by a thread of the pool, on an fd of any kind, as it is,
 * by way of memory of its own.  Who waits can be killed or have a timeout; the
 * call, if it has begun, goes on without him until it has something: what it reads
 * is lost, what it writes is written.  Switch.
 * Return how many bytes, 0 at the end, or a negative errno; -EAGAIN also when
 * no thread could be made; -ENOMEM; -EDEADLK in a callback of the loop; -EBADF
 * also when hub_close() has closed fd meanwhile; or why the wait ended early. */
HUB_API ssize_t hub_tp_read(int fd, void *buffer, size_t size);
HUB_API ssize_t hub_tp_write(int fd, const void *data, size_t size);

/* ---- regular files ---- */

/* open(2), closed by exec.  All of this section switch when a thread is asked.
 * Then they are cancellation points, but what has begun goes on by itself: what
 * it reads or opens is dropped; what it writes is written, from a copy that is made
 * of the data.  An fd that is closed by hub_close() or hub_file_close() meanwhile
 * ends such waits with -EBADF; its number is free for others when the last call
 * that uses it has ended, which closes it then.
 * Returns the fd (given; for hub_file_close()), or a negative errno; -EAGAIN
 * also when no thread could be made; -ENOMEM; -EDEADLK in a callback of the loop;
 * or why the wait ended early. */
HUB_API int hub_file_open(const char *path, int flags, mode_t mode);

/* read(2), pread(2): what is in memory at once, the rest by a thread.
 * Return how many bytes, 0 at the end, or a negative errno. */
HUB_API ssize_t hub_file_read(int fd, void *buffer, size_t size);
HUB_API ssize_t hub_file_pread(int fd, void *buffer, size_t size, off_t offset);

/* write(2), pwrite(2), until all is written or one fails.
 * Return how many bytes: less than `size` when a later part failed; or a
 * negative errno. */
HUB_API ssize_t hub_file_write(int fd, const void *data, size_t size);
HUB_API ssize_t hub_file_pwrite(int fd, const void *data, size_t size,
                                off_t offset);

/* fsync(2), fstat(2), ftruncate(2).  Return 0 or a negative errno. */
HUB_API int hub_file_sync(int fd);
HUB_API int hub_file_stat(int fd, struct stat *status);
HUB_API int hub_file_truncate(int fd, off_t size);

/* close(2), which may have to write.  Waits for fd end with -EBADF.
 * Returns 0 or a negative errno: fd is closed then too, or will be when a thread
 * comes to it. */
HUB_API int hub_file_close(int fd);

/* ---- counters of the kernel ---- */

/* eventfd(2); with `semaphore` each read takes 1.  Closed by hub_close().
 * Returns the fd (given), or a negative errno. */
HUB_API int hub_eventfd(unsigned initial, bool semaphore);

/* Take the value, waiting until it is not 0; *value may be of any thread's or
 * process's adding.  Switches.  Returns 0 or a negative errno. */
HUB_API int hub_eventfd_read(int fd, uint64_t *value, int64_t deadline_ns);

/* Add to it, waiting until there is room.  Switches.
 * Returns 0, -EINVAL for the greatest value, or a negative errno. */
HUB_API int hub_eventfd_write(int fd, uint64_t value, int64_t deadline_ns);

/* timerfd_create(2) of a clock, such as CLOCK_REALTIME.  Closed by hub_close().
 * Returns the fd (given), or a negative errno. */
HUB_API int hub_timerfd(clockid_t clock);

/* It expires at `first` (ns of its clock; 0: never), and then every `interval`
 * ns (0: once).  Returns 0, -EINVAL for negative times, or a negative errno. */
HUB_API int hub_timerfd_set(int fd, int64_t first, int64_t interval);

/* Wait until it expires.  *expirations, unless NULL, is how often it has since
 * the last call.  Switches.
 * Returns 0, -ECANCELED also for a clock of the day that was set, or a negative
 * errno. */
HUB_API int hub_timerfd_wait(int fd, uint64_t *expirations,
                             int64_t deadline_ns);

#ifdef __cplusplus
}
#endif
#endif
