/* spawn.h - greenlets that the hub runs: spawn, join, kill, links
 *
 * They belong to the hub of the thread that made them, and calls on them are for
 * that thread: from another one -EXDEV.  All take any greenlet of this thread;
 * for one that was not made here only its end counts. */
#ifndef VIREO_SPAWN_H
#define VIREO_SPAWN_H

#include "hub/hub.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Start a greenlet that calls run(arg, &result); it runs when the caller waits,
 * behind all who are ready then.  run returns 0 with *result (NULL at entry) set,
 * or a negative errno: then it has failed with the record that was caught there
 * last, if that has this error (see greenlet_run), or a new one.  -ECANCELED is the
 * exit, and no failure.  A failure is reported once (hub_set_error_handler()) and
 * kept.
 *
 * Ownership: the greenlet is given to the caller (greenlet_unref()); it runs on
 * without that reference.  arg and result pass through.
 * Returns NULL when no stack could be mapped, or no hub made. */
HUB_API struct greenlet *hub_spawn(greenlet_run *run, void *arg);

/* hub_spawn() of a function without result. */
HUB_API struct greenlet *hub_spawn_raw(void (*function)(void *arg), void *arg);

/* Make one that hub_start() or hub_start_later() starts; NULL as hub_spawn().
 * stack_size as for greenlet_new(). */
HUB_API struct greenlet *hub_greenlet_new(greenlet_run *run, void *arg,
                                          size_t stack_size);

/* Let it run.  One that was started already, or has ended, is left alone; one
 * that was to start later starts now.  Returns 0 or -EXDEV. */
HUB_API int hub_start(struct greenlet *g);

/* Let it run `ns` from now.  Returns 0, -EXDEV, -ENOMEM. */
HUB_API int hub_start_later(struct greenlet *g, int64_t ns);

/* hub_greenlet_new() and hub_start_later(). */
HUB_API struct greenlet *hub_spawn_later(int64_t ns, greenlet_run *run,
                                         void *arg);

/* Has it ended?  For one of hub_spawn(): is its result there? */
HUB_API bool hub_ready(const struct greenlet *g);

/* It has ended, and not by a failure. */
HUB_API bool hub_successful(const struct greenlet *g);

/* The record it failed with, or that of the exit that ended it; NULL: none, or
 * not yet.  Borrowed from g. */
HUB_API const struct greenlet_exception *
hub_exception(const struct greenlet *g);

/* Wait until g has ended.  Switches.
 * Returns 0, -EDEADLK also when g is the caller, -EXDEV, or why it ended
 * early. */
HUB_API int hub_join(struct greenlet *g, int64_t deadline_ns);

/* Wait until g has ended, and take what it ended with: 0 with its result in
 * *result (unless NULL; for one that was killed NULL), or the error it failed
 * with.  Any number may ask.  Switches.
 * Returns also -ETIMEDOUT and as hub_join(); hub_ready() tells them apart. */
HUB_API int hub_get(struct greenlet *g, int64_t deadline_ns, void **result);

/* Kill g: the wait that it is in ends with -ECANCELED, and so does every later
 * one, but for those in a hub_shield.  One that has not begun never runs; its
 * result is there at once.  Nothing happens before the caller waits.
 * Returns 0, also when it has ended, or -EXDEV. */
HUB_API int hub_kill(struct greenlet *g);

/* The same with a record of the caller's, whose error ends the waits.  Payload
 * and cause are given, also when this fails; what g is killed with first counts.
 * Returns as hub_kill(), and -EINVAL for a record without class, -ENOMEM. */
HUB_API int hub_kill_with(struct greenlet *g,
                          const struct greenlet_exception *exception);

#ifdef __cplusplus
}
#endif
#endif
