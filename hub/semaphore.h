/* semaphore.h - semaphores: a number of permits, given in the order of asking
 *
 * Fair: a permit that is given back goes straight to who has waited longest; who
 * comes later cannot take it before.  A wait that ends early never loses one.
 * They work across hubs, and from threads without one: everything here is
 * thread-safe.  A greenlet may release what another has acquired. */
#ifndef VIREO_SEMAPHORE_H
#define VIREO_SEMAPHORE_H

#include "hub/object.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The program's, in its place while it is used. */
struct hub_semaphore {
    uint64_t private_[3];
};

/* `count` permits.  Returns 0, or -EINVAL for NULL and for less than none. */
HUB_API int hub_semaphore_init(struct hub_semaphore *semaphore, int count);

/* The same, never more than that: a BoundedSemaphore. */
HUB_API int hub_bounded_semaphore_init(struct hub_semaphore *semaphore,
                                       int count);

/* One that never makes anybody wait, where others are wanted: a DummySemaphore.
 * Returns 0, or -EINVAL for NULL. */
HUB_API int hub_dummy_semaphore_init(struct hub_semaphore *semaphore);

/* Nobody may use it any more.  Returns 0, or -EBUSY with nothing done: somebody
 * waits for it. */
HUB_API int hub_semaphore_destroy(struct hub_semaphore *semaphore);

/* Take a permit; waits for one, behind those who wait already.  Switches, unless
 * one is there.
 * Returns 0 with the permit; without it -ETIMEDOUT, -EINVAL for NULL, or why it
 * ended early. */
HUB_API int hub_semaphore_acquire(struct hub_semaphore *semaphore,
                                  int64_t deadline_ns);

/* The same without waiting: -EAGAIN when none is there, or others wait for it.
 * Never switches. */
HUB_API int hub_semaphore_try_acquire(struct hub_semaphore *semaphore);

/* Give a permit back, or one more.  Never switches.
 * Returns how many are there now: 0 when somebody had waited for it, and has it;
 * or -EDOM when a bounded one has all its permits; -EOVERFLOW beyond INT_MAX;
 * -EINVAL for NULL; -EDEADLK in a signal handler that interrupted this library. */
HUB_API int hub_semaphore_release(struct hub_semaphore *semaphore);

/* How many permits are there; INT_MAX for a dummy one. */
HUB_API int hub_semaphore_count(const struct hub_semaphore *semaphore);

/* No permit is there. */
HUB_API bool hub_semaphore_locked(const struct hub_semaphore *semaphore);

/* For hub_wait() and hub_rawlink(): ready while a permit is there, which it does
 * not take. */
HUB_API struct hub_object
hub_semaphore_object(struct hub_semaphore *semaphore);

#ifdef __cplusplus
}
#endif
#endif
