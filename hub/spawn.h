/* spawn.h - greenlets that the hub runs: spawn, join, kill, links
 *
 * They belong to the hub of the thread that made them, and calls on them are
 * for that thread: from another one -EXDEV.  All take any greenlet of this
 * thread; for one that was not made here only its end counts. */
#ifndef VIREO_SPAWN_H
#define VIREO_SPAWN_H

#include "hub/hub.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Start a greenlet that calls run(arg, &result); it runs when the caller waits,
 * behind all who are ready then.  run returns 0 with *result (NULL at entry)
 * set, or a negative errno: then it has failed with the record that was caught
 * there last, if that has this error (see greenlet_run), or a new one.
 * -ECANCELED is the exit, and no failure.  A failure is reported once
 * (hub_set_error_handler()) and kept.
 *
 * Ownership: the greenlet is given to the caller (greenlet_unref()); it runs on
 * without that reference.  arg and result pass through.
 * Returns NULL when no stack could be mapped, or no hub made, or run is NULL
 * (greenlet_caught() has -EINVAL). */
HUB_API struct greenlet *hub_spawn(greenlet_run *run, void *arg);

/* hub_spawn() of a function without result. */
HUB_API struct greenlet *hub_spawn_raw(void (*function)(void *arg), void *arg);

/* Make one that hub_start() or hub_start_later() starts; NULL as hub_spawn().
 * stack_size as for greenlet_new(). */
HUB_API struct greenlet *hub_greenlet_new(greenlet_run *run, void *arg,
                                          size_t stack_size);

/* What hub_spawn() leaves at its defaults; zero in a field is the default. */
struct hub_spawn_options {
    size_t stack_size; /* bytes, as for greenlet_new() */
    const char *name;  /* copied, as by greenlet_set_name() */
    int64_t delay_ns;  /* it starts that much later */
};

/* hub_spawn() with options.  Returns NULL also when there was no memory for the
 * delay. */
HUB_API struct greenlet *hub_spawn_with(const struct hub_spawn_options *options,
                                        greenlet_run *run, void *arg);

/* Let it run.  One that was started already, or has ended, is left alone; one
 * that was to start later starts now.  Returns 0, -EXDEV, or -ENOMEM when there is no
 * hub any more and none could be made. */
HUB_API int hub_start(struct greenlet *g);

/* Let it run `ns` from now.  Returns 0, -EXDEV, -ENOMEM. */
HUB_API int hub_start_later(struct greenlet *g, int64_t ns);

/* hub_greenlet_new() and hub_start_later(). */
HUB_API struct greenlet *hub_spawn_later(int64_t ns, greenlet_run *run,
                                         void *arg);

/* Has it ended?  For one of hub_spawn(): is its result there? */
HUB_API bool hub_ready(const struct greenlet *g);

/* It will never run again: it has ended, or was killed before it began.  The
 * same as hub_ready(), under the name that greenlet_dead() has; that one
 * says it only once the stack was left. */
HUB_API bool hub_dead(const struct greenlet *g);

/* It was started, or is to start later, and has not ended. */
HUB_API bool hub_active(const struct greenlet *g);

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

/* The same without waiting: -EAGAIN when it has not ended. */
HUB_API int hub_get_now(struct greenlet *g, void **result);

/* Kill g: the wait that it is in ends with -ECANCELED, and so does every later
 * one, but for those in a hub_shield.  One that has not begun never runs; its
 * result is there at once.  Nothing happens before the caller waits.
 * Returns 0, also when it has ended, -EXDEV, or -EPERM for a main greenlet. */
HUB_API int hub_kill(struct greenlet *g);

/* The same with a record of the caller's, whose error ends the waits.  Payload
 * and cause are given, also when this fails; what g is killed with first
 * counts.  An error that is no errno (below -4095) becomes -EIO.
 * Returns as hub_kill(), and -EINVAL for a record without class, -ENOMEM. */
HUB_API int hub_kill_with(struct greenlet *g,
                          const struct greenlet_exception *exception);

/* hub_kill(), and wait until g has ended.  A deadline that passes says nothing:
 * 0, and hub_ready() tells.  Killing oneself returns what the next wait would
 * end with.  Switches.
 * Returns 0, -EXDEV, or why the wait ended early. */
HUB_API int hub_kill_join(struct greenlet *g, int64_t deadline_ns);

/* Kill all of list[0 ... n-1], those that have not begun first, and wait until
 * they have ended; oneself is killed, and not waited for.  With a record each
 * is killed as by hub_kill_with(); it is copied, with neither payload nor
 * cause.  To kill many without waiting, hub_kill() each: nothing runs in
 * between.  Switches.
 * Returns 0; -ETIMEDOUT when the deadline came first; with nobody killed
 * -EXDEV when one belongs to another hub, -EINVAL for a record without class
 * or with a payload; -ENOMEM; or why the wait ended early. */
HUB_API int hub_killall(struct greenlet *const *list, size_t n,
                        const struct greenlet_exception *exception,
                        int64_t deadline_ns);

/* Leave the block of code that g was spawned for: with rc >= 0 wait until g has
 * ended, with an error kill it first.  If the wait ends early g is killed, and
 * ends by itself.  Switches.
 * Returns rc, or why the wait ended early. */
HUB_API int hub_leave(struct greenlet *g, int rc);

/* ---- told of the end ----------------------------------------------------- */

/* A function that is told of the end of g; hub_get_now() and hub_exception()
 * say what that was.  g is borrowed for the call.  A negative errno is a
 * failure, which is reported (hub_set_error_handler()), and the next
 * function is called. */
typedef int hub_ended_function(struct greenlet *g, void *arg);

enum hub_link_kind {
    HUB_LINK_RAW,       /* called in the loop; it must not wait (-EDEADLK) */
    HUB_LINK,           /* called in a greenlet, which the loop starts at once */
    HUB_LINK_VALUE,     /* the same, if g is successful */
    HUB_LINK_EXCEPTION, /* the same, if it has failed */
};

/* Have function(g, arg) called soon after g has ended, in the order in which
 * they were linked, and with them those run who wait for g.  Never at once, not
 * even when g has ended already.  More may be linked, and others unlinked,
 * while some are being called.
 * Returns 0, -EXDEV, -EINVAL without function or for another kind, -ENOMEM. */
HUB_API int hub_link(struct greenlet *g, enum hub_link_kind kind,
                     hub_ended_function *function, void *arg);

/* The oldest of g's links to that function with that arg is not called.
 * Returns 0, -EXDEV, or -ENOENT when there is none, or it was called. */
HUB_API int hub_link_remove(struct greenlet *g, hub_ended_function *function,
                            void *arg);

/* None of them is called.  Returns how many there were, or -EXDEV. */
HUB_API int hub_link_remove_all(struct greenlet *g);

#ifdef __cplusplus
}
#endif
#endif
