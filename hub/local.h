/* local.h - values that each greenlet has its own of
 *
 * A local is one object; each greenlet that asks for its value gets one of its
 * own, made at first use.  It works in greenlets of every hub, and in threads
 * without one, whose main greenlet it is then: everything here is thread-safe,
 * but a value is its greenlet's. */
#ifndef VIREO_LOCAL_H
#define VIREO_LOCAL_H

#include "hub/hub.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The program's, in its place while it is used. */
struct hub_local {
    uint64_t private_[6];
};

/* Make *value for the calling greenlet, which first asks for it; `arg` is that of
 * hub_local_init().  Returns 0, or a negative errno: then there is none.  It may
 * wait. */
typedef int hub_local_make(void *arg, void **value);

/* `make` NULL: values begin as NULL.  `destroy` (NULL: nothing) is called with each
 * value, once: in its greenlet when that ends, after what it deferred; by who frees
 * it when it never comes to its end; at the end of a thread for its main greenlet;
 * or by hub_local_destroy().
 * Returns 0, or -EINVAL for a local NULL. */
HUB_API int hub_local_init(struct hub_local *local, hub_local_make *make,
                           void (*destroy)(void *value, void *arg), void *arg);

/* The local goes, and with it the values of all greenlets, which are destroyed
 * here.  Nobody may use it any more.  May switch, if `destroy` does. */
HUB_API void hub_local_destroy(struct hub_local *local);

/* The value of the calling greenlet, made if it has none.
 * Returns 0 with *value, -EINVAL for NULL, -ENOMEM, or what `make` returned. */
HUB_API int hub_local_get(struct hub_local *local, void **value);

/* Set it; the old one is destroyed.  Returns 0, -EINVAL, -ENOMEM. */
HUB_API int hub_local_set(struct hub_local *local, void *value);

/* The calling greenlet has none any more: it is destroyed, and made again when it
 * is asked for.  Returns 0, or -ENOENT when it has none. */
HUB_API int hub_local_clear(struct hub_local *local);

/* How many greenlets have a value. */
HUB_API long hub_local_count(struct hub_local *local);

#ifdef __cplusplus
}
#endif
#endif
