/* tree.h - who greenlets are: names, numbers, and by whom they were spawned
 *
 * Functions are for the thread of the greenlet. */
#ifndef VIREO_TREE_H
#define VIREO_TREE_H

#include "hub/hub.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The smallest number from 0 on that no other greenlet of this hub has,
 * given at the first call and kept while g exists.  Returns it, -EXDEV or
 * -ENOMEM. */
HUB_API int hub_minimal_ident(struct greenlet *g);

/* The name that g was given, or "Greenlet-N" with its hub_minimal_ident(),
 * which is its name from then on.  Borrowed from g; "" when there is no
 * memory for a number, or g is another thread's and has no name. */
HUB_API const char *hub_greenlet_name(struct greenlet *g);

/* Text for people: name, address, the function it was made with and its
 * argument, also after its end; at most size - 1 bytes and a NUL.
 * Returns how long it is, as snprintf(). */
HUB_API int hub_greenlet_repr(struct greenlet *g, char *text, size_t size);

/* From now on note of each greenlet that this hub spawns by whom it was, and
 * from where.  Off unless switched on: a spawn then costs about 1.5
 * microseconds more (65 ns without), and 400 bytes.  Returns whether it was
 * on, or -ENOMEM. */
HUB_API int hub_track_spawn_tree(bool on);

/* The greenlet that spawned g.
 *
 * Ownership: given (greenlet_unref()); g does not keep it.
 * Returns NULL when that is gone, or was not noted. */
HUB_API struct greenlet *hub_spawner(struct greenlet *g);

/* Where g was spawned: return addresses on the stack of its spawner at that
 * time, innermost first, at most 10.  Returns how many; 0: it was not noted. */
HUB_API int hub_spawn_stack(struct greenlet *g, void **frames, int max);

/* Values that a tree of greenlets shares: one that the main greenlet (or the
 * loop) spawned, all that this one spawned, and so on.  `key` is any address of
 * the program's.  Setting a key again destroys the old value; NULL takes it
 * away.
 *
 * Ownership: value is given; destroy(value) (unless NULL) is called when it is
 * replaced, or the last greenlet of the tree is freed.
 * Returns 0; with value still the caller's -ENODATA when the tree was not
 * noted, -ENOMEM. */
HUB_API int hub_tree_set(struct greenlet *g, const void *key, void *value,
                         void (*destroy)(void *value));
/* The value, borrowed; NULL: none. */
HUB_API void *hub_tree_get(struct greenlet *g, const void *key);

/* Have function(g, data) called for each greenlet of this hub that is
 * started, before it can run; those are called in the order in which they
 * were added.  It must not wait.  Adding the same twice adds it once.
 * Returns 0, -EINVAL without function, -ENOMEM. */
typedef void hub_spawn_function(struct greenlet *g, void *data);
HUB_API int hub_add_spawn_callback(hub_spawn_function *function, void *data);
/* Returns 0 or -ENOENT. */
HUB_API int hub_remove_spawn_callback(hub_spawn_function *function, void *data);

#ifdef __cplusplus
}
#endif
#endif
