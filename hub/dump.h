/* dump.h - what all hubs and greenlets of the process are doing
 *
 * A dump names each hub and its OS thread, what it has counted, and each of its
 * greenlets: its state, parent and spawner, what it waits for, since when and who
 * holds that, what it ended with, and its frames, innermost first.  Each hub is
 * printed by its own OS thread; one that does not come round in a tenth of a
 * second is interrupted by a signal of ours, and one that is blocked in a system
 * call is looked at from outside: its frames are then found by searching, and a
 * few may be left from earlier calls. */
#ifndef VIREO_DUMP_H
#define VIREO_DUMP_H

#include "hub/hub.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Print a dump of the process to fd.  The caller's own hub comes first.  For
 * each hub of another thread it waits up to half a second, without letting
 * others run.  Thread-safe.
 * Returns 0 or -EBADF. */
HUB_API int hub_dump(int fd);

/* The same as a text.  Thread-safe.
 * Ownership: given; free() it.  Returns NULL when there is no memory. */
HUB_API char *hub_dump_text(void);

/* Print the greenlets of the process to fd as trees, one for each hub: each
 * greenlet under the one that spawned it, where that is known
 * (hub_track_spawn_tree()) and still there, else under its hub.  A line each, and
 * where it was spawned; no frames.  Thread-safe.
 * Returns 0 or -EBADF. */
HUB_API int hub_dump_tree(int fd);

/* The same for the one tree that the calling greenlet is in: from the oldest of
 * its spawners that is still there on; all of its hub, where none is known.
 * Returns 0 or -EBADF. */
HUB_API int hub_dump_current_tree(int fd);

/* From now on the signal makes the process print a dump to stderr, also while a
 * hub is blocked in a busy loop; 0: no signal does any more, the last one has
 * again what it had before.  Environment: VIREO_DUMP_SIGNAL=USR2 in a program
 * that links the library does it when the first hub is made.  Thread-safe.
 * Returns 0, -EINVAL for what is no signal or cannot be caught, or -EBUSY when
 * the program has a handler for it already. */
HUB_API int hub_dump_on_signal(int signal_number);

#ifdef __cplusplus
}
#endif
#endif
